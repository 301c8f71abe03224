package wgsl

// The shared loop nest. In workgroup memory both operands are stored with k as
// the slow index, so that a thread reads its rows of A and its columns of B as
// vec4s: with TM = TN = 8, four 16-byte reads feed 64 multiply-adds. A thread's
// tile is made of 4x4 fragments that lie BM/(TM/4) rows and BN/(TN/4) columns
// apart: adjacent threads then read adjacent vec4s, without bank conflicts.
//
// Global memory is read in blocks of 4x4 elements, one or two to a thread, into
// registers, while the block before is multiplied (the loads are in flight during
// the arithmetic). An operand that is contiguous along k is transposed in those
// registers, which costs nothing, so that workgroup memory is written in vec4s
// whichever way the operand lies. Such an operand's columns are permuted, too:
// adjacent threads read adjacent fours of k, whose places in workgroup memory
// would all fall into the same banks.

import "fmt"

// sharedVecs is the size of the workgroup array in vec4s: the blocks in flight,
// and at the end the partial sums of one group when k is split.
func sharedVecs(t Tile) int {
	n := (t.BM + t.BN) / 4 * t.BK * t.stages()
	if t.SplitK > 1 {
		n = max(n, t.BM*t.BN/4)
	}
	return n
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
	stage := (t.BM + t.BN) / 4 * t.BK
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
	return fmt.Sprintf("var<workgroup> mm_sh: array<vec4<f32>, %d>;\n", sharedVecs(t))
}

// permute is by how much a step of four along k permutes the columns of an
// operand, and the mask of the columns that are permuted; 0 is not at all.
func (m *Matmul) permute(s *mmSide) (factor, mask int) {
	if !s.alongK {
		return 0, 0
	}
	mask = 7
	for s.tile/4%(mask+1) != 0 {
		mask /= 2
	}
	// The run of threads along k covers this many fours; the rest of the eight that
	// write at once lie along the columns.
	run := 8
	for m.Tile.BK/4%run != 0 {
		run /= 2
	}
	return 8 / run, mask
}

// multiply adds the products of one block to the registers.
func (m *Matmul) multiply(w *mmWriter) {
	t := m.Tile
	depth := t.BK / max(t.SplitK, 1)
	unroll := t.Unroll
	if unroll <= 0 || depth%unroll != 0 {
		unroll = depth
	}
	w.line("var mm_k = 0u;")
	if t.SplitK > 1 {
		w.line("mm_k = mm_ks * %du;", depth)
	}
	if unroll < depth {
		w.line("for (var mm_kk = 0u; mm_kk < %du; mm_kk += %du) {", depth, unroll)
		w.depth++
	}
	sides := m.sides()
	at := [2]string{"mm_cur", fmt.Sprintf("mm_cur + %du", t.BM/4*t.BK)}
	thread, fragments, apart := [2]string{"mm_ty", "mm_tx"}, [2]int{t.TM / 4, t.TN / 4}, [2]int{t.BM / t.TM, t.BN / t.TN}
	moving := t.SplitK > 1 || unroll < depth
	for u := range unroll {
		w.line("{")
		w.depth++
		for i := range sides {
			s := &sides[i]
			factor, mask := m.permute(s)
			k := fmt.Sprintf("%du", u)
			if moving {
				k = fmt.Sprintf("(mm_k + %du)", u)
			}
			perm := ""
			if factor > 0 && moving {
				perm = fmt.Sprintf(" ^ ((%s / 4u * %du) & %du)", k, factor, mask)
			} else if c := u / 4 * factor & mask; c > 0 {
				perm = fmt.Sprintf(" ^ %du", c)
			}
			w.line("let mm_%sp = %s + %s * %du;", s.name, at[i], k, s.tile/4)
			for f := range fragments[i] {
				col := thread[i]
				switch {
				case perm == "" || apart[i]*f%(mask+1) == 0:
					w.line("let mm_%s%d = mm_sh[mm_%sp + (%s%s) + %du];", s.name, f, s.name, col, perm, f*apart[i])
				default:
					w.line("let mm_%s%d = mm_sh[mm_%sp + ((%s + %du)%s)];", s.name, f, s.name, col, f*apart[i], perm)
				}
			}
		}
		for i := range t.TM {
			for j := range t.TN / 4 {
				c := fmt.Sprintf("mm_c%d_%d", i, j)
				a := fmt.Sprintf("vec4<f32>(mm_a%d.%c)", i/4, "xyzw"[i%4])
				w.line("%s = %s;", c, m.fma(a, fmt.Sprintf("mm_b%d", j), c))
			}
		}
		w.depth--
		w.line("}")
	}
	if unroll < depth {
		w.line("mm_k += %du;", unroll)
		w.depth--
		w.line("}")
	}
}

