package conformance

import (
	"fmt"
	"math"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func init() { register(layers, resampling) }

// variable makes a variable of an input's values, for what a layer assigns.
func (a *args) variable(name string, otherwise float32, n int) *tensor.Tensor {
	v := make([]float32, n)
	for i := range v {
		v[i] = otherwise
	}
	if h, ok := a.host[name]; ok {
		v = h.Floats()
	}
	return tensor.NewVariable(name, v, n)
}

// param is an input, or a constant where a layer has no such parameter.
func (a *args) param(name string, otherwise float64, shape ...int) *tensor.Tensor {
	if p := a.in[name]; p != nil {
		return p
	}
	return tensor.Full(otherwise, shape...)
}

var layers = map[string]operator{
	"batch_norm": {layered, func(a *args) map[string]*tensor.Tensor {
		c := a.x().Dim(1)
		n := nn.NewBatchNorm(c, nn.BatchNormOptions{NoAffine: true, Momentum: a.Float("momentum", 0.1), Eps: a.Float("eps", 1e-5),
			Cumulative: a.Attrs["momentum"] == nil})
		if _, given := a.Attrs["momentum"]; !given {
			n.Cumulative = false
		}
		n.Weight, n.Bias = a.in["w"], a.in["b"]
		n.RunningMean, n.RunningVar = a.variable("rm", 0, c), a.variable("rv", 1, c)
		a.state = map[string]*tensor.Tensor{"running_mean": n.RunningMean, "running_var": n.RunningVar}
		return map[string]*tensor.Tensor{"out": n.Forward(a.x())}
	}},
	"layer_norm": one(layered, func(a *args) *tensor.Tensor {
		shape := a.Ints("normalized_shape")
		if shape == nil {
			shape = []int{a.x().Dim(-1)}
			if w := a.in["w"]; w != nil {
				shape = w.Shape()
			}
		}
		n := nn.LayerNorm{Weight: a.param("w", 1, shape...), Bias: a.in["b"], Eps: a.Float("eps", 1e-5)}
		return n.Forward(a.x())
	}),
	"rms_norm": one(layered, func(a *args) *tensor.Tensor {
		n := nn.RMSNorm{Weight: a.param("w", 1, a.x().Dim(-1)), Eps: a.Float("eps", 1e-6)}
		return n.Forward(a.x())
	}),
	"group_norm": one(layered, func(a *args) *tensor.Tensor {
		n := nn.GroupNorm{Weight: a.param("w", 1, a.x().Dim(1)), Bias: a.in["b"],
			Groups: a.Int("groups", a.Int("num_groups", 1)), Eps: a.Float("eps", 1e-5)}
		return n.Forward(a.x())
	}),
	"squeeze_excite": one(layered, func(a *args) *tensor.Tensor {
		s := nn.SqueezeExcite{FC1: &nn.Conv2d{Weight: a.in["w1"], Bias: a.in["b1"]}, FC2: &nn.Conv2d{Weight: a.in["w2"], Bias: a.in["b2"]}}
		if a.String("activation", "silu") == "silu" {
			s.Activation = nn.SiLU{}
		}
		return s.Forward(a.x())
	}),
	"swiglu": one(layered, func(a *args) *tensor.Tensor {
		return a.x().Linear(a.in["w1"], nil).Silu().Mul(a.x().Linear(a.in["w3"], nil)).Linear(a.in["w2"], nil)
	}),
	"rope": one(layered, rope),
	"multi_head_attention": one(layered, func(a *args) *tensor.Tensor {
		x := a.x()
		b, t, e := x.Dim(0), x.Dim(1), x.Dim(2)
		heads := a.Int("num_heads", 1)
		var qkv [3]*tensor.Tensor
		for i, p := range x.Linear(a.in["in_proj_weight"], a.in["in_proj_bias"]).Split(2, e, e, e) {
			qkv[i] = p.Reshape(b, t, heads, e/heads).Transpose(1, 2)
		}
		y := attention(qkv[0], qkv[1], qkv[2], 1/math.Sqrt(float64(e/heads)), a.Bool("causal", false))
		return y.Transpose(1, 2).Reshape(b, t, e).Linear(a.in["out_proj.weight"], a.in["out_proj.bias"])
	}),
	"lstm": recurrent(4, func(x, h *tensor.Tensor, s []*tensor.Tensor) []*tensor.Tensor {
		n := s[0].Dim(-1)
		g := x.Add(h).Split(-1, n, n, n, n)
		c := g[1].Sigmoid().Mul(s[1]).Add(g[0].Sigmoid().Mul(g[2].Tanh()))
		return []*tensor.Tensor{g[3].Sigmoid().Mul(c.Tanh()), c}
	}),
	"gru": recurrent(3, func(x, h *tensor.Tensor, s []*tensor.Tensor) []*tensor.Tensor {
		n := s[0].Dim(-1)
		xs, hs := x.Split(-1, n, n, n), h.Split(-1, n, n, n)
		reset, keep := xs[0].Add(hs[0]).Sigmoid(), xs[1].Add(hs[1]).Sigmoid()
		next := xs[2].Add(reset.Mul(hs[2])).Tanh()
		return []*tensor.Tensor{next.Add(keep.Mul(s[0].Sub(next)))}
	}),
	"rnn": recurrent(1, func(x, h *tensor.Tensor, _ []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{x.Add(h).Tanh()}
	}),
}

// attention is softmax(q k^T scale) v over the last two dimensions.
func attention(q, k, v *tensor.Tensor, scale float64, causal bool) *tensor.Tensor {
	scores := q.MatMul(k.Transpose(-1, -2)).MulScalar(scale)
	if causal {
		past := tensor.Full(1, scores.Dim(-2), scores.Dim(-1)).Tril(0)
		scores = tensor.Where(past.EqScalar(1), scores, tensor.Scalar(-1e30))
	}
	return scores.Softmax(-1).MatMul(v)
}

// rope turns pairs of elements by angles that grow with the position (Su et
// al., "RoFormer", 2021): element i with element i + d/2 or, interleaved, even
// ones with their neighbours.
func rope(a *args) *tensor.Tensor {
	x := a.x()
	t, half := x.Dim(-2), x.Dim(-1)/2
	cos, sin := make([]float32, t*half), make([]float32, t*half)
	for p := range t {
		for i := range half {
			angle := float64(p) * math.Pow(a.Float("base", 10000), -float64(i)/float64(half))
			cos[p*half+i], sin[p*half+i] = float32(math.Cos(angle)), float32(math.Sin(angle))
		}
	}
	c, s := tensor.New(cos, t, half), tensor.New(sin, t, half)
	if a.String("convention", "rotate_half") == "interleaved" {
		u, v := x.SliceStep(-1, 0, 2*half, 2), x.SliceStep(-1, 1, 2*half, 2)
		return tensor.Stack(-1, u.Mul(c).Sub(v.Mul(s)), v.Mul(c).Add(u.Mul(s))).Reshape(x.Shape()...)
	}
	u, v := x.Slice(-1, 0, half), x.Slice(-1, half, 2*half)
	return tensor.Concat(-1, u.Mul(c).Sub(v.Mul(s)), v.Mul(c).Add(u.Mul(s)))
}

// cell is one step of a recurrent layer: x and h are the products of input and
// state with their weights, s the states, of which the first is the output.
type cell func(x, h *tensor.Tensor, s []*tensor.Tensor) []*tensor.Tensor

// recurrent unrolls a cell over all steps, layers and directions, with
// torch's names of weights.
func recurrent(gates int, f cell) operator {
	return operator{layered, func(a *args) map[string]*tensor.Tensor {
		x := a.x()
		if !a.Bool("batch_first", false) {
			x = x.Transpose(0, 1)
		}
		batch, steps := x.Dim(0), x.Dim(1)
		directions, states := 1, 1
		if a.Bool("bidirectional", false) {
			directions = 2
		}
		if gates == 4 {
			states = 2
		}
		finals := make([][]*tensor.Tensor, states)
		for layer := range max(1, a.Int("layers", 1)) {
			var sides []*tensor.Tensor
			for d := range directions {
				suffix := fmt.Sprintf("_l%d", layer)
				if d == 1 {
					suffix += "_reverse"
				}
				hidden := a.in["weight_hh"+suffix].Dim(1)
				s := make([]*tensor.Tensor, states)
				for i := range s {
					s[i] = tensor.Zeros(batch, hidden)
					if begin := a.in[[]string{"h0", "c0"}[i]]; begin != nil {
						at := layer*directions + d
						s[i] = begin.Slice(0, at, at+1).Squeeze(0)
					}
				}
				in := x.Linear(a.in["weight_ih"+suffix], a.in["bias_ih"+suffix])
				out := make([]*tensor.Tensor, steps)
				for i := range steps {
					at := i
					if d == 1 {
						at = steps - 1 - i
					}
					h := s[0].Linear(a.in["weight_hh"+suffix], a.in["bias_hh"+suffix])
					s = f(in.Slice(1, at, at+1).Squeeze(1), h, s)
					out[at] = s[0]
				}
				for i := range s {
					finals[i] = append(finals[i], s[i])
				}
				sides = append(sides, tensor.Stack(1, out...))
			}
			x = tensor.Concat(-1, sides...)
		}
		if !a.Bool("batch_first", false) {
			x = x.Transpose(0, 1)
		}
		res := map[string]*tensor.Tensor{"out": x, "h": tensor.Stack(0, finals[0]...)}
		if states == 2 {
			res["c"] = tensor.Stack(0, finals[1]...)
		}
		return res
	}}
}

var resampling = map[string]operator{
	"interpolate": one(layered, func(a *args) *tensor.Tensor {
		x, size := a.x(), a.Ints("size")
		if len(size) == 0 {
			scale, _ := a.Attrs["scale_factor"].([]any)
			for d := range 2 {
				s := a.Float("scale_factor", 1)
				if d < len(scale) {
					s, _ = scale[d].(float64)
				}
				size = append(size, int(float64(x.Dim(2+d))*s))
			}
		}
		return x.Interpolate(size[0], size[len(size)-1], tensor.InterpolateOptions{
			Nearest: a.String("mode", "nearest") == "nearest", AlignCorners: a.Bool("align_corners", false)})
	}),
	"affine_grid": one(layered, func(a *args) *tensor.Tensor {
		size := a.Ints("size")
		return tensor.AffineGrid(a.in["theta"], size[2], size[3], a.Bool("align_corners", false))
	}),
	"grid_sample": one(layered, func(a *args) *tensor.Tensor {
		return a.x().GridSample(a.in["grid"], tensor.SampleOptions{Nearest: a.String("mode", "bilinear") == "nearest",
			Border: a.String("padding_mode", "zeros") == "border", AlignCorners: a.Bool("align_corners", false)})
	}),
}
