// What all digits of a writer have in common: slant, rotation, proportions, a
// smooth bend of the paper plane, and the pen's width.

package synthetic

type hand struct {
	pen
	canvas canvas
}

// write draws one image into out, of side*side bytes.
func (h *hand) write(digit int, seed, index uint64, out []uint8) {
	h.reset()
	h.seed(seed, index)
	h.shake = h.in(0.004, 0.024)
	glyphs[digit](&h.pen)
	h.bend()
	h.lean(digit)
	h.canvas.draw(&h.pen, weights[digit], out)
}

// bend moves points by a sum of slow waves: a warp like that of Simard,
// Steinkraus and Platt (2003), but of the strokes instead of the pixels.
func (h *hand) bend() {
	// Most hands are steady, some are not.
	much := h.in(0.3, 1)
	for wave := range 4 {
		pace, size := 0.8, mul(much, 0.08)
		if wave >= 2 {
			pace, size = 1.6, mul(much, 0.045)
		}
		fx, fy := h.in(-pace, pace), h.in(-pace, pace)
		ax, ay := h.normal(size), h.normal(size)
		px, py := h.float(), h.float()
		for i, p := range h.points {
			phase := mul(fx, p.x) + mul(fy, p.y)
			h.points[i] = point{p.x + mul(ax, sin(phase+px)), p.y + mul(ay, sin(phase+py))}
		}
	}
}

// slants are the usual slants of the digits, as height runs into width.
var slants = [10]float64{0.26, 0.27, 0.18, 0.1, 0.25, 0.12, 0.08, 0.06, 0.16, 0.13}

// weights are the usual widths of the pen: a digit with loops is written with
// a finer one, or its loops would close.
var weights = [10]float64{1.06, 1.1, 1, 0.97, 0.93, 0.9, 0.93, 1, 0.86, 0.9}

// lean slants, rotates and stretches about the middle of the box.
func (h *hand) lean(digit int) {
	slant := slants[digit] + h.normal(0.26)
	turn := h.normal(0.02)
	s, c := sin(turn), cos(turn)
	width := 0.95 + h.normal(0.17)
	for i, p := range h.points {
		x, y := p.x-0.5, p.y-0.5
		x = mul(width, x) - mul(slant, y)
		h.points[i] = point{mul(c, x) - mul(s, y), mul(s, x) + mul(c, y)}
	}
}
