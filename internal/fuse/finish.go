package fuse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

// copyJob is an assignment that goes through a temporary.
type copyJob struct{ from, to int }

// finish completes the plan once every value has its place: copies for values
// that are wanted in several places, assignments in place where no reader of
// the old value comes too late, the final order, and the arena.
func (s *scheduler) finish() {
	s.copyResults()
	saved := s.saveStates()
	for _, b := range s.kernels {
		b.prune()
		b.mergeDims()
		b.access()
		b.name()
	}
	deps := s.dependencies()
	aliased := map[int]int{}
	var copies []copyJob
	for i, v := range s.graph.Values {
		state := s.leaf[s.graph.Targets[i]]
		from, writer := s.holder(v)
		if from == state {
			continue
		}
		if p, ok := saved[from]; ok {
			from, writer = p.buf, p.kernel
		}
		_, moved := aliased[from] // already, if several states take one value
		if s.plan.Buffers[from].Kind == plan.Temp && writer >= 0 && !moved && s.alias(deps, writer, from, state) {
			aliased[from] = state
			continue
		}
		copies = append(copies, copyJob{from, state})
	}
	order := sortKernels(deps)
	for _, k := range order {
		s.plan.Kernels = append(s.plan.Kernels, s.kernels[k].k)
	}
	// Copies come last: by then nobody reads the old values.
	for _, c := range copies {
		if to, ok := aliased[c.from]; ok {
			c.from = to
		}
		b := s.copyKernel(c.from, kernel.Index{}, c.to, kernel.Index{}, 0, s.plan.Buffers[c.to].Elems)
		s.plan.Kernels = append(s.plan.Kernels, b.k)
	}
	s.compact()
	s.plan.Layout()
}

// holder returns the buffer that holds a node's value, and the kernel that
// computes it, -1 for a leaf.
func (s *scheduler) holder(n *ir.Node) (buf, writer int) {
	if p, ok := s.stored[n]; ok {
		return p.buf, p.kernel
	}
	return s.leaf[n.Leaf], -1
}

// saveStates copies each state that becomes, as it is, the value of another
// one and is itself assigned: its own new value may be written first.
func (s *scheduler) saveStates() map[int]place {
	saved := map[int]place{}
	for i, v := range s.graph.Values {
		from, writer := s.holder(v)
		if _, done := saved[from]; done || writer >= 0 || v.Leaf == s.graph.Targets[i] || !slices.Contains(s.graph.Targets, v.Leaf) {
			continue
		}
		b := s.plan.Buffers[from]
		tmp := s.addBuffer(plan.Buffer{Kind: plan.Temp, Name: b.Name, DType: b.DType, Elems: b.Elems})
		s.kernels = append(s.kernels, s.copyKernel(from, kernel.Index{}, tmp, kernel.Index{}, 0, b.Elems))
		saved[from] = place{tmp, len(s.kernels) - 1}
	}
	return saved
}

// copyResults adds a kernel for each output whose value lies elsewhere: a leaf
// that is returned as it is, or one node returned twice.
func (s *scheduler) copyResults() {
	for i, o := range s.graph.Outputs {
		r := s.plan.Results[i]
		if s.result[o] == i && o.Op != ir.OpLeaf {
			continue
		}
		ring, at := 0, kernel.Index{}
		if r.Ring {
			ring, at = s.plan.RingWords, kernel.Int(r.Offset)
		}
		if p, ok := s.stored[o]; ok || o.Op == ir.OpLeaf {
			if !ok {
				p.buf = s.leaf[o.Leaf]
			}
			s.kernels = append(s.kernels, s.copyKernel(p.buf, kernel.Index{}, r.Buf, at, ring, r.Elems))
			continue
		}
		// The first result went to the ring only; read it back from there.
		first := s.plan.Results[s.result[o]]
		for _, b := range s.kernels {
			for _, st := range slices.Clone(b.k.Stores) {
				if b.k.Bufs[st.Buf].ID == first.Buf && st.Ring > 0 && st.Index.Const == first.Offset {
					st.Index.Const += r.Offset - first.Offset
					b.k.Stores = append(b.k.Stores, st)
				}
			}
		}
	}
}

