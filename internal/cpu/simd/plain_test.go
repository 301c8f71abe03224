package simd

import (
	"math"
	"slices"
	"testing"
)

// TestPhilox checks the known answers of the Random123 distribution for
// philox2x32-10.
func TestPhilox(t *testing.T) {
	for _, k := range []struct{ c0, c1, key, w0, w1 uint32 }{
		{0, 0, 0, 0xff1dae59, 0x6cd10df2},
		{0xffffffff, 0xffffffff, 0xffffffff, 0x2c3f628b, 0xab4fd7ad},
		{0x243f6a88, 0x85a308d3, 0x13198a2e, 0xdd7ce038, 0xf62a4c12},
	} {
		if w0, w1 := Philox2x32(k.c0, k.c1, k.key); w0 != k.w0 || w1 != k.w1 {
			t.Errorf("Philox2x32(%#x, %#x, %#x) = %#x, %#x, want %#x, %#x", k.c0, k.c1, k.key, w0, w1, k.w0, k.w1)
		}
	}
}

func TestRandUniform(t *testing.T) {
	const n = 1 << 16
	idx, x := make([]int32, n), make([]float32, n)
	for i := range idx {
		idx[i] = int32(i) - 5
	}
	RandUniform(x, idx, 11, 22)
	mean := 0.0
	for i, v := range x {
		w, _ := Philox2x32(uint32(idx[i]), 22, 11)
		if v != float32(w>>8)*0x1p-24 || v < 0 || v >= 1 {
			t.Fatalf("element %d is %v", i, v)
		}
		mean += float64(v) / n
	}
	if math.Abs(mean-0.5) > 0.005 {
		t.Errorf("mean %v, want 0.5", mean)
	}
}

func TestStrided(t *testing.T) {
	src := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, c := range []struct {
		off, stride int
		want        []float32
	}{
		{2, 1, []float32{2, 3, 4}}, {7, 0, []float32{7, 7, 7}}, {1, 4, []float32{1, 5, 9}},
		{9, -3, []float32{9, 6, 3}}, {10, 1, nil}, {0, 0, nil},
	} {
		dst := make([]float32, len(c.want))
		GatherStrided(dst, src, c.off, c.stride)
		if !slices.Equal(dst, c.want) && len(dst) > 0 {
			t.Errorf("GatherStrided(%d, %d) = %v, want %v", c.off, c.stride, dst, c.want)
		}
		if c.stride == 0 {
			continue
		}
		back := make([]float32, len(src))
		ScatterStrided(back, c.off, c.stride, dst)
		for i, x := range back {
			if slices.Contains(c.want, float32(i)) != (x == float32(i) && x != 0) {
				t.Errorf("ScatterStrided(%d, %d): element %d is %v", c.off, c.stride, i, x)
			}
		}
	}
}

func TestFloat16(t *testing.T) {
	for h, want := range map[uint16]float32{
		0: 0, 1: 0x1p-24, 0x03ff: 0x1p-14 - 0x1p-24, 0x0400: 0x1p-14, 0x3c00: 1, 0x3555: 0.33325195,
		0x7bff: 65504, 0x7c00: posInf, 0xfc00: negInf, 0xc000: -2,
	} {
		if got := half(h); got != want {
			t.Errorf("half(%#x) = %v, want %v", h, got, want)
		}
	}
	if got := half(0x8000); math.Float32bits(got) != 1<<31 {
		t.Errorf("half(0x8000) = %v, want -0", got)
	}
	if got := half(0x7c01); got == got {
		t.Errorf("half(0x7c01) = %v, want NaN", got)
	}
}

func TestNaNRules(t *testing.T) {
	nan := float32(math.NaN())
	a, b, d := []float32{nan, 1, nan}, []float32{1, nan, nan}, make([]float32, 3)
	for name, f := range map[string]func(dst, a, b []float32){"Max": Max, "Min": Min} {
		f(d, a, b)
		for i := range d {
			if d[i] == d[i] {
				t.Errorf("%s(%v, %v) = %v, want NaN", name, a[i], b[i], d[i])
			}
		}
	}
	i := make([]int32, 6)
	F32ToI32(i, []float32{nan, posInf, negInf, 3e9, -2.9, 2.9})
	if want := []int32{0, math.MaxInt32, math.MinInt32, math.MaxInt32, -2, 2}; !slices.Equal(i, want) {
		t.Errorf("F32ToI32 = %v, want %v", i, want)
	}
	Eq(i[:3], a, a)
	if want := []int32{0, 1, 0}; !slices.Equal(i[:3], want) {
		t.Errorf("Eq(a, a) = %v, want %v", i[:3], want)
	}
	Relu(d, []float32{nan, -1, 2})
	if d[0] == d[0] || d[1] != 0 || d[2] != 2 {
		t.Errorf("Relu(NaN, -1, 2) = %v", d)
	}
}

func TestShortOperandPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Add of a short operand did not panic")
		}
	}()
	short := make([]float32, 3)
	Add(make([]float32, 4), short[:3:3], make([]float32, 4))
}
