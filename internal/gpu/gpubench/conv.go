package main

// Convolutions: the kernels that a training step makes of one layer (forward,
// gradient of the input, gradient of the weight), with tiles raced against each
// other. Kernels come from the same fusion and generation as in programs. What
// they compute is compared with the table's choice; that the table's is right is
// the conformance suite's business.

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/grad"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/wgsl"
)

// conv is a layer: images with their padding, and what the convolution does.
type conv struct {
	n, c, h, w     int
	o, k           int
	stride, groups int
}

// Layers of the digit CNN and of ResNet-18 at batch 512.
var convs = []conv{
	{512, 1, 28, 28, 32, 5, 1, 1}, {512, 32, 24, 24, 32, 5, 1, 1}, {512, 32, 10, 10, 64, 3, 1, 1}, {512, 64, 8, 8, 64, 3, 1, 1},
	{512, 3, 34, 34, 64, 3, 1, 1}, {512, 64, 34, 34, 64, 3, 1, 1}, {512, 64, 34, 34, 128, 3, 2, 1}, {512, 128, 18, 18, 128, 3, 1, 1},
	{512, 256, 10, 10, 256, 3, 1, 1}, {512, 512, 6, 6, 512, 3, 1, 1},
}

// Layers at batch 1: latency.
var convs1 = []conv{
	{1, 32, 24, 24, 32, 5, 1, 1}, {1, 64, 8, 8, 64, 3, 1, 1}, {1, 64, 34, 34, 64, 3, 1, 1}, {1, 128, 18, 18, 128, 3, 1, 1}, {1, 256, 10, 10, 256, 3, 1, 1}, {1, 512, 6, 6, 512, 3, 1, 1},
	{1, 96, 112, 112, 24, 1, 1, 1}, {1, 240, 28, 28, 40, 1, 1, 1}, {1, 112, 14, 14, 672, 1, 1, 1}, {1, 1152, 7, 7, 192, 1, 1, 1},
}

// graph computes the layer, with gradients if wanted.
func (c conv) graph(gradients bool) *ir.Graph {
	g := &ir.Graph{}
	leaf := func(name string, shape ...int) *ir.Node {
		n := ir.NewLeaf(&ir.Leaf{Kind: ir.Input, Name: name, DType: ir.F32, Shape: shape})
		g.Inputs = append(g.Inputs, n.Leaf)
		return n
	}
	x, w := leaf("x", c.n, c.c, c.h, c.w), leaf("w", c.o, c.c/c.groups, c.k, c.k)
	y := ir.Conv(x, w, []int{c.stride, c.stride}, []int{1, 1}, c.groups)
	g.Outputs = []*ir.Node{y}
	if gradients {
		seed := leaf("g", y.Shape...)
		g.Outputs = append(g.Outputs, grad.Of(y, []*ir.Node{x, w}, seed)...)
	}
	return g
}

// run is a kernel with memory to run on.
type convKernel struct {
	k    *kernel.Kernel
	bufs []*gpu.Buffer
}

func (b *bench) convs(list []conv, gradients bool) {
	for _, c := range list {
		if *images > 0 {
			c.n = *images
		}
		p, err := fuse.Build(c.graph(gradients), fuse.Options{})
		check(err)
		wgsl.SplitLongSums(p, b.limits())
		fmt.Printf("\n%d images of %dx%dx%d, %d outputs, %dx%d, stride %d, %d groups\n", c.n, c.c, c.h, c.w, c.o, c.k, c.k, c.stride, c.groups)
		for _, k := range p.Kernels {
			if strings.Contains(k.Name, *only) {
				b.convKernel(p, k)
			}
		}
	}
}

