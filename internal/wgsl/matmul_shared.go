package wgsl

// The shared loop nest. Both operands are staged in workgroup memory, in one of
// two layouts: vec4s of four adjacent rows or columns for each k, of which a
// thread with TM = TN = 8 reads four for 64 multiply-adds; or vec4s of four
// adjacent k for each row or column, of which it reads eight for four steps. A
// thread's tile is made of 4x4 fragments that lie BM/(TM/4) rows and BN/(TN/4)
// columns apart: adjacent threads then read adjacent vec4s, without bank conflicts.
//
// Global memory is read in blocks of 16 elements, one or two to a thread, into
// registers, while the block before is multiplied (the loads are in flight during
// the arithmetic). What a block is and how it is stored depends on the operand:
//
//   - Read in vec4s: 4x4 elements, stored by row or column. If it is contiguous
//     along k it is transposed in the registers, which costs nothing, and its
//     columns are permuted: adjacent threads read adjacent fours of k, whose places
//     in workgroup memory would all fall into the same banks.
//   - Read one by one, contiguous along k (the windows of a convolution in its
//     weight's gradient): one k, sixteen rows. Adjacent threads take adjacent k, so
//     that a load of a warp falls into few cache lines. Stored by row, permuted.
//   - Read one by one otherwise (the windows in the convolution itself): one column,
//     sixteen k, adjacent threads adjacent columns. The offsets of k are then the
//     same for all threads. Stored by k.

import "fmt"

// sharedVecs is the size of the workgroup array in vec4s: the blocks in flight,
// and at the end the partial sums of one group when k is split.
func (m *Matmul) sharedVecs() int {
	sides, t := m.sides(), m.Tile
	n := (sides[0].vecs(t.BK) + sides[1].vecs(t.BK)) * t.stages()
	if t.SplitK > 1 {
		n = max(n, t.BM*t.BN/4)
	}
	return n
}

// byK says whether an operand is stored in vec4s along k.
func (s *mmSide) byK() bool { return !s.vec && !s.alongK }

// vecs is the size of a block of k in workgroup memory.
func (s *mmSide) vecs(bk int) int {
	if s.byK() {
		return bk / 4 * s.rowVecs()
	}
	return s.tile / 4 * bk
}

// skew keeps what four adjacent columns are stored at out of one bank.
const skew = 2

// rowVecs is the size of four k of an operand that is stored by k. Column n lies
// at slot(n): the columns of one thread's fragment are lanes+skew apart.
func (s *mmSide) rowVecs() int { return s.tile / s.lanes * (s.lanes + skew) }

func (s *mmSide) slot(n string) string {
	l := s.lanes
	return fmt.Sprintf("%s / %du * %du + %s %% 4u * %du + %s / 4u %% %du", n, 4*l, 4*(l+skew), n, l+skew, n, l)
}

func (t Tile) stages() int {
	if t.Stages == 0 {
		return 2
	}
	return t.Stages
}

