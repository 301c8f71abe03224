// Operators that pick elements. Where how many follows from values, as with NonZero,
// those must be known while the network is made, because shapes must be.

package onnx

import (
	"cmp"
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"Compress": compress, "NonZero": nonZero, "Unique": unique, "ReverseSequence": reverseSequence, "Hardmax": hardmax,
		"EyeLike": eyeLike, "CenterCropPad": centerCropPad,
	})
}

// compress keeps where a constant condition is true.
func compress(c *call) []val {
	x, d := c.tensor(0), 0
	if a := c.attr("axis"); a != nil {
		d = c.axis(int(a.I), x.Dims())
	} else {
		x = x.Reshape(-1)
	}
	var at []int32
	for i, v := range c.host(1).v {
		if v != 0 && i >= x.Dim(d) {
			c.fail("condition %d of %d elements", i, x.Dim(d))
		}
		if v != 0 {
			at = append(at, int32(i))
		}
	}
	if len(at) == 0 {
		return []val{c.empty(x.Shape(), d)}
	}
	return one1(x.IndexSelect(d, tensor.FromInts(at)))
}

// nonZero lists positions, a row for each dimension.
func nonZero(c *call) []val {
	h := c.host(0)
	shape := h.shape
	if len(shape) == 0 {
		shape = []int{1}
	}
	step := strides(shape)
	var at []int
	for i, v := range h.v {
		if v != 0 {
			at = append(at, i)
		}
	}
	out := &host{elemInt64, []int{len(shape), len(at)}, nil}
	for d := range shape {
		for _, i := range at {
			out.v = append(out.v, float64(i/step[d]%shape[d]))
		}
	}
	return []val{{h: out}}
}

// unique lists different elements, or slices along an axis, with where each occurs
// first, which one each is, and how often each occurs.
func unique(c *call) []val {
	h := c.host(0)
	whole := c.attr("axis") == nil
	d := 0
	if whole {
		h = &host{h.kind, []int{len(h.v)}, h.v}
	} else {
		d = c.axis(c.int("axis", 0), len(h.shape))
	}
	outer, n, inner := ir.NumElems(h.shape[:d]), h.shape[d], ir.NumElems(h.shape[d+1:])
	row := func(i int) []float64 {
		var v []float64
		for o := range outer {
			at := (o*n + i) * inner
			v = append(v, h.v[at:at+inner]...)
		}
		return v
	}
	rows, order := make([][]float64, n), make([]int, n)
	for i := range rows {
		rows[i], order[i] = row(i), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.CompareFunc(rows[a], rows[b], cmp.Compare[float64]) })
	var first []int // where each kind occurs first
	kind := make([]int, n)
	for j, i := range order {
		if j == 0 || !slices.Equal(rows[i], rows[order[j-1]]) {
			first = append(first, i)
		}
		kind[i] = len(first) - 1
	}
	if c.int("sorted", 1) == 0 { // in the order in which they occur
		rank, back := make([]int, len(first)), slices.Clone(first)
		slices.Sort(back)
		for k, i := range first {
			rank[k], _ = slices.BinarySearch(back, i)
		}
		for i := range kind {
			kind[i] = rank[kind[i]]
		}
		first = back
	}
	count := make([]int, len(first))
	for _, k := range kind {
		count[k]++
	}
	out := &host{h.kind, slices.Clone(h.shape), nil}
	out.shape[d] = len(first)
	for o := range outer {
		for _, i := range first {
			out.v = append(out.v, rows[i][o*inner:(o+1)*inner]...)
		}
	}
	return []val{{h: out}, {h: hostInts(first...)}, {h: hostInts(kind...)}, {h: hostInts(count...)}}
}

// reverseSequence reverses the beginning of each sample, of its own length.
func reverseSequence(c *call) []val {
	x := c.tensor(0)
	batch, time := c.axis(c.int("batch_axis", 1), x.Dims()), c.axis(c.int("time_axis", 0), x.Dims())
	length := c.tensor(1).To(tensor.Int32)
	if batch == time || length.Len() != x.Dim(batch) {
		c.fail("lengths %v for dimension %d of %v, time is dimension %d", length.Shape(), batch, x.Shape(), time)
	}
	along := func(t tt, d int) tt {
		shape := slices.Repeat([]int{1}, x.Dims())
		shape[d] = t.Len()
		return t.Reshape(shape...)
	}
	at, length := along(tensor.Arange(x.Dim(time)), time), along(length, batch)
	at = tensor.Where(at.Lt(length), length.AddScalar(-1).Sub(at), at)
	return one1(x.Gather(time, at.Expand(x.Shape()...)))
}

// hardmax is 1 at the first of the greatest elements along a dimension, 0 elsewhere.
// Before opset 13 the dimensions from axis on count as one.
func hardmax(c *call) []val {
	x := c.tensor(0)
	shape := x.Shape()
	d := c.axis(c.int("axis", -1), x.Dims())
	if c.net.model.opset < 13 {
		d = c.axis(c.int("axis", 1), x.Dims())
		x = x.Flatten(d)
	}
	hot := x.Argmax(d).OneHot(x.Dim(d)).To(tensor.Float32) // that dimension last
	order := from(0, x.Dims()-1)
	return one1(hot.Permute(slices.Insert(order, d, x.Dims()-1)...).Reshape(shape...))
}

func eyeLike(c *call) []val {
	x := c.tensor(0)
	if x.Dims() != 2 {
		c.fail("input %v: a matrix is needed", x.Shape())
	}
	dt := x.DType().Compute()
	if k := elem(c.int("dtype", 0)); k != 0 {
		if elemSize[k] == 0 {
			c.fail("element type %d", k)
		}
		dt = dtype(k)
	}
	k := max(-x.Dim(0), min(x.Dim(1), c.int("k", 0)))
	row, col := tensor.Arange(x.Dim(0)).Reshape(-1, 1), tensor.Arange(x.Dim(1))
	return one1(col.Sub(row).EqScalar(float64(k)).To(dt))
}

// centerCropPad brings dimensions to given sizes, by cutting off or adding zeros on
// both sides.
func centerCropPad(c *call) []val {
	x := c.tensor(0)
	axes := from(0, x.Dims())
	if l := c.list("axes"); l != nil {
		axes = c.axes(l, x.Dims())
	}
	sizes := c.ints(1)
	if len(sizes) != len(axes) {
		c.fail("%d sizes for %d dimensions", len(sizes), len(axes))
	}
	pads := make([][2]int, x.Dims())
	shape := slices.Clone(x.Shape())
	for i, d := range axes {
		n, to := x.Dim(d), sizes[i]
		if to < 1 || to > math.MaxInt32 {
			c.fail("to a size of %d", to)
		}
		shape[d] = to
		if to < n {
			x = x.Slice(d, (n-to)/2, (n-to)/2+to)
		} else {
			pads[d] = [2]int{(to - n) / 2, to - n - (to-n)/2}
		}
	}
	c.elements(shape)
	return one1(x.Pad(0, pads...))
}
