// Constants that depend on the number of samples. Exporters spell indices, masks
// and positions of a whole batch as arithmetic on its shape; an import computes
// that while tracing, and what is left of it is a table as long as the batch was.
// Two such tables show how they were made: along the samples nearly all of them
// repeat (positions, masks), or rise by the same step (the index of a gather), and
// what is between two samples is a table of one sample's size. So a constant is
//
//	base + batch*times + i*slope + j*slope' + ..
//
// for the indices i, j along its dimensions of samples, with base, times and slopes
// of one sample's size. A third trace, with another number, checks it.

package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// varying is such a constant.
type varying struct {
	dtype ir.DType
	split []dim // its shape, with each dimension of samples by itself
	axes  []int // those dimensions of split
	rest  []int // split with 1 instead of them
	base  []float64
	times []float64
	slope [][]float64 // of each of axes
	lo    [2]float64  // the least and the greatest value for one sample, and for the first trace
	hi    [2]float64
}

// leafNumbers are the elements of a constant.
func leafNumbers(l *ir.Leaf) ([]float64, error) {
	b, err := tensor.LeafBytes(l)
	if err != nil {
		return nil, err
	}
	out := make([]float64, ir.NumElems(l.Shape))
	if l.DType == ir.U8 {
		for i := range out {
			out[i] = float64(b[i])
		}
		return out, nil
	}
	if len(b) != 4*len(out) {
		return nil, fmt.Errorf("a constant of %v", l.DType)
	}
	for i := range out {
		if bits := binary.LittleEndian.Uint32(b[4*i:]); l.DType == ir.F32 {
			out[i] = float64(math.Float32frombits(bits))
		} else {
			out[i] = float64(int32(bits))
		}
	}
	return out, nil
}

