package nn

import (
	"hash/crc32"
	"math"
	"testing"
)

// The checksums pin the bits: initial weights may not change between
// machines or versions.
func TestInitBits(t *testing.T) {
	want := map[Init]uint32{
		DefaultInit: 0xa814554, HeUniform: 0x2df8cf04, HeNormal: 0x88b17e5f, XavierUniform: 0x8a279216,
		XavierNormal: 0x60210897, LeCunUniform: 0xfa60524, LeCunNormal: 0x6db5f6b8,
	}
	for k := DefaultInit; k < ZeroInit; k++ {
		v := k.Values(NewRNG(7), 40, 30)
		h := crc32.NewIEEE()
		for _, x := range v {
			b := math.Float32bits(x)
			h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
		}
		if h.Sum32() != want[k] {
			t.Errorf("%v: checksum %#x, want %#x", k, h.Sum32(), want[k])
		}
	}
}

func moments(v []float32) (mean, std, lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, x := range v {
		mean += float64(x)
		lo, hi = min(lo, float64(x)), max(hi, float64(x))
	}
	mean /= float64(len(v))
	for _, x := range v {
		std += (float64(x) - mean) * (float64(x) - mean)
	}
	return mean, math.Sqrt(std / float64(len(v))), lo, hi
}

func TestInitMoments(t *testing.T) {
	const out, in, field = 64, 25, 9 // a 3x3 kernel
	fi, fo := float64(in*field), float64(out*field)
	for _, c := range []struct {
		kind    Init
		std     float64
		uniform bool
	}{
		{DefaultInit, math.Sqrt(1 / (3 * fi)), true},
		{HeUniform, math.Sqrt(2 / fi), true},
		{HeNormal, math.Sqrt(2 / fi), false},
		{XavierUniform, math.Sqrt(2 / (fi + fo)), true},
		{XavierNormal, math.Sqrt(2 / (fi + fo)), false},
		{LeCunUniform, math.Sqrt(1 / fi), true},
		{LeCunNormal, math.Sqrt(1 / fi), false},
	} {
		mean, std, lo, hi := moments(c.kind.Values(NewRNG(3), out, in, 3, 3))
		if math.Abs(mean) > 0.03*c.std || math.Abs(std/c.std-1) > 0.02 {
			t.Errorf("%v: mean %g, deviation %g, want 0, %g", c.kind, mean, std, c.std)
		}
		bound := c.std * math.Sqrt(3)
		if c.uniform && (lo < -bound || hi > bound || hi < 0.99*bound) {
			t.Errorf("%v: in [%g, %g], want within %g", c.kind, lo, hi, bound)
		}
		if !c.uniform && hi < 3*c.std {
			t.Errorf("%v: greatest value %g, a normal one would reach %g", c.kind, hi, 3*c.std)
		}
	}
}

func TestRNGDrawsDiffer(t *testing.T) {
	r := NewRNG(5)
	a, b, c := r.Uniform(1000, 0, 1), r.Uniform(1000, 0, 1), NewRNG(6).Uniform(1000, 0, 1)
	for _, other := range [][]float32{b, c} {
		dot := 0.0
		for i := range a {
			dot += float64(a[i]-0.5) * float64(other[i]-0.5)
		}
		if r := dot / 1000 * 12; math.Abs(r) > 0.12 {
			t.Errorf("correlation %g between independent draws", r)
		}
	}
}

func TestExactFunctions(t *testing.T) {
	for i := range 4096 {
		u := (float64(i) + 0.5) / 4096
		if d := math.Abs(cosOfTurn(u) - math.Cos(2*math.Pi*u)); d > 1e-15 {
			t.Fatalf("cosine of %g turns is off by %g", u, d)
		}
		x := math.Ldexp(1+u, -i%25)
		if d := math.Abs(logOf(x) - math.Log(x)); d > 4e-15 {
			t.Fatalf("log(%g) is off by %g", x, d)
		}
	}
}
