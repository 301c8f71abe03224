// Operators on the bits of integers. Devices compute with 32 bits and have no such
// operations in every language that kernels are written in, so they are made of
// divisions by powers of two. Types of 64 bits have the range of 32 here.

package onnx

import (
	"math"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"BitwiseAnd": bitwise(func(a, b tt) tt { return a.And(b) }),
		"BitwiseOr":  bitwise(func(a, b tt) tt { return a.Or(b) }),
		"BitwiseXor": bitwise(func(a, b tt) tt { return a.Ne(b) }),
		"BitwiseNot": bitwiseNot, "BitShift": bitShift, "BitCast": bitCast,
	})
}

// bits is how many bits input i has, and whether it may be negative.
func (c *call) bits(i int) (n int, signed bool) {
	if c.tensor(i).DType().Compute() != tensor.Int32 {
		c.fail("input %d holds no integers", i)
	}
	switch kind := c.kind(i); kind {
	case elemUint32, elemUint64:
		return 31, false
	default:
		if n, signed := narrow(kind); n > 0 {
			return n, signed
		}
	}
	return 32, true
}

// bit reports whether bit k of x is set.
func bit(x tt, k int) tt {
	if k == 31 {
		return x.Lt(integerOf(0))
	}
	low := x.Mod(integerOf(1 << k)) // not negative
	if k == 30 {
		return x.Sub(low).Ne(integerOf(0)).And(x.Sub(low).Ne(integerOf(math.MinInt32)))
	}
	return x.Mod(integerOf(1 << (k + 1))).Ne(low)
}

func bitwise(f func(a, b tt) tt) func(*call) []val {
	return func(c *call) []val {
		a, b := c.tensor(0), c.tensor(1)
		n, signed := c.bits(0)
		c.bits(1)
		var y tt
		for k := range n {
			place := 1 << k
			if signed && k == n-1 {
				place = -place
			}
			part := tensor.Where(f(bit(a, k), bit(b, k)), integerOf(place), integerOf(0))
			if y == nil {
				y = part
			} else {
				y = y.Add(part)
			}
		}
		return one1(y)
	}
}

func bitwiseNot(c *call) []val {
	x := c.tensor(0)
	n, signed := c.bits(0)
	if !signed {
		if n == 31 {
			c.fail("the complement of %s does not fit into 32 bits", elemNames[c.kind(0)])
		}
		return one1(integerOf(1<<n - 1).Sub(x))
	}
	return one1(x.Neg().AddScalar(-1))
}

// bitShift multiplies by a power of two or divides by it.
func bitShift(c *call) []val {
	x, by := c.tensor(0), c.tensor(1)
	n, _ := c.bits(0)
	c.bits(1)
	powers := make([]int32, 31)
	for i := range powers {
		powers[i] = 1 << i
	}
	many := by.Ge(integerOf(n))
	power := tensor.FromInts(powers).IndexSelect(0, by.Clamp(0, 30).Reshape(-1)).Reshape(by.Shape()...)
	var y tt
	switch d := c.text("direction", ""); d {
	case "RIGHT":
		y = x.Div(power)
	case "LEFT":
		y = x.Mul(power)
		if n < 31 { // wider in memory
			y = x.Mod(integerOf(1 << n)).Mul(power).Mod(integerOf(1 << n))
		}
	default:
		c.fail("direction %s", quote(d))
	}
	return one1(tensor.Where(many, integerOf(0), y))
}

// bitCast reads the bits of constants as another type.
func bitCast(c *call) []val {
	h, to := c.host(0), elem(c.int("to", 0))
	if elemSize[to] == 0 || elemSize[h.kind] != elemSize[to] {
		c.fail("from %s to element type %d, which is of another size or not known", elemNames[h.kind], to)
	}
	out := &host{to, h.shape, nil}
	for _, v := range h.v {
		out.v = append(out.v, fromBits(to, toBits(h.kind, v)))
	}
	return []val{{h: out}}
}
