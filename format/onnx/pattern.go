// Patterns: what tracing took apart and ONNX has an operator for. Each function
// looks at a node and what it reads, and either writes the operator or says
// that this is something else; then the node is written as it is. So a pattern
// that is missed costs a longer file, never a wrong one.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// pattern writes n as one operator that does more than n, if it can.
func (e *emitter) pattern(n *ir.Node) (value, bool) {
	var tries []func(*ir.Node) (value, bool)
	switch n.Op {
	case ir.OpAdd:
		tries = append(tries, e.biased, e.batchNorm, e.layerNorm)
	case ir.OpMul:
		tries = append(tries, e.batchNorm, e.mean, e.gelu)
	case ir.OpDiv:
		tries = append(tries, e.softmax)
	case ir.OpSub:
		tries = append(tries, e.logSoftmax)
	case ir.OpWhere:
		tries = append(tries, e.clip, e.concat)
	case ir.OpReshape:
		tries = append(tries, e.pool, e.squeezed)
	case ir.OpGather:
		tries = append(tries, e.indexSelect)
	}
	for _, try := range tries {
		if v, ok := try(n); ok {
			return v, true
		}
	}
	return value{}, false
}

// along returns the vector that n repeats along all dimensions but d, counted
// from the front, or from the back if negative.
func along(n *ir.Node, d int) (*ir.Node, bool) {
	if n.Op == ir.OpExpand {
		n = n.In[0]
	}
	if d < 0 {
		d += len(n.Shape)
	}
	if n.Op != ir.OpReshape || len(n.In[0].Shape) != 1 || d < 0 || d >= len(n.Shape) || n.Shape[d] != n.In[0].Shape[0] {
		return nil, false
	}
	return n.In[0], true
}

func isConst(n *ir.Node, v float64) bool {
	return n.Op == ir.OpConst && math.Abs(n.Value-v) <= 1e-6*math.Abs(v)
}

// unexpand is the node before broadcasting.
func unexpand(n *ir.Node) *ir.Node {
	if n.Op == ir.OpExpand {
		return n.In[0]
	}
	return n
}

// biased is a convolution or a product of matrices and what is added to it.
func (e *emitter) biased(n *ir.Node) (value, bool) {
	for i, x := range n.In {
		other := n.In[1-i]
		if e.uses[x] != 1 {
			continue
		}
		if x.Op == ir.OpConv {
			if b, ok := along(other, 1); ok {
				return e.conv(x, "", e.full(b)), true
			}
		}
		if x.Op == ir.OpMatMul && len(x.Shape) == 2 {
			if b, ok := along(other, 1); ok {
				return value{e.gemm(x, e.full(b)), e.t.shape[n]}, true
			}
		}
	}
	return value{}, false
}

// conv is a convolution with the padding before it. An empty weight is the
// node's own, an empty bias none.
func (e *emitter) conv(n *ir.Node, weight, bias string) value {
	defer e.naming(n.In[1])()
	x, pads := n.In[0], []int{0, 0, 0, 0}
	if x.Op == ir.OpPad && x.Value == 0 {
		if p, ok := e.spatial(x); ok {
			x, pads = x.In[0], p
		}
	}
	if weight == "" {
		weight = e.full(n.In[1])
	}
	in := []string{e.full(x), weight}
	if bias != "" {
		in = append(in, bias)
	}
	k := n.In[1].Shape[2:]
	name := e.node("Conv", in, ints("kernel_shape", k...), ints("strides", n.Step...), ints("dilations", n.Start...), ints("pads", pads...), integer("group", n.Axis))
	return value{name, e.t.shape[n]}
}

// spatial is the padding of the last two of four dimensions, as ONNX lists it,
// if there is no other.
func (e *emitter) spatial(pad *ir.Node) ([]int, bool) {
	in, out, start := e.t.shape[pad.In[0]], e.t.shape[pad], e.t.start[pad]
	if len(in) != 4 || in[0] != out[0] || in[1] != out[1] {
		return nil, false
	}
	p := make([]int, 4)
	for i := range 2 {
		d := 2 + i
		if in[d].a != 0 || out[d].a != 0 || start[d].a != 0 {
			return nil, false
		}
		p[i], p[2+i] = start[d].c, out[d].c-in[d].c-start[d].c
	}
	return p, true
}

// reduction matches Sum, or its reshape without the reduced dimensions, and
// says which.
func reduction(n *ir.Node, op ir.Op) (r *ir.Node, keep, ok bool) {
	if n.Op == op {
		return n, true, true
	}
	if n.Op != ir.OpReshape || n.In[0].Op != op {
		return nil, false, false
	}
	r = n.In[0]
	var left []int
	for d, size := range r.Shape {
		if !slices.Contains(r.Axes, d) {
			left = append(left, size)
		}
	}
	return r, false, slices.Equal(left, n.Shape)
}