func (b *bench) convKernel(p *plan.Plan, k *kernel.Kernel) {
	c := &convKernel{k: k}
	out := -1
	for i, u := range k.Bufs {
		buf, err := b.d.NewBuffer("bench", max(16, (u.Elems*4+15)/16*16), gpu.Storage|gpu.CopySrc|gpu.CopyDst)
		check(err)
		defer buf.Destroy()
		v := make([]float32, min(u.Elems, 1<<22))
		for j := range v {
			v[j] = 2*b.rng.Float32() - 1
		}
		for at := 0; at < u.Elems; at += len(v) { // the same numbers again and again are random enough
			b.uploadAt(buf, at, v[:min(len(v), u.Elems-at)])
		}
		c.bufs = append(c.bufs, buf)
		if u.Write {
			out = i
		}
	}
	tiles := []wgsl.Tile{{}}
	if k.Product != nil {
		if b.limits().Software {
			tiles = append(tiles, softwareConvTiles(k)...)
		} else {
			tiles = append(tiles, convTiles(k)...)
		}
	}
	var ks []*kern
	var descs []gpu.PipelineDesc
	for i, t := range tiles {
		var chosen wgsl.Tile
		opt := wgsl.Options{Tile: b.limits(), Arena: func(int) bool { return true }, Pick: func(m *wgsl.Matmul) wgsl.Tile {
			if chosen = t; i == 0 {
				chosen = m.Tile
			}
			return chosen
		}}
		s, err := wgsl.Generate(k, opt)
		if err != nil || i > 0 && slices.ContainsFunc(ks, func(o *kern) bool { return o.tile == chosen }) {
			continue
		}
		if *source {
			fmt.Println(s.Source)
		}
		d := gpu.PipelineDesc{Label: k.Name, WGSL: s.Source, Trusted: !*checked}
		for range k.Bufs {
			d.Bindings = append(d.Bindings, gpu.ReadWriteStorage)
		}
		descs = append(descs, d)
		ks = append(ks, &kern{tile: chosen, wg: s.Groups})
	}
	pipes, err := b.d.Compile(descs, nil)
	check(err)
	var want []float32
	for i, x := range ks {
		x.p = pipes[i]
		entries := make([]gpu.Binding, len(c.bufs))
		for j, u := range c.bufs {
			entries[j] = gpu.Binding{Buffer: u}
		}
		x.g, err = b.d.NewBindGroup(x.p, 0, entries)
		check(err)
		s := b.d.NewStream()
		x.dispatch(s)
		_, err := b.d.Submit(s)
		check(err)
		got := b.head(c.bufs[out], min(k.Bufs[out].Elems, 1<<20))
		if i == 0 {
			want = got
		}
		x.err = distance(got, want)
	}
	b.race(ks)
	first := ks[0]
	slices.SortFunc(ks, func(x, y *kern) int { return int(x.time - y.time) })
	fmt.Printf("%s: %d groups by the table\n", k.Name, first.wg[0]*first.wg[1]*first.wg[2])
	for i, x := range ks {
		if i >= *top && x != first {
			continue
		}
		mark := ""
		if x == first {
			mark = "table"
		}
		if !(x.err < 1e-4) {
			mark += " WRONG"
			b.wrong++
		}
		us := float64(x.time.Nanoseconds()) / 1e3
		fmt.Printf("%9.2f us %7.2f TFLOP/s %7.1f GB/s  diff %.1e  %-32v %s\n", us, float64(k.FLOPs())/us/1e6, float64(k.Bytes())/us/1e3, x.err, x.tile, mark)
	}
	for _, x := range ks {
		x.g.Destroy()
		x.p.Destroy()
	}
}

func (b *bench) uploadAt(buf *gpu.Buffer, at int, v []float32) {
	raw := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(x))
	}
	check(b.d.Write(buf, 4*at, raw))
}

func (b *bench) head(buf *gpu.Buffer, n int) []float32 {
	raw := make([]byte, 4*n)
	check(b.d.Read(buf, 0, raw))
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

func distance(a, b []float32) float64 {
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / norm)
}

