package conformance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Random programs: what fusion may do wrong, it does in combinations that
// nobody writes down. Each program mixes elementwise operations, views,
// reductions, products, gathers and gradients over a few variables, assigns
// some of them, and is compared with the reference over three steps.

// generator builds one program, the same for the same seed.
type generator struct {
	*rand.Rand
	pool []*tensorT
	text strings.Builder
}

func (g *generator) pick() *tensorT { return g.pool[g.IntN(len(g.pool))] }

// like returns a tensor that broadcasts with x.
func (g *generator) like(x *tensorT) *tensorT {
	for range 20 {
		if y := g.pick(); fmt.Sprint(y.Shape()) == fmt.Sprint(x.Shape()) {
			return y
		}
	}
	d := g.IntN(x.Dims())
	if g.IntN(2) == 0 {
		return x.MeanKeep(d)
	}
	return x.Flip(d)
}

// grow adds one operation. Values stay near 1, so that the order of sums does
// not matter.
func (g *generator) grow() {
	x := g.pick()
	d := g.IntN(x.Dims())
	if x.Dims() < 2 {
		x = x.Unsqueeze(0)
	}
	var y *tensorT
	kind := g.IntN(24)
	switch kind {
	case 0:
		y = x.Tanh()
	case 1:
		y = x.Add(g.like(x)).MulScalar(0.5)
	case 2:
		y = x.Mul(g.like(x)).Tanh()
	case 3:
		y = x.Sub(g.like(x)).Sigmoid()
	case 4:
		y = x.SumKeep(d).MulScalar(1 / float64(x.Dim(d))).Expand(x.Shape()...)
	case 5:
		y = x.Sub(x.AmaxKeep(d)).Exp()
	case 6:
		y = x.Softmax(d)
	case 7:
		y = x.Flip(d)
	case 8:
		y = x.Transpose(0, -1)
	case 9:
		y = x.Reshape(-1, x.Dim(0))
	case 10:
		n := x.Dim(d)
		y = tensor.Concat(d, x.Slice(d, n/2, n), x.SliceStep(d, 0, n, 2))
	case 11:
		y = x.MatMul(x.Transpose(-1, -2)).MulScalar(1 / float64(x.Dim(-1)))
	case 12:
		w := g.pick()
		y = x.MulScalar(1 / float64(x.Dim(-1))).MatMul(w.Reshape(-1).Slice(0, 0, 1).Expand(x.Dim(-1), 3).Add(tensor.Arange(3).MulScalar(0.1).To(tensor.Float32)))
	case 13:
		y = tensor.Where(x.Gt(tensor.Scalar(0.2)), x, g.like(x).MulScalar(0.5))
	case 14:
		y = x.IndexSelect(d, tensor.Arange(x.Dim(d)).MulScalar(3).AddScalar(1).Mod(tensor.FromInts([]int32{int32(x.Dim(d))})))
	case 15:
		y = x.Square().SumKeep(d).AddScalar(1).Rsqrt().Mul(x)
	case 16:
		y = x.Pad(0.25, append(make([][2]int, x.Dims()-1), [2]int{1, 2})...)
	case 17:
		z := g.pick()
		y = tensor.Grad(z.Tanh().Mul(z).Sum(), x)[0].Tanh()
	case 18:
		y = x.Mean().Add(x.MeanKeep(d)).Expand(x.Shape()...)
	case 19:
		if x.Dim(d) > 50 {
			return
		}
		y = x.CumSum(d).Tanh()
	case 20: // more sources than a kernel may have buffers
		y = x
		for range 12 {
			y = y.MulScalar(0.9).Add(g.like(x).MulScalar(0.1))
		}
	case 21:
		y = x.Flip(d).MatMul(x.Transpose(-1, -2).Flip(0)).Tanh()
	case 22:
		index := x.Sigmoid().MulScalar(float64(x.Dim(d))).To(tensor.Int32)
		y = g.like(x).Expand(x.Shape()...).Gather(d, index)
	case 23:
		y = x.Argmax(d).Unsqueeze(d).Eq(tensor.Arange(x.Dim(d)).Reshape(column(x.Dims(), d, x.Dim(d))...)).To(tensor.Float32).Mul(x)
	}
	if y.Len() > 13000 || y.Dims() == 0 {
		return
	}
	fmt.Fprintf(&g.text, "%d:%d %v -> %v\n", len(g.pool), kind, x.Shape(), y.Shape())
	g.pool = append(g.pool, y)
}

