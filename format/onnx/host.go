// Constants on the host. Exporters spell shapes as arithmetic on tensors: the
// size of an input is taken, multiplied, joined to others and given to Reshape.
// All of it is known when a network is traced, so it is computed there, on
// slices of numbers, and never reaches a device.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// host is a constant. Its numbers are float64, which holds every integer that
// shapes are made of.
type host struct {
	kind  elem
	shape []int
	v     []float64
}

// maxHost is how many elements a constant may have: position tables and masks
// of long sequences, not more. maxHostTotal is for all of a network.
const (
	maxHost      = 1 << 24
	maxHostTotal = 1 << 27
)

func hostInts(v ...int) *host {
	h := &host{elemInt64, []int{len(v)}, make([]float64, len(v))}
	for i, n := range v {
		h.v[i] = float64(n)
	}
	return h
}

// hostOf is the contents of a tensor of the file.
func hostOf(t *tensorProto) (*host, error) {
	n, err := t.check()
	if err != nil {
		return nil, err
	}
	if n > maxHost {
		return nil, invalid("the constant %s has %d elements", quote(t.Name), n)
	}
	h := &host{elem(t.DataType), t.shape(), make([]float64, n)}
	return h, t.each(func(i int, v float64) { h.v[i] = v })
}

// isFloat reports whether elements of kind are not integers.
func isFloat(kind elem) bool {
	return kind == elemFloat || kind == elemDouble || kind == elemFloat16 || kind == elemBfloat16
}

// dtype is the element type that kind has in a graph: all floats are Float32,
// all integers Int32.
func dtype(kind elem) tensor.DType {
	switch {
	case isFloat(kind):
		return tensor.Float32
	case kind == elemBool:
		return tensor.Bool
	}
	return tensor.Int32
}

// narrow is how many bits integers of kind have, if those are fewer than they
// have in a graph, and whether one of them is the sign; else 0.
func narrow(kind elem) (bits int, signed bool) {
	switch kind {
	case elemInt8, elemUint8:
		return 8, kind == elemInt8
	case elemInt16, elemUint16:
		return 16, kind == elemInt16
	}
	return 0, false
}

// narrowed is v as an element of kind. Few bits wrap; 32 and 64 do not, because
// what lies beyond them is a way of saying "to the end".
func narrowed(kind elem, v float64) float64 {
	switch {
	case kind == elemBool:
		return truth(v != 0)
	case kind == elemFloat:
		return float64(float32(v))
	case isFloat(kind):
		return v
	case v != v:
		return 0
	}
	v = math.Trunc(v)
	if bits, signed := narrow(kind); bits > 0 {
		n := float64(int(1) << bits)
		if v = math.Mod(math.Mod(v, n)+n, n); signed && v >= n/2 {
			v -= n
		}
	}
	return v
}

// tensor is h as part of a graph.
func (h *host) tensor() *tensor.Tensor {
	dt := dtype(h.kind)
	if len(h.v) == 0 {
		panic(ir.NewError("onnx", "a tensor of shape %v has no elements", h.shape))
	}
	same := true
	for _, v := range h.v[1:] {
		same = same && v == h.v[0]
	}
	if same {
		return tensor.FromNode(ir.Const(dt, saturated(dt, h.v[0]), h.shape...))
	}
	shape := h.shape
	if dt == tensor.Float32 {
		data := make([]float32, len(h.v))
		for i, v := range h.v {
			data[i] = float32(v)
		}
		return tensor.New(data, shape...)
	}
	data := make([]int32, len(h.v))
	for i, v := range h.v {
		data[i] = int32(saturated(tensor.Int32, v))
	}
	return tensor.FromInts(data, shape...).To(dt)
}

// saturated is v within the range of dt: INT64_MAX means "as far as it goes".
func saturated(dt tensor.DType, v float64) float64 {
	if dt == tensor.Int32 {
		return max(math.MinInt32, min(math.MaxInt32, v))
	}
	return v
}

// stretchShape is the shape that arrays of the given shapes broadcast to.
func stretchShape(shapes ...[]int) ([]int, bool) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := slices.Repeat([]int{1}, rank)
	total := 1
	for i := range out {
		for _, s := range shapes {
			j := i - rank + len(s)
			if j < 0 || s[j] == 1 {
				continue
			}
			if out[i] != 1 && out[i] != s[j] {
				return nil, false
			}
			out[i] = s[j]
		}
		if out[i] < 0 || out[i] > maxHost {
			return nil, false
		}
		if total *= out[i]; total > maxHost {
			return nil, false
		}
	}
	return out, true
}