func (s *scheduler) copyKernel(from int, fromAt kernel.Index, to int, toAt kernel.Index, ring, n int) *builder {
	b := s.newBuilder(kernel.Map, []int{n}, 1)
	u := b.buf(from)
	i := b.loop(0)
	v := b.add(kernel.Val{Kind: kernel.Load, DType: b.k.Bufs[u].DType.Compute(), N: u, Index: fromAt.Add(i), Mask: -1})
	b.k.Stores = []kernel.Store{{Val: v, Buf: b.buf(to), Index: toAt.Add(i), Ring: ring}}
	b.access()
	b.k.Name = fmt.Sprintf("copy_%d", n)
	return b
}

// prune drops values, stages and buffers that no store needs.
func (b *builder) prune() {
	k := b.k
	live := make([]bool, len(k.Vals))
	var mark func(v int)
	mark = func(v int) {
		if live[v] {
			return
		}
		live[v] = true
		k.Vals[v].Uses(mark)
		if k.Vals[v].Kind == kernel.Result {
			mark(k.Stages[k.Vals[v].N].Val)
		}
	}
	for _, st := range k.Stores {
		mark(st.Val)
	}
	if k.Product != nil {
		mark(k.Product.A)
		mark(k.Product.B)
	}
	// Stages in order; the first values that need a stage come after it.
	stageMap := make([]int, len(k.Stages))
	var stages []kernel.Stage
	for i, st := range k.Stages {
		stageMap[i] = len(stages)
		if slices.ContainsFunc(k.Vals, func(v kernel.Val) bool { return v.Kind == kernel.Result && v.N == i }) && b.resultLive(live, i) {
			stages = append(stages, st)
		}
	}
	valMap := make([]int, len(k.Vals))
	bufMap := map[int]int{}
	var vals []kernel.Val
	var bufs []kernel.Buf
	useBuf := func(u int) int {
		if _, ok := bufMap[u]; !ok {
			bufMap[u] = len(bufs)
			bufs = append(bufs, k.Bufs[u])
		}
		return bufMap[u]
	}
	keepDim := func(a *kernel.Atom) kernel.Index { return kernel.Dim(a.N, a.Hi+1) }
	newVal := func(a *kernel.Atom) kernel.Index { return kernel.FromVal(valMap[a.N], a.Hi+1) }
	for i, v := range k.Vals {
		if !live[i] {
			continue
		}
		v.Args = slices.Clone(v.Args)
		for j := range v.Args {
			v.Args[j] = valMap[v.Args[j]]
		}
		v.Index = v.Index.Subst(keepDim, newVal)
		switch v.Kind {
		case kernel.Load:
			v.N = useBuf(v.N)
			if v.Mask >= 0 {
				v.Mask = valMap[v.Mask]
			}
		case kernel.Result:
			v.N = stageMap[v.N]
		}
		valMap[i] = len(vals)
		vals = append(vals, v)
	}
	for i := range stages {
		stages[i].Val = valMap[stages[i].Val]
	}
	for i := range k.Stores {
		k.Stores[i].Val = valMap[k.Stores[i].Val]
		k.Stores[i].Buf = useBuf(k.Stores[i].Buf)
	}
	if k.Product != nil {
		k.Product.A, k.Product.B = valMap[k.Product.A], valMap[k.Product.B]
	}
	k.Vals, k.Stages, k.Bufs = vals, stages, bufs
}

func (b *builder) resultLive(live []bool, stage int) bool {
	for i, v := range b.k.Vals {
		if live[i] && v.Kind == kernel.Result && v.N == stage {
			return true
		}
	}
	return false
}

// mergeDims joins adjacent loops wherever every access walks through both as
// through one, so that backends see long inner loops.
func (b *builder) mergeDims() {
	k := b.k
	if k.Kind == kernel.MatMul {
		return
	}
	for d := len(k.Dims) - 2; d >= 0; d-- {
		if d+1 == k.Outer && k.Outer < len(k.Dims) {
			continue // a kept and a reduced dimension
		}
		if !b.mergeable(d) {
			continue
		}
		n := k.Dims[d+1]
		k.Dims = slices.Clone(k.Dims)
		k.Dims[d] *= n
		k.Dims = slices.Delete(k.Dims, d+1, d+2)
		if d < k.Outer {
			k.Outer--
		}
		for i := range k.Vals {
			k.Vals[i].Index = b.merged(k.Vals[i].Index, d, n)
		}
		for i := range k.Stores {
			k.Stores[i].Index = b.merged(k.Stores[i].Index, d, n)
		}
	}
}

