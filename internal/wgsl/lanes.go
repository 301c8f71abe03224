package wgsl

// Several elements to a thread. The epilogue of a product has four sums side by
// side, and kernels of mixed precision give a thread four elements anyway: halves
// one by one are too small for a GPU's memory. What does not depend on the last loop
// variable is computed once for all of them, and what lies in aligned fours is loaded
// and stored in fours.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// lanes is how values are held: one for all of the thread's elements, or one for
// each.
type lanes struct {
	count  int
	varies []bool // by value: differs from element to element
	lane   int    // element that is being printed
}

func noDim(int) bool  { return false }
func anyVal(int) bool { return true }

// isOperand says that value i is what a product multiplies, which is loaded apart.
func (w *writer) isOperand(i int) bool {
	p := w.k.Product
	return p != nil && (i == p.A || i == p.B)
}

// inFours decides which buffers are moved in vec4s: those of 4-byte elements or of
// halves that are only read and written in aligned fours along the last loop
// variable, one thread a four.
func (w *writer) inFours() {
	k := w.k
	n := len(k.Dims) - 1
	even := func(x kernel.Index) bool {
		step, align, ok := fours(x, n)
		if !ok || step != 1 || !divisible(align) {
			return false
		}
		for d := range n {
			if !allDivisible(part(x, d), d) {
				return false
			}
		}
		return true
	}
	for b := range k.Bufs {
		ok := !w.vec4[b] && k.Bufs[b].DType != ir.U8 && (k.Bufs[b].DType != ir.F16 || w.half(b)) && k.Bufs[b].DType != ir.Bool && k.Bufs[b].Elems%4 == 0
		for i, v := range k.Vals {
			if v.Kind == kernel.Load && v.N == b {
				ok = ok && !w.isOperand(i) && v.Mask < 0 && v.Index.DependsOn(func(d int) bool { return d == n }, noVal) &&
					!v.Index.DependsOn(noDim, anyVal) && even(v.Index)
			}
		}
		for _, st := range k.Stores {
			if st.Buf == b {
				ok = ok && st.Ring == 0 && even(st.Index)
			}
		}
		if ok {
			w.vec4[b] = true
		}
	}
}

func noVal(int) bool { return false }

// bytesInFours says that v loads bytes that for aligned fours of the last loop
// variable are the four of one word.
func (w *writer) bytesInFours(v *kernel.Val) bool {
	if v.Kind != kernel.Load || w.k.Bufs[v.N].DType != ir.U8 || v.Mask >= 0 {
		return false
	}
	step, align, ok := fours(v.Index, len(w.k.Dims)-1)
	return ok && step == 1 && divisible(align)
}

// beginLanes begins to print for count elements from the last loop variable on, a
// multiple of which that is.
func (w *writer) beginLanes(count int) {
	n := len(w.k.Dims) - 1
	f := &lanes{count: count, varies: make([]bool, len(w.k.Vals))}
	w.four = f
	for i, v := range w.k.Vals {
		f.varies[i] = v.Kind == kernel.Acc || v.Index.DependsOn(func(d int) bool { return d == n }, func(u int) bool { return f.varies[u] })
		v.Uses(func(u int) { f.varies[i] = f.varies[i] || f.varies[u] })
	}
}

// laneValue prints value i; acc names a product's sums.
func (w *writer) laneValue(i int, acc func(lane int) string) {
	f, v := w.four, &w.k.Vals[i]
	n := len(w.k.Dims) - 1
	first := w.dims[n]
	switch {
	case !f.varies[i]:
		w.values([]int{i})
		return
	case v.Kind == kernel.Load && w.vec4[v.N]:
		q := fmt.Sprintf("b%d[(%s) / 4]", v.N, w.index(v.Index))
		if w.half(v.N) {
			q = "vec4<f32>(" + q + ")"
		}
		w.line("let q%d = %s;", i, q)
	case f.count == 4 && w.bytesInFours(v):
		w.line("let q%d = b%d[u32(%s) >> 2u];", i, v.N, w.index(v.Index))
		for f.lane = 0; f.lane < 4; f.lane++ {
			w.line("let %s = i32((q%d >> %du) & 255u);", w.name(i), i, 8*f.lane)
		}
		return
	case v.Kind != kernel.Acc && v.Kind != kernel.Elem:
		// Indices whose distances are known need one computation.
		if deltas, _ := blocks(v.Index, n, f.count); deltas != nil && !v.Index.DependsOn(noDim, func(u int) bool { return f.varies[u] }) {
			w.line("let x%d = %s;", i, w.index(v.Index))
			for f.lane = 0; f.lane < f.count; f.lane++ {
				w.valueAt(i, fmt.Sprintf("x%d + %d", i, deltas[f.lane]))
			}
			return
		}
	}
	for f.lane = 0; f.lane < f.count; f.lane++ {
		switch {
		case v.Kind == kernel.Acc:
			w.line("let %s = %s;", w.name(i), acc(f.lane))
		case v.Kind == kernel.Load && w.vec4[v.N]:
			w.line("let %s = q%d.%c;", w.name(i), i, "xyzw"[f.lane])
		default:
			w.dims[n] = fmt.Sprintf("(%s + %d)", first, f.lane)
			w.value(i)
			w.dims[n] = first
		}
	}
}

