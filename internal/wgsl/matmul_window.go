package wgsl

// The loop nest for convolutions. The shared nest, which knows matrices only,
// copies each pixel into workgroup memory once for every window that it lies in,
// and reads it from there as often. Here a workgroup keeps the part of the images
// that its windows cover, as it is, for some channels at a time. A thread computes
// TN/TW rows of TW adjacent pixels in TM channels; it reads a row of its pixels once
// and shifts it in registers from column to column of the kernel. With 5x5 weights
// and 8x8 sums, 62 reads of 16 bytes feed 1600 multiply-adds, where the shared nest
// needs 100, and global memory is read a twentieth as often.
//
// Images whose sides do not fit are computed as if they were wider and higher; what
// is beyond their edges comes from pixels read twice and is not stored.
//
// The sum over a window is in the order of k, as everywhere.

import "fmt"

// Window says that B's columns are the pixels (image, y, x) of N, its rows the
// taps (channel, ky, kx) of K, and that the place of an element is
//
//	Image*image + Channel*channel + Row*(y+ky) + x + kx
//
// beside the operand's offsets: a convolution that moves by one pixel.
type Window struct {
	Images, OutH, OutW  int
	Channels, KH, KW    int
	Image, Channel, Row int
}

// windowShape is how a tile lies in the images.
type windowShape struct {
	*Window
	wide   int // width of an image in whole threads' pixels
	tall   int // height in whole workgroups' rows
	images int // of a workgroup
	rows   int // of output that a workgroup computes in an image
	high   int // rows of output of a thread
	patchH int // rows that a workgroup keeps of a channel
	patchV int // fours in such a row
	taps   int
}

func (m *Matmul) windowShape() windowShape {
	t, v := m.Tile, m.B.Window
	s := windowShape{Window: v, images: 1, high: t.TN / t.TW, taps: v.KH * v.KW}
	s.wide = (v.OutW + t.TW - 1) / t.TW * t.TW
	s.rows = t.BN / s.wide
	s.tall = (v.OutH + s.rows - 1) / s.rows * s.rows
	if s.rows > v.OutH {
		s.tall = (v.OutH + s.high - 1) / s.high * s.high
		s.images, s.rows = s.rows/s.tall, s.tall
	}
	s.patchH = s.rows + v.KH - 1
	s.patchV = (s.wide + v.KW - 1 + 3) / 4
	return s
}

// exact reports whether the images fit.
func (s *windowShape) exact() bool { return s.wide == s.OutW && s.tall == s.OutH }

// pixels are those of all images, with what lies beyond their edges.
func (s *windowShape) pixels() int { return s.Images * s.wide * s.tall }

// checkWindow says why the tile cannot be used for windows.
func (m *Matmul) checkWindow() error {
	t, v := m.Tile, m.B.Window
	if v == nil {
		return fmt.Errorf("wgsl: matmul tile %v: B is not the windows of an image", t)
	}
	if t.TW <= 0 || t.TW%4 != 0 || t.TN%t.TW != 0 || t.TM%4 != 0 || t.BK <= 0 || v.Channels%t.BK != 0 || t.SplitK > 1 || t.Shared || t.Strip {
		return fmt.Errorf("wgsl: matmul tile %v: windows want threads' tiles in fours and whole chunks of channels", t)
	}
	wide := (v.OutW + t.TW - 1) / t.TW * t.TW
	if t.BN%wide != 0 {
		return fmt.Errorf("wgsl: matmul tile %v: windows want whole rows of pixels", t)
	}
	if s := m.windowShape(); s.rows%s.high != 0 || s.images == 0 || s.images*s.rows*wide != t.BN {
		return fmt.Errorf("wgsl: matmul tile %v: windows want rows of whole images, or of one", t)
	}
	return nil
}

// windowVecs are the sizes of the workgroup arrays in vec4s: weights and pixels.
func (m *Matmul) windowVecs() (weights, pixels int) {
	s := m.windowShape()
	return m.Tile.BK * s.taps * m.Tile.BM / 4, m.Tile.BK * s.images * s.patchH * s.patchV
}

