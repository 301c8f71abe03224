package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// maxTail is the longest block tested: every tail length of every vector width
// with several full vectors before it.
const maxTail = 130

var special = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -0.5, 2, 3, -3,
	posInf, negInf, float32(math.NaN()),
	math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1p-127, -0x1p-127, 0x1p-126, -0x1p-126,
	math.MaxFloat32, -math.MaxFloat32, 1<<31 - 128, 1 << 31, -1 << 31, -1<<31 - 256, 1 << 24, 1.5e9, -1.5e9,
	0.99999994, 1.0000001, 87.3, 88.72283, 88.72284, 88.8, 100, -87.4, -88, -100, -103.9, -104, -110, 0.625, -0.625, 4, 9, -9, 20,
}

// floats returns n numbers, half of them special; plain numbers are of all
// magnitudes.
func floats(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch rng.IntN(4) {
		case 0, 1:
			x[i] = special[rng.IntN(len(special))]
		case 2:
			x[i] = rng.Float32()*4 - 2
		default:
			x[i] = math.Float32frombits(rng.Uint32())
		}
	}
	return x
}

func ints(rng *rand.Rand, n int) []int32 {
	x := make([]int32, n)
	for i := range x {
		switch rng.IntN(3) {
		case 0:
			x[i] = []int32{0, 1, -1, math.MaxInt32, math.MinInt32, 7, -7}[rng.IntN(7)]
		case 1:
			x[i] = int32(rng.IntN(9)) - 4
		default:
			x[i] = int32(rng.Uint32())
		}
	}
	return x
}

func bools(rng *rand.Rand, n int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(rng.IntN(2))
	}
	return x
}

// bits makes results comparable: every NaN is one value.
func bits(x float32) uint32 {
	if x != x {
		return 0x7fc00000
	}
	return math.Float32bits(x)
}

func asFloats(x []int32) []float32 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&x[0])), len(x))
}

// block runs f, which fills a destination of n elements, between two guards
// that it must not touch, and returns the destination's bits.
func block(t *testing.T, what string, n int, f func(dst []float32)) []float32 {
	t.Helper()
	const guard = 40
	mem := make([]float32, n+2*guard)
	for i := range mem {
		mem[i] = -12345
	}
	dst := mem[guard : guard+n]
	f(dst)
	for i, x := range mem {
		if (i < guard || i >= guard+n) && x != -12345 {
			t.Fatalf("%s wrote element %d of %d", what, i-guard, n)
		}
	}
	return dst
}

func asInts(x []float32) []int32 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*int32)(unsafe.Pointer(&x[0])), len(x))
}

// inputs are the operands of one comparison.
type inputs struct {
	a, b, c []float32
	i, j    []int32
	p, q    []int32 // booleans
	u       []byte
	h       []uint16
	x       float32
}

func newInputs(rng *rand.Rand, n int) inputs {
	in := inputs{
		a: floats(rng, n), b: floats(rng, n), c: floats(rng, n), i: ints(rng, n), j: ints(rng, n),
		p: bools(rng, n), q: bools(rng, n), u: make([]byte, n), h: make([]uint16, n),
		x: special[rng.IntN(len(special))],
	}
	for k := range n {
		if rng.IntN(3) == 0 {
			in.b[k] = in.a[k]
			in.j[k] = in.i[k]
		}
		in.u[k], in.h[k] = byte(rng.Uint32()), uint16(rng.Uint32())
	}
	return in
}

