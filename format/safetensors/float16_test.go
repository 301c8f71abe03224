package safetensors

import (
	"math"
	"testing"
)

// TestF16EveryValue: each of the 65,536 bit patterns survives the round trip,
// and the midpoint between neighbours goes to the even one.
func TestF16EveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		v := F16Value(h)
		if got := F16Bits(v); got != h {
			isNaN := h&0x7c00 == 0x7c00 && h&0x3ff != 0
			if !isNaN || got|0x200 != h|0x200 {
				t.Fatalf("%#04x -> %g -> %#04x", h, v, got)
			}
		}
		if h&0x7fff >= 0x7bff {
			continue // No finite neighbour above.
		}
		next := F16Value(h + 1)
		mid := float32((float64(v) + float64(next)) / 2)
		even := h + h&1
		if got := F16Bits(mid); got != even {
			t.Fatalf("midpoint of %#04x and %#04x is %#04x, want %#04x", h, h+1, got, even)
		}
		if got := F16Bits(math.Nextafter32(mid, v)); got != h {
			t.Fatalf("just below the midpoint above %#04x: %#04x", h, got)
		}
		if got := F16Bits(math.Nextafter32(mid, next)); got != h+1 {
			t.Fatalf("just above the midpoint above %#04x: %#04x", h, got)
		}
	}
}

func TestF16Known(t *testing.T) {
	for v, want := range map[float32]uint16{
		0: 0, 1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 65519: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00,
		1.0 / (1 << 24): 1, 1.0 / (1 << 25): 0, 1.0 / (1 << 14): 0x0400, 0.333251953125: 0x3555,
	} {
		if got := F16Bits(v); got != want {
			t.Errorf("F16Bits(%g) = %#04x, want %#04x", v, got, want)
		}
	}
	if got := F16Bits(float32(math.Copysign(0, -1))); got != 0x8000 {
		t.Errorf("negative zero: %#04x", got)
	}
}

func TestBF16(t *testing.T) {
	for v, want := range map[float32]uint16{
		1: 0x3f80, 1.00390625: 0x3f80, 1.01171875: 0x3f82, 1.005: 0x3f81,
		math.MaxFloat32: 0x7f80, float32(math.Inf(-1)): 0xff80,
	} {
		if got := BF16Bits(v); got != want {
			t.Errorf("BF16Bits(%g) = %#04x, want %#04x", v, got, want)
		}
	}
	for i := range 1 << 16 {
		h := uint16(i)
		if got := BF16Bits(BF16Value(h)); got != h && got != h|0x40 {
			t.Fatalf("%#04x -> %#04x", h, got)
		}
	}
	nan := math.Float32frombits(0x7f800001)
	if v := BF16Value(BF16Bits(nan)); v == v {
		t.Errorf("NaN became %g", v)
	}
}
