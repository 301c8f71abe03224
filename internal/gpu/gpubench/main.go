// Command gpubench checks and times the kernels that the rest of Weft tunes its
// tables with, on the first GPU adapter (or the one named by -adapter).
//
//	gpubench -set floor           what a dispatch costs that does nothing
//	gpubench -set large           tiles of square matmuls
//	gpubench -set middle          tiles of an MLP's matmuls at batch 512, and the like
//	gpubench -set small           tiles of the MLP's matmuls at batch 64
//	gpubench -set narrow          tiles of products with one row or column
//	gpubench -set table           all of these shapes with the table's tiles only
//	gpubench -set software        the same with tiles for software adapters
//	gpubench -set step            the MLP's matmuls as the table chooses them
//	gpubench -set conv            tiles of the convolutions of the digit CNN and of ResNet-18
//	                              at batch 512 (-only sum, -only matmul_32: some kernels)
//	gpubench -set conv1           the same for predictions of one image
//	gpubench -set small -m 64 -n 128 -k 784 -trans NT    tiles of one product
//
// Every kernel is checked before it is timed, on random data, against float64
// on the CPU (at samples when the product is large), with its output poisoned.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/wgsl"
)

var (
	adapter = flag.String("adapter", "", "part of the adapter's name")
	set     = flag.String("set", "", "floor, large, middle, small, narrow, table, software, step, conv or conv1")
	flagM   = flag.Int("m", 0, "rows of A")
	flagN   = flag.Int("n", 0, "columns of B")
	flagK   = flag.Int("k", 0, "columns of A")
	trans   = flag.String("trans", "NN", "NN, NT, TN or TT")
	budget  = flag.Duration("time", 60*time.Millisecond, "time of one measurement")
	source  = flag.Bool("source", false, "print the kernels of -m -n -k")
	only    = flag.String("only", "", "conv: part of the names of kernels")
	images  = flag.Int("images", 0, "conv: size of the batch, instead of the set's")
	top     = flag.Int("top", 5, "conv: how many of the tiles are printed")
	checked = flag.Bool("checked", false, "leave run-time bounds checks in")
)

func main() {
	flag.Parse()
	d, err := gpu.Open(gpu.Options{Adapter: *adapter})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer d.Close()
	fmt.Println(d.Info())
	b := &bench{d: d, rng: rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))}
	pick := map[string]func() []wgsl.Tile{"large": largeTiles, "middle": middleTiles, "small": smallTiles, "narrow": narrowTiles, "software": softwareTiles}
	switch {
	case *flagM > 0 && pick[*set] != nil:
		b.tiles(shape{*flagM, *flagN, *flagK, *trans}, pick[*set]())
	case *set == "floor":
		b.floor()
	case *set == "large":
		for _, s := range large {
			b.tiles(s, largeTiles())
		}
	case *set == "middle":
		for _, s := range middle {
			b.tiles(s, middleTiles())
		}
	case *set == "small":
		for _, s := range mlp {
			b.tiles(s, smallTiles())
		}
	case *set == "narrow":
		for _, s := range narrow {
			b.tiles(s, narrowTiles())
		}
	case *set == "table":
		for _, list := range [][]shape{large, middle, mlp, narrow} {
			for _, s := range list {
				b.tiles(s, nil)
			}
		}
	case *set == "software":
		for _, s := range mlp {
			b.tiles(s, softwareTiles())
		}
	case *set == "conv":
		b.convs(convs, true)
	case *set == "conv1":
		b.convs(convs1, false)
	case *set == "step":
		b.step()
	default:
		flag.Usage()
		os.Exit(2)
	}
	if b.wrong > 0 {
		fmt.Println(b.wrong, "kernels gave wrong results")
		os.Exit(1)
	}
}

type shape struct {
	m, n, k int
	trans   string
}

// mlp are the products of one training step of the 784-128-10 MLP at batch 64.
var mlp = []shape{{64, 128, 784, "NT"}, {64, 10, 128, "NT"}, {10, 128, 64, "TN"}, {64, 128, 10, "NN"}, {128, 784, 64, "TN"}}

