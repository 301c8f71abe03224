package tensor

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/ir"
)

// storage is the memory of a variable or constant. Its contents live on the
// host, on a device, or on both; whoever needs them elsewhere moves them. A
// constant, which cannot change, may be on several devices at once.
type storage struct {
	mu        sync.Mutex
	name      string
	size      int
	constant  bool
	host      []byte
	hostValid bool
	lent      bool // somebody may still look at host: it is replaced, not overwritten
	held
	devValid bool
	others   []held // of a constant
}

// held is a buffer on a device.
type held struct {
	dev     *device.Device
	buf     backend.Buffer
	cleanup runtime.Cleanup // frees buf when nobody refers to the tensor any more
}

func (h *held) release() {
	if h.buf != nil {
		h.cleanup.Stop()
		h.buf.Free()
	}
	*h = held{}
}

// onDevice returns a buffer of d with the current contents.
func (s *storage) onDevice(d *device.Device) (backend.Buffer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.constant && s.dev != nil && s.dev != d {
		i := slices.IndexFunc(s.others, func(h held) bool { return h.dev == d })
		if i < 0 {
			s.others = append(s.others, s.held)
			s.held, s.devValid = held{}, false
		} else {
			s.others[i], s.held = s.held, s.others[i]
		}
	}
	if s.dev != d {
		if err := s.download(); err != nil {
			return nil, err
		}
		s.held.release()
		s.devValid = false
		b, err := d.Backend().Alloc(s.name, s.size)
		if err != nil {
			return nil, err
		}
		s.held = held{d, b, runtime.AddCleanup(s, backend.Buffer.Free, b)}
	}
	return s.buf, s.upload()
}

func (s *storage) upload() error {
	if s.devValid {
		return nil
	}
	if err := s.dev.Backend().Write(s.buf, 0, s.host); err != nil {
		return err
	}
	s.devValid = true
	return nil
}

// still makes sure that buf, which a program was compiled with, holds the
// current contents. It fails if the contents have moved away.
func (s *storage) still(buf backend.Buffer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buf == buf {
		return s.upload()
	}
	if slices.ContainsFunc(s.others, func(h held) bool { return h.buf == buf }) {
		return nil
	}
	if s.name == "" {
		return errors.New("weft: a constant was freed since the program was compiled; compile the program again")
	}
	return fmt.Errorf("weft: variable %q was freed, or moved to another device, since the program was compiled; compile the program again", s.name)
}

// written notes that a program has changed the contents on the device.
func (s *storage) written() {
	s.mu.Lock()
	s.hostValid = false
	s.mu.Unlock()
}

// read returns the contents; the caller must not change them.
func (s *storage) read() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.download(); err != nil {
		return nil, err
	}
	s.lent = true
	return s.host, nil
}

func (s *storage) download() error {
	if s.hostValid {
		return nil
	}
	if len(s.host) != s.size || s.lent {
		s.host, s.lent = make([]byte, s.size), false
	}
	if err := s.dev.Backend().Read(s.buf, 0, s.host); err != nil {
		return fmt.Errorf("weft: reading %q back: %w", s.name, err)
	}
	s.hostValid = true
	return nil
}

func (s *storage) replace(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host, s.lent = slices.Clone(data), false
	s.hostValid, s.devValid = true, false
}

func (s *storage) release() {
	s.held.release()
	for i := range s.others {
		s.others[i].release()
	}
	s.others, s.devValid = nil, false
}

func storageOf(l *ir.Leaf) *storage { return l.Ref.(*storage) }

// Free returns the device memory of a variable or constant, keeping its
// contents on the host. Programs that use it cannot run any more.
func (t *Tensor) Free() error {
	if t.node.Op != ir.OpLeaf || t.node.Leaf.Ref == nil {
		return nil
	}
	s := storageOf(t.node.Leaf)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.download(); err != nil {
		return err
	}
	s.release()
	return nil
}

// Set replaces the contents of a Float32 variable. Programs that use it see
// the new contents at their next step.
func (t *Tensor) Set(data []float32) error {
	if !t.IsVariable() || t.DType() != Float32 {
		return fmt.Errorf("weft: set: not a Float32 variable")
	}
	if len(data) != t.Len() {
		return fmt.Errorf("weft: set %q: %d elements for shape %v", t.Name(), len(data), t.Shape())
	}
	storageOf(t.node.Leaf).replace(bytesOf(data))
	return nil
}

// SetInts is Set for an Int32 variable.
func (t *Tensor) SetInts(data []int32) error {
	if !t.IsVariable() || t.DType() != Int32 {
		return fmt.Errorf("weft: set: not an Int32 variable")
	}
	if len(data) != t.Len() {
		return fmt.Errorf("weft: set %q: %d elements for shape %v", t.Name(), len(data), t.Shape())
	}
	storageOf(t.node.Leaf).replace(bytesOf(data))
	return nil
}