// count is the number of elements that a reduction adds up.
func count(r *ir.Node) float64 {
	c := 1
	for _, a := range r.Axes {
		c *= r.In[0].Shape[a]
	}
	return float64(c)
}

// squeezed is a reduction without its reduced dimensions.
func (e *emitter) squeezed(n *ir.Node) (value, bool) {
	names := map[ir.Op]string{ir.OpSum: "ReduceSum", ir.OpMax: "ReduceMax", ir.OpMin: "ReduceMin", ir.OpProd: "ReduceProd"}
	op := n.In[0].Op
	r, _, ok := reduction(n, op)
	if !ok || !op.IsReduce() || e.uses[r] != 1 {
		return value{}, false
	}
	return e.reduced(names[op], r, false, n), true
}

func (e *emitter) reduced(op string, r *ir.Node, keep bool, n *ir.Node) value {
	name := e.node(op, []string{e.full(r.In[0]), e.int64s(r.Axes...)}, integer("keepdims", int(truth(keep))))
	return value{name, e.t.shape[n]}
}

// mean is a sum divided by the number of its elements: over windows
// AveragePool, else ReduceMean.
func (e *emitter) mean(n *ir.Node) (value, bool) {
	if n.In[1].Op != ir.OpConst {
		return value{}, false
	}
	if n.In[0].Op == ir.OpReshape && n.In[0].In[0].Op == ir.OpSum {
		r := n.In[0].In[0]
		if w, ok := e.windows(r); ok && isConst(n.In[1], 1/count(r)) {
			return value{e.reshape(e.averagePool(w), w.out, e.t.shape[n]), e.t.shape[n]}, true
		}
	}
	r, keep, ok := reduction(n.In[0], ir.OpSum)
	if !ok || !isConst(n.In[1], 1/count(r)) {
		return value{}, false
	}
	// Over the samples too, if the divisor is of their number.
	open := slices.ContainsFunc(r.Axes, func(a int) bool { return e.t.shape[r.In[0]][a].a != 0 })
	if open != (e.t.over[n.In[1]] != 0) {
		return value{}, false
	}
	return e.reduced("ReduceMean", r, keep, n), true
}

// softmax is e^(x-max) / sum of it.
func (e *emitter) softmax(n *ir.Node) (value, bool) {
	exp, sum := n.In[0], unexpand(n.In[1])
	if exp.Op != ir.OpExp || sum.Op != ir.OpSum || len(sum.Axes) != 1 || sum.In[0] != exp {
		return value{}, false
	}
	x, ok := belowMax(exp.In[0], sum.Axes[0])
	if !ok {
		return value{}, false
	}
	return value{e.node("Softmax", []string{e.full(x)}, integer("axis", sum.Axes[0])), e.t.shape[n]}, true
}

// belowMax matches x - max(x) along axis.
func belowMax(n *ir.Node, axis int) (*ir.Node, bool) {
	if n.Op != ir.OpSub {
		return nil, false
	}
	m := unexpand(n.In[1])
	return n.In[0], m.Op == ir.OpMax && m.In[0] == n.In[0] && slices.Equal(m.Axes, []int{axis})
}

// logSoftmax is z - log(sum of e^z) for z = x - max.
func (e *emitter) logSoftmax(n *ir.Node) (value, bool) {
	z, log := n.In[0], unexpand(n.In[1])
	if log.Op != ir.OpLog || log.In[0].Op != ir.OpSum || len(log.In[0].Axes) != 1 {
		return value{}, false
	}
	sum := log.In[0]
	if sum.In[0].Op != ir.OpExp || sum.In[0].In[0] != z {
		return value{}, false
	}
	x, ok := belowMax(z, sum.Axes[0])
	if !ok {
		return value{}, false
	}
	return value{e.node("LogSoftmax", []string{e.full(x)}, integer("axis", sum.Axes[0])), e.t.shape[n]}, true
}

// bare is a clamp without what it says of x that is not a number, which Clip
// returns as well.
func bare(n *ir.Node) *ir.Node {
	if n.Op == ir.OpWhere && n.In[0].Op == ir.OpNe && n.In[0].In[0] == n.In[1] && n.In[0].In[1] == n.In[1] {
		return n.In[2]
	}
	return n
}

