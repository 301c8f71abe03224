// How the ten digits are written. Each has the styles that are common in
// American and European hands, and within a style the proportions that differ
// between writers are drawn at random: that, more than shaking the points of a
// fixed letter, is what lets a network trained on them read real writing.

package synthetic

// glyphs draw a digit in the unit box, about 0.7 wide and 1 high.
var glyphs = [10]func(*pen){zero, one, two, three, four, five, six, seven, eight, nine}

func zero(p *pen) {
	rx, ry := p.in(0.26, 0.54), 0.5
	start := -0.25 + p.normal(0.06)
	if p.chance(0.25) {
		start += p.in(0, 0.2)
	}
	turn := -(1 + p.in(-0.03, 0.2))
	if p.chance(0.15) {
		turn = -turn
	}
	p.arc(0.5, 0.5, rx, ry, start, start+turn, p.in(0.84, 1.12), true)
	if p.chance(0.15) { // The pen leaves inwards or outwards.
		end := p.here()
		p.curve(end.x+p.in(-0.3, 0.1), end.y+p.in(-0.02, 0.14))
	}
}

func one(p *pen) {
	bend := p.normal(0.03)
	foot := 0.5 + p.normal(0.02)
	flag := p.chance(0.22)
	if flag {
		p.move(0.5-p.in(0.1, 0.35), p.in(0.1, 0.32))
		p.line(0.5, 0)
	} else {
		p.move(0.5, 0)
	}
	p.curve(0.5+bend, 0.5, foot, 1)
	if p.chance(0.02) || flag && p.chance(0.5) {
		p.move(foot-p.in(0.12, 0.35), 1)
		p.line(foot+p.in(0.12, 0.35), 1+p.normal(0.02))
	}
}

func two(p *pen) {
	right := p.in(0.6, 0.92)
	belly := p.in(0.16, 0.32)
	left := p.in(0, 0.25)
	tail := p.in(0.75, 1.2)
	headX, headY := p.in(0, 0.25), p.in(0.05, 0.34)
	crown := p.in(0.3, 0.55)
	neckX, neckY := p.in(0.45, 0.68), p.in(0.5, 0.66)
	p.move(headX, headY)
	switch style := p.float(); {
	case style < 0.5: // A loop at the lower left.
		loop, wide := p.in(0.1, 0.42), p.in(0.12, 0.48)
		low := p.in(0.94, 1.02)
		left -= 0.08
		p.curve(crown, 0, right, belly, neckX+0.05, neckY-0.03, left+mul(0.7, wide), low, left, low-mul(0.45, loop),
			left+mul(0.55, wide), low-loop, left+wide+p.in(0.08, 0.2), low-mul(loop, p.in(0, 0.6)), tail, p.in(0.8, 1.08))
	case style < 0.82: // A corner.
		p.curve(crown, 0, right, belly, neckX, neckY, left, p.in(0.88, 1))
		p.curve(left+mul(0.5, tail), p.in(0.84, 1), tail, p.in(0.86, 1.02))
	case style < 0.92: // Straight lines, like a Z.
		p.line(right, p.in(0, 0.12))
		p.line(left, p.in(0.9, 1))
		p.line(tail, p.in(0.9, 1.02))
	default: // Round throughout.
		p.curve(crown, 0.02, right, belly, neckX, 0.62, left+0.05, 0.88, left+0.3, 0.98, tail, p.in(0.85, 1))
	}
}

func three(p *pen) {
	waistX, waistY := p.in(0.28, 0.6), p.in(0.38, 0.54)
	upper, lower := p.in(0.6, 0.88), p.in(0.64, 0.98)
	low := p.in(0.66, 0.8)
	endX, endY := p.in(-0.15, 0.2), p.in(0.7, 1.06)
	p.move(p.in(0, 0.26), p.in(0.02, 0.22))
	switch style := p.float(); {
	case style < 0.12: // Flat top.
		p.line(upper, p.in(0, 0.06))
		p.line(waistX, waistY)
	case style < 0.3: // A small loop at the waist.
		p.curve(0.45, 0, upper, 0.2, waistX+0.08, waistY, waistX-0.08, waistY+0.03, waistX, waistY+0.07, lower, low, mul(0.6, lower), 1, endX, endY)
		return
	default:
		p.curve(p.in(0.35, 0.5), 0, upper, p.in(0.14, 0.26), waistX, waistY)
	}
	p.curve(waistX+p.in(0.14, 0.24), waistY+p.in(0.02, 0.07), lower, low, lower-p.in(0.22, 0.34), 0.97, endX, endY)
}

