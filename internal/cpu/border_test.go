package cpu

import (
	"testing"

	"github.com/weft-ml/weft/internal/cpu/gemm"
	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/grad"
	"github.com/weft-ml/weft/internal/ir"
)

// The gradient of a convolution's images is a product over a border, whose rows are
// recognised, and of whose steps those that meet an image are kept.
func TestBorderOfGradient(t *testing.T) {
	leaf := func(name string, shape ...int) *ir.Node {
		return ir.NewLeaf(&ir.Leaf{Kind: ir.State, Name: name, Shape: shape})
	}
	x, w := leaf("x", 2, 16, 12, 12), leaf("w", 16, 16, 5, 5)
	z := ir.Unary(ir.OpSin, ir.Conv(ir.Unary(ir.OpSin, x), w, []int{1, 1}, []int{1, 1}, 1))
	loss := ir.Reduce(ir.OpSum, ir.Mul(z, z), 0, 1, 2, 3)
	g := &ir.Graph{Outputs: grad.Of(loss, []*ir.Node{x}, ir.Const(ir.F32, 1, 1, 1, 1, 1))}
	p, err := fuse.Build(g, fuse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	borders, found := map[int]border{}, false
	for _, k := range p.Kernels {
		if b, buf, ok := borderOf(k); ok {
			borders[k.Bufs[buf].ID] = b
			if want := (border{height: 16, width: 16, first: 4, last: 12}); b != want {
				t.Errorf("%s: border %+v, want %+v", k.Name, b, want)
			}
		}
		if k.Product == nil {
			continue
		}
		b, ok := borders[k.Bufs[k.Vals[k.Product.B].N].ID]
		if !ok {
			continue
		}
		found = true
		mem := make([][]byte, len(k.Bufs))
		for i, u := range k.Bufs {
			mem[i] = alignedBytes(4 * u.Elems)
		}
		r := len(k.Dims)
		d := &product{}
		if d.a, err = newOperand(k, mem, k.Product.A, r-2, r); err != nil {
			t.Fatal(err)
		}
		if d.b, err = newOperand(k, mem, k.Product.B, r, r-1); err != nil {
			t.Fatal(err)
		}
		spec := gemm.Spec{M: k.Dims[r-2], N: k.Dims[r-1], K: k.Product.K, ARow: d.a.row, ACol: d.a.col, A: d.a.index, B: d.b.index}
		d.skipZeros(&spec, b, k.Dims[:r-2])
		if len(spec.Live) != 2*12*12 {
			t.Fatalf("%d columns have live steps", len(spec.Live))
		}
		// A row of windows has as many rows of five as meet the image, of 16 channels.
		for n, l := range spec.Live {
			y := n / 12 % 12
			if want := int32(min(y+1, 5, 12-y) * 5 * 16); l[1]-l[0] != want {
				t.Errorf("column %d: steps %v, want %d of them", n, l, want)
			}
		}
		// The steps are the same ones, in another order, for both operands.
		seen := map[[2]int32]bool{}
		for i := range spec.K {
			seen[[2]int32{spec.A.Cols[i], spec.B.Rows[i]}] = true
		}
		for i := range d.b.index.Rows {
			if !seen[[2]int32{int32(i * d.a.col), d.b.index.Rows[i]}] {
				t.Fatalf("step %d is lost", i)
			}
		}
	}
	if !found {
		t.Error("no product over a border")
	}
}

// However many workers take items from either end, each item is run once.
func TestShare(t *testing.T) {
	var s share
	s.set(3, 20)
	seen := map[int]int{}
	for i := 0; ; i++ {
		from, to := s.take(1+i%3, i%2 == 0)
		if from == to {
			break
		}
		for ; from < to; from++ {
			seen[from]++
		}
	}
	for i := 3; i < 20; i++ {
		if seen[i] != 1 {
			t.Errorf("item %d was run %d times", i, seen[i])
		}
	}
	if len(seen) != 17 {
		t.Errorf("%d items, want 17", len(seen))
	}
}
