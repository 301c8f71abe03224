// From strokes to pixels. A pixel's ink is the part of it that the pen covers,
// taken from its distance to the nearest stroke: the same as drawing large and
// averaging down, but exact and many times faster.

package synthetic

import "math"

// box is the side of the square that MNIST's digits were fitted into.
const box = 20

// canvas is the box and two pixels around it.
const rim = 2
const canvasSide = box + 2*rim

type canvas struct {
	ink [canvasSide * canvasSide]float64 // Signed distance into the ink, in pixels.
}

// draw fits the strokes into the box, inks them and centres the result in out.
func (c *canvas) draw(p *pen, weight float64, out []uint8) {
	low, high := p.points[0], p.points[0]
	for _, q := range p.points {
		low.x, low.y = min(low.x, q.x), min(low.y, q.y)
		high.x, high.y = max(high.x, q.x), max(high.y, q.y)
	}
	radius := p.in(0.65, 1.85)
	if p.chance(0.12) {
		radius += p.in(0, 0.9)
	}
	radius = mul(radius, weight)
	soft := p.in(0.75, 1.3) // Width of the edge's grey, in pixels.
	extent := max(high.x-low.x, high.y-low.y, 0.05)
	scale := float64((box - 2*radius - soft) / extent)
	offX := float64(canvasSide)/2 - mul(scale, mul(0.5, low.x+high.x))
	offY := float64(canvasSide)/2 - mul(scale, mul(0.5, low.y+high.y))
	for i := range c.ink {
		c.ink[i] = -10
	}
	// The pressure of the pen changes slowly along the way.
	swell, phase, pace := p.in(0, 0.18), p.float(), p.in(0.01, 0.05)
	for s, start := range p.starts {
		end := len(p.points)
		if s+1 < len(p.starts) {
			end = p.starts[s+1]
		}
		for i := start; i+1 < end || i == start; i++ {
			a, b := p.points[i], p.points[min(i+1, end-1)]
			r := mul(radius, 1+mul(swell, sin(phase+mul(pace, float64(i)))))
			c.segment(
				point{mul(scale, a.x) + offX, mul(scale, a.y) + offY},
				point{mul(scale, b.x) + offX, mul(scale, b.y) + offY}, r)
		}
	}
	c.center(out, soft)
}

// segment inks all pixels near the line from a to b.
func (c *canvas) segment(a, b point, r float64) {
	dx, dy := b.x-a.x, b.y-a.y
	length := mul(dx, dx) + mul(dy, dy)
	reach := r + 1
	x0, x1 := max(0, int(min(a.x, b.x)-reach)), min(canvasSide-1, int(max(a.x, b.x)+reach))
	y0, y1 := max(0, int(min(a.y, b.y)-reach)), min(canvasSide-1, int(max(a.y, b.y)+reach))
	for y := y0; y <= y1; y++ {
		py := float64(y) + 0.5 - a.y
		for x := x0; x <= x1; x++ {
			px := float64(x) + 0.5 - a.x
			t := 0.0
			if length > 0 {
				t = min(max(float64((mul(px, dx)+mul(py, dy))/length), 0), 1)
			}
			ex, ey := px-mul(t, dx), py-mul(t, dy)
			depth := r - math.Sqrt(mul(ex, ex)+mul(ey, ey))
			if at := y*canvasSide + x; depth > c.ink[at] {
				c.ink[at] = depth
			}
		}
	}
}

// center turns depth into ink and moves it, by whole pixels as MNIST's makers
// did, so that its centre of mass is the centre of the picture.
func (c *canvas) center(out []uint8, soft float64) {
	var sum, sumX, sumY float64
	for i, depth := range c.ink {
		v := min(max(0.5+float64(depth/soft), 0), 1)
		c.ink[i] = v
		sum += v
		sumX += mul(v, float64(i%canvasSide))
		sumY += mul(v, float64(i/canvasSide))
	}
	if sum == 0 {
		return
	}
	// In MNIST the centre of mass is on average at pixel 14, not between 13 and 14.
	left := int(math.Floor(14.5 - float64(sumX/sum)))
	up := int(math.Floor(14.5 - float64(sumY/sum)))
	for y := range canvasSide {
		for x := range canvasSide {
			ox, oy := x+left, y+up
			if ox >= 0 && ox < side && oy >= 0 && oy < side {
				out[oy*side+ox] = uint8(mul(255, c.ink[y*canvasSide+x]) + 0.5)
			}
		}
	}
}
