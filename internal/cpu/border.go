package cpu

// Borders of zeros. The gradient of a convolution's images is a convolution of the
// gradient with a border around it, and for every window that reaches over the border
// a product multiplies zeros: with kernels of 5x5 over images of 24x24 a third of all.
// Whole rows of the border are easy to leave out. Where the steps of the sum are
// ordered by the row of the window that they read, the rows of a window that lie in
// the image are one piece of the sum.

import (
	"runtime"

	"github.com/weft-ml/weft/internal/cpu/gemm"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// border describes a buffer of images of height rows of width elements, of which
// the rows before first and from last on are zero.
type border struct{ height, width, first, last int }

// borderOf finds the border that k puts around images, if that is what k does, and
// the place in k.Bufs of the buffer that it writes.
func borderOf(k *kernel.Kernel) (b border, buf int, ok bool) {
	r := len(k.Dims)
	if k.Kind != kernel.Map || len(k.Stores) != 1 || r < 2 || k.Stores[0].Ring > 0 {
		return b, 0, false
	}
	st := k.Stores[0]
	v := &k.Vals[st.Val]
	coefs, affine := st.Index.Coefs(r)
	if !affine || st.Index.Const != 0 || v.Kind != kernel.Load || v.Mask < 0 {
		return b, 0, false
	}
	for d, stride := r-1, 1; d >= 0; d-- {
		if k.Dims[d] > 1 && coefs[d] != stride {
			return b, 0, false
		}
		stride *= k.Dims[d]
	}
	b = border{height: k.Dims[r-2], width: k.Dims[r-1], last: k.Dims[r-2]}
	var narrow func(mask int)
	narrow = func(mask int) {
		switch m := &k.Vals[mask]; {
		case m.Kind == kernel.Elem && m.Op == ir.OpAnd:
			narrow(m.Args[0])
			narrow(m.Args[1])
		case m.Kind == kernel.InRange:
			if c, ok := m.Index.Coefs(r); ok && c[r-2] == 1 && !m.Index.DependsOn(func(d int) bool { return d != r-2 }, func(int) bool { return true }) {
				b.first, b.last = max(b.first, -m.Index.Const), min(b.last, m.N-m.Index.Const)
			}
		}
	}
	narrow(v.Mask)
	return b, st.Buf, b.first > 0 || b.last < b.height
}

// skipsZeros is false where gemm.InPlace always is; see there.
const skipsZeros = runtime.GOARCH != "wasm"

// skipZeros orders the steps of the sum in spec, whose B is windows of images with
// border b, and sets spec.Live, if that leaves out enough.
func (d *product) skipZeros(spec *gemm.Spec, b border, batches []int) {
	plane := b.height * b.width
	for i, stride := range d.b.batch {
		if batches[i] > 1 && stride%plane != 0 {
			return
		}
	}
	rows, cols := spec.B.Rows, spec.B.Cols
	at := func(offset, base int) (y, x int) {
		p := (offset + base) % plane
		return p / b.width, p % b.width
	}
	extent := func(table []int32, base int) (y, x int) {
		for _, o := range table {
			ty, tx := at(int(o), base)
			y, x = max(y, ty), max(x, tx)
		}
		return y, x
	}
	windowY, windowX := extent(rows, 0)
	imageY, imageX := extent(cols, d.b.at)
	if windowY+imageY >= b.height || windowX+imageX >= b.width || windowY == 0 {
		return
	}
	rowOf := func(k int) int { y, _ := at(int(rows[k]), 0); return y }
	begin := make([]int32, windowY+2) // of the steps of each row of the window
	for k := range rows {
		begin[rowOf(k)+1]++
	}
	for y := range windowY + 1 {
		begin[y+1] += begin[y]
	}
	order, next := make([]int, len(rows)), append([]int32(nil), begin...)
	for k := range rows {
		y := rowOf(k)
		order[next[y]] = k
		next[y]++
	}
	live, skipped := make([][2]int32, len(cols)), 0
	for n, o := range cols {
		y, _ := at(int(o), d.b.at)
		from, to := begin[min(max(b.first-y, 0), windowY+1)], begin[min(max(b.last-y, 0), windowY+1)]
		live[n] = [2]int32{from, to}
		skipped += len(rows) - int(max(to-from, 0))
	}
	if skipped*20 < len(rows)*len(cols) {
		return
	}
	pick := func(at func(k int) int32) []int32 {
		t := make([]int32, len(order))
		for i, k := range order {
			t[i] = at(k)
		}
		return t
	}
	a := &gemm.Index{}
	if spec.A != nil {
		a.Rows, a.Cols = spec.A.Rows, pick(func(k int) int32 { return spec.A.Cols[k] })
	} else {
		a.Cols = pick(func(k int) int32 { return int32(k * spec.ACol) })
		for m := range spec.M {
			a.Rows = append(a.Rows, int32(m*spec.ARow))
		}
	}
	spec.A = a
	spec.B = &gemm.Index{Rows: pick(func(k int) int32 { return rows[k] }), Cols: cols}
	spec.Live = live
}
