package ir_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weft-ml/weft/internal/interp"
	. "github.com/weft-ml/weft/internal/ir"
)

// A part of a convolution is the convolution of a part, also where that part
// reaches into the padding, or lies in nothing else.
func TestSliceConv(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for trial := range 300 {
		data := map[*Leaf]interp.Value{}
		leaf := func(shape ...int) *Node {
			l := &Leaf{Kind: Data, DType: F32, Shape: shape}
			var v interp.Value
			for range NumElems(shape) {
				v.F = append(v.F, float32(r.IntN(9)-4))
			}
			data[l] = v
			return NewLeaf(l)
		}
		groups := 1 + r.IntN(2)
		kernel := []int{1 + r.IntN(3), 1 + r.IntN(3)}
		stride, dilation := []int{1 + r.IntN(2), 1 + r.IntN(2)}, []int{1 + r.IntN(2), 1 + r.IntN(2)}
		x := leaf(2, 2*groups, 5+r.IntN(4), 5+r.IntN(4))
		for range r.IntN(3) { // none, one, or one around the other
			x = Pad(x, []int{0, 0, r.IntN(4), r.IntN(4)}, []int{0, 0, r.IntN(4), r.IntN(4)}, float64(r.IntN(2)))
		}
		conv := Conv(x, leaf(3*groups, 2, kernel[0], kernel[1]), stride, dilation, groups)
		start, size := []int{0, 0, 0, 0}, []int{2, 3 * groups, 0, 0}
		for d := 2; d < 4; d++ {
			start[d] = r.IntN(conv.Shape[d])
			size[d] = 1 + r.IntN(conv.Shape[d]-start[d])
		}
		part := Slice(conv, start, []int{1, 1, 1, 1}, size)
		if part == conv {
			continue
		}
		got := SliceConv(part)
		if got == part {
			t.Fatalf("trial %d: %v of %v stays a part", trial, size, conv.Shape)
		}
		expanded := Rewrite([]*Node{part, got}, func(n *Node) *Node {
			if n.Op == OpConv {
				return ExpandConv(n)
			}
			return n
		})
		values := interp.Eval(expanded, func(l *Leaf) interp.Value { return data[l] })
		for i, want := range values[0].F {
			if math.Abs(float64(values[1].F[i]-want)) > 1e-4 {
				t.Fatalf("trial %d: element %d is %v, want %v", trial, i, values[1].F[i], want)
			}
		}
	}
}
