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
	strange := strings.ContainsFunc(left+out, func(r rune) bool { return r != ',' && r != '.' && (r < 'A' || r > 'z') })
	if len(terms) != len(c.in) || strange {
		c.fail("equation %s for %d inputs", quote(equation), len(c.in))
	}
	if !explicit { // the dimensions without letters, and letters that occur once, in alphabetical order
		if strings.Contains(left, "...") {
			out = "..."
		}
		for _, r := range slices.Sorted(slices.Values([]rune(left))) {
			if r != ',' && r != '.' && strings.Count(left, string(r)) == 1 {
				out += string(r)
			}
		}
	}
	operands, out := c.ellipses(terms, out)
	terms = nil
	for i := range operands {
		operands[i] = operands[i].diagonals(c)
		terms = append(terms, operands[i].labels)
	}
	acc := operands[0]
	for i := 1; i < len(terms); i++ {
		b := operands[i]
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

// ellipses makes digits of the dimensions that terms write as three dots, the last
// of which is 9, and lets them broadcast.
func (c *call) ellipses(terms []string, out string) ([]labelled, string) {
	const digits, dots = "0123456789", "..."
	most := 0
	var list []labelled
	for i, term := range terms {
		l := labelled{c.tensor(i), term}
		if named := strings.Replace(term, dots, "", 1); named != term {
			n := l.x.Dims() - len(named)
			if n < 0 || n > len(digits) {
				c.fail("%s for a tensor of shape %v", quote(term), l.x.Shape())
			}
			most = max(most, n)
			l.labels = strings.Replace(term, dots, digits[len(digits)-n:], 1)
		}
		if len(l.labels) != l.x.Dims() || strings.Contains(l.labels, ".") {
			c.fail("%s for a tensor of shape %v", quote(term), l.x.Shape())
		}
		list = append(list, l)
	}
	out = strings.Replace(out, dots, digits[len(digits)-most:], 1)
	for _, d := range digits[len(digits)-most:] {
		size := 1
		for _, l := range list {
			if i := strings.IndexRune(l.labels, d); i >= 0 && l.x.Dim(i) > 1 {
				size = l.x.Dim(i)
			}
		}
		for j, l := range list {
			if i := strings.IndexRune(l.labels, d); i >= 0 && l.x.Dim(i) == 1 {
				shape := slices.Clone(l.x.Shape())
				shape[i] = size
				c.elements(shape)
				list[j].x = l.x.Expand(shape...)
			}
		}
	}
	return list, out
}

// diagonals leaves one dimension of those that have the same letter.
func (l labelled) diagonals(c *call) labelled {
	for i := 0; i < len(l.labels); i++ {
		s := l.labels[i : i+1]
		j := strings.LastIndex(l.labels, s)
		if j == i {
			continue
		}
		n := l.x.Dim(i)
		if l.x.Dim(j) != n {
			c.fail("%s for a tensor of shape %v", quote(l.labels), l.x.Shape())
		}
		order, rest := []int{}, ""
		for d := range l.labels {
			if d != i && d != j {
				order, rest = append(order, d), rest+l.labels[d:d+1]
			}
		}
		x := l.x.Permute(append(order, i, j)...)
		x = x.Reshape(append(slices.Clone(x.Shape()[:len(order)]), n*n)...)
		l = labelled{x.SliceStep(len(order), 0, n*n, n+1), rest + s}
		i = -1
	}
	return l
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
	if v.Len() == 1 && c.int("block_size", 0) == 0 {
		return v.Reshape()
	}
	d := c.axis(c.int("axis", 1), x.Dims())
	if block := c.int("block_size", 0); block != 0 { // each for so many elements along d
		shape := slices.Clone(x.Shape())
		if shape[d] = (x.Dim(d) + block - 1) / max(block, 1); block < 1 || !slices.Equal(v.Shape(), shape) {
			c.fail("scales %v for blocks of %d along dimension %d of %v", v.Shape(), block, d, x.Shape())
		}
		wide := slices.Insert(slices.Clone(shape), d+1, block)
		shape[d] *= block
		c.elements(shape)
		return v.Unsqueeze(d+1).Expand(wide...).Reshape(shape...).Slice(d, 0, x.Dim(d))
	}
	if v.Dims() != 1 || v.Dim(0) != x.Dim(d) {
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
	switch {
	case kind != 0:
	case !c.has(2):
		kind = elemUint8
	default:
		if kind = c.kind(2); kind == 0 {
			c.fail("nothing says of what type the zero point %s is", quote(c.node.Input[2]))
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
	x := c.tensor(0)
	if kind := elem(c.int("output_dtype", 0)); kind != 0 && !isFloat(kind) {
		c.fail("to element type %d", kind)
	}
	if c.has(2) {
		x = x.Sub(c.steps(c.tensor(2), x)) // as integers, which floats do not all hold
	}
	return one1(x.To(tensor.Float32).Mul(c.steps(c.tensor(1), x)))
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
	at := func(int) int { return 0 }
	if block := c.int("block_size", 0); block != 0 || len(scale.v) > 1 || len(zero.v) > 1 {
		d := c.int("axis", 1)
		if d < 0 {
			d += len(shape)
		}
		if d < 0 || d >= len(shape) || block < 0 {
			return invalid("node %s: dimension %d of %v in blocks of %d", c.node.label(), d, shape, block)
		}
		inner, n, want := ir.NumElems(shape[d+1:]), shape[d], shape[d]
		at = func(i int) int { return i / inner % n }
		if block > 0 {
			many := (n + block - 1) / block
			want = ir.NumElems(shape[:d]) * many * inner
			at = func(i int) int { return (i/(inner*n)*many+i/inner%n/block)*inner + i%inner }
		}
		if len(scale.v) != want || len(zero.v) != 1 && len(zero.v) != want {
			return invalid("node %s: %d scales and %d zero points along dimension %d of %v", c.node.label(), len(scale.v), len(zero.v), d, shape)
		}
	}
	for i := range data {
		k := at(i)
		data[i] = float32((float64(data[i]) - zero.v[k%len(zero.v)]) * scale.v[k%len(scale.v)])
	}
	return nil
}
