// Operators that put tensors together and cut them up. ONNX counts from both ends,
// goes past them, and may leave nothing; package tensor does neither.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

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
		case step == 0:
			c.fail("a step of 0")
		case n == 0:
			from = 0
		case step > 0:
			from, to = max(0, min(n, from)), max(0, min(n, to))
			count = max(0, (to-from+step-1)/step)
		default: // the start stays inside of the tensor, unlike NumPy's
			from, to = max(0, min(n-1, from)), max(-1, min(n-1, to))
			count = max(0, (from-to-step-1)/-step)
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
			from, to := max(0, -p[0]), x.Dim(d)-max(0, -p[1])
			if from >= to {
				c.fail("pads %v leave nothing of %v", pads, x.Shape())
			}
			x = x.Slice(d, from, to)
			p = [2]int{max(0, p[0]), max(0, p[1])}
		}
		if around[d] = p; mode == "constant" || p == [2]int{} {
			continue
		}
		n := x.Dim(d)
		if p[0]+n+p[1] > maxHost {
			c.fail("pads %v", pads)
		}
		c.tabulate(p[0] + n + p[1])
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