// convTiles are the tiles that are raced for a product of these dimensions.
func convTiles(k *kernel.Kernel) (out []wgsl.Tile) {
	r := len(k.Dims)
	m, n := k.Dims[r-2], k.Dims[r-1]
	if k.Product.K <= 64 || m*n < 1<<18 {
		for _, c := range []direct{{32, 64, 8, 4}, {32, 128, 8, 4}, {16, 64, 4, 4}, {32, 64, 4, 4}, {32, 128, 8, 8}, {64, 64, 8, 4}, {16, 128, 16, 4}, {32, 128, 16, 4}} {
			if c.bm <= 2*m {
				out = append(out, wgsl.Tile{BM: c.bm, BN: c.bn, TM: c.tm, TN: c.tn, Unroll: 2})
			}
		}
	}
	if m*n < 1<<17 {
		out = append(out, splitTiles([]direct{{16, 16, 4, 4}, {8, 8, 4, 4}, {16, 32, 4, 4}, {32, 16, 4, 4}, {8, 16, 4, 4}, {32, 32, 8, 4}})...)
	}
	for _, bm := range []int{32, 64} {
		for _, bn := range []int{64, 80, 128, 144, 192, 256, 288, 320, 384, 400, 512} {
			for _, tn := range []struct{ n, w int }{{8, 4}, {8, 8}, {16, 4}} {
				for _, bk := range []int{2, 4, 8} {
					if threads := bm / 8 * bn / tn.n; bm < 2*m && threads >= 64 && threads <= 256 {
						out = append(out, wgsl.Tile{BM: bm, BN: bn, TM: 8, TN: tn.n, TW: tn.w, BK: bk, Window: true})
					}
				}
			}
		}
		for _, taps := range []int{9, 25} {
			for _, channels := range []int{8, 16, 32, 64} {
				for _, tm := range []int{1, 2, 4, 8} {
					for _, bk := range []int{1, 2, 4, 5} {
						if threads := bm / tm * channels; bm < 2*m && threads >= 64 && threads <= 256 {
							out = append(out, wgsl.Tile{BM: bm, BN: channels * taps, TM: tm, TN: taps, BK: bk, Taps: true})
						}
					}
				}
			}
		}
	}
	for _, c := range []struct{ bm, bn, bk, tm, tn, split int }{
		{32, 160, 32, 4, 8, 2}, {32, 160, 16, 4, 8, 1}, {32, 32, 32, 4, 4, 4}, {32, 32, 32, 4, 4, 2}, {32, 64, 32, 4, 8, 4}, {32, 64, 32, 4, 8, 2}, {32, 64, 16, 4, 4, 1},
		{32, 128, 16, 4, 8, 1}, {32, 128, 32, 4, 8, 2}, {32, 128, 16, 8, 8, 1}, {32, 256, 16, 8, 8, 1}, {32, 256, 16, 4, 8, 1}, {32, 256, 8, 8, 8, 1},
		{32, 256, 16, 8, 16, 1}, {32, 512, 16, 8, 16, 1}, {32, 256, 32, 8, 8, 2}, {32, 128, 32, 8, 8, 2}, {32, 64, 32, 8, 8, 4}, {32, 128, 32, 8, 8, 4}, {32, 64, 16, 4, 8, 1},
		{64, 64, 16, 8, 8, 1}, {64, 64, 32, 8, 8, 2}, {64, 64, 16, 4, 8, 1}, {64, 64, 32, 8, 8, 1}, {64, 64, 32, 8, 8, 4},
		{64, 128, 16, 8, 8, 1}, {64, 128, 32, 8, 8, 1}, {64, 128, 32, 8, 8, 2}, {64, 256, 16, 8, 8, 1}, {64, 256, 16, 8, 16, 1}, {64, 256, 8, 8, 8, 1},
		{128, 64, 16, 8, 8, 1}, {128, 64, 32, 8, 8, 1}, {128, 128, 16, 8, 8, 1}, {128, 128, 8, 8, 8, 1}, {128, 128, 32, 8, 8, 1},
	} {
		if c.bm > 32 && c.bm >= 2*m || c.bn > 32 && c.bn >= 2*n || m*n > 1<<20 && c.bm*c.bn < 4096 {
			continue
		}
		for _, stages := range []int{1, 2} {
			if stages == 2 && (c.bk == 32 || c.bm*c.bn < 4096) {
				continue
			}
			out = append(out, wgsl.Tile{BM: c.bm, BN: c.bn, BK: c.bk, TM: c.tm, TN: c.tn, SplitK: c.split, Shared: true, Stages: stages})
		}
	}
	return out
}

// softwareConvTiles are strips for adapters that run on the CPU.
func softwareConvTiles(k *kernel.Kernel) (out []wgsl.Tile) {
	r := len(k.Dims)
	m, n := k.Dims[r-2], k.Dims[r-1]
	for _, tm := range []int{2, 4, 8} {
		for _, tn := range []int{6, 8, 9, 10, 12, 16, 18, 20, 24, 25, 36, 40} {
			for _, u := range []int{1, 2, 3, 4, 5, 8, 9, 10} {
				if p := tm * tn * u; m%tm == 0 && n%tn == 0 && p >= 150 && p <= 800 {
					out = append(out, wgsl.Tile{BM: m, BN: tn, TM: tm, TN: tn, Unroll: u, Strip: true})
				}
			}
		}
	}
	return append(out, wgsl.Tile{BM: 32, BN: 32, TM: 8, TN: 8})
}
