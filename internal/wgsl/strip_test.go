package wgsl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

var (
	software = TileLimits{WorkgroupStorage: 32 << 10, Invocations: 256, Software: true}
	quads    = TileLimits{WorkgroupStorage: 32 << 10, Invocations: 256, Software: true, Quads: true}
)

// Strips of every kind of operand, with rows and columns for whole workgroups and
// not, one row and several, and an epilogue for each column.
func TestMatmulStrips(t *testing.T) {
	d := openGPU(t)
	r := rand.New(rand.NewPCG(9, 10))
	for i, c := range []struct {
		size [4]int // batch, m, n, k
		tile Tile
	}{
		{[4]int{2, 24, 35, 15}, Tile{BM: 16, BN: 14, TM: 4, TN: 7, Unroll: 5}}, // workgroups beyond both edges
		{[4]int{1, 64, 40, 36}, Tile{BM: 32, BN: 20, TM: 8, TN: 20, Unroll: 2}},
		{[4]int{3, 1, 30, 9}, Tile{BM: 1, BN: 20, TM: 1, TN: 10, Unroll: 9}},
		{[4]int{1, 5, 7, 11}, Tile{BM: 5, BN: 7, TM: 5, TN: 1, Unroll: 1}},
	} {
		var set func(mm *Matmul)
		if i%2 == 1 {
			set = func(mm *Matmul) {
				plain := mm.Store
				mm.StoreStrip = func(width int, acc func(int) string, b, m, n string) string {
					var s strings.Builder
					for j := range width {
						fmt.Fprintf(&s, "let v%d = %s;\n%s\n", j, acc(j), plain(1, fmt.Sprintf("v%d", j), b, m, fmt.Sprintf("(%s + %du)", n, j)))
					}
					return s.String()
				}
			}
		}
		c.tile.Strip = true
		checkStrip(t, d, r, c.size, c.tile, software, set)
	}
}

// checkStrip multiplies with the tile, operands transposed and not.
func checkStrip(t *testing.T, d *gpu.Device, r *rand.Rand, size [4]int, tile Tile, lim TileLimits, set func(mm *Matmul)) {
	t.Helper()
	for trans := range 4 {
		mm := PlainMatmul(size[0], size[1], size[2], size[3], trans&1 != 0, trans&2 != 0)
		mm.Tile = tile
		if err := mm.Check(lim); err != nil {
			t.Fatal(err)
		}
		if set != nil {
			set(mm)
		}
		a, b := random(r, size[0]*size[1]*size[3]), random(r, size[0]*size[3]*size[2])
		checkClose(t, fmt.Sprintf("%v trans%d %v", size, trans, mm.Tile), runPlain(t, d, mm, a, b), reference(mm, a, b), size[3])
	}
}

func TestMatmulStripChecks(t *testing.T) {
	for _, tile := range []Tile{
		{BM: 8, BN: 8, TM: 8, TN: 8, Unroll: 4},
		{BM: 5, BN: 6, TM: 5, TN: 6, Unroll: 4},
		{BM: 5, BN: 7, TM: 5, TN: 7, Unroll: 3},
		{BM: 5, BN: 7, TM: 5, TN: 7},
		{BM: 5, BN: 7, TM: 5, TN: 7, Unroll: 4, SplitK: 2},
	} {
		mm := PlainMatmul(1, 10, 14, 16, false, false)
		mm.Tile = tile
		mm.Tile.Strip = true
		if err := mm.Check(software); err == nil {
			t.Errorf("%v for 10x14x16: no error", mm.Tile)
		}
	}
	for _, c := range []struct {
		tile Tile
		lim  TileLimits
	}{
		{Tile{BM: 32, BN: 8, TM: 8, TN: 8, Unroll: 4, Strip: true, Quad: true}, software}, // no subgroups of four
		{Tile{BM: 16, BN: 8, TM: 8, TN: 8, Unroll: 4, Strip: true, Quad: true}, quads},    // two threads
		{Tile{BM: 32, BN: 16, TM: 8, TN: 8, Unroll: 4, Strip: true, Quad: true}, quads},   // two strips of columns
		{Tile{BM: 64, BN: 8, TM: 8, TN: 8, Unroll: 4, Strip: true, Quad: true}, quads},    // rows past the matrix
		{Tile{BM: 32, BN: 8, TM: 8, TN: 8, Quad: true}, quads},
	} {
		mm := PlainMatmul(1, 96, 32, 16, false, false)
		mm.Tile = c.tile
		if err := mm.Check(c.lim); err == nil {
			t.Errorf("%v for 96x32x16: no error", mm.Tile)
		}
	}
}

