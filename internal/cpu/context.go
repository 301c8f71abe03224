// A context is what one worker has while it runs a machine's program.

package cpu

import (
	"math"

	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// context is one worker's state.
type context struct {
	m       *machine
	vec     int
	v0      int   // first element of the block
	at      int   // its position along vec
	most    int   // elements of a block
	off     int   // of the segment of a block that is looked at
	coord   []int // other loop variables
	slot    int   // row of the ring
	base    [][]float32
	cur     [][]float32 // where each value is: its register, or memory
	varying []bool
	mem     [][]byte
	lane    []int32 // indices of a block
	index   [][]int32
	one     [1]float32
	sum     [levels][][]float32 // accumulators of the stages
	point   int                 // of the reduction: which combination of reduced loop variables
	room    [][]float32         // for what is kept, by slot and point
	held    [][]float32         // where it is

	coordinate     func(d int) int // c.coord as a function
	acc            []float32       // block of a matrix product
	ld, accM, accN int             // its row stride and first element
}

// reg is value v for n elements.
func (c *context) reg(v, n int) []float32 { return c.cur[v][:n] }

// to is where in writes its result.
func (c *context) to(in *instr, n int) []float32 {
	if in.out >= 0 {
		s := &c.m.outerStores[in.out]
		at := s.addr.base(c)
		c.cur[in.dst] = floats(c.mem[s.addr.buf])[at : at+n : at+n]
	} else {
		c.cur[in.dst] = c.base[in.dst][:n]
	}
	return c.cur[in.dst]
}

// move goes to element p of the vector variable and its rows.
func (c *context) move(p int) {
	c.v0, c.at = p, p
	rows := c.m.rows
	if len(rows) == 0 {
		return
	}
	dims := c.m.k.Dims
	row := p / dims[c.vec]
	c.at = p - row*dims[c.vec]
	for i := len(rows) - 1; i > 0; i-- {
		n := dims[rows[i]]
		c.coord[rows[i]] = row % n
		row /= n
	}
	c.coord[rows[0]] = row
}

func (m *machine) newContext() *context {
	k := m.k
	c := &context{m: m, vec: m.vec, most: m.block, coord: make([]int, len(k.Dims)), varying: m.varying, mem: m.mem,
		lane: make([]int32, m.block)}
	blocks := func(n int) [][]float32 {
		b := make([][]float32, n)
		for i := range b {
			b[i] = floats(alignedBytes(m.block * 4))
		}
		return b
	}
	for i := range c.sum {
		c.sum[i] = blocks(len(k.Stages))
	}
	c.room, c.held = blocks(m.held*m.points), make([][]float32, m.held*m.points)
	c.coordinate = func(d int) int { return c.coord[d] }
	c.base, c.cur = make([][]float32, len(k.Vals)), make([][]float32, len(k.Vals))
	for i := range k.Vals {
		c.base[i] = floats(alignedBytes(m.block * 4))
		c.cur[i] = c.base[i]
		if v := &k.Vals[i]; v.Kind == kernel.Const {
			f := float32(v.Const)
			if v.DType != ir.F32 {
				f = math.Float32frombits(uint32(int32(v.Const)))
			}
			for j := range c.base[i] {
				c.base[i][j] = f
			}
		}
	}
	return c
}

// begin prepares a worker for one step.
func (c *context) begin(scalars []uint32, slot int) {
	c.slot = slot
	for i := range c.m.k.Vals {
		if v := &c.m.k.Vals[i]; v.Kind == kernel.Scalar {
			simd.Fill(c.base[i], math.Float32frombits(scalars[v.N]))
		}
	}
	c.most = c.m.block
	c.uniform(c.m.consts)
}

// uniform runs instructions whose values are the same for the whole block.
// There may be as many of these as elements (one row of a gather), so the
// usual ones skip the vector primitives.
func (c *context) uniform(code []instr) {
	for i := range code {
		in := &code[i]
		switch {
		case in.scalarI != nil:
			d := c.base[in.dst][:1]
			ints(d)[0] = in.scalarI(ints(c.cur[in.args[0]])[0], ints(c.cur[in.args[1]])[0], 0)
			c.cur[in.dst] = d
		case in.scalarF != nil:
			d := c.base[in.dst][:1]
			d[0] = in.scalarF(c.cur[in.args[0]][0], c.cur[in.args[1]][0], 0)
			c.cur[in.dst] = d
		default:
			c.exec(code[i:i+1], 1)
			continue
		}
		if in.fill {
			simd.Fill(c.base[in.dst][:c.most], c.base[in.dst][0])
			c.cur[in.dst] = c.base[in.dst]
		}
	}
}

// exec runs instructions for n elements.
func (c *context) exec(code []instr, n int) {
	for i := range code {
		in := &code[i]
		switch {
		case in.f2 != nil:
			in.f2(c.to(in, n), c.cur[in.args[0]][:n], c.cur[in.args[1]][:n])
		case in.f1 != nil:
			in.f1(c.to(in, n), c.cur[in.args[0]][:n])
		case in.cmp != nil:
			in.cmp(ints(c.to(in, n)), c.cur[in.args[0]][:n], c.cur[in.args[1]][:n])
		case in.i2 != nil:
			in.i2(ints(c.to(in, n)), ints(c.cur[in.args[0]][:n]), ints(c.cur[in.args[1]][:n]))
		default:
			in.special(c, in, n)
		}
		if in.fill {
			v := c.cur[in.dst][0]
			simd.Fill(c.base[in.dst][:c.most], v)
			c.cur[in.dst] = c.base[in.dst]
		}
	}
}

// loadAcc fetches a block of a matrix product's sums.
func loadAcc(c *context, in *instr, n int) {
	r := len(c.m.k.Dims)
	row, col := c.coord[r-2]-c.accM, c.coord[r-1]-c.accN
	switch c.vec {
	case r - 1:
		at := row*c.ld + c.v0 - c.accN
		c.cur[in.dst] = c.acc[at : at+n : at+n]
		if in.out >= 0 {
			c.cur[in.dst] = nil
			copy(c.to(in, n), c.acc[at:at+n])
		}
	default: // along rows
		simd.GatherStrided(c.to(in, n), c.acc, (c.v0-c.accM)*c.ld+col, c.ld)
	}
}
