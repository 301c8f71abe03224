package tensor_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/cpu"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/webgpu"
	"github.com/weft-ml/weft/internal/wgsl"
	. "github.com/weft-ml/weft/tensor"
)

// runProgram runs the program of data on dev: two calls with different
// arguments, then a submit of three steps, and returns everything that can be
// observed.
func runProgram(dev *device.Device, data []byte) (out []outcome, p *randomProgram, err error) {
	p = newRandomProgram(data)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	var exact, floats []bool
	prog, err := Compile(dev, func(tr *Trace, in []*Tensor) []*Tensor {
		outs := p.trace(tr, in)
		for _, o := range outs {
			e := o.Trace() == nil
			for _, v := range p.pool {
				if v.Tensor == o {
					e = !v.float() || v.exact()
				}
			}
			exact, floats = append(exact, e), append(floats, o.DType().Compute() == Float32)
		}
		return outs
	}, p.inputs(0)...)
	if err != nil {
		return nil, p, err
	}
	defer prog.Close()
	observe := func(name string, exact bool, t *Tensor) {
		v, e := t.Read()
		err = errors.Join(err, e)
		out = append(out, outcome{name, exact, v})
	}
	variables := func(when string) {
		for i, v := range p.variable {
			observe(fmt.Sprintf("variable %d after %s", i, when), p.vars[i].frac != inexact, v)
		}
	}
	scalars := func(step int, set func(name string, v float64)) {
		set("s", float64(step%7)/4-0.75)
		set("r", float64(step%3)/4)
		set("k", float64(3-step))
		set("step", float64(step))
		set("seed", 42)
	}
	for call := range 2 {
		scalars(call, func(name string, v float64) {
			if prog.Slot(name) >= 0 {
				err = errors.Join(err, prog.SetScalar(name, v))
			}
		})
		results, e := prog.Call(p.inputs(call)...)
		if e != nil {
			return nil, p, errors.Join(err, e)
		}
		for i, r := range results {
			observe(fmt.Sprintf("result %d of call %d", i, call), exact[i], r)
		}
		variables(fmt.Sprint("call ", call))
	}
	err = errors.Join(err, prog.Submit(3, func(step int, s Scalars) {
		scalars(step+2, func(name string, v float64) {
			switch slot := prog.Slot(name); name {
			case "s", "r":
				s.Set(slot, float32(v))
			default:
				s.SetInt(slot, int32(v))
			}
		})
	}))
	var ring [][]float32
	_, e := prog.Collect(func(_ int, r []float32) { ring = append(ring, append([]float32(nil), r...)) })
	err = errors.Join(err, e)
	at := 0
	for i := range exact {
		r, e := prog.Result(i)
		if e == nil {
			observe(fmt.Sprintf("result %d of submit", i), exact[i], r)
			continue
		}
		n := out[i].data
		for step, row := range ring {
			row = row[at : at+len(n)]
			if !floats[i] {
				row = words(row)
			}
			out = append(out, outcome{fmt.Sprintf("result %d of step %d", i, step), exact[i], row})
		}
		at += len(n)
	}
	variables("submit")
	return out, p, err
}

// words makes numbers of the bits of integers.
func words(row []float32) []float32 {
	out := make([]float32, len(row))
	for i, v := range row {
		out[i] = float32(int32(math.Float32bits(v)))
	}
	return out
}

// differs describes the first observation that two runs do not share.
func differs(got, want []outcome, tol float64) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d observations, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if len(g.data) != len(w.data) {
			return fmt.Sprintf("%s has %d elements, want %d", g.name, len(g.data), len(w.data))
		}
		size := 1.0
		for _, v := range w.data {
			size = max(size, math.Abs(float64(v)))
		}
		if size > 1e6 && !w.exact { // out of control
			continue
		}
		for j, v := range w.data {
			d := math.Abs(float64(g.data[j]) - float64(v))
			if v != v && g.data[j] != g.data[j] {
				continue
			}
			if w.exact && d != 0 || !(d <= tol*size) {
				return fmt.Sprintf("%s (exact %v): element %d of %d is %g, want %g", g.name, w.exact, j, len(w.data), g.data[j], v)
			}
		}
	}
	return ""
}

// compare runs data on dev and on the reference. It returns what is wrong.
func compare(dev *device.Device, data []byte) (text, bad string) {
	want, p, err := runProgram(device.Reference(), data)
	if err != nil {
		return p.text.String(), "reference: " + err.Error()
	}
	tol := 1e-4
	if dev.Kind() == "webgpu" {
		tol = 1e-3
	}
	got, p, err := runProgram(dev, data)
	if err != nil {
		return p.text.String(), err.Error()
	}
	return p.text.String(), differs(got, want, tol)
}

func seedBytes(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 77))
	data := make([]byte, 60+r.IntN(400))
	for i := range data {
		data[i] = byte(r.UintN(256))
	}
	return data
}

