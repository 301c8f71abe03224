package tensor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	. "github.com/weft-ml/weft/tensor"
)

// Random programs over the whole public API. What fusion gets wrong, it gets
// wrong in combinations that nobody writes down, so a program is made from a
// string of bytes: from a seed in tests, from the fuzzer elsewhere, and a
// failing string can be shortened until only the cause is left.
//
// Functions with steps (comparisons, Floor, Argmax, gradients of Relu) are
// applied to values only that every device computes without rounding: each
// value carries the number of bits that its fractions and its magnitude need.

// entropy deals out decisions; when the bytes have run out all are 0.
type entropy struct {
	data []byte
	at   int
}

func (e *entropy) n(n int) int {
	if e.at >= len(e.data) || n <= 1 {
		return 0
	}
	e.at++
	return int(e.data[e.at-1]) % n
}

func (e *entropy) chance(percent int) bool { return e.n(100) > 99-percent }

// value is a tensor and what is known about its elements.
type value struct {
	*Tensor
	frac int // bits after the point, or inexact
	mag  int // |x| <= 2^mag, floats only
}

const inexact = 99

func (v value) exact() bool { return v.frac+v.mag <= 20 }
func (v value) float() bool { return v.DType().Compute() == Float32 }
func (v value) integer() bool {
	return v.DType().Compute() == Int32
}

// leafSpec is an argument, variable or constant of a random program.
type leafSpec struct {
	dt    DType
	shape []int
	frac  int
	seed  uint64
}

// data returns contents number version.
func (l leafSpec) data(version int) (f []float32, i []int32, b []byte, h []uint16) {
	r := rand.New(rand.NewPCG(l.seed, uint64(version)))
	n := 1
	for _, d := range l.shape {
		n *= d
	}
	for range n {
		eighths := r.IntN(33) - 16
		switch l.dt {
		case Float32:
			if l.frac == inexact {
				f = append(f, r.Float32()*4-2)
			} else {
				f = append(f, float32(eighths)/8)
			}
		case Int32:
			i = append(i, int32(r.IntN(41)-20))
		case Uint8:
			b = append(b, byte(r.IntN(256)))
		default:
			h = append(h, halfOf(eighths))
		}
	}
	return f, i, b, h
}

// halfOf is n/8 as a half.
func halfOf(n int) uint16 {
	if n == 0 {
		return 0
	}
	sign := uint16(0)
	if n < 0 {
		sign, n = 0x8000, -n
	}
	exp := 0
	for m := n; m > 1; m >>= 1 {
		exp++
	}
	return sign | uint16(exp-3+15)<<10 | uint16(n<<(10-exp)&1023)
}

func (l leafSpec) constant(version int) *Tensor {
	f, i, b, h := l.data(version)
	var t *Tensor
	switch l.dt {
	case Float32:
		t = New(f)
	case Int32:
		t = FromInts(i)
	case Uint8:
		t = FromBytes(b)
	default:
		t = FromHalf(h)
	}
	return t.Reshape(l.shape...)
}

func (l leafSpec) variable(name string) *Tensor {
	f, i, _, _ := l.data(0)
	if l.dt == Int32 {
		return NewIntVariable(name, i, l.shape...)
	}
	return NewVariable(name, f, l.shape...)
}

func (l leafSpec) value(t *Tensor) value {
	if l.dt == Uint8 || l.dt == Int32 {
		return value{t, 0, 31}
	}
	return value{t, l.frac, 1}
}

// randomProgram is what the bytes stand for.
type randomProgram struct {
	e        *entropy
	sizes    []int
	limit    int // elements of one value
	args     []leafSpec
	vars     []leafSpec
	consts   []leafSpec
	start    int // of the operations in the bytes
	ops      int
	variable []*Tensor
	constant []*Tensor

	tr    *Trace
	pool  []value
	kinds []int // operations made, for the coverage count
	text  strings.Builder
}

