package wgsl

// Splitting long sums of products, over workgroups and because they are long. The
// gradient of a convolution's weight is a product with few results and a very long
// sum (over every pixel of the batch): a tile for each part of the results keeps a
// few multiprocessors busy and leaves the others idle. And a thread may not go
// through any number of terms: there are drivers that end its loops
// (driverTurns), and a sum that is large beside its terms loses digits. Such a
// product becomes several kernels. The first, or two where k has no even parts, is
// a batched product whose batch elements are ranges of k, and leaves partial sums in
// a temporary; the last adds them in order and runs what was the product's
// program. All are ordinary kernels, so that whatever reads plans need not know.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

// SplitLongSums rewrites the products of a plan whose sums are worth splitting, or
// too long for one thread. Software adapters have no multiprocessors to keep busy:
// only the latter happens for them.
func SplitLongSums(p *plan.Plan, lim TileLimits) {
	var kernels []*kernel.Kernel
	for _, k := range p.Kernels {
		kernels = append(kernels, splitLong(p, k, lim, !lim.Software)...)
	}
	if len(kernels) != len(p.Kernels) {
		p.Kernels = kernels
		p.Layout()
	}
}

// splitLong is what becomes of k; busy says that multiprocessors are to be kept so.
func splitLong(p *plan.Plan, k *kernel.Kernel, lim TileLimits, busy bool) []*kernel.Kernel {
	if k.Kind != kernel.MatMul {
		return []*kernel.Kernel{k}
	}
	var cuts []span
	taps := 0
	if busy {
		var parts int
		if parts, taps = splitParts(k, lim); parts > 1 {
			cuts = []span{{0, parts, k.Product.K / parts}}
		}
	}
	if cuts == nil {
		cuts, taps = cutLong(k, lim), 0
	}
	if cuts == nil {
		return []*kernel.Kernel{k}
	}
	parts, sum := split(p, k, cuts, taps)
	var out []*kernel.Kernel
	for _, part := range parts {
		out = append(out, splitLong(p, part, lim, false)...)
	}
	return append(out, sum)
}

// span is the part of a sum from step `from` on, in parts of equal length.
type span struct{ from, parts, each int }

// described is product k as the generator sees it, with its tile.
func described(k *kernel.Kernel, lim TileLimits) *Matmul {
	arena := func(int) bool { return true } // where operands that are halves lie
	m := newWriter(k, Options{Arena: arena}).matmul()
	m.Tile = ChooseTile(m, lim)
	return m
}

// tooLong reports whether the loops of a thread turn too often, and whether its
// sums have too many terms.
func (m *Matmul) tooLong(lim TileLimits) (turns, chain bool) {
	t := lim.tuning()
	return m.turns() > t.MaxTurns, m.chain() > t.MaxChain
}

// turns is how often the loops of a thread turn at most.
func (m *Matmul) turns() int {
	t := m.Tile
	switch {
	case t.Strip:
		n := m.K / t.Unroll
		return n + n/fewestTerms + t.TM
	case t.Shared, t.Window, t.Taps:
		return m.K // loops within loops: a step of k is less than a turn
	}
	n := m.K / 4 / max(t.SplitK, 1) / max(t.Unroll, 1)
	return n + n/fewestTerms
}

// chain is how many terms are added to one sum, one after the other. Blocks of
// terms count an eighth: their sums have some digits left at eight times the length.
func (m *Matmul) chain() int {
	n := m.K / max(m.Tile.SplitK, 1)
	if t := m.Tile; t.Shared || t.Window || t.Taps {
		return n
	}
	return n / 8
}

// chainResults is how many partial sums a product may leave for the sake of digits
// alone.
const chainResults = 16 << 20

// cutLong cuts the sum of a product that is too long for a thread; nil if it is
// not.
func cutLong(k *kernel.Kernel, lim TileLimits) []span {
	if t := lim.tuning(); k.Product.K <= min(t.MaxTurns, t.MaxChain)*9/10 {
		return nil // whatever the tile
	}
	m := described(k, lim)
	turns, chain := m.tooLong(lim)
	if !turns && !chain {
		return nil
	}
	size, results := k.Product.K, ir.NumElems(k.Dims)
	short := func(cuts []span) bool {
		for _, c := range cuts {
			if turns, chain := described(partOf(k, c), lim).tooLong(lim); turns || chain {
				return false
			}
		}
		return true
	}
	for want := 2; size/want >= fewestTerms; want *= 2 {
		if !turns && want*results > chainResults {
			return nil
		}
		for n := want; n < 2*want; n++ {
			if size%n == 0 && splittable(k, span{0, n, size / n}) {
				if cuts := []span{{0, n, size / n}}; short(cuts) {
					return cuts
				}
				break
			}
		}
		// Uneven: whole periods of what operands' places are made of, and a rest.
		for _, period := range periods(k) {
			each := (size/want + period - 1) / period * period
			if each >= size {
				continue
			}
			cuts := []span{{0, size / each, each}}
			if rest := size % each; rest > 0 {
				cuts = append(cuts, span{size - rest, 1, rest})
			}
			if splittable(k, cuts[0]) {
				if short(cuts) {
					return cuts
				}
				break
			}
		}
	}
	// Places that mix with every range: each range has a kernel of its own.
	for want := 2; size/want >= fewestTerms; want *= 2 {
		if !turns && want*results > chainResults {
			return nil
		}
		each := (size/want + 3) / 4 * 4
		var cuts []span
		for from := 0; from < size; from += each {
			cuts = append(cuts, span{from, 1, min(each, size-from)})
		}
		if short(cuts[:1]) {
			return cuts
		}
	}
	return nil
}

