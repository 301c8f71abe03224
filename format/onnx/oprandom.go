// Random numbers. In training they are drawn anew in each step, as a layer's are;
// elsewhere a node draws the same each time, from its attribute seed or, without
// one, from its place in the graph: an exported network has no state that could
// change. The generator is Weft's, so no other runtime's numbers are reproduced.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"RandomUniform": drawn(uniformly), "RandomUniformLike": drawn(uniformly),
		"RandomNormal": drawn(normally), "RandomNormalLike": drawn(normally),
		"Bernoulli": bernoulli,
	})
}

func uniformly(c *call, shape []int) tt {
	lo, hi := c.float("low", 0), c.float("high", 1)
	return c.uniform(0, shape).MulScalar(hi - lo).AddScalar(lo)
}

// normally is by Box and Muller ("A Note on the Generation of Random Normal
// Deviates", 1958).
func normally(c *call, shape []int) tt {
	u, v := c.uniform(0, shape), c.uniform(1, shape)
	r := u.Neg().AddScalar(1).Log().MulScalar(-2).Sqrt()
	return r.Mul(v.MulScalar(2 * math.Pi).Cos()).MulScalar(c.float("scale", 1)).AddScalar(c.float("mean", 0))
}

// drawn is of the shape that an attribute or an input has.
func drawn(f func(c *call, shape []int) tt) func(*call) []val {
	return func(c *call) []val {
		shape := c.list("shape")
		if len(c.node.Input) > 0 {
			if !c.has(0) {
				c.fail("input 0 is missing")
			}
			shape = c.in[0].shape()
		}
		if kind := elem(c.int("dtype", int(elemFloat))); !isFloat(kind) {
			c.fail("element type %d is not for random numbers", kind)
		}
		if slices.Contains(shape, 0) {
			c.fail("shape %v", shape)
		}
		c.elements(shape)
		return one1(f(c, shape))
	}
}

func bernoulli(c *call) []val {
	p := c.tensor(0)
	dt := p.DType().Compute()
	if kind := elem(c.int("dtype", 0)); kind != 0 {
		if elemSize[kind] == 0 {
			c.fail("element type %d", kind)
		}
		dt = dtype(kind)
	}
	return one1(c.uniform(0, p.Shape()).Lt(p).To(dt))
}

// uniform draws numbers in [0, 1), the k-th time for this node.
func (c *call) uniform(k int, shape []int) tt {
	for _, v := range c.in {
		if v.t != nil && v.t.Trace().Training() {
			return v.t.Trace().Uniform(shape...)
		}
	}
	seed := uint32(slices.Index(c.net.order, c.node))
	if a := c.attr("seed"); a != nil {
		seed = math.Float32bits(a.F)
	}
	n := c.elements(shape)
	key := ir.Const(ir.I32, float64(int32(seed+uint32(k)*0x9E3779B9)), n)
	return tensor.FromNode(ir.Uniform(ir.Iota(0, n), ir.Const(ir.I32, 0, n), key)).Reshape(shape...)
}