// shorten removes whatever is not needed for the failure.
func shorten(dev *device.Device, data []byte) []byte {
	fails := func(d []byte) bool { _, bad := compare(dev, d); return bad != "" }
	for n := len(data) / 2; n >= 1; n /= 2 {
		for at := 0; at+n <= len(data); {
			less := append(append([]byte{}, data[:at]...), data[at+n:]...)
			zero := append([]byte{}, data...)
			clear(zero[at : at+n])
			switch {
			case fails(less):
				data = less
			case string(zero) != string(data) && fails(zero):
				data = zero
				at += n
			default:
				at += n
			}
		}
	}
	return data
}

func checkSeeds(t *testing.T, dev *device.Device, from, to uint64) {
	bad := 0
	for seed := from; seed < to; seed++ {
		data := seedBytes(seed)
		if _, wrong := compare(dev, data); wrong != "" {
			data = shorten(dev, data)
			text, wrong := compare(dev, data)
			t.Errorf("seed %d: %s\n%s\nbytes: %s", seed, wrong, text, hex.EncodeToString(data))
			if bad++; bad == 3 {
				t.Fatal("and perhaps more")
			}
		}
	}
}

// TestRandomPrograms compares every device with the reference. WEFT_SEEDS
// asks for more programs than CI runs.
func TestRandomPrograms(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev.Kind(), func(t *testing.T) {
			n := uint64(250)
			if dev.Kind() == "webgpu" {
				n = 20
			}
			from := uint64(0)
			if s, err := strconv.ParseUint(os.Getenv("WEFT_SEEDS"), 10, 64); err == nil {
				n = s
			}
			if s, err := strconv.ParseUint(os.Getenv("WEFT_FROM"), 10, 64); err == nil {
				from = s
			}
			checkSeeds(t, dev, from, from+n)
		})
	}
}

// Software adapters get kernels of their own; this runs those for hardware,
// with their barriers and tiles, on whatever adapter there is.
func TestHardwareKernels(t *testing.T) {
	list := devices(t)
	if len(list) < 2 {
		t.Skip("no WebGPU")
	}
	be := list[1].Backend().(*webgpu.Backend)
	be.Hardware = true
	checkPrograms(t, list[1], 1000, hardwareSeeds(8))
}

// hardwareSeeds is how many programs each kind of kernel computes below.
func hardwareSeeds(n uint64) uint64 {
	if s, err := strconv.ParseUint(os.Getenv("WEFT_SEEDS"), 10, 64); err == nil {
		return s
	}
	return n
}

// Every kind of tile, and every rewrite that long sums bring about, on whatever
// adapter there is: what real cards run must not need one to be tested. Products
// and sums are treated as if they were large.
func TestEveryKernel(t *testing.T) {
	list := devices(t)
	if len(list) < 2 {
		t.Skip("no WebGPU")
	}
	be := list[1].Backend().(*webgpu.Backend)
	for i, name := range slices.Sorted(maps.Keys(wgsl.Families)) {
		n := uint64(4)
		if runtime.GOOS == "js" {
			n = 1 // SwiftShader's barriers are slow
			if strings.HasSuffix(name, "in parts") {
				continue
			}
		}
		be.Tuning = wgsl.Low()
		used := 0
		be.Tuning.Tiles = func(m *wgsl.Matmul, lim wgsl.TileLimits) []wgsl.Tile {
			tiles := wgsl.Families[name](m, lim)
			used += len(tiles)
			return tiles
		}
		be.Hardware = name != "strip"
		t.Run(name, func(t *testing.T) {
			checkPrograms(t, list[1], 10000*uint64(i+1), hardwareSeeds(n))
			checkConvolutions(t, list[1], name == "window" || name == "taps")
			if used == 0 {
				t.Error("no product had such a tile")
			}
		})
	}
}

