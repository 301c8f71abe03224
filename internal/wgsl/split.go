package wgsl

// Splitting long sums over workgroups. The gradient of a convolution's weight is a
// product with few results and a very long sum (over every pixel of the batch):
// a tile for each part of the results keeps a few multiprocessors busy and leaves
// the others idle. Such a product becomes two kernels. The first is a batched
// product whose batch elements are ranges of k, and leaves partial sums in a
// temporary; the second adds them in order and runs what was the product's
// program. Both are ordinary kernels, so that whatever reads plans need not know.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

const (
	splitBelow  = 264     // workgroups of 64x64 that fill a large GPU twice
	splitTarget = 1200    // workgroups wanted: so many that it hardly matters how the last ones fall
	splitLeast  = 256     // steps of k that a part has at least
	splitMost   = 1024    // parts
	tapsMost    = 1 << 17 // threads wanted of tiles of taps, which do more each
	tapsFewest  = 1 << 15 // threads with which they are worth it
	tapsLeast   = 512     // steps of k that such a part has at least
)

// SplitLongSums rewrites the products of a plan whose sums are worth splitting.
// Software adapters have no multiprocessors to keep busy: nothing happens for them.
func SplitLongSums(p *plan.Plan, lim TileLimits) {
	if lim.Software {
		return
	}
	var kernels []*kernel.Kernel
	for _, k := range p.Kernels {
		if parts, taps := splitParts(k, lim); parts > 1 {
			first, second := split(p, k, parts, taps)
			kernels = append(kernels, first, second)
			continue
		}
		kernels = append(kernels, k)
	}
	if len(kernels) != len(p.Kernels) {
		p.Kernels = kernels
		p.Layout()
	}
}

// splitParts is into how many parts the sum of k is cut; 1 is not at all. taps is
// what split takes.
func splitParts(k *kernel.Kernel, lim TileLimits) (parts, taps int) {
	if k.Kind != kernel.MatMul {
		return 1, 0
	}
	arena := func(int) bool { return true } // where operands that are halves lie
	m := newWriter(k, Options{Arena: arena}).matmul()
	if tiles := tapsTiles(m, lim); len(tiles) > 0 {
		if n := tapsParts(k, m, tiles[0]); m.enoughTaps(tiles[0], n) {
			return n, tiles[0].TN
		}
	}
	have := m.workgroups(64, 64)
	if have >= splitBelow || m.K < 4*splitLeast {
		return 1, 0
	}
	want := min((splitTarget+have-1)/have, m.K/splitLeast, splitMost)
	parts = 1
	for n := 2; n <= want; n++ {
		if m.K%n == 0 && splittable(k, n) {
			parts = n
		}
	}
	return parts, 0
}

// tapsParts is splitParts for a tile of taps: parts are whole images.
func tapsParts(k *kernel.Kernel, m *Matmul, t Tile) int {
	have := m.workgroups(t.BM, t.BN) * t.threads()
	best := 1
	for parts := 2; parts <= m.K/tapsLeast && have*parts <= tapsMost; parts++ {
		if m.B.Taps.Images%parts == 0 && splittable(k, parts) {
			best = parts
		}
	}
	return best
}

// enoughTaps reports whether the product, cut into parts, keeps a GPU busy with a
// tile of taps.
func (m *Matmul) enoughTaps(t Tile, parts int) bool {
	return m.K/parts >= tapsLeast && m.workgroups(t.BM, t.BN)*t.threads()*parts >= tapsFewest
}

// splittable reports whether both operands' places stay sums of functions of one
// loop variable, and evenly spaced from part to part.
func splittable(k *kernel.Kernel, parts int) bool {
	for _, v := range []int{k.Product.A, k.Product.B} {
		for _, t := range splitIndex(k.Vals[v].Index, len(k.Dims), k.Product.K, parts).Terms {
			if t.Atom.Kind != kernel.AtomDim && t.Atom.On(0) {
				return false
			}
		}
	}
	return true
}

// splitIndex rewrites an index for a new first loop variable, the part, with k
// counted from its beginning.
func splitIndex(x kernel.Index, r, size, parts int) kernel.Index {
	each := size / parts
	return x.Subst(func(a *kernel.Atom) kernel.Index {
		if a.N == r {
			return kernel.Dim(0, parts).Mul(each).Add(kernel.Dim(r+1, each))
		}
		return kernel.Dim(a.N+1, a.Hi+1)
	}, func(a *kernel.Atom) kernel.Index { return kernel.FromVal(a.N, a.Hi+1) })
}

// split makes the two kernels. taps, if not 0, is how many of the product's columns
// are the taps of one channel. A thread has all of them then, and its neighbours
// have other rows: the partial sums lie in the order of tap, channel, row, so that
// those are stored side by side.
func split(p *plan.Plan, k *kernel.Kernel, parts, taps int) (first, second *kernel.Kernel) {
	r := len(k.Dims)
	results := ir.NumElems(k.Dims)
	temp := len(p.Buffers)
	p.Buffers = append(p.Buffers, plan.Buffer{Kind: plan.Temp, DType: ir.F32, Elems: parts * results, Bytes: 4 * parts * results})
	size := func(dims ...int) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(dims), " ", "x"), "[]") }

	// The partial sums, in the order of part, then result.
	first = &kernel.Kernel{Kind: kernel.MatMul, Dims: append([]int{parts}, k.Dims...), Outer: r + 1}
	first.Name = "matmul_part_" + size(append(slices.Clone(first.Dims), k.Product.K/parts)...)
	first.Product = &kernel.Product{K: k.Product.K / parts, A: 0, B: 1}
	buf := map[int]int{} // of k to of first
	for _, v := range []int{k.Product.A, k.Product.B} {
		load := k.Vals[v]
		if _, ok := buf[load.N]; !ok {
			buf[load.N] = len(first.Bufs)
			u := k.Bufs[load.N]
			u.Read, u.Write = true, false
			first.Bufs = append(first.Bufs, u)
		}
		load.N = buf[load.N]
		load.Index = splitIndex(load.Index, r, k.Product.K, parts)
		first.Vals = append(first.Vals, load)
	}
	first.Vals = append(first.Vals, kernel.Val{Kind: kernel.Acc, DType: ir.F32, Mask: -1})
	order := slices.Clone(k.Dims) // of the partial sums
	inOrder := func(x kernel.Index) kernel.Index { return x }
	vars := make([]kernel.Index, r) // the results' indices by loop variables of first
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
	at := kernel.Dim(0, parts)
	for d, n := range order {
		at = at.Mul(n).Add(vars[d])
	}
	first.Stores = []kernel.Store{{Val: 2, Buf: len(first.Bufs), Index: at}}
	first.Bufs = append(first.Bufs, kernel.Buf{ID: temp, DType: ir.F32, Elems: parts * results, Write: true})

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
	at = kernel.Dim(outer, parts).Mul(results)
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
	clear(buf)
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
	return first, second
}
