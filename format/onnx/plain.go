// One operation of the graph as ONNX operators.

package onnx

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// plain writes n by itself.
func (e *emitter) plain(n *ir.Node) value {
	shape := e.t.shape[n]
	switch {
	case n.Op == ir.OpConst && e.t.value[n] != dim{}:
		return value{e.number(e.t.value[n]), nil}
	case e.t.vary[n] != nil:
		return e.varied(e.t.vary[n], shape)
	case n.Op == ir.OpConst && e.t.over[n] != 0:
		return value{e.node("Div", []string{e.scalar(ir.F32, e.t.over[n]), e.node("Cast", []string{e.number(dim{1, 0})}, integer("to", int(elemFloat)))}), nil}
	case n.Op == ir.OpConst:
		return value{e.scalar(n.DType, n.Value), nil}
	case n.Op == ir.OpLeaf || n.Op == ir.OpScalar:
		return e.leaf(n)
	case n.Op == ir.OpIota:
		return e.iota(n)
	case n.Op == ir.OpExpand:
		return e.value(n.In[0])
	}
	if v, ok := e.folded(n); ok {
		return v
	}
	if n.Op.IsElementwise() {
		return e.elementwise(n)
	}
	if n.Op.IsReduce() {
		x := e.value(n.In[0])
		if in := e.t.shape[n.In[0]]; len(x.shape) != len(in) || slices.ContainsFunc(n.Axes, func(a int) bool { return x.shape[a] != in[a] }) {
			x = value{e.full(n.In[0]), in}
		}
		out := slices.Clone(x.shape)
		for _, a := range n.Axes {
			out[a] = one
		}
		op := map[ir.Op]string{ir.OpSum: "ReduceSum", ir.OpMax: "ReduceMax", ir.OpMin: "ReduceMin", ir.OpProd: "ReduceProd"}[n.Op]
		return value{e.node(op, []string{x.name, e.int64s(n.Axes...)}, integer("keepdims", 1)), out}
	}
	switch n.Op {
	case ir.OpReshape:
		return value{e.reshape(e.full(n.In[0]), e.t.shape[n.In[0]], shape), shape}
	case ir.OpPermute:
		x := e.value(n.In[0])
		if len(x.shape) != len(n.Axes) {
			x = value{e.full(n.In[0]), e.t.shape[n.In[0]]}
		}
		out := make([]dim, len(n.Axes))
		for i, a := range n.Axes {
			out[i] = x.shape[a]
		}
		return value{e.node("Transpose", []string{x.name}, ints("perm", n.Axes...)), out}
	case ir.OpSlice:
		return value{e.slice(n), shape}
	case ir.OpPad:
		return value{e.pad(n), shape}
	case ir.OpUnfold: // windows are elements looked up by a table of positions
		size, stride, dilation := n.Step[0], n.Step[1], n.Step[2]
		if shape[n.Axis].a != 0 {
			e.problem("windows along the samples")
			return value{}
		}
		count := n.Shape[n.Axis]
		at := ir.Binary(ir.OpAdd,
			ir.Binary(ir.OpMul, ir.Iota(0, count, size), ir.Const(ir.I32, float64(stride), count, size)),
			ir.Binary(ir.OpMul, ir.Iota(1, count, size), ir.Const(ir.I32, float64(dilation), count, size)))
		e.known[at], e.t.shape[at] = true, []dim{{0, count}, {0, size}}
		table, ok := e.folded(at)
		if !ok {
			e.problem("%d windows of %d elements: too many", count, size)
		}
		return value{e.node("Gather", []string{e.full(n.In[0]), table.name}, integer("axis", n.Axis)), shape}
	case ir.OpGather:
		index := e.clamped(n.In[1], e.full(n.In[1]), e.t.shape[n.In[0]][n.Axis])
		return value{e.node("GatherElements", []string{e.full(n.In[0]), index}, integer("axis", n.Axis)), shape}
	case ir.OpMatMul:
		return e.matmul(n)
	case ir.OpConv:
		return e.conv(n, "", "")
	}
	e.problem("the operation %s has no counterpart", n.Op.Name())
	return value{}
}