func (m *Matmul) window(w *mmWriter) (decls string) {
	t, s := m.Tile, m.windowShape()
	across := t.BM / t.TM // threads side by side along M
	perRow := s.wide / t.TW
	// Threads of one warp read few different weights and adjacent pixels.
	w.line("let mm_ty = lix %% %du;", across)
	w.line("let mm_px = lix / %du;", across)
	w.line("let mm_x = mm_px %% %du;", perRow)
	w.line("let mm_y = mm_px / %du %% %du;", perRow, s.rows/s.high)
	w.line("let mm_g = mm_px / %du;", perRow*s.rows/s.high)
	for i := range t.TM {
		for j := range t.TN / 4 {
			w.line("var mm_c%d_%d = vec4<f32>();", i, j)
		}
	}
	loadPixels := m.windowPixels(w, s)
	loadWeights := m.windowWeights(w, s)
	w.line("for (var mm_k0 = 0u; mm_k0 < %du; mm_k0 += %du) {", s.Channels, t.BK)
	w.depth++
	if s.Channels > t.BK {
		w.line("workgroupBarrier();")
	}
	loadPixels()
	loadWeights()
	w.line("workgroupBarrier();")
	w.line("for (var mm_k = 0u; mm_k < %du; mm_k++) {", t.BK)
	w.depth++
	w.line("let mm_ap = mm_k * %du + mm_ty;", s.taps*t.BM/4)
	w.line("let mm_bp = ((mm_k * %du + mm_g) * %du + mm_y * %du) * %du + mm_x * %du;", s.images, s.patchH, s.high, s.patchV, t.TW/4)
	m.windowTaps(w, s, across)
	w.depth--
	w.line("}")
	w.depth--
	w.line("}")
	m.windowStores(w, s, across)
	weights, pixels := m.windowVecs()
	return fmt.Sprintf("var<workgroup> mm_wa: array<vec4<f32>, %d>;\nvar<workgroup> mm_wb: array<vec4<f32>, %d>;\n", weights, pixels)
}

// windowStores emits the stores, one by one where images do not fit.
func (m *Matmul) windowStores(w *mmWriter, s windowShape, across int) {
	t := m.Tile
	w.line("let mm_image = mm_i0 + mm_g;")
	w.line("let mm_top = mm_y0 + mm_y * %du;", s.high)
	w.line("let mm_left = mm_x * %du;", t.TW)
	guard := s.Images%s.images != 0
	for i := range t.TM {
		row := fmt.Sprintf("mm_m0 + mm_ty * 4u + %du", i/4*across*4+i%4)
		for j := range s.high {
			for v := range t.TW / 4 {
				acc := fmt.Sprintf("mm_c%d_%d", i, j*t.TW/4+v)
				at := func(x int) string {
					return fmt.Sprintf("(mm_image * %du + mm_top + %du) * %du + mm_left + %du", s.OutH, j, s.OutW, 4*v+x)
				}
				if s.exact() {
					m.store(w, 4, acc, row, at(0), m.M%t.BM != 0, guard)
					continue
				}
				for x := range 4 {
					cond := fmt.Sprintf("mm_left + %du < %du && mm_top + %du < %du", 4*v+x, s.OutW, j, s.OutH)
					if guard {
						cond += fmt.Sprintf(" && mm_image < %du", s.Images)
					}
					w.line("if (%s) {", cond)
					w.depth++
					m.store(w, 1, fmt.Sprintf("%s.%c", acc, "xyzw"[x]), row, at(x), m.M%t.BM != 0, false)
					w.depth--
					w.line("}")
				}
			}
		}
	}
}

// windowTaps adds the products of one channel. A row of pixels is read when the
// kernel's first row reaches it.
func (m *Matmul) windowTaps(w *mmWriter, s windowShape, across int) {
	t := m.Tile
	vecs := t.TW/4 + (s.KW-1+3)/4
	pixel := func(row, x int) string { return fmt.Sprintf("mm_b%d_%d.%c", row, x/4, "xyzw"[x%4]) }
	for ky := range s.KH {
		for row := range s.high {
			if row = ky + row; ky > 0 && row < ky+s.high-1 {
				continue // read for the row of the kernel before
			}
			for v := range vecs {
				w.line("let mm_b%d_%d = mm_wb[mm_bp + %du];", row, v, row*s.patchV+v)
			}
		}
		for kx := range s.KW {
			tap := ky*s.KW + kx
			for f := range t.TM / 4 {
				w.line("let mm_a%d_%d = mm_wa[mm_ap + %du];", tap, f, tap*t.BM/4+f*across)
			}
			for i := range t.TM {
				a := fmt.Sprintf("vec4<f32>(mm_a%d_%d.%c)", tap, i/4, "xyzw"[i%4])
				for j := range t.TN / 4 {
					row, x := ky+j/(t.TW/4), j%(t.TW/4)*4+kx
					b := fmt.Sprintf("mm_b%d_%d", row, x/4)
					if x%4 != 0 {
						b = fmt.Sprintf("vec4<f32>(%s, %s, %s, %s)", pixel(row, x), pixel(row, x+1), pixel(row, x+2), pixel(row, x+3))
					}
					c := fmt.Sprintf("mm_c%d_%d", i, j)
					w.line("%s = %s;", c, m.fma(a, b, c))
				}
			}
		}
	}
}

