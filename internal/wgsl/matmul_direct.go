package wgsl

// The direct loop nest: a thread reads its rows of A and columns of B from global
// memory, four steps of k at a time where K allows. With SplitK, a workgroup's
// threads deal the fours of k out among themselves and add up their parts through
// workgroup memory at the end, in the order of the threads. A product of 64 x 10
// outputs has far too few of them to fill a GPU, and a sum of 784 terms is long:
// splitting it keeps many loads in flight.

import "fmt"

// directFloats is the size of the workgroup array in floats: one part of each
// output for each thread of the split, padded by one so that neither writing nor
// adding up collides in one bank.
func directFloats(t Tile) int {
	if t.SplitK <= 1 {
		return 0
	}
	return t.BM * t.BN * (t.SplitK + 1)
}

func (m *Matmul) direct(w *mmWriter) (decls string) {
	t := m.Tile
	split := max(t.SplitK, 1)
	cols, rows := t.BN/t.TN, t.BM/t.TM
	sides := m.sides()
	width := 1
	if t.TN%4 == 0 {
		width = 4
	}
	guardM, guardN := m.M%t.BM != 0, m.N%t.BN != 0
	m.sumName = "mm_c"

	// Adjacent threads should read adjacent memory: along k where both operands
	// lie along k, else along n.
	kFast := split > 1 && sides[0].alongK && sides[1].alongK
	switch {
	case split == 1:
		w.line("let mm_tx = lix %% %du;", cols)
		w.line("let mm_ty = lix / %du;", cols)
	case kFast:
		w.line("let mm_ks = lix %% %du;", split)
		w.line("let mm_tx = lix / %du %% %du;", split, cols)
		w.line("let mm_ty = lix / %du;", split*cols)
	default:
		w.line("let mm_tx = lix %% %du;", cols)
		w.line("let mm_ty = lix / %du %% %du;", cols, rows)
		w.line("let mm_ks = lix / %du;", cols*rows)
	}
	w.line("let mm_row = mm_m0 + mm_ty * %du;", t.TM)
	w.line("let mm_col = mm_n0 + mm_tx * %du;", t.TN)
	m.outerPlaces(w, &sides[0], "mm_row", t.TM, guardM)
	m.outerPlaces(w, &sides[1], "mm_col", t.TN, guardN)
	for i := range t.TM {
		for j := 0; j < t.TN; j += width {
			if width == 4 {
				w.line("var mm_c%d_%d = vec4<f32>();", i, j)
			} else {
				w.line("var mm_c%d_%d = 0.0;", i, j)
			}
		}
	}

	fours := m.K / 4
	each := fours / split // fours that every thread of the split has
	if each > 0 {
		unroll := t.Unroll
		if unroll <= 0 || each < unroll {
			unroll = 1
		}
		loops := each / unroll
		at := func(u string) string {
			if split == 1 {
				return u
			}
			return fmt.Sprintf("(%s) * %du + mm_ks", u, split)
		}
		if loops > 0 {
			zero := "0.0"
			if width == 4 {
				zero = "vec4<f32>()"
			}
			acc := m.blocks(w, loops, t.TM, t.TN/width, zero, func(first, end string) {
				w.line("for (var mm_t = %s; mm_t < %s; mm_t += %du) {", first, end, unroll)
			}, unroll)
			var at4 []string
			for u := range unroll {
				at4 = append(at4, at(fmt.Sprintf("mm_t + %du", u)))
			}
			m.sumName = acc
			m.steps(w, sides, at4)
			m.sumName = "mm_c"
			m.endBlocks(w, acc, t.TM, t.TN/width, width)
		}
		if rest := each % unroll; rest > 0 {
			var at4 []string
			for u := range rest {
				at4 = append(at4, at(fmt.Sprintf("%du", loops*unroll+u)))
			}
			w.line("{")
			w.depth++
			m.steps(w, sides, at4)
			w.depth--
			w.line("}")
		}
	}
	if rest := fours % split; rest > 0 {
		w.line("if (mm_ks < %du) {", rest)
		w.depth++
		m.steps(w, sides, []string{fmt.Sprintf("%du + mm_ks", each*split)})
		w.depth--
		w.line("}")
	}
	if tail := m.K % 4; tail > 0 {
		open := "{"
		if split > 1 {
			open = fmt.Sprintf("if (mm_ks == %du) {", fours%split)
		}
		w.line("%s", open)
		w.depth++
		m.tail(w, sides, fours*4, tail)
		w.depth--
		w.line("}")
	}

	if split == 1 {
		for i := range t.TM {
			for j := 0; j < t.TN; j += width {
				m.store(w, width, fmt.Sprintf("mm_c%d_%d", i, j), fmt.Sprintf("mm_row + %du", i), fmt.Sprintf("mm_col + %du", j), guardM, guardN)
			}
		}
		return ""
	}
	return m.combine(w, width, guardM, guardN)
}

