package wgsl

// The loop nest for software adapters. SwiftShader, which browsers without a GPU
// fall back to, runs four threads in the lanes of SSE registers, and its costs are
// unlike a GPU's. Measured there, in nanoseconds of one core for all four lanes:
//
//	multiply and add             0.7
//	load or store                12, wherever the lanes' places lie: each lane is
//	                             bounds-checked and moved by itself
//	variable carried by a loop   2.8 for each turn, a load and a store on the stack
//	value that finds no register a load or a store on the stack for each use
//	broadcast in a subgroup      3.5
//
// So a thread computes a strip of TN adjacent columns in TM rows, in chunks of
// Unroll steps of k that are written out. All loads of a chunk come first, then
// each sum's terms one after another, so that the sum is in a register while they
// are added. And nothing is loaded twice: neighbouring windows of a convolution
// overlap, and where both operands' places differ from those of the chunk's first
// step and column by numbers known here, equal sums of such numbers are one load.
// A strip of 20 pixels times a row of 5 weights has 100 products of 24 pixels.
//
// Where subgroups are the four lanes of a register, and a workgroup has one strip
// of columns, its threads share what they read of B: each lane loads one place of
// four, and broadcasts take the place of three loads.
//
// Finished sums go through an array, so that the epilogue, which may be longer
// than the product, is compiled once for all rows.

import (
	"fmt"
	"slices"
)

// strip emits the loop nest. M, N and K are multiples of TM, TN and Unroll.
func (m *Matmul) strip(w *mmWriter) {
	t := m.Tile
	rows := t.BM / t.TM
	a, b := m.stripSides()
	w.line("let mm_row = mm_m0 + lix %% %du * %du;", rows, t.TM)
	w.line("let mm_col = mm_n0 + lix / %du * %du;", rows, t.TN)
	if m.M%t.BM != 0 || m.N%t.BN != 0 {
		w.line("if (mm_row >= %du || mm_col >= %du) { return; }", m.M, m.N)
	}
	w.line("let mm_a = %s + %s;", a.side.base(), a.side.walk(true).At("mm_row"))
	w.line("let mm_b0 = %s + %s;", b.side.base(), b.side.walk(true).At("mm_col"))
	if t.Quad {
		b.declareFours(w)
	}
	for i := range t.TM {
		for j := range t.TN {
			w.line("var mm_c%d_%d = 0.0;", i, j)
		}
	}
	acc := m.blocks(w, m.K/t.Unroll, t.TM, t.TN, "0.0", func(first, end string) {
		w.line("for (var mm_k = %s; mm_k < %s; mm_k += %du) {", first, end, t.Unroll)
	}, t.Unroll)
	w.line("let mm_ka = mm_a + %s;", a.side.walk(false).At("mm_k"))
	w.line("let mm_kb = mm_b0 + %s;", b.side.walk(false).At("mm_k"))
	for _, s := range []*stripSide{a, b} {
		if s == b && t.Quad {
			s.loadShared(w)
			continue
		}
		for _, d := range s.places {
			w.line("let mm_%s%d = %s;", s.side.name, d, s.side.scalar("mm_k"+s.side.name, fmt.Sprintf("%du", d)))
		}
	}
	for i := range t.TM {
		for j := range t.TN {
			c := fmt.Sprintf("%s%d_%d", acc, i, j)
			for u := range t.Unroll {
				w.line("%s = %s;", c, m.fma(fmt.Sprintf("mm_a%d", a.outer[i]+a.k[u]), fmt.Sprintf("mm_b%d", b.outer[j]+b.k[u]), c))
			}
		}
	}
	m.endBlocks(w, acc, t.TM, t.TN, 1)
	m.stripStores(w)
}

