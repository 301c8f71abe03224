// Element types. A graph has floats and integers of 32 bits and booleans; what the
// file calls them decides about few operators: where a quantised number saturates,
// how many bits there are to shift. For those the type is followed back through the
// model to where it is written.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/tensor"
)

// keepsKind are operators whose result has the element type of their first input.
var keepsKind = []string{
	"Identity", "Reshape", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Flatten", "Gather", "GatherElements", "GatherND", "Expand", "Tile", "Concat", "Split",
	"Pad", "Relu", "Clip", "Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Max", "Min", "MaxPool", "Dropout", "Compress", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
	"BitwiseNot", "BitShift", "Trilu", "ReduceMax", "ReduceMin", "DepthToSpace", "SpaceToDepth", "Resize", "CenterCropPad", "ReverseSequence",
}

// kind is the element type of input i, 0 if the model does not tell.
func (c *call) kind(i int) elem {
	if v := c.in[i]; v.h != nil {
		return v.h.kind
	}
	name := c.node.Input[i]
	for range len(c.net.order) + 1 {
		for _, v := range c.net.model.proto.Graph.Input {
			if v.Name == name && v.Type != nil && v.Type.Tensor != nil {
				return elem(v.Type.Tensor.Elem)
			}
		}
		if v, ok := c.net.values[name]; ok {
			if v.h != nil {
				return v.h.kind
			}
			return elemFloat
		}
		at := slices.IndexFunc(c.net.order, func(n *nodeProto) bool { return slices.Contains(n.Output, name) })
		if at < 0 {
			return 0
		}
		from := &call{net: c.net, node: c.net.order[at]}
		switch op := from.node.OpType; {
		case op == "Cast":
			return from.castTo()
		case op == "QuantizeLinear" && from.int("output_dtype", 0) != 0:
			return elem(from.int("output_dtype", 0))
		case op == "QuantizeLinear" && len(from.node.Input) == 3 && from.node.Input[2] != "":
			name = from.node.Input[2]
		case op == "QuantizeLinear" || op == "DynamicQuantizeLinear":
			return elemUint8
		case (op == "CastLike" || op == "Where") && len(from.node.Input) > 1:
			name = from.node.Input[1]
		case slices.Contains(keepsKind, op) && len(from.node.Input) > 0:
			name = from.node.Input[0]
		default:
			return 0
		}
	}
	return 0
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

// toKind converts x to kind. Fewer bits wrap, because they are wider in memory.
func toKind(x tt, kind elem) tt {
	if bits, signed := narrow(kind); bits > 0 {
		x = x.To(tensor.Int32).Mod(integerOf(1 << bits))
		if signed {
			x = tensor.Where(x.Ge(integerOf(1<<(bits-1))), x.Sub(integerOf(1<<bits)), x)
		}
	}
	return x.To(dtype(kind))
}