func newRandomProgram(data []byte) *randomProgram {
	p := &randomProgram{e: &entropy{data: data}, limit: 2000}
	e := p.e
	for range 3 {
		p.sizes = append(p.sizes, []int{3, 1, 2, 4, 5, 7, 8, 16, 17}[e.n(9)])
	}
	if e.chance(12) { // blocks, and reductions in two steps
		p.sizes[0] = []int{33, 130, 513, 600, 1025, 2100}[e.n(6)]
		p.limit = 20000
	}
	spec := func(dts ...DType) leafSpec {
		l := leafSpec{dt: dts[e.n(len(dts))], shape: p.shape(), frac: 3, seed: uint64(len(p.args)*100 + len(p.vars)*10 + len(p.consts))}
		if l.dt == Float32 && e.chance(40) {
			l.frac = inexact
		}
		return l
	}
	for range 1 + e.n(4) {
		p.args = append(p.args, spec(Float32, Float32, Float32, Int32, Uint8, Float16))
	}
	for range e.n(4) {
		p.vars = append(p.vars, spec(Float32, Float32, Float32, Int32))
	}
	for range e.n(3) {
		p.consts = append(p.consts, spec(Float32, Int32, Uint8, Float16))
	}
	for i, l := range p.vars {
		p.variable = append(p.variable, l.variable(fmt.Sprint("v", i)))
	}
	for _, l := range p.consts {
		p.constant = append(p.constant, l.constant(0))
	}
	p.ops = 3 + e.n(28)
	p.start = e.at
	return p
}

func (p *randomProgram) shape() []int {
	for {
		s := make([]int, 0, 4)
		n := 1
		for range []int{1, 2, 2, 3, 2, 0, 4}[p.e.n(7)] {
			d := p.sizes[p.e.n(3)]
			if p.e.chance(10) {
				d = 1
			}
			s = append(s, d)
			n *= d
		}
		if n <= p.limit {
			return s
		}
		if p.e.at >= len(p.e.data) {
			return []int{3}
		}
	}
}

// inputs returns the arguments' contents for one call.
func (p *randomProgram) inputs(version int) []*Tensor {
	in := make([]*Tensor, len(p.args))
	for i, l := range p.args {
		in[i] = l.constant(version)
	}
	return in
}

func (p *randomProgram) pick(want func(v value) bool) (value, bool) {
	for range 12 {
		// Rather recent values, so that chains grow long.
		i := len(p.pool) - 1 - p.e.n(len(p.pool))*p.e.n(3)/2
		if v := p.pool[max(i, 0)]; want(v) {
			return v, true
		}
	}
	for _, v := range slices.Backward(p.pool) {
		if want(v) {
			return v, true
		}
	}
	return value{}, false
}

func (p *randomProgram) float() value {
	v, ok := p.pick(value.float)
	if !ok {
		v = value{Scalar(0.5), 1, 0}
	}
	return v
}

func (p *randomProgram) add(kind int, name string, t *Tensor, frac, mag int, from ...value) {
	if t.Len() > p.limit || t.Dims() > 6 {
		return
	}
	v := value{t, frac, mag}
	if v.float() && mag > 3 { // back to small numbers
		if v.exact() && p.e.n(2) == 0 {
			v = value{t.Clamp(-2, 2), frac, 1}
		} else {
			v = value{t.MulScalar(math.Pow(2, float64(1-mag))), inexact, 1}
		}
	}
	p.kinds = append(p.kinds, kind)
	fmt.Fprintf(&p.text, "%d: %s", len(p.pool), name)
	for _, f := range from {
		fmt.Fprintf(&p.text, " %d%v", slices.IndexFunc(p.pool, func(v value) bool { return v.Tensor == f.Tensor }), f.Shape())
	}
	fmt.Fprintf(&p.text, " -> %v%v frac %d mag %d\n", t.DType(), t.Shape(), v.frac, v.mag)
	p.pool = append(p.pool, v)
}

