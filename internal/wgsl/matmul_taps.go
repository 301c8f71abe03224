package wgsl

// The loop nest for the gradient of a convolution's weights, a product of few
// results whose sums run over all pixels. B's rows are pixels and its columns
// taps, so that a thread that computes all taps of a channel in TM rows reads four
// adjacent pixels of A once, and the rows of the image around them once, for
// 4*TM*KH*KW multiply-adds: 24 reads of 16 bytes for 800 with 5x5 taps and TM 2,
// where the shared nest needs 50. Rows of any width will do: what A lacks to whole
// fours is zero.
//
// A workgroup goes through the images BK rows at a time. Workgroup memory has A
// with its rows (of the product) side by side, for the threads that read different
// ones, and B's image as it is. Both are padded to odd distances, since reads and
// writes at a distance of eight vec4s meet in the same banks.

import (
	"fmt"
	"slices"
)

// tapsShape is how a tile lies in the images.
type tapsShape struct {
	*Window
	channels int // of a workgroup
	fours    int // in a row of A's pixels
	rowA     int // distance of A's fours, in vec4s
	patchH   int // rows of B that a chunk needs
	patchV   int // fours in such a row
	channelB int // distance of B's channels, in vec4s
	taps     int
}

func (m *Matmul) tapsShape() tapsShape {
	t, v := m.Tile, m.B.Taps
	s := tapsShape{Window: v, fours: (v.OutW + 3) / 4, rowA: t.BM | 1, patchH: t.BK + v.KH - 1, taps: v.KH * v.KW}
	s.channels = t.BN / s.taps
	s.patchV = s.fours + (v.KW-1+3)/4
	s.channelB = s.patchH*s.patchV | 1
	return s
}

// checkTaps says why the tile cannot be used.
func (m *Matmul) checkTaps() error {
	t, v := m.Tile, m.B.Taps
	if v == nil {
		return fmt.Errorf("wgsl: matmul tile %v: the product is not a gradient of a convolution's weights", t)
	}
	if t.TN != v.KH*v.KW || v.Channels%(t.BN/t.TN) != 0 || t.BK <= 0 || v.OutH%t.BK != 0 || t.SplitK > 1 || t.Shared || t.Strip || t.Window {
		return fmt.Errorf("wgsl: matmul tile %v: all taps of whole channels and whole chunks of rows are wanted", t)
	}
	return nil
}

// tapsVecs are the sizes of the workgroup arrays in vec4s.
func (m *Matmul) tapsVecs() (a, b int) {
	s := m.tapsShape()
	return m.Tile.BK * s.fours * s.rowA, s.channels * s.channelB
}

func (m *Matmul) taps(w *mmWriter) (decls string) {
	t, s := m.Tile, m.tapsShape()
	across := t.BM / t.TM
	w.line("let mm_ty = lix %% %du;", across)
	w.line("let mm_ch = lix / %du;", across)
	for i := range t.TM {
		for tap := range s.taps {
			w.line("var mm_c%d_%d = 0.0;", i, tap)
		}
	}
	moves := []func(){m.tapsA(w, s), m.tapsB(w, s)}
	chunks := s.OutH / t.BK
	w.line("for (var mm_t = 0u; mm_t < %du; mm_t++) {", s.Images*chunks)
	w.depth++
	w.line("let mm_y0 = mm_t %% %du * %du;", chunks, t.BK)
	w.line("let mm_i0 = mm_t / %du;", chunks)
	if s.Images*chunks > 1 {
		w.line("workgroupBarrier();")
	}
	for _, move := range moves {
		move()
	}
	w.line("workgroupBarrier();")
	w.line("for (var mm_x = 0u; mm_x < %du; mm_x++) {", s.fours)
	w.depth++
	m.tapsFours(w, s, across)
	for range 2 {
		w.depth--
		w.line("}")
	}
	for i := range t.TM {
		for tap := range s.taps {
			m.store(w, 1, fmt.Sprintf("mm_c%d_%d", i, tap), fmt.Sprintf("mm_m0 + mm_ty + %du", i*across), fmt.Sprintf("mm_n0 + mm_ch * %du + %du", s.taps, tap), m.M%t.BM != 0, false)
		}
	}
	a, b := m.tapsVecs()
	return fmt.Sprintf("var<workgroup> mm_wa: array<vec4<f32>, %d>;\nvar<workgroup> mm_wb: array<vec4<f32>, %d>;\n", a, b)
}

