// Operators that only move elements, and those that make shapes.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

func constant(c *call) []val {
	if a := c.attr("value"); a != nil && a.T != nil {
		h, err := hostOf(a.T)
		if err != nil {
			c.fail("%v", err)
		}
		return []val{{h: h}}
	}
	for _, a := range c.node.Attribute {
		switch a.Name {
		case "value_float":
			return []val{{h: &host{elemFloat, nil, []float64{float64(a.F)}}}}
		case "value_int":
			return []val{{h: &host{elemInt64, nil, []float64{float64(a.I)}}}}
		case "value_ints":
			return []val{{h: hostInts(c.list("value_ints")...)}}
		case "value_floats":
			h := &host{elemFloat, []int{len(a.Floats)}, nil}
			for _, v := range a.Floats {
				h.v = append(h.v, float64(v))
			}
			return []val{{h: h}}
		}
	}
	c.fail("no value, or one of a kind that is not supported")
	return nil
}

func constantOfShape(c *call) []val {
	fill := &host{elemFloat, nil, []float64{0}}
	if a := c.attr("value"); a != nil && a.T != nil {
		h, err := hostOf(a.T)
		if err != nil {
			c.fail("%v", err)
		}
		if len(h.v) != 1 {
			c.fail("%d values", len(h.v))
		}
		fill = &host{h.kind, nil, h.v}
	}
	shape := c.ints(0)
	if c.elements(shape) > maxHost {
		return one1(tensor.FromNode(ir.Const(dtype(fill.kind), fill.v[0], shape...)))
	}
	return []val{{h: fill.broadcastTo(shape)}}
}

// elements is the number of elements of a shape, which it checks.
func (c *call) elements(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > math.MaxInt32 || d > 0 && n > math.MaxInt32/d {
			c.fail("shape %v is negative or too large", shape)
		}
		n *= d
	}
	return n
}

// shapeOf is a shape: from here on a constant.
func shapeOf(c *call) []val {
	if !c.has(0) {
		c.fail("input 0 is missing")
	}
	s := c.in[0].shape()
	r := len(s)
	from, to := c.int("start", 0), c.int("end", r)
	if from < 0 {
		from += r
	}
	if to < 0 {
		to += r
	}
	from, to = max(0, min(r, from)), max(0, min(r, to))
	return []val{{h: hostInts(s[from:max(from, to)]...)}}
}

func sizeOf(c *call) []val {
	if !c.has(0) {
		c.fail("input 0 is missing")
	}
	return []val{{h: &host{elemInt64, nil, []float64{float64(ir.NumElems(c.in[0].shape()))}}}}
}

func rangeOf(c *call) []val {
	from, to, step := c.number(0), c.number(1), c.number(2)
	if step == 0 {
		c.fail("a step of 0")
	}
	n := math.Max(0, math.Ceil((to-from)/step))
	if !(n <= maxHost) {
		c.fail("%g elements", n)
	}
	h := &host{c.in[0].h.kind, []int{int(n)}, make([]float64, int(n))}
	for i := range h.v {
		h.v[i] = from + float64(i)*step
	}
	return []val{{h: h}}
}

// newShape is the shape that Reshape, Flatten, Squeeze or Unsqueeze give to
// something of shape old.
func (c *call) newShape(old []int) []int {
	rank := len(old)
	switch c.node.OpType {
	case "Flatten":
		d := c.int("axis", 1)
		if d < 0 {
			d += rank
		}
		if d < 0 || d > rank {
			c.fail("axis %d of %v", c.int("axis", 1), old)
		}
		return []int{ir.NumElems(old[:d]), ir.NumElems(old[d:])}
	case "Squeeze":
		axes, given := c.listOr("axes", 1)
		if given {
			axes = c.axes(axes, rank)
		}
		var shape []int
		for d, n := range old {
			out := given && slices.Contains(axes, d) || !given && n == 1
			if out && n != 1 {
				c.fail("dimension %d of %v is not 1", d, old)
			}
			if !out {
				shape = append(shape, n)
			}
		}
		return shape
	case "Unsqueeze":
		axes, _ := c.listOr("axes", 1)
		shape := make([]int, rank+len(axes))
		for _, a := range c.axes(axes, len(shape)) {
			shape[a] = 1
		}
		next := 0
		for i := range shape {
			if shape[i] == 0 {
				shape[i] = old[next]
				next++
			}
		}
		return shape
	}
	list, given := c.listOr("shape", 1)
	if !given {
		c.fail("no shape")
	}
	shape := slices.Clone(list)
	total, open := ir.NumElems(old), -1
	for i, n := range shape {
		switch {
		case n == 0 && c.int("allowzero", 0) == 0:
			if i >= rank {
				c.fail("shape %v for %v: there is no dimension %d to keep", list, old, i)
			}
			shape[i] = old[i]
		case n == -1 && open < 0:
			open, shape[i] = i, 1
		case n < 0:
			c.fail("shape %v", list)
		}
	}
	rest := c.elements(shape)
	if open >= 0 {
		if rest == 0 || total%rest != 0 {
			c.fail("%v to %v: %d elements are no multiple of %d", old, list, total, rest)
		}
		shape[open] = total / rest
		return shape
	}
	// Files written for one sample say so in their shapes.
	if rest != total && c.samples > 1 && rest > 0 && total == rest*c.samples && len(shape) > 0 && shape[0] == 1 && slices.Contains(c.net.batches, 1) {
		shape[0] = c.samples
		return shape
	}
	if rest != total {
		c.fail("%v has %d elements, %v has %d", old, total, list, rest)
	}
	return shape
}

