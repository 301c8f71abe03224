// What is computed or loaded once for several uses: values that depend on the
// position alone, and the elements of a small reduction that later passes want
// again.

package cpu

import "github.com/weft-ml/weft/internal/kernel"

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