// combine adds the parts of a split sum. Output o of the tile, counted in
// registers, has its parts at o*(split+1).
func (m *Matmul) combine(w *mmWriter, width int, guardM, guardN bool) (decls string) {
	t := m.Tile
	perRow := t.BN / width
	outputs, threads := t.BM*perRow, t.threads()
	for i := range t.TM {
		for j := 0; j < t.TN; j += width {
			w.line("mm_sh[((mm_ty * %du + %du) * %du + mm_tx * %du + %du) * %du + mm_ks] = mm_c%d_%d;", t.TM, i, perRow, t.TN/width, j/width, t.SplitK+1, i, j)
		}
	}
	w.line("workgroupBarrier();")
	for first := 0; first < outputs; first += threads {
		if first+threads > outputs {
			w.line("if (lix < %du) {", outputs-first)
		} else {
			w.line("{")
		}
		w.depth++
		w.line("let mm_out = lix + %du;", first)
		w.line("let mm_part = mm_out * %du;", t.SplitK+1)
		w.line("var mm_sum = mm_sh[mm_part];")
		for s := 1; s < t.SplitK; s++ {
			w.line("mm_sum += mm_sh[mm_part + %du];", s)
		}
		m.store(w, width, "mm_sum", fmt.Sprintf("mm_m0 + mm_out / %du", perRow), fmt.Sprintf("mm_n0 + mm_out %% %du * %du", perRow, width), guardM, guardN)
		w.depth--
		w.line("}")
	}
	typ := "f32"
	if width == 4 {
		typ = "vec4<f32>"
	}
	return fmt.Sprintf("var<workgroup> mm_sh: array<%s, %d>;\n", typ, outputs*(t.SplitK+1))
}

// outerPlaces declares the places of the thread's rows of A or columns of B.
func (m *Matmul) outerPlaces(w *mmWriter, s *mmSide, base string, n int, guard bool) {
	if m.direct4(s) {
		for i := 0; i < n; i += 4 {
			e := fmt.Sprintf("%s + %du", base, i)
			if guard {
				e = fmt.Sprintf("min(%s, %du)", e, s.outer-4)
			}
			w.line("let mm_%sq%d = %s + %s;", s.name, i/4, s.base(), s.walk(true).At(e))
		}
		return
	}
	s.outerOffsets(w, "let ", base, n, guard, func(i int) string { return fmt.Sprintf("mm_%si%d", s.name, i) })
}

// direct4 says whether a thread reads the operand in vec4s along its outer index.
func (m *Matmul) direct4(s *mmSide) bool {
	n := m.Tile.TM
	if !s.isA {
		n = m.Tile.TN
	}
	return s.vec && !s.alongK && n%4 == 0
}

// steps multiplies several fours of k, whose numbers are given as expressions:
// first all loads, so that they overlap, then the arithmetic.
func (m *Matmul) steps(w *mmWriter, sides [2]mmSide, at4 []string) {
	t := m.Tile
	for u, at := range at4 {
		w.line("let mm_k4_%d = %s;", u, at)
		for i := range sides {
			s, n := &sides[i], t.TM
			if i == 1 {
				n = t.TN
			}
			m.loadFour(w, s, n, u)
		}
	}
	for u := range at4 {
		for kk := range 4 {
			m.outer(w, sides, u, kk)
		}
	}
}

