// Element types. A graph has Float32, Int32 and Bool; a file has sixteen types, and
// what becomes of a sum that leaves its type depends on which it is. So each value
// remembers the type that the file gives it.

package onnx

import (
	"math"

	"github.com/weft-ml/weft/format/safetensors"
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
		return c.castTo()
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

// castTo is the type that a Cast names; by its name before opset 6.
func (c *call) castTo() elem {
	a := c.attr("to")
	if a == nil {
		c.fail("no type (to)")
	}
	if len(a.S) == 0 {
		return elem(a.I)
	}
	for kind, name := range map[elem]string{
		elemFloat: "FLOAT", elemUint8: "UINT8", elemInt8: "INT8", elemUint16: "UINT16", elemInt16: "INT16", elemInt32: "INT32", elemInt64: "INT64",
		elemBool: "BOOL", elemFloat16: "FLOAT16", elemDouble: "DOUBLE", elemUint32: "UINT32", elemUint64: "UINT64", elemString: "STRING",
	} {
		if name == string(a.S) {
			return kind
		}
	}
	c.fail("to %s", quote(string(a.S)))
	return 0
}

// toBits is v as kind stores it.
func toBits(kind elem, v float64) uint64 {
	switch kind {
	case elemFloat:
		return uint64(math.Float32bits(float32(v)))
	case elemDouble:
		return math.Float64bits(v)
	case elemFloat16:
		return uint64(safetensors.F16Bits(float32(v)))
	case elemBfloat16:
		return uint64(math.Float32bits(float32(v)) >> 16)
	case elemUint64:
		return uint64(v)
	}
	return uint64(int64(v))
}

// fromBits is what kind stores as b.
func fromBits(kind elem, b uint64) float64 {
	switch kind {
	case elemFloat:
		return float64(math.Float32frombits(uint32(b)))
	case elemDouble:
		return math.Float64frombits(b)
	case elemFloat16:
		return float64(safetensors.F16Value(uint16(b)))
	case elemBfloat16:
		return float64(safetensors.BF16Value(uint16(b)))
	case elemInt8:
		return float64(int8(b))
	case elemInt16:
		return float64(int16(b))
	case elemInt32:
		return float64(int32(b))
	case elemInt64:
		return float64(int64(b))
	case elemUint64:
		return float64(b)
	case elemBool:
		return truth(byte(b) != 0)
	}
	return float64(b & (1<<(8*elemSize[kind]) - 1))
}

// toKind converts x to kind. Integers of fewer bits wrap, because they are wider in
// memory; what a float has beyond them becomes the nearest that there is, and NaN 0.
func toKind(x tt, kind elem) tt {
	if x.DType().Compute() != tensor.Float32 {
		return wrapped(x, kind).To(dtype(kind))
	}
	if lo, hi, ok := floatRange(kind); ok {
		x = x.Clamp(lo, hi)
	}
	return x.To(dtype(kind))
}

// floatRange are the limits of integers that a float is cast to, where those of the
// type that holds them in memory are others.
func floatRange(kind elem) (lo, hi float64, ok bool) {
	bits, signed := narrow(kind)
	switch {
	case kind == elemUint32 || kind == elemUint64:
		return 0, math.Inf(1), true
	case bits == 0:
		return 0, 0, false
	case signed:
		return -float64(int(1) << (bits - 1)), float64(int(1)<<(bits-1)) - 1, true
	}
	return 0, float64(int(1)<<bits) - 1, true
}