// Read returns a copy of the elements as Float32, computing them first if
// need be (on the CPU, for tensors that no program has computed). Several
// goroutines may read variables and what Call returned; an expression is
// computed at its first reading, which must not happen in two at once.
func (t *Tensor) Read() ([]float32, error) {
	b, dt, err := t.bytes()
	if err != nil {
		return nil, err
	}
	switch dt {
	case Float32:
		return slices.Clone(sliceOf[float32](b)), nil
	case Float16, Uint8:
		return t.To(dt.Compute()).To(Float32).Read()
	}
	out := make([]float32, 0, t.Len())
	for _, v := range sliceOf[int32](b) {
		out = append(out, float32(v))
	}
	return out, nil
}

// ReadInts returns a copy of the elements as Int32; floats truncate.
func (t *Tensor) ReadInts() ([]int32, error) {
	b, dt, err := t.bytes()
	if err != nil {
		return nil, err
	}
	switch dt {
	case Int32, Bool:
		return slices.Clone(sliceOf[int32](b)), nil
	case Uint8:
		out := make([]int32, len(b))
		for i, v := range b {
			out[i] = int32(v)
		}
		return out, nil
	}
	return t.To(Int32).ReadInts()
}

// Floats is Read for tests and experiments: it panics where Read returns an
// error.
func (t *Tensor) Floats() []float32 {
	v, err := t.Read()
	if err != nil {
		panic(err)
	}
	return v
}

// Ints is ReadInts for tests and experiments: it panics where ReadInts
// returns an error.
func (t *Tensor) Ints() []int32 {
	v, err := t.ReadInts()
	if err != nil {
		panic(err)
	}
	return v
}

// Item is the only element of t.
func (t *Tensor) Item() float32 {
	if t.Len() != 1 {
		panic(ir.NewError("item", "a tensor of shape %v", t.Shape()))
	}
	return t.Floats()[0]
}

func (t *Tensor) bytes() ([]byte, DType, error) {
	if t.trace != nil {
		return nil, 0, ir.NewError("read", "the value is known only when the compiled function runs; return it from there")
	}
	if t.node.Op != ir.OpLeaf {
		if err := t.evaluate(); err != nil {
			return nil, 0, err
		}
	}
	b, err := storageOf(t.node.Leaf).read()
	return b, t.DType(), err
}

// evaluate computes t by compiling it as a program without arguments, and
// keeps the result in place of the expression. Everything it depends on is a
// constant or a variable, whose present value counts.
func (t *Tensor) evaluate() error {
	g, err := traceFunction(func(*Trace, []*Tensor) []*Tensor { return []*Tensor{t} }, nil)
	if err != nil {
		return err
	}
	if err := stayThere(g); err != nil {
		return err
	}
	p, err := compile(device.CPU(), g)
	if err != nil {
		return err
	}
	defer p.Close()
	out, err := p.Call()
	if err != nil {
		return err
	}
	r := out[0].node
	if dt := t.DType(); r.DType != dt { // a view of a storage type, widened by the kernel
		host, err := out[0].storageBytes()
		if err != nil {
			return err
		}
		l := &ir.Leaf{Kind: ir.Data, DType: dt, Shape: r.Shape}
		r = leafTensor(l, narrow(host, dt)).node
	}
	t.node = r
	return nil
}

// stayThere replaces variables of other devices in g by copies, because
// looking at a variable must not take it away from the program that trains it.
func stayThere(g *ir.Graph) (err error) {
	g.Outputs = ir.Rewrite(g.Outputs, func(n *ir.Node) *ir.Node {
		if n.Op != ir.OpLeaf || n.Leaf.Kind != ir.State {
			return n
		}
		s := storageOf(n.Leaf)
		s.mu.Lock()
		away := s.dev != nil && s.dev != device.CPU()
		s.mu.Unlock()
		if !away {
			return n
		}
		host, e := s.read()
		err = errors.Join(err, e)
		l := *n.Leaf
		l.Kind = ir.Data
		return leafTensor(&l, slices.Clone(host)).node
	})
	return err
}

func (t *Tensor) storageBytes() ([]byte, error) { return storageOf(t.node.Leaf).read() }

// narrow gives widened elements their storage type back. Only views have a
// storage type, so every element is one that the type can hold.
func narrow(wide []byte, dt DType) []byte {
	if dt == Uint8 {
		out := make([]byte, 0, len(wide)/4)
		for _, v := range sliceOf[int32](wide) {
			out = append(out, byte(v))
		}
		return out
	}
	out := make([]uint16, 0, len(wide)/4)
	for _, v := range sliceOf[float32](wide) {
		bits := math.Float32bits(v)
		sign, exp, frac := uint16(bits>>16&0x8000), int(bits>>23&255), bits&(1<<23-1)
		switch {
		case exp == 255: // infinite or not a number
			out = append(out, sign|0x7c00|uint16(frac>>13))
		case exp > 112:
			out = append(out, sign|uint16(exp-112)<<10|uint16(frac>>13))
		case exp > 0: // subnormal as a half
			out = append(out, sign|uint16((frac|1<<23)>>(126-exp)))
		default:
			out = append(out, sign)
		}
	}
	return bytesOf(out)
}