// merged rewrites x for loop variables d and d+1 (of extent n) being one.
func (b *builder) merged(x kernel.Index, d, n int) kernel.Index {
	return x.Subst(func(a *kernel.Atom) kernel.Index {
		switch {
		case a.N < d:
			return kernel.Dim(a.N, a.Hi+1)
		case a.N > d+1:
			return kernel.Dim(a.N-1, a.Hi+1)
		}
		// Extents of 1 have vanished from the expression, so both are needed here.
		j := kernel.Dim(d, b.mergedExtent)
		if a.N == d {
			return j.Div(n)
		}
		return j.Mod(n)
	}, func(a *kernel.Atom) kernel.Index { return kernel.FromVal(a.N, a.Hi+1) })
}

func (b *builder) mergeable(d int) bool {
	k := b.k
	n := k.Dims[d+1]
	b.mergedExtent = k.Dims[d] * n
	ok := func(x kernel.Index) bool {
		if !x.DependsOn(func(e int) bool { return e == d || e == d+1 }, func(int) bool { return false }) {
			return true
		}
		for _, t := range b.merged(x, d, n).Terms {
			a := t.Atom
			if a.Kind != kernel.AtomDim && a.Kind != kernel.AtomVal && a.DependsOn(func(e int) bool { return e == d }, func(int) bool { return false }) {
				return false
			}
		}
		return true
	}
	for _, v := range k.Vals {
		if !ok(v.Index) {
			return false
		}
	}
	for _, st := range k.Stores {
		if !ok(st.Index) {
			return false
		}
	}
	return true
}

// access notes which buffers are read and which written.
func (b *builder) access() {
	for i := range b.k.Bufs {
		b.k.Bufs[i].Read, b.k.Bufs[i].Write = false, false
	}
	for _, v := range b.k.Vals {
		if v.Kind == kernel.Load {
			b.k.Bufs[v.N].Read = true
		}
	}
	for _, st := range b.k.Stores {
		b.k.Bufs[st.Buf].Write = true
	}
}

// name describes the kernel by its first operations and its size. Integer
// arithmetic, which is mostly indices, counts only where there is nothing else.
func (b *builder) name() {
	var parts []string
	k := b.k
	if k.Product != nil {
		parts = append(parts, "matmul")
	}
	for _, st := range k.Stages {
		parts = append(parts, st.Op.Name())
	}
	for _, v := range k.Vals {
		if v.Index.DependsOn(func(int) bool { return false }, func(int) bool { return true }) {
			parts = append(parts, "gather")
			break
		}
	}
	elementwise := func(wanted func(ir.DType) bool) {
		for _, v := range k.Vals {
			if v.Kind == kernel.Elem && wanted(v.DType) && len(parts) < 4 {
				parts = append(parts, v.Op.Name())
			}
		}
	}
	elementwise(func(dt ir.DType) bool { return dt == ir.F32 })
	if len(parts) == 0 {
		elementwise(func(dt ir.DType) bool { return dt != ir.F32 })
	}
	if len(parts) == 0 {
		parts = append(parts, "move")
	}
	size := k.Dims
	if k.Product != nil {
		size = append(slices.Clone(size), k.Product.K)
	}
	k.Name = strings.Join(slices.Compact(parts), "_") + "_" + strings.Trim(strings.ReplaceAll(fmt.Sprint(size), " ", "x"), "[]")
}

// dependencies lists, for each kernel, the kernels that come before it.
func (s *scheduler) dependencies() []map[int]bool {
	writers := map[int][]int{}
	for i, b := range s.kernels {
		for _, u := range b.k.Bufs {
			if u.Write && s.plan.Buffers[u.ID].Kind != plan.Ring {
				writers[u.ID] = append(writers[u.ID], i)
			}
		}
	}
	deps := make([]map[int]bool, len(s.kernels))
	for i, b := range s.kernels {
		deps[i] = map[int]bool{}
		for _, u := range b.k.Bufs {
			if !u.Read {
				continue
			}
			for _, w := range writers[u.ID] {
				if w != i {
					deps[i][w] = true
				}
			}
		}
	}
	return deps
}

