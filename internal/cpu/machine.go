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
//
// Where the vector variable is short, such as the width of an image, blocks
// continue over the loops around it: over their rows.
type machine struct {
	k       *kernel.Kernel
	vec     int   // the vector loop variable, -1 if the kernel has no loops
	rows    []int // the loop variables around it that blocks continue over
	extent  int   // elements of all of them
	outer   bool  // it is one of the independent ones
	block   int
	varying []bool // values that change within a block
	fill    []bool // uniform values that varying ones use

	consts []instr // the same for the whole run of the kernel
	// By reduction stage s: what needs the results of stages before s only.
	outerU, outerV [][]instr // uniform and varying values outside of reductions
	innerU, innerV [][]instr // values that stage s reduces; the last for inner stores
	result         []int     // value that holds each stage's result, -1 if unused
	// groupEnd is, for the first of some stages that need nothing of each other
	// and are reduced in one pass, the end of the group. What they reduce is in
	// innerU and innerV of the first.
	groupEnd   []int
	remembered [][]float32 // values that depend on the position alone
	held       int         // loads that are kept from one pass to the next
	points     int         // combinations of reduced loop variables

	outerStores, innerStores []store
	pieces                   []int // some addresses are linear between multiples of these only
	cutting                  bool  // blocks end there
	mem                      [][]byte
}

// context is one worker's state.
type context struct {
	m       *machine
	vec     int
	v0      int   // first element of the block
	at      int   // its position along vec
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
	sum     [][]float32 // accumulators of the stages
	part    [][]float32
	point   int         // of the reduction: which combination of reduced loop variables
	room    [][]float32 // for what is kept, by slot and point
	held    [][]float32 // where it is

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

// newMachine sorts the program of k for blocks along loop variable vec.
func newMachine(k *kernel.Kernel, mem [][]byte, vec int) *machine {
	m := &machine{k: k, vec: vec, rows: rowsAround(k, vec), extent: 1, outer: true, mem: mem}
	if vec >= 0 {
		m.extent, m.outer = k.Dims[vec], vec < k.Outer
		for _, d := range m.rows {
			m.extent *= k.Dims[d]
		}
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
		for _, d := range m.rows {
			m.varying[i] = m.varying[i] || dims[i]>>d&1 == 1
		}
	}
	m.cutting = m.longPieces()
	m.markFills()

	m.result = make([]int, stages)
	for s := range m.result {
		m.result[s] = -1
	}
	m.outerU, m.outerV = make([][]instr, stages+1), make([][]instr, stages+1)
	m.innerU, m.innerV = make([][]instr, stages+1), make([][]instr, stages+1)
	inner := make([][]bool, stages+1) // inner values that a group or the inner stores need
	m.groupEnd = make([]int, stages)
	group := 0
	for s := range inner {
		need := make([]bool, n)
		ready := 0 // stages that have to be complete
		var mark func(v int)
		mark = func(v int) {
			ready = max(ready, after[v])
			if dims[v]&innerMask != 0 && !need[v] {
				need[v] = true
				k.Vals[v].Uses(mark)
			}
		}
		if s < stages {
			mark(k.Stages[s].Val)
			// Plain sums of rows have a faster way of their own.
			if first := k.Stages[group].Val; s == 0 || ready > group || k.Vals[k.Stages[s].Val].Kind == kernel.Load || k.Vals[first].Kind == kernel.Load {
				group = s
			}
			m.groupEnd[group] = s + 1
		} else {
			group = s
			for _, st := range k.Stores {
				if st.Inner {
					mark(st.Val)
				}
			}
		}
		if inner[group] == nil {
			inner[group] = make([]bool, n)
		}
		for i, needed := range need {
			inner[group][i] = inner[group][i] || needed
		}
	}
	m.points = k.InnerElems()
	m.addStores()
	used := m.used()
	pure := m.pure(dims)
	var code []instr
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
		if pure[i] {
			code = append(code, in)
			in = instr{dst: i, out: -1, special: remembered, slot: len(code) - 1}
		}
		switch s := after[i]; {
		case dims[i]&^memory == 0 && s == 0:
			m.consts = append(m.consts, in)
		case dims[i]&innerMask == 0 && m.varying[i]:
			m.outerV[s] = append(m.outerV[s], in)
		case dims[i]&innerMask == 0:
			m.outerU[s] = append(m.outerU[s], in)
		default:
			passes := 0
			for t := range inner {
				if inner[t] != nil && inner[t][i] {
					passes++
				}
			}
			if passes > 1 && m.varying[i] && m.outer && m.points <= mostHeld && k.Vals[i].Kind == kernel.Load {
				in.fetch, in.special, in.slot = in.special, hold, m.held
				m.held++
			}
			for t := range inner {
				if inner[t] == nil || !inner[t][i] {
					continue
				}
				if m.varying[i] {
					m.innerV[t] = append(m.innerV[t], in)
				} else {
					m.innerU[t] = append(m.innerU[t], in)
				}
				if in.fetch != nil {
					in.special = recall
				}
			}
		}
	}
	m.remember(code)
	return m
}

// mostRemembered is up to how many positions values are remembered for.
const mostRemembered = 1 << 13

