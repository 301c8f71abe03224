package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// formula is an index expression as it was asked for, evaluated as such.
type formula struct {
	text string
	eval func(vars []int) int
}

var extents = []int{4, 6, 1, 10, 3}

const valExtent = 12 // of value 7, the last variable

// random returns an expression and what it means.
func random(r *rand.Rand, depth int) (Index, formula) {
	if depth == 0 || r.IntN(6) == 0 {
		switch r.IntN(6) {
		case 0:
			c := r.IntN(41) - 20
			return Int(c), formula{fmt.Sprint(c), func([]int) int { return c }}
		case 1:
			return FromVal(7, valExtent), formula{"v", func(v []int) int { return v[len(extents)] }}
		}
		d := r.IntN(len(extents))
		return Dim(d, extents[d]), formula{fmt.Sprint("i", d), func(v []int) int { return v[d] }}
	}
	x, fx := random(r, depth-1)
	c := []int{2, 3, 4, 5, 6, 8, 12}[r.IntN(7)]
	switch r.IntN(6) {
	case 0, 1, 2:
		y, fy := random(r, depth-1)
		return x.Add(y), formula{"(" + fx.text + " + " + fy.text + ")", func(v []int) int { return fx.eval(v) + fy.eval(v) }}
	case 3:
		if r.IntN(3) == 0 {
			c = -c
		}
		return x.Mul(c), formula{fmt.Sprintf("%d*%s", c, fx.text), func(v []int) int { return c * fx.eval(v) }}
	case 4:
		return x.Div(c), formula{fmt.Sprintf("%s/%d", fx.text, c), func(v []int) int { return floorDiv(fx.eval(v), c) }}
	}
	return x.Mod(c), formula{fmt.Sprintf("%s%%%d", fx.text, c), func(v []int) int { x := fx.eval(v); return x - c*floorDiv(x, c) }}
}

// value evaluates an Index as shaders do: division truncates. Where that made
// a difference, TestIndexArithmetic would find it.
func (x Index) value(v []int) int {
	sum := x.Const
	for _, t := range x.Terms {
		var y int
		switch a := t.Atom; a.Kind {
		case AtomDim:
			y = v[a.N]
		case AtomVal:
			y = v[len(extents)]
		case AtomDiv:
			y = a.X.value(v) / a.C
		default:
			y = a.X.value(v) % a.C
		}
		sum += t.Coef * y
	}
	return sum
}

// points calls f for random values of the variables, and for the extremes.
func points(r *rand.Rand, f func(v []int)) {
	v := make([]int, len(extents)+1)
	for trial := range 40 {
		for i, n := range append(extents[:len(extents):len(extents)], valExtent) {
			switch trial {
			case 0:
				v[i] = 0
			case 1:
				v[i] = n - 1
			default:
				v[i] = r.IntN(n)
			}
		}
		f(v)
	}
}

func TestIndexArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		x, f := random(r, 5)
		lo, hi := x.Range()
		points(r, func(v []int) {
			got, want := x.value(v), f.eval(v)
			if got != want {
				t.Fatalf("%s at %v is %d, %v gives %d", f.text, v, want, x, got)
			}
			if want < lo || want > hi {
				t.Fatalf("%s at %v is %d, outside of %d..%d", f.text, v, want, lo, hi)
			}
		})
		for i, term := range x.Terms {
			if term.Coef == 0 || i > 0 && x.Terms[i-1].Atom.key >= term.Atom.key {
				t.Fatalf("%s is not in normal form: %v", f.text, x)
			}
		}
	}
}

func TestIndexSubst(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		x, f := random(r, 4)
		// Replacements that stay within the variable's range.
		to := make([]Index, len(extents)+1)
		meaning := make([]formula, len(to))
		for i := range to {
			n := valExtent
			if i < len(extents) {
				n = extents[i]
			}
			y, fy := random(r, 2)
			to[i], meaning[i] = y.Mod(n), formula{"", func(v []int) int { y := fy.eval(v); return y - n*floorDiv(y, n) }}
		}
		s := x.Subst(func(a *Atom) Index { return to[a.N] }, func(*Atom) Index { return to[len(extents)] })
		points(r, func(v []int) {
			w := make([]int, len(v))
			for i := range w {
				w[i] = meaning[i].eval(v)
			}
			if got, want := s.value(v), f.eval(w); got != want {
				t.Fatalf("%s with replacements at %v is %d, got %d", f.text, v, want, got)
			}
		})
	}
}

// Equal keys have to mean equal values: values of kernels are merged by them.
func TestIndexKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	byKey := map[string]Index{}
	for range 20000 {
		x, _ := random(r, 3)
		y, ok := byKey[x.Key()]
		if !ok {
			byKey[x.Key()] = x
			continue
		}
		points(r, func(v []int) {
			if x.value(v) != y.value(v) {
				t.Fatalf("%v and %v have the key %s", x, y, x.Key())
			}
		})
	}
}

// What makes chains of views plain again.
func TestIndexSimplifies(t *testing.T) {
	i, j := Dim(0, 4), Dim(1, 6)
	row := i.Mul(6).Add(j)
	for want, x := range map[string]Index{
		"i0":                   row.Div(6),
		"i1":                   row.Mod(6),
		"i0 * 6 + i1":          row.Div(3).Mul(3).Add(row.Mod(3)),
		"i0 * 18 + i1 * 3 + 2": row.Div(6).Mul(6).Add(row.Mod(6)).Mul(3).Add(Int(2)),
		"(i1) / 3":             row.Div(3).Mod(2),
		"(i1) % 3":             row.Mod(6).Mod(3),
		"0":                    i.Mul(2).Add(i.Mul(-2)),
		"(i1) / 4 + i0 * 2":    i.Mul(8).Add(j).Div(2).Div(2),
		"(i1 * -1 + 6) / 3":    Int(6).Add(j.Mul(-1)).Div(3),
		"(i1 * -1 + 6) % 3":    j.Mul(-1).Mod(3),
	} {
		if got := x.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestIndexAffine(t *testing.T) {
	i, j, v := Dim(0, 4), Dim(1, 6), FromVal(7, valExtent)
	never := func(int) bool { return false }
	always := func(int) bool { return true }
	for _, c := range []struct {
		x      Index
		along  int
		varies func(int) bool
		coef   int
		ok     bool
	}{
		{i.Mul(6).Add(j), 0, never, 6, true},
		{i.Mul(6).Add(j), 1, never, 1, true},
		{i.Mul(6).Add(j), 2, never, 0, true},
		{j.Div(4).Add(i.Mul(-2)), 0, never, -2, true},
		{j.Div(4).Add(i.Mul(-2)), 1, never, 0, false},
		{v.Mul(3).Add(j), 1, never, 1, true},
		{v.Mul(3).Add(j), 1, always, 0, false},
		{v.Add(i).Mod(5).Add(j), 1, never, 1, true},
	} {
		coef, ok := c.x.Affine(c.along, c.varies)
		if coef != c.coef || ok != c.ok {
			t.Errorf("%v along i%d: %d %v, want %d %v", c.x, c.along, coef, ok, c.coef, c.ok)
		}
	}
	if c, ok := i.Mul(6).Add(j).Add(Int(9)).Coefs(2); !ok || c[0] != 6 || c[1] != 1 {
		t.Errorf("%v %v", c, ok)
	}
	if _, ok := i.Mul(6).Add(j.Mod(4)).Coefs(2); ok {
		t.Error("a remainder is no multiple")
	}
}
