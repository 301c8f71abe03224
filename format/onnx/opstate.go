// Layers that carry a state from call to call: the linear attention and the causal
// convolution of networks such as Mamba, Gated DeltaNet and Qwen3.5, of opset 27
// (https://onnx.ai/onnx/operators/onnx__LinearAttention.html). Like recurrent layers
// they are unrolled.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"LinearAttention": linearAttention, "CausalConvWithState": causalConvolution,
		"com.microsoft.CausalConvWithState": causalConvolution,
		"ai.onnx.preview.FlexAttention":     flexAttention,
	})
	weighty["CausalConvWithState"] = true
}

// linearAttention is attention without a softmax: a state S [keys, values] of each head
// takes up the outer product of each key and value in turn, and a query reads it.
//
//	S = exp(decay) S                   if gated
//	v = beta (v - Sᵀ k)                if delta
//	S = S + k vᵀ
//	o = scale Sᵀ q
func linearAttention(c *call) []val {
	rule := c.text("update_rule", "gated_delta")
	if !slices.Contains([]string{"linear", "gated", "delta", "gated_delta"}, rule) {
		c.fail("update_rule %q: linear, gated, delta and gated_delta are known", rule)
	}
	gated, delta := rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	if gated != c.has(4) {
		c.fail("update_rule %s, and a decay is given: %t", rule, c.has(4))
	}
	if delta != c.has(5) {
		c.fail("update_rule %s, and a beta is given: %t", rule, c.has(5))
	}
	heads := func(i int, attr string) tt {
		if d := c.tensor(i).Dims(); d != 3 {
			c.fail("input %d of %d dimensions, where [samples, length, heads*width] is needed", i, d)
		}
		return c.heads(c.tensor(i), attr)
	}
	q, k, v := heads(0, "q_num_heads"), heads(1, "kv_num_heads"), heads(2, "kv_num_heads")
	n, steps, groups, width, values := k.Dim(0), k.Dim(2), k.Dim(1), k.Dim(3), v.Dim(3)
	if q.Dim(0) != n || v.Dim(0) != n || q.Dim(2) != steps || v.Dim(2) != steps || q.Dim(3) != width || q.Dim(1)%groups != 0 {
		c.fail("queries %v, keys %v, values %v", q.Shape(), k.Shape(), v.Shape())
	}
	scale := c.float("scale", 0)
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(width))
	}
	// gate is input i as [samples, heads, length, one number or one for each element].
	gate := func(i int, most ...int) tt {
		x := c.tensor(i)
		if x.Dims() != 3 || x.Dim(0) != n || x.Dim(1) != steps || !slices.Contains(most, x.Dim(2)) {
			c.fail("input %d of shape %v: [%d, %d, one of %v] is needed", i, x.Shape(), n, steps, most)
		}
		h := min(groups, x.Dim(2))
		return x.Reshape(n, steps, h, x.Dim(2)/h).Transpose(1, 2)
	}
	var decay, beta, state tt
	if gated {
		decay = gate(4, groups, groups*width).Exp()
	}
	if delta {
		beta = gate(5, groups, 1)
	}
	if c.has(3) {
		if state = c.tensor(3); !slices.Equal(state.Shape(), []int{n, groups, width, values}) {
			c.fail("past_state of shape %v, where [%d %d %d %d] is needed", state.Shape(), n, groups, width, values)
		}
	}
	c.unroll(steps * stepCost)
	at := func(x tt, t int) tt { return x.Slice(2, t, t+1) } // [samples, heads, 1, width]
	out := make([]tt, steps)
	for t := range steps {
		key, value := at(k, t).Transpose(2, 3), at(v, t)
		if gated && state != nil {
			state = state.Mul(at(decay, t).Transpose(2, 3))
		}
		if delta {
			if state != nil {
				value = value.Sub(at(k, t).MatMul(state))
			}
			value = value.Mul(at(beta, t))
		}
		if written := key.Mul(value); state == nil {
			state = written
		} else {
			state = state.Add(written)
		}
		// The queries of a group read one state: [samples, groups, heads of each, width].
		asked := at(q, t).Reshape(n, groups, q.Dim(1)/groups, width)
		out[t] = asked.MatMul(state).Reshape(n, 1, q.Dim(1)*values)
	}
	return []val{{t: tensor.Concat(1, out...).MulScalar(scale)}, {t: state}}
}