// windowPixels declares the places of the fours of pixels that a thread moves, and
// returns what emits their moves for the channels from mm_k0 on.
func (m *Matmul) windowPixels(w *mmWriter, s windowShape) func() {
	t, side := m.Tile, m.sides()[1]
	fours, threads := s.images*s.patchH*s.patchV, t.threads()
	rounds := (fours + threads - 1) / threads
	width, height := s.OutW+s.KW-1, s.OutH+s.KH-1
	w.line("let mm_i0 = mm_n0 / %du;", s.wide*s.tall)
	if s.tall > s.rows {
		w.line("let mm_y0 = mm_n0 / %du %% %du;", s.wide, s.tall)
	} else {
		w.line("let mm_y0 = 0u;")
	}
	for r := range rounds {
		w.line("let mm_q%d = lix + %du;", r, r*threads)
		image := fmt.Sprintf("mm_i0 + mm_q%d / %du", r, s.patchH*s.patchV)
		if s.images == 1 {
			image = "mm_i0"
		}
		if s.Images%s.images != 0 || (r+1)*threads > fours {
			image = fmt.Sprintf("min(%s, %du)", image, s.Images-1)
		}
		row := fmt.Sprintf("mm_y0 + mm_q%d / %du %% %du", r, s.patchV, s.patchH)
		if s.tall > s.OutH {
			row = fmt.Sprintf("min(%s, %du)", row, height-1)
		}
		w.line("let mm_qx%d = mm_q%d %% %du * 4u;", r, r, s.patchV)
		w.line("let mm_qp%d = %s + (%s) * %du + (%s) * %du;", r, side.base(), image, s.Image, row, s.Row)
	}
	return func() {
		w.line("{")
		w.depth++
		w.line("let mm_g0 = mm_k0 * %du;", s.Channel)
		for r := range rounds {
			guard := (r+1)*threads > fours
			if guard {
				w.line("if (mm_q%d < %du) {", r, fours)
				w.depth++
			}
			for c := range t.BK {
				var e [4]string
				for x := range 4 {
					at := fmt.Sprintf("mm_qx%d + %du", r, x)
					if 4*s.patchV-4+x >= width { // past the row's end: not used
						at = fmt.Sprintf("min(%s, %du)", at, width-1)
					}
					e[x] = side.scalar(fmt.Sprintf("mm_qp%d + %s", r, at), fmt.Sprintf("mm_g0 + %du", c*s.Channel))
				}
				w.line("mm_wb[mm_q%d + %du] = vec4<f32>(%s, %s, %s, %s);", r, c*fours, e[0], e[1], e[2], e[3])
			}
			if guard {
				w.depth--
				w.line("}")
			}
		}
		w.depth--
		w.line("}")
	}
}

// windowWeights does for the weights what windowPixels does: fours of rows of A at
// one k.
func (m *Matmul) windowWeights(w *mmWriter, s windowShape) func() {
	t, side := m.Tile, m.sides()[0]
	perK := t.BM / 4
	fours, threads := t.BK*s.taps*perK, t.threads()
	rounds := (fours + threads - 1) / threads
	guardM := m.M%t.BM != 0
	even := threads%perK == 0
	if even { // the same rows in each round
		w.line("let mm_wr = mm_m0 + lix %% %du * 4u;", perK)
		side.outerOffsets(w, "let ", "mm_wr", 4, guardM, func(j int) string { return fmt.Sprintf("mm_wr_%d", j) })
	}
	return func() {
		for r := range rounds {
			open := "{"
			if (r+1)*threads > fours {
				open = fmt.Sprintf("if (lix + %du < %du) {", r*threads, fours)
			}
			w.line("%s", open)
			w.depth++
			w.line("let mm_u = lix + %du;", r*threads)
			k := fmt.Sprintf("(mm_k0 * %du + mm_u / %du)", s.taps, perK)
			w.line("let mm_g = %s;", side.walk(false).At(k))
			name := func(j int) string { return fmt.Sprintf("mm_wr_%d", j) }
			if !even {
				w.line("let mm_wr = mm_m0 + mm_u %% %du * 4u;", perK)
				side.outerOffsets(w, "let ", "mm_wr", 4, guardM, name)
			}
			w.line("mm_wa[mm_u] = vec4<f32>(%s, %s, %s, %s);", side.scalar(name(0), "mm_g"), side.scalar(name(1), "mm_g"), side.scalar(name(2), "mm_g"), side.scalar(name(3), "mm_g"))
			w.depth--
			w.line("}")
		}
	}
}
