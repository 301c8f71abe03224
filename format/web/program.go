package web

// From the traced network to programs. Hardware and software adapters want
// different tiles, so a program is written for each where they differ; buffers,
// weights and equal kernels are the same.

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/wgsl"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// GPUBufferUsage.
const (
	copySrc = 0x04
	copyDst = 0x08
	storage = 0x80
)

// WebGPU's default limits, which every device has.
const (
	maxBuffer  = 256 << 20
	maxBinding = 128 << 20
	maxBuffers = 8
)

func limits(software bool) wgsl.TileLimits {
	return wgsl.TileLimits{WorkgroupStorage: 16384, Invocations: 256, Software: software}
}

// errTooLarge: a buffer is beyond the default limits.
var errTooLarge = errors.New("needs larger buffers than every browser has")

type writer struct {
	model   Model
	opt     Options
	plan    Plan
	gpu     *WebGPU
	names   map[*ir.Leaf]string // of variables
	leaves  map[string]*ir.Leaf // tensors of the weights' file
	folded  map[string]string   // names of constants by their contents
	buffers map[string]int
	shaders map[string]int
}

func newWriter(m Model, opt Options) *writer {
	pre := &m.Preprocessing
	w := &writer{model: m, opt: opt, gpu: &WebGPU{}, names: map[*ir.Leaf]string{}, leaves: map[string]*ir.Leaf{},
		folded: map[string]string{}, buffers: map[string]int{}, shaders: map[string]int{}}
	for _, p := range nn.Params(m.Net) {
		w.names[p.Value.Leaf()] = p.Name
	}
	w.plan = Plan{Format: formatName, Version: Version, Model: m.Title, Classes: m.Classes,
		Input: Input{Shape: []int{pre.Channels, pre.Height, pre.Width}, Scale: pre.Scale, Mean: pre.Mean, Std: pre.Std, Fit: FitCrop, Resize: pre.Resize}}
	if pre.OfDigits() {
		w.plan.Input.Fit, w.plan.Input.Resize = FitDigit, 0
	}
	w.plan.Kernels.WebGPU = w.gpu
	return w
}

// programs writes the program for one input and the one for a batch.
func (w *writer) programs() error {
	if err := w.batch(1); err != nil {
		return err
	}
	for batch := w.opt.Batch; batch > 1; batch /= 2 {
		if err := w.batch(batch); !errors.Is(err, errTooLarge) {
			return err
		}
	}
	return nil
}

// trace is the plan of the network for a batch.
func (w *writer) trace(batch int) (*plan.Plan, error) {
	shape := append([]int{batch}, w.plan.Input.Shape...)
	g, err := tensor.TraceGraph(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{w.model.Net.Forward(in[0])}
	}, tensor.Zeros(shape...))
	if err != nil {
		return nil, err
	}
	switch out := g.Outputs[0]; {
	case len(g.Targets) > 0:
		return nil, fmt.Errorf("web: the network changes its variable %q as it runs, which an exported model cannot", g.Targets[0].Name)
	case out.DType != ir.F32 && out.DType != ir.I32 && out.DType != ir.Bool || len(out.Shape) < 1 || out.Shape[0] != batch:
		return nil, fmt.Errorf("web: the network returns %v%v for a batch of %d, want a row for each", out.DType, out.Shape, batch)
	default:
		w.plan.Output.Shape = slices.Clone(out.Shape[1:])
		if len(out.Shape) == 1 { // a number for each
			w.plan.Output.Shape = []int{1}
		}
		if w.plan.Output.DType = dtypeName(out.DType); out.DType == ir.F32 {
			w.plan.Output.DType = ""
		}
	}
	if err := tensor.FoldConstants(g); err != nil {
		return nil, err
	}
	return fuse.Build(g, fuse.Options{MaxBuffers: maxBuffers, NoRing: true})
}

// batch adds the programs for a batch size, or nothing.
func (w *writer) batch(batch int) error {
	return w.both(func(software bool) (Program, error) {
		p, err := w.trace(batch)
		if err != nil {
			return Program{}, err
		}
		wgsl.SplitLongSums(p, limits(software))
		if err := fitsDefaults(p); err != nil {
			return Program{}, fmt.Errorf("web: a batch of %d %w", batch, err)
		}
		return w.program(p, batch, limits(software))
	})
}

// fitsDefaults says what p needs beyond the default limits.
func fitsDefaults(p *plan.Plan) error {
	if p.ArenaBytes > maxBuffer {
		return fmt.Errorf("%w: %d bytes of temporaries", errTooLarge, p.ArenaBytes)
	}
	for i := range p.Buffers {
		if b := &p.Buffers[i]; b.Bytes > maxBinding {
			return fmt.Errorf("%w: %d bytes for %q", errTooLarge, b.Bytes, b.Name)
		}
	}
	return nil
}