// periods are the numbers that k is divided by in the operands' places, the
// greatest first, and 4.
func periods(k *kernel.Kernel) []int {
	r := len(k.Dims)
	list := []int{4}
	var visit func(x kernel.Index)
	visit = func(x kernel.Index) {
		for _, t := range x.Terms {
			if a := t.Atom; a.Kind >= kernel.AtomDiv && a.On(r) {
				list = append(list, a.C)
				visit(a.X)
			}
		}
	}
	visit(k.Vals[k.Product.A].Index)
	visit(k.Vals[k.Product.B].Index)
	for _, n := range list[1:] {
		for _, o := range list[1:] {
			if n*o <= k.Product.K {
				list = append(list, n*o)
			}
		}
		if len(list) > 64 {
			break
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	slices.Reverse(list)
	return list
}

// splitParts is into how many parts the sum of k is cut for a GPU's sake; 1 is not
// at all. taps is what split takes.
func splitParts(k *kernel.Kernel, lim TileLimits) (parts, taps int) {
	arena := func(int) bool { return true } // where operands that are halves lie
	m := newWriter(k, Options{Arena: arena}).matmul()
	u := lim.tuning()
	if tiles := tapsTiles(m, lim); len(tiles) > 0 {
		if n := tapsParts(k, m, tiles[0], u); m.enoughTaps(tiles[0], n, u) {
			return n, tiles[0].TN
		}
	}
	have := m.workgroups(64, 64)
	if have >= u.SplitBelow || m.K < 4*u.SplitLeast {
		return 1, 0
	}
	want := min((u.SplitTarget+have-1)/have, m.K/u.SplitLeast, u.SplitMost)
	parts = 1
	for n := 2; n <= want; n++ {
		if m.K%n == 0 && splittable(k, span{0, n, m.K / n}) {
			parts = n
		}
	}
	return parts, 0
}

// tapsParts is splitParts for a tile of taps: parts are whole images.
func tapsParts(k *kernel.Kernel, m *Matmul, t Tile, u Tuning) int {
	have := m.workgroups(t.BM, t.BN) * t.threads()
	best := 1
	for parts := 2; parts <= m.K/u.TapsLeast && have*parts <= u.TapsMost; parts++ {
		if m.B.Taps.Images%parts == 0 && splittable(k, span{0, parts, m.K / parts}) {
			best = parts
		}
	}
	return best
}

// enoughTaps reports whether the product, cut into parts, keeps a GPU busy with a
// tile of taps.
func (m *Matmul) enoughTaps(t Tile, parts int, u Tuning) bool {
	return m.K/parts >= u.TapsLeast && m.workgroups(t.BM, t.BN)*t.threads()*parts >= u.TapsFewest
}

// splittable reports whether both operands' places stay sums of functions of one
// loop variable, and evenly spaced from part to part.
func splittable(k *kernel.Kernel, c span) bool {
	for _, v := range []int{k.Product.A, k.Product.B} {
		for _, t := range splitIndex(k.Vals[v].Index, len(k.Dims), c).Terms {
			if t.Atom.Kind != kernel.AtomDim && t.Atom.On(0) {
				return false
			}
		}
	}
	return true
}

// splitIndex rewrites an index for a new first loop variable, the part, with k
// counted from its beginning.
func splitIndex(x kernel.Index, r int, c span) kernel.Index {
	return x.Subst(func(a *kernel.Atom) kernel.Index {
		if a.N == r {
			return kernel.Dim(0, c.parts).Mul(c.each).Add(kernel.Dim(r+1, c.each)).Add(kernel.Int(c.from))
		}
		return kernel.Dim(a.N+1, a.Hi+1)
	}, func(a *kernel.Atom) kernel.Index { return kernel.FromVal(a.N, a.Hi+1) })
}

func size(dims ...int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(dims), " ", "x"), "[]")
}

// partOf is the product of a span, the part being the first dimension, without a
// store.
func partOf(k *kernel.Kernel, c span) *kernel.Kernel {
	r := len(k.Dims)
	part := &kernel.Kernel{Kind: kernel.MatMul, Dims: append([]int{c.parts}, k.Dims...), Outer: r + 1}
	part.Name = "matmul_part_" + size(append(slices.Clone(part.Dims), c.each)...)
	part.Product = &kernel.Product{K: c.each, A: 0, B: 1}
	buf := map[int]int{} // of k to of part
	for _, v := range []int{k.Product.A, k.Product.B} {
		load := k.Vals[v]
		if _, ok := buf[load.N]; !ok {
			buf[load.N] = len(part.Bufs)
			u := k.Bufs[load.N]
			u.Read, u.Write = true, false
			part.Bufs = append(part.Bufs, u)
		}
		load.N = buf[load.N]
		load.Index = splitIndex(load.Index, r, c)
		part.Vals = append(part.Vals, load)
	}
	part.Vals = append(part.Vals, kernel.Val{Kind: kernel.Acc, DType: ir.F32, Mask: -1})
	return part
}

