package cpu

import (
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// machine is a kernel's program sorted by how often its values change. One of
// the loop variables is the vector variable, along which blocks are formed;
// values that do not depend on it are uniform and computed once for a block
// or for many.
//
// Where the vector variable is short, such as the width of an image, blocks
// continue over the loops around it: over their rows.
type machine struct {
	k       *kernel.Kernel
	vec     int   // the vector loop variable, -1 if the kernel has no loops
	rows    []int // the loop variables around it that blocks continue over
	extent  int   // elements of all of them
	outer   bool  // it is one of the independent ones
	block   int
	varying []bool // values that change within a block
	fill    []bool // uniform values that varying ones use

	consts []instr // the same for the whole run of the kernel
	// By reduction stage s: what needs the results of stages before s only.
	outerU, outerV [][]instr // uniform and varying values outside of reductions
	innerU, innerV [][]instr // values that stage s reduces; the last for inner stores
	result         []int     // value that holds each stage's result, -1 if unused
	// groupEnd is, for the first of some stages that need nothing of each other
	// and are reduced in one pass, the end of the group. What they reduce is in
	// innerU and innerV of the first.
	groupEnd   []int
	remembered [][]float32 // values that depend on the position alone
	held       int         // loads that are kept from one pass to the next
	points     int         // combinations of reduced loop variables

	outerStores, innerStores []store
	pieces                   []int // some addresses are linear between multiples of these only
	cutting                  bool  // blocks end there
	mem                      [][]byte
}

// newMachine sorts the program of k for blocks along loop variable vec.
func newMachine(k *kernel.Kernel, mem [][]byte, vec int) *machine {
	m := &machine{k: k, vec: vec, rows: rowsAround(k, vec), extent: 1, outer: true, mem: mem}
	if vec >= 0 {
		m.extent, m.outer = k.Dims[vec], vec < k.Outer
		for _, d := range m.rows {
			m.extent *= k.Dims[d]
		}
	}
	m.block = blockFor(m.extent, len(k.Vals))
	if len(m.rows) > 0 && m.block < m.extent {
		m.block = wholeRows(k.Dims, vec, m.rows, m.block)
	}
	on := newDependencies(k)
	m.varying, m.fill = make([]bool, len(k.Vals)), make([]bool, len(k.Vals))
	for i, dims := range on.dims {
		m.varying[i] = vec >= 0 && dims>>vec&1 == 1
		for _, d := range m.rows {
			m.varying[i] = m.varying[i] || dims>>d&1 == 1
		}
	}
	m.cutting = m.longPieces()
	m.markFills()
	inner := m.groups(on)
	m.points = k.InnerElems()
	m.addStores()
	m.place(on, inner)
	return m
}

// dependencies are what each value of a kernel depends on: loop variables as
// bits, and how many stages have to be complete.
type dependencies struct {
	dims         []uint64
	after        []int
	outer, inner uint64 // the loop variables of either kind
}

// memory is the bit of loads, which change between runs of the kernel.
const memory = 1 << 63

func newDependencies(k *kernel.Kernel) *dependencies {
	on := &dependencies{dims: make([]uint64, len(k.Vals)), after: make([]int, len(k.Vals))}
	for d := range k.Dims {
		if d < k.Outer {
			on.outer |= 1 << d
		} else {
			on.inner |= 1 << d
		}
	}
	for i := range k.Vals {
		v := &k.Vals[i]
		v.Uses(func(a int) { on.dims[i] |= on.dims[a]; on.after[i] = max(on.after[i], on.after[a]) })
		v.Index.DependsOn(func(d int) bool { on.dims[i] |= 1 << d; return false }, func(int) bool { return false })
		switch v.Kind {
		case kernel.Result:
			on.dims[i] |= on.outer
			on.after[i] = v.N + 1
		case kernel.Acc:
			on.dims[i] |= on.outer
		case kernel.Load:
			on.dims[i] |= memory
		}
	}
	return on
}

// groups joins stages that need nothing of each other, and returns the inner
// values that each group needs, by its first stage, and last those of the inner
// stores.
func (m *machine) groups(on *dependencies) [][]bool {
	k := m.k
	stages := len(k.Stages)
	inner := make([][]bool, stages+1)
	m.groupEnd = make([]int, stages)
	group := 0
	for s := range inner {
		need := make([]bool, len(k.Vals))
		ready := 0 // stages that have to be complete
		var mark func(v int)
		mark = func(v int) {
			ready = max(ready, on.after[v])
			if on.dims[v]&on.inner != 0 && !need[v] {
				need[v] = true
				k.Vals[v].Uses(mark)
			}
		}
		if s < stages {
			mark(k.Stages[s].Val)
			// Plain sums of rows have a faster way of their own.
			if first := k.Stages[group].Val; s == 0 || ready > group || k.Vals[k.Stages[s].Val].Kind == kernel.Load || k.Vals[first].Kind == kernel.Load {
				group = s
			}
			m.groupEnd[group] = s + 1
		} else {
			group = s
			for _, st := range k.Stores {
				if st.Inner {
					mark(st.Val)
				}
			}
		}
		if inner[group] == nil {
			inner[group] = make([]bool, len(k.Vals))
		}
		for i, needed := range need {
			inner[group][i] = inner[group][i] || needed
		}
	}
	return inner
}

// place compiles each value and puts its instruction where it is computed as
// seldom as possible.
func (m *machine) place(on *dependencies, inner [][]bool) {
	k := m.k
	stages := len(k.Stages)
	m.result = make([]int, stages)
	for s := range m.result {
		m.result[s] = -1
	}
	m.outerU, m.outerV = make([][]instr, stages+1), make([][]instr, stages+1)
	m.innerU, m.innerV = make([][]instr, stages+1), make([][]instr, stages+1)
	used := m.used()
	pure := m.pure(on.dims)
	var code []instr
	for i := range k.Vals {
		if !used[i] {
			continue
		}
		switch v := &k.Vals[i]; {
		case v.Kind == kernel.Result:
			m.result[v.N] = i
			continue
		case v.Kind == kernel.Const, v.Kind == kernel.Scalar:
			continue // set by newContext and by begin
		}
		in := m.compile(i)
		if pure[i] {
			code = append(code, in)
			in = instr{dst: i, out: -1, special: remembered, slot: len(code) - 1}
		}
		switch s, dims := on.after[i], on.dims[i]; {
		case dims&^memory == 0 && s == 0:
			m.consts = append(m.consts, in)
		case dims&on.inner == 0 && m.varying[i]:
			m.outerV[s] = append(m.outerV[s], in)
		case dims&on.inner == 0:
			m.outerU[s] = append(m.outerU[s], in)
		default:
			passes := 0
			for t := range inner {
				if inner[t] != nil && inner[t][i] {
					passes++
				}
			}
			if passes > 1 && m.varying[i] && m.outer && m.points <= mostHeld && k.Vals[i].Kind == kernel.Load {
				in.fetch, in.special, in.slot = in.special, hold, m.held
				m.held++
			}
			for t := range inner {
				if inner[t] == nil || !inner[t][i] {
					continue
				}
				if m.varying[i] {
					m.innerV[t] = append(m.innerV[t], in)
				} else {
					m.innerU[t] = append(m.innerU[t], in)
				}
				if in.fetch != nil {
					in.special = recall
				}
			}
		}
	}
	m.remember(code)
}

// used marks the values that have an instruction of their own: a byte load
// whose only users widen it to floats has not.
func (m *machine) used() []bool {
	k := m.k
	used := make([]bool, len(k.Vals))
	for _, st := range k.Stages {
		used[st.Val] = true
	}
	for _, st := range k.Stores {
		used[st.Val] = true
	}
	for i := len(k.Vals) - 1; i >= 0; i-- {
		v := &k.Vals[i]
		if used[i] = used[i] || v.Kind == kernel.Result; !used[i] {
			continue
		}
		if m.widens(i) { // loads for itself
			v = &k.Vals[v.Args[0]]
		}
		ranged := v.Kind == kernel.Load && v.Mask >= 0 && m.load(i).ranged() // tests the conditions itself
		v.Uses(func(a int) { used[a] = used[a] || !ranged || a != v.Mask })
	}
	return used
}

// widens reports whether value i is the conversion of a contiguous byte load
// to floats, which is one instruction.
func (m *machine) widens(i int) bool {
	k := m.k
	v := &k.Vals[i]
	if v.Kind != kernel.Elem || v.Op != ir.OpCast || v.DType != ir.F32 {
		return false
	}
	a := &k.Vals[v.Args[0]]
	if a.Kind != kernel.Load || a.Mask >= 0 || k.Bufs[a.N].DType != ir.U8 {
		return false
	}
	at := m.address(a.Index)
	return at.linear && !at.parts && at.pieces == nil && at.step == 1
}

// markFills finds the uniform values that are needed for whole blocks.
func (m *machine) markFills() {
	k := m.k
	use := func(v int) {
		if !m.varying[v] {
			m.fill[v] = true
		}
	}
	for i := range k.Vals {
		v := &k.Vals[i]
		if !m.varying[i] {
			continue
		}
		for _, a := range v.Args {
			use(a)
		}
		if v.Kind == kernel.Load && v.Mask >= 0 {
			use(v.Mask)
		}
	}
	for _, st := range k.Stages {
		use(st.Val)
	}
	for _, st := range k.Stores {
		use(st.Val)
	}
}

func (m *machine) addStores() {
	k := m.k
	written := map[int]int{}
	stored := map[int]int{}
	for _, st := range k.Stores {
		written[st.Buf]++
		stored[st.Val]++
	}
	for _, st := range k.Stores {
		a := m.address(st.Index)
		a.buf, a.ring, a.dtype = st.Buf, st.Ring, k.Bufs[st.Buf].DType
		m.pieces = append(m.pieces, a.pieces...)
		s := store{val: st.Val, addr: a}
		if st.Inner {
			m.innerStores = append(m.innerStores, s)
			continue
		}
		v := &k.Vals[st.Val]
		s.direct = m.varying[st.Val] && (v.Kind == kernel.Elem || v.Kind == kernel.Load) && a.linear && !a.parts && a.step == 1 && a.dtype != ir.F16 &&
			written[st.Buf] == 1 && stored[st.Val] == 1 && (!k.Bufs[st.Buf].Read || m.inPlace(&st))
		m.outerStores = append(m.outerStores, s)
	}
}

// inPlace reports whether a store may replace the elements that the program
// has loaded from the same buffer while they are still being looked at: every
// such load is of the stored element, and nothing uses one after the value
// that is stored.
func (m *machine) inPlace(st *kernel.Store) bool {
	k := m.k
	if k.Vals[st.Val].Kind != kernel.Elem || len(k.Stages) > 0 {
		return false
	}
	old := map[int]bool{}
	for i := range k.Vals {
		v := &k.Vals[i]
		if v.Kind == kernel.Load && v.N == st.Buf {
			if v.Mask >= 0 || v.Index.Key() != st.Index.Key() {
				return false
			}
			old[i] = true
		}
		late := false
		v.Uses(func(a int) { late = late || old[a] && i > st.Val })
		if late {
			return false
		}
	}
	for _, other := range k.Stores {
		if old[other.Val] {
			return false
		}
	}
	return true
}

// compile returns the instruction of value i.
func (m *machine) compile(i int) instr {
	k := m.k
	v := &k.Vals[i]
	in := instr{dst: i, out: -1}
	switch v.Kind {
	case kernel.Elem:
		in = elementwise(k, i)
		if m.widens(i) {
			in.addr = m.compile(v.Args[0]).addr
			in.special = castBytes
		}
		in.uniform = v.Op == ir.OpRand && !m.varying[v.Args[1]] && !m.varying[v.Args[2]]
	case kernel.Load:
		in.addr = m.load(i)
		in.addr.copy = k.Bufs[v.N].Write && !m.direct(v.N)
		in.special = load
	case kernel.AsValue:
		in.addr, in.special = m.address(v.Index), asValue
	case kernel.InRange:
		in.addr, in.special, in.limit = m.address(v.Index), inRange, v.N
	case kernel.Acc:
		in.special = loadAcc
	}
	if in.addr != nil {
		m.pieces = append(m.pieces, in.addr.cuts...)
	}
	in.fill = m.fill[i]
	for j, s := range m.outerStores {
		if s.direct && s.val == i {
			in.out = j
		}
	}
	return in
}

// load returns the address of load i with its mask's conditions.
func (m *machine) load(i int) *address {
	v := &m.k.Vals[i]
	a := m.address(v.Index)
	a.buf, a.dtype, a.mask = v.N, m.k.Bufs[v.N].DType, v.Mask
	if v.Mask < 0 {
		return a
	}
	a.within, _ = m.conditions(v.Mask)
	for _, t := range a.within {
		// A segment is where the address and all conditions are linear.
		a.cuts = append(a.cuts[:len(a.cuts):len(a.cuts)], t.addr.cuts...)
		a.parts = a.parts || t.addr.parts
		if s := t.addr.segment; len(m.rows) > 0 && s > 0 && (a.segment == 0 || s < a.segment) {
			a.segment = s // both divide one another: products of the last rows
		}
	}
	if len(m.rows) > 0 {
		m.spaced(a)
	}
	return a
}

// conditions takes a mask apart into range tests.
func (m *machine) conditions(mask int) ([]rangeTest, bool) {
	v := &m.k.Vals[mask]
	switch {
	case v.Kind == kernel.InRange:
		a := m.address(v.Index)
		if !a.linear || a.step != 0 && a.step != 1 {
			return nil, false
		}
		return []rangeTest{{a, v.N}}, true
	case v.Kind == kernel.Elem && v.Op == ir.OpAnd:
		x, okX := m.conditions(v.Args[0])
		y, okY := m.conditions(v.Args[1])
		if okX && okY {
			return append(x, y...), true
		}
	}
	return nil, false
}

// direct reports whether the store to buffer u works in place.
func (m *machine) direct(u int) bool {
	for _, s := range m.outerStores {
		if s.addr.buf == u && s.direct {
			return true
		}
	}
	return false
}

// registerBytes is the memory of one worker: a register for each value,
// accumulators for each stage, a block of indices, and what is kept.
func (m *machine) registerBytes() int {
	return (len(m.k.Vals)+levels*len(m.k.Stages)+1+m.held*m.points)*m.block*4 + len(m.remembered)*m.extent*4
}