func four(p *pen) {
	barY := p.in(0.42, 0.68)
	stem := p.in(0.5, 0.78)
	foot := stem + p.in(-0.14, 0.06)
	top := p.in(-0.15, 0.3)
	left := p.in(0, 0.15)
	switch style := p.float(); {
	case style < 0.12: // Closed: a triangle.
		p.move(stem, 0)
		p.line(left, barY)
		p.line(stem+p.in(0.1, 0.35), barY+p.normal(0.04))
		p.move(stem, p.in(-0.02, 0.1))
		p.line(foot, 1)
		return
	case style < 0.14: // Closed and round, in one stroke, a nine with a corner.
		p.move(stem, p.in(0, 0.1))
		p.curve(0.3, 0.15, left, barY-0.03, 0.3, barY+0.03, stem, barY-0.06)
		top = p.in(-0.05, 0.1)
	case style < 0.75: // Open with a corner.
		p.move(p.in(0.02, 0.3), p.in(0, 0.25))
		p.curve(left+p.in(0, 0.06), barY-0.2, left, barY)
		p.curve(mul(0.5, stem), barY+p.normal(0.03), stem+p.in(0, 0.35), barY+p.normal(0.06))
	default: // Open with a bowl that ends at the stem.
		p.move(left+p.in(0, 0.15), p.in(0, 0.2))
		p.curve(left, barY-0.12, left+p.in(0.1, 0.2), barY+0.02, mul(0.7, stem), barY, stem+p.in(0, 0.1), barY-p.in(0, 0.1))
	}
	p.move(stem+p.in(-0.04, 0.12), top)
	p.curve(stem+p.normal(0.02), p.in(0.4, 0.7), foot, 1)
}

func five(p *pen) {
	left := p.in(0.12, 0.32)
	shoulder := p.in(0.34, 0.5)
	lower := p.in(0.55, 0.95)
	low := p.in(0.62, 0.76)
	barEnd, barY := p.in(0.6, 1), p.in(-0.06, 0.08)
	if p.chance(0.4) { // A long bar that rises: it makes the rest small.
		barEnd, barY = p.in(0.9, 1.5), p.in(-0.22, 0.05)
	}
	endX, endY := p.in(-0.1, 0.2), p.in(0.82, 1.05)
	if p.chance(0.12) { // No corners: like an S.
		p.move(barEnd, barY)
		p.curve(0.5, 0.02, left, p.in(0.15, 0.25), 0.4, 0.42, lower, low, 0.4, 1, endX, endY)
		return
	}
	top := left + p.in(0, 0.16)
	if p.chance(0.5) { // Bar first, all in one stroke.
		p.move(barEnd, barY)
		p.curve(mul(0.5, top+barEnd), mul(0.5, barY)+p.normal(0.03), top, p.in(0, 0.1))
	} else { // Stem first, the bar as a second stroke.
		p.move(top+p.in(-0.05, 0.1), 0.05)
		p.curve(mul(0.5, top+barEnd), mul(0.5, barY)+p.normal(0.03), barEnd, barY)
		p.move(top, p.in(0, 0.1))
	}
	p.line(left, shoulder)
	bowl := mul(0.5, left+lower)
	p.curve(bowl, shoulder-p.in(-0.04, 0.08), lower, low, bowl-p.in(0, 0.12), 1, endX, endY)
}

func six(p *pen) {
	rx, ry := p.in(0.2, 0.48), p.in(0.16, 0.31)
	cx, cy := 0.45, 1-ry
	left := cx - rx
	top := left + p.in(0.05, 0.6)
	p.move(top, 0)
	p.curve(mul(0.5, top+left)-p.in(-0.04, 0.12), p.in(0.2, 0.36), left+p.in(-0.03, 0.03), cy-p.in(0, 0.1))
	from := p.in(0.44, 0.52)
	p.arc(cx, cy, rx, ry, from, from-p.in(0.78, 1.08), p.in(0.8, 1.02), false)
}