// tapsFours adds the products of four adjacent pixels in each row of the chunk. A
// row of the image is read once for all rows of taps that reach it.
func (m *Matmul) tapsFours(w *mmWriter, s tapsShape, across int) {
	t := m.Tile
	w.line("let mm_ap = mm_x * %du + mm_ty;", s.rowA)
	w.line("let mm_bp = mm_ch * %du + mm_x;", s.channelB)
	pixel := func(row, x int) string { return fmt.Sprintf("mm_b%d_%d.%c", row, x/4, "xyzw"[x%4]) }
	read := 0
	for y := range t.BK {
		for i := range t.TM {
			w.line("let mm_a%d_%d = mm_wa[mm_ap + %du];", y, i, y*s.fours*s.rowA+i*across)
		}
		for ky := range s.KH {
			for ; read <= y+ky; read++ {
				for v := range 1 + (s.KW-1+3)/4 {
					w.line("let mm_b%d_%d = mm_wb[mm_bp + %du];", read, v, read*s.patchV+v)
				}
			}
			for kx := range s.KW {
				for i := range t.TM {
					c := fmt.Sprintf("mm_c%d_%d", i, ky*s.KW+kx)
					sum := c
					for j := range 4 {
						sum = m.fma(fmt.Sprintf("mm_a%d_%d.%c", y, i, "xyzw"[j]), pixel(y+ky, kx+j), sum)
					}
					w.line("%s = %s;", c, sum)
				}
			}
		}
	}
}

// rounds emits, for each round in which the threads deal with n things, what f
// emits of thing number mm_u.
func (m *Matmul) rounds(w *mmWriter, n int, f func()) {
	threads := m.Tile.threads()
	for first := 0; first < n; first += threads {
		if first+threads > n {
			w.line("if (lix + %du < %du) {", first, n)
		} else {
			w.line("{")
		}
		w.depth++
		w.line("let mm_u = lix + %du;", first)
		f()
		w.depth--
		w.line("}")
	}
}

// tapsA returns what emits the moves of A's pixels.
func (m *Matmul) tapsA(w *mmWriter, s tapsShape) func() {
	t, side := m.Tile, m.sides()[0]
	perRow := t.BK * s.fours
	return func() {
		m.rounds(w, t.BM*perRow, func() {
			// Adjacent threads read adjacent pixels.
			w.line("let mm_v = mm_u %% %du;", perRow)
			w.line("let mm_r = mm_u / %du;", perRow)
			row := "mm_m0 + mm_r"
			if m.M%t.BM != 0 {
				row = fmt.Sprintf("min(%s, %du)", row, m.M-1)
			}
			w.line("let mm_g = %s + %s;", side.base(), side.walk(true).At(row))
			w.line("let mm_px = (mm_i0 * %du + mm_y0 + mm_v / %du) * %du + mm_v %% %du * 4u;", s.OutH, s.fours, s.OutW, s.fours)
			var e [4]string
			for x := range 4 {
				at := fmt.Sprintf("mm_px + %du", x)
				if rest := s.OutW % 4; rest > 0 && x >= rest {
					inside := fmt.Sprintf("mm_v %% %du < %du", s.fours, s.fours-1)
					e[x] = fmt.Sprintf("select(0.0, %s, %s)", side.scalar("mm_g", side.walk(false).At(fmt.Sprintf("select(mm_px, %s, %s)", at, inside))), inside)
					continue
				}
				e[x] = side.scalar("mm_g", side.walk(false).At(at))
			}
			w.line("mm_wa[mm_v * %du + mm_r] = vec4<f32>(%s, %s, %s, %s);", s.rowA, e[0], e[1], e[2], e[3])
		})
	}
}

// tapsB returns what emits the moves of the image.
func (m *Matmul) tapsB(w *mmWriter, s tapsShape) func() {
	side := m.sides()[1]
	perChannel := s.patchH * s.patchV
	width := s.OutW + s.KW - 1
	w.line("let mm_gb = %s + mm_n0 / %du * %du;", side.base(), s.taps, s.Channel)
	return func() {
		m.rounds(w, s.channels*perChannel, func() {
			w.line("let mm_c = mm_u / %du;", perChannel)
			w.line("let mm_v = mm_u %% %du;", perChannel)
			w.line("let mm_g = mm_gb + mm_i0 * %du + mm_c * %du + (mm_y0 + mm_v / %du) * %du;", s.Image, s.Channel, s.patchV, s.Row)
			w.line("let mm_x = mm_v %% %du * 4u;", s.patchV)
			var e [4]string
			for x := range 4 {
				at := fmt.Sprintf("mm_x + %du", x)
				if 4*s.patchV-4+x >= width { // past the row's end, where A is zero
					at = fmt.Sprintf("min(%s, %du)", at, width-1)
				}
				e[x] = side.scalar("mm_g", at)
			}
			w.line("mm_wb[mm_c * %du + mm_v] = vec4<f32>(%s, %s, %s, %s);", s.channelB, e[0], e[1], e[2], e[3])
		})
	}
}

// tapsOf describes the product as the gradient of a convolution's weights; nil if
// it is none. A's pixels must be adjacent in a row.
func (m *Matmul) tapsOf(v *Window) *Window {
	if v == nil || v.OutW < 4 {
		return nil
	}
	s := m.sides()[0]
	if d := s.walk(false).Deltas(v.OutW); d == nil || !slices.Equal(d, counting(v.OutW)) {
		return nil
	}
	return v
}

func counting(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