// iota is the numbers 0, 1, .. along one dimension, which the others broadcast.
func (e *emitter) iota(n *ir.Node) value {
	count := e.t.shape[n][n.Axis]
	shape := make([]dim, len(n.Shape)-n.Axis)
	for i := range shape {
		shape[i] = one
	}
	shape[0] = count
	if count.a == 0 && count.c <= 1024 {
		t := &tensorProto{DataType: int64(elemInt32)}
		for _, d := range shape {
			t.Dims = append(t.Dims, int64(d.c))
		}
		for i := range count.c {
			t.RawData = binary.LittleEndian.AppendUint32(t.RawData, uint32(i))
		}
		return value{e.constant(t), shape}
	}
	name := e.node("Range", []string{e.scalar(ir.I32, 0), e.number(count), e.scalar(ir.I32, 1)})
	return value{e.reshape(name, []dim{count}, shape), shape}
}

// number is d as an Int32 without dimensions.
func (e *emitter) number(d dim) string {
	if d.a == 0 {
		return e.scalar(ir.I32, float64(d.c))
	}
	return e.node("Cast", []string{e.node("Squeeze", []string{e.size(d)})}, integer("to", int(elemInt32)))
}

// reshape is x in another shape: by -1 where one size is open.
func (e *emitter) reshape(x string, from, to []dim) string {
	if slices.Equal(from, to) {
		return x
	}
	if len(to) == 2 && len(from) > 2 && to[0] == from[0] {
		return e.node("Flatten", []string{x}, integer("axis", 1))
	}
	open, fixed := -1, make([]int, len(to))
	for i, d := range to {
		switch fixed[i] = d.c; {
		case d.a == 0:
		case open < 0:
			open, fixed[i] = i, -1
		default:
			return e.node("Reshape", []string{x, e.sizes(to)})
		}
	}
	return e.node("Reshape", []string{x, e.int64s(fixed...)})
}

func (e *emitter) slice(n *ir.Node) string {
	in, out, start := e.t.shape[n.In[0]], e.t.shape[n], e.t.start[n]
	var from, to []dim
	var axes, steps []int
	for d, step := range n.Step {
		if start[d] == (dim{}) && out[d] == in[d] && step == 1 {
			continue
		}
		last := dim{start[d].a + step*out[d].a, start[d].c + step*out[d].c}
		if step < 0 && last.a == 0 && last.c < 0 { // before the first element: -1 would be the last one
			last = dim{0, math.MinInt32}
		} else if step < 0 && last.a != 0 {
			e.problem("a slice that runs backwards over the samples in part")
		}
		from, to, axes, steps = append(from, start[d]), append(to, last), append(axes, d), append(steps, step)
	}
	return e.node("Slice", []string{e.full(n.In[0]), e.sizes(from), e.sizes(to), e.int64s(axes...), e.int64s(steps...)})
}

func (e *emitter) pad(n *ir.Node) string {
	in, out, start := e.t.shape[n.In[0]], e.t.shape[n], e.t.start[n]
	// All dimensions: ONNX Runtime 1.30 mistakes pads of some of them (axes) for
	// those of all where it moves a Transpose past several paddings that share them.
	var before, after []dim
	for d := range in {
		before, after = append(before, start[d]), append(after, dim{out[d].a - in[d].a - start[d].a, out[d].c - in[d].c - start[d].c})
	}
	x := e.full(n.In[0])
	cast := n.DType == ir.Bool // which readers do not pad
	if cast {
		x = e.node("Cast", []string{x}, integer("to", int(elemInt32)))
	}
	dt := n.DType
	if cast {
		dt = ir.I32
	}
	x = e.node("Pad", []string{x, e.sizes(append(before, after...)), e.scalar(dt, n.Value)})
	if cast {
		x = e.node("Cast", []string{x}, integer("to", int(elemBool)))
	}
	return x
}

// clamped limits an index to 0..size-1, as the graph's gathers do. Constants
// that are inside need nothing.
func (e *emitter) clamped(n *ir.Node, name string, size dim) string {
	if e.known[n] && n.Elems() <= maxFolded && size.a == 0 {
		if data, err := tensor.FromNode(n).ReadInts(); err == nil && slices.Min(data) >= 0 && int(slices.Max(data)) < size.c {
			return name
		}
	}
	for n.Op == ir.OpReshape || n.Op == ir.OpExpand {
		n = n.In[0]
	}
	if v := e.t.vary[n]; v != nil && min(v.lo[0], v.lo[1]) >= 0 && v.hi[0] < float64(size.at(1)) && v.hi[1] < float64(size.at(e.t.samples)) {
		return name
	}
	if n.Op == ir.OpIota && e.t.shape[n][n.Axis] == size {
		return name
	}
	if size.a == 0 {
		if _, lo, hi, ok := e.clamp(n); ok && lo >= 0 && hi < float64(size.c) {
			return name
		}
	}
	return e.node("Clip", []string{name, e.scalar(ir.I32, 0), e.number(dim{size.a, size.c - 1})})
}