// mmLoader moves blocks of both operands from global memory through registers to
// workgroup memory. The 4x4 blocks of A and then those of B are dealt out to the
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
		w.line("var mm_o%d = 0u;", r) // outer index of the block, in fours
		w.line("var mm_q%d = 0u;", r) // its k, in fours
		for j := range 4 {
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

// coordinates finds block q of operand i, adjacent threads taking blocks that
// lie side by side in memory, and the places of its outer indices.
func (ld *mmLoader) coordinates(w *mmWriter, i, r int, q string) {
	s := &ld.sides[i]
	outer4, k4 := s.tile/4, ld.m.Tile.BK/4
	if s.alongK {
		w.line("mm_q%d = %s %% %du;", r, q, k4)
		w.line("mm_o%d = %s / %du;", r, q, k4)
	} else {
		w.line("mm_o%d = %s %% %du;", r, q, outer4)
		w.line("mm_q%d = %s / %du;", r, q, outer4)
	}
	base := "mm_m0"
	if !s.isA {
		base = "mm_n0"
	}
	guard, n := s.outer%s.tile != 0, 4
	w.line("let mm_o = %s + mm_o%d * 4u;", base, r)
	first := "mm_o"
	if s.vec && !s.alongK {
		n = 1
		if guard {
			first, guard = fmt.Sprintf("min(mm_o, %du)", s.outer-4), false
		}
	}
	s.outerOffsets(w, "", first, n, guard, func(j int) string { return fmt.Sprintf("mm_r%d_%d", r, j) })
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
	guardK := s.k%t.BK != 0
	w.line("let mm_k = mm_k0 + mm_q%d * 4u;", r)
	keep := func(zero, e string, j int) string {
		if guardK {
			return fmt.Sprintf("select(%s, %s, mm_k + %du < %du)", zero, e, j, s.k)
		}
		return e
	}
	row := func(j int) string { return fmt.Sprintf("mm_r%d_%d", r, j) }
	if s.vec && s.alongK {
		k := "mm_k"
		if guardK {
			k = fmt.Sprintf("min(mm_k, %du)", s.k-4)
		}
		w.line("let mm_g = %s;", s.walk(false).At(k))
		for j := range 4 {
			w.line("mm_p%d_%d = %s;", r, j, keep("vec4<f32>()", s.vec4(row(j), "mm_g"), 0))
		}
		return
	}
	step := func(j int) string { return fmt.Sprintf("mm_g%d", j) }
	s.kOffsets(w, "mm_k", guardK, step)
	for j := range 4 {
		if s.vec {
			w.line("mm_p%d_%d = %s;", r, j, keep("vec4<f32>()", s.vec4(row(0), step(j)), j))
			continue
		}
		var e [4]string
		for c := range 4 {
			if s.alongK { // register j is a row of the block, as with vec4 loads
				e[c] = keep("0.0", s.scalar(row(j), step(c)), c)
			} else {
				e[c] = keep("0.0", s.scalar(row(c), step(j)), j)
			}
		}
		w.line("mm_p%d_%d = vec4<f32>(%s, %s, %s, %s);", r, j, e[0], e[1], e[2], e[3])
	}
}

// save writes the registers to the workgroup array at the given stage.
func (ld *mmLoader) save(w *mmWriter, stage string) {
	t := ld.m.Tile
	w.depth++
	for r := range ld.rounds {
		ld.each(w, r, func(i int, _ string) {
			s := &ld.sides[i]
			at := 0
			if !s.isA {
				at = t.BM / 4 * t.BK
			}
			perm := ""
			if factor, mask := ld.m.permute(s); factor > 0 {
				perm = fmt.Sprintf(" ^ ((mm_q%d * %du) & %du)", r, factor, mask)
			}
			w.line("let mm_at = %s + %du + mm_q%d * %du + (mm_o%d%s);", stage, at, r, s.tile, r, perm)
			for k := range 4 {
				v := fmt.Sprintf("mm_p%d_%d", r, k)
				if s.alongK {
					c := "xyzw"[k]
					v = fmt.Sprintf("vec4<f32>(mm_p%d_0.%c, mm_p%d_1.%c, mm_p%d_2.%c, mm_p%d_3.%c)", r, c, r, c, r, c, r, c)
				}
				w.line("mm_sh[mm_at + %du] = %s;", k*s.tile/4, v)
			}
		}, false)
	}
	w.depth--
}
