package conformance

import (
	"math"

	"github.com/weft-ml/weft/tensor"
)

func init() { register(convolutions, pools) }

// pair reads a number or a pair of numbers for height and width.
func (a *args) pair(name string, otherwise int) [2]int {
	if v := a.Ints(name); len(v) == 2 {
		return [2]int{v[0], v[1]}
	}
	n := a.Int(name, otherwise)
	if v := a.Ints(name); len(v) == 1 {
		n = v[0]
	}
	return [2]int{n, n}
}

func (a *args) conv() tensor.ConvOptions {
	return tensor.ConvOptions{Stride: a.pair("stride", 1), Padding: a.pair("padding", 0),
		Dilation: a.pair("dilation", 1), Groups: a.Int("groups", 1)}
}

var convolutions = map[string]operator{
	"conv2d": one(layered, func(a *args) *tensor.Tensor { return a.x().Conv2d(a.in["w"], a.in["b"], a.conv()) }),
	"conv1d": one(layered, func(a *args) *tensor.Tensor {
		o := a.conv()
		return a.x().Conv1d(a.in["w"], a.in["b"], o.Stride[0], o.Padding[0], o.Dilation[0], o.Groups)
	}),
	"conv_transpose2d": one(layered, func(a *args) *tensor.Tensor {
		return a.x().ConvTranspose2d(a.in["w"], a.in["b"], a.conv(), a.pair("output_padding", 0))
	}),
	"scaled_dot_product_attention": one(layered, func(a *args) *tensor.Tensor {
		q, k, v := a.in["q"], a.in["k"], a.in["v"]
		return attention(q, k, v, a.Float("scale", 1/math.Sqrt(float64(q.Dim(-1)))), a.Bool("is_causal", false))
	}),
}

func (a *args) pool() tensor.Pool2dOptions {
	return tensor.Pool2dOptions{Kernel: a.pair("kernel", 1), Stride: a.pair("stride", 0), Padding: a.pair("padding", 0),
		ExcludePadding: !a.Bool("count_include_pad", true)}
}

var pools = map[string]operator{
	"max_pool2d": one(summed, func(a *args) *tensor.Tensor { return a.x().MaxPool2d(a.pool()) }),
	"avg_pool2d": one(summed, func(a *args) *tensor.Tensor { return a.x().AvgPool2d(a.pool()) }),
	"adaptive_avg_pool2d": one(summed, func(a *args) *tensor.Tensor {
		out := a.pair("output", 1)
		return a.x().AdaptiveAvgPool2d(out[0], out[1])
	}),
}