// exact lists every primitive whose variants must agree to the bit.
var exact = map[string]func(v *variant, d []float32, in inputs){
	"Add":   func(v *variant, d []float32, in inputs) { v.add(d, in.a, in.b) },
	"Sub":   func(v *variant, d []float32, in inputs) { v.sub(d, in.a, in.b) },
	"Mul":   func(v *variant, d []float32, in inputs) { v.mul(d, in.a, in.b) },
	"Div":   func(v *variant, d []float32, in inputs) { v.div(d, in.a, in.b) },
	"Max":   func(v *variant, d []float32, in inputs) { v.max(d, in.a, in.b) },
	"Min":   func(v *variant, d []float32, in inputs) { v.min(d, in.a, in.b) },
	"Neg":   func(v *variant, d []float32, in inputs) { v.neg(d, in.a) },
	"Abs":   func(v *variant, d []float32, in inputs) { v.abs(d, in.a) },
	"Sqrt":  func(v *variant, d []float32, in inputs) { v.sqrt(d, in.a) },
	"Recip": func(v *variant, d []float32, in inputs) { v.recip(d, in.a) },
	"Relu":  func(v *variant, d []float32, in inputs) { v.relu(d, in.a) },
	"Fill":  func(v *variant, d []float32, in inputs) { v.fill(d, in.x) },

	"Eq":  func(v *variant, d []float32, in inputs) { v.eq(asInts(d), in.a, in.b) },
	"Ne":  func(v *variant, d []float32, in inputs) { v.ne(asInts(d), in.a, in.b) },
	"Lt":  func(v *variant, d []float32, in inputs) { v.lt(asInts(d), in.a, in.b) },
	"Le":  func(v *variant, d []float32, in inputs) { v.le(asInts(d), in.a, in.b) },
	"EqI": func(v *variant, d []float32, in inputs) { v.eqI(asInts(d), in.i, in.j) },
	"NeI": func(v *variant, d []float32, in inputs) { v.neI(asInts(d), in.i, in.j) },
	"LtI": func(v *variant, d []float32, in inputs) { v.ltI(asInts(d), in.i, in.j) },
	"LeI": func(v *variant, d []float32, in inputs) { v.leI(asInts(d), in.i, in.j) },

	"And":   func(v *variant, d []float32, in inputs) { v.and(asInts(d), in.p, in.q) },
	"Or":    func(v *variant, d []float32, in inputs) { v.or(asInts(d), in.p, in.q) },
	"Not":   func(v *variant, d []float32, in inputs) { v.not(asInts(d), in.p) },
	"Where": func(v *variant, d []float32, in inputs) { v.where(d, in.p, in.a, in.b) },
	"WhereI": func(v *variant, d []float32, in inputs) {
		v.where(d, in.p, asFloats(in.i), asFloats(in.j)) // bit patterns of any kind
	},

	"AddI": func(v *variant, d []float32, in inputs) { v.addI(asInts(d), in.i, in.j) },
	"SubI": func(v *variant, d []float32, in inputs) { v.subI(asInts(d), in.i, in.j) },
	"MulI": func(v *variant, d []float32, in inputs) { v.mulI(asInts(d), in.i, in.j) },
	"MaxI": func(v *variant, d []float32, in inputs) { v.maxI(asInts(d), in.i, in.j) },
	"MinI": func(v *variant, d []float32, in inputs) { v.minI(asInts(d), in.i, in.j) },

	"U8ToF32":  func(v *variant, d []float32, in inputs) { v.u8ToF32(d, in.u) },
	"U8ToI32":  func(v *variant, d []float32, in inputs) { v.u8ToI32(asInts(d), in.u) },
	"I32ToF32": func(v *variant, d []float32, in inputs) { v.i32ToF32(d, in.i) },
	"F32ToI32": func(v *variant, d []float32, in inputs) { v.f32ToI32(asInts(d), in.a) },
	"F16ToF32": func(v *variant, d []float32, in inputs) { v.f16ToF32(d, in.h) },
	"RandUniform": func(v *variant, d []float32, in inputs) {
		v.randUniform(d, in.i, 0x243f6a88, math.Float32bits(in.x))
	},
}

// rawBits names the primitives that move bits: NaN payloads count too.
var rawBits = map[string]bool{"Where": true, "WhereI": true, "Neg": true, "Abs": true, "AddI": true, "MulI": true}

func TestExactPrimitivesAgree(t *testing.T) {
	ref := plain()
	for vi := range available {
		v := &available[vi]
		for name, f := range exact {
			rng := rand.New(rand.NewPCG(7, uint64(len(name))))
			for n := 0; n <= maxTail; n++ {
				for range 3 {
					in := newInputs(rng, n)
					what := v.name + " " + name
					got := block(t, what, n, func(d []float32) { f(v, d, in) })
					want := block(t, what, n, func(d []float32) { f(&ref, d, in) })
					for k := range got {
						g, w := bits(got[k]), bits(want[k])
						if rawBits[name] {
							g, w = math.Float32bits(got[k]), math.Float32bits(want[k])
						}
						if g != w {
							t.Fatalf("%s n=%d element %d: %#x, want %#x (a=%v b=%v c=%v i=%v j=%v x=%v)",
								what, n, k, g, w, in.a[k], in.b[k], in.c[k], in.i[k], in.j[k], in.x)
						}
					}
				}
			}
		}
	}
}

