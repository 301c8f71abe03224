package interp

import (
	"errors"
	"math"
	"unsafe"

	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/plan"
)

// Device runs plans by evaluating the graph they came from, ignoring their
// kernels. The conformance suite compares the real backends with it.
type Device struct{}

type buffer struct{ words []uint32 }

func (b *buffer) Size() int { return len(b.words) * 4 }
func (b *buffer) Free()     {}
func (b *buffer) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b.words))), len(b.words)*4)
}

func (Device) Name() string    { return "reference interpreter" }
func (Device) MaxBuffers() int { return 8 }
func (Device) Float16() bool   { return true } // where it rounds nothing
func (Device) Memory() int64   { return 0 }
func (Device) Close() error    { return nil }

func (Device) Alloc(_ string, size int) (backend.Buffer, error) {
	return &buffer{make([]uint32, (size+3)/4)}, nil
}

func (Device) Write(b backend.Buffer, offset int, data []byte) error {
	copy(b.(*buffer).bytes()[offset:], data)
	return nil
}

func (Device) Read(b backend.Buffer, offset int, dst []byte) error {
	copy(dst, b.(*buffer).bytes()[offset:])
	return nil
}

type exec struct {
	p    *plan.Plan
	bufs []*buffer
	done [][]uint32 // ring rows of submits not yet collected
}

// Compile binds the plan's buffers.
func (d Device) Compile(p *plan.Plan, bind func(int) backend.Buffer) (backend.Exec, error) {
	e := &exec{p: p, bufs: make([]*buffer, len(p.Buffers))}
	for i, b := range p.Buffers {
		if b.Kind == plan.State || b.Kind == plan.Data {
			e.bufs[i] = bind(i).(*buffer)
		} else {
			e.bufs[i] = &buffer{make([]uint32, (b.Bytes+3)/4)}
		}
	}
	return e, nil
}

func (e *exec) Buffer(i int) (backend.Buffer, int) { return e.bufs[i], 0 }
func (e *exec) Kernels() []string                  { return make([]string, len(e.p.Kernels)) }
func (e *exec) MemoryBytes() int                   { own, _ := e.p.PeakBytes(); return own }
func (e *exec) Profile() ([]float64, error) {
	return nil, errors.New("weft: the reference interpreter has no kernels to time")
}
func (e *exec) Close() {}

func (e *exec) Submit(n int, scalars []uint32) error {
	g := e.p.Graph
	leafBuf := map[*ir.Leaf]*buffer{}
	for i, b := range e.p.Buffers {
		if b.Leaf != nil {
			leafBuf[b.Leaf] = e.bufs[i]
		}
	}
	slot := map[*ir.Leaf]int{}
	for i, l := range g.Scalars {
		slot[l] = i
	}
	rows := make([]uint32, 0, n*e.p.RingWords)
	for step := range n {
		vals := Eval(g.Roots(), func(l *ir.Leaf) Value {
			if l.Kind == ir.Step {
				return fromWords(l.DType, scalars[step*len(g.Scalars)+slot[l]:][:1], 1)
			}
			b, ok := leafBuf[l]
			if !ok {
				return unread(l)
			}
			return fromWords(l.DType, b.words, ir.NumElems(l.Shape))
		})
		row := make([]uint32, e.p.RingWords)
		for i, r := range e.p.Results {
			if r.Ring {
				toWords(row[r.Offset:], vals[i])
			} else {
				toWords(e.bufs[r.Buf].words, vals[i])
			}
		}
		rows = append(rows, row...)
		for i, t := range g.Targets {
			if b, ok := leafBuf[t]; ok { // none if it is assigned to itself
				toWords(b.words, vals[len(g.Outputs)+i])
			}
		}
	}
	if e.done = append(e.done, rows); len(e.done) > backend.Depth {
		e.done = e.done[1:]
	}
	return nil
}

// unread stands for a leaf of which the plan reads no element, so that it has
// no buffer: should the plan be wrong about that, the results show it.
func unread(l *ir.Leaf) Value {
	v := make1(ir.NewLeaf(l))
	for i := range v.F {
		v.F[i] = float32(math.NaN())
	}
	for i := range v.I {
		v.I[i] = math.MinInt32
	}
	return v
}

func (e *exec) Collect(dst []uint32) (int, error) {
	if len(e.done) == 0 {
		return 0, nil
	}
	rows := e.done[0]
	e.done = e.done[1:]
	copy(dst, rows)
	return len(rows) / max(e.p.RingWords, 1), nil
}

func fromWords(dt ir.DType, w []uint32, n int) Value {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), len(w)*4)
	switch dt {
	case ir.F32:
		v := make([]float32, n)
		for i := range v {
			v[i] = math.Float32frombits(w[i])
		}
		return Value{F: v}
	case ir.F16:
		v := make([]float32, n)
		for i := range v {
			v[i] = half(uint16(b[2*i]) | uint16(b[2*i+1])<<8)
		}
		return Value{F: v}
	}
	v := make([]int32, n)
	for i := range v {
		if dt == ir.U8 {
			v[i] = int32(b[i])
		} else {
			v[i] = int32(w[i])
		}
	}
	return Value{I: v}
}

// half widens an IEEE binary16.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, int(h>>10&31), float64(h&1023)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(frac, -24)
	case 31:
		if v = math.Inf(1); frac != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+frac, exp-25)
	}
	return math.Float32frombits(math.Float32bits(float32(v)) | sign)
}

func toWords(dst []uint32, v Value) {
	for i, f := range v.F {
		dst[i] = math.Float32bits(f)
	}
	for i, k := range v.I {
		dst[i] = uint32(k)
	}
}
