// Einstein sums, and numbers stored in eight bits.

package onnx

import (
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// einsum contracts operands from the left, two at a time, each time by one
// product of matrices.
func einsum(c *call) []val {
	equation := strings.ReplaceAll(c.text("equation", ""), " ", "")
	left, out, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	strange := strings.ContainsFunc(left+out, func(r rune) bool { return r != ',' && (r < 'A' || r > 'z') })
	if len(terms) != len(c.in) || strange {
		c.fail("equation %s for %d inputs", quote(equation), len(c.in))
	}
	if !explicit { // letters that occur once, in alphabetical order
		for _, r := range slices.Sorted(slices.Values([]rune(left))) {
			if r != ',' && strings.Count(left, string(r)) == 1 {
				out += string(r)
			}
		}
	}
	acc := labelled{c.tensor(0), terms[0]}
	acc.check(c)
	for i := 1; i < len(terms); i++ {
		b := labelled{c.tensor(i), terms[i]}
		b.check(c)
		later := out + strings.Join(terms[i+1:], "")
		acc = acc.summed(b.labels + later)
		b = b.summed(acc.labels + later)
		acc = c.contract(acc, b, later)
	}
	acc = acc.summed(out)
	if len(acc.labels) != len(out) {
		c.fail("equation %s", quote(equation))
	}
	return one1(acc.ordered(c, out).x)
}

// labelled is a tensor with a letter for each dimension.
type labelled struct {
	x      tt
	labels string
}

func (l labelled) check(c *call) {
	if len(l.labels) != l.x.Dims() {
		c.fail("%s for a tensor of shape %v", quote(l.labels), l.x.Shape())
	}
	for i := range l.labels {
		if strings.Count(l.labels, l.labels[i:i+1]) > 1 {
			c.fail("%s names a dimension twice, which is not supported", quote(l.labels))
		}
	}
}

// summed adds up over dimensions that nobody needs any more.
func (l labelled) summed(needed string) labelled {
	var dims []int
	keep := ""
	for i := range l.labels {
		if s := l.labels[i : i+1]; strings.Contains(needed, s) {
			keep += s
		} else {
			dims = append(dims, i)
		}
	}
	if len(dims) > 0 {
		l = labelled{l.x.Sum(dims...), keep}
	}
	return l
}

// ordered permutes dimensions.
func (l labelled) ordered(c *call, labels string) labelled {
	order := make([]int, len(labels))
	for i := range labels {
		if order[i] = strings.IndexByte(l.labels, labels[i]); order[i] < 0 {
			c.fail("%s of %s", quote(labels), quote(l.labels))
		}
	}
	return labelled{l.x.Permute(order...), labels}
}

// contract multiplies a and b and adds up over what later does not need.
func (c *call) contract(a, b labelled, later string) labelled {
	var batch, sum, rows, cols string
	for _, r := range a.labels {
		s := string(r)
		switch {
		case !strings.Contains(b.labels, s):
			rows += s
		case strings.Contains(later, s):
			batch += s
		default:
			sum += s
		}
	}
	for _, r := range b.labels {
		if s := string(r); !strings.Contains(a.labels, s) {
			cols += s
		}
	}
	a, b = a.ordered(c, batch+rows+sum), b.ordered(c, batch+sum+cols)
	size := func(l labelled, labels string) (n int, shape []int) {
		for i := range labels {
			shape = append(shape, l.x.Dim(strings.IndexByte(l.labels, labels[i])))
		}
		return ir.NumElems(shape), shape
	}
	nb, sb := size(a, batch)
	nr, sr := size(a, rows)
	ns, _ := size(a, sum)
	nc, sc := size(b, cols)
	y := a.x.Reshape(nb, nr, ns).MatMul(b.x.Reshape(nb, ns, nc))
	return labelled{y.Reshape(slices.Concat(sb, sr, sc)...), batch + rows + cols}
}

// steps shapes the scale or zero point v of x so that it broadcasts: one number
// for all, or one for each element of dimension axis.
func (c *call) steps(v, x tt) tt {
	if v.Len() == 1 {
		return v.Reshape()
	}
	d := c.axis(c.int("axis", 1), x.Dims())
	if v.Dims() != 1 || v.Dim(0) != x.Dim(d) || c.int("block_size", 0) != 0 {
		c.fail("scales %v for dimension %d of %v", v.Shape(), d, x.Shape())
	}
	shape := slices.Repeat([]int{1}, x.Dims())
	shape[d] = v.Dim(0)
	return v.Reshape(shape...)
}

// quantizeLinear is round(x / scale) + zero point, within the type's range. It
// has no gradient; numbers of eight bits are Int32 in a graph.
func quantizeLinear(c *call) []val {
	x, scale := c.tensor(0), c.tensor(1)
	kind := elem(c.int("output_dtype", 0)) // or the zero point's, or uint8
	if kind == 0 {
		kind = elemUint8
		if c.has(2) && c.in[2].h != nil {
			kind = c.in[2].h.kind
		}
	}
	bits, signed := narrow(kind)
	if bits == 0 {
		c.fail("to element type %d", kind)
	}
	lo, hi := 0.0, float64(int(1)<<bits-1)
	if signed {
		lo, hi = lo-float64(int(1)<<(bits-1)), hi-float64(int(1)<<(bits-1))
	}
	q := x.Div(c.steps(scale, x)).Round()
	if c.has(2) {
		q = q.Add(c.steps(c.tensor(2).To(tensor.Float32), x))
	}
	return one1(q.Clamp(lo, hi).To(tensor.Int32))
}

// dequantizeLinear is (x - zero point) scale.
func dequantizeLinear(c *call) []val {
	x := c.tensor(0).To(tensor.Float32)
	if c.has(2) {
		x = x.Sub(c.steps(c.tensor(2).To(tensor.Float32), x))
	}
	return one1(x.Mul(c.steps(c.tensor(1), x)))
}

// scaleWeights is dequantizeLinear for weights of the given shape, in place.
func (c *call) scaleWeights(data []float32, shape []int) error {
	scale := c.in[1].h
	zero := &host{v: []float64{0}}
	if c.has(2) {
		zero = c.in[2].h
	}
	if scale == nil || zero == nil || len(scale.v) < 1 || len(zero.v) < 1 {
		return invalid("node %s: scale or zero point are no constants", c.node.label())
	}
	inner, n := len(data), 1
	if len(scale.v) > 1 || len(zero.v) > 1 {
		d := c.int("axis", 1)
		if d < 0 {
			d += len(shape)
		}
		if d < 0 || d >= len(shape) || len(scale.v) != shape[d] || len(zero.v) != 1 && len(zero.v) != shape[d] || c.int("block_size", 0) != 0 {
			return invalid("node %s: %d scales and %d zero points along dimension %d of %v", c.node.label(), len(scale.v), len(zero.v), d, shape)
		}
		inner, n = ir.NumElems(shape[d+1:]), shape[d]
	}
	for i := range data {
		k := i / inner % n
		data[i] = float32((float64(data[i]) - zero.v[k%len(zero.v)]) * scale.v[k%len(scale.v)])
	}
	return nil
}