// alias lets kernel writer compute the new value of a state buffer in place,
// if it reads old elements only where it writes them and every other reader
// of the old value can come before it.
func (s *scheduler) alias(deps []map[int]bool, writer, from, state int) bool {
	k := s.kernels[writer].k
	su, fu := -1, -1
	for i, u := range k.Bufs {
		if u.ID == state {
			su = i
		}
		if u.ID == from {
			fu = i
		}
	}
	if su >= 0 {
		if k.Bufs[su].Write {
			return false
		}
		for _, st := range k.Stores {
			if st.Buf != fu {
				continue
			}
			for i, v := range k.Vals {
				if v.Kind == kernel.Load && v.N == su {
					if v.Index.Key() != st.Index.Key() || v.Inner != st.Inner || k.Product != nil && (i == k.Product.A || i == k.Product.B) {
						return false
					}
				}
			}
		}
	}
	var added []int
	for i, b := range s.kernels {
		reads := slices.ContainsFunc(b.k.Bufs, func(u kernel.Buf) bool { return u.ID == state && u.Read })
		if i != writer && reads && !deps[writer][i] {
			deps[writer][i] = true
			added = append(added, i)
		}
	}
	if sortKernels(deps) == nil {
		for _, i := range added {
			delete(deps[writer], i)
		}
		return false
	}
	// From here on both numbers mean the state's buffer.
	for _, b := range s.kernels {
		s.rename(b.k, from, state)
	}
	return true
}

func (s *scheduler) rename(k *kernel.Kernel, from, to int) {
	fu, tu := -1, -1
	for i, u := range k.Bufs {
		if u.ID == from {
			fu = i
		}
		if u.ID == to {
			tu = i
		}
	}
	if fu < 0 {
		return
	}
	k.Bufs[fu].ID = to
	if tu < 0 {
		return
	}
	// The kernel was bound to both: keep the lower number.
	keep, drop := min(fu, tu), max(fu, tu)
	k.Bufs[keep].Read = k.Bufs[fu].Read || k.Bufs[tu].Read
	k.Bufs[keep].Write = k.Bufs[fu].Write || k.Bufs[tu].Write
	fix := func(n int) int {
		switch {
		case n == drop:
			return keep
		case n > drop:
			return n - 1
		}
		return n
	}
	for i := range k.Vals {
		if k.Vals[i].Kind == kernel.Load {
			k.Vals[i].N = fix(k.Vals[i].N)
		}
	}
	for i := range k.Stores {
		k.Stores[i].Buf = fix(k.Stores[i].Buf)
	}
	k.Bufs = slices.Delete(k.Bufs, drop, drop+1)
}

// sortKernels orders kernels after what they depend on, otherwise as they
// are; nil if that is impossible.
func sortKernels(deps []map[int]bool) []int {
	order := make([]int, 0, len(deps))
	done := make([]bool, len(deps))
	for len(order) < len(deps) {
		progress := false
		for i := range deps {
			if done[i] {
				continue
			}
			ready := true
			for d := range deps[i] {
				ready = ready && done[d]
			}
			if ready {
				done[i], progress = true, true
				order = append(order, i)
			}
		}
		if !progress {
			return nil
		}
	}
	return order
}

// compact drops buffers that no kernel uses any more and renumbers the rest;
// inputs stay, since the caller writes them.
func (s *scheduler) compact() {
	p := s.plan
	used := make([]bool, len(p.Buffers))
	for _, k := range p.Kernels {
		for _, u := range k.Bufs {
			used[u.ID] = true
		}
	}
	id := make([]int, len(p.Buffers))
	var kept []plan.Buffer
	for i, b := range p.Buffers {
		if used[i] || b.Kind == plan.Input {
			id[i] = len(kept)
			kept = append(kept, b)
		}
	}
	for _, k := range p.Kernels {
		for i := range k.Bufs {
			k.Bufs[i].ID = id[k.Bufs[i].ID]
		}
	}
	for i := range p.Results {
		p.Results[i].Buf = id[p.Results[i].Buf]
	}
	if p.RingBuf >= 0 {
		p.RingBuf = id[p.RingBuf]
	}
	p.Buffers = kept
}
