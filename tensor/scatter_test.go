package tensor_test

import (
	"math"
	"slices"
	"testing"

	. "github.com/weft-ml/weft/tensor"
)

func TestScatter(t *testing.T) {
	x := New([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	index := FromInts([]int32{2, 0, 2, 1, 9, -1}, 2, 3) // with one place twice, and two outside
	src := New([]float32{10, 20, 30, 40, 50, 60}, 2, 3)
	expectFloats(t, "replaced", x.Scatter(1, index, src, ScatterReplace), 20, 2, 30, 4, 40, 6)
	expectFloats(t, "added", x.Scatter(1, index, src, ScatterAdd), 21, 2, 43, 4, 45, 6)
	expectFloats(t, "multiplied", x.Scatter(1, index, src, ScatterMul), 20, 2, 900, 4, 200, 6)
	expectFloats(t, "greatest", x.Scatter(1, index, src, ScatterMax), 20, 2, 30, 4, 40, 6)
	expectFloats(t, "least", x.Scatter(1, index, src.Neg(), ScatterMin), -20, 2, -30, 4, -40, 6)
	part := FromInts([]int32{1, 0}, 1, 2)
	expectFloats(t, "a part", x.Scatter(0, part, New([]float32{7, 8}, 1, 2), ScatterReplace), 1, 8, 3, 7, 5, 6)
	ints := FromInts([]int32{1, 1 << 30, 3}).Scatter(0, FromInts([]int32{1, 1}), FromInts([]int32{1, 2}), ScatterAdd).Ints()
	if !slices.Equal(ints, []int32{1, 1<<30 + 3, 3}) {
		t.Errorf("integers %v", ints)
	}
	// Elements that others replaced have no gradient.
	v := NewVariable("v", []float32{1, 2, 3}, 3)
	u := NewVariable("u", []float32{4, 5, 6}, 3)
	y := v.Scatter(0, FromInts([]int32{0, 2, 0}), u, ScatterReplace).Mul(New([]float32{1, 10, 100}))
	g := Grad(y.Sum(), v, u)
	expectFloats(t, "gradient of what stays", g[0], 0, 10, 0)
	expectFloats(t, "gradient of what came", g[1], 0, 100, 1)
}

func TestTopK(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	row := []float32{3, -inf, 7, 3, inf, nan, 3, -1, nan, inf}
	long := make([]float32, 200) // few of many are found in another way
	for i := range long {
		long[i] = -inf
	}
	copy(long, row)
	for _, data := range [][]float32{row, long} {
		for _, c := range []struct {
			smallest bool
			want     []int32
		}{{false, []int32{5, 8, 4, 9, 2, 0, 3, 6, 7, 1}}, {true, []int32{1, 7, 0, 3, 6, 2, 4, 9, 5, 8}}} {
			want := c.want
			if len(data) > 10 { // -Inf fills the rest
				if c.smallest {
					want = []int32{1, 10, 11, 12, 13, 14, 15, 16, 17, 18}
				} else {
					want[9] = 1
				}
			}
			values, indices := New(data, 1, len(data)).TopK(10, 1, c.smallest)
			if got := indices.Ints(); !slices.Equal(got, want) {
				t.Errorf("%d elements, smallest %v: %v, want %v", len(data), c.smallest, got, want)
			}
			for i, v := range values.Floats() {
				if w := data[want[i]]; v != w && (v == v || w == w) {
					t.Errorf("value %d is %g, want %g", i, v, w)
				}
			}
		}
	}
	// Behind each other along the first dimension, of integers.
	values, indices := FromInts([]int32{5, 1, math.MinInt32, math.MaxInt32, 5, 1}, 3, 2).Sort(0, false)
	if v, i := values.Ints(), indices.Ints(); !slices.Equal(v, []int32{math.MinInt32, 1, 5, 1, 5, math.MaxInt32}) || !slices.Equal(i, []int32{1, 0, 0, 2, 2, 1}) {
		t.Errorf("sorted %v from %v", v, i)
	}
	v := NewVariable("v", []float32{2, 9, 4}, 3)
	top, _ := v.TopK(2, 0, false)
	expectFloats(t, "gradient", Grad(top.Mul(New([]float32{1, 10})).Sum(), v)[0], 0, 1, 10)
}
