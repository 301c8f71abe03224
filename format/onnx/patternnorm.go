// Normalisation layers are the longest patterns: a dozen operations of the graph
// are one operator, and a batch norm in evaluation can become part of the
// convolution before it.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// norm is what batchNorm finds.
type norm struct {
	x, scale, bias, mean, variance *ir.Node // scale and bias nil for none
	eps                            float64
}

// matchNorm recognises (x - mean) * (rsqrt(var + eps) * weight) + bias with a
// number for each channel.
func matchNorm(n *ir.Node) (m norm, ok bool) {
	if n.Op == ir.OpAdd {
		if m.bias, ok = along(n.In[1], 1); !ok {
			return m, false
		}
		n = n.In[0]
	}
	if n.Op != ir.OpMul || n.In[0].Op != ir.OpSub {
		return m, false
	}
	m.x = n.In[0].In[0]
	scale, ok := along(n.In[1], 1)
	if !ok {
		return m, false
	}
	if m.mean, ok = along(n.In[0].In[1], 1); !ok {
		return m, false
	}
	if scale.Op == ir.OpMul {
		m.scale, scale = scale.In[1], scale.In[0]
		if scale.Op != ir.OpRsqrt {
			m.scale, scale = scale, m.scale
		}
	}
	if scale.Op != ir.OpRsqrt || scale.In[0].Op != ir.OpAdd || scale.In[0].In[1].Op != ir.OpConst {
		return m, false
	}
	m.variance, m.eps = scale.In[0].In[0], scale.In[0].In[1].Value
	return m, true
}

// batchNorm is a batch norm in evaluation, by itself or folded into the
// convolution before it.
func (e *emitter) batchNorm(n *ir.Node) (value, bool) {
	m, ok := matchNorm(n)
	if !ok {
		return value{}, false
	}
	if e.o.FoldBatchNorm {
		if v, ok := e.foldNorm(m); ok {
			return v, true
		}
	}
	defer e.naming(m.mean)()
	channels := m.mean.Shape[0]
	filled := func(x *ir.Node, v float32, name string) string {
		if x != nil {
			return e.full(x)
		}
		if e.at != "" {
			name = e.at + "." + name
		}
		name = e.fresh(name)
		e.leafData(name, slices.Repeat([]float32{v}, channels), []int{channels})
		return name
	}
	in := []string{e.full(m.x), filled(m.scale, 1, "weight"), filled(m.bias, 0, "bias"), e.full(m.mean), e.full(m.variance)}
	return value{e.node("BatchNormalization", in, float("epsilon", m.eps)), e.t.shape[n]}, true
}

// foldNorm writes the convolution that does what a convolution and a batch norm
// after it do.
func (e *emitter) foldNorm(m norm) (value, bool) {
	conv, bias := m.x, (*ir.Node)(nil)
	if e.uses[conv] != 1 {
		return value{}, false
	}
	if conv.Op == ir.OpAdd && conv.In[0].Op == ir.OpConv && e.uses[conv.In[0]] == 1 {
		b, ok := along(conv.In[1], 1)
		if !ok {
			return value{}, false
		}
		conv, bias = conv.In[0], b
	}
	if conv.Op != ir.OpConv {
		return value{}, false
	}
	good := true
	read := func(n *ir.Node, fill float32) []float32 {
		if n == nil {
			return slices.Repeat([]float32{fill}, conv.Shape[1])
		}
		if n.Op != ir.OpLeaf || n.Leaf.Kind == ir.Input {
			good = false
			return nil
		}
		v, err := tensor.FromNode(n).Read()
		good = good && err == nil
		return v
	}
	w, b := read(conv.In[1], 0), read(bias, 0)
	scale, shift, mean, variance := read(m.scale, 1), read(m.bias, 0), read(m.mean, 0), read(m.variance, 1)
	if !good {
		return value{}, false
	}
	w, b = slices.Clone(w), slices.Clone(b)
	each := len(w) / len(b)
	for o := range b {
		s := float64(scale[o]) / math.Sqrt(float64(variance[o])+m.eps)
		for i := range each {
			w[o*each+i] = float32(float64(w[o*each+i]) * s)
		}
		b[o] = float32((float64(b[o])-float64(mean[o]))*s + float64(shift[o]))
	}
	weight := e.leaves[conv.In[1].Leaf]
	if weight == "" {
		weight = "folded"
	}
	initial := func(name string, data []float32, shape ...int) string {
		name = e.fresh(name)
		e.leafData(name, data, shape)
		return name
	}
	return e.conv(conv, initial(weight+".folded", w, conv.In[1].Shape...), initial(weight+".bias", b, len(b))), true
}

// layerNorm is d rsqrt(mean(d^2) + eps) weight + bias for d = x - mean(x).
func (e *emitter) layerNorm(n *ir.Node) (value, bool) {
	scaled := n.In[0]
	if scaled.Op != ir.OpMul || scaled.In[0].Op != ir.OpMul {
		return value{}, false
	}
	bias, ok1 := along(n.In[1], -1)
	weight, ok2 := along(scaled.In[1], -1)
	d, root := scaled.In[0].In[0], unexpand(scaled.In[0].In[1])
	if !ok1 || !ok2 || d.Op != ir.OpSub || root.Op != ir.OpRsqrt || root.In[0].Op != ir.OpAdd || root.In[0].In[1].Op != ir.OpConst {
		return value{}, false
	}
	axis := len(n.Shape) - 1
	average := func(m *ir.Node) (*ir.Node, bool) { // of what, along the last dimension
		if m.Op != ir.OpMul || m.In[0].Op != ir.OpSum || !slices.Equal(m.In[0].Axes, []int{axis}) || !isConst(m.In[1], 1/count(m.In[0])) {
			return nil, false
		}
		return m.In[0].In[0], true
	}
	square, ok1 := average(root.In[0].In[0])
	x, ok2 := average(unexpand(d.In[1]))
	if !ok1 || !ok2 || x != d.In[0] || square.Op != ir.OpMul || square.In[0] != d || square.In[1] != d {
		return value{}, false
	}
	defer e.naming(weight)()
	in := []string{e.full(x), e.full(weight), e.full(bias)}
	return value{e.node("LayerNormalization", in, integer("axis", -1), float("epsilon", root.In[0].In[1].Value)), e.t.shape[n]}, true
}
