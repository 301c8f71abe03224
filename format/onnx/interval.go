// What is known of the values of an integer, before anything is computed: positions
// and sizes, from which most integers of a graph are made, are small.

package onnx

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// interval is the least and the greatest value that an integer may have.
type interval struct{ lo, hi float64 }

var anything = interval{math.MinInt32, math.MaxInt32}

func (s interval) fits() bool { return s.lo >= math.MinInt32 && s.hi <= math.MaxInt32 }

// signed reports whether both signs occur.
func (s interval) signed() bool { return s.lo < 0 && s.hi > 0 }

func (s interval) join(o interval) interval { return interval{min(s.lo, o.lo), max(s.hi, o.hi)} }

// under are the values of op of s and o, without regard to what fits.
func (s interval) under(op ir.Op, o interval) interval {
	switch op {
	case ir.OpAdd:
		return interval{s.lo + o.lo, s.hi + o.hi}
	case ir.OpSub:
		return interval{s.lo - o.hi, s.hi - o.lo}
	case ir.OpMul:
		a, b, c, d := s.lo*o.lo, s.lo*o.hi, s.hi*o.lo, s.hi*o.hi
		return interval{min(a, b, c, d), max(a, b, c, d)}
	case ir.OpNeg:
		return interval{-s.hi, -s.lo}
	case ir.OpDiv:
		if o.lo > -1 || o.hi < -1 || s.lo > math.MinInt32 {
			m := max(-s.lo, s.hi)
			return interval{-m, m}
		}
		return interval{math.MinInt32, -math.MinInt32}
	}
	return interval{math.Inf(-1), math.Inf(1)}
}

const (
	maxIntervalDepth = 10
	maxIntervalLeaf  = 1 << 16
)

// intervalOf bounds the values of the integers or truth values n.
func intervalOf(n *ir.Node, depth int) interval {
	if n.DType == ir.Bool {
		return interval{0, 1}
	}
	if n.DType == ir.U8 {
		return interval{0, 255}
	}
	if n.DType != ir.I32 || depth > maxIntervalDepth {
		return anything
	}
	of := func(i int) interval { return intervalOf(n.In[i], depth+1) }
	s := anything
	switch n.Op {
	case ir.OpConst:
		s = interval{n.Value, n.Value}
	case ir.OpIota:
		s = interval{0, float64(n.Shape[n.Axis] - 1)}
	case ir.OpLeaf:
		if n.Leaf.Kind != ir.Data || n.Elems() > maxIntervalLeaf {
			break
		}
		data, err := tensor.FromNode(n).ReadInts()
		if err != nil || len(data) == 0 {
			break
		}
		s = interval{float64(data[0]), float64(data[0])}
		for _, v := range data[1:] {
			s = s.join(interval{float64(v), float64(v)})
		}
	case ir.OpCast:
		if n.In[0].DType != ir.F32 && n.In[0].DType != ir.F16 {
			s = of(0)
		}
	case ir.OpReshape, ir.OpPermute, ir.OpExpand, ir.OpSlice, ir.OpUnfold, ir.OpGather, ir.OpMax, ir.OpMin, ir.OpDetach:
		s = of(0)
	case ir.OpPad:
		s = of(0).join(interval{n.Value, n.Value})
	case ir.OpSum:
		in, k := of(0), float64(n.In[0].Elems()/n.Elems())
		s = interval{in.lo * k, in.hi * k}
	case ir.OpWhere:
		if x, lo, hi, ok := clamp(n); ok {
			in := intervalOf(x, depth+1)
			s = interval{min(max(in.lo, lo), hi), max(min(in.hi, hi), lo)}
		} else {
			s = of(1).join(of(2))
		}
	case ir.OpMaximum:
		a, b := of(0), of(1)
		s = interval{max(a.lo, b.lo), max(a.hi, b.hi)}
	case ir.OpMinimum:
		a, b := of(0), of(1)
		s = interval{min(a.lo, b.lo), min(a.hi, b.hi)}
	case ir.OpMod:
		if b := of(1); b.lo > 0 {
			s = interval{0, b.hi - 1}
		}
	case ir.OpAdd, ir.OpSub, ir.OpMul:
		s = of(0).under(n.Op, of(1))
	case ir.OpDiv:
		if a, b := of(0), of(1); b.lo > 0 {
			s = interval{min(a.lo, 0), max(a.hi, 0)}
			if a.lo >= 0 {
				s.hi = math.Floor(a.hi / b.lo)
			}
		}
	case ir.OpNeg:
		s = of(0).under(ir.OpNeg, interval{})
	case ir.OpAbs:
		if a := of(0); a.lo > math.MinInt32 {
			s = interval{0, max(-a.lo, a.hi)}
		}
	case ir.OpSign:
		s = interval{-1, 1}
	}
	if !s.fits() { // it wrapped
		return anything
	}
	return s
}
