package wgsl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/gpu"
)

func openGPU(t testing.TB) *gpu.Device {
	t.Helper()
	d, err := gpu.Open(gpu.Options{})
	if errors.Is(err, gpu.ErrNoAdapter) || errors.Is(err, gpu.ErrNoGPU) {
		if os.Getenv("CI") == "true" || os.Getenv("WEFT_REQUIRE_GPU") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func pack(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 2*r.Float32() - 1
	}
	return v
}

// reference multiplies in float64.
func reference(mm *Matmul, a, b []float32) []float64 {
	out := make([]float64, max(mm.Batch, 1)*mm.M*mm.N)
	for bt := range max(mm.Batch, 1) {
		for i := range mm.M {
			for j := range mm.N {
				var s float64
				for k := range mm.K {
					x := a[mm.A.Offset+bt*mm.A.BatchStride+i*mm.A.RowStride+k*mm.A.ColStride]
					y := b[mm.B.Offset+bt*mm.B.BatchStride+k*mm.B.RowStride+j*mm.B.ColStride]
					s += float64(x) * float64(y)
				}
				out[(bt*mm.M+i)*mm.N+j] = s
			}
		}
	}
	return out
}

// runPlain multiplies on the GPU into an output poisoned with NaN.
func runPlain(t testing.TB, d *gpu.Device, mm *Matmul, a, b []float32) []float32 {
	t.Helper()
	src, wg := PlainSource(mm)
	p, err := d.Compile([]gpu.PipelineDesc{{
		Label: mm.Tile.String(), WGSL: src, Trusted: true, Enable: gpu.Features{Subgroups: mm.Tile.Quad},
		Bindings: []gpu.BindingKind{gpu.ReadStorage, gpu.ReadStorage, gpu.ReadWriteStorage},
	}}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	n := max(mm.Batch, 1) * mm.M * mm.N
	poison := make([]float32, n)
	for i := range poison {
		poison[i] = float32(math.NaN())
	}
	var entries []gpu.Binding
	var bufs []*gpu.Buffer
	for _, v := range [][]float32{a, b, poison} {
		buf, err := d.NewBuffer("matmul", 4*len(v), gpu.Storage|gpu.CopySrc|gpu.CopyDst)
		if err != nil {
			t.Fatal(err)
		}
		defer buf.Destroy()
		if err := d.Write(buf, 0, pack(v)); err != nil {
			t.Fatal(err)
		}
		bufs = append(bufs, buf)
		entries = append(entries, gpu.Binding{Buffer: buf})
	}
	g, err := d.NewBindGroup(p[0], 0, entries)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Destroy()
	s := d.NewStream()
	s.Dispatch(p[0], g, nil, 0, uint32(wg[0]), uint32(wg[1]), uint32(wg[2]))
	if _, err := d.Submit(s); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 4*n)
	if err := d.Read(bufs[2], 0, raw); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

func checkClose(t testing.TB, name string, got []float32, want []float64, k int) {
	t.Helper()
	for i := range want {
		diff := math.Abs(float64(got[i]) - want[i])
		if !(diff <= 1e-6*float64(k)+1e-5) { // NaN never passes
			t.Errorf("%s: element %d is %v, want %v", name, i, got[i], want[i])
			return
		}
	}
}

func limits(d *gpu.Device) TileLimits {
	l := d.Limits()
	return TileLimits{WorkgroupStorage: l.MaxWorkgroupStorage, Invocations: l.MaxInvocations, Software: d.Info().Software}
}

// Tiles that between them take every path of both loop nests: one and two
// stages, split sums, one and several rounds of loading, partial rounds, square
// and oblong, each with and without a whole warp of threads.
var testTiles = []Tile{
	{BM: 32, BN: 32, BK: 8, TM: 4, TN: 4, Shared: true, Stages: 1},
	{BM: 64, BN: 32, BK: 16, TM: 8, TN: 4, Shared: true, Stages: 2, Unroll: 4},
	{BM: 32, BN: 64, BK: 32, TM: 4, TN: 8, Shared: true, Stages: 2, SplitK: 4, Unroll: 2},
	{BM: 64, BN: 64, BK: 8, TM: 8, TN: 8, Shared: true, Stages: 1, SplitK: 2, Unroll: 1},
	{BM: 16, BN: 16, BK: 32, TM: 4, TN: 4, Shared: true, Stages: 2, Unroll: 8},
	{BM: 8, BN: 8, TM: 1, TN: 1},
	{BM: 16, BN: 32, TM: 4, TN: 4, Unroll: 2},
	{BM: 4, BN: 8, TM: 2, TN: 2, SplitK: 8},
	{BM: 8, BN: 16, TM: 4, TN: 4, SplitK: 16, Unroll: 3},
	{BM: 12, BN: 5, TM: 3, TN: 5, SplitK: 4},
	{BM: 8, BN: 8, TM: 4, TN: 8, SplitK: 5},
}

func TestMatmulTiles(t *testing.T) {
	d := openGPU(t)
	r := rand.New(rand.NewPCG(1, 2))
	for i, sz := range [][4]int{ // batch, m, n, k
		{2, 70, 37, 45},  // nothing divides anything
		{1, 68, 36, 52},  // edges, but vec4s everywhere
		{1, 128, 64, 64}, // whole tiles
		{3, 1, 10, 7},    // less than a tile
	} {
		for trans := range 4 {
			mm := PlainMatmul(sz[0], sz[1], sz[2], sz[3], trans&1 != 0, trans&2 != 0)
			a, b := random(r, sz[0]*sz[1]*sz[3]), random(r, sz[0]*sz[3]*sz[2])
			want := reference(mm, a, b)
			for j, tile := range testTiles {
				// Software drivers take long to compile: all transposes for the hardest
				// size, each tile with one or two of them for the others.
				if i > 0 && trans != (j+i)%4 && (i > 1 || trans != (j+2)%4) {
					continue
				}
				mm.Tile = tile
				if err := mm.Check(limits(d)); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%v trans%d %v", sz, trans, tile)
				checkClose(t, name, runPlain(t, d, mm, a, b), want, sz[3])
			}
		}
	}
}

func TestMatmulChosen(t *testing.T) {
	d := openGPU(t)
	r := rand.New(rand.NewPCG(3, 4))
	for i, sz := range [][4]int{{1, 64, 128, 784}, {1, 64, 10, 128}, {1, 10, 128, 64}, {1, 1, 128, 784}, {1, 3, 64, 100}, {1, 128, 1, 300}, {2, 33, 65, 17}} {
		mm := PlainMatmul(sz[0], sz[1], sz[2], sz[3], i&1 != 0, i&2 == 0)
		a, b := random(r, sz[0]*sz[1]*sz[3]), random(r, sz[0]*sz[3]*sz[2])
		want := reference(mm, a, b)
		for _, lim := range []TileLimits{limits(d), {WorkgroupStorage: 16 << 10, Invocations: 256}} {
			mm.Tile = ChooseTile(mm, lim)
			if err := mm.Check(lim); err != nil {
				t.Fatal(err)
			}
			checkClose(t, fmt.Sprintf("%v %v", sz, mm.Tile), runPlain(t, d, mm, a, b), want, sz[3])
		}
	}
}

// The tables must give a usable tile for any shape within WebGPU's smallest
// limits, and candidates must all be usable.
func TestMatmulChooseFits(t *testing.T) {
	for _, lim := range []TileLimits{
		{WorkgroupStorage: 16 << 10, Invocations: 256}, {WorkgroupStorage: 48 << 10, Invocations: 1024},
		{WorkgroupStorage: 32 << 10, Invocations: 1024, Software: true}, {WorkgroupStorage: 32 << 10, Invocations: 1024, Software: true, Quads: true},
	} {
		for _, m := range []int{1, 3, 10, 64, 128, 1000, 4096} {
			for _, n := range []int{1, 10, 64, 784, 4096, 100000} {
				for _, k := range []int{1, 10, 64, 784, 4096} {
					mm := PlainMatmul(1, m, n, k, false, true)
					mm.Tile = ChooseTile(mm, lim)
					if err := mm.Check(lim); err != nil {
						t.Errorf("%d %d %d: %v", m, n, k, err)
					}
					list := Candidates(mm, lim)
					if len(list) == 0 || len(list) > 12 || list[0] != mm.Tile {
						t.Errorf("%d %d %d: candidates %v; the table chose %v", m, n, k, list, mm.Tile)
					}
					for _, c := range list {
						mm.Tile = c
						if err := mm.Check(lim); err != nil {
							t.Errorf("%d %d %d: candidate: %v", m, n, k, err)
						}
					}
				}
			}
		}
	}
}

// Bounds are checked where they are needed and nowhere else.
func TestMatmulGuards(t *testing.T) {
	for _, tile := range testTiles {
		whole := PlainMatmul(1, tile.BM*2, tile.BN*2, 64, false, false)
		whole.Tile = tile
		if src, _ := PlainSource(whole); strings.Contains(src, "min(") || strings.Contains(src, "select(") || strings.Contains(src, "if (mm_m <") {
			t.Errorf("tile %v: guards for sizes that are whole tiles:\n%s", tile, src)
		}
		odd := PlainMatmul(1, tile.BM*2+1, tile.BN*2+1, 61, false, false)
		odd.Tile = tile
		if src, _ := PlainSource(odd); !strings.Contains(src, "min(") || !strings.Contains(src, "mm_m <") {
			t.Errorf("tile %v: no guards for sizes that are not", tile)
		}
	}
}

// An operand in the middle of a buffer, read as vec4s, and an epilogue that sees
// rows and columns.
func TestMatmulViewAndEpilogue(t *testing.T) {
	d := openGPU(t)
	r := rand.New(rand.NewPCG(5, 6))
	const m, n, k = 40, 24, 36
	mm := PlainMatmul(1, m, n, k, false, false)
	mm.A.Offset, mm.A.RowStride = 8, k+4
	plain := mm.Store
	mm.Store = func(width int, acc, b, row, col string) string {
		e := fmt.Sprintf("let v = max(%s, %s(0.25)) + f32(%s);\n", acc, map[int]string{1: "f32", 4: "vec4<f32>"}[width], row)
		return e + plain(width, "v", b, row, col)
	}
	a, b := random(r, 8+m*(k+4)), random(r, k*n)
	want := reference(mm, a, b)
	for i := range want {
		want[i] = max(want[i], 0.25) + float64(i/n)
	}
	for _, tile := range []Tile{testTiles[1], testTiles[2], testTiles[6], testTiles[8]} {
		mm.Tile = tile
		checkClose(t, tile.String(), runPlain(t, d, mm, a, b), want, k)
	}
}

func TestMatmulRepeats(t *testing.T) {
	d := openGPU(t)
	r := rand.New(rand.NewPCG(7, 8))
	mm := PlainMatmul(1, 64, 64, 300, false, true)
	a, b := random(r, 64*300), random(r, 64*300)
	for _, tile := range []Tile{testTiles[2], testTiles[8]} {
		mm.Tile = tile
		first := runPlain(t, d, mm, a, b)
		for range 3 {
			for i, v := range runPlain(t, d, mm, a, b) {
				if v != first[i] {
					t.Fatalf("%v: element %d changes from %v to %v", tile, i, first[i], v)
				}
			}
		}
	}
}
