package wgsl

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/grad"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// runKernel runs a kernel whose product has the given tile. A written buffer
// begins as NaN; the others hold the random numbers that r gives, the same for the
// same generator. It returns what the first store wrote.
func runKernel(t *testing.T, d *gpu.Device, k *kernel.Kernel, tile Tile, lim TileLimits, r *rand.Rand) []float32 {
	t.Helper()
	s, err := Generate(k, Options{Tile: lim, Arena: func(int) bool { return true }, Pick: func(*Matmul) Tile { return tile }})
	if err != nil {
		t.Fatal(err)
	}
	desc := gpu.PipelineDesc{Label: k.Name, WGSL: s.Source, Trusted: true}
	var entries []gpu.Binding
	var out *gpu.Buffer
	n := 0
	for i, u := range k.Bufs {
		v := random(r, u.Elems)
		if u.Write {
			for j := range v {
				v[j] = float32(math.NaN())
			}
		}
		buf, err := d.NewBuffer("test", (4*len(v)+15)/16*16, gpu.Storage|gpu.CopySrc|gpu.CopyDst)
		if err != nil {
			t.Fatal(err)
		}
		defer buf.Destroy()
		if err := d.Write(buf, 0, pack(v)); err != nil {
			t.Fatal(err)
		}
		if i == k.Stores[0].Buf {
			out, n = buf, len(v)
		}
		desc.Bindings = append(desc.Bindings, gpu.ReadWriteStorage)
		entries = append(entries, gpu.Binding{Buffer: buf})
	}
	p, err := d.Compile([]gpu.PipelineDesc{desc}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Source)
	}
	defer p[0].Destroy()
	g, err := d.NewBindGroup(p[0], 0, entries)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Destroy()
	stream := d.NewStream()
	stream.Dispatch(p[0], g, nil, 0, uint32(s.Groups[0]), uint32(s.Groups[1]), uint32(s.Groups[2]))
	if _, err := d.Submit(stream); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 4*n)
	if err := d.Read(out, 0, raw); err != nil {
		t.Fatal(err)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

// Tiles of whole images, of parts of one and of several, rows beyond M, images
// beyond the last, one channel and several in a chunk, against a plain tile.
func TestMatmulWindows(t *testing.T) {
	d := openGPU(t)
	plain := Tile{BM: 8, BN: 8, TM: 1, TN: 1}
	for _, c := range []struct {
		n, c, h, w, o, kh, kw, groups int
		tiles                         []Tile
	}{
		{2, 2, 10, 12, 8, 3, 5, 1, []Tile{
			{BM: 8, BN: 64, TM: 4, TN: 8, TW: 4, BK: 1}, {BM: 8, BN: 32, TM: 4, TN: 8, TW: 8, BK: 2}, {BM: 8, BN: 128, TM: 4, TN: 16, TW: 4, BK: 2},
		}},
		{3, 3, 5, 9, 20, 2, 2, 1, []Tile{ // 4x8 pixels: three images in twos, twenty rows in sixteens
			{BM: 16, BN: 64, TM: 8, TN: 8, TW: 8, BK: 3}, {BM: 16, BN: 64, TM: 4, TN: 8, TW: 4, BK: 1}, {BM: 16, BN: 16, TM: 8, TN: 8, TW: 4, BK: 3},
		}},
		{2, 8, 5, 13, 8, 2, 6, 2, []Tile{{BM: 8, BN: 32, TM: 4, TN: 8, TW: 4, BK: 2}, {BM: 4, BN: 16, TM: 4, TN: 8, TW: 8, BK: 4}}},
		{3, 2, 9, 8, 8, 3, 2, 1, []Tile{ // 7x7 pixels
			{BM: 8, BN: 56, TM: 8, TN: 8, TW: 8, BK: 2}, {BM: 8, BN: 16, TM: 4, TN: 8, TW: 4, BK: 1}, {BM: 4, BN: 24, TM: 4, TN: 4, TW: 4, BK: 1}, {BM: 8, BN: 128, TM: 8, TN: 8, TW: 4, BK: 2},
		}},
		{4, 2, 5, 5, 4, 3, 3, 1, []Tile{{BM: 4, BN: 24, TM: 4, TN: 4, TW: 4, BK: 2}, {BM: 4, BN: 48, TM: 4, TN: 8, TW: 4, BK: 1}}},
		{1, 1, 4, 6, 4, 2, 3, 1, []Tile{{BM: 4, BN: 12, TM: 4, TN: 12, TW: 4, BK: 1}}},
	} {
		x, w := input("x", ir.F32, c.n, c.c, c.h, c.w), input("w", ir.F32, c.o, c.c/c.groups, c.kh, c.kw)
		k := build(t, ir.Conv(x, w, []int{1, 1}, []int{1, 1}, c.groups)).Kernels[0]
		want := runKernel(t, d, k, plain, limits(d), rand.New(rand.NewPCG(3, 4)))
		for _, tile := range c.tiles {
			tile.Window = true
			got := runKernel(t, d, k, tile, limits(d), rand.New(rand.NewPCG(3, 4)))
			for i := range want {
				if diff := math.Abs(float64(got[i] - want[i])); !(diff < 1e-5) {
					t.Errorf("%s, %v: element %d is %v, want %v", k.Name, tile, i, got[i], want[i])
					break
				}
			}
		}
	}
}

// Gradients of weights: channels in one workgroup and in several, chunks of one row
// and more, rows of any width, rows of the product beyond M, against a plain tile.
func TestMatmulTaps(t *testing.T) {
	d := openGPU(t)
	for _, c := range []struct {
		n, c, h, w, o, kh, kw int
		tiles                 []Tile
	}{
		{3, 4, 6, 10, 6, 3, 3, []Tile{ // rows of 8 pixels
			{BM: 8, BN: 36, TM: 4, TN: 9, BK: 2}, {BM: 4, BN: 18, TM: 1, TN: 9, BK: 4}, {BM: 8, BN: 9, TM: 2, TN: 9, BK: 1},
		}},
		{2, 2, 7, 9, 4, 2, 3, []Tile{{BM: 4, BN: 12, TM: 2, TN: 6, BK: 3}}}, // 7 pixels
		{2, 3, 5, 10, 5, 3, 5, []Tile{{BM: 4, BN: 15, TM: 1, TN: 15, BK: 3}, {BM: 8, BN: 45, TM: 2, TN: 15, BK: 1}}},
	} {
		x, w := input("x", ir.F32, c.n, c.c, c.h, c.w), input("w", ir.F32, c.o, c.c, c.kh, c.kw)
		y := ir.Conv(x, w, []int{1, 1}, []int{1, 1}, 1)
		p := build(t, grad.Of(y, []*ir.Node{w}, input("g", ir.F32, y.Shape...))...)
		k := p.Kernels[len(p.Kernels)-1]
		want := runKernel(t, d, k, Tile{BM: 8, BN: 8, TM: 1, TN: 1}, limits(d), rand.New(rand.NewPCG(5, 6)))
		for _, tile := range c.tiles {
			tile.Taps = true
			got := runKernel(t, d, k, tile, limits(d), rand.New(rand.NewPCG(5, 6)))
			for i := range want {
				if diff := math.Abs(float64(got[i] - want[i])); !(diff < 1e-4) {
					t.Errorf("%s, %v: element %d is %v, want %v", k.Name, tile, i, got[i], want[i])
					break
				}
			}
		}
	}
}

// matmulOf is how the first product of what computes out looks to the template.
func matmulOf(t *testing.T, lim TileLimits, out *ir.Node) (m Matmul) {
	t.Helper()
	for _, k := range build(t, out).Kernels {
		if k.Product == nil {
			continue
		}
		if _, err := Generate(k, Options{Tile: lim, Arena: func(int) bool { return false }, Pick: func(x *Matmul) Tile { m = *x; return x.Tile }}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestWindowsAreFound(t *testing.T) {
	conv := func(stride, dilation, groups int) *ir.Node {
		x, w := input("x", ir.F32, 512, 32, 24, 24), input("w", ir.F32, 32, 32/groups, 5, 5)
		return ir.Conv(x, w, []int{stride, stride}, []int{dilation, dilation}, groups)
	}
	m := matmulOf(t, roomy, conv(1, 1, 1))
	want := Window{Images: 512, OutH: 20, OutW: 20, Channels: 32, KH: 5, KW: 5, Image: 32 * 576, Channel: 576, Row: 24}
	if m.B.Window == nil || *m.B.Window != want {
		t.Errorf("windows %+v, want %+v", m.B.Window, want)
	}
	for name, n := range map[string]*ir.Node{"stride 2": conv(2, 1, 1), "dilation 2": conv(1, 2, 1)} {
		if m := matmulOf(t, roomy, n); m.B.Window != nil {
			t.Errorf("%s: windows %+v", name, m.B.Window)
		}
	}
	matrix := matmulOf(t, roomy, ir.Conv(input("x", ir.F32, 8, 32, 16, 16), input("w", ir.F32, 8, 32, 1, 1), []int{1, 1}, []int{1, 1}, 1))
	if matrix.B.Window != nil {
		t.Errorf("1x1: windows %+v", matrix.B.Window)
	}
}

// What the table chooses for large convolutions, also within a browser's default
// limits, and what it leaves to the other nests.
func TestWindowTiles(t *testing.T) {
	browser := TileLimits{WorkgroupStorage: 16 << 10, Invocations: 256}
	for _, c := range []struct {
		n, c, h, o, k int
		lim           TileLimits
		want          string
	}{
		{512, 32, 24, 32, 5, browser, "32x400/8x8 window w4 c2"},
		{512, 32, 28, 32, 5, roomy, "32x192/8x8 window w8 c2"},
		{512, 64, 34, 64, 3, browser, "32x256/8x8 window w8 c4"},
		{512, 512, 6, 512, 3, roomy, "32x256/8x8 window w4 c4"},
		{512, 64, 8, 64, 3, roomy, "32x192/8x8 window w8 c8"},      // 6x6
		{1000, 256, 17, 256, 3, roomy, "32x240/8x8 window w8 c4"},  // 15x15
		{1000, 64, 33, 64, 3, roomy, "32x256/8x8 window w8 c4"},    // 31x31
		{1000, 256, 9, 256, 3, browser, "32x448/8x8 window w8 c2"}, // 7x7
		{512, 32, 10, 64, 3, browser, "32x256/8x8 window w8 c4"},
	} {
		x, w := input("x", ir.F32, c.n, c.c, c.h, c.h), input("w", ir.F32, c.o, c.c, c.k, c.k)
		m := matmulOf(t, c.lim, ir.Conv(x, w, []int{1, 1}, []int{1, 1}, 1))
		if got := fmt.Sprint(m.Tile); got != c.want {
			t.Errorf("%d images of %dx%dx%d: %s, want %s", c.n, c.c, c.h, c.h, got, c.want)
		}
	}
	m := matmulOf(t, roomy, ir.Conv(input("x", ir.F32, 1, 32, 24, 24), input("w", ir.F32, 32, 32, 5, 5), []int{1, 1}, []int{1, 1}, 1))
	if m.Tile.Window {
		t.Errorf("one image: %v", m.Tile)
	}
}

// Gradients of weights: the tile, and into how many parts of whole images their
// sums are cut. Partial sums lie in the order of tap, channel, row.
func TestTapsTiles(t *testing.T) {
	browser := TileLimits{WorkgroupStorage: 16 << 10, Invocations: 256}
	for _, c := range []struct {
		n, c, h, o, k int
		lim           TileLimits
		parts         int
		tile          string
	}{
		{512, 32, 24, 32, 5, roomy, 256, "32x400/4x25 taps r4"},
		{512, 32, 24, 32, 5, browser, 256, "32x400/4x25 taps r2"},
		{512, 64, 34, 64, 3, roomy, 256, "64x144/8x9 taps r1"},
		{512, 512, 6, 512, 3, roomy, 4, "64x144/8x9 taps r4"},
		{1000, 256, 9, 256, 3, roomy, 10, "64x144/8x9 taps r7"},
	} {
		x, w := input("x", ir.F32, c.n, c.c, c.h, c.h), input("w", ir.F32, c.o, c.c, c.k, c.k)
		y := ir.Conv(x, w, []int{1, 1}, []int{1, 1}, 1)
		p := build(t, grad.Of(y, []*ir.Node{w}, input("g", ir.F32, y.Shape...))...)
		SplitLongSums(p, c.lim)
		if len(p.Kernels) != 2 || p.Kernels[0].Dims[0] != c.parts {
			t.Fatalf("%d kernels:\n%v", len(p.Kernels), p)
		}
		var tile Tile
		if _, err := Generate(p.Kernels[0], Options{Tile: c.lim, Arena: func(int) bool { return true }, Pick: func(m *Matmul) Tile { tile = m.Tile; return m.Tile }}); err != nil {
			t.Fatal(err)
		}
		if got := tile.String(); got != c.tile {
			t.Errorf("%d images of %dx%dx%d: %s, want %s", c.n, c.c, c.h, c.h, got, c.tile)
		}
		at := p.Kernels[0].Stores[0].Index.Eval(func(d int) int { return []int{0, 2, 3*c.k*c.k + 1}[d] })
		if want := (1*c.c+3)*c.o + 2; at != want {
			t.Errorf("row 2, channel 3, tap 1 is stored at %d, want %d", at, want)
		}
	}
}