func seven(p *pen) {
	left, right := p.in(0, 0.15), p.in(0.78, 0.98)
	topY := p.in(0.02, 0.14)
	foot := p.in(0.25, 0.62)
	if p.chance(0.3) { // A serif.
		p.move(left+p.in(-0.05, 0.03), topY+p.in(0.08, 0.28))
		p.line(left+0.02, topY)
	} else {
		p.move(left, topY+p.normal(0.04))
	}
	if p.chance(0.65) {
		p.curve(0.45, topY+p.normal(0.03), right, p.in(0, 0.12))
		p.curve(p.in(0.52, 0.78), 0.5, foot, 1)
	} else { // A round corner.
		p.curve(0.4, topY-0.03, right-0.06, 0.03, right-0.04, 0.16, p.in(0.5, 0.7), 0.55, foot, 1)
	}
	if p.chance(0.12) {
		y := p.in(0.4, 0.58)
		p.move(p.in(0.2, 0.4), y)
		p.line(p.in(0.7, 0.95), y+p.normal(0.03))
	}
}

func eight(p *pen) {
	upper, lower := p.in(0.14, 0.32), p.in(0.17, 0.37)
	waist := p.in(0.38, 0.6)
	shift := p.normal(0.06)
	const cx = 0.5
	if p.chance(0.12) { // Two rings.
		p.arc(cx+shift, mul(0.5, waist), upper, mul(0.5, waist), 0.25, 0.25-1.03, 1, true)
		p.arc(cx, mul(0.5, 1+waist), lower, mul(0.5, 1-waist), -0.25, -0.25+1.03, 1, true)
		return
	}
	// An S and back, from the upper right. The end may miss the beginning or
	// run past it, far to the right in a fast hand.
	c := cx + shift
	startX, startY := c+upper+p.in(-0.14, 0.08), p.in(0.02, 0.2)
	endX, endY := c+p.in(0, 0.25), p.in(0, 0.14)
	if p.chance(0.3) {
		startX, startY = c+upper+p.in(0, 0.3), p.in(-0.06, 0.16)
	}
	if p.chance(0.4) {
		endX, endY = c+upper+p.in(0, 0.45), p.in(-0.15, 0.14)
	}
	p.move(startX, startY)
	p.curve(c+p.in(-0.05, 0.08), 0, c-upper, mul(0.5, waist),
		cx+p.in(-0.04, 0.04), waist, cx+lower, mul(0.5, 1+waist)+p.in(-0.02, 0.06), cx+p.in(-0.06, 0.04), 1, cx-lower, mul(0.5, 1+waist)+p.in(-0.02, 0.06),
		cx+p.in(-0.04, 0.06), waist+p.in(-0.06, 0.02), c+upper, mul(0.42, waist), endX, endY)
}

func nine(p *pen) {
	rx, ry := p.in(0.18, 0.42), p.in(0.15, 0.3)
	cx := 0.4
	right := cx + rx
	start := p.in(-0.2, 0)
	style := p.float()
	turn := p.in(0.75, 1.08)
	if style >= 0.55 && style < 0.7 {
		turn = p.in(0.9, 1.08) // With a bow below, an open loop would make an S.
	}
	if p.chance(0.35) { // Begun to the right of the loop.
		p.move(right+p.in(-0.05, 0.2), p.in(-0.02, 0.16))
		p.line(cx+p.in(0, 0.1), 0)
		p.arc(cx, ry, rx, ry, -0.25, -0.25-turn+0.1, p.in(0.85, 1.1), false)
	} else {
		p.arc(cx, ry, rx, ry, start, start-turn, p.in(0.85, 1.1), true)
	}
	foot := right - p.in(-0.1, 0.38)
	switch {
	case style < 0.25: // On from the loop, straight down.
		p.curve(right+p.in(-0.02, 0.05), ry-p.in(0, 0.1), mul(0.5, right+foot)+p.in(-0.02, 0.06), 0.6, foot, 1)
	case style < 0.55: // Up to the top, a corner, and down.
		p.line(right+p.in(-0.02, 0.06), p.in(-0.04, 0.14))
		p.curve(mul(0.5, right+foot)+p.in(-0.02, 0.08), 0.6, foot, 1)
	case style < 0.7: // A bow.
		p.curve(right, p.in(0.5, 0.65), mul(0.6, right), p.in(0.92, 1), p.in(0, 0.3), p.in(0.82, 1))
	default: // The stem is a stroke of its own.
		p.move(right+p.in(-0.03, 0.05), p.in(-0.04, 0.12))
		p.curve(mul(0.5, right+foot)+p.in(-0.02, 0.06), 0.55, foot, 1)
	}
}
