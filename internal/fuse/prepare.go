package fuse

import (
	"errors"
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Rewrites and decisions that precede kernel building.

// expandConvolutions replaces convolutions by matrix products of views. Of a
// padded image's gradient only the image's part is wanted, so a part of a
// convolution becomes a convolution of a part first.
func expandConvolutions(roots []*ir.Node) []*ir.Node {
	roots = ir.Rewrite(roots, func(n *ir.Node) *ir.Node {
		if n.Op == ir.OpSlice && n.In[0].Op == ir.OpConv {
			return ir.SliceConv(n)
		}
		return n
	})
	return ir.Rewrite(roots, func(n *ir.Node) *ir.Node {
		if n.Op == ir.OpConv {
			return ir.ExpandConv(n)
		}
		return n
	})
}

// How many elements one sequence of a reduction may cover. Few long sequences
// would leave most of a GPU idle and are reduced in two steps or more. Beyond
// splitMost so are many of them, because of the drivers that end loops of more
// than 65,535 turns (package wgsl says more), and long sums lose digits.
const (
	splitElems   = 8192
	splitResults = 256 // so many results are few
	splitMost    = 1 << 17
	splitUneven  = 1 << 15 // beyond this what has no even parts is filled up
)

// splitReductions turns a reduction of very many elements to few into several,
// by cutting its longest dimension in parts. Since the graph decides it, every
// backend adds in the same order.
func splitReductions(roots []*ir.Node) []*ir.Node {
	return ir.Rewrite(roots, func(n *ir.Node) *ir.Node {
		if n.Op.IsReduce() {
			return splitReduction(n, splitResults, splitElems)
		}
		return n
	})
}

// splitReduction reduces in steps if n has at most few results of least elements
// each, or very many elements for each.
func splitReduction(n *ir.Node, few, least int) *ir.Node {
	if !n.Op.IsReduce() { // nothing to do, or of constants
		return n
	}
	x := n.In[0]
	inner := x.Elems() / n.Elems()
	if inner < least || n.Elems() > few && inner <= splitMost {
		return n
	}
	axis := n.Axes[0]
	for _, a := range n.Axes {
		if x.Shape[a] > x.Shape[axis] {
			axis = a
		}
	}
	long := x.Shape[axis]
	// So many parts that each is at most splitElems long, or 512 to keep a GPU busy.
	most := (inner + splitElems - 1) / splitElems
	if n.Elems() <= few {
		most = max(most, 512)
	}
	parts := 0
	for p := 2; p <= most && p*64 <= inner && p <= long; p++ {
		if long%p == 0 {
			parts = p
		}
	}
	if parts < 8 || inner/parts > splitUneven {
		// As many as an even cut would have, the last one filled up.
		if uneven := min(most, long/2); inner > splitUneven && uneven > 2*parts {
			parts = uneven
		}
	}
	if parts < 8 && (inner <= splitMost || parts < 2) {
		return n
	}
	each := (long + parts - 1) / parts
	parts = (long + each - 1) / each
	if fill := parts*each - long; fill > 0 {
		lo, hi := make([]int, len(x.Shape)), make([]int, len(x.Shape))
		hi[axis] = fill
		x = ir.Pad(x, lo, hi, identity(n.Op, x.DType))
	}
	shape := slices.Insert(slices.Clone(x.Shape), axis, parts)
	shape[axis+1] = each
	var axes []int
	for _, a := range n.Axes {
		if a >= axis {
			a++
		}
		axes = append(axes, a)
	}
	// What is still too long is cut again.
	first := splitReduction(ir.Reduce(n.Op, ir.Reshape(x, shape...), axes...), max(few, n.Elems()*parts), splitElems*2)
	second := splitReduction(ir.Reduce(n.Op, first, axis), few, splitElems*2)
	return ir.Reshape(second, n.Shape...)
}

// identity is what a reduction may be given more of.
func identity(op ir.Op, dt ir.DType) float64 {
	switch integer := dt.Compute() != ir.F32; {
	case op == ir.OpSum:
		return 0
	case op == ir.OpProd:
		return 1
	case op == ir.OpMax && integer:
		return math.MinInt32
	case op == ir.OpMax:
		return math.Inf(-1)
	case integer:
		return math.MaxInt32
	}
	return math.Inf(1)
}

// relieve makes n's expression smaller after it did not fit into a kernel for
// the given reason. It reports whether there was anything to do.
func (s *scheduler) relieve(n *ir.Node, err error) bool {
	if errors.Is(err, errTooLong) {
		return s.spillPart(n)
	}
	return s.spill(n)
}

// spill puts a part of n's expression into memory, because the whole reads
// from more places than a kernel may be bound to: the part with the most
// sources that fits into a kernel of its own. It reports whether there was
// one.
func (s *scheduler) spill(n *ir.Node) bool {
	type set = map[*ir.Node]bool
	sources := map[*ir.Node]set{}
	var best *ir.Node
	var visit func(x *ir.Node) set
	visit = func(x *ir.Node) set {
		if have, ok := sources[x]; ok {
			return have
		}
		all := set{}
		_, stored := s.stored[x]
		if stored || x.Op == ir.OpLeaf {
			all[x] = true
		} else {
			for _, in := range x.In {
				for src := range visit(in) {
					all[src] = true
				}
			}
		}
		sources[x] = all
		if !stored && x != n && len(all) > 1 && len(all)+2 <= s.opt.MaxBuffers && x.DType != ir.U8 &&
			(best == nil || len(all) > len(sources[best]) || len(all) == len(sources[best]) && x.Elems() < best.Elems()) {
			best = x
		}
		return all
	}
	visit(n)
	return best != nil && s.mapKernel(best) == nil
}

// longExpr is the number of operations beyond which an expression is cut
// before anybody tries to make a kernel of it.
const longExpr = maxVals * 3 / 4

// shorten puts parts of n's expression into memory until what is left has a
// moderate number of operations.
func (s *scheduler) shorten(n *ir.Node) {
	for len(s.inlined(n, longExpr+1)) > longExpr && s.spillPart(n) {
	}
}

// inlined lists the first most operations that n is computed from without
// going through memory, inputs before users and n last.
func (s *scheduler) inlined(n *ir.Node, most int) []*ir.Node {
	var list []*ir.Node
	seen := map[*ir.Node]bool{n: true}
	type frame struct {
		n    *ir.Node
		next int
	}
	stack := []frame{{n: n}}
	for len(stack) > 0 && len(list) < most {
		f := &stack[len(stack)-1]
		if f.next < len(f.n.In) {
			in := f.n.In[f.next]
			f.next++
			if _, stored := s.stored[in]; !stored && !seen[in] && len(in.In) > 0 {
				seen[in] = true
				stack = append(stack, frame{n: in})
			}
			continue
		}
		if !f.n.Op.IsMovement() || f.n.Op == ir.OpPad {
			list = append(list, f.n)
		}
		stack = stack[:len(stack)-1]
	}
	return list
}

// spillPart puts a part of n's expression into memory because the whole is
// too long: the longest one of moderate length. Where views make few
// operations into many values, half of the operations count as moderate.
func (s *scheduler) spillPart(n *ir.Node) bool {
	limit := min(maxVals/4, (len(s.inlined(n, maxVals))-1)/2)
	var best *ir.Node
	most := 0
	for _, x := range s.inlined(n, 2*limit) {
		if x == n || x.DType == ir.U8 || x.DType == ir.F16 {
			continue
		}
		if size := len(s.inlined(x, limit+1)); size <= limit && (size > most || size == most && x.Elems() < best.Elems()) {
			best, most = x, size
		}
	}
	return best != nil && s.mapKernel(best) == nil
}