// causalConvolution convolves each channel of x [samples, channels, length] with a
// kernel of its own that sees the present and what came before: the past state, or
// zeros. The state after it is what the next call needs.
func causalConvolution(c *call) []val {
	x, w := c.tensor(0), c.tensor(1)
	if n := c.int("ndim", 1); n != 1 {
		c.fail("ndim %d: sequences (1) are known", n)
	}
	if x.Dims() != 3 || w.Dims() != 3 || w.Dim(0) != x.Dim(1) || w.Dim(1) != 1 {
		c.fail("input %v and weight %v: [samples, channels, length] and [channels, 1, kernel] are needed", x.Shape(), w.Shape())
	}
	before := w.Dim(2) - 1
	if past := []int{x.Dim(0), x.Dim(1), before}; c.has(3) && !slices.Equal(c.tensor(3).Shape(), past) {
		c.fail("past_state of shape %v, where %v is needed", c.tensor(3).Shape(), past)
	}
	switch {
	case before == 0:
	case c.has(3):
		x = tensor.Concat(2, c.tensor(3), x)
	default:
		x = x.Pad(0, [2]int{}, [2]int{}, [2]int{before, 0})
	}
	y := x.Conv1d(w, c.bias(2), 1, 0, 1, x.Dim(1))
	switch f := c.text("activation", "none"); f {
	case "none":
	case "silu", "swish":
		y = y.Silu()
	default:
		c.fail("activation %q: none, silu and swish are known", f)
	}
	if before == 0 {
		return []val{{t: y}, c.empty(x.Shape(), 2)}
	}
	return []val{{t: y}, {t: x.Slice(2, x.Dim(2)-before, x.Dim(2))}}
}

// flexAttention is attention whose scores and probabilities pass through graphs of
// the node's own (https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html).
func flexAttention(c *call) []val {
	q, k, v := c.tensor(0), c.tensor(1), c.tensor(2)
	if q.Dims() != 4 || k.Dims() != 4 || v.Dims() != 4 || k.Dim(1) < 1 || q.Dim(1)%k.Dim(1) != 0 || k.Dim(1) != v.Dim(1) || q.Dim(3) != k.Dim(3) || k.Dim(2) != v.Dim(2) {
		c.fail("queries %v, keys %v, values %v", q.Shape(), k.Shape(), v.Shape())
	}
	n, heads, groups := q.Dim(0), q.Dim(1), k.Dim(1)
	shared := func(x tt) tt {
		s := x.Shape()
		return x.Unsqueeze(2).Expand(n, groups, heads/groups, s[2], s[3]).Reshape(n, heads, s[2], s[3])
	}
	through := func(x tt, name string) tt {
		if c.attr(name) == nil {
			return x
		}
		y := c.run1(c.body(name), val{t: x})
		if len(y) != 1 || !slices.Equal(y[0].shape(), x.Shape()) {
			c.fail("%s has not one result of the scores' shape %v", name, x.Shape())
		}
		return y[0].tensor()
	}
	scale := c.float("scale", 0)
	if c.attr("scale") == nil {
		scale = 1 / math.Sqrt(float64(q.Dim(3)))
	}
	p := through(q.MatMul(shared(k).Transpose(2, 3)).MulScalar(scale), "score_mod")
	p = through(p, "mask_mod").Softmax(-1)
	return one1(through(p, "prob_mod").MatMul(shared(v)))
}
