package cpu

import (
	"errors"
	"slices"

	"github.com/weft-ml/weft/internal/cpu/gemm"
	"github.com/weft-ml/weft/internal/cpu/pool"
	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// product runs a matmul kernel: package gemm multiplies, and the machine runs
// the rest of the program on each block of the result.
type product struct {
	m        *machine
	pool     *pool.Pool
	plan     *gemm.Plan
	ctx      []*context
	epilogue gemm.Epilogue
	a, b     operand
	wide     *widened         // room for float16 operands as float32
	widen    func(worker int) // fills it; nil without such operands
	batch    []int            // extents of the batch dimensions

	// When the sums are stored as they are, gemm writes them itself.
	plain bool
	c     []float32
	cBase []int // multiple of each batch variable, for plain
	ldc   int
	cAt   int

	coord   []int // current batch element
	scalars []uint32
	slot    int
}

// operand is a strided matrix in memory.
type operand struct {
	mem      []float32
	half     []uint16 // the same in memory, if it is float16
	at       int
	batch    []int // stride of each batch dimension
	row, col int
	index    *gemm.Index // instead of row and col: a table for each
}

// widened is room for float16 operands: package gemm multiplies float32. Products
// run one at a time and share it.
type widened [2][]float32

// newProduct prepares k; borders are those of buffers, by their numbers in the plan.
func newProduct(p *pool.Pool, k *kernel.Kernel, mem [][]byte, ws *gemm.Workspace, wide *widened, borders map[int]border) (*product, error) {
	r := len(k.Dims)
	d := &product{pool: p, wide: wide, batch: k.Dims[:r-2], coord: make([]int, r-2)}
	var err error
	if d.a, err = newOperand(k, mem, k.Product.A, r-2, r); err != nil {
		return nil, err
	}
	if d.b, err = newOperand(k, mem, k.Product.B, r, r-1); err != nil {
		return nil, err
	}
	for i, o := range []*operand{&d.a, &d.b} {
		if n := len(o.half); n > 0 {
			d.widen = d.widenPart
			if n > len(wide[i]) {
				wide[i] = make([]float32, n)
			}
		}
	}
	spec := gemm.Spec{M: k.Dims[r-2], N: k.Dims[r-1], K: k.Product.K,
		ARow: d.a.row, ACol: d.a.col, A: d.a.index, BRow: d.b.row, BCol: d.b.col, B: d.b.index}
	if skipsZeros {
		if b, ok := borders[k.Bufs[k.Vals[k.Product.B].N].ID]; ok && gemm.InPlace(spec) {
			d.skipZeros(&spec, b, k.Dims[:r-2])
		}
	}
	d.plan = gemm.NewIn(spec, p.Workers(), ws)
	if len(k.Stores) == 1 && k.Vals[k.Stores[0].Val].Kind == kernel.Acc && k.Stores[0].Ring == 0 {
		st := k.Stores[0]
		if coefs, ok := st.Index.Coefs(r); ok && k.Bufs[st.Buf].DType == ir.F32 && (coefs[r-1] == 1 || k.Dims[r-1] == 1) && (coefs[r-2] >= k.Dims[r-1] || k.Dims[r-2] == 1) {
			d.plain = true
			d.c, d.cBase, d.ldc, d.cAt = floats(mem[st.Buf]), coefs[:r-2], max(coefs[r-2], k.Dims[r-1]), st.Index.Const
			return d, nil
		}
	}
	// Operands are loaded by gemm; what is left of the program is the epilogue.
	rest := *k
	rest.Vals = append([]kernel.Val(nil), k.Vals...)
	for _, v := range []int{k.Product.A, k.Product.B} {
		rest.Vals[v] = kernel.Val{Kind: kernel.Const, DType: ir.F32, Mask: -1}
	}
	vec := r - 1
	if k.Dims[r-1] < 16 && k.Dims[r-2] > 4*k.Dims[r-1] {
		vec = r - 2
	}
	d.m = newMachine(&rest, mem, vec)
	for range p.Workers() {
		d.ctx = append(d.ctx, d.m.newContext())
	}
	d.epilogue = d.finish
	return d, nil
}

func newOperand(k *kernel.Kernel, mem [][]byte, val, rowDim, colDim int) (operand, error) {
	v := &k.Vals[val]
	r := len(k.Dims)
	if v.Kind != kernel.Load || v.Mask >= 0 || v.DType != ir.F32 {
		return operand{}, errors.New("an operand is not a view of floats in memory")
	}
	o := operand{at: v.Index.Const}
	if k.Bufs[v.N].DType == ir.F16 {
		o.half = halves(mem[v.N])
	} else {
		o.mem = floats(mem[v.N])
	}
	if coefs, ok := v.Index.Coefs(r + 1); ok {
		o.batch, o.row, o.col = coefs[:r-2], coefs[rowDim], coefs[colDim]
		return o, nil
	}
	// Windows: the address is a function of the row plus one of the column.
	extent := append(slices.Clone(k.Dims), k.Product.K)
	at := func(dim, value int) (int, bool) {
		var x kernel.Index
		for _, t := range v.Index.Terms {
			onDim, onOther := false, false
			t.Atom.DependsOn(func(d int) bool {
				onDim, onOther = onDim || d == dim, onOther || d != dim
				return false
			}, func(int) bool { onOther = true; return false })
			if onDim && onOther {
				return 0, false
			}
			if onDim {
				x.Terms = append(x.Terms, t)
			}
		}
		return x.Eval(func(int) int { return value }), true
	}
	table := func(dim int) ([]int32, error) {
		t := make([]int32, extent[dim])
		for i := range t {
			x, ok := at(dim, i)
			if !ok {
				return nil, errors.New("an operand's rows and columns mix in its addresses")
			}
			t[i] = int32(x)
		}
		// Mirrored views walk backwards: the least address becomes the base.
		least := slices.Min(t)
		o.at += int(least)
		for i := range t {
			t[i] -= least
		}
		return t, nil
	}
	for d := range r - 2 {
		first, _ := at(d, 0)
		second, ok := at(d, min(1, extent[d]-1))
		last, _ := at(d, extent[d]-1)
		if !ok || first != 0 || last != second*(extent[d]-1) {
			return operand{}, errors.New("an operand's batch elements are not evenly spaced")
		}
		o.batch = append(o.batch, second)
	}
	rows, err := table(rowDim)
	if err != nil {
		return operand{}, err
	}
	cols, err := table(colDim)
	o.index = &gemm.Index{Rows: rows, Cols: cols}
	return o, err
}

// matrix is the operand's matrix for the current batch element; wide is where a
// float16 operand has been widened to.
func (o *operand) matrix(coord []int, wide []float32) []float32 {
	at := o.at
	for d, s := range o.batch {
		at += coord[d] * s
	}
	if o.half != nil {
		return wide[at:len(o.half)]
	}
	return o.mem[at:]
}

func (d *product) run(scalars []uint32, slot int) {
	d.scalars, d.slot = scalars, slot
	for _, c := range d.ctx {
		c.begin(scalars, slot)
	}
	clear(d.coord)
	if d.widen != nil {
		d.pool.Do(d.widen)
	}
	for {
		a, b := d.a.matrix(d.coord, d.wide[0]), d.b.matrix(d.coord, d.wide[1])
		if d.plain {
			at := d.cAt
			for i, s := range d.cBase {
				at += d.coord[i] * s
			}
			d.plan.Run(d.pool, a, b, d.c[at:], d.ldc, nil)
		} else {
			for _, c := range d.ctx {
				copy(c.coord, d.coord)
			}
			d.plan.Run(d.pool, a, b, nil, 0, d.epilogue)
		}
		i := len(d.coord) - 1
		for ; i >= 0; i-- {
			if d.coord[i]++; d.coord[i] < d.batch[i] {
				break
			}
			d.coord[i] = 0
		}
		if i < 0 {
			return
		}
	}
}

// widenPart widens a worker's part of the float16 operands.
func (d *product) widenPart(w int) {
	for i, o := range [2]*operand{&d.a, &d.b} {
		n, workers := len(o.half), d.pool.Workers()
		from, to := w*n/workers, (w+1)*n/workers
		if from < to {
			simd.F16ToF32(d.wide[i][from:to], o.half[from:to])
		}
	}
}

func (d *product) bytes() int {
	if d.plain {
		return 0
	}
	return len(d.ctx) * d.m.registerBytes()
}

// finish runs the program on one block of the result.
func (d *product) finish(worker, m0, m1, n0, n1 int, acc []float32, ld int) {
	c := d.ctx[worker]
	m := d.m
	r := len(m.k.Dims)
	c.acc, c.ld, c.accM, c.accN = acc, ld, m0, n0
	from, to, vfrom, vto, dim := m0, m1, n0, n1, r-2
	if m.vec == r-2 {
		from, to, vfrom, vto, dim = n0, n1, m0, m1, r-1
	}
	c.most = min(m.block, vto-vfrom)
	for i := from; i < to; i++ {
		c.coord[dim] = i
		c.uniform(m.outerU[0])
		for c.move(vfrom); c.v0 < vto; {
			n := m.piece(c.v0, min(m.block, vto-c.v0))
			c.exec(m.outerV[0], n)
			for j := range m.outerStores {
				if s := &m.outerStores[j]; !s.direct {
					s.put(c, n)
				}
			}
			c.move(c.v0 + n)
		}
	}
}
