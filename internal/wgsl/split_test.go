package wgsl

import (
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

var roomy = TileLimits{WorkgroupStorage: 48 << 10, Invocations: 1024}

// weightGradient is what a convolution of [n, 4, 18, 18] to eight channels makes
// for its weight: rows of the gradient times the transposed windows.
func weightGradient(t *testing.T, n int) *plan.Plan {
	x := input("x", ir.F32, n, 4, 18, 18)
	g := input("g", ir.F32, 8, n*16*16)
	cols := ir.Reshape(ir.Columns(x, []int{3, 3}, []int{1, 1}, []int{1, 1}, 1), 36, n*16*16)
	return build(t, ir.Unary(ir.OpNeg, ir.MatMul(g, ir.Permute(cols, 1, 0))))
}

// A long sum with few results becomes partial sums of whole images, and their sum
// with the rest of the program.
func TestSplitLongSums(t *testing.T) {
	p := weightGradient(t, 32)
	SplitLongSums(p, roomy)
	if len(p.Kernels) != 2 {
		t.Fatalf("%d kernels, want 2:\n%v", len(p.Kernels), p)
	}
	first, second := p.Kernels[0], p.Kernels[1]
	parts := first.Dims[0]
	if first.Kind != kernel.MatMul || parts < 8 || first.Product.K*parts != 32*256 || first.Product.K%256 != 0 {
		t.Errorf("first kernel: %v", first)
	}
	if second.Kind != kernel.Reduce || len(second.Stages) != 1 || second.InnerElems() != parts || second.OuterElems() != 8*36 {
		t.Errorf("second kernel: %v", second)
	}
	temp := p.Buffers[first.Bufs[len(first.Bufs)-1].ID]
	if temp.Kind != plan.Temp || temp.Elems != parts*8*36 || temp.First != 0 || temp.Last != 1 || p.ArenaBytes < temp.Bytes {
		t.Errorf("temporary: %+v in an arena of %d bytes", temp, p.ArenaBytes)
	}
	for _, k := range p.Kernels {
		if _, err := Generate(k, Options{Tile: roomy, Arena: func(int) bool { return true }}); err != nil {
			t.Error(err)
		}
	}
}

// Short sums, sums with many results, and software adapters are left alone.
func TestSplitNothing(t *testing.T) {
	short := weightGradient(t, 2)
	SplitLongSums(short, roomy)
	soft := weightGradient(t, 32)
	SplitLongSums(soft, software)
	wide := build(t, ir.MatMul(input("a", ir.F32, 2048, 4096), input("b", ir.F32, 4096, 2048)))
	SplitLongSums(wide, roomy)
	for name, p := range map[string]*plan.Plan{"short": short, "software": soft, "wide": wide} {
		if len(p.Kernels) != 1 {
			t.Errorf("%s: %d kernels", name, len(p.Kernels))
		}
	}
}

// What an index does in aligned fours, against its values.
func TestFours(t *testing.T) {
	d := func() kernel.Index { return kernel.Dim(0, 960) }
	for _, x := range []kernel.Index{
		d(), d().Mul(3), d().Mod(20), d().Mod(6), d().Div(24), d().Div(6).Mul(4), d().Mod(96).Div(24).Mul(28).Add(d().Mod(24)),
		d().Mul(2).Mod(16), d().Mul(2).Mod(12), d().Add(kernel.Int(2)).Mod(20), d().Add(kernel.Int(4)).Mod(20), d().Div(3).Mod(8),
	} {
		step, align, ok := fours(x, 0)
		at := func(i int) int { return x.Eval(func(int) int { return i }) }
		for i := 0; ok && i < 960; i += 4 {
			if align != 0 && at(i)%align != 0 {
				t.Errorf("%v at %d is %d, not divisible by %d", x, i, at(i), align)
				break
			}
			for j := range 4 {
				if at(i+j) != at(i)+j*step {
					t.Errorf("%v at %d: not a walk in steps of %d", x, i+j, step)
					ok = false
					break
				}
			}
		}
	}
	if step, align, ok := fours(d().Mod(20), 0); !ok || step != 1 || !divisible(align) {
		t.Errorf("remainder by 20: step %d, align %d, %v", step, align, ok)
	}
	if _, _, ok := fours(d().Mod(6), 0); ok {
		t.Error("remainder by 6 is no walk in fours")
	}
}

// The windows of images whose rows are a multiple of four wide are decoded once
// for four, and the results are stored in fours.
func TestConvolutionInFours(t *testing.T) {
	x, w := input("x", ir.F32, 8, 3, 18, 18), input("w", ir.F32, 8, 3, 3, 3)
	p := build(t, ir.Conv(x, w, []int{1, 1}, []int{1, 1}, 1))
	s, err := Generate(p.Kernels[0], Options{Tile: roomy, Arena: func(int) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Source, "b2: array<vec4<f32>>") {
		t.Errorf("results are not stored in fours:\n%s", s.Source)
	}
	if strings.Contains(s.Source, "mm_bi1 = 0u +") || !strings.Contains(s.Source, " + 1u;") {
		t.Errorf("each window is decoded:\n%s", s.Source)
	}
}
