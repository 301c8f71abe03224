package tensor

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/plan"
)

// MaxSteps is the most steps that one Submit may hold.
const MaxSteps = plan.RingSlots

// Function is what Compile traces: it computes results from its arguments and
// may assign variables through t.
type Function func(t *Trace, in []*Tensor) []*Tensor

// Program is a compiled function for one signature. It owns its device memory
// until Close. It is not safe for concurrent use.
type Program struct {
	dev     *device.Device
	plan    *plan.Plan
	exec    backend.Exec
	inputs  []int // plan buffers of the arguments
	checks  []*ir.IndexCheck
	states  []*storage
	written []*storage
	bound   []backend.Buffer
	scalars []uint32 // MaxSteps rows
	row     []uint32 // the values that Call uses
	rows    []uint32 // ring rows on their way back
	closed  bool
}

// ErrNoFloat16 is in Compile's error for a trace in mixed precision on a device
// without it.
var ErrNoFloat16 = errors.New("weft: the device has no float16 (WebGPU's feature shader-f16), which mixed precision needs")

var errClosed = errors.New("weft: the program is closed")

// Compile traces f for arguments of the shapes and types of in (whose values
// do not matter) and compiles it for dev. Wrong shapes inside of f come back
// as an *Error with the position in f's code.
func Compile(dev *device.Device, f Function, in ...*Tensor) (p *Program, err error) {
	g, err := traceFunction(f, in)
	if err != nil {
		return nil, err
	}
	return compile(dev, g)
}

func traceFunction(f Function, in []*Tensor) (g *ir.Graph, err error) {
	t := &Trace{scalars: map[string]*Tensor{}, assigned: map[*ir.Leaf]bool{}}
	args := make([]*Tensor, len(in))
	for i, x := range in {
		l := &ir.Leaf{Kind: ir.Input, Name: fmt.Sprintf("argument %d", i), DType: x.DType(), Shape: x.Shape()}
		t.graph.Inputs = append(t.graph.Inputs, l)
		args[i] = &Tensor{node: ir.NewLeaf(l), trace: t}
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			g, err = nil, e
		}
	}()
	for i, o := range f(t, args) {
		if o == nil {
			return nil, fmt.Errorf("weft: compile: result %d is nil", i)
		}
		if o.trace != nil && o.trace != t {
			return nil, errors.New("weft: compile: a result belongs to another trace")
		}
		if o.evaluated && t.training {
			return nil, evaluatedInTraining("compile")
		}
		n := o.node
		if n.DType == Uint8 || n.DType == Float16 {
			n = ir.Cast(n, n.DType.Compute())
		}
		t.graph.Outputs = append(t.graph.Outputs, n)
	}
	return &t.graph, nil
}

func compile(dev *device.Device, g *ir.Graph) (*Program, error) {
	be := dev.Backend()
	if g.Half > 0 && !be.Float16() {
		return nil, fmt.Errorf("%w: %s", ErrNoFloat16, be.Name())
	}
	pl, err := fuse.Build(g, fuse.Options{MaxBuffers: be.MaxBuffers()})
	if err != nil {
		return nil, err
	}
	if r, ok := be.(backend.Rewriter); ok {
		r.Rewrite(pl)
	}
	p := &Program{dev: dev, plan: pl, checks: g.Checks}
	assigned := map[*ir.Leaf]bool{}
	for _, l := range g.Targets {
		assigned[l] = true
	}
	p.bound = make([]backend.Buffer, len(pl.Buffers))
	for i, b := range pl.Buffers {
		switch b.Kind {
		case plan.Input:
			p.inputs = append(p.inputs, i)
		case plan.State, plan.Data:
			s := storageOf(b.Leaf)
			if p.bound[i], err = s.onDevice(dev); err != nil {
				return nil, err
			}
			p.states = append(p.states, s)
			if assigned[b.Leaf] {
				p.written = append(p.written, s)
			}
		}
	}
	p.exec, err = be.Compile(pl, func(buf int) backend.Buffer { return p.bound[buf] })
	if err != nil {
		return nil, err
	}
	words := len(g.Scalars)
	p.scalars = make([]uint32, words*MaxSteps)
	p.row = make([]uint32, words)
	p.rows = make([]uint32, pl.RingWords*MaxSteps)
	return p, nil
}

// Scalars gives the per-step scalars of one step their values.
type Scalars struct {
	p   *Program
	row []uint32
}

// Slot returns the number of a per-step scalar for Set and SetInt, or -1 if
// the program has none of that name.
func (p *Program) Slot(name string) int {
	return slices.IndexFunc(p.plan.Graph.Scalars, func(l *ir.Leaf) bool { return l.Name == name })
}