// checkConvolutions compares convolutions of several shapes, with both gradients,
// with the reference: of an image and filters, and of an image and its own corner.
// One shape will do for tiles that are not made for them.
func checkConvolutions(t *testing.T, dev *device.Device, all bool) {
	t.Helper()
	for i, c := range []struct{ n, channels, h, w, filters, kh, kw, pad int }{
		{2, 2, 6, 7, 8, 3, 3, 1}, {3, 4, 8, 8, 4, 2, 2, 0}, {1, 2, 12, 5, 8, 1, 3, 0}, {4, 2, 9, 9, 12, 5, 5, 2}, {6, 1, 5, 4, 3, 2, 4, 0},
	} {
		if i > 0 && !all {
			break
		}
		spec := func(seed uint64, shape ...int) *Tensor {
			return leafSpec{dt: Float32, shape: shape, frac: 3, seed: seed}.constant(0)
		}
		x, w := spec(1, c.n, c.channels, c.h, c.w), spec(2, c.filters, c.channels, c.kh, c.kw)
		o := ConvOptions{Padding: [2]int{c.pad, c.pad}}
		f := func(_ *Trace, in []*Tensor) []*Tensor {
			y := in[0].Conv2d(in[1], nil, o)
			own := in[0].Conv2d(in[0].Slice(2, 0, c.kh).Slice(3, 0, c.kw), nil, o)
			return append(Grad(y.Square().Sum(), in[0], in[1]), y, own, Grad(own.Square().Sum(), in[0])[0])
		}
		var results [2][]*Tensor
		for i, d := range []*device.Device{device.Reference(), dev} {
			p, err := Compile(d, f, x, w)
			if err != nil {
				t.Fatal(err)
			}
			results[i], err = p.Call(x, w)
			p.Close()
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, r := range results[0] {
			want, got := r.Floats(), results[1][i].Floats()
			size := 1.0
			for _, v := range want {
				size = max(size, math.Abs(float64(v)))
			}
			for j := range want {
				if !(math.Abs(float64(got[j]-want[j])) <= 1e-5*size) {
					t.Errorf("%+v: element %d of result %d is %v, want %v", c, j, i, got[j], want[j])
					break
				}
			}
		}
	}
}

// The same rewrites on the CPU, which is fast enough for many programs.
func TestSplitPrograms(t *testing.T) {
	for _, software := range []bool{false, true} {
		be := &rewriting{cpu.New(1), wgsl.TileLimits{WorkgroupStorage: 16384, Invocations: 256, Software: software, Tuning: wgsl.Low()}}
		checkPrograms(t, device.Wrap(be, "cpu"), 0, hardwareSeeds(150))
		if err := be.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// rewriting has the CPU compute plans as a WebGPU device would be given them.
type rewriting struct {
	*cpu.Backend
	lim wgsl.TileLimits
}

func (r *rewriting) Rewrite(p *plan.Plan) { wgsl.SplitLongSums(p, r.lim) }

// checkPrograms compares seeds from that many on, small and large ones, with
// the reference.
func checkPrograms(t *testing.T, dev *device.Device, from, n uint64) {
	t.Helper()
	bad := 0
	for seed := from; seed < from+n; seed++ {
		for _, data := range [][]byte{seedBytes(seed), largeSeed(seed)} {
			if _, wrong := compare(dev, data); wrong != "" {
				data = shorten(dev, data)
				text, wrong := compare(dev, data)
				t.Errorf("seed %d: %s\n%s\nbytes: %s", seed, wrong, text, hex.EncodeToString(data))
				if bad++; bad == 3 {
					t.Fatal("and perhaps more")
				}
			}
		}
	}
}

// largeSeed is a program with a dimension of some hundred elements: several
// blocks, and enough work for several threads.
func largeSeed(seed uint64) []byte {
	data := seedBytes(seed)
	data[3] = 99
	return data
}

// Whichever loop variable the CPU forms blocks along, results are the same
// up to the order of sums.
func TestVectorVariables(t *testing.T) {
	for choice := range 4 {
		be := cpu.New(1)
		be.Vector = func(k *kernel.Kernel, best int) int { return vectorVariable(k, best, choice) }
		dev := device.Wrap(be, "cpu")
		for seed := range uint64(60) {
			for _, data := range [][]byte{seedBytes(seed), largeSeed(seed)} {
				if _, wrong := compare(dev, data); wrong != "" {
					data = shorten(dev, data)
					text, wrong := compare(dev, data)
					t.Fatalf("choice %d, seed %d: %s\n%s\nbytes: %s", choice, seed, wrong, text, hex.EncodeToString(data))
				}
			}
		}
		if err := be.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// vectorVariable is one of those that have more than one element.
func vectorVariable(k *kernel.Kernel, best, choice int) int {
	for range len(k.Dims) {
		if d := choice % len(k.Dims); k.Dims[d] > 1 {
			return d
		}
		choice++
	}
	return best
}

// The number of threads does not show in a single bit.
func TestThreads(t *testing.T) {
	var devs []*device.Device
	for threads := 1; threads <= 3; threads++ {
		be := cpu.New(threads)
		defer be.Close()
		devs = append(devs, device.Wrap(be, "cpu"))
	}
	for seed := range uint64(80) {
		data := largeSeed(seed)
		want, _, err := runProgram(devs[0], data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			want[i].exact = true
		}
		for n, dev := range devs[1:] {
			got, p, err := runProgram(dev, data)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := differs(got, want, 0); wrong != "" {
				t.Fatalf("seed %d with %d threads: %s\n%s", seed, n+2, wrong, p.text.String())
			}
		}
	}
}

func FuzzPrograms(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seedBytes(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 600 {
			return
		}
		if text, wrong := compare(device.CPU(), data); wrong != "" {
			t.Fatalf("%s\n%s", wrong, text)
		}
	})
}