// stripStores emits the epilogue, a row of a strip at a time.
func (m *Matmul) stripStores(w *mmWriter) {
	t := m.Tile
	sum := func(j int) string { return fmt.Sprintf("mm_c0_%d", j) }
	if t.TM > 1 {
		w.line("var mm_s: array<f32, %d>;", t.TM*t.TN)
		for i := range t.TM {
			for j := range t.TN {
				w.line("mm_s[%d] = mm_c%d_%d;", i*t.TN+j, i, j)
			}
		}
		w.line("for (var mm_i = 0u; mm_i < %du; mm_i++) {", t.TM)
		w.depth++
		w.line("let mm_m = mm_row + mm_i;")
		for j := range t.TN {
			w.line("let mm_v%d = mm_s[mm_i * %du + %du];", j, t.TN, j)
		}
		sum = func(j int) string { return fmt.Sprintf("mm_v%d", j) }
	} else {
		w.line("{")
		w.depth++
		w.line("let mm_m = mm_row;")
	}
	if m.StoreStrip != nil {
		w.text(m.StoreStrip(t.TN, sum, "mm_b", "mm_m", "mm_col"))
	} else {
		for j := range t.TN {
			w.line("{")
			w.depth++
			w.line("let mm_v = %s;", sum(j))
			w.line("let mm_n = mm_col + %du;", j)
			w.text(m.Store(1, "mm_v", "mm_b", "mm_m", "mm_n"))
			w.depth--
			w.line("}")
		}
	}
	w.depth--
	w.line("}")
}

// stripSide is an operand with what is known of its places: how far those of a
// thread's rows or columns lie from the first, and those of a chunk's steps.
type stripSide struct {
	side     mmSide
	outer, k []int
	places   []int // their different sums, ascending
}

// stripSides describes the operands for the tile; nil where places are not known.
func (m *Matmul) stripSides() (a, b *stripSide) {
	sides := m.sides()
	side := func(s mmSide, n int) *stripSide {
		outer, k := s.walk(true).Deltas(n), s.walk(false).Deltas(m.Tile.Unroll)
		if outer == nil || k == nil {
			return nil
		}
		places := sums(outer, k)
		if places[0] < 0 { // names and u32s count from the first
			return nil
		}
		return &stripSide{side: s, outer: outer, k: k, places: places}
	}
	return side(sides[0], m.Tile.TM), side(sides[1], m.Tile.TN)
}

// lanes is the expression of a lane's place of the four from places[i] on, those
// past the last being the last. mm_lane is the lane's number. even is false where
// the four are not equally far apart: then declareFours has given it a name.
func (s *stripSide) lanes(i int) (place string, even bool) {
	at := func(j int) int { return s.places[min(i+j, len(s.places)-1)] }
	step := at(1) - at(0)
	switch {
	case at(3) == at(0):
		return fmt.Sprintf("%du", at(0)), true
	case at(2)-at(1) != step || at(3)-at(2) != step:
		return fmt.Sprintf("mm_at%d", i), false
	}
	return fmt.Sprintf("%du + %s", at(0), times("mm_lane", step)), true
}

// declareFours declares the places of fours that are not equally far apart.
func (s *stripSide) declareFours(w *mmWriter) {
	for i := 0; i < len(s.places); i += 4 {
		if name, even := s.lanes(i); !even {
			at := func(j int) int { return s.places[min(i+j, len(s.places)-1)] }
			w.line("let %s = select(select(%du, %du, mm_lane == 1u), select(%du, %du, mm_lane == 3u), mm_lane >= 2u);", name, at(0), at(1), at(2), at(3))
		}
	}
}

// loadShared loads the places for the four threads of a subgroup together.
func (s *stripSide) loadShared(w *mmWriter) {
	for i := 0; i < len(s.places); i += 4 {
		place, _ := s.lanes(i)
		w.line("let mm_q%d = %s;", i, s.side.scalar("mm_k"+s.side.name, "("+place+")"))
		for j, d := range s.places[i:min(i+4, len(s.places))] {
			w.line("let mm_%s%d = subgroupBroadcast(mm_q%d, %du);", s.side.name, d, i, j)
		}
	}
}