// fitLeaf finds out how a constant that is a for one number of samples and b for
// another depends on it; nil if it does not.
func fitLeaf(a, b *ir.Leaf, shape []dim, batch [2]int) (*varying, error) {
	x, err := leafNumbers(a)
	if err != nil {
		return nil, err
	}
	y, err := leafNumbers(b)
	if err != nil {
		return nil, err
	}
	if slices.Equal(a.Shape, b.Shape) && slices.Equal(x, y) {
		return nil, nil
	}
	for _, s := range splits(shape) {
		if v := fit(a.DType, s, x, y, batch); v != nil {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s of shape %v depends on the number of samples neither repeating nor rising along them", leafLabel(a), dimsText(shape))
}

func dimsText(shape []dim) string {
	s := make([]string, len(shape))
	for i, d := range shape {
		s[i] = d.String()
	}
	return fmt.Sprint(s)
}

func leafLabel(l *ir.Leaf) string {
	if l.Name == "" {
		return "a constant"
	}
	return "the constant " + quote(l.Name)
}

// splits are the ways to see shape with the samples as dimensions of their own: a
// dimension of 3*batch is [batch, 3] or [3, batch].
func splits(shape []dim) [][]dim {
	list := [][]dim{{}}
	for _, d := range shape {
		ways := [][]dim{{d}}
		if d.a > 1 && d.c == 0 {
			ways = [][]dim{{{1, 0}, {0, d.a}}, {{0, d.a}, {1, 0}}}
		} else if d.a != 0 && d != (dim{1, 0}) {
			return nil
		}
		var next [][]dim
		for _, l := range list {
			for _, w := range ways {
				next = append(next, slices.Concat(l, w))
			}
		}
		if list = next; len(list) > 16 {
			return nil
		}
	}
	return list
}

// at is the size of d for n samples.
func (d dim) at(n int) int { return d.a*n + d.c }

func sizesAt(shape []dim, n int) []int {
	out := make([]int, len(shape))
	for i, d := range shape {
		out[i] = d.at(n)
	}
	return out
}

// fit is the constant whose elements are x and y for two numbers of samples, or
// nil.
func fit(dt ir.DType, split []dim, x, y []float64, batch [2]int) *varying {
	v := &varying{dtype: dt, split: split}
	for i, d := range split {
		if d.a != 0 {
			v.axes = append(v.axes, i)
			v.rest = append(v.rest, 1)
		} else {
			v.rest = append(v.rest, d.c)
		}
	}
	first, oneSlope := v.parts(x, batch[0])
	second, twoSlope := v.parts(y, batch[1])
	v.base, v.times, v.slope = make([]float64, len(first)), make([]float64, len(first)), oneSlope
	for k := range oneSlope {
		for r := range first {
			if !v.close(oneSlope[k][r], twoSlope[k][r]) {
				return nil
			}
		}
	}
	for r := range first {
		if first[r] == second[r] || first[r] != first[r] && second[r] != second[r] { // also where both are infinite
			v.base[r] = first[r]
			continue
		}
		v.times[r] = (second[r] - first[r]) / float64(batch[1]-batch[0])
		v.base[r] = first[r] - v.times[r]*float64(batch[0])
		if dt != ir.F32 && v.times[r] != math.Trunc(v.times[r]) {
			return nil
		}
	}
	if dt == ir.Bool && (!zeros(v.times) || slices.ContainsFunc(v.slope, func(s []float64) bool { return !zeros(s) })) {
		return nil
	}
	if !v.is(x, batch[0]) || !v.is(y, batch[1]) {
		return nil
	}
	v.lo[0], v.hi[0] = v.bounds(1)
	v.lo[1], v.hi[1] = slices.Min(x), slices.Max(x)
	return v
}

func zeros(v []float64) bool { return !slices.ContainsFunc(v, func(x float64) bool { return x != 0 }) }

// close compares integers, or what was rounded to float32.
func (v *varying) close(a, b float64) bool { return a == b || v.dtype == ir.F32 && near(a, b) }

func near(a, b float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= 4e-7*max(math.Abs(a), math.Abs(b))
}

// parts are the first sample's elements, and what is added from one to the next along
// each dimension of samples.
func (v *varying) parts(x []float64, batch int) (first []float64, slope [][]float64) {
	shape := sizesAt(v.split, batch)
	step := strides(shape)
	first = make([]float64, ir.NumElems(v.rest))
	slope = make([][]float64, len(v.axes))
	for k := range slope {
		slope[k] = make([]float64, len(first))
	}
	index := make([]int, len(v.rest))
	for r := range first {
		at := 0
		for d, i := range index {
			at += i * step[d]
		}
		first[r] = x[at]
		for k, d := range v.axes {
			n := shape[d] - 1 // to the last, which rounding matters least to
			if last := x[at+n*step[d]]; last != x[at] && (last == last || x[at] == x[at]) {
				slope[k][r] = (last - x[at]) / float64(n)
			}
		}
		advance(index, v.rest)
	}
	return first, slope
}

// advance counts index up within shape.
func advance(index, shape []int) {
	for d := len(shape) - 1; d >= 0; d-- {
		if index[d]++; index[d] < shape[d] {
			return
		}
		index[d] = 0
	}
}

// each calls f with the elements for a number of samples, in order.
func (v *varying) each(batch int, f func(i int, x float64) bool) bool {
	shape := sizesAt(v.split, batch)
	step := strides(v.rest)
	index := make([]int, len(shape))
	for i := range ir.NumElems(shape) {
		r := 0
		for d, at := range index {
			if v.split[d].a == 0 {
				r += at * step[d]
			}
		}
		x := v.base[r]
		if v.times[r] != 0 {
			x += v.times[r] * float64(batch)
		}
		for k, d := range v.axes {
			if s := v.slope[k][r]; s != 0 {
				x += s * float64(index[d])
			}
		}
		if !f(i, x) {
			return false
		}
		advance(index, shape)
	}
	return true
}

// is reports whether x are the elements for a number of samples.
func (v *varying) is(x []float64, batch int) bool {
	return len(x) == ir.NumElems(sizesAt(v.split, batch)) && v.each(batch, func(i int, want float64) bool { return v.close(x[i], want) })
}

func (v *varying) bounds(batch int) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	v.each(batch, func(_ int, x float64) bool { lo, hi = min(lo, x), max(hi, x); return true })
	return lo, hi
}

// varied writes such a constant. What repeats along the samples is left to ONNX's
// broadcasting.
func (e *emitter) varied(v *varying, shape []dim) value {
	table := func(x []float64) value {
		same := !slices.ContainsFunc(x, func(y float64) bool { return y != x[0] })
		if same {
			return value{e.scalar(v.dtype, x[0]), nil}
		}
		t := &tensorProto{Dims: wide(v.rest), DataType: int64(elemOf(v.dtype))}
		for _, y := range x {
			switch v.dtype {
			case ir.F32:
				t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(float32(y)))
			case ir.I32:
				t.RawData = binary.LittleEndian.AppendUint32(t.RawData, uint32(int32(y)))
			default:
				t.RawData = append(t.RawData, byte(y))
			}
		}
		s := make([]dim, len(v.rest))
		for i, n := range v.rest {
			s[i] = dim{0, n}
		}
		return value{e.constant(t), s}
	}
	var sum *value
	add := func(x value) {
		if sum != nil {
			x = value{e.node("Add", []string{sum.name, x.name}), broadcast(*sum, x)}
		}
		sum = &x
	}
	term := func(by []float64, x value) {
		if zeros(by) {
			return
		}
		if v.dtype == ir.F32 {
			x.name = e.node("Cast", []string{x.name}, integer("to", int(elemFloat)))
		}
		if slices.ContainsFunc(by, func(y float64) bool { return y != 1 }) {
			t := table(by)
			x = value{e.node("Mul", []string{x.name, t.name}), broadcast(x, t)}
		}
		add(x)
	}
	if !zeros(v.base) {
		add(table(v.base))
	}
	if !zeros(v.times) {
		term(v.times, value{e.number(dim{1, 0}), nil})
	}
	for k, d := range v.axes {
		if zeros(v.slope[k]) {
			continue
		}
		to := slices.Repeat([]dim{one}, len(v.split)-d)
		to[0] = dim{1, 0}
		name := e.node("Range", []string{e.scalar(ir.I32, 0), e.number(dim{1, 0}), e.scalar(ir.I32, 1)})
		term(v.slope[k], value{e.reshape(name, to[:1], to), to})
	}
	if sum == nil {
		add(table(v.base))
	}
	if len(v.split) == 0 || len(v.split) == len(shape) { // a number broadcasts to any shape
		return *sum
	}
	x := *sum
	if !slices.Equal(x.shape, v.split) {
		x = value{e.node("Expand", []string{x.name, e.sizes(v.split)}), v.split}
	}
	return value{e.reshape(x.name, v.split, shape), shape}
}