// column is the shape of rank dimensions with n at dimension d, 1 elsewhere.
func column(rank, d, n int) []int {
	s := make([]int, rank)
	for i := range s {
		s[i] = 1
	}
	s[d] = n
	return s
}

// The last is large enough for its sums to be split in two.
var randomShapes = [][]int{{3, 5}, {3, 5}, {17, 4}, {2, 3, 4}, {2, 3, 4}, {30}, {6, 1, 2}, {40, 33}, {96, 128}}

// program is a function of some arguments and variables.
func program(seed uint64, vars []*tensorT, text *string) tensor.Function {
	return func(tr *tensor.Trace, in []*tensorT) []*tensorT {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		g.pool = append(append(g.pool, in...), vars...)
		for range 4 + g.IntN(16) {
			g.grow()
		}
		outs := []*tensorT{g.pick(), g.pick(), g.pick().Mean()}
		for _, i := range g.Perm(len(vars))[:1+g.IntN(len(vars))] {
			v := vars[i]
			for range 50 {
				y := g.pick()
				if y.Len() >= v.Len() && g.IntN(3) > 0 {
					y = y.Reshape(-1).Slice(0, 0, v.Len()).Reshape(v.Shape()...)
				}
				if fmt.Sprint(y.Shape()) == fmt.Sprint(v.Shape()) {
					after := tr.Assign(v, y)
					if g.IntN(2) == 0 {
						outs = append(outs, after.Mean())
					}
					break
				}
			}
		}
		*text = g.text.String()
		return outs
	}
}

// runRandom runs a random program for three steps and returns all that it made.
func runRandom(seed uint64, dev *device.Device) (values [][]float32, text string, err error) {
	r := rand.New(rand.NewPCG(seed, 2))
	fresh := func() ([]float32, []int) {
		shape := randomShapes[r.IntN(len(randomShapes))]
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = r.Float32()*2 - 1
		}
		return v, shape
	}
	var vars, in []*tensorT
	for i := range 6 {
		v, shape := fresh()
		vars = append(vars, tensor.NewVariable(fmt.Sprint("v", i), v, shape...))
	}
	for range 5 {
		v, shape := fresh()
		in = append(in, tensor.New(v, shape...))
	}
	p, err := tensor.Compile(dev, program(seed, vars, &text), in...)
	if err != nil {
		return nil, text, err
	}
	defer p.Close()
	for range 3 {
		out, err := p.Call(in...)
		if err != nil {
			return nil, text, err
		}
		for _, o := range append(out, vars...) {
			v, err := o.Read()
			if err != nil {
				return nil, text, err
			}
			values = append(values, v)
		}
	}
	return values, text, nil
}

func TestRandomPrograms(t *testing.T) {
	programs := 150
	if testing.Short() {
		programs = 30
	}
	want := make([][][]float32, programs)
	for seed := range programs {
		v, text, err := runRandom(uint64(seed), device.Reference())
		if err != nil {
			t.Fatalf("program %d on the reference: %v\n%s", seed, err, text)
		}
		want[seed] = v
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		n := programs
		if dev.Kind() == "webgpu" {
			n /= 5 // compiling takes a software adapter long
		}
		failed := 0
		for seed := range n {
			got, text, err := runRandom(uint64(seed), dev)
			if err != nil {
				t.Errorf("program %d: %v\n%s", seed, err, text)
				continue
			}
			for i := range got {
				if e := (Tolerance{Each: 1e-3}).Excess(got[i], want[seed][i]); e > 1 {
					t.Errorf("program %d: value %d is %s, want %s\n%s", seed, i, short(got[i]), short(want[seed][i]), text)
					failed++
					break
				}
			}
			if failed > 3 {
				t.Fatal("and perhaps more")
			}
		}
	})
}