func TestDestinationMayBeAnOperand(t *testing.T) {
	for vi := range available {
		v := &available[vi]
		for name, f := range exact {
			if name == "Gather" {
				continue // reads its source at other places
			}
			rng := rand.New(rand.NewPCG(8, 9))
			in := newInputs(rng, 77)
			want := make([]float32, 77)
			f(v, want, in)
			for op, x := range map[string][]float32{"a": in.a, "b": in.b, "c": in.c, "i": asFloats(in.i), "j": asFloats(in.j), "p": asFloats(in.p), "q": asFloats(in.q)} {
				save := append([]int32(nil), asInts(x)...)
				f(v, x, in)
				for k := range want {
					if bits(x[k]) != bits(want[k]) {
						t.Fatalf("%s %s with dst = %s: element %d is %v, want %v", v.name, name, op, k, x[k], want[k])
					}
				}
				copy(asInts(x), save)
			}
		}
	}
}

func TestReductionsAgree(t *testing.T) {
	ref := plain()
	for vi := range available {
		v := &available[vi]
		rng := rand.New(rand.NewPCG(1, 1))
		for n := 0; n <= 1030; n++ {
			if n > 300 && n%17 != 0 {
				continue
			}
			a := make([]float32, n)
			for i := range a {
				a[i] = rng.Float32()*2 - 1
			}
			if got, want := v.sum(a), ref.sum(a); bits(got) != bits(want) {
				t.Fatalf("%s Sum of %d: %v, want %v", v.name, n, got, want)
			}
			for round := range 3 {
				if round > 0 {
					a = floats(rng, n) // with NaN
				}
				if round == 1 {
					for i := range a {
						if a[i] != a[i] {
							a[i] = negInf
						}
					}
				}
				for _, r := range []struct {
					name      string
					got, want float32
				}{{"MaxOf", v.maxOf(a), ref.maxOf(a)}, {"MinOf", v.minOf(a), ref.minOf(a)}} {
					if r.got != r.want && bits(r.got) != bits(r.want) {
						t.Fatalf("%s %s of %d (round %d): %v, want %v", v.name, r.name, n, round, r.got, r.want)
					}
				}
			}
		}
	}
}

// TestSumOrder pins the order: a float32 sum in 64 lanes and a tree.
func TestSumOrder(t *testing.T) {
	a := make([]float32, 200)
	for i := range a {
		a[i] = 1 / float32(i+1)
	}
	var lane [64]float32
	for i, x := range a {
		lane[i%64] += x
	}
	s := lane[:]
	for len(s) > 1 {
		h := len(s) / 2
		for i := range h {
			s[i] += s[i+h]
		}
		s = s[:h]
	}
	if got := Sum(a); got != s[0] {
		t.Fatalf("Sum = %v, want %v", got, s[0])
	}
}

func TestChoose(t *testing.T) {
	vs := []variant{{name: "fast"}, {name: "plain"}}
	if v, note := choose(vs, ""); v.name != "fast" || note != "" {
		t.Errorf("default: %s, %q", v.name, note)
	}
	if v, note := choose(vs, "plain"); v.name != "plain" || note != "" {
		t.Errorf("plain: %s, %q", v.name, note)
	}
	v, note := choose(vs, "turbo")
	if v.name != "fast" || !strings.Contains(note, "turbo") || !strings.Contains(note, "fast, plain") {
		t.Errorf("turbo: %s, %q", v.name, note)
	}
	if !strings.HasPrefix(Variant(), Name()) {
		t.Errorf("Variant() = %q does not start with the name %q", Variant(), Name())
	}
}

func BenchmarkBlock(b *testing.B) {
	const n = 1024
	rng := rand.New(rand.NewPCG(1, 2))
	x, y, z := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], y[i] = rng.Float32()*4+0.1, rng.Float32()*4
	}
	idx := make([]int32, n)
	for i := range idx {
		idx[i] = int32(i * 7 % n)
	}
	for _, v := range available {
		for _, f := range []struct {
			name string
			f    func()
		}{
			{"Add", func() { v.add(z, x, y) }},
			{"Max", func() { v.max(z, x, y) }},
			{"Exp", func() { v.exp(z, x) }},
			{"Log", func() { v.log(z, x) }},
			{"Tanh", func() { v.tanh(z, x) }},
			{"Sigmoid", func() { v.sigmoid(z, x) }},
			{"Erf", func() { v.erf(z, x) }},
			{"Sum", func() { _ = v.sum(x) }},
			{"MaxOf", func() { _ = v.maxOf(x) }},
			{"RandUniform", func() { v.randUniform(z, idx, 1, 2) }},
		} {
			b.Run(fmt.Sprintf("%s/%s", f.name, v.name), func(b *testing.B) {
				for b.Loop() {
					f.f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
			})
		}
	}
}
