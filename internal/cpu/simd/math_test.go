package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// ulps is the distance of got from want in units of the last place of want.
func ulps(got float32, want float64) float64 {
	w := math.Abs(want)
	ulp := 0x1p-149
	if w >= 0x1p-126 {
		ulp = math.Ldexp(1, math.Ilogb(w)-23)
	}
	return math.Abs(float64(got)-want) / ulp
}

// functions are the transcendental ones, with the permitted error in ulps. An
// ulp is between 6e-8 and 1.2e-7 of the value, so 8 stay below 1e-6.
var functions = []struct {
	name string
	get  func(v *variant) func(dst, a []float32)
	ref  func(float64) float64
	ulps float64
	lo   float64
	hi   float64
}{
	{"exp", func(v *variant) func(dst, a []float32) { return v.exp }, math.Exp, 2, -105, 89},
	{"log", func(v *variant) func(dst, a []float32) { return v.log }, math.Log, 2, 0, 10},
	{"tanh", func(v *variant) func(dst, a []float32) { return v.tanh }, math.Tanh, 8, -12, 12},
	{"sigmoid", func(v *variant) func(dst, a []float32) { return v.sigmoid },
		func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 8, -106, 30},
	{"erf", func(v *variant) func(dst, a []float32) { return v.erf }, math.Erf, 8, -5, 5},
	{"sin", func(*variant) func(dst, a []float32) { return Sin }, math.Sin, 1, -100, 100},
	{"cos", func(*variant) func(dst, a []float32) { return Cos }, math.Cos, 1, -100, 100},
}

func TestFunctionAccuracy(t *testing.T) {
	for vi := range available {
		v := &available[vi]
		for _, f := range functions {
			rng := rand.New(rand.NewPCG(2, 3))
			var a []float32
			for range 200000 {
				a = append(a, float32(f.lo+rng.Float64()*(f.hi-f.lo)))
				if x := math.Float32frombits(rng.Uint32()); f.name != "sin" && f.name != "cos" {
					a = append(a, x)
				}
				a = append(a, (rng.Float32()-0.5)*2, 1+(rng.Float32()-0.5)/16)
			}
			a = append(a, special...)
			got := make([]float32, len(a))
			f.get(v)(got, a)
			worst, at := 0.0, float32(0)
			for i, x := range a {
				want := f.ref(float64(x))
				w32 := float32(want)
				if w32 != w32 || math.IsInf(float64(w32), 0) || w32 == 0 {
					// At the very edge of overflow either neighbour is fine.
					if bits(got[i]) != bits(w32) && !(math.IsInf(float64(w32), 0) && got[i] == math.MaxFloat32) {
						t.Fatalf("%s %s(%v) = %v, want %v", v.name, f.name, x, got[i], w32)
					}
					continue
				}
				if e := ulps(got[i], want); !(e <= worst) {
					worst, at = e, x
				}
			}
			t.Logf("%s %s: %.2f ulp at %v", v.name, f.name, worst, at)
			if !(worst <= f.ulps) {
				t.Errorf("%s %s(%v) is wrong by %.2f ulp, want at most %v", v.name, f.name, at, worst, f.ulps)
			}
		}
	}
}

// TestFunctionsIgnorePosition computes the same elements in blocks of every
// length and at every offset.
func TestFunctionsIgnorePosition(t *testing.T) {
	for vi := range available {
		v := &available[vi]
		for _, f := range functions {
			rng := rand.New(rand.NewPCG(4, 5))
			a := floats(rng, maxTail)
			whole := make([]float32, len(a))
			f.get(v)(whole, a)
			for n := 0; n <= maxTail; n++ {
				off := rng.IntN(maxTail - n + 1)
				got := block(t, v.name+" "+f.name, n, func(d []float32) { f.get(v)(d, a[off:off+n]) })
				for i := range got {
					if bits(got[i]) != bits(whole[off+i]) {
						t.Fatalf("%s %s(%v): %v in a block of %d at offset %d, %v in the whole",
							v.name, f.name, a[off+i], got[i], n, off, whole[off+i])
					}
				}
				in := append([]float32(nil), a[off:off+n]...)
				f.get(v)(in, in)
				for i := range in {
					if bits(in[i]) != bits(whole[off+i]) {
						t.Fatalf("%s %s in place differs at %d of %d", v.name, f.name, i, n)
					}
				}
			}
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	in := newInputs(rng, 67)
	d := make([]float32, 67)
	for vi := range available {
		v := &available[vi]
		for _, f := range functions {
			g := f.get(v)
			if n := testing.AllocsPerRun(10, func() { g(d, in.a) }); n != 0 {
				t.Errorf("%s %s allocates %v times", v.name, f.name, n)
			}
		}
		for name, f := range exact {
			if n := testing.AllocsPerRun(10, func() { f(v, d, in) }); n != 0 && name != "Gather" {
				t.Errorf("%s %s allocates %v times", v.name, name, n)
			}
		}
		if n := testing.AllocsPerRun(10, func() { d[0] = v.sum(in.a) + v.maxOf(in.a) + v.minOf(in.a) }); n != 0 {
			t.Errorf("%s reductions allocate %v times", v.name, n)
		}
	}
}