// fits returns a value that broadcasts with x.
func (p *randomProgram) fits(x value, want func(v value) bool) value {
	if y, ok := p.pick(func(y value) bool { return want(y) && broadcasts(x.Shape(), y.Shape()) && y.Tensor != x.Tensor }); ok {
		return y
	}
	return x
}

func broadcasts(a, b []int) bool {
	n := 1
	for i := range max(len(a), len(b)) {
		x, y := 1, 1
		if j := len(a) - 1 - i; j >= 0 {
			x = a[j]
		}
		if j := len(b) - 1 - i; j >= 0 {
			y = b[j]
		}
		if x != y && x != 1 && y != 1 {
			return false
		}
		n *= max(x, y)
	}
	return n <= 20000
}

func log2(n int) int {
	b := 0
	for 1<<b < n {
		b++
	}
	return b
}

// outcome is all that a program can be asked for afterwards.
type outcome struct {
	name  string
	exact bool
	data  []float32
}

func (p *randomProgram) trace(tr *Trace, in []*Tensor) []*Tensor {
	p.e.at = p.start
	p.tr, p.pool, p.kinds = tr, nil, nil
	p.text.Reset()
	for i, l := range p.args {
		p.pool = append(p.pool, l.value(in[i]))
		fmt.Fprintf(&p.text, "%d: argument %v%v frac %d\n", len(p.pool)-1, l.dt, l.shape, l.frac)
	}
	for i, l := range p.vars {
		p.pool = append(p.pool, l.value(p.variable[i]))
		fmt.Fprintf(&p.text, "%d: variable %v%v frac %d\n", len(p.pool)-1, l.dt, l.shape, l.frac)
	}
	for i, l := range p.consts {
		p.pool = append(p.pool, l.value(p.constant[i]))
		fmt.Fprintf(&p.text, "%d: constant %v%v\n", len(p.pool)-1, l.dt, l.shape)
	}
	for range p.ops {
		p.grow()
	}
	var outs []*Tensor
	for range 1 + p.e.n(4) {
		v, _ := p.pick(func(value) bool { return true })
		fmt.Fprintf(&p.text, "return %d\n", slices.IndexFunc(p.pool, func(w value) bool { return v.Tensor == w.Tensor }))
		outs = append(outs, v.Tensor)
	}
	if p.e.chance(10) {
		outs = append(outs, outs[0], Full(2.5, 3))
	}
	p.assign()
	return outs
}

// assign gives variables new values that keep what is known about them.
func (p *randomProgram) assign() {
	for i, l := range p.vars {
		if p.e.chance(25) {
			continue
		}
		v := p.variable[i]
		of := l.value(v)
		y, ok := p.pick(func(y value) bool {
			return y.float() == of.float() && y.DType() != Bool && (y.Len() == v.Len() || broadcasts(y.Shape(), l.shape) && y.Dims() <= len(l.shape)) &&
				(!y.float() || of.frac == inexact && y.mag <= 3 || y.exact())
		})
		if !ok {
			continue
		}
		fmt.Fprintf(&p.text, "assign v%d <- %d\n", i, slices.IndexFunc(p.pool, func(w value) bool { return y.Tensor == w.Tensor }))
		t := y.Tensor
		switch {
		case !slices.Equal(t.Shape(), l.shape) && t.Len() == v.Len():
			t = t.Reshape(l.shape...)
		case !slices.Equal(t.Shape(), l.shape):
			if !slices.Equal(t.Add(v).Shape(), l.shape) {
				continue
			}
			t = t.Expand(l.shape...)
		}
		switch {
		case !y.float():
		case of.frac == inexact && y.mag > 1:
			t = t.Tanh()
		case of.frac != inexact && (y.frac > of.frac || y.mag > 1):
			t = t.Clamp(-2, 2).MulScalar(8).Floor().MulScalar(0.125)
		}
		p.tr.Assign(v, t)
	}
}