// clamp matches lo where x < lo, hi where hi < x, and x elsewhere.
func clamp(n *ir.Node) (x *ir.Node, lo, hi float64, ok bool) {
	n = bare(n)
	if n.Op != ir.OpWhere || n.DType == ir.Bool {
		return nil, 0, 0, false
	}
	low, least, inner := n.In[0], n.In[1], n.In[2]
	if low.Op != ir.OpLt || least.Op != ir.OpConst || inner.Op != ir.OpWhere {
		return nil, 0, 0, false
	}
	high, most, x := inner.In[0], inner.In[1], inner.In[2]
	if high.Op != ir.OpLt || most.Op != ir.OpConst || low.In[0] != x || high.In[1] != x ||
		!isConst(low.In[1], least.Value) || !isConst(high.In[0], most.Value) || !(least.Value <= most.Value) {
		return nil, 0, 0, false
	}
	return x, least.Value, most.Value, true
}

// clamp is the function of that name for bounds that are constants in the file
// too.
func (e *emitter) clamp(n *ir.Node) (x *ir.Node, lo, hi float64, ok bool) {
	if x, lo, hi, ok = clamp(n); ok {
		n = bare(n)
		_, open1 := e.t.value[n.In[1]]
		_, open2 := e.t.value[n.In[2].In[1]]
		ok = !open1 && !open2
	}
	return x, lo, hi, ok
}

// clip is a clamp.
func (e *emitter) clip(n *ir.Node) (value, bool) {
	x, lo, hi, ok := e.clamp(n)
	if !ok {
		return value{}, false
	}
	v := e.value(x)
	return value{e.node("Clip", []string{v.name, e.scalar(n.DType, lo), e.scalar(n.DType, hi)}), v.shape}, true
}

// concat is what tensor.Concat makes: each part padded to the whole, and
// chosen by the index along one dimension.
func (e *emitter) concat(n *ir.Node) (value, bool) {
	var parts []*ir.Node // from the last
	d := -1
	end := dim{}
	for at := n; ; {
		shape := e.t.shape[at]
		last := at
		if at.Op == ir.OpWhere {
			c := at.In[0]
			if c.Op != ir.OpLt || c.In[0].Op != ir.OpIota || c.In[1].Op != ir.OpConst || d >= 0 && c.In[0].Axis != d {
				return value{}, false
			}
			if d < 0 {
				d = c.In[0].Axis
				end = shape[d]
			}
			last = at.In[2]
		}
		if d < 0 || last.Op != ir.OpPad {
			return value{}, false
		}
		in, start := e.t.shape[last.In[0]], e.t.start[last]
		for i := range in {
			if i != d && in[i] != shape[i] {
				return value{}, false
			}
		}
		if (dim{start[d].a + in[d].a, start[d].c + in[d].c}) != end {
			return value{}, false
		}
		if at.Op == ir.OpWhere {
			edge, ok := e.t.value[at.In[0].In[1]]
			if !ok {
				edge = dim{0, int(at.In[0].In[1].Value)}
			}
			if start[d] != edge {
				return value{}, false
			}
		}
		parts, end = append(parts, last.In[0]), start[d]
		if at.Op != ir.OpWhere {
			break
		}
		at = at.In[1]
	}
	if end != (dim{}) {
		return value{}, false
	}
	slices.Reverse(parts)
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = e.full(p)
	}
	return value{e.node("Concat", names, integer("axis", d)), e.t.shape[n]}, true
}

// indexSelect is a gather whose index is the same in all other dimensions.
func (e *emitter) indexSelect(n *ir.Node) (value, bool) {
	row := unexpand(n.In[1])
	for d, size := range row.Shape {
		if d != n.Axis && size != 1 {
			return value{}, false
		}
	}
	index, ok := along(row, n.Axis)
	name := ""
	if ok {
		name = e.full(index)
	} else {
		from := e.t.shape[row]
		index, name = row, e.reshape(e.full(row), from, from[n.Axis:n.Axis+1])
	}
	name = e.clamped(index, name, e.t.shape[n.In[0]][n.Axis])
	return value{e.node("Gather", []string{e.full(n.In[0]), name}, integer("axis", n.Axis)), e.t.shape[n]}, true
}

// gelu is x Phi(x) by the error function.
func (e *emitter) gelu(n *ir.Node) (value, bool) {
	x, half := n.In[0], n.In[1]
	if half.Op != ir.OpMul || !isConst(half.In[1], 0.5) || half.In[0].Op != ir.OpAdd || !isConst(half.In[0].In[1], 1) {
		return value{}, false
	}
	erf := half.In[0].In[0]
	if erf.Op != ir.OpErf || erf.In[0].Op != ir.OpMul || erf.In[0].In[0] != x || !isConst(erf.In[0].In[1], math.Sqrt2/2) {
		return value{}, false
	}
	v := e.value(x)
	return value{e.node("Gelu", []string{v.name}), v.shape}, true
}
