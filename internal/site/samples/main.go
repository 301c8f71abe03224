// Command samples cuts the sample pictures of the Photo view out of larger
// photographs that may be used freely, and writes the list with their origins:
//
//	go run ./internal/site/samples -from DIR -out web/public/samples
//
// The results are part of the repository; this is how they were made.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	_ "image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/weft-ml/weft/internal/atomicfile"
)

// sample is a picture of the list. From and Cut are for making it.
type sample struct {
	Name   string          `json:"name"`
	File   string          `json:"file"`
	Credit string          `json:"credit"`
	From   string          `json:"-"`
	Cut    image.Rectangle `json:"-"`
}

const (
	darknet = "pjreddie/darknet, public domain"
	quality = 82
)

var samples = []sample{
	{"cat", "cat.jpg", "Stefan van der Walt, CC0", "cat-chelsea.png", image.Rect(20, 0, 320, 300)},
	{"horse", "horse.jpg", darknet, "horses-darknet.jpg", image.Rect(0, 140, 320, 460)},
	{"bird", "bird.jpg", darknet, "eagle-darknet.jpg", image.Rect(90, 0, 602, 512)},
	{"dog", "dog.jpg", darknet, "dog-darknet.jpg", image.Rect(180, 200, 340, 360)},
}

func main() {
	from := flag.String("from", "", "folder of the photographs")
	out := flag.String("out", "web/public/samples", "folder to write to")
	flag.Parse()
	if err := run(*from, *out); err != nil {
		fmt.Fprintln(os.Stderr, "samples:", err)
		os.Exit(1)
	}
}

func run(from, out string) error {
	for _, s := range samples {
		b, err := cut(filepath.Join(from, s.From), s.Cut)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(out, s.File), b); err != nil {
			return err
		}
	}
	list, err := json.MarshalIndent(samples, "", "  ")
	if err != nil {
		return err
	}
	return write(filepath.Join(out, "samples.json"), append(list, '\n'))
}

func write(path string, b []byte) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// cut is a part of a picture as JPEG.
func cut(path string, part image.Rectangle) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !part.In(img.Bounds()) {
		return nil, fmt.Errorf("%s has %v, of which %v is to be cut out", path, img.Bounds(), part)
	}
	square := image.NewRGBA(image.Rectangle{Max: part.Size()})
	draw.Draw(square, square.Rect, img, part.Min, draw.Src)
	var b bytes.Buffer
	err = jpeg.Encode(&b, square, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}
