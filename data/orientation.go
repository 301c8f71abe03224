// Cameras and phones store pictures as the sensor lies and note how they were
// held (Exif 2.32, tag Orientation). Browsers turn such pictures; Go's decoder
// does not, and a network sees a cat on its side.

package data

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// orientationOf is the Exif orientation of a picture's file of that format, 1 to
// 8; 1, as stored, where it says nothing that can be understood.
func orientationOf(format string, file []byte) int {
	switch format {
	case "jpeg":
		return jpegOrientation(file)
	case "png":
		return tiffOrientation(chunk(file, 8, binary.BigEndian, "eXIf", 4, 0, 4))
	case "webp":
		// Some writers keep JPEG's prefix, which has no place here.
		return tiffOrientation(bytes.TrimPrefix(chunk(file, 12, binary.LittleEndian, "EXIF", 0, 4, 0), []byte("Exif\x00\x00")))
	}
	return 1
}

// chunk is the content of a chunk of PNG (length, kind, content, sum) or of RIFF
// (kind, length, content), whose chunks begin at start; kind and length are at these
// places of a chunk's eight bytes, and tail bytes follow its content.
func chunk(file []byte, start int, order binary.ByteOrder, name string, kind, length, tail int) []byte {
	for b := file[min(start, len(file)):]; len(b) >= 8; {
		n := uint64(order.Uint32(b[length:]))
		if n > uint64(len(b)-8) {
			return nil
		}
		if string(b[kind:kind+4]) == name {
			return b[8 : 8+n]
		}
		next := 8 + n + uint64(tail)
		if tail == 0 {
			next += n % 2 // RIFF's are of even lengths
		}
		if next > uint64(len(b)) {
			return nil
		}
		b = b[next:]
	}
	return nil
}

func jpegOrientation(file []byte) int {
	const sos, app1 = 0xda, 0xe1
	for b := file[min(2, len(file)):]; len(b) >= 4 && b[0] == 0xff && b[1] != sos; {
		n := 2 + int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			break
		}
		if tiff, ok := bytes.CutPrefix(b[4:n], []byte("Exif\x00\x00")); ok && b[1] == app1 {
			return tiffOrientation(tiff)
		}
		b = b[n:]
	}
	return 1
}

// tiffOrientation looks through the first directory of a TIFF header.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[0] == 'I' {
		order = binary.LittleEndian
	}
	const tag, entry = 0x0112, 12
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	count := int(order.Uint16(b[at:]))
	for b = b[at+2:]; count > 0 && len(b) >= entry; count, b = count-1, b[entry:] {
		if order.Uint16(b) == tag {
			if v := int(order.Uint16(b[8:])); v >= 1 && v <= 8 {
				return v
			}
			break
		}
	}
	return 1
}

// upright is img turned as the Exif orientation says.
func upright(img image.Image, orientation int) image.Image {
	if orientation < 2 || orientation > 8 {
		return img
	}
	return &turned{img, orientation}
}

// turned is a view of a picture that was stored turned or mirrored.
type turned struct {
	image.Image
	orientation int
}

// Bounds begins at 0.
func (t *turned) Bounds() image.Rectangle {
	size := t.Image.Bounds().Size()
	if t.orientation >= 5 {
		size.X, size.Y = size.Y, size.X
	}
	return image.Rectangle{Max: size}
}

// source is where the pixel at x, y is stored.
func (t *turned) source(x, y int) (int, int) {
	b := t.Image.Bounds()
	right, bottom := b.Dx()-1, b.Dy()-1
	switch t.orientation {
	case 2:
		x = right - x
	case 3:
		x, y = right-x, bottom-y
	case 4:
		y = bottom - y
	case 5:
		x, y = y, x
	case 6:
		x, y = y, bottom-x
	case 7:
		x, y = right-y, bottom-x
	case 8:
		x, y = right-y, x
	}
	return b.Min.X + x, b.Min.Y + y
}

// At is the pixel's colour.
func (t *turned) At(x, y int) color.Color { return t.Image.At(t.source(x, y)) }

// RGBA64At is At, quickly where the decoder's image has that.
func (t *turned) RGBA64At(x, y int) color.RGBA64 {
	x, y = t.source(x, y)
	if fast, ok := t.Image.(image.RGBA64Image); ok {
		return fast.RGBA64At(x, y)
	}
	r, g, b, a := t.Image.At(x, y).RGBA()
	return color.RGBA64{uint16(r), uint16(g), uint16(b), uint16(a)}
}