func (m *Matmul) shared(w *mmWriter) (decls string) {
	t := m.Tile
	split := max(t.SplitK, 1)
	group := t.threads() / split // threads that share a slice of k
	cols, rows := t.BN/t.TN, t.BM/t.TM
	sides := m.sides()
	stage := sides[0].vecs(t.BK) + sides[1].vecs(t.BK)
	steps := (m.K + t.BK - 1) / t.BK

	if split > 1 {
		w.line("let mm_ks = lix / %du;", group)
		w.line("let mm_lane = lix %% %du;", group)
	} else {
		w.line("let mm_lane = lix;")
	}
	// 32 adjacent threads cover 8 columns by 4 rows: their reads of a row of B fill
	// all banks once, and those of A are four broadcasts.
	if cols%8 == 0 && rows%4 == 0 {
		w.line("let mm_tx = mm_lane %% 8u + (mm_lane / 32u) %% %du * 8u;", cols/8)
		w.line("let mm_ty = (mm_lane / 8u) %% 4u + mm_lane / %du * 4u;", 4*cols)
	} else {
		w.line("let mm_tx = mm_lane %% %du;", cols)
		w.line("let mm_ty = mm_lane / %du;", cols)
	}
	for i := range t.TM {
		for j := range t.TN / 4 {
			w.line("var mm_c%d_%d = vec4<f32>();", i, j)
		}
	}
	ld := m.loader(w)
	w.line("var mm_k0 = 0u;") // first k of the block that is loaded next
	ld.load(w)
	if t.stages() == 2 {
		ld.save(w, "0u")
		w.line("workgroupBarrier();")
	}
	w.line("for (var mm_t = 0u; mm_t < %du; mm_t++) {", steps)
	w.depth++
	w.line("let mm_more = mm_t < %du;", steps-1)
	if t.stages() == 2 {
		w.line("let mm_cur = (mm_t & 1u) * %du;", stage)
		w.line("mm_k0 += %du;", t.BK)
		w.line("if (mm_more) {")
		ld.load(w)
		w.line("}")
		m.multiply(w)
		w.line("if (mm_more) {")
		ld.save(w, fmt.Sprintf("(%du - mm_cur)", stage))
		w.line("}")
		w.line("workgroupBarrier();")
	} else {
		w.line("let mm_cur = 0u;")
		ld.save(w, "0u")
		w.line("workgroupBarrier();")
		w.line("mm_k0 += %du;", t.BK)
		w.line("if (mm_more) {")
		ld.load(w)
		w.line("}")
		m.multiply(w)
		w.line("workgroupBarrier();")
	}
	w.depth--
	w.line("}")

	// The groups of a split sum hand their parts to group 0 one after another, in
	// order, through the same memory.
	for s := 1; s < split; s++ {
		w.line("if (mm_ks == %du) {", s)
		w.depth++
		for i := range t.TM {
			for j := range t.TN / 4 {
				w.line("mm_sh[mm_lane + %du] = mm_c%d_%d;", (i*t.TN/4+j)*group, i, j)
			}
		}
		w.depth--
		w.line("}")
		w.line("workgroupBarrier();")
		w.line("if (mm_ks == 0u) {")
		w.depth++
		for i := range t.TM {
			for j := range t.TN / 4 {
				w.line("mm_c%d_%d += mm_sh[mm_lane + %du];", i, j, (i*t.TN/4+j)*group)
			}
		}
		w.depth--
		w.line("}")
		if s < split-1 {
			w.line("workgroupBarrier();")
		}
	}
	if split > 1 {
		w.line("if (mm_ks == 0u) {")
		w.depth++
	}
	for i := range t.TM {
		for j := range t.TN / 4 {
			row := fmt.Sprintf("mm_m0 + mm_ty * 4u + %du", i/4*rows*4+i%4)
			col := fmt.Sprintf("mm_n0 + mm_tx * 4u + %du", j*cols*4)
			m.store(w, 4, fmt.Sprintf("mm_c%d_%d", i, j), row, col, m.M%t.BM != 0, m.N%t.BN != 0)
		}
	}
	if split > 1 {
		w.depth--
		w.line("}")
	}
	return fmt.Sprintf("var<workgroup> mm_sh: array<vec4<f32>, %d>;\n", m.sharedVecs())
}

// permute is how the columns of an operand that is stored by row are permuted at
// step k: by k*factor/divisor, as far as mask covers; a factor of 0 is not at all.
func (m *Matmul) permute(s *mmSide) (factor, divisor, mask int) {
	if !s.alongK {
		return 0, 1, 0
	}
	mask = 7
	for s.tile/4%(mask+1) != 0 {
		mask /= 2
	}
	if !s.vec {
		return 1, 1, mask
	}
	// The run of threads along k covers this many fours; the rest of the eight that
	// write at once lie along the columns.
	run := 8
	for m.Tile.BK/4%run != 0 {
		run /= 2
	}
	return 8 / run, 4, mask
}

