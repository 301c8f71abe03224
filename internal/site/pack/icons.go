// Icons as PNG, for the systems that want no SVG: drawn here, because a
// converter would be one more thing to install. They show what favicon.svg
// shows, threads that cross over and under, in its units of 32 to a side.

package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
)

// icon is a picture of so many pixels. A system that cuts icons into its own
// shape wants the ground to the edge and the drawing within the middle.
type icon struct {
	side int
	full bool
}

var icons = map[string]icon{
	"icon-180.png": {180, true}, "icon-192.png": {192, false}, "icon-512.png": {512, false}, "icon-mask-512.png": {512, true},
}

// thread is a straight line with round ends.
type thread struct {
	x0, y0, x1, y1 float64
	warp           bool
}

var threads = []thread{
	{7, 10.5, 25, 10.5, false}, {7, 16, 25, 16, false}, {7, 21.5, 25, 21.5, false},
	{11, 6.5, 11, 9.5, true}, {11, 12, 11, 20, true}, {11, 23, 11, 25.5, true},
	{16, 6.5, 16, 14.5, true}, {16, 18, 16, 25.5, true},
	{21, 6.5, 21, 9.5, true}, {21, 12, 21, 20, true}, {21, 23, 21, 25.5, true},
}

var (
	ground = color.NRGBA{0x0f, 0x5e, 0x63, 0xff}
	weft   = color.NRGBA{0x7f, 0xc4, 0xc0, 0xff}
	warp   = color.NRGBA{0xf7, 0xc6, 0x6b, 0xff}
)

// at is the colour of a point, by its distance from the threads.
func (i icon) at(x, y float64) color.NRGBA {
	if !i.full {
		// A square with corners of radius 8.
		dx, dy := max(math.Abs(x-16)-8, 0), max(math.Abs(y-16)-8, 0)
		if math.Hypot(dx, dy) > 8 {
			return color.NRGBA{}
		}
	} else {
		x, y = 16+(x-16)*1.25, 16+(y-16)*1.25
	}
	c := ground
	for _, t := range threads {
		ex, ey := max(t.x0-x, x-t.x1, 0), max(t.y0-y, y-t.y1, 0)
		if math.Hypot(ex, ey) > 1.5 {
			continue
		}
		if c = weft; t.warp {
			c = warp
		}
	}
	return c
}

// png draws with 16 samples a pixel.
func (i icon) png() ([]byte, error) {
	const n = 4
	m := image.NewNRGBA(image.Rect(0, 0, i.side, i.side))
	unit := 32 / float64(i.side)
	for py := range i.side {
		for px := range i.side {
			var r, g, b, a int
			for s := range n * n {
				c := i.at((float64(px)+(float64(s%n)+0.5)/n)*unit, (float64(py)+(float64(s/n)+0.5)/n)*unit)
				r, g, b, a = r+int(c.R)*int(c.A), g+int(c.G)*int(c.A), b+int(c.B)*int(c.A), a+int(c.A)
			}
			if a > 0 {
				m.SetNRGBA(px, py, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a / (n * n))})
			}
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, m)
	return out.Bytes(), err
}