func reshaped(c *call) []val {
	x := c.tensor(0)
	return one1(x.Reshape(c.newShape(x.Shape())...))
}

// perm is Transpose's order of dimensions, reversed unless given.
func (c *call) perm(rank int) []int {
	p := c.list("perm")
	if p == nil {
		for i := rank - 1; i >= 0; i-- {
			p = append(p, i)
		}
	}
	if len(p) != rank {
		c.fail("an order of %d dimensions for %d", len(p), rank)
	}
	return c.axes(p, rank)
}

func gather(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", 0), x.Dims())
	index, shape := c.index(1, x.Dim(d))
	y := x.IndexSelect(d, index)
	return one1(y.Reshape(slices.Concat(x.Shape()[:d], shape, x.Shape()[d+1:])...))
}

// index is input i as positions in n elements, flat, and its shape; negative
// ones count from the end.
func (c *call) index(i, n int) (flat tt, shape []int) {
	if c.has(i) && c.in[i].h != nil {
		h := c.in[i].h
		data := make([]int32, len(h.v))
		for j, v := range h.v {
			if v < 0 {
				v += float64(n)
			}
			if v < 0 || v >= float64(n) {
				c.fail("index %g of %d elements", h.v[j], n)
			}
			data[j] = int32(v)
		}
		if len(data) == 0 {
			c.fail("no index")
		}
		return tensor.FromInts(data), h.shape
	}
	x := c.tensor(i).To(tensor.Int32)
	flat = x.Reshape(-1)
	if _, lo, _, ok := clamp(x.Node()); ok && lo >= 0 {
		return flat, x.Shape()
	}
	return fromEnd(flat, n), x.Shape()
}

// indexND is input i, positions in the first dimensions of a tensor of shape
// [.., k], as positions in those dimensions laid end to end; rows is how many
// there are, and rest the dimensions behind.
func (c *call) indexND(i int, x tt) (flat tt, shape []int, rows int, rest []int) {
	if !c.has(i) {
		c.fail("input %d is missing", i)
	}
	index := c.tensor(i).To(tensor.Int32)
	shape = index.Shape()
	batch := c.int("batch_dims", 0)
	if len(shape) == 0 || batch < 0 || batch >= len(shape) || shape[len(shape)-1] < 1 || batch+shape[len(shape)-1] > x.Dims() || !slices.Equal(shape[:batch], x.Shape()[:batch]) {
		c.fail("indices of shape %v for %v, with batch_dims %d", shape, x.Shape(), batch)
	}
	k := shape[len(shape)-1]
	rows = 1
	if batch > 0 { // the sample that each index is for
		rows = ir.NumElems(shape[:batch])
		each := ir.NumElems(shape[batch : len(shape)-1])
		flat = tensor.Arange(rows).Reshape(rows, 1).Expand(rows, each).Reshape(-1)
	}
	for d := range k {
		n := x.Dim(batch + d)
		at := fromEnd(index.Slice(-1, d, d+1).Reshape(-1), n)
		if rows *= n; flat == nil {
			flat = at
		} else {
			flat = flat.MulScalar(float64(n)).Add(at)
		}
	}
	return flat, shape[:len(shape)-1], rows, x.Shape()[batch+k:]
}

func gatherND(c *call) []val {
	x := c.tensor(0)
	flat, shape, rows, rest := c.indexND(1, x)
	y := x.Reshape(append([]int{rows}, rest...)...).IndexSelect(0, flat)
	return one1(y.Reshape(slices.Concat(shape, rest)...))
}

func gatherElements(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", 0), x.Dims())
	index, shape := c.index(1, x.Dim(d))
	return one1(x.Gather(d, index.Reshape(shape...)))
}