// multiply adds the products of one block to the registers.
func (m *Matmul) multiply(w *mmWriter) {
	t := m.Tile
	depth := t.BK / max(t.SplitK, 1)
	unroll := t.Unroll
	if unroll <= 0 || depth%unroll != 0 {
		unroll = depth
	}
	sides := m.sides()
	for _, s := range sides {
		if s.byK() && unroll%4 != 0 {
			unroll = 4 // divides depth: see Check
		}
	}
	w.line("var mm_k = 0u;")
	if t.SplitK > 1 {
		w.line("mm_k = mm_ks * %du;", depth)
	}
	if unroll < depth {
		w.line("for (var mm_kk = 0u; mm_kk < %du; mm_kk += %du) {", depth, unroll)
		w.depth++
	}
	at := [2]string{"mm_cur", fmt.Sprintf("mm_cur + %du", sides[0].vecs(t.BK))}
	thread := [2]string{"mm_ty", "mm_tx"}
	moving := t.SplitK > 1 || unroll < depth
	step := func(u int) string {
		if moving {
			return fmt.Sprintf("(mm_k + %du)", u)
		}
		return fmt.Sprintf("%du", u)
	}
	for u := range unroll {
		if u%4 == 0 {
			w.line("{")
			w.depth++
			for i := range sides {
				if s := &sides[i]; s.byK() {
					w.line("let mm_%sp = %s + %s / 4u * %du + %s;", s.name, at[i], step(u), s.rowVecs(), thread[i])
					for f := range s.each {
						w.line("let mm_%s%d = mm_sh[mm_%sp + %du];", s.name, f, s.name, (f/4*4+f%4)*(s.lanes+skew))
					}
				}
			}
		}
		w.line("{")
		w.depth++
		for i := range sides {
			if s := &sides[i]; !s.byK() {
				m.fragments(w, s, at[i], thread[i], u, step(u), moving)
			}
		}
		for i := range t.TM {
			for j := range t.TN / 4 {
				c := fmt.Sprintf("mm_c%d_%d", i, j)
				a := fmt.Sprintf("vec4<f32>(%s)", sides[0].element(i, u))
				b := fmt.Sprintf("mm_b%d", j)
				if s := &sides[1]; s.byK() {
					b = fmt.Sprintf("vec4<f32>(%s, %s, %s, %s)", s.element(4*j, u), s.element(4*j+1, u), s.element(4*j+2, u), s.element(4*j+3, u))
				}
				w.line("%s = %s;", c, m.fma(a, b, c))
			}
		}
		w.depth--
		w.line("}")
		if u%4 == 3 || u == unroll-1 {
			w.depth--
			w.line("}")
		}
	}
	if unroll < depth {
		w.line("mm_k += %du;", unroll)
		w.depth--
		w.line("}")
	}
}

// element is row or column i of the thread's tile at step u.
func (s *mmSide) element(i, u int) string {
	if s.byK() {
		return fmt.Sprintf("mm_%s%d.%c", s.name, i, "xyzw"[u%4])
	}
	return fmt.Sprintf("mm_%s%d.%c", s.name, i/4, "xyzw"[i%4])
}

// fragments reads the thread's fragments at step u, k, of an operand that is
// stored by row.
func (m *Matmul) fragments(w *mmWriter, s *mmSide, at, thread string, u int, k string, moving bool) {
	factor, divisor, mask := m.permute(s)
	perm := ""
	if factor > 0 && moving {
		perm = fmt.Sprintf(" ^ ((%s / %du * %du) & %du)", k, divisor, factor, mask)
	} else if c := u / divisor * factor & mask; c > 0 {
		perm = fmt.Sprintf(" ^ %du", c)
	}
	w.line("let mm_%sp = %s + %s * %du;", s.name, at, k, s.tile/4)
	for f := range s.each / 4 {
		switch {
		case perm == "" || s.lanes*f%(mask+1) == 0:
			w.line("let mm_%s%d = mm_sh[mm_%sp + (%s%s) + %du];", s.name, f, s.name, thread, perm, f*s.lanes)
		default:
			w.line("let mm_%s%d = mm_sh[mm_%sp + ((%s + %du)%s)];", s.name, f, s.name, thread, f*s.lanes, perm)
		}
	}
}