// strides are the distances in memory of steps along each dimension.
func strides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// view makes an array of the given shape whose element at each index is h's at
// base plus the index times step.
func (h *host) view(shape []int, base int, step []int) *host {
	out := &host{h.kind, slices.Clone(shape), make([]float64, ir.NumElems(shape))}
	index := make([]int, len(shape))
	at := base
	for i := range out.v {
		out.v[i] = h.v[at]
		for d := len(shape) - 1; d >= 0; d-- {
			index[d]++
			at += step[d]
			if index[d] < shape[d] {
				break
			}
			at -= step[d] * shape[d]
			index[d] = 0
		}
	}
	return out
}

// broadcastTo repeats h.
func (h *host) broadcastTo(shape []int) *host {
	if slices.Equal(h.shape, shape) {
		return h
	}
	step := make([]int, len(shape))
	own := strides(h.shape)
	for i := range h.shape {
		if h.shape[i] != 1 {
			step[len(shape)-len(h.shape)+i] = own[i]
		}
	}
	return h.view(shape, 0, step)
}

// hostUnary and hostBinary are what shape arithmetic consists of. Integer
// division truncates; division by zero is 0, as in graphs.
var hostUnary = map[string]func(float64) float64{
	"Identity": func(a float64) float64 { return a }, "Neg": func(a float64) float64 { return -a }, "Abs": math.Abs, "Floor": math.Floor, "Ceil": math.Ceil,
	"Sqrt": math.Sqrt, "Not": func(a float64) float64 { return truth(a == 0) }, "Reciprocal": func(a float64) float64 { return 1 / a },
}

var hostBinary = map[string]func(a, b float64, whole bool) float64{
	"Add": func(a, b float64, _ bool) float64 { return a + b },
	"Sub": func(a, b float64, _ bool) float64 { return a - b },
	"Mul": func(a, b float64, _ bool) float64 { return a * b },
	"Div": func(a, b float64, whole bool) float64 {
		switch {
		case !whole:
			return a / b
		case b == 0:
			return 0
		}
		return math.Trunc(a / b)
	},
	"Mod": func(a, b float64, whole bool) float64 {
		if whole && b == 0 {
			return 0
		}
		if math.IsInf(b, 0) && !math.IsInf(a, 0) && a == a {
			if a == 0 || (a < 0) == (b < 0) {
				return a
			}
			return b
		}
		return a - b*math.Floor(a/b)
	},
	"Pow": func(a, b float64, _ bool) float64 { return math.Pow(a, b) },
	"Max": func(a, b float64, _ bool) float64 { return math.Max(a, b) },
	"Min": func(a, b float64, _ bool) float64 { return math.Min(a, b) },

	"Equal":          func(a, b float64, _ bool) float64 { return truth(a == b) },
	"Less":           func(a, b float64, _ bool) float64 { return truth(a < b) },
	"LessOrEqual":    func(a, b float64, _ bool) float64 { return truth(a <= b) },
	"Greater":        func(a, b float64, _ bool) float64 { return truth(a > b) },
	"GreaterOrEqual": func(a, b float64, _ bool) float64 { return truth(a >= b) },
	"And":            func(a, b float64, _ bool) float64 { return truth(a != 0 && b != 0) },
	"Or":             func(a, b float64, _ bool) float64 { return truth(a != 0 || b != 0) },
}

// hostFmod is Mod with the sign of a.
func hostFmod(a, b float64, whole bool) float64 {
	if whole && b == 0 {
		return 0
	}
	return math.Mod(a, b)
}

var comparisons = []string{"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or"}

