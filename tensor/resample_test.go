package tensor_test

import (
	"math"
	"slices"
	"testing"

	. "github.com/weft-ml/weft/tensor"
)

func expectFloats(t *testing.T, what string, got *Tensor, want ...float32) {
	t.Helper()
	v := got.Floats()
	if len(v) != len(want) {
		t.Fatalf("%s: %v, want %v", what, v, want)
	}
	for i := range v {
		if !(math.Abs(float64(v[i]-want[i])) <= 1e-5) {
			t.Fatalf("%s: %v, want %v", what, v, want)
		}
	}
}

func TestInterpolate(t *testing.T) {
	x := New([]float32{0, 4, 8}, 1, 1, 1, 3)
	type opt = InterpolateOptions
	expectFloats(t, "nearest", x.Interpolate(2, 5, opt{Nearest: true}), 0, 0, 4, 4, 8, 0, 0, 4, 4, 8)
	expectFloats(t, "nearest, smaller", x.Interpolate(1, 2, opt{Nearest: true}), 0, 4)
	expectFloats(t, "bilinear", x.Interpolate(1, 6, opt{}), 0, 1, 3, 5, 7, 8)
	expectFloats(t, "bilinear, smaller", x.Interpolate(1, 2, opt{}), 1, 7)
	expectFloats(t, "aligned", x.Interpolate(1, 5, opt{AlignCorners: true}), 0, 2, 4, 6, 8)
	expectFloats(t, "aligned to one", x.Interpolate(1, 1, opt{AlignCorners: true}), 0)
	expectFloats(t, "same size", x.Interpolate(1, 3, opt{}), 0, 4, 8)
	if s := New(make([]float32, 2*3*4*5), 2, 3, 4, 5).Interpolate(7, 2, opt{}).Shape(); !slices.Equal(s, []int{2, 3, 7, 2}) {
		t.Errorf("shape %v", s)
	}
}

func TestAffineGridIsTheIdentity(t *testing.T) {
	identity := New([]float32{1, 0, 0, 0, 1, 0}, 1, 2, 3)
	expectFloats(t, "edges", AffineGrid(identity, 2, 2, false), -0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5)
	expectFloats(t, "centres", AffineGrid(identity, 1, 3, true), -1, 0, 0, 0, 1, 0)
	image := make([]float32, 2*3*4)
	for i := range image {
		image[i] = float32(i*i%17) - 5
	}
	x := New(image, 1, 2, 3, 4)
	for _, aligned := range []bool{false, true} {
		for _, nearest := range []bool{false, true} {
			o := SampleOptions{AlignCorners: aligned, Nearest: nearest}
			expectFloats(t, "image", x.GridSample(AffineGrid(identity, 3, 4, aligned), o), image...)
		}
	}
	// A map may move, mirror and exchange: (x, y) to (y, -x).
	turn := New([]float32{0, 1, 0, -1, 0, 0}, 1, 2, 3)
	y := New([]float32{1, 2, 3, 4}, 1, 1, 2, 2).GridSample(AffineGrid(turn, 2, 2, false), SampleOptions{})
	expectFloats(t, "quarter turn", y, 3, 1, 4, 2)
}

func TestGridSampleBeyondTheEdges(t *testing.T) {
	x := New([]float32{10, 20}, 1, 1, 1, 2)
	// In pixels: -1.5 -0.75 -0.5 0 0.5 1.25 2, and far away on both sides.
	grid := New([]float32{-2, 0, -1.25, 0, -1, 0, -0.5, 0, 0, 0, 0.75, 0, 1.5, 0, 1e30, 0, -1e30, 0}, 1, 1, 9, 2)
	expectFloats(t, "zeros", x.GridSample(grid, SampleOptions{}), 0, 2.5, 5, 10, 15, 15, 0, 0, 0)
	expectFloats(t, "border", x.GridSample(grid, SampleOptions{Border: true}), 10, 10, 10, 10, 15, 20, 20, 20, 10)
	expectFloats(t, "nearest", x.GridSample(grid, SampleOptions{Nearest: true}), 0, 0, 10, 10, 10, 20, 0, 0, 0)
	// What is not inside is not read, so it cannot spoil the result.
	inf := New([]float32{10, float32(math.Inf(1))}, 1, 1, 1, 2)
	expectFloats(t, "infinite neighbour", inf.GridSample(New([]float32{-1, 0}, 1, 1, 1, 2), SampleOptions{}), 5)
}

func TestResamplingRefusesWrongShapes(t *testing.T) {
	for name, f := range map[string]func(){
		"interpolate": func() { Zeros(3, 4).Interpolate(2, 2, InterpolateOptions{}) },
		"size":        func() { Zeros(1, 1, 3, 4).Interpolate(0, 2, InterpolateOptions{}) },
		"theta":       func() { AffineGrid(Zeros(1, 3, 3), 2, 2, false) },
		"grid":        func() { Zeros(2, 1, 3, 4).GridSample(Zeros(1, 2, 2, 2), SampleOptions{}) },
	} {
		func() {
			defer func() {
				if _, ok := recover().(*Error); !ok {
					t.Errorf("%s: no error", name)
				}
			}()
			f()
		}()
	}
}