// mmLoader moves blocks of both operands from global memory through registers to
// workgroup memory. The blocks of A and then those of B are dealt out to the
// threads in rounds.
type mmLoader struct {
	m      *Matmul
	sides  [2]mmSide
	blocks [2]int
	rounds int
}

func (m *Matmul) loader(w *mmWriter) *mmLoader {
	t := m.Tile
	ld := &mmLoader{m: m, sides: m.sides()}
	for i := range ld.sides {
		ld.blocks[i] = ld.sides[i].tile * t.BK / 16
	}
	total, threads := ld.blocks[0]+ld.blocks[1], t.threads()
	ld.rounds = (total + threads - 1) / threads
	for r := range ld.rounds {
		for i := range 4 {
			w.line("var mm_p%d_%d = vec4<f32>();", r, i)
		}
		ld.each(w, r, func(i int, q string) { ld.coordinates(w, i, r, q) }, true)
	}
	return ld
}

// each emits, for the operands that round r may serve, what f emits, under a
// condition where only some threads serve that operand. With declare, the
// coordinates are variables that are declared ahead of the condition.
func (ld *mmLoader) each(w *mmWriter, r int, f func(i int, q string), declare bool) {
	threads := ld.m.Tile.threads()
	lo, hi := r*threads, (r+1)*threads
	cut, end := ld.blocks[0], ld.blocks[0]+ld.blocks[1]
	if declare {
		w.line("var mm_o%d = 0u;", r) // outer index of the block, in fours where it has several
		w.line("var mm_q%d = 0u;", r) // its k, in fours, or its k
		places := 0
		for i, s := range ld.sides {
			if i == 0 && lo < cut || i == 1 && hi > cut {
				places = max(places, ld.places(&s))
			}
		}
		for j := range places {
			w.line("var mm_r%d_%d = 0u;", r, j) // places of its outer indices
		}
	}
	serve := func(i int, cond string) {
		q := fmt.Sprintf("(lix + %du)", lo)
		if i == 1 {
			q = fmt.Sprintf("(lix + %du - %du)", lo, cut)
		}
		if cond != "" {
			cond += " "
		}
		w.line("%s{", cond)
		w.depth++
		f(i, q)
		w.depth--
		w.line("}")
	}
	guard := ""
	if hi > end {
		guard = fmt.Sprintf("if (lix < %du)", end-lo)
	}
	switch {
	case hi <= cut:
		serve(0, "")
	case lo >= cut:
		serve(1, guard)
	default:
		serve(0, fmt.Sprintf("if (lix < %du)", cut-lo))
		if guard != "" {
			serve(1, fmt.Sprintf("else if (lix < %du)", end-lo))
		} else {
			serve(1, "else")
		}
	}
}

// places is the number of outer indices of a block of operand s.
func (ld *mmLoader) places(s *mmSide) int {
	switch {
	case s.byK():
		return 4 / ld.perOuter()
	case s.vec:
		return 4
	}
	return 16
}

// perOuter is how many vec4s along k a block has for each outer index, where it
// is stored by k.
func (ld *mmLoader) perOuter() int { return min(4, ld.m.Tile.BK/4) }

// span is the distance of the outer indices of such a block.
func (ld *mmLoader) span(s *mmSide) int { return s.tile / (4 / ld.perOuter()) }