// Neighbouring windows overlap: a chunk loads each pixel and each weight once.
func TestStripLoads(t *testing.T) {
	x, w := input("x", ir.F32, 4, 32, 24, 24), input("w", ir.F32, 32, 32, 5, 5)
	p := build(t, ir.Conv(x, w, []int{1, 1}, []int{1, 1}, 1))
	k := p.Kernels[0]
	weights, pixels := k.Vals[k.Product.A].N, k.Vals[k.Product.B].N
	for _, quad := range []bool{false, true} {
		s, err := Generate(k, Options{Tile: quads, Arena: func(int) bool { return false },
			Pick: func(*Matmul) Tile { return Tile{BM: 32, BN: 20, TM: 4, TN: 20, Unroll: 5, Strip: true, Quad: quad} }})
		if err != nil {
			t.Fatal(err)
		}
		ofPixels, shared := 20+4, 0
		if quad {
			ofPixels, shared = (20+4)/4, 20+4
		}
		for text, want := range map[string]int{
			fmt.Sprintf("= b%d[", weights): 4 * 5, fmt.Sprintf("= b%d[", pixels): ofPixels, "= subgroupBroadcast(": shared,
		} {
			if n := strings.Count(s.Source, text); n != want {
				t.Errorf("quads %v: %q %d times in a chunk, want %d:\n%s", quad, text, n, want, s.Source)
			}
		}
		if s.Subgroups != quad {
			t.Errorf("quads %v: needs subgroups: %v", quad, s.Subgroups)
		}
	}
}

// What an index does in blocks, against its values.
func TestBlocks(t *testing.T) {
	const size = 960
	d := func() kernel.Index { return kernel.Dim(0, size) }
	known := 0
	for _, x := range []kernel.Index{
		d(), d().Mul(3), d().Mod(20), d().Mod(6), d().Div(24), d().Div(6).Mul(4), d().Mod(96).Div(24).Mul(28).Add(d().Mod(24)),
		d().Mul(2).Mod(16), d().Mul(2).Mod(12), d().Add(kernel.Int(2)).Mod(20), d().Add(kernel.Int(4)).Mod(20), d().Div(3).Mod(8),
		d().Div(5).Mod(4).Mul(24).Add(d().Mod(5)).Add(d().Div(20).Mul(576)),
	} {
		at := func(i int) int { return x.Eval(func(int) int { return i }) }
		for _, n := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 20, 40, 60} {
			deltas, align := blocks(x, 0, n)
			if deltas == nil {
				continue
			}
			known++
			for i := range size {
				first := i / n * n
				if at(i) != at(first)+deltas[i%n] {
					t.Errorf("%v in blocks of %d: %d at %d, %d at %d, not %d more", x, n, at(first), first, at(i), i, deltas[i%n])
					break
				}
				if align == 0 && at(first) != 0 || align != 0 && at(first)%align != 0 {
					t.Errorf("%v at %d is %d, not divisible by %d", x, first, at(first), align)
					break
				}
			}
		}
	}
	if known < 80 {
		t.Errorf("only %d blocks are known", known)
	}
	// Two rows of ten windows, five weights of a row.
	if deltas, _ := blocks(d().Div(10).Mul(14).Add(d().Mod(10)), 0, 20); deltas == nil || deltas[9] != 9 || deltas[10] != 14 {
		t.Errorf("two rows of ten windows: %v", deltas)
	}
	if deltas, _ := blocks(d().Mod(6), 0, 4); deltas != nil {
		t.Errorf("remainder by 6 in fours: %v", deltas)
	}
}

// The model prefers strips that reach over whole rows of windows.
func TestStripTiles(t *testing.T) {
	x, w := input("x", ir.F32, 64, 32, 24, 24), input("w", ir.F32, 32, 32, 5, 5)
	k := build(t, ir.Conv(x, w, []int{1, 1}, []int{1, 1}, 1)).Kernels[0]
	var list []Tile
	if _, err := Generate(k, Options{Tile: software, Arena: func(int) bool { return false }, Pick: func(m *Matmul) Tile {
		list = Candidates(m, software)
		return m.Tile
	}}); err != nil {
		t.Fatal(err)
	}
	if best := list[0]; !best.Strip || best.TN%20 != 0 || best.Unroll%5 != 0 {
		t.Errorf("tiles %v", list)
	}
	if !slices.ContainsFunc(list, func(t Tile) bool { return !t.Strip }) {
		t.Errorf("no tile without conditions: %v", list)
	}
}