// pure marks the values that depend on nothing but the position in a block and
// the block's along the vector variable, such as where an image has padding.
// They are computed once.
func (m *machine) pure(dims []uint64) []bool {
	pure := make([]bool, len(m.k.Vals))
	if m.extent > mostRemembered {
		return pure
	}
	var own uint64
	for _, d := range append(m.rows[:len(m.rows):len(m.rows)], m.vec) {
		if d >= 0 {
			own |= 1 << d
		}
	}
	constant := func(a int) bool { return m.k.Vals[a].Kind == kernel.Const }
	for i := range m.k.Vals {
		v := &m.k.Vals[i]
		switch v.Kind {
		case kernel.AsValue, kernel.InRange, kernel.Elem:
			pure[i] = m.varying[i] && dims[i]&^own == 0
			v.Uses(func(a int) { pure[i] = pure[i] && (pure[a] || constant(a)) })
			for _, st := range m.k.Stores {
				pure[i] = pure[i] && st.Val != i // computed where it is stored
			}
		}
	}
	return pure
}

// remember runs code over all positions and keeps the results.
func (m *machine) remember(code []instr) {
	if len(code) == 0 {
		return
	}
	c := m.newContext()
	m.remembered = make([][]float32, len(code))
	for i := range m.remembered {
		m.remembered[i] = floats(alignedBytes(m.extent * 4))
	}
	for c.move(0); c.v0 < m.extent; {
		n := m.piece(c.v0, min(m.block, m.extent-c.v0))
		c.exec(code, n)
		for i := range code {
			copy(m.remembered[i][c.v0:], c.cur[code[i].dst][:n])
		}
		c.move(c.v0 + n)
	}
}

// remembered is the instruction of such a value.
func remembered(c *context, in *instr, n int) {
	c.cur[in.dst] = c.m.remembered[in.slot][c.v0 : c.v0+n]
}

// mostHeld is up to how many elements of a reduction, such as the pixels of a
// pooling window, are kept for a second pass over them.
const mostHeld = 16

// hold is a load whose block is kept for later passes.
func hold(c *context, in *instr, n int) {
	i := in.slot*c.m.points + c.point
	own := c.base[in.dst]
	c.base[in.dst] = c.room[i]
	in.fetch(c, in, n)
	c.held[i] = c.cur[in.dst]
	c.base[in.dst] = own
}

// recall is the same load in a later pass.
func recall(c *context, in *instr, n int) { c.cur[in.dst] = c.held[in.slot*c.m.points+c.point] }

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

// used marks the values that have an instruction of their own: a byte load
// whose only users widen it to floats has not.
func (m *machine) used() []bool {
	k := m.k
	used := make([]bool, len(k.Vals))
	for _, st := range k.Stages {
		used[st.Val] = true
	}
	for _, st := range k.Stores {
		used[st.Val] = true
	}
	for i := len(k.Vals) - 1; i >= 0; i-- {
		v := &k.Vals[i]
		if used[i] = used[i] || v.Kind == kernel.Result; !used[i] {
			continue
		}
		if m.widens(i) { // loads for itself
			v = &k.Vals[v.Args[0]]
		}
		ranged := v.Kind == kernel.Load && v.Mask >= 0 && m.load(i).ranged() // tests the conditions itself
		v.Uses(func(a int) { used[a] = used[a] || !ranged || a != v.Mask })
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
	at := m.address(a.Index)
	return at.linear && !at.parts && at.pieces == nil && at.step == 1
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
		a := m.address(st.Index)
		a.buf, a.ring = st.Buf, st.Ring
		m.pieces = append(m.pieces, a.pieces...)
		s := store{val: st.Val, addr: a}
		if st.Inner {
			m.innerStores = append(m.innerStores, s)
			continue
		}
		v := &k.Vals[st.Val]
		s.direct = m.varying[st.Val] && (v.Kind == kernel.Elem || v.Kind == kernel.Load) && a.linear && !a.parts && a.step == 1 &&
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
		in.addr = m.load(i)
		in.addr.copy = k.Bufs[v.N].Write && !m.direct(v.N)
		in.special = load
	case kernel.AsValue:
		in.addr, in.special = m.address(v.Index), asValue
	case kernel.InRange:
		in.addr, in.special, in.limit = m.address(v.Index), inRange, v.N
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

// load returns the address of load i with its mask's conditions.
func (m *machine) load(i int) *address {
	v := &m.k.Vals[i]
	a := m.address(v.Index)
	a.buf, a.dtype, a.mask = v.N, m.k.Bufs[v.N].DType, v.Mask
	if v.Mask < 0 {
		return a
	}
	a.within, _ = m.conditions(v.Mask)
	for _, t := range a.within {
		// A segment is where the address and all conditions are linear.
		a.pieces = append(a.pieces, t.addr.pieces...)
		a.parts = a.parts || t.addr.parts
		if s := t.addr.segment; s > 0 && (a.segment == 0 || s < a.segment) {
			a.segment = s // both divide one another: products of the last rows
		}
	}
	return a
}

// conditions takes a mask apart into range tests.
func (m *machine) conditions(mask int) ([]rangeTest, bool) {
	v := &m.k.Vals[mask]
	switch {
	case v.Kind == kernel.InRange:
		a := m.address(v.Index)
		if !a.linear || a.step != 0 && a.step != 1 {
			return nil, false
		}
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
	if !m.cutting {
		return n
	}
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
// accumulators for each stage, a block of indices, and what is kept.
func (m *machine) registerBytes() int {
	return (len(m.k.Vals)+2*len(m.k.Stages)+1+m.held*m.points)*m.block*4 + len(m.remembered)*m.extent*4
}

func (m *machine) newContext() *context {
	k := m.k
	c := &context{m: m, vec: m.vec, coord: make([]int, len(k.Dims)), varying: m.varying, mem: m.mem,
		lane: make([]int32, m.block)}
	blocks := func(n int) [][]float32 {
		b := make([][]float32, n)
		for i := range b {
			b[i] = floats(alignedBytes(m.block * 4))
		}
		return b
	}
	c.sum, c.part = blocks(len(k.Stages)), blocks(len(k.Stages))
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
