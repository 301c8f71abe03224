// Labels and other indices that must lie within a size. Where the host sees
// them, a wrong one is an error: constants when they are used, arguments of a
// compiled function when they are written. What only the device knows cannot
// fail there, so it becomes NaN, which shows in the loss and stops training.

package tensor

import (
	"fmt"
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Valid checks that the elements of index lie within 0 and n-1 or are one of
// except. It panics for a constant where they do not, has the program check
// arguments of a compiled function when they are written, and returns nil if
// that is all that is needed. Otherwise the elements are known on the device
// only: then it returns 1 for those that are valid and NaN for the others, in
// the shape of index, for layers to multiply their result by. what names an
// element in errors, such as "label".
func Valid(op, what string, index *Tensor, n int, except ...int) *Tensor {
	c := &ir.IndexCheck{Op: op, What: what, N: n, Except: except}
	switch leaf, all := indexSource(index.node); {
	case leaf != nil && leaf.Kind == ir.Input && all:
		c.Leaf = leaf
		index.trace.graph.Checks = append(index.trace.graph.Checks, c)
		return nil
	case leaf != nil && leaf.Kind == ir.Data:
		if data, err := storageOf(leaf).read(); err == nil {
			wrong := checkIndices(c, leaf.DType, data)
			if wrong == "" {
				return nil
			}
			if all {
				panic(ir.NewError(op, "%s", wrong))
			}
		}
	}
	if index.trace == nil && constantOnly(index.node) {
		known := &Tensor{node: index.node} // a copy: what was asked for is not evaluated by this
		if data, dt, err := known.bytes(); err == nil {
			if wrong := checkIndices(c, dt, data); wrong != "" {
				panic(ir.NewError(op, "%s", wrong))
			}
			return nil
		}
	}
	ok := index.Ge(index.like(0)).And(index.Lt(index.like(float64(n))))
	for _, v := range except {
		ok = ok.Or(index.EqScalar(float64(v)))
	}
	return Where(ok, Scalar(1), Scalar(math.NaN()))
}

// indexSource is the leaf whose elements those of n are: all of them, in any
// order, or some.
func indexSource(n *ir.Node) (leaf *ir.Leaf, all bool) {
	for all = true; ; n = n.In[0] {
		switch n.Op {
		case ir.OpLeaf:
			return n.Leaf, all
		case ir.OpReshape, ir.OpPermute, ir.OpExpand, ir.OpDetach:
		case ir.OpCast:
			if n.DType != Int32 || n.In[0].DType.Compute() != Int32 {
				return nil, false
			}
		case ir.OpSlice, ir.OpGather, ir.OpUnfold:
			all = false
		default:
			return nil, false
		}
	}
}

// constantOnly reports whether n can be computed once and for all.
func constantOnly(n *ir.Node) bool {
	return !slices.ContainsFunc(ir.Topo(n), func(m *ir.Node) bool {
		return m.Leaf != nil && m.Leaf.Kind != ir.Data
	})
}

// checkIndices says which element of data, of an integer type, is the first that
// c does not allow; "" if there is none.
func checkIndices(c *ir.IndexCheck, dt DType, data []byte) string {
	wrong := func(i int, v int32) string {
		if v >= 0 && int(v) < c.N || slices.Contains(c.Except, int(v)) {
			return ""
		}
		text := fmt.Sprintf("%s %d at position %d is outside of 0 to %d", c.What, v, i, c.N-1)
		switch {
		case c.What != "label":
		case int(v) == c.N:
			text += fmt.Sprintf("; labels of %d classes count from 0", c.N)
		default:
			text += "; labels that take no part are listed in Ignore"
		}
		return text
	}
	switch dt {
	case Uint8:
		for i, v := range data {
			if int(v) >= c.N {
				if text := wrong(i, int32(v)); text != "" {
					return text
				}
			}
		}
	case Int32, Bool:
		for i, v := range sliceOf[int32](data) {
			if v < 0 || int(v) >= c.N {
				if text := wrong(i, v); text != "" {
					return text
				}
			}
		}
	}
	return ""
}
