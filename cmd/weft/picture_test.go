package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"testing"
)

// writePNG writes a digit dark on light, three times as large.
func writePNG(t *testing.T, path string, pixels []uint8) {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 3*28, 3*28))
	for y := range 3 * 28 {
		for x := range 3 * 28 {
			img.SetGray(x, y, color.Gray{Y: 255 - pixels[y/3*28+x/3]})
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}
