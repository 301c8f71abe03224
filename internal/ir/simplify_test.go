package ir_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/interp"
	. "github.com/weft-ml/weft/internal/ir"
)

// twin is a value built by the constructors, which simplify, and once more
// without them.
type twin struct{ made, raw *Node }

type twins struct {
	*rand.Rand
	pool []twin
	data map[*Leaf]interp.Value
}

func (g *twins) leaf(dt DType, shape ...int) {
	l := &Leaf{Kind: Data, DType: dt, Shape: shape}
	var v interp.Value
	for range NumElems(shape) {
		if dt == F32 {
			v.F = append(v.F, float32(g.IntN(17)-8)/4)
		} else {
			v.I = append(v.I, int32(g.IntN(21)-10))
		}
	}
	g.data[l] = v
	g.pool = append(g.pool, twin{NewLeaf(l), NewLeaf(l)})
}

func (g *twins) constant(dt DType, shape []int) twin {
	v := []float64{0, 1, -1, 2, 0.5, -3, 0.25, 7}[g.IntN(8)]
	if dt == I32 {
		v = math.Trunc(v)
	}
	return twin{Const(dt, v, shape...), &Node{Op: OpConst, DType: dt, Shape: shape, Value: v}}
}

func (g *twins) operand(like twin) twin {
	if g.IntN(2) == 0 {
		return g.constant(like.raw.DType, like.raw.Shape)
	}
	for range 10 {
		if y := g.pool[g.IntN(len(g.pool))]; y.raw.DType == like.raw.DType && slices.Equal(y.raw.Shape, like.raw.Shape) {
			return y
		}
	}
	return like
}

func (g *twins) grow() {
	x := g.pool[g.IntN(len(g.pool))]
	if g.IntN(5) == 0 {
		x = g.constant(x.raw.DType, x.raw.Shape)
	}
	shape := x.raw.Shape
	raw := *x.raw // to be completed
	raw = Node{DType: raw.DType, Shape: slices.Clone(shape), In: []*Node{x.raw}}
	d := g.IntN(len(shape))
	var made *Node
	switch g.IntN(10) {
	case 0, 1, 2:
		y := g.operand(x)
		if g.IntN(2) == 0 {
			x, y = y, x
		}
		raw.Op = []Op{OpAdd, OpSub, OpMul, OpDiv, OpMaximum, OpMinimum}[g.IntN(6)]
		raw.In = []*Node{x.raw, y.raw}
		made = Binary(raw.Op, x.made, y.made)
	case 3:
		raw.Op = OpNeg
		made = Neg(x.made)
	case 4:
		y, c := g.operand(x), g.operand(x)
		lt := g.operand(x)
		cond := twin{Lt(lt.made, c.made), &Node{Op: OpLt, DType: Bool, Shape: shape, In: []*Node{lt.raw, c.raw}}}
		raw.Op, raw.In = OpWhere, []*Node{cond.raw, x.raw, y.raw}
		made = Where(cond.made, x.made, y.made)
	case 5:
		to := slices.Clone(shape)
		to[0], to[len(to)-1] = to[len(to)-1], to[0]
		raw.Op, raw.Shape = OpReshape, to
		made = Reshape(x.made, to...)
	case 6:
		axes := g.Perm(len(shape))
		raw.Op, raw.Axes = OpPermute, axes
		for i, a := range axes {
			raw.Shape[i] = shape[a]
		}
		made = Permute(x.made, axes...)
	case 7:
		raw.Shape[d] = 1
		op := []Op{OpSum, OpMax, OpMin, OpProd}[g.IntN(4)]
		reduced := raw
		reduced.Op, reduced.Axes = op, []int{d}
		raw = Node{Op: OpExpand, DType: raw.DType, Shape: slices.Clone(shape), In: []*Node{&reduced}}
		made = Expand(Reduce(op, x.made, d), shape...)
	case 8:
		start, step := make([]int, len(shape)), make([]int, len(shape))
		for i := range step {
			step[i] = 1
		}
		start[d], step[d] = shape[d]-1, -1
		raw.Op, raw.Start, raw.Step = OpSlice, start, step
		made = Slice(x.made, start, step, shape)
	case 9: // pad, and cut to size again
		lo, hi, one := make([]int, len(shape)), make([]int, len(shape)), make([]int, len(shape))
		for i := range one {
			one[i] = 1
		}
		lo[d] = g.IntN(2)
		padded := Node{Op: OpPad, DType: raw.DType, Shape: slices.Clone(shape), In: raw.In, Start: lo, Value: 3}
		padded.Shape[d] += lo[d]
		raw = Node{Op: OpSlice, DType: raw.DType, Shape: slices.Clone(shape), In: []*Node{&padded}, Start: make([]int, len(shape)), Step: one}
		made = Slice(Pad(x.made, lo, hi, 3), raw.Start, one, shape)
	}
	if made.DType != raw.DType || !slices.Equal(made.Shape, raw.Shape) {
		panic(fmt.Sprintf("%v%v for %v%v", made.DType, made.Shape, raw.DType, raw.Shape))
	}
	g.pool = append(g.pool, twin{made, &raw})
}

