package wgsl

import (
	"fmt"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// matmulKernel prints a matrix product through the template, with the
// kernel's program as its epilogue.
func (w *writer) matmulKernel() (size, groups [3]int, err error) {
	m := w.matmul()
	m.MaxTerms = w.opt.Tile.tuning().MaxTerms
	m.Tile = ChooseTile(m, w.opt.Tile)
	if w.opt.Pick != nil {
		m.Tile = w.opt.Pick(m)
	}
	if err := m.Check(w.opt.Tile); err != nil {
		return size, groups, err
	}
	if n := m.turns(); n > driverTurns {
		return size, groups, fmt.Errorf("wgsl: %s turns its loops %d times, and drivers may end them after %d", w.k.Name, n, driverTurns)
	}
	w.tile = m.Tile
	if m.Tile.Strip {
		// Vectors are loaded as their elements are, and taking one at a place that is
		// computed costs more.
		clear(w.vec4)
		m.A.Vec4, m.B.Vec4 = "", ""
		m.StoreStrip = w.stripEpilogue
	}
	one := m.Tile.Strip || m.Tile.Taps // columns are stored one by one
	if m.Tile.Window {
		s := m.windowShape()
		one = !s.exact()
	}
	w.wide = !one && m.N%4 == 0 && m.Tile.TN%4 == 0
	if w.wide {
		m.StoreWidth = 4
	}
	if w.wide {
		w.inFours()
	}
	m.Store = w.epilogue
	decls, body, size, groups := m.Body()
	w.decl.WriteString(decls)
	w.body.WriteString(body)
	for _, g := range groups {
		if g > maxGroups {
			return size, groups, fmt.Errorf("wgsl: matmul %dx%dx%d needs %v workgroups", m.M, m.N, m.K, groups)
		}
	}
	return size, groups, nil
}

// matmul describes the product to the template.
func (w *writer) matmul() *Matmul {
	k := w.k
	r := len(k.Dims)
	m := &Matmul{Batch: ir.NumElems(k.Dims[:r-2]), M: k.Dims[r-2], N: k.Dims[r-1], K: k.Product.K, StoreWidth: 1}
	m.A = w.operand(k.Product.A, r-2, r)
	m.B = w.operand(k.Product.B, r, r-1)
	col, row := part(k.Vals[k.Product.B].Index, r-1), part(k.Vals[k.Product.B].Index, r)
	m.B.Window = windowOf(col, row, r-1, r, m.N, m.K)
	m.B.Taps = m.tapsOf(windowOf(row, col, r, r-1, m.K, m.N))
	return m
}

// batchVars are the loop variables of the batch dimensions as expressions of
// the template's batch number b.
func (w *writer) batchVars(b string) []string {
	dims := w.k.Dims[:len(w.k.Dims)-2]
	vars := make([]string, len(dims))
	rest := fmt.Sprintf("i32(%s)", b)
	for d := len(dims) - 1; d >= 0; d-- {
		vars[d] = rest
		if d > 0 {
			vars[d] = fmt.Sprintf("(%s %% %d)", rest, dims[d])
			rest = fmt.Sprintf("(%s / %d)", rest, dims[d])
		}
	}
	return vars
}

// operand describes A or B to the template; rowDim and colDim are the loop
// variables that number its rows and columns. Package fuse sees to it that an
// operand's place is a sum of functions of one loop variable each.
func (w *writer) operand(val, rowDim, colDim int) MatmulOperand {
	k := w.k
	v := &k.Vals[val]
	r := len(k.Dims)
	row, col := part(v.Index, rowDim), part(v.Index, colDim)
	op := MatmulOperand{Contig: -1, Offset: v.Index.Const, Row: walkOf(row, rowDim), Col: walkOf(col, colDim)}
	op.Half = w.half(v.N)
	op.Load = func(place string) string {
		e := fmt.Sprintf("b%d[%s]", v.N, place)
		if w.vec4[v.N] {
			e = fmt.Sprintf("b%d[(%s) >> 2u][(%s) & 3u]", v.N, place, place)
		}
		if op.Half {
			return "f32(" + e + ")"
		}
		return e
	}
	rowStep, rowAlign, _ := fours(row, rowDim)
	colStep, colAlign, _ := fours(col, colDim)
	even := divisible(v.Index.Const)
	switch {
	case colStep == 1:
		op.Contig = 0
		even = even && divisible(colAlign) && allDivisible(row, rowDim)
	case rowStep == 1:
		op.Contig = 1
		even = even && divisible(rowAlign) && allDivisible(col, colDim)
	default:
		even = false
		// Windows whose rows are no multiple of four wide are still mostly contiguous.
		switch {
		case unitStep(col, colDim):
			op.Contig = 0
		case unitStep(row, rowDim):
			op.Contig = 1
		}
	}
	// The batch elements' offsets, one stride if that serves all dimensions.
	batch, stride, one := 1, 0, true
	for d := r - 3; d >= 0; d-- {
		step, _ := part(v.Index, d).Affine(d, nil)
		if d == r-3 {
			stride = step
		}
		one = one && step == stride*batch
		batch *= k.Dims[d]
		even = even && divisible(step)
	}
	if op.BatchStride = stride; !one {
		op.Batch = func(b string) string {
			vars := w.batchVars(b)
			var x kernel.Index
			for d := range r - 2 {
				x = x.Add(part(v.Index, d))
			}
			return "u32(" + x.Format(func(d int) string { return vars[d] }, nil) + ")"
		}
	}
	if even && (k.Bufs[v.N].DType == ir.F32 || op.Half) && k.Bufs[v.N].Elems%4 == 0 && w.soleUse(v.N, val) {
		op.Vec4 = fmt.Sprintf("b%d", v.N)
		w.vec4[v.N] = true
	}
	return op
}

// unitStep reports whether x has loop variable d with a factor of 1, or a
// remainder of it: runs of it are contiguous.
func unitStep(x kernel.Index, d int) bool {
	for _, t := range x.Terms {
		if t.Coef == 1 && (t.Atom.Kind == kernel.AtomDim || t.Atom.Kind == kernel.AtomMod && unitStep(t.Atom.X, d)) {
			return true
		}
	}
	return false
}

// allDivisible reports whether 4 divides every value of x, for whatever values of
// its loop variable.
func allDivisible(x kernel.Index, d int) bool {
	for _, t := range x.Terms {
		if t.Coef%4 != 0 {
			return false
		}
	}
	return divisible(x.Const)
}

// soleUse reports whether buffer b is used by nothing but operands: then it
// can be declared as vec4s.
func (w *writer) soleUse(b, val int) bool {
	for i, v := range w.k.Vals {
		if v.Kind == kernel.Load && v.N == b && i != w.k.Product.A && i != w.k.Product.B {
			return false
		}
	}
	for _, st := range w.k.Stores {
		if st.Buf == b {
			return false
		}
	}
	if a, o := w.k.Product.A, w.k.Product.B; a != o && w.k.Vals[a].N == w.k.Vals[o].N {
		return false // both operands in one buffer might not agree
	}
	return true
}

// epilogue prints the program for one sum, or for four side by side: then what
// does not depend on the column is computed once, and what lies in fours is
// loaded and stored in fours.
func (w *writer) epilogue(width int, acc, b, m, n string) string {
	return w.inner(b, m, n, func(sub *writer) {
		if width == 4 {
			sub.sums(4, func(lane int) string { return acc + "." + "xyzw"[lane:lane+1] })
		} else {
			sub.oneSum(acc)
		}
	})
}

// stripEpilogue is epilogue for any number of sums side by side.
func (w *writer) stripEpilogue(width int, acc func(col int) string, b, m, n string) string {
	return w.inner(b, m, n, func(sub *writer) { sub.sums(width, acc) })
}

// inner is what print makes of the program for batch b, row m and column n.
func (w *writer) inner(b, m, n string, print func(sub *writer)) string {
	k := w.k
	sub := &writer{k: k, opt: w.opt, helpers: w.helpers, vec4: w.vec4, done: make([]bool, len(k.Vals))}
	sub.dims = append(sub.batchVars(b), fmt.Sprintf("i32(%s)", m), fmt.Sprintf("i32(%s)", n))
	for d := range k.Dims {
		name := fmt.Sprintf("i%d", d)
		sub.line("let %s = %s;", name, sub.dims[d])
		sub.dims[d] = name
	}
	print(sub)
	w.scalars = w.scalars || sub.scalars
	w.infs = w.infs || sub.infs
	return sub.body.String()
}

func (w *writer) oneSum(acc string) {
	k := w.k
	for i := range k.Vals {
		switch {
		case w.isOperand(i):
		case k.Vals[i].Kind == kernel.Acc:
			w.line("let %s = %s;", w.name(i), acc)
		default:
			w.values([]int{i})
		}
	}
	for i := range k.Stores {
		w.store(&k.Stores[i])
	}
}

// sums prints the program for the columns from the last loop variable on, as many
// as count, a multiple of which that is.
func (w *writer) sums(count int, acc func(lane int) string) {
	w.beginLanes(count)
	for i := range w.k.Vals {
		if !w.isOperand(i) {
			w.laneValue(i, acc)
		}
	}
	for i := range w.k.Stores {
		w.laneStore(&w.k.Stores[i], i)
	}
	w.four = nil
}