// coordinates finds block q of operand i, adjacent threads taking blocks that
// lie side by side in memory, and the places of its outer indices.
func (ld *mmLoader) coordinates(w *mmWriter, i, r int, q string) {
	s := &ld.sides[i]
	base, guard := "mm_m0", s.outer%s.tile != 0
	if !s.isA {
		base = "mm_n0"
	}
	place := func(j int) string { return fmt.Sprintf("mm_r%d_%d", r, j) }
	switch {
	case s.byK():
		span, each := ld.span(s), ld.perOuter()
		w.line("let mm_o = %s %% %du;", q, span)
		w.line("mm_o%d = mm_o;", r)
		w.line("mm_q%d = %s / %du * %du;", r, q, span, each)
		for e := range 4 / each {
			s.outerOffsets(w, "", fmt.Sprintf("%s + mm_o + %du", base, e*span), 1, guard, func(int) string { return place(e) })
		}
	case s.vec && s.alongK:
		k4 := ld.m.Tile.BK / 4
		w.line("mm_q%d = %s %% %du;", r, q, k4)
		w.line("mm_o%d = %s / %du;", r, q, k4)
		s.outerOffsets(w, "", fmt.Sprintf("%s + mm_o%d * 4u", base, r), 4, guard, place)
	case s.vec:
		w.line("mm_o%d = %s %% %du;", r, q, s.tile/4)
		w.line("mm_q%d = %s / %du;", r, q, s.tile/4)
		first := fmt.Sprintf("%s + mm_o%d * 4u", base, r)
		if guard {
			first = fmt.Sprintf("min(%s, %du)", first, s.outer-4)
		}
		s.outerOffsets(w, "", first, 1, false, place)
	default:
		w.line("mm_q%d = %s %% %du;", r, q, ld.m.Tile.BK)
		w.line("mm_o%d = %s / %du;", r, q, ld.m.Tile.BK)
		for j := range 4 {
			s.outerOffsets(w, "", fmt.Sprintf("%s + (mm_o%d + %du) * 4u", base, r, j*s.tile/16), 4, guard, func(c int) string { return place(4*j + c) })
		}
	}
}

// load fills the registers with the blocks at mm_k0.
func (ld *mmLoader) load(w *mmWriter) {
	w.depth++
	for r := range ld.rounds {
		ld.each(w, r, func(i int, _ string) { ld.loadBlock(w, i, r) }, false)
	}
	w.depth--
}