func same(a, b interp.Value) bool {
	for i := range a.F {
		x, y := float64(a.F[i]), float64(b.F[i])
		if x != y && !(math.Abs(x-y) <= 1e-4*(1+math.Abs(y))) && !(math.Abs(x) > 1e6 || x != x) && !(math.Abs(y) > 1e6 || y != y) {
			return false
		}
	}
	return slices.Equal(a.I, b.I)
}

func TestSimplificationsKeepValues(t *testing.T) {
	smaller := 0
	for seed := range uint64(1500) {
		g := &twins{Rand: rand.New(rand.NewPCG(seed, 9)), data: map[*Leaf]interp.Value{}}
		for range 2 {
			g.leaf(F32, 3, 4)
			g.leaf(F32, 2, 3, 2)
			g.leaf(I32, 4, 3)
		}
		for range 12 {
			g.grow()
		}
		var made, raw []*Node
		for _, p := range g.pool {
			made, raw = append(made, p.made), append(raw, p.raw)
		}
		leaf := func(l *Leaf) interp.Value { return g.data[l] }
		want := interp.Eval(raw, leaf)
		unique := Dedup(made)
		for what, got := range map[string][]interp.Value{"constructors": interp.Eval(made, leaf), "Dedup": interp.Eval(unique, leaf)} {
			for i := range want {
				if !same(got[i], want[i]) {
					t.Fatalf("seed %d: %s: %v, want %v\n%s\nfrom\n%s", seed, what, got[i], want[i], Print(made[i]), Print(raw[i]))
				}
			}
		}
		if len(Topo(unique...)) < len(Topo(raw...)) {
			smaller++
		}
		text := map[string]bool{}
		for _, line := range strings.Split(Print(unique...), "\n") {
			if _, def, ok := strings.Cut(line, " = "); ok && !strings.Contains(def, `""`) {
				if text[def] {
					t.Fatalf("seed %d: %s occurs twice after Dedup", seed, def)
				}
				text[def] = true
			}
		}
	}
	if smaller < 1000 {
		t.Errorf("only %d of 1500 graphs became smaller", smaller)
	}
}

func TestDedup(t *testing.T) {
	l, m := &Leaf{Shape: []int{2}}, &Leaf{Shape: []int{2}}
	sum := func() *Node { return Add(Unary(OpExp, NewLeaf(l)), NewLeaf(m)) }
	a, b := sum(), Detach(sum())
	got := Dedup([]*Node{a, b, Add(NewLeaf(m), Unary(OpExp, NewLeaf(l)))})
	if got[0] != got[1] {
		t.Error("equal sums are two nodes")
	}
	if got[0] == got[2] || got[0].In[0] != got[2].In[1] {
		t.Error("the order of arguments")
	}
	for _, n := range Topo(got...) {
		if n.Op == OpDetach {
			t.Error("a detach is left")
		}
	}
	if x := Dedup([]*Node{Slice(NewLeaf(l), []int{0}, []int{1}, []int{1}), Slice(NewLeaf(l), []int{1}, []int{1}, []int{1})}); x[0] == x[1] {
		t.Error("different slices became one")
	}
	if x := Dedup([]*Node{Const(F32, 0.1, 2), Const(F32, 0.1+1e-12, 2), Const(I32, 0, 2), Const(F32, 0, 2)}); x[0] == x[1] || x[2] == x[3] {
		t.Error("different constants became one")
	}
}

