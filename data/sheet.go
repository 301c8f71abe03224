// A contact sheet is the fastest check of a data set there is: wrong labels,
// transposed or inverted images are seen at a glance. The labels are drawn with
// a built-in 3x5 font, because the only texts are class numbers and a font
// library would be the largest dependency of this package. A browser's page
// draws such things itself, and is spared the encoder.

//go:build !js

package data

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strconv"
)

// glyphs are the digits, 3 columns by 5 rows, one octal digit a row.
var glyphs = [10]uint16{0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71222, 0o75757, 0o75717}

const (
	glyphScale = 2
	glyphStep  = 4 * glyphScale
	cellGap    = 4
	labelRow   = 5*glyphScale + 2*cellGap/2
)

// maxSheetPixels keeps a mistyped row count from asking for all memory.
const maxSheetPixels = 64 << 20

// ContactSheet writes the first rows*cols images as one PNG picture, each with
// its class number above it. Images of one channel are grey, those of three
// colour; small ones are enlarged by whole pixels.
func (d *Dataset) ContactSheet(w io.Writer, rows, cols int) error {
	if err := d.Check(); err != nil {
		return err
	}
	if d.C != 1 && d.C != 3 {
		return fmt.Errorf("a contact sheet shows images of 1 or 3 channels, these have %d", d.C)
	}
	zoom := max(1, 56/max(d.H, d.W))
	cellW, cellH := max(d.W*zoom, 3*glyphStep)+cellGap, d.H*zoom+labelRow+cellGap
	if rows <= 0 || cols <= 0 || rows > maxSheetPixels/cellH || cols > maxSheetPixels/cellW/(rows*cellH) {
		return fmt.Errorf("a contact sheet of %d rows and %d columns cannot be drawn; ask for between 1 and some hundred of each", rows, cols)
	}
	sheet := image.NewRGBA(image.Rect(0, 0, cols*cellW+cellGap, rows*cellH+cellGap))
	for i := range sheet.Pix {
		sheet.Pix[i] = 0xff
	}
	for i := range min(rows*cols, d.N) {
		x, y := cellGap+i%cols*cellW, cellGap+i/cols*cellH
		drawNumber(sheet, x, y, int(d.Labels[i]))
		d.drawImage(sheet, x, y+labelRow, zoom, i)
	}
	return png.Encode(w, sheet)
}

func (d *Dataset) drawImage(sheet *image.RGBA, x, y, zoom, i int) {
	pixels, plane := d.Image(i), d.H*d.W
	green, blue := 0, 0
	if d.C == 3 {
		green, blue = plane, 2*plane
	}
	for row := range d.H * zoom {
		for col := range d.W * zoom {
			at := row/zoom*d.W + col/zoom
			sheet.SetRGBA(x+col, y+row, color.RGBA{pixels[at], pixels[at+green], pixels[at+blue], 0xff})
		}
	}
}

func drawNumber(sheet *image.RGBA, x, y, n int) {
	for i, c := range strconv.Itoa(n) {
		bits := glyphs[c-'0']
		for row := range 5 * glyphScale {
			for col := range 3 * glyphScale {
				if bits>>(14-row/glyphScale*3-col/glyphScale)&1 == 1 {
					sheet.SetRGBA(x+i*glyphStep+col, y+row, color.RGBA{0, 0, 0x80, 0xff})
				}
			}
		}
	}
}
