package conformance

import (
	"math"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// Every row of the table of elementwise operations, on every device, against
// the row's own Go code. A new row needs a public function and, if it is not
// called like the row, a line here.

// functions are those that the adapters do not have under the row's name.
var functions = map[string]binary{
	"mod": (*tensorT).Mod, "and": (*tensorT).And, "or": (*tensorT).Or,
	"not": func(a, _ *tensorT) *tensorT { return a.Not() },
}

// elsewhere lists rows that are tested by other means.
var elsewhere = []string{"cast", "where", "rand"}

func function(t *testing.T, row *ir.Row) binary {
	if f, ok := functions[row.Name]; ok {
		return f
	}
	op, ok := operators[row.Name]
	if !ok {
		t.Errorf("nothing calls %s: give it a public function and add it to the adapters, or to the lists of this test", row.Name)
		return nil
	}
	return func(a, b *tensorT) *tensorT {
		return op.run(&args{in: map[string]*tensorT{"x": a, "a": a, "b": b}, outs: []string{"out"}})["out"]
	}
}

// rows calls f for each row that can be called.
func rows(t *testing.T, f func(row *ir.Row, call binary)) {
	for i := range ir.Table {
		if row := &ir.Table[i]; row.Name != "" && !slices.Contains(elsewhere, row.Name) {
			if call := function(t, row); call != nil {
				f(row, call)
			}
		}
	}
}

func b2f(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

func TestTableOfFloats(t *testing.T) {
	var a, b []float32
	values := []float32{0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, 1e-6, -1e-6, 0.2, 3, -3, 8, -8, 17.25, -17.25, 60, -60}
	for _, x := range values {
		for _, y := range values {
			a, b = append(a, x), append(b, y)
		}
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		rows(t, func(row *ir.Row, f binary) {
			if row.F32 == nil && row.Test == nil {
				return
			}
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
				return []*tensorT{f(in[0], in[1])}
			}, tensor.New(a), tensor.New(b))
			got := must(call(t, p, tensor.New(a), tensor.New(b))[0].Read())(t)
			for i := range a {
				var want float32
				if row.Test != nil {
					want = b2f(row.Test(a[i], b[i]))
				} else {
					want = row.F32(a[i], b[i], 0)
				}
				// Shaders may assume that there are no infinities and NaNs.
				if w := math.Abs(float64(want)); math.IsNaN(w) || w > 1e30 || w < 1e-30 && w > 0 {
					continue
				}
				if row.Name == "mod" && math.Abs(float64(got[i]-want)) > 0.5*math.Abs(float64(b[i])) {
					want += float32(math.Copysign(float64(b[i]), float64(got[i]-want))) // a multiple, up to rounding
				}
				if e := (Tolerance{Each: 2e-5}).Excess(got[i:i+1], []float32{want}); e > 1 {
					t.Errorf("%s(%g, %g) = %g, want %g", row.Name, a[i], b[i], got[i], want)
					break
				}
			}
		})
	})
}

func TestTableOfIntegers(t *testing.T) {
	var a, b []int32
	values := []int32{0, 1, -1, 2, -2, 3, -3, 7, -7, 100, -100, 65537, math.MaxInt32, -math.MaxInt32}
	for _, x := range values {
		for _, y := range values {
			a, b = append(a, x), append(b, y)
		}
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		rows(t, func(row *ir.Row, f binary) {
			if row.I32 == nil && row.TestI == nil {
				return
			}
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
				return []*tensorT{f(in[0], in[1])}
			}, tensor.FromInts(a), tensor.FromInts(b))
			got := must(call(t, p, tensor.FromInts(a), tensor.FromInts(b))[0].ReadInts())(t)
			for i := range a {
				var want int32
				if row.TestI != nil {
					want = int32(b2f(row.TestI(a[i], b[i])))
				} else {
					want = row.I32(a[i], b[i], 0)
				}
				if got[i] != want {
					t.Errorf("%s(%d, %d) = %d, want %d", row.Name, a[i], b[i], got[i], want)
					break
				}
			}
		})
	})
}

// Conversions. What lies outside of the target's range becomes the end of the
// range, or in a shader the float next to it.
func TestCasts(t *testing.T) {
	floats := []float32{0, -0.5, 0.5, 1.99, -1.99, 3e9, -3e9, 1e-30}
	ints := []int32{0, 1, -1, 255, -300, 1 << 24, math.MaxInt32, math.MinInt32}
	bytes := []byte{0, 1, 127, 128, 255, 2, 3, 4}
	half := []uint16{0, 0x3C00, 0xC000, 0x7BFF, 1, 0x8001, 0x3555, 0x0400}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		in := []*tensorT{tensor.New(floats), tensor.FromInts(ints), tensor.FromBytes(bytes), tensor.FromHalf(half)}
		p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
			return []*tensorT{in[0].To(tensor.Int32), in[0].To(tensor.Bool), in[1].To(tensor.Float32), in[1].To(tensor.Bool),
				in[2].To(tensor.Float32), in[2].To(tensor.Bool), in[2].AddScalar(1), in[3].To(tensor.Float32), in[3].MulScalar(2)}
		}, in...)
		out := call(t, p, in...)
		for i, want := range [][]float32{
			{0, 0, 0, 1, -1, math.MaxInt32, math.MinInt32, 0}, {0, 1, 1, 1, 1, 1, 1, 1},
			{0, 1, -1, 255, -300, 1 << 24, math.MaxInt32, math.MinInt32}, {0, 1, 1, 1, 1, 1, 1, 1},
			{0, 1, 127, 128, 255, 2, 3, 4}, {0, 1, 1, 1, 1, 1, 1, 1}, {1, 2, 128, 129, 256, 3, 4, 5},
			{0, 1, -2, 65504, 0x1p-24, -0x1p-24, 0.33325195, 0x1p-14}, {0, 2, -4, 131008, 0x1p-23, -0x1p-23, 0.6665039, 0x1p-13},
		} {
			got := must(out[i].Read())(t)
			tol := 1e-9
			if i == 0 {
				tol = 1e-7
			}
			if e := (Tolerance{Each: tol}).Excess(got, want); e > 1 {
				t.Errorf("conversion %d: %v, want %v", i, got, want)
			}
		}
	})
}
