// Normalisation.

package onnx

import (
	"slices"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// from lists the dimensions a to b.
func from(a, b int) []int {
	var l []int
	for d := a; d < b; d++ {
		l = append(l, d)
	}
	return l
}

// perChannel shapes v [C] so that it broadcasts along dimension 1 of x.
func (c *call) perChannel(v, x tt) tt {
	if v.Dims() != 1 || v.Dim(0) != x.Dim(1) && v.Dim(0) != 1 {
		c.fail("%v for the channels of %v", v.Shape(), x.Shape())
	}
	shape := slices.Repeat([]int{1}, x.Dims())
	shape[1] = v.Dim(0)
	return v.Reshape(shape...)
}

func batchNormalization(c *call) []val {
	x := c.tensor(0)
	if x.Dims() < 2 {
		c.fail("input %v has no channels", x.Shape())
	}
	if c.int("spatial", 1) == 0 && c.tensor(1).Dims() != 1 {
		c.fail("statistics for each element (spatial 0) are not supported")
	}
	if c.int("training_mode", 0) != 0 { // as standardised weights are written: no statistics are kept
		dims := slices.Concat([]int{0}, from(2, x.Dims()))
		y := c.standardize(x, dims...)
		moved := func(i int, batch tt) val { // what the running statistics become
			old := c.float("momentum", 0.9)
			return val{t: c.tensor(i).MulScalar(old).Add(batch.MulScalar(1 - old))}
		}
		out := one1(y.Mul(c.perChannel(c.tensor(1), x)).Add(c.perChannel(c.tensor(2), x)))
		if len(c.node.Output) > 1 {
			out = append(out, moved(3, x.Mean(dims...)), moved(4, x.Var(0, dims...)))
		}
		return out
	}
	if l := c.net.norms[c.node]; l != nil {
		return one1(l.Forward(x))
	}
	scale := c.tensor(1).Mul(c.tensor(4).AddScalar(c.float("epsilon", 1e-5)).Rsqrt())
	y := x.Sub(c.perChannel(c.tensor(3), x)).Mul(c.perChannel(scale, x))
	return one1(y.Add(c.perChannel(c.tensor(2), x)))
}

// standardize is (x - mean) / sqrt(var + eps) over dims.
func (c *call) standardize(x tt, dims ...int) tt {
	d := x.Sub(x.MeanKeep(dims...))
	return d.Mul(d.Square().MeanKeep(dims...).AddScalar(c.float("epsilon", 1e-5)).Rsqrt())
}

func instanceNormalization(c *call) []val {
	x := c.tensor(0)
	if x.Dims() < 3 {
		c.fail("input %v", x.Shape())
	}
	y := c.standardize(x, from(2, x.Dims())...)
	return one1(y.Mul(c.perChannel(c.tensor(1), x)).Add(c.perChannel(c.tensor(2), x)))
}

func groupNormalization(c *call) []val {
	x, groups := c.tensor(0), c.int("num_groups", 0)
	if x.Dims() < 3 || groups < 1 || x.Dim(1)%groups != 0 {
		c.fail("input %v in %d groups", x.Shape(), groups)
	}
	y := c.standardize(x.Reshape(x.Dim(0), groups, -1), 2)
	scale, bias := c.tensor(1), c.tensor(2)
	if scale.Dims() == 1 && scale.Dim(0) == groups && groups != x.Dim(1) { // opset 18: one for each group
		y = y.Mul(scale.Reshape(1, groups, 1)).Add(bias.Reshape(1, groups, 1))
		return one1(y.Reshape(x.Shape()...))
	}
	y = y.Reshape(x.Shape()...)
	return one1(y.Mul(c.perChannel(scale, x)).Add(c.perChannel(bias, x)))
}

func layerNormalization(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	dims := from(d, x.Dims())
	y := c.standardize(x, dims...).Mul(c.tensor(1))
	if b := c.bias(2); b != nil {
		y = y.Add(b)
	}
	out := one1(y)
	if len(c.node.Output) > 1 { // Mean and InvStdDev
		mean := x.MeanKeep(dims...)
		spread := x.Sub(mean).Square().MeanKeep(dims...)
		out = append(out, val{t: mean}, val{t: spread.AddScalar(c.float("epsilon", 1e-5)).Rsqrt()})
	}
	return out
}

func rmsNormalization(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	mean := x.Square().MeanKeep(from(d, x.Dims())...)
	return one1(x.Mul(mean.AddScalar(c.float("epsilon", 1e-5)).Rsqrt()).Mul(c.tensor(1)))
}

// lrn divides by the squares of neighbouring channels (Krizhevsky et al., 2012).
func lrn(c *call) []val {
	x, size := c.tensor(0), c.int("size", 0)
	if x.Dims() < 3 || size < 1 || size > 2*x.Dim(1)+1 {
		c.fail("size %d for input %v", size, x.Shape())
	}
	pads := make([][2]int, x.Dims())
	pads[1] = [2]int{(size - 1) / 2, size - 1 - (size-1)/2}
	square := x.Square().Pad(0, pads...)
	sum := square.Slice(1, 0, x.Dim(1))
	for i := 1; i < size; i++ {
		sum = sum.Add(square.Slice(1, i, i+x.Dim(1)))
	}
	scale := sum.MulScalar(c.float("alpha", 1e-4) / float64(size)).AddScalar(c.float("bias", 1))
	return one1(x.Div(scale.PowScalar(c.float("beta", 0.75))))
}

func lpNormalization(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	norm := x.Square().SumKeep(d)
	if c.int("p", 2) == 1 {
		norm = x.Abs().SumKeep(d)
	}
	norm = tensor.Where(norm.Eq(tensor.Scalar(0)), tensor.Scalar(1), norm) // zeros stay zeros
	if c.int("p", 2) != 1 {
		norm = norm.Sqrt()
	}
	return one1(x.Div(norm))
}

var _ nn.Module = (*Network)(nil)