// Set gives Float32 scalar slot (from Program.Slot) the value v; a negative
// slot is ignored, so that callers can offer what a program may not need.
func (s Scalars) Set(slot int, v float32) {
	if slot >= 0 {
		s.row[slot] = math.Float32bits(v)
	}
}

// SetInt is Set for Int32 scalars.
func (s Scalars) SetInt(slot int, v int32) {
	if slot >= 0 {
		s.row[slot] = uint32(v)
	}
}

// SetScalar gives a per-step scalar the value that Call uses from now on.
func (p *Program) SetScalar(name string, v float64) error {
	i := p.Slot(name)
	if i < 0 {
		return fmt.Errorf("weft: the program has no per-step scalar %q", name)
	}
	if p.plan.Graph.Scalars[i].DType == Float32 {
		p.row[i] = math.Float32bits(float32(v))
	} else {
		p.row[i] = uint32(int32(v))
	}
	return nil
}

// Write replaces argument i by the contents of x, which has the argument's
// shape and type.
func (p *Program) Write(i int, x *Tensor) error {
	if i < 0 || i >= len(p.inputs) {
		return fmt.Errorf("weft: argument %d of %d", i, len(p.inputs))
	}
	want := p.plan.Buffers[p.inputs[i]].Leaf
	if x.DType() != want.DType || !slices.Equal(x.Shape(), want.Shape) {
		return fmt.Errorf("weft: argument %d is %v%v, the program was compiled for %v%v", i, x.DType(), x.Shape(), want.DType, want.Shape)
	}
	data, _, err := x.bytes()
	if err != nil {
		return err
	}
	return p.WriteBytes(i, data)
}

// WriteBytes replaces argument i by elements in the host's byte order.
func (p *Program) WriteBytes(i int, data []byte) error {
	if p.closed {
		return errClosed
	}
	if i < 0 || i >= len(p.inputs) {
		return fmt.Errorf("weft: argument %d of %d", i, len(p.inputs))
	}
	if want := p.plan.Buffers[p.inputs[i]].Bytes; len(data) != want {
		return fmt.Errorf("weft: argument %d: %d bytes given, %d needed", i, len(data), want)
	}
	leaf := p.plan.Buffers[p.inputs[i]].Leaf
	for _, c := range p.checks {
		if c.Leaf != leaf {
			continue
		}
		if wrong := checkIndices(c, leaf.DType, data); wrong != "" {
			return fmt.Errorf("weft: argument %d: %s: %s", i, c.Op, wrong)
		}
	}
	b, off := p.exec.Buffer(p.inputs[i])
	return p.dev.Backend().Write(b, off, data)
}