func expand(c *call) []val {
	x := c.tensor(0)
	shape := c.ints(1)
	if c.elements(shape); len(shape) < x.Dims() {
		shape = append(slices.Repeat([]int{1}, x.Dims()-len(shape)), shape...)
	}
	shape = slices.Clone(shape)
	for i, n := range x.Shape() { // both sides broadcast
		if j := i + len(shape) - x.Dims(); shape[j] == 1 {
			shape[j] = n
		}
	}
	return one1(x.Expand(shape...))
}

func tile(c *call) []val {
	x := c.tensor(0)
	repeats := c.ints(1)
	if c.net.model.opset < 6 { // how often one dimension
		many := c.ints(1)
		axis := c.ints(2)
		if len(many) != 1 || len(axis) != 1 {
			c.fail("tiles %v along %v", many, axis)
		}
		repeats = slices.Repeat([]int{1}, x.Dims())
		repeats[c.axis(axis[0], x.Dims())] = many[0]
	}
	if len(repeats) != x.Dims() {
		c.fail("%d repeats of %v", len(repeats), x.Shape())
	}
	// [a, b] to [1, a, 1, b], repeated, and flat again.
	var apart, many, out []int
	for d, n := range x.Shape() {
		if repeats[d] < 1 {
			c.fail("repeats %v", repeats)
		}
		apart, many, out = append(apart, 1, n), append(many, repeats[d], n), append(out, repeats[d]*n)
		c.elements(out)
	}
	return one1(x.Reshape(apart...).Expand(many...).Reshape(out...))
}

func trilu(c *call) []val {
	x := c.tensor(0)
	k := 0
	if c.has(1) {
		k = int(max(math.MinInt32, min(math.MaxInt32, c.number(1))))
	}
	if x.DType() == tensor.Bool {
		x = x.To(tensor.Int32)
	}
	y := x.Triu(k)
	if c.int("upper", 1) == 0 {
		y = x.Tril(k)
	}
	return one1(y.To(c.tensor(0).DType()))
}

func oneHot(c *call) []val {
	depth := int(c.number(1))
	if depth < 1 || depth > maxHost {
		c.fail("depth %d", depth)
	}
	values := c.host(2)
	if len(values.v) != 2 {
		c.fail("%d values", len(values.v))
	}
	x := c.tensor(0).To(tensor.Int32)
	d := c.int("axis", -1)
	if d = c.axis(d, x.Dims()+1); c.elements(append(slices.Clone(x.Shape()), depth)) < 1 {
		c.fail("depth %d", depth)
	}
	pick := func(i int) tt { return (&host{values.kind, nil, values.v[i : i+1]}).tensor() }
	y := tensor.Where(fromEnd(x, depth).OneHot(depth).To(tensor.Bool), pick(1), pick(0))
	order := make([]int, 0, y.Dims())
	for i := range x.Dims() {
		order = append(order, i)
	}
	return one1(y.Permute(slices.Insert(order, d, x.Dims())...))
}

func depthToSpace(c *call) []val {
	x, b := c.tensor(0), c.int("blocksize", 0)
	s := x.Shape()
	if len(s) != 4 || b < 1 || b > 1<<10 || s[1]%(b*b) != 0 {
		c.fail("blocks of %d of %v", b, s)
	}
	n, ch, h, w := s[0], s[1]/(b*b), s[2], s[3]
	switch m := c.text("mode", "DCR"); m {
	case "DCR":
	case "CRD":
		return one1(x.Reshape(n, ch, b, b, h, w).Permute(0, 1, 4, 2, 5, 3).Reshape(n, ch, h*b, w*b))
	default:
		c.fail("mode %s", quote(m))
	}
	return one1(x.Reshape(n, b, b, ch, h, w).Permute(0, 3, 4, 1, 5, 2).Reshape(n, ch, h*b, w*b))
}

func spaceToDepth(c *call) []val {
	x, b := c.tensor(0), c.int("blocksize", 0)
	s := x.Shape()
	if len(s) != 4 || b < 1 || b > 1<<20 || s[2]%b != 0 || s[3]%b != 0 {
		c.fail("blocks of %d of %v", b, s)
	}
	n, ch, h, w := s[0], s[1], s[2]/b, s[3]/b
	switch m := c.text("mode", "DCR"); m {
	case "DCR":
	case "CRD":
		return one1(x.Reshape(n, ch, h, b, w, b).Permute(0, 1, 3, 5, 2, 4).Reshape(n, ch*b*b, h, w))
	default:
		c.fail("mode %s", quote(m))
	}
	return one1(x.Reshape(n, ch, h, b, w, b).Permute(0, 3, 5, 1, 2, 4).Reshape(n, ch*b*b, h, w))
}