var large = []shape{{1024, 1024, 1024, "NN"}, {1024, 1024, 1024, "NT"}, {1024, 1024, 1024, "TN"}, {2048, 2048, 2048, "NN"}, {2048, 2048, 2048, "NT"}, {4096, 4096, 4096, "NN"}, {4096, 4096, 4096, "NT"}, {8192, 8192, 8192, "NN"}}

var middle = []shape{
	{512, 128, 784, "NT"}, {128, 784, 512, "TN"}, {512, 10, 128, "NT"}, {10, 128, 512, "TN"}, {512, 128, 10, "NN"},
	{256, 256, 256, "NN"}, {512, 512, 512, "NT"}, {512, 512, 512, "TN"}, {1024, 512, 512, "NN"}, {2048, 256, 256, "NT"}, {128, 512, 2048, "TN"},
}

var narrow = []shape{{1, 128, 784, "NT"}, {1, 10, 128, "NT"}, {1, 1024, 1024, "NN"}, {1024, 1, 1024, "NN"}, {1, 4096, 4096, "NT"}, {8, 1024, 1024, "NT"}}

type bench struct {
	d     *gpu.Device
	rng   *rand.Rand
	wrong int
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (b *bench) buffer(n int) (*gpu.Buffer, []float32) {
	buf, err := b.d.NewBuffer("bench", 4*n, gpu.Storage|gpu.CopySrc|gpu.CopyDst)
	check(err)
	v := make([]float32, n)
	for i := range v {
		v[i] = 2*b.rng.Float32() - 1
	}
	b.upload(buf, v)
	return buf, v
}

func (b *bench) upload(buf *gpu.Buffer, v []float32) {
	raw := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(x))
	}
	check(b.d.Write(buf, 0, raw))
}

func (b *bench) limits() wgsl.TileLimits {
	l := b.d.Limits()
	return wgsl.TileLimits{WorkgroupStorage: l.MaxWorkgroupStorage, Invocations: l.MaxInvocations, Software: b.d.Info().Software}
}

// product is one matmul with its buffers.
type product struct {
	shape
	mm      *wgsl.Matmul
	a, b, c *gpu.Buffer
	ha, hb  []float32
}

func (b *bench) product(s shape) *product {
	p := &product{shape: s, mm: wgsl.PlainMatmul(1, s.m, s.n, s.k, s.trans[0] == 'T', s.trans[1] == 'T')}
	p.a, p.ha = b.buffer(s.m * s.k)
	p.b, p.hb = b.buffer(s.k * s.n)
	p.c, _ = b.buffer(s.m * s.n)
	return p
}

func (p *product) free() {
	p.a.Destroy()
	p.b.Destroy()
	p.c.Destroy()
}

type kern struct {
	tile   wgsl.Tile
	source string
	wg     [3]int
	p      *gpu.Pipeline
	g      *gpu.BindGroup
	err    float64
	time   time.Duration // median
	best   time.Duration
}

func (b *bench) tiles(s shape, tiles []wgsl.Tile) {
	p := b.product(s)
	defer p.free()
	var ks []*kern
	var descs []gpu.PipelineDesc
	for _, t := range append([]wgsl.Tile{wgsl.ChooseTile(p.mm, b.limits())}, tiles...) {
		p.mm.Tile = t
		if p.mm.Check(b.limits()) != nil {
			continue
		}
		k := &kern{tile: t}
		k.source, k.wg = wgsl.PlainSource(p.mm)
		if *source {
			fmt.Println(k.source)
		}
		descs = append(descs, gpu.PipelineDesc{
			Label: t.String(), WGSL: k.source, Trusted: !*checked,
			Bindings: []gpu.BindingKind{gpu.ReadStorage, gpu.ReadStorage, gpu.ReadWriteStorage},
		})
		ks = append(ks, k)
	}
	start := time.Now()
	pipes, err := b.d.Compile(descs, nil)
	check(err)
	fmt.Printf("\n%d x %d x %d %s: %d kernels compiled in %v\n", s.m, s.n, s.k, s.trans, len(ks), time.Since(start).Round(time.Millisecond))
	for i, k := range ks {
		k.p = pipes[i]
		k.g, err = b.d.NewBindGroup(k.p, 0, []gpu.Binding{{Buffer: p.a}, {Buffer: p.b}, {Buffer: p.c}})
		check(err)
		k.err = b.verify(p, k)
	}
	b.race(ks)
	for _, k := range ks {
		k.g.Destroy()
	}
	for _, k := range ks[1:] {
		k.p.Destroy()
	}
	slices.SortFunc(ks[1:], func(x, y *kern) int { return int(x.time - y.time) })
	for i, k := range ks {
		mark := ""
		if i == 0 {
			mark = "table"
		}
		if !(k.err < 1e-5) {
			mark += " WRONG"
			b.wrong++
		}
		us := float64(k.time.Nanoseconds()) / 1e3
		fmt.Printf("%9.2f us (best %9.2f) %7.2f TFLOP/s  err %.1e  %-32v %s\n", us, float64(k.best.Nanoseconds())/1e3, 2*float64(s.m)*float64(s.n)*float64(s.k)/us/1e6, k.err, k.tile, mark)
	}
}