// Call runs one step on the given arguments and returns its results. Scalars
// are as SetScalar left them.
func (p *Program) Call(in ...*Tensor) ([]*Tensor, error) {
	if len(in) != len(p.inputs) {
		return nil, fmt.Errorf("weft: %d arguments for a program of %d", len(in), len(p.inputs))
	}
	for i, x := range in {
		if err := p.Write(i, x); err != nil {
			return nil, err
		}
	}
	for { // results of submits that nobody collected
		n, err := p.exec.Collect(p.rows)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
	}
	if err := p.submit(1, p.row); err != nil {
		return nil, err
	}
	if _, err := p.exec.Collect(p.rows); err != nil {
		return nil, err
	}
	out := make([]*Tensor, len(p.plan.Results))
	for i := range out {
		t, err := p.result(i)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

// result copies result i of the last step to the host.
func (p *Program) result(i int) (*Tensor, error) {
	r := p.plan.Results[i]
	data := make([]byte, r.Elems*r.DType.Size())
	if r.Ring {
		copy(data, bytesOfWords(p.rows[r.Offset:r.Offset+r.Elems]))
	} else {
		b, off := p.exec.Buffer(r.Buf)
		if err := p.dev.Backend().Read(b, off, data); err != nil {
			return nil, err
		}
	}
	return leafTensor(&ir.Leaf{Kind: ir.Data, DType: r.DType, Shape: r.Shape}, data), nil
}

func bytesOfWords(w []uint32) []byte {
	b := make([]byte, 0, len(w)*4)
	for _, v := range w {
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return b
}

// Result returns result i as the last step left it. Results of up to 16
// elements are returned by Collect instead.
func (p *Program) Result(i int) (*Tensor, error) {
	if p.closed {
		return nil, errClosed
	}
	if i < 0 || i >= len(p.plan.Results) {
		return nil, fmt.Errorf("weft: result %d of %d", i, len(p.plan.Results))
	}
	if p.plan.Results[i].Ring {
		return nil, fmt.Errorf("weft: result %d has %d elements; Collect returns it", i, p.plan.Results[i].Elems)
	}
	return p.result(i)
}

// Submit runs n steps, at most MaxSteps, with the scalars that fill gives
// each of them. It returns before the steps have run, and waits only when
// three earlier submits are still under way, the oldest of whose results are
// lost if Collect has not fetched them. In steady state it allocates nothing.
func (p *Program) Submit(n int, fill func(step int, s Scalars)) error {
	if n < 1 || n > MaxSteps {
		return fmt.Errorf("weft: submit of %d steps; 1 to %d are possible", n, MaxSteps)
	}
	words := len(p.row)
	for i := range n {
		row := p.scalars[i*words : (i+1)*words]
		copy(row, p.row)
		if fill != nil {
			fill(i, Scalars{p, row})
		}
	}
	return p.submit(n, p.scalars[:n*words])
}

func (p *Program) submit(n int, scalars []uint32) error {
	if p.closed {
		return errClosed
	}
	// Variables may have been set, or moved to another device, in between.
	for i, b := range p.plan.Buffers {
		if b.Kind != plan.State && b.Kind != plan.Data {
			continue
		}
		if err := storageOf(b.Leaf).still(p.bound[i]); err != nil {
			return err
		}
	}
	if err := p.exec.Submit(n, scalars); err != nil {
		return err
	}
	for _, s := range p.written {
		s.written()
	}
	return nil
}

// Collect waits for the oldest submit not yet collected and calls f for each
// of its steps with the step's small results (up to 16 elements each), end to
// end in the order in which the function returned them. It reports how many
// steps there were, 0 if nothing was outstanding. The slice is valid during
// the call only. Int32 results appear as their bits.
func (p *Program) Collect(f func(step int, results []float32)) (int, error) {
	if p.closed {
		return 0, errClosed
	}
	n, err := p.exec.Collect(p.rows)
	if err != nil || f == nil {
		return n, err
	}
	w := p.plan.RingWords
	all := floatsOfWords(p.rows)
	for i := range n {
		f(i, all[i*w:(i+1)*w])
	}
	return n, nil
}

// MemoryBytes is the device memory that the program owns, and that of the
// variables and constants it uses. Both are fixed when it is compiled; running
// steps allocates nothing more.
func (p *Program) MemoryBytes() (own, borrowed int) {
	_, borrowed = p.plan.PeakBytes()
	return p.exec.MemoryBytes(), borrowed
}

// KernelCount is the number of kernels that one step dispatches.
func (p *Program) KernelCount() int { return len(p.plan.Kernels) }

// FLOPs estimates the arithmetic of one step.
func (p *Program) FLOPs() int {
	n := 0
	for _, k := range p.plan.Kernels {
		n += k.FLOPs()
	}
	return n
}

// ProductFLOPs is the part of FLOPs that is in matrix products and convolutions:
// 2 M N K for each.
func (p *Program) ProductFLOPs() int {
	n := 0
	for _, k := range p.plan.Kernels {
		if k.Product != nil {
			n += 2 * k.Product.K * ir.NumElems(k.Dims)
		}
	}
	return n
}

// KernelTime is what one kernel of a step costs.
type KernelTime struct {
	Name        string
	Nanoseconds float64
	FLOPs       int // arithmetic operations
	Bytes       int // memory touched, each buffer once
}

// Profile runs steps (with the scalars of the last submit) and returns for
// each kernel the median of its times. Variables change as they do in any
// step.
func (p *Program) Profile(steps int) ([]KernelTime, error) {
	if p.closed {
		return nil, errClosed
	}
	times := make([][]float64, len(p.plan.Kernels))
	for range max(steps, 1) {
		ns, err := p.exec.Profile()
		if err != nil {
			return nil, err
		}
		for i, t := range ns {
			times[i] = append(times[i], t)
		}
	}
	for _, s := range p.written {
		s.written()
	}
	list := make([]KernelTime, len(times))
	for i, k := range p.plan.Kernels {
		slices.Sort(times[i])
		list[i] = KernelTime{k.Name, times[i][len(times[i])/2], k.FLOPs(), k.Bytes()}
	}
	return list, nil
}

// Graph prints the traced graph, Plan the kernels and buffers.
func (p *Program) Graph() string { return p.plan.Graph.String() }

// Plan prints the fused kernels, and the buffers with their lifetimes.
func (p *Program) Plan() string { return p.plan.String() }

// Source returns the code generated for each kernel; empty strings where the
// device interprets kernels.
func (p *Program) Source() []string { return p.exec.Kernels() }

// Close returns the program's device memory.
func (p *Program) Close() {
	if !p.closed {
		p.closed = true
		p.exec.Close()
	}
}
