package wgsl

import (
	"fmt"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// matmulKernel prints a matrix product through the template, with the
// kernel's program as its epilogue.
func (w *writer) matmulKernel() (size, groups [3]int, err error) {
	k := w.k
	r := len(k.Dims)
	m := &Matmul{Batch: ir.NumElems(k.Dims[:r-2]), M: k.Dims[r-2], N: k.Dims[r-1], K: k.Product.K, StoreWidth: 1}
	m.A = w.operand(k.Product.A, r-2, r)
	m.B = w.operand(k.Product.B, r, r-1)
	m.Store = w.epilogue
	if m.N%4 == 0 {
		m.StoreWidth = 4
	}
	w.plain = len(k.Stores) == 1 && k.Vals[k.Stores[0].Val].Kind == kernel.Acc && w.wideStore()
	m.Tile = ChooseTile(m, w.opt.Tile)
	if err := m.Check(w.opt.Tile); err != nil {
		return size, groups, err
	}
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
// variables that number its rows and columns.
func (w *writer) operand(val, rowDim, colDim int) MatmulOperand {
	k := w.k
	v := &k.Vals[val]
	r := len(k.Dims)
	op := MatmulOperand{Contig: -1}
	op.Load = func(b, row, col string) string {
		saved := w.dims
		w.dims = append(w.batchVars(b), make([]string, 3)...)
		for i := r - 2; i <= r; i++ {
			w.dims[i] = "0"
		}
		w.dims[rowDim], w.dims[colDim] = "i32("+row+")", "i32("+col+")"
		e := w.load(v)
		if w.vec4[v.N] {
			x := w.index(v.Index)
			e = fmt.Sprintf("b%d[(%s) / 4][(%s) %% 4]", v.N, x, x)
		}
		w.dims = saved
		return e
	}
	coefs, affine := v.Index.Coefs(r + 1)
	if !affine {
		return op
	}
	op.Offset, op.RowStride, op.ColStride = v.Index.Const, coefs[rowDim], coefs[colDim]
	switch {
	case op.ColStride == 1:
		op.Contig = 0
	case op.RowStride == 1:
		op.Contig = 1
	}
	// One stride must serve all batch dimensions.
	batch, stride, one := 1, 0, true
	for d := r - 3; d >= 0; d-- {
		if d == r-3 {
			stride = coefs[d]
		}
		one = one && coefs[d] == stride*batch
		batch *= k.Dims[d]
	}
	op.BatchStride = stride
	other := max(op.RowStride, op.ColStride)
	if one && op.Contig >= 0 && other%4 == 0 && stride%4 == 0 && op.Offset%4 == 0 &&
		k.Bufs[v.N].DType == ir.F32 && k.Bufs[v.N].Elems%4 == 0 && w.soleUse(v.N, val) {
		op.Vec4 = fmt.Sprintf("b%d", v.N)
		w.vec4[v.N] = true
	}
	return op
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

// epilogue prints the program for one sum, or for four side by side. Four
// that are only stored are one store; otherwise a loop keeps the code short,
// since the template asks once for each register.
func (w *writer) epilogue(width int, acc, b, m, n string) string {
	k := w.k
	r := len(k.Dims)
	sub := &writer{k: k, opt: w.opt, helpers: w.helpers, vec4: w.vec4, done: make([]bool, len(k.Vals))}
	sub.dims = append(sub.batchVars(b), fmt.Sprintf("i32(%s)", m), fmt.Sprintf("i32(%s)", n))
	if width == 4 && w.plain {
		st := k.Stores[0]
		return fmt.Sprintf("b%d[(%s) / 4] = %s;\n", st.Buf, sub.index(st.Index), acc)
	}
	if width == 4 {
		body := w.epilogue(1, acc+"[mm_c]", b, m, "("+n+" + mm_c)")
		return "for (var mm_c = 0u; mm_c < 4u; mm_c++) {\n" + body + "}\n"
	}
	for d := range r {
		name := fmt.Sprintf("i%d", d)
		sub.line("let %s = %s;", name, sub.dims[d])
		sub.dims[d] = name
	}
	for i := range k.Vals {
		switch {
		case i == k.Product.A || i == k.Product.B:
		case k.Vals[i].Kind == kernel.Acc:
			sub.line("let %s = %s;", sub.name(i), acc)
		default:
			sub.values([]int{i})
		}
	}
	for i := range k.Stores {
		st := &k.Stores[i]
		if sub.vec4[st.Buf] { // one sum into a buffer of vec4s
			x := sub.index(st.Index)
			sub.line("b%d[(%s) / 4][(%s) %% 4] = %s;", st.Buf, x, x, sub.ref(st.Val))
			continue
		}
		sub.store(st)
	}
	w.scalars = w.scalars || sub.scalars
	w.infs = w.infs || sub.infs
	return sub.body.String()
}

// wideStore declares the result as vec4s where its layout allows to store four
// sums at once.
func (w *writer) wideStore() bool {
	k := w.k
	st := k.Stores[0]
	u := k.Bufs[st.Buf]
	coefs, ok := st.Index.Coefs(len(k.Dims))
	if !ok || u.Read || u.DType != ir.F32 || u.Elems%4 != 0 || k.Dims[len(k.Dims)-1]%4 != 0 || coefs[len(coefs)-1] != 1 || st.Index.Const%4 != 0 || st.Ring > 0 {
		return false
	}
	for _, c := range coefs[:len(coefs)-1] {
		if c%4 != 0 {
			return false
		}
	}
	w.vec4[st.Buf] = true
	return true
}