func (k *kern) dispatch(s *gpu.Stream) {
	check(s.Dispatch(k.p, k.g, nil, 0, uint32(k.wg[0]), uint32(k.wg[1]), uint32(k.wg[2])))
}

// verify runs the kernel over a poisoned output and returns the relative error
// of what it wrote (all of it, or samples), NaN included.
func (b *bench) verify(p *product, k *kern) float64 {
	poison := make([]float32, p.m*p.n)
	for i := range poison {
		poison[i] = float32(math.NaN())
	}
	b.upload(p.c, poison)
	s := b.d.NewStream()
	k.dispatch(s)
	_, err := b.d.Submit(s)
	check(err)
	raw := make([]byte, 4*p.m*p.n)
	check(b.d.Read(p.c, 0, raw))
	at := func(i int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))) }
	for i := range poison {
		if x := at(i); x != x {
			return x
		}
	}
	samples := p.m * p.n
	pick := func(i int) int { return i }
	if samples*p.k > 20e6 {
		samples = 2000
		pick = func(int) int { return b.rng.IntN(p.m * p.n) }
	}
	var diff, norm float64
	for i := range samples {
		o := pick(i)
		row, col := o/p.n, o%p.n
		var want float64
		for kk := range p.k {
			x := p.ha[row*p.mm.A.RowStride+kk*p.mm.A.ColStride]
			y := p.hb[kk*p.mm.B.RowStride+col*p.mm.B.ColStride]
			want += float64(x) * float64(y)
		}
		diff += (at(o) - want) * (at(o) - want)
		norm += want * want
	}
	return math.Sqrt(diff / norm)
}

// race times kernels in turn, round after round, so that a change of the device's
// clock meets them all. Each turn is one submit of dependent dispatches.
func (b *bench) race(ks []*kern) {
	const rounds = 7
	streams := make([]*gpu.Stream, len(ks))
	counts := make([]int, len(ks))
	times := make([][]time.Duration, len(ks))
	submit := func(s *gpu.Stream) time.Duration {
		start := time.Now()
		t, err := b.d.Submit(s)
		check(err)
		check(t.Wait())
		return time.Since(start)
	}
	for i, k := range ks {
		streams[i] = b.d.NewStream()
		for range 5 {
			k.dispatch(streams[i])
		}
		if i == 0 { // wake the device up: an idle one runs at a fraction of its clock
			for start := time.Now(); time.Since(start) < 150*time.Millisecond; {
				submit(streams[0])
			}
		}
		one := min(submit(streams[i]), submit(streams[i])) / 5 // a submit's cost included: errs to few
		counts[i] = min(max(int(*budget/rounds/max(one, 1)), 2), 1000)
		streams[i].Reset()
		for range counts[i] {
			k.dispatch(streams[i])
		}
	}
	for range rounds {
		for i := range ks {
			times[i] = append(times[i], submit(streams[i])/time.Duration(counts[i]))
		}
	}
	for i, k := range ks {
		slices.Sort(times[i])
		k.best, k.time = times[i][0], times[i][rounds/2]
	}
}

