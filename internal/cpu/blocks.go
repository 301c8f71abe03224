// How long blocks are and where they end: what one instruction works on should fill
// a few vectors, stay in the first-level cache, and consist of whole rows.

package cpu

import "github.com/weft-ml/weft/internal/kernel"

// maxBlock is the most elements that one instruction works on. A few tens of
// registers of 2 KB stay in the first-level cache; short programs take longer
// blocks.
const maxBlock = 512

// blockFor returns the block for a program of n values along a loop of the
// given extent: as few blocks as possible, of equal length.
func blockFor(extent, n int) int {
	most := maxBlock
	if n <= 20 {
		most = 2 * maxBlock
	}
	if extent <= most {
		return extent
	}
	blocks := (extent + most - 1) / most
	return min(most, ((extent+blocks-1)/blocks+15)/16*16)
}

// rowsAround lists the loop variables that blocks along vec continue over, so
// that they have some hundreds of elements.
func rowsAround(k *kernel.Kernel, vec int) []int {
	if vec < 0 || k.Product != nil {
		return nil
	}
	first := 0
	if vec >= k.Outer {
		first = k.Outer
	}
	d := vec
	for n := k.Dims[vec]; d > first && n < maxBlock/2; n *= k.Dims[d] {
		d--
	}
	var rows []int
	for ; d < vec; d++ {
		rows = append(rows, d)
	}
	return rows
}

// wholeRows is the largest block of at most n elements that consists of whole rows,
// or of whole images of them.
func wholeRows(dims []int, vec int, rows []int, n int) int {
	span := dims[vec]
	for i := len(rows) - 1; i >= 0 && span*dims[rows[i]] <= n; i-- {
		span *= dims[rows[i]]
	}
	return max(1, n/span) * span
}

// longPieces reports whether all pieces of the kernel's addresses are so long
// that blocks had better end with them.
func (m *machine) longPieces() bool {
	long := true
	look := func(x kernel.Index) {
		varies := func(val int) bool { return m.varying[val] }
		if _, ok := x.Affine(m.vec, varies); ok {
			return
		}
		_, pieces, _ := piecewise(x, m.vec, varies)
		for _, p := range pieces {
			long = long && p >= maxBlock/4
		}
	}
	for i := range m.k.Vals {
		look(m.k.Vals[i].Index)
	}
	for _, st := range m.k.Stores {
		look(st.Index)
	}
	return long
}

// piece is how many of the n elements from v0 on every address is linear for.
func (m *machine) piece(v0, n int) int {
	if !m.cutting {
		return n
	}
	for _, p := range m.pieces {
		n = min(n, p-v0%p)
	}
	return n
}
