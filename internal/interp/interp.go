// Package interp evaluates a graph node by node, in the plainest way.
//
// It is the reference that the compiled backends are compared with: no
// fusion, no views, no threads, one loop for each operation. It is slow on
// purpose; nothing but tests should need it.
package interp

import (
	"fmt"
	"math"

	"github.com/weft-ml/weft/internal/ir"
)

// Value is a tensor's elements in row-major order: F for floats, I for
// integers and truth values.
type Value struct {
	F []float32
	I []int32
}

func (v Value) at(i int) Value {
	if v.F != nil {
		return Value{F: v.F[i : i+1]}
	}
	return Value{I: v.I[i : i+1]}
}

// Eval computes outs; leaf supplies the contents of leaves.
func Eval(outs []*ir.Node, leaf func(*ir.Leaf) Value) []Value {
	vals := map[*ir.Node]Value{}
	for _, n := range ir.Topo(outs...) {
		in := make([]Value, len(n.In))
		for i, x := range n.In {
			in[i] = vals[x]
		}
		vals[n] = eval(n, in, leaf)
	}
	res := make([]Value, len(outs))
	for i, o := range outs {
		res[i] = vals[o]
	}
	return res
}

func make1(n *ir.Node) Value {
	if n.DType.Compute() == ir.F32 {
		return Value{F: make([]float32, n.Elems())}
	}
	return Value{I: make([]int32, n.Elems())}
}

// set copies element j of src to element i of dst.
func set(dst Value, i int, src Value, j int) {
	if dst.F != nil {
		dst.F[i] = src.F[j]
	} else {
		dst.I[i] = src.I[j]
	}
}

func fill(v Value, x float64) {
	for i := range v.F {
		v.F[i] = float32(x)
	}
	for i := range v.I {
		v.I[i] = int32(x)
	}
}

// coords writes the coordinates of row-major element i of shape to c.
func coords(c []int, i int, shape []int) {
	for d := len(shape) - 1; d >= 0; d-- {
		c[d] = i % shape[d]
		i /= shape[d]
	}
}

func index(c, shape []int) int {
	i := 0
	for d, n := range shape {
		i = i*n + c[d]
	}
	return i
}

func eval(n *ir.Node, in []Value, leaf func(*ir.Leaf) Value) Value {
	if n.Op.IsElementwise() {
		return elementwise(n, in)
	}
	out := make1(n)
	c := make([]int, len(n.Shape))
	switch n.Op {
	case ir.OpLeaf, ir.OpScalar:
		return leaf(n.Leaf)
	case ir.OpDetach, ir.OpReshape:
		return in[0]
	case ir.OpConst:
		fill(out, n.Value)
	case ir.OpIota:
		for i := range out.I {
			coords(c, i, n.Shape)
			out.I[i] = int32(c[n.Axis])
		}
	case ir.OpSum, ir.OpMax, ir.OpMin, ir.OpProd:
		reduce(n, in[0], out)
	case ir.OpMatMul:
		matmul(n, in, out)
	case ir.OpConv:
		conv(n, in, out)
	default: // each output element is one input element
		x := n.In[0]
		src := make([]int, len(x.Shape))
		for i := range n.Elems() {
			coords(c, i, n.Shape)
			inside := true
			for d := range src {
				at := d // of the result; windows take two dimensions
				if n.Op == ir.OpUnfold && d > n.Axis {
					at++
				}
				switch n.Op {
				case ir.OpUnfold:
					src[d] = c[at]
					if d == n.Axis {
						src[d] = c[at]*n.Step[1] + c[at+1]*n.Step[2]
					}
				case ir.OpPermute:
					src[n.Axes[d]] = c[d]
				case ir.OpExpand:
					src[d] = c[d] % x.Shape[d]
				case ir.OpSlice:
					src[d] = n.Start[d] + c[d]*n.Step[d]
				case ir.OpPad:
					src[d] = c[d] - n.Start[d]
					inside = inside && src[d] >= 0 && src[d] < x.Shape[d]
				case ir.OpGather:
					src[d] = c[d]
					if d == n.Axis {
						src[d] = min(max(int(in[1].I[i]), 0), x.Shape[d]-1)
					}
				default:
					panic(fmt.Sprintf("interp: no case for %s", n.Op.Name()))
				}
			}
			if inside {
				set(out, i, in[0], index(src, x.Shape))
			} else {
				fill(out.at(i), n.Value)
			}
		}
	}
	return out
}