// sums are the different sums of an x and a y, ascending.
func sums(xs, ys []int) (out []int) {
	for _, x := range xs {
		for _, y := range ys {
			out = append(out, x+y)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Costs of a strip in nanoseconds on SwiftShader (above), and its limits.
const (
	stripMultiply = 0.7
	stripMove     = 12.0
	stripCarry    = 2.8
	stripShare    = 3.5
	stripPlaces   = 100.0 // a chunk's first places, with their divisions
	stripMost     = 650   // products of a chunk: what takes some 0.4 s to compile; half as many again with quads
	stripSums     = 160   // sums of a thread: with more, Mesa's compiler takes seconds
	stripThreads  = 8     // two cores' lanes
)

// stripTiles are the strips that should be fastest for a product, the best first.
func stripTiles(m *Matmul, lim TileLimits) []Tile {
	sides := m.sides()
	type option struct {
		n      int
		deltas []int
	}
	options := func(s *mmSide, outer bool, extent, most int) (out []option) {
		for n := 1; n <= min(extent, most); n++ {
			if extent%n == 0 {
				if d := s.walk(outer).Deltas(n); d != nil && slices.Min(d) >= 0 {
					out = append(out, option{n, d})
				}
			}
		}
		return out
	}
	rows, cols := options(&sides[0], true, m.M, 16), options(&sides[1], true, m.N, 40)
	work := float64(m.M*m.N*max(m.Batch, 1)) * float64(m.K) / 4 // in fours of products
	most, sumsMost := stripMost, stripSums
	switch { // what runs shortly shall not compile for long
	case work < 3e4:
		most = 64
	case work < 3e5:
		most = 200
	case work < 4e6:
		most, sumsMost = 512, 128
	}
	type candidate struct {
		tile Tile
		cost float64
	}
	var found []candidate
	for _, ka := range options(&sides[0], false, m.K, 16) {
		kb := sides[1].walk(false).Deltas(ka.n)
		if kb == nil || slices.Min(kb) < 0 {
			continue
		}
		loadsB := make([]int, len(cols))
		for j, c := range cols {
			loadsB[j] = len(sums(c.deltas, kb))
		}
		for _, r := range rows {
			loadsA := len(sums(r.deltas, ka.deltas))
			for j, c := range cols {
				products := r.n * c.n * ka.n
				tile, most, move := m.stripTile(r.n, c.n, ka.n), most, stripMove*float64(loadsA+loadsB[j])
				if tile.BM/tile.TM%4 == 0 && tile.BN == tile.TN && lim.Quads {
					tile.Quad = true
					move = stripMove*float64(loadsA+(loadsB[j]+3)/4) + stripShare*float64(loadsB[j])
					most += most / 2
				}
				if products > most || r.n*c.n > sumsMost {
					continue
				}
				cost := stripMultiply + (move+stripCarry*float64(r.n*c.n)+stripPlaces)/float64(products)
				if threads := m.M / r.n * (m.N / c.n) * max(m.Batch, 1); threads < stripThreads {
					cost *= stripThreads / float64(threads)
				}
				found = append(found, candidate{tile, cost})
			}
		}
	}
	slices.SortStableFunc(found, func(x, y candidate) int {
		switch {
		case x.cost < y.cost:
			return -1
		case x.cost > y.cost:
			return 1
		}
		return 0
	})
	var out []Tile
	for _, c := range found[:min(len(found), 8)] {
		out = append(out, c.tile)
	}
	return out
}

// stripTile is a workgroup of eight strips, of adjacent rows where there are as
// many: their threads read the same columns.
func (m *Matmul) stripTile(tm, tn, unroll int) Tile {
	rows := 8
	for m.M/tm%rows != 0 {
		rows /= 2
	}
	cols := min(stripThreads/rows, m.N/tn)
	return Tile{BM: tm * rows, BN: tn * cols, TM: tm, TN: tn, Unroll: unroll, Strip: true}
}