func (e *emitter) elementwise(n *ir.Node) value {
	in := make([]value, len(n.In))
	args := make([]string, len(n.In))
	for i, x := range n.In {
		in[i] = e.value(x)
		args[i] = in[i].name
	}
	f := func(op string, in ...string) string { return e.node(op, in) }
	num := func(v float64) string { return e.scalar(ir.F32, v) }
	var name string
	switch n.Op {
	case ir.OpCast:
		name = e.node("Cast", args, integer("to", int(elemOf(n.DType))))
	case ir.OpRsqrt:
		name = f("Reciprocal", f("Sqrt", args[0]))
	case ir.OpNe:
		name = f("Not", f("Equal", args...))
	case ir.OpExpm1: // tanh(x/2) (e^x + 1), exact near 0
		name = f("Mul", f("Tanh", f("Mul", args[0], num(0.5))), f("Add", f("Exp", args[0]), num(1)))
	case ir.OpLog1p: // log(u) x/(u-1) for u = 1 + x (Kahan), which cancels u's rounding
		u := f("Add", args[0], num(1))
		d := f("Sub", u, num(1))
		zero := f("Equal", d, num(0))
		name = f("Where", zero, args[0], f("Mul", f("Log", u), f("Div", args[0], f("Where", zero, num(1), d))))
	case ir.OpMod:
		if n.DType == ir.F32 { // ONNX has the sign of b for integers only
			name = f("Sub", args[0], f("Mul", args[1], f("Floor", f("Div", args[0], args[1]))))
		} else {
			name = f("Mod", args...)
		}
	case ir.OpWhere:
		if n.DType == ir.Bool {
			name = f("Or", f("And", args[0], args[1]), f("And", f("Not", args[0]), args[2]))
		} else {
			name = f("Where", args...)
		}
	default:
		op := ir.Table[n.Op].ONNX
		if op == "" {
			e.problem("the operation %s has no counterpart (random numbers belong to training)", n.Op.Name())
			return value{}
		}
		name = f(op, args...)
	}
	return value{name, broadcast(in...)}
}

// matmul is a product, with Gemm's transpositions for plain matrices.
func (e *emitter) matmul(n *ir.Node) value {
	shape := e.t.shape[n]
	if len(shape) == 2 {
		return value{e.gemm(n, ""), shape}
	}
	matrix := func(x *ir.Node) value {
		v, want := e.value(x), e.t.shape[x]
		if r := len(want); len(v.shape) != r || !slices.Equal(v.shape[r-2:], want[r-2:]) {
			v = value{e.full(x), want}
		}
		return v
	}
	a, b := matrix(n.In[0]), matrix(n.In[1])
	r := len(shape)
	out := broadcast(value{"", a.shape[:r-2]}, value{"", b.shape[:r-2]})
	out = append(out, shape[r-2:]...)
	return value{e.node("MatMul", []string{a.name, b.name}), out}
}

// gemm is a product of matrices plus bias, if that has a name.
func (e *emitter) gemm(n *ir.Node, bias string) string {
	var attrs []*attrProto
	operand := func(x *ir.Node, flag string) (string, *ir.Node) {
		if x.Op == ir.OpPermute && e.uses[x] == 1 {
			attrs = append(attrs, integer(flag, 1))
			return e.full(x.In[0]), x.In[0]
		}
		return e.full(x), x
	}
	a, _ := operand(n.In[0], "transA")
	b, w := operand(n.In[1], "transB")
	defer e.naming(w)()
	in := []string{a, b}
	if bias != "" {
		in = append(in, bias)
	}
	if len(attrs) == 0 && bias == "" {
		return e.node("MatMul", in)
	}
	return e.node("Gemm", in, attrs...)
}