func elementwise(n *ir.Node, in []Value) Value {
	out := make1(n)
	row := &ir.Table[n.Op]
	for i := range n.Elems() {
		var f [3]float32
		var k [3]int32
		float := false
		for a := range in {
			if float = in[a].F != nil; float {
				f[a] = in[a].F[i]
			} else {
				k[a] = in[a].I[i]
			}
		}
		switch {
		case n.Op == ir.OpCast:
			out.cast(i, n, in[0])
		case n.Op == ir.OpNot:
			out.I[i] = 1 - k[0]
		case n.Op == ir.OpWhere:
			if k[0] != 0 {
				set(out, i, in[1], i)
			} else {
				set(out, i, in[2], i)
			}
		case n.Op == ir.OpRand:
			out.F[i] = ir.Rand(k[0], k[1], k[2])
		case float && row.Test != nil:
			out.I[i] = truth(row.Test(f[0], f[1]))
		case row.TestI != nil:
			out.I[i] = truth(row.TestI(k[0], k[1]))
		case float:
			out.F[i] = row.F32(f[0], f[1], f[2])
		default:
			out.I[i] = row.I32(k[0], k[1], k[2])
		}
	}
	return out
}

func truth(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func (v Value) cast(i int, n *ir.Node, x Value) {
	switch {
	case n.DType == ir.Bool && x.F != nil:
		v.I[i] = truth(x.F[i] != 0)
	case n.DType == ir.Bool:
		v.I[i] = truth(x.I[i] != 0)
	case v.F != nil && x.F != nil:
		v.F[i] = x.F[i]
	case v.F != nil:
		v.F[i] = float32(x.I[i])
	case x.F != nil:
		v.I[i] = Trunc(x.F[i])
	default:
		v.I[i] = x.I[i]
	}
}

// Trunc converts towards zero, saturating; NaN becomes 0. WGSL and the SIMD
// kernels convert so, Go leaves it to the processor.
func Trunc(f float32) int32 {
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= math.MinInt32:
		return math.MinInt32
	}
	return int32(f)
}

func reduce(n *ir.Node, x Value, out Value) {
	in := n.In[0]
	c := make([]int, len(in.Shape))
	accF := make([]float64, len(out.F)) // float64: this is the reference
	count := make([]int, n.Elems())
	for i := range in.Elems() {
		coords(c, i, in.Shape)
		for _, a := range n.Axes {
			c[a] = 0
		}
		o := index(c, n.Shape)
		first := count[o] == 0
		count[o]++
		if x.F != nil {
			accF[o] = combineF(n.Op, accF[o], float64(x.F[i]), first)
			continue
		}
		k := x.I[i]
		switch {
		case first:
			out.I[o] = k
		case n.Op == ir.OpSum:
			out.I[o] += k
		case n.Op == ir.OpProd:
			out.I[o] *= k
		case n.Op == ir.OpMax:
			out.I[o] = max(out.I[o], k)
		default:
			out.I[o] = min(out.I[o], k)
		}
	}
	for o, a := range accF {
		out.F[o] = float32(a)
	}
}

func combineF(op ir.Op, acc, x float64, first bool) float64 {
	switch {
	case first:
		return x
	case op == ir.OpSum:
		return acc + x
	case op == ir.OpProd:
		return acc * x
	case op == ir.OpMax:
		return math.Max(acc, x)
	}
	return math.Min(acc, x)
}

func matmul(n *ir.Node, in []Value, out Value) {
	a := n.In[0]
	r := len(n.Shape)
	m, k, cols := n.Shape[r-2], a.Shape[r-1], n.Shape[r-1]
	for b := range n.Elems() / (m * cols) {
		for i := range m {
			for j := range cols {
				sum := 0.0
				for l := range k {
					sum += float64(in[0].F[(b*m+i)*k+l]) * float64(in[1].F[(b*k+l)*cols+j])
				}
				out.F[(b*m+i)*cols+j] = float32(sum)
			}
		}
	}
}

func conv(n *ir.Node, in []Value, out Value) {
	x, w := n.In[0].Shape, n.In[1].Shape
	perGroup := w[0] / n.Axis
	c := make([]int, 4)
	for i := range out.F {
		coords(c, i, n.Shape)
		sum := 0.0
		for ci := range w[1] {
			for kh := range w[2] {
				for kw := range w[3] {
					at := []int{c[0], c[1]/perGroup*w[1] + ci, c[2]*n.Step[0] + kh*n.Start[0], c[3]*n.Step[1] + kw*n.Start[1]}
					sum += float64(in[0].F[index(at, x)]) * float64(in[1].F[index([]int{c[1], ci, kh, kw}, w)])
				}
			}
		}
		out.F[i] = float32(sum)
	}
}
