package cpu

import (
	"math"

	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

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

// machine is a kernel's program sorted by how often its values change. One of
// the loop variables is the vector variable, along which blocks are formed;
// values that do not depend on it are uniform and computed once for a block
// or for many.
type machine struct {
	k       *kernel.Kernel
	vec     int  // the vector loop variable, -1 if the kernel has no loops
	extent  int  // its extent
	outer   bool // it is one of the independent ones
	block   int
	varying []bool // values that change within a block
	fill    []bool // uniform values that varying ones use

	consts []instr // the same for the whole run of the kernel
	// By reduction stage s: what needs the results of stages before s only.
	outerU, outerV [][]instr // uniform and varying values outside of reductions
	innerU, innerV [][]instr // values that stage s reduces; the last for inner stores
	result         []int     // value that holds each stage's result, -1 if unused

	outerStores, innerStores []store
	pieces                   []int // some addresses are linear between multiples of these only
	mem                      [][]byte
}

// context is one worker's state.
type context struct {
	m       *machine
	vec     int
	v0      int   // first element of the block along vec
	coord   []int // other loop variables
	slot    int   // row of the ring
	base    [][]float32
	cur     [][]float32 // where each value is: its register, or memory
	varying []bool
	mem     [][]byte
	lane    []int32 // indices of a block
	index   [][]int32
	one     [1]float32
	sum     []float32 // accumulators of a stage
	part    []float32

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

// newMachine sorts the program of k for blocks along loop variable vec.
func newMachine(k *kernel.Kernel, mem [][]byte, vec int) *machine {
	m := &machine{k: k, vec: vec, extent: 1, outer: true, mem: mem}
	if vec >= 0 {
		m.extent, m.outer = k.Dims[vec], vec < k.Outer
	}
	n := len(k.Vals)
	m.block = blockFor(m.extent, n)
	stages := len(k.Stages)

	// What each value depends on: loop variables as bits, and how many
	// stages have to be complete.
	dims := make([]uint64, n)
	after := make([]int, n)
	const memory = 1 << 63 // a load: changes between runs of the kernel
	var outerMask, innerMask uint64
	for d := range k.Dims {
		if d < k.Outer {
			outerMask |= 1 << d
		} else {
			innerMask |= 1 << d
		}
	}
	m.varying, m.fill = make([]bool, n), make([]bool, n)
	for i := range k.Vals {
		v := &k.Vals[i]
		v.Uses(func(a int) { dims[i] |= dims[a]; after[i] = max(after[i], after[a]) })
		v.Index.DependsOn(func(d int) bool { dims[i] |= 1 << d; return false }, func(int) bool { return false })
		switch v.Kind {
		case kernel.Result:
			dims[i] |= outerMask
			after[i] = v.N + 1
		case kernel.Acc:
			dims[i] |= outerMask
		case kernel.Load:
			dims[i] |= memory
		}
		m.varying[i] = vec >= 0 && dims[i]>>vec&1 == 1
	}
	m.markFills()

	m.result = make([]int, stages)
	for s := range m.result {
		m.result[s] = -1
	}
	m.outerU, m.outerV = make([][]instr, stages+1), make([][]instr, stages+1)
	m.innerU, m.innerV = make([][]instr, stages+1), make([][]instr, stages+1)
	inner := make([][]bool, stages+1) // inner values that a stage or the inner stores need
	for s := range inner {
		inner[s] = make([]bool, n)
		var mark func(v int)
		mark = func(v int) {
			if dims[v]&innerMask != 0 && !inner[s][v] {
				inner[s][v] = true
				k.Vals[v].Uses(mark)
			}
		}
		if s < stages {
			mark(k.Stages[s].Val)
		} else {
			for _, st := range k.Stores {
				if st.Inner {
					mark(st.Val)
				}
			}
		}
	}
	m.addStores()
	used := m.used()
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
		switch s := after[i]; {
		case dims[i]&^memory == 0 && s == 0:
			m.consts = append(m.consts, in)
		case dims[i]&innerMask == 0 && m.varying[i]:
			m.outerV[s] = append(m.outerV[s], in)
		case dims[i]&innerMask == 0:
			m.outerU[s] = append(m.outerU[s], in)
		default:
			for t := range inner {
				if !inner[t][i] {
					continue
				}
				if m.varying[i] {
					m.innerV[t] = append(m.innerV[t], in)
				} else {
					m.innerU[t] = append(m.innerU[t], in)
				}
			}
		}
	}
	return m
}

// used marks the values that have an instruction of their own: a byte load
// whose only users widen it to floats has not.
func (m *machine) used() []bool {
	k := m.k
	used := make([]bool, len(k.Vals))
	for i := range k.Vals {
		v := &k.Vals[i]
		used[i] = used[i] || v.Kind == kernel.Result
		v.Uses(func(a int) { used[a] = used[a] || !m.widens(i) })
	}
	for _, st := range k.Stages {
		used[st.Val] = true
	}
	for _, st := range k.Stores {
		used[st.Val] = true
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
	step, linear := a.Index.Affine(m.vec, func(a int) bool { return m.varying[a] })
	return linear && step == 1
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
		a := newAddress(st.Index, m.vec, func(v int) bool { return m.varying[v] })
		a.buf, a.ring = st.Buf, st.Ring
		m.pieces = append(m.pieces, a.pieces...)
		s := store{val: st.Val, addr: a}
		if st.Inner {
			m.innerStores = append(m.innerStores, s)
			continue
		}
		v := &k.Vals[st.Val]
		s.direct = m.varying[st.Val] && (v.Kind == kernel.Elem || v.Kind == kernel.Load) && a.linear && a.step == 1 &&
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
	varies := func(a int) bool { return m.varying[a] }
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
		in.addr = newAddress(v.Index, m.vec, varies)
		in.addr.buf, in.addr.dtype, in.addr.mask = v.N, k.Bufs[v.N].DType, v.Mask
		in.addr.copy = k.Bufs[v.N].Write && !m.direct(v.N)
		if v.Mask >= 0 {
			in.addr.within, _ = m.conditions(v.Mask)
		}
		in.special = load
	case kernel.AsValue:
		in.addr, in.special = newAddress(v.Index, m.vec, varies), asValue
	case kernel.InRange:
		in.addr, in.special, in.limit = newAddress(v.Index, m.vec, varies), inRange, v.N
	case kernel.Acc:
		in.special = loadAcc
	}
	if in.addr != nil {
		m.pieces = append(m.pieces, in.addr.pieces...)
	}
	in.fill = m.fill[i]
	for j, s := range m.outerStores {
		if s.direct && s.val == i {
			in.out = j
		}
	}
	return in
}

// conditions takes a mask apart into range tests.
func (m *machine) conditions(mask int) ([]rangeTest, bool) {
	v := &m.k.Vals[mask]
	switch {
	case v.Kind == kernel.InRange:
		a := newAddress(v.Index, m.vec, func(a int) bool { return m.varying[a] })
		if !a.linear || a.step != 0 && a.step != 1 {
			return nil, false
		}
		m.pieces = append(m.pieces, a.pieces...)
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

// piece is how many of the n elements from v0 on every address is linear for.
func (m *machine) piece(v0, n int) int {
	for _, p := range m.pieces {
		n = min(n, p-v0%p)
	}
	return n
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

// registerBytes is the memory of one worker: a register for each value, two
// accumulators and a block of indices.
func (m *machine) registerBytes() int { return (len(m.k.Vals) + 3) * m.block * 4 }

func (m *machine) newContext() *context {
	k := m.k
	c := &context{m: m, vec: m.vec, coord: make([]int, len(k.Dims)), varying: m.varying, mem: m.mem,
		lane: make([]int32, m.block), sum: make([]float32, m.block), part: make([]float32, m.block)}
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
			simd.Fill(c.base[in.dst], c.base[in.dst][0])
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
			simd.Fill(c.base[in.dst], v)
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
