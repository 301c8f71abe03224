package main

// Pictures of digits of every kind that data/digit.go tells apart, with what it
// makes of them: the page's own code has to make the same.

import (
	"encoding/json"
	"image"
	"image/color"
	"math/rand/v2"
	"os"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/synthetic"
)

type picture struct {
	Name   string `json:"name"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	RGBA   []byte `json:"rgba"` // base64
	Want   []byte `json:"want"` // base64; none for a blank picture
}

func writeDigits(path string) error {
	digits := synthetic.Digits(8, 9)
	rng := rand.New(rand.NewPCG(1, 2))
	var list []picture
	add := func(name string, w, h int, at func(x, y int, ink float64) color.NRGBA) error {
		img := image.NewNRGBA(image.Rect(0, 0, w, h))
		d := digits.Images[len(list)%digits.N*784:][:784]
		for y := range h {
			for x := range w {
				img.SetNRGBA(x, y, at(x, y, float64(d[y*28/h*28+x*28/w])/255))
			}
		}
		want, err := data.DigitFromImage(img)
		if err != nil && name != "blank" {
			return err
		}
		list = append(list, picture{name, w, h, img.Pix, want})
		return nil
	}
	grey := func(v float64) color.NRGBA {
		c := uint8(min(max(v, 0), 255))
		return color.NRGBA{c, c, c, 255}
	}
	kinds := []struct {
		name string
		w, h int
		at   func(x, y int, ink float64) color.NRGBA
	}{
		{"MNIST's own form", 28, 28, func(_, _ int, ink float64) color.NRGBA { return grey(255 * ink) }},
		{"dark on light", 100, 100, func(_, _ int, ink float64) color.NRGBA { return grey(250 - 220*ink) }},
		{"wide", 200, 90, func(_, _ int, ink float64) color.NRGBA { return grey(20 + 200*ink) }},
		{"large", 1000, 1100, func(_, _ int, ink float64) color.NRGBA { return grey(255 * (1 - ink)) }},
		{"noisy paper", 150, 150, func(_, _ int, ink float64) color.NRGBA { return grey(215 - 150*ink + 12*rng.NormFloat64()) }},
		{"blue on yellow", 120, 160, func(_, _ int, ink float64) color.NRGBA {
			return color.NRGBA{uint8(240 * (1 - ink)), uint8(230 * (1 - ink)), uint8(90 + 100*ink), 255}
		}},
		{"transparent, dark ink", 90, 90, func(_, _ int, ink float64) color.NRGBA { return color.NRGBA{10, 20, 30, uint8(255 * ink)} }},
		{"transparent, light ink", 90, 90, func(_, _ int, ink float64) color.NRGBA { return color.NRGBA{250, 240, 255, uint8(255 * ink)} }},
		{"tiny", 9, 12, func(_, _ int, ink float64) color.NRGBA { return grey(255 * ink) }},
		{"blank", 40, 40, func(_, _ int, _ float64) color.NRGBA { return grey(128) }},
	}
	for _, k := range kinds {
		if err := add(k.name, k.w, k.h, k.at); err != nil {
			return err
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