// loadFour declares mm_{a,b}{u}_{i}_... for one four of k.
func (m *Matmul) loadFour(w *mmWriter, s *mmSide, n, u int) {
	first := fmt.Sprintf("mm_k4_%d * 4u", u)
	step := func(kk int) string { return fmt.Sprintf("mm_k%s%d_%d", s.name, u, kk) }
	if s.vec && s.alongK {
		w.line("let %s = %s;", step(0), s.walk(false).At(first))
		for i := range n {
			w.line("let mm_%s%d_%d = %s;", s.name, u, i, s.vec4(fmt.Sprintf("mm_%si%d", s.name, i), step(0)))
		}
		return
	}
	s.kOffsets(w, first, false, step)
	for kk := range 4 {
		if m.direct4(s) {
			for i := 0; i < n; i += 4 {
				w.line("let mm_%s%d_%d_%d = %s;", s.name, u, kk, i/4, s.vec4(fmt.Sprintf("mm_%sq%d", s.name, i/4), step(kk)))
			}
			continue
		}
		for i := range n {
			w.line("let mm_%s%d_%d_%d = %s;", s.name, u, kk, i, s.scalar(fmt.Sprintf("mm_%si%d", s.name, i), step(kk)))
		}
	}
}

// element is the register of (outer i, step kk) that loadFour declared.
func (m *Matmul) element(s *mmSide, u, kk, i int) string {
	switch {
	case s.vec && s.alongK:
		return fmt.Sprintf("mm_%s%d_%d.%c", s.name, u, i, "xyzw"[kk])
	case m.direct4(s):
		return fmt.Sprintf("mm_%s%d_%d_%d.%c", s.name, u, kk, i/4, "xyzw"[i%4])
	}
	return fmt.Sprintf("mm_%s%d_%d_%d", s.name, u, kk, i)
}

// outer adds the outer product of one step of k.
func (m *Matmul) outer(w *mmWriter, sides [2]mmSide, u, kk int) {
	t := m.Tile
	a, b := &sides[0], &sides[1]
	for i := range t.TM {
		x := m.element(a, u, kk, i)
		if t.TN%4 != 0 {
			for j := range t.TN {
				c := fmt.Sprintf("%s%d_%d", m.sumName, i, j)
				w.line("%s = %s;", c, m.fma(x, m.element(b, u, kk, j), c))
			}
			continue
		}
		for j := 0; j < t.TN; j += 4 {
			c := fmt.Sprintf("%s%d_%d", m.sumName, i, j)
			y := fmt.Sprintf("mm_b%d_%d_%d", u, kk, j/4)
			if !m.direct4(b) {
				y = fmt.Sprintf("vec4<f32>(%s, %s, %s, %s)", m.element(b, u, kk, j), m.element(b, u, kk, j+1), m.element(b, u, kk, j+2), m.element(b, u, kk, j+3))
			}
			w.line("%s = %s;", c, m.fma(fmt.Sprintf("vec4<f32>(%s)", x), y, c))
		}
	}
}

// tail multiplies the last n < 4 steps of k, which no vec4 along k covers.
func (m *Matmul) tail(w *mmWriter, sides [2]mmSide, first, n int) {
	t := m.Tile
	for kk := range n {
		for i := range sides {
			s, count := &sides[i], t.TM
			if i == 1 {
				count = t.TN
			}
			k := fmt.Sprintf("mm_k%s%d", s.name, kk)
			w.line("let %s = %s;", k, s.walk(false).At(fmt.Sprintf("%du", first+kk)))
			if m.direct4(s) {
				for j := 0; j < count; j += 4 {
					w.line("let mm_%s0_%d_%d = %s;", s.name, kk, j/4, s.vec4(fmt.Sprintf("mm_%sq%d", s.name, j/4), k))
				}
				continue
			}
			for j := range count {
				w.line("let mm_%s0_%d_%d = %s;", s.name, kk, j, s.scalar(fmt.Sprintf("mm_%si%d", s.name, j), k))
			}
		}
		// With K no multiple of 4 no operand is read in vec4s along k, so the names
		// are those that outer expects.
		m.outer(w, sides, 0, kk)
	}
}
