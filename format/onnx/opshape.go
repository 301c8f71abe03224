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

func concat(c *call) []val {
	var parts []tt
	for i := range c.in {
		if c.has(i) && c.in[i].h != nil && len(c.in[i].h.v) == 0 {
			continue
		}
		parts = append(parts, c.tensor(i))
	}
	if len(parts) == 0 {
		c.fail("no inputs")
	}
	return one1(tensor.Concat(c.axis(c.int("axis", 1), parts[0].Dims()), parts...))
}

func split(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", 0), x.Dims())
	sizes, given := c.listOr("split", 1)
	if !given {
		n := c.int("num_outputs", len(c.node.Output))
		if n < 1 || n > x.Dim(d) {
			c.fail("%d parts of %d elements", n, x.Dim(d))
		}
		each := (x.Dim(d) + n - 1) / n
		for left := x.Dim(d); left > 0; left -= each {
			sizes = append(sizes, min(each, left))
		}
	}
	sum := 0
	for _, s := range sizes {
		if s < 1 || s > x.Dim(d) {
			c.fail("parts of %v elements of %d", sizes, x.Dim(d))
		}
		sum += s
	}
	if sum != x.Dim(d) || len(sizes) < len(c.node.Output) {
		c.fail("parts of %v elements of %d", sizes, x.Dim(d))
	}
	var out []val
	for _, p := range x.Split(d, sizes...) {
		out = append(out, val{t: p})
	}
	return out
}

// cut is what Slice takes of one dimension.
type cut struct{ axis, start, step, count int }

func (c *call) cuts(shape []int) []cut {
	starts, _ := c.listOr("starts", 1)
	ends, _ := c.listOr("ends", 2)
	axes, given := c.listOr("axes", 3)
	if !given {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	steps := slices.Repeat([]int{1}, len(starts))
	if c.has(4) {
		steps = c.ints(4)
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		c.fail("%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	var out []cut
	for i, d := range c.axes(axes, len(shape)) {
		n, from, to, step := shape[d], starts[i], ends[i], steps[i]
		if from < 0 {
			from += n
		}
		if to < 0 {
			to += n
		}
		count := 0
		switch {
		case step > 0:
			from, to = max(0, min(n, from)), max(0, min(n, to))
			count = max(0, (to-from+step-1)/step)
		case step < 0:
			from, to = max(-1, min(n-1, from)), max(-1, min(n-1, to))
			count = max(0, (from-to-step-1)/-step)
		default:
			c.fail("a step of 0")
		}
		out = append(out, cut{d, from, step, count})
	}
	return out
}

func sliceOf(c *call) []val {
	x := c.tensor(0)
	shape := x.Shape()
	start, step, size := make([]int, len(shape)), slices.Repeat([]int{1}, len(shape)), slices.Clone(shape)
	for _, k := range c.cuts(shape) {
		if k.count == 0 {
			return []val{c.empty(shape, k.axis)}
		}
		start[k.axis], step[k.axis], size[k.axis] = k.start, k.step, k.count
	}
	for d := range shape {
		from, s, n := start[d], step[d], size[d]
		if s < 0 {
			x = x.Slice(d, from+(n-1)*s, from+1).Flip(d)
			from, s = 0, -s
		}
		x = x.SliceStep(d, from, from+(n-1)*s+1, s)
	}
	return one1(x)
}

// empty is a tensor of the given shape less all of dimension d, which only the
// host can hold.
func (c *call) empty(shape []int, d int) val {
	shape = slices.Clone(shape)
	shape[d] = 0
	return val{h: &host{elemFloat, shape, nil}}
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
	zero := tensor.FromInts([]int32{0})
	return tensor.Where(flat.Lt(zero), flat.AddScalar(float64(n)), flat), x.Shape()
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

func padOf(c *call) []val {
	x := c.tensor(0)
	pads, given := c.listOr("pads", 1)
	if !given {
		c.fail("no pads")
	}
	axes := make([]int, x.Dims())
	for i := range axes {
		axes[i] = i
	}
	if c.has(3) {
		axes = c.axes(c.ints(3), x.Dims())
	}
	if len(pads) != 2*len(axes) {
		c.fail("%d pads for %d dimensions", len(pads), len(axes))
	}
	fill := c.float("value", 0)
	if c.has(2) {
		fill = c.number(2)
	}
	mode := c.text("mode", "constant")
	around := make([][2]int, x.Dims())
	for i, d := range axes {
		p := [2]int{pads[i], pads[len(axes)+i]}
		if p[0]+p[1]+x.Dim(d) < 1 || max(p[0], p[1]) > math.MaxInt32 {
			c.fail("pads %v of %v", pads, x.Shape())
		}
		if p[0] < 0 || p[1] < 0 { // negative ones cut off
			x = x.Slice(d, max(0, -p[0]), x.Dim(d)-max(0, -p[1]))
			p = [2]int{max(0, p[0]), max(0, p[1])}
		}
		if around[d] = p; mode == "constant" || p == [2]int{} {
			continue
		}
		n := x.Dim(d)
		if p[0]+n+p[1] > maxHost {
			c.fail("pads %v", pads)
		}
		index := make([]int32, p[0]+n+p[1])
		for j := range index {
			at := j - p[0]
			switch mode {
			case "edge":
				at = max(0, min(n-1, at))
			case "wrap":
				at = ((at % n) + n) % n
			case "reflect":
				if at < 0 {
					at = -at
				}
				if at >= n {
					at = 2*(n-1) - at
				}
			default:
				c.fail("mode %s", quote(mode))
			}
			if at < 0 || at >= n {
				c.fail("pads %v are wider than %v", pads, x.Shape())
			}
			index[j] = int32(at)
		}
		x = x.IndexSelect(d, tensor.FromInts(index))
	}
	if mode != "constant" {
		return one1(x)
	}
	shape := slices.Clone(x.Shape())
	for d, p := range around {
		shape[d] += p[0] + p[1]
	}
	c.elements(shape)
	return one1(x.Pad(fill, around...))
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
	y := x.OneHot(depth)
	y = y.MulScalar(values.v[1] - values.v[0]).AddScalar(values.v[0])
	order := make([]int, 0, y.Dims())
	for i := range x.Dims() {
		order = append(order, i)
	}
	return one1(y.Permute(slices.Insert(order, d, x.Dims())...).To(dtype(values.kind)))
}

func depthToSpace(c *call) []val {
	x, b := c.tensor(0), c.int("blocksize", 0)
	s := x.Shape()
	if len(s) != 4 || b < 1 || b > 1<<10 || s[1]%(b*b) != 0 {
		c.fail("blocks of %d of %v", b, s)
	}
	n, ch, h, w := s[0], s[1]/(b*b), s[2], s[3]
	if c.text("mode", "DCR") == "CRD" {
		return one1(x.Reshape(n, ch, b, b, h, w).Permute(0, 1, 4, 2, 5, 3).Reshape(n, ch, h*b, w*b))
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
	return one1(x.Reshape(n, ch, h, b, w, b).Permute(0, 3, 5, 1, 2, 4).Reshape(n, ch*b*b, h, w))
}
