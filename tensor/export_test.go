package tensor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/ir"
	. "github.com/weft-ml/weft/tensor"
)

func TestFoldConstants(t *testing.T) {
	v := NewVariable("variance", []float32{3, 15, 0, 8}, 4)
	w := NewVariable("weight", []float32{2, 2, 2, 3}, 4)
	g, err := TraceGraph(func(_ *Trace, in []*Tensor) []*Tensor {
		scale := v.AddScalar(1).Rsqrt().Mul(w)
		outer := w.Reshape(4, 1).Mul(w.Reshape(1, 4))
		return []*Tensor{in[0].Mul(scale).Add(w), in[0].Add(outer)}
	}, Zeros(4, 4))
	if err != nil {
		t.Fatal(err)
	}
	if err := FoldConstants(g); err != nil {
		t.Fatal(err)
	}
	text := g.String()
	if strings.Contains(text, "rsqrt") || strings.Contains(text, "variance") {
		t.Errorf("not folded:\n%s", text)
	}
	if !strings.Contains(text, `"weight"`) || strings.Count(text, " mul ") != 2 {
		t.Errorf("folded what is a variable, or grows:\n%s", text)
	}
	for _, n := range ir.Topo(g.Outputs...) {
		if n.Leaf == nil || n.Leaf.Kind != ir.Data {
			continue
		}
		b, err := LeafBytes(n.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		if got := FromBytes(b, len(b)).Ints(); !slices.Equal(n.Shape, []int{4}) || got[3] != 0x3f || got[2] != 0x80 { // 1, 0.5, 2, 1
			t.Errorf("folded into %v %x", n.Shape, got)
		}
	}
}