// split makes the kernels of the parts and that of their sum. taps, if not 0, is
// how many of the product's columns are the taps of one channel. A thread has all of
// them then, and its neighbours have other rows: the partial sums lie in the order
// of tap, channel, row, so that those are stored side by side.
func split(p *plan.Plan, k *kernel.Kernel, cuts []span, taps int) (firsts []*kernel.Kernel, second *kernel.Kernel) {
	r := len(k.Dims)
	results, parts := ir.NumElems(k.Dims), 0
	for _, c := range cuts {
		parts += c.parts
	}
	temp := len(p.Buffers)
	p.Buffers = append(p.Buffers, plan.Buffer{Kind: plan.Temp, DType: ir.F32, Elems: parts * results, Bytes: 4 * parts * results})

	// The partial sums, in the order of part, then result.
	order := slices.Clone(k.Dims)
	inOrder := func(x kernel.Index) kernel.Index { return x }
	vars := make([]kernel.Index, r) // the results' indices by loop variables of a part
	for d, n := range k.Dims {
		vars[d] = kernel.Dim(d+1, n)
	}
	if taps > 0 {
		rows, columns := k.Dims[r-2], k.Dims[r-1]
		order = append(order[:r-2], taps, columns/taps, rows)
		column := vars[r-1]
		vars = append(vars[:r-2], column.Mod(taps), column.Div(taps), vars[r-2])
		inOrder = func(x kernel.Index) kernel.Index {
			return x.Subst(func(a *kernel.Atom) kernel.Index {
				switch a.N {
				case r - 2:
					return kernel.Dim(r, rows)
				case r - 1:
					return kernel.Dim(r-1, columns/taps).Mul(taps).Add(kernel.Dim(r-2, taps))
				}
				return kernel.Dim(a.N, a.Hi+1)
			}, func(a *kernel.Atom) kernel.Index { return kernel.FromVal(a.N, a.Hi+1) })
		}
	}
	before := 0
	for _, c := range cuts {
		part := partOf(k, c)
		at := kernel.Dim(0, c.parts).Add(kernel.Int(before))
		for d, n := range order {
			at = at.Mul(n).Add(vars[d])
		}
		part.Stores = []kernel.Store{{Val: 2, Buf: len(part.Bufs), Index: at}}
		part.Bufs = append(part.Bufs, kernel.Buf{ID: temp, DType: ir.F32, Elems: parts * results, Write: true})
		firsts = append(firsts, part)
		before += c.parts
	}

	// Their sum, and the rest of the program. Operand A becomes the load of a
	// partial sum, the product's sum the reduction's result.
	outer := len(order)
	second = &kernel.Kernel{Kind: kernel.Reduce, Dims: append(slices.Clone(order), parts), Outer: outer}
	second.Name = "sum_of_parts_" + size(second.Dims...)
	second.Vals = slices.Clone(k.Vals)
	second.Stores = slices.Clone(k.Stores)
	second.Stages = []kernel.Stage{{Op: ir.OpSum, Val: k.Product.A}}
	for i := range second.Vals {
		second.Vals[i].Index = inOrder(second.Vals[i].Index)
	}
	for i := range second.Stores {
		second.Stores[i].Index = inOrder(second.Stores[i].Index)
	}
	at := kernel.Dim(outer, parts).Mul(results)
	stride := results
	for d, n := range order {
		stride /= n
		at = at.Add(kernel.Dim(d, n).Mul(stride))
	}
	// B first: where both operands are one value, that is A.
	second.Vals[k.Product.B] = kernel.Val{Kind: kernel.Const, DType: ir.F32, Mask: -1}
	second.Vals[k.Product.A] = kernel.Val{Kind: kernel.Load, DType: ir.F32, N: -1, Index: at, Mask: -1, Inner: true}
	for i, v := range second.Vals {
		if v.Kind == kernel.Acc {
			second.Vals[i] = kernel.Val{Kind: kernel.Result, DType: ir.F32, Mask: -1}
		}
	}
	buf := map[int]int{} // of k to of second
	use := func(n int) int {
		if _, ok := buf[n]; !ok {
			u := kernel.Buf{ID: temp, DType: ir.F32, Elems: parts * results, Read: true}
			if n >= 0 {
				u = k.Bufs[n]
				u.Read, u.Write = false, false
			}
			buf[n] = len(second.Bufs)
			second.Bufs = append(second.Bufs, u)
		}
		return buf[n]
	}
	for i := range second.Vals {
		if v := &second.Vals[i]; v.Kind == kernel.Load {
			v.N = use(v.N)
			second.Bufs[v.N].Read = true
		}
	}
	for i := range second.Stores {
		st := &second.Stores[i]
		st.Buf = use(st.Buf)
		second.Bufs[st.Buf].Write = true
	}
	return firsts, second
}