// time records f as often as fits the budget into one submit and returns the
// median over five submits of the time of one f.
func (b *bench) time(f func(*gpu.Stream)) time.Duration {
	run := func(n int) time.Duration {
		s := b.d.NewStream()
		for range n {
			f(s)
		}
		for start := time.Now(); time.Since(start) < *budget; { // warm-up
			t, err := b.d.Submit(s)
			check(err)
			check(t.Wait())
		}
		var times []time.Duration
		for range 5 {
			start := time.Now()
			t, err := b.d.Submit(s)
			check(err)
			check(t.Wait())
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		return times[2] / time.Duration(n)
	}
	// The first estimate includes the cost of a submit, so it errs to few runs.
	one := run(3)
	return run(min(max(int(*budget/max(one, 1)), 3), 1000))
}

func (b *bench) floor() {
	const n = 8192
	buf, _ := b.buffer(n)
	for _, c := range []struct{ name, body string }{
		{"64 threads, x += 1", "if (i < 64u) { x[i] += 1.0; }"},
		{"8192 threads, x += 1", "x[i] += 1.0;"},
	} {
		p, err := b.d.Compile([]gpu.PipelineDesc{{
			Label: "floor", Trusted: true, Bindings: []gpu.BindingKind{gpu.ReadWriteStorage},
			WGSL: "@group(0) @binding(0) var<storage, read_write> x: array<f32>;\n@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { let i = id.x; " + c.body + " }",
		}}, nil)
		check(err)
		g, err := b.d.NewBindGroup(p[0], 0, []gpu.Binding{{Buffer: buf}})
		check(err)
		groups := uint32(n / 64)
		if strings.HasPrefix(c.name, "64 ") {
			groups = 1
		}
		t := b.time(func(s *gpu.Stream) { check(s.Dispatch(p[0], g, nil, 0, groups, 1, 1)) })
		fmt.Printf("%9.2f us  dependent dispatch, %s\n", float64(t.Nanoseconds())/1e3, c.name)
	}
	// What workgroup memory costs before it is used: WebGPU fills it with zeros.
	for _, kb := range []int{4, 16, 32} {
		p, err := b.d.Compile([]gpu.PipelineDesc{{
			Label: "floor", Trusted: true, Bindings: []gpu.BindingKind{gpu.ReadWriteStorage},
			WGSL: fmt.Sprintf(`@group(0) @binding(0) var<storage, read_write> x: array<f32>;
var<workgroup> sh: array<f32, %d>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
	sh[u32(x[id.x]) & 63u] = 1.0; workgroupBarrier(); x[id.x] += sh[lix]; }`, kb*256),
		}}, nil)
		check(err)
		g, err := b.d.NewBindGroup(p[0], 0, []gpu.Binding{{Buffer: buf}})
		check(err)
		t := b.time(func(s *gpu.Stream) { check(s.Dispatch(p[0], g, nil, 0, n/256, 1, 1)) })
		fmt.Printf("%9.2f us  the same with %d KiB of workgroup memory and a barrier\n", float64(t.Nanoseconds())/1e3, kb)
	}
	empty := b.d.NewStream()
	start := time.Now()
	const submits = 200
	for range submits {
		t, err := b.d.Submit(empty)
		check(err)
		check(t.Wait())
	}
	fmt.Printf("%9.2f us  empty submit and wait\n", float64(time.Since(start).Microseconds())/submits)
}

// step runs the products of the MLP's step one after another.
func (b *bench) step() {
	var ks []*kern
	for _, s := range mlp {
		p := b.product(s)
		p.mm.Tile = wgsl.ChooseTile(p.mm, b.limits())
		k := &kern{tile: p.mm.Tile}
		k.source, k.wg = wgsl.PlainSource(p.mm)
		pipes, err := b.d.Compile([]gpu.PipelineDesc{{
			Label: "step", WGSL: k.source, Trusted: !*checked,
			Bindings: []gpu.BindingKind{gpu.ReadStorage, gpu.ReadStorage, gpu.ReadWriteStorage},
		}}, nil)
		check(err)
		k.p = pipes[0]
		k.g, err = b.d.NewBindGroup(k.p, 0, []gpu.Binding{{Buffer: p.a}, {Buffer: p.b}, {Buffer: p.c}})
		check(err)
		if !(b.verify(p, k) < 1e-5) {
			b.wrong++
		}
		ks = append(ks, k)
	}
	t := b.time(func(s *gpu.Stream) {
		for _, k := range ks {
			k.dispatch(s)
		}
	})
	fmt.Printf("%9.2f us  the %d matmuls of an MLP step at batch 64\n", float64(t.Nanoseconds())/1e3, len(ks))
}