// both adds a program for each kind of adapter, or one where they are the same.
func (w *writer) both(write func(software bool) (Program, error)) error {
	var programs [2]Program
	for i := range programs {
		var err error
		if programs[i], err = write(i == 1); err != nil {
			return err
		}
	}
	if reflect.DeepEqual(programs[0], programs[1]) {
		w.gpu.Programs = append(w.gpu.Programs, programs[0])
		return nil
	}
	programs[0].Adapter, programs[1].Adapter = "hardware", "software"
	w.gpu.Programs = append(w.gpu.Programs, programs[:]...)
	return nil
}

func (w *writer) program(p *plan.Plan, batch int, tile wgsl.TileLimits) (Program, error) {
	buffers, err := w.allocate(p, "", batch)
	if err != nil {
		return Program{}, err
	}
	out := Program{Batch: batch, Output: buffers[p.Results[0].Buf]}
	for i, b := range p.Buffers {
		if b.Kind == plan.Input {
			out.Input = buffers[i]
		}
	}
	err = w.kernels(&out, p, buffers, tile)
	return out, err
}

// kernels gives out the kernels of p.
func (w *writer) kernels(out *Program, p *plan.Plan, buffers []int, tile wgsl.TileLimits) error {
	for i, k := range p.Kernels {
		s, err := wgsl.Generate(k, wgsl.Options{Tile: tile,
			Arena: func(buf int) bool { return p.Buffers[k.Bufs[buf].ID].Kind == plan.Temp }})
		if err != nil {
			return fmt.Errorf("web: %w", err)
		}
		if s.Scalars {
			return errors.New("web: the network depends on the number of the step or draws random numbers, which an exported model cannot")
		}
		kernel := Kernel{Label: k.Name, Shader: w.shader(s.Source)}
		group := Group{Kernel: i}
		for j, u := range k.Bufs {
			kind := "read_write"
			if s.ReadOnly[j] {
				kind = "read"
			}
			kernel.Bindings = append(kernel.Bindings, kind)
			group.Entries = append(group.Entries, [3]int{buffers[u.ID], p.Buffers[u.ID].Offset, rounded(p.Buffers[u.ID].Bytes)})
		}
		out.Kernels = append(out.Kernels, kernel)
		out.Groups = append(out.Groups, group)
		out.Steps = append(out.Steps, Step{Kernel: i, Groups: []int{i}, Size: s.Groups})
	}
	return nil
}

func (w *writer) shader(source string) int {
	n, ok := w.shaders[source]
	if !ok {
		n = len(w.gpu.Shaders)
		w.shaders[source] = n
		w.gpu.Shaders = append(w.gpu.Shaders, source)
	}
	return n
}

// rounded is a size that WebGPU accepts for any binding, vec4s included.
func rounded(n int) int { return max(16, (n+15)/16*16) }

// allocate gives each buffer of p a place: temporaries in the arena that all
// programs of that name share, weights once.
func (w *writer) allocate(p *plan.Plan, name string, batch int) ([]int, error) {
	at := make([]int, len(p.Buffers))
	label := func(kind string, i int) string {
		if name == "" {
			return fmt.Sprintf("%s of %d", kind, batch)
		}
		return fmt.Sprintf("%s %d of %s", kind, i, name)
	}
	for i, b := range p.Buffers {
		switch b.Kind {
		case plan.Temp:
			at[i] = w.buffer(strings.TrimSpace(name+" temporaries"), p.ArenaBytes, storage)
		case plan.Input:
			at[i] = w.buffer(label("input", i), b.Bytes, storage|copyDst)
		case plan.Output:
			at[i] = w.buffer(label("output", i), b.Bytes, storage|copySrc)
		case plan.State, plan.Data:
			name, err := w.tensor(b.Leaf)
			if err != nil {
				return nil, err
			}
			at[i] = w.buffer("tensor "+name, b.Bytes, storage|copyDst)
			w.gpu.Buffers[at[i]].Tensor = name
		default:
			return nil, fmt.Errorf("web: a buffer %q of an unexpected kind", b.Name)
		}
	}
	return at, nil
}

// buffer is the buffer of that name, as large as any program wants it.
func (w *writer) buffer(name string, size, usage int) int {
	n, ok := w.buffers[name]
	if !ok {
		n = len(w.gpu.Buffers)
		w.buffers[name] = n
		w.gpu.Buffers = append(w.gpu.Buffers, Buffer{Label: name, Usage: usage})
	}
	b := &w.gpu.Buffers[n]
	b.Size = max(b.Size, rounded(size))
	return n
}
