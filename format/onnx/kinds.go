// Element types. A graph has Float32, Int32 and Bool; a file has sixteen types, and
// what becomes of a sum that leaves its type depends on which it is. So each value
// remembers the type that the file gives it.

package onnx

import (
	"github.com/weft-ml/weft/tensor"
)

// elem is the type that v has in the file; 0 is an integer of which that is not known.
func (v val) elem() elem {
	switch {
	case v.kind != 0:
		return v.kind
	case v.h != nil:
		return v.h.kind
	case v.t == nil:
		return 0
	}
	switch v.t.DType().Compute() {
	case tensor.Float32:
		return elemFloat
	case tensor.Bool:
		return elemBool
	}
	return 0
}

// kind is the type of input i.
func (c *call) kind(i int) elem {
	if i >= len(c.in) {
		return 0
	}
	return c.in[i].elem()
}

// longResults are the operators whose result of that number counts or points.
var longResults = map[string]int{
	"Shape": 0, "Size": 0, "ArgMax": 0, "ArgMin": 0, "NonZero": 0, "NonMaxSuppression": 0, "TopK": 1, "MaxPool": 1,
}

// resultKind is the type of integers that are result i: that of the first input
// unless the operator has another rule.
func (c *call) resultKind(i int) elem {
	op := c.node.kind()
	if r, ok := longResults[op]; ok && r == i {
		return elemInt64
	}
	switch op {
	case "Cast":
		return elem(c.int("to", 0))
	case "CastLike", "Where":
		return c.kind(1)
	case "OneHot":
		return c.kind(2)
	case "MatMulInteger", "ConvInteger":
		return elemInt32
	case "QuantizeLinear":
		if k := elem(c.int("output_dtype", 0)); k != 0 {
			return k
		} else if c.has(2) {
			return c.kind(2)
		}
		return elemUint8
	case "DynamicQuantizeLinear":
		return elemUint8
	}
	if k, ok := quantizedResults[op]; ok {
		return c.kind(k)
	}
	switch k := c.kind(0); k {
	case elemBool, elemString:
		return 0
	default:
		if isFloat(k) {
			return 0
		}
		return k
	}
}

// typed notes the types of results that are integers.
func (c *call) typed(out []val) []val {
	for i, v := range out {
		if v.kind == 0 && v.t != nil && v.t.DType().Compute() == tensor.Int32 {
			out[i].kind = c.resultKind(i)
		}
	}
	return out
}
