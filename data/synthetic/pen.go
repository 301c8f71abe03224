// A pen draws strokes: curves through points, lines and arcs, flattened into
// short straight pieces at once, since everything after (warp, slant, fitting)
// moves points. Coordinates are those of a unit box, x to the right, y down.

package synthetic

type point struct{ x, y float64 }

type pen struct {
	random
	points []point
	starts []int   // Where each stroke begins in points.
	shake  float64 // Standard deviation of the hand's error at each point.
	knots  []point // Scratch for curves.
}

func (p *pen) reset() { p.points, p.starts = p.points[:0], p.starts[:0] }

// move begins a stroke.
func (p *pen) move(x, y float64) {
	p.starts = append(p.starts, len(p.points))
	p.points = append(p.points, p.near(x, y))
}

// near is a point as the hand hits it.
func (p *pen) near(x, y float64) point {
	return point{x + p.normal(p.shake), y + p.normal(p.shake)}
}

// here is the end of the stroke so far.
func (p *pen) here() point { return p.points[len(p.points)-1] }

// line goes on straight to a point.
func (p *pen) line(x, y float64) { p.straight(p.near(x, y)) }

func (p *pen) straight(to point) {
	const pieces = 5
	from := p.here()
	for i := 1; i <= pieces; i++ {
		t := float64(i) / pieces
		p.points = append(p.points, point{from.x + mul(t, to.x-from.x), from.y + mul(t, to.y-from.y)})
	}
}

// curve goes on smoothly through points, given as x, y, x, y...: a uniform
// Catmull-Rom spline (Catmull and Rom, 1974), whose tangent at each point is
// parallel to the chord of its neighbours.
func (p *pen) curve(xy ...float64) {
	p.knots = append(p.knots[:0], p.here())
	for i := 0; i+1 < len(xy); i += 2 {
		p.knots = append(p.knots, p.near(xy[i], xy[i+1]))
	}
	const pieces = 6
	k := p.knots
	for i := 0; i+1 < len(k); i++ {
		a, b := k[i], k[i+1]
		before, after := k[max(i-1, 0)], k[min(i+2, len(k)-1)]
		for j := 1; j <= pieces; j++ {
			t := float64(j) / pieces
			p.points = append(p.points, point{
				spline(before.x, a.x, b.x, after.x, t),
				spline(before.y, a.y, b.y, after.y, t),
			})
		}
	}
}

func spline(p0, p1, p2, p3, t float64) float64 {
	c1 := mul(0.5, p2-p0)
	c2 := p0 - mul(2.5, p1) + mul(2, p2) - mul(0.5, p3)
	c3 := mul(0.5, p3-p0) + mul(1.5, p1-p2)
	return p1 + mul(t, c1+mul(t, c2+mul(t, c3)))
}

// arc begins or continues a stroke along an ellipse, from one angle to another
// in turns (0 is right, 0.25 is down), while its radii grow to grow times.
func (p *pen) arc(cx, cy, rx, ry, from, to, grow float64, begin bool) {
	oval, tilt := p.normal(mul(2, p.shake)), p.float() // No hand draws an ellipse.
	pieces := 8 + int(mul(24, max(to-from, from-to)))
	for i := range pieces + 1 {
		t := float64(i) / float64(pieces)
		a := from + mul(t, to-from)
		g := 1 + mul(t, grow-1) + mul(oval, sin(2*a+tilt))
		at := point{cx + mul(g, mul(rx, cos(a))), cy + mul(g, mul(ry, sin(a)))}
		if i == 0 && begin {
			p.starts = append(p.starts, len(p.points))
		}
		p.points = append(p.points, at)
	}
}