// Constants fold to what a kernel would compute.
func TestConstantsFoldAsKernelsCompute(t *testing.T) {
	for name, c := range map[string]struct {
		got  *Node
		want float64
	}{
		"saturating":           {Cast(Const(F32, 3e9), I32), math.MaxInt32},
		"saturating below":     {Cast(Const(F32, -3e9), I32), math.MinInt32},
		"not a number":         {Cast(Const(F32, math.NaN()), I32), 0},
		"truncating":           {Cast(Const(F32, -1.9), I32), -1},
		"as a float32":         {Cast(Const(F32, 0.99999999999), I32), 1},
		"wrapping":             {Add(Const(I32, math.MaxInt32), Const(I32, 1)), math.MinInt32},
		"wrapping sum":         {Reduce(OpSum, Const(I32, 1<<30, 4), 0), 0},
		"division by 0":        {Div(Const(I32, 5), Const(I32, 0)), 0},
		"sum":                  {Reduce(OpSum, Const(F32, 0.5, 3, 4), 0, 1), 6},
		"sum of truth values":  {Reduce(OpSum, Const(Bool, 1, 3, 4), 1), 4},
		"maximum":              {Reduce(OpMax, Const(F32, -2, 3), 0), -2},
		"comparison":           {Lt(Const(F32, 1), Const(F32, 2)), 1},
		"negation of a truth":  {Unary(OpNot, Const(Bool, 1)), 0},
		"remainder":            {Binary(OpMod, Const(I32, -1), Const(I32, 3)), 2},
		"condition":            {Where(Const(Bool, 0), Const(F32, 1), Const(F32, 2)), 2},
		"factors that meet":    {Mul(Const(F32, 2), Mul(Const(F32, 3), Const(F32, 4))), 24},
		"a float and a number": {Mul(Const(I32, 3), Const(F32, 0.5)), 1.5},
	} {
		if c.got.Op != OpConst || c.got.Value != c.want {
			t.Errorf("%s: %s, want %g", name, Print(c.got), c.want)
		}
	}
}

func TestNeutralElements(t *testing.T) {
	x := NewLeaf(&Leaf{Shape: []int{2}})
	k := NewLeaf(&Leaf{Shape: []int{2}, DType: I32})
	c := func(v float64) *Node { return Const(F32, v, 2) }
	for name, n := range map[string]*Node{
		"x+0": Add(x, c(0)), "0+x": Add(c(0), x), "x-0": Sub(x, c(0)), "x*1": Mul(x, c(1)), "1*x": Mul(c(1), x), "x/1": Div(x, c(1)),
		"--x": Neg(Neg(x)), "-(0-x)": Neg(Sub(c(0), x)), "-1*-x": Mul(c(-1), Neg(x)), "cast": Cast(x, F32), "reshape": Reshape(Reshape(x, 1, 2), 2),
		"permute": Permute(Permute(Reshape(x, 2, 1), 1, 0), 1, 0).In[0], "slice": Slice(x, []int{0}, []int{1}, []int{2}), "pad": Pad(x, []int{0}, []int{0}, 1),
		"expand": Expand(x, 2), "sum over 1": Reshape(Reduce(OpSum, Reshape(x, 2, 1), 1), 2), "where": Where(Const(Bool, 1, 2), x, c(0)),
	} {
		if n != x {
			t.Errorf("%s is\n%s", name, Print(n))
		}
	}
	if n := Add(k, Const(I32, 0, 2)); n != k {
		t.Error(Print(n))
	}
	// No rule may drop a NaN or an infinity.
	if n := Mul(x, c(0)); n.Op == OpConst {
		t.Error("x*0 became a constant, which it is not for infinite x")
	}
}