// onHost computes a node whose inputs are all constants of the host, or
// returns nil where that is left to tensors.
func (c *call) onHost() *host {
	in := make([]*host, len(c.in))
	for i, v := range c.in {
		if in[i] = v.h; v.h == nil && v.t != nil {
			return nil
		}
	}
	if len(in) == 0 || in[0] == nil {
		return nil
	}
	x := in[0]
	op := c.node.OpType
	if f, ok := hostUnary[op]; ok {
		out := &host{x.kind, x.shape, make([]float64, len(x.v))}
		for i, v := range x.v {
			out.v[i] = narrowed(x.kind, f(v))
		}
		return out
	}
	if f, ok := hostBinary[op]; ok && len(in) == 2 && in[1] != nil && c.attr("axis") == nil {
		if op == "Mod" && c.int("fmod", 0) != 0 {
			f = hostFmod
		}
		shape, ok := stretchShape(x.shape, in[1].shape)
		if !ok {
			return nil
		}
		a, b := x.broadcastTo(shape), in[1].broadcastTo(shape)
		out := &host{x.kind, shape, make([]float64, len(a.v))}
		if slices.Contains(comparisons, op) {
			out.kind = elemBool
		}
		for i := range out.v {
			out.v[i] = narrowed(out.kind, f(a.v[i], b.v[i], !isFloat(x.kind)))
		}
		return out
	}
	if len(x.v) == 0 && len(in) == 1 && (op == "Exp" || op == "Log") { // no elements, as in sums of nothing
		return x
	}
	switch op {
	case "Cast":
		out := &host{c.castTo(), x.shape, make([]float64, len(x.v))}
		if elemSize[out.kind] == 0 {
			c.fail("to element type %d", out.kind)
		}
		lo, hi, saturates := floatRange(out.kind)
		for i, v := range x.v {
			if saturates && isFloat(x.kind) && v == v {
				v = min(max(v, lo), hi)
			}
			out.v[i] = narrowed(out.kind, v)
		}
		return out
	case "Where":
		if len(in) != 3 || in[1] == nil || in[2] == nil {
			return nil
		}
		shape, ok := stretchShape(x.shape, in[1].shape, in[2].shape)
		if !ok {
			return nil
		}
		cond, a, b := x.broadcastTo(shape), in[1].broadcastTo(shape), in[2].broadcastTo(shape)
		out := &host{a.kind, shape, make([]float64, len(a.v))}
		for i := range out.v {
			if out.v[i] = b.v[i]; cond.v[i] != 0 {
				out.v[i] = a.v[i]
			}
		}
		return out
	case "Concat":
		return c.hostConcat(in)
	case "Gather":
		return c.hostGather(x, in)
	case "Slice":
		return c.hostSlice(x)
	case "Reshape", "Unsqueeze", "Squeeze", "Flatten":
		return &host{x.kind, c.newShape(x.shape), x.v}
	case "Transpose":
		perm := c.perm(len(x.shape))
		shape, step, own := make([]int, len(perm)), make([]int, len(perm)), strides(x.shape)
		for i, p := range perm {
			shape[i], step[i] = x.shape[p], own[p]
		}
		return x.view(shape, 0, step)
	case "Expand":
		if shape, ok := stretchShape(x.shape, c.ints(1)); ok {
			return x.broadcastTo(shape)
		}
	case "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin":
		return c.hostReduce(x)
	}
	return nil
}

func (c *call) hostConcat(in []*host) *host {
	d := c.axis(c.int("axis", 1), len(in[0].shape)) // the default of opset 1
	out := &host{kind: in[0].kind, shape: slices.Clone(in[0].shape)}
	total := 0
	for _, h := range in {
		if h == nil || len(h.shape) != len(out.shape) {
			return nil
		}
		for i, n := range h.shape {
			if i != d && n != out.shape[i] {
				return nil
			}
		}
		total += h.shape[d]
	}
	out.shape[d] = total
	if n := ir.NumElems(out.shape); n > maxHost {
		c.fail("a constant of %d elements", n)
	}
	rows := ir.NumElems(out.shape[:d])
	for r := range rows {
		for _, h := range in {
			n := len(h.v) / max(rows, 1)
			out.v = append(out.v, h.v[r*n:(r+1)*n]...)
		}
	}
	return out
}

func (c *call) hostGather(x *host, in []*host) *host {
	if len(in) != 2 || in[1] == nil {
		return nil
	}
	d := c.axis(c.int("axis", 0), len(x.shape))
	outer, inner := ir.NumElems(x.shape[:d]), ir.NumElems(x.shape[d+1:])
	out := &host{kind: x.kind, shape: slices.Concat(x.shape[:d], in[1].shape, x.shape[d+1:])}
	for o := range outer {
		for _, v := range in[1].v {
			i := int(v)
			if i < 0 {
				i += x.shape[d]
			}
			if i < 0 || i >= x.shape[d] {
				c.fail("index %d of dimension %d of %v", int(v), d, x.shape)
			}
			at := (o*x.shape[d] + i) * inner
			out.v = append(out.v, x.v[at:at+inner]...)
			if len(out.v) > maxHost {
				c.fail("a constant of more than %d elements", maxHost)
			}
		}
	}
	return out
}

func (c *call) hostSlice(x *host) *host {
	cuts := c.cuts(x.shape)
	shape, step, base := slices.Clone(x.shape), strides(x.shape), 0
	for _, k := range cuts {
		base += k.start * step[k.axis]
		step[k.axis] *= k.step
		shape[k.axis] = k.count
	}
	return x.view(shape, base, step)
}

func (c *call) hostReduce(x *host) *host {
	axes, keep := c.reduceAxes(len(x.shape))
	if len(axes) != len(x.shape) || len(x.v) == 0 {
		return nil
	}
	f := map[string]func(a, b float64) float64{
		"ReduceProd": func(a, b float64) float64 { return a * b }, "ReduceSum": func(a, b float64) float64 { return a + b },
		"ReduceMax": math.Max, "ReduceMin": math.Min,
	}[c.node.OpType]
	acc := x.v[0]
	for _, v := range x.v[1:] {
		acc = f(acc, v)
	}
	var shape []int
	if keep {
		shape = slices.Repeat([]int{1}, len(x.shape))
	}
	return &host{x.kind, shape, []float64{acc}}
}