func (ld *mmLoader) loadBlock(w *mmWriter, i, r int) {
	s, t := &ld.sides[i], ld.m.Tile
	guard := s.k%t.BK != 0
	keep := func(zero, e, k string) string {
		if guard {
			return fmt.Sprintf("select(%s, %s, %s < %du)", zero, e, k, s.k)
		}
		return e
	}
	place := func(j int) string { return fmt.Sprintf("mm_r%d_%d", r, j) }
	set := func(j int, e string) { w.line("mm_p%d_%d = %s;", r, j, e) }
	switch {
	case s.byK():
		each := ld.perOuter()
		first := "mm_k0"
		if ld.blocks[i] > ld.span(s) { // else the block reaches over all of k
			first = fmt.Sprintf("mm_k0 + mm_q%d * 4u", r)
		}
		for f := range each {
			s.kOffsets(w, fmt.Sprintf("%s + %du", first, 4*f), guard, func(c int) string { return fmt.Sprintf("mm_g%d", 4*f+c) })
		}
		for j := range 4 {
			var e [4]string
			for c := range 4 {
				k := 4*(j%each) + c
				e[c] = keep("0.0", s.scalar(place(j/each), fmt.Sprintf("mm_g%d", k)), fmt.Sprintf("%s + %du", first, k))
			}
			set(j, fmt.Sprintf("vec4<f32>(%s, %s, %s, %s)", e[0], e[1], e[2], e[3]))
		}
	case s.vec && s.alongK:
		w.line("let mm_k = mm_k0 + mm_q%d * 4u;", r)
		k := "mm_k"
		if guard {
			k = fmt.Sprintf("min(mm_k, %du)", s.k-4)
		}
		w.line("let mm_g = %s;", s.walk(false).At(k))
		for j := range 4 {
			set(j, keep("vec4<f32>()", s.vec4(place(j), "mm_g"), "mm_k"))
		}
	case s.vec:
		w.line("let mm_k = mm_k0 + mm_q%d * 4u;", r)
		step := func(j int) string { return fmt.Sprintf("mm_g%d", j) }
		s.kOffsets(w, "mm_k", guard, step)
		for j := range 4 {
			set(j, keep("vec4<f32>()", s.vec4(place(0), step(j)), fmt.Sprintf("mm_k + %du", j)))
		}
	default:
		w.line("let mm_k = mm_k0 + mm_q%d;", r)
		k := "mm_k"
		if guard {
			k = fmt.Sprintf("min(mm_k, %du)", s.k-1)
		}
		w.line("let mm_g = %s;", s.walk(false).At(k))
		for j := range 4 {
			e := fmt.Sprintf("vec4<f32>(%s, %s, %s, %s)", s.scalar(place(4*j), "mm_g"), s.scalar(place(4*j+1), "mm_g"), s.scalar(place(4*j+2), "mm_g"), s.scalar(place(4*j+3), "mm_g"))
			set(j, keep("vec4<f32>()", e, "mm_k"))
		}
	}
}

// save writes the registers to the workgroup array at the given stage.
func (ld *mmLoader) save(w *mmWriter, stage string) {
	w.depth++
	for r := range ld.rounds {
		ld.each(w, r, func(i int, _ string) { ld.saveBlock(w, i, r, stage) }, false)
	}
	w.depth--
}

func (ld *mmLoader) saveBlock(w *mmWriter, i, r int, stage string) {
	s := &ld.sides[i]
	at := stage
	if !s.isA {
		at = fmt.Sprintf("%s + %du", stage, ld.sides[0].vecs(ld.m.Tile.BK))
	}
	factor, divisor, mask := ld.m.permute(s)
	switch {
	case s.byK():
		each := ld.perOuter()
		span := ld.span(s)
		for j := range 4 {
			if j%each == 0 {
				w.line("let mm_n%d = mm_o%d + %du;", j/each, r, j/each*span)
				w.line("let mm_at%d = %s + mm_q%d * %du + %s;", j/each, at, r, s.rowVecs(), s.slot(fmt.Sprintf("mm_n%d", j/each)))
			}
			w.line("mm_sh[mm_at%d + %du] = mm_p%d_%d;", j/each, j%each*s.rowVecs(), r, j)
		}
	case s.vec:
		perm := ""
		if factor > 0 {
			perm = fmt.Sprintf(" ^ ((mm_q%d * %du) & %du)", r, factor*4/divisor, mask)
		}
		w.line("let mm_at = %s + mm_q%d * %du + (mm_o%d%s);", at, r, s.tile, r, perm)
		for k := range 4 {
			v := fmt.Sprintf("mm_p%d_%d", r, k)
			if s.alongK {
				c := "xyzw"[k]
				v = fmt.Sprintf("vec4<f32>(mm_p%d_0.%c, mm_p%d_1.%c, mm_p%d_2.%c, mm_p%d_3.%c)", r, c, r, c, r, c, r, c)
			}
			w.line("mm_sh[mm_at + %du] = %s;", k*s.tile/4, v)
		}
	default:
		w.line("let mm_at = %s + mm_q%d * %du;", at, r, s.tile/4)
		for j := range 4 {
			w.line("mm_sh[mm_at + ((mm_o%d + %du) ^ (mm_q%d & %du))] = mm_p%d_%d;", r, j*s.tile/16, r, mask, r, j)
		}
	}
}
