package simd

import (
	"math"
	"testing"
)

// Every half comes back from the float that it widens to; between two neighbours
// the nearer one is taken, and half way the even one.
func TestToHalf(t *testing.T) {
	for h := range uint32(0x7c00) {
		for _, sign := range []uint32{0, 0x8000} {
			lo := uint16(h | sign)
			x, up := float64(half(lo)), float64(half(lo+1))
			if lo&0x7fff == 0x7bff {
				up = math.Copysign(65536, x) // where the next half would be
			}
			even := lo + lo&1
			mid := (x + up) / 2
			for _, c := range []struct {
				f    float32
				want uint16
			}{
				{float32(x), lo}, {float32(mid), even},
				{math.Nextafter32(float32(mid), float32(x)), lo}, {math.Nextafter32(float32(mid), float32(up)), lo + 1},
			} {
				if got := toHalf(c.f); got != c.want {
					t.Fatalf("%v becomes %#x, want %#x", c.f, got, c.want)
				}
			}
		}
	}
	inf := float32(math.Inf(1))
	for f, want := range map[float32]uint16{inf: 0x7c00, -inf: 0xfc00, 1e38: 0x7c00, -70000: 0xfc00, 1e-30: 0, 65519: 0x7bff} {
		if got := toHalf(f); got != want {
			t.Errorf("%v becomes %#x, want %#x", f, got, want)
		}
	}
	if nan := toHalf(float32(math.NaN())); half(nan) == half(nan) {
		t.Errorf("NaN becomes %#x", nan)
	}
}