// laneStore prints a store, the kernel's number i.
func (w *writer) laneStore(st *kernel.Store, i int) {
	f := w.four
	n := len(w.k.Dims) - 1
	first := w.dims[n]
	if w.vec4[st.Buf] {
		var e [4]string
		for f.lane = 0; f.lane < 4; f.lane++ {
			e[f.lane] = w.stored(st)
		}
		w.line("b%d[(%s) / 4] = vec4<%s>(%s);", st.Buf, w.index(st.Index), w.elemType(st.Buf), strings.Join(e[:], ", "))
		return
	}
	deltas, _ := blocks(st.Index, n, f.count)
	even := deltas != nil && !st.Index.DependsOn(noDim, anyVal)
	if even {
		w.line("let y%d = %s;", i, w.index(st.Index))
	}
	for f.lane = 0; f.lane < f.count; f.lane++ {
		if even {
			w.storeAt(st, fmt.Sprintf("y%d + %d", i, deltas[f.lane]))
			continue
		}
		w.dims[n] = fmt.Sprintf("(%s + %d)", first, f.lane)
		w.store(st)
		w.dims[n] = first
	}
}

// mostInFours is how many values a program may have whose every value is held four
// times.
const mostInFours = 100

// fourWide says that a thread of this kernel has four elements.
func (w *writer) fourWide() bool {
	if len(w.k.Vals) > mostInFours || ir.NumElems(w.k.Dims)%4 != 0 {
		return false
	}
	if w.opt.Tile.Software {
		// There threads cost little, and places much: dividing and loading once for
		// four bytes takes a third of the time where a batch is gathered.
		last := len(w.k.Dims) - 1
		return w.k.Dims[last]%4 == 0 && slices.ContainsFunc(w.k.Vals, func(v kernel.Val) bool { return w.bytesInFours(&v) })
	}
	for b := range w.k.Bufs {
		if w.half(b) {
			return true
		}
	}
	return false
}

// mapInFours is mapKernel for threads of four elements: four along the last loop
// variable where that is so many times four, else four in the order of memory, each
// with coordinates of its own, as the rows of padded images want it.
func (w *writer) mapInFours() (size, groups [3]int) {
	k := w.k
	n := k.OuterElems()
	size, groups = w.mapThreads(n, 4)
	last := len(k.Dims) - 1
	if k.Dims[last]%4 == 0 {
		w.coordinates(0, len(k.Dims), "at")
		w.inFours()
		w.sums(4, nil)
		return size, groups
	}
	var at kernel.Index
	for d, extent := range k.Dims {
		at = at.Mul(extent).Add(kernel.Dim(d, extent))
	}
	w.inOrder(at.Key())
	f := &lanes{count: 4, varies: make([]bool, len(k.Vals))}
	w.four = f
	dims := w.dims
	w.dims = make([]string, len(dims))
	lane := func(l int) {
		f.lane = l
		for d := range dims {
			w.dims[d] = fmt.Sprintf("%s_%d", dims[d], l)
		}
	}
	for l := range 4 {
		lane(l)
		w.line("let at%d = at + %d;", l, l)
		w.coordinates(0, len(k.Dims), fmt.Sprintf("at%d", l))
	}
	for i, v := range k.Vals {
		// Scalars of the step are one for all.
		f.varies[i] = v.Kind != kernel.Const && v.Kind != kernel.Scalar
		switch {
		case !f.varies[i]:
			w.values([]int{i})
			continue
		case v.Kind == kernel.Load && w.vec4[v.N]:
			q := fmt.Sprintf("b%d[at / 4]", v.N)
			if w.half(v.N) {
				q = "vec4<f32>(" + q + ")"
			}
			w.line("let q%d = %s;", i, q)
		}
		for l := range 4 {
			lane(l)
			if v.Kind == kernel.Load && w.vec4[v.N] {
				w.line("let %s = q%d.%c;", w.name(i), i, "xyzw"[l])
			} else {
				w.value(i)
			}
		}
	}
	for i := range k.Stores {
		st := &k.Stores[i]
		if w.vec4[st.Buf] {
			var e [4]string
			for f.lane = 0; f.lane < 4; f.lane++ {
				e[f.lane] = w.stored(st)
			}
			w.line("b%d[at / 4] = vec4<%s>(%s);", st.Buf, w.elemType(st.Buf), strings.Join(e[:], ", "))
			continue
		}
		for l := range 4 {
			lane(l)
			w.store(st)
		}
	}
	w.four, w.dims = nil, dims
	return size, groups
}

// inOrder is inFours for threads of four elements in the order of memory: those
// buffers that are read and written at the index of the given key alone.
func (w *writer) inOrder(key string) {
	k := w.k
	for b := range k.Bufs {
		ok := k.Bufs[b].DType != ir.U8 && (k.Bufs[b].DType != ir.F16 || w.half(b)) && k.Bufs[b].DType != ir.Bool && k.Bufs[b].Elems%4 == 0
		for _, v := range k.Vals {
			if v.Kind == kernel.Load && v.N == b {
				ok = ok && v.Mask < 0 && v.Index.Key() == key
			}
		}
		for _, st := range k.Stores {
			if st.Buf == b {
				ok = ok && st.Ring == 0 && st.Index.Key() == key
			}
		}
		w.vec4[b] = ok
	}
}
