package kernel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Index is an integer expression over a kernel's loop variables: a constant
// plus terms coef*atom, kept in normal form. Movement operations become
// arithmetic on these expressions, and because divisions and remainders
// simplify by the known ranges of their operands, a chain of reshapes and
// permutes usually ends as a plain strided access.
//
// The zero value is the constant 0. An Index is immutable.
type Index struct {
	Const int
	Terms []Term // ordered by atom key, no zero coefficients
}

// Term is one product of an Index.
type Term struct {
	Coef int
	Atom *Atom
}

// AtomKind says what an Atom is.
type AtomKind uint8

const (
	AtomDim AtomKind = iota // loop variable N, from 0 to its extent
	AtomVal                 // integer value number N of the kernel
	AtomDiv                 // floor(X / C)
	AtomMod                 // X - C*floor(X / C)
)

// Atom is an indivisible part of an Index, with the range of its values.
type Atom struct {
	Kind   AtomKind
	N      int
	X      Index
	C      int
	Lo, Hi int // inclusive
	key    string
}

// Dim is loop variable d, which runs from 0 to extent-1.
func Dim(d, extent int) Index {
	if extent == 1 {
		return Index{}
	}
	return ofAtom(&Atom{Kind: AtomDim, N: d, Hi: extent - 1, key: fmt.Sprintf("d%03d", d)})
}

// FromVal is integer value v of a kernel, known to lie in [0, extent).
func FromVal(v, extent int) Index {
	return ofAtom(&Atom{Kind: AtomVal, N: v, Hi: extent - 1, key: fmt.Sprintf("v%05d", v)})
}

// Int is the constant c.
func Int(c int) Index { return Index{Const: c} }

func ofAtom(a *Atom) Index { return Index{Terms: []Term{{1, a}}} }

// Key identifies the expression: equal keys, equal expressions.
func (x Index) Key() string {
	var b strings.Builder
	for _, t := range x.Terms {
		b.WriteString(strconv.Itoa(t.Coef))
		b.WriteByte('*')
		b.WriteString(t.Atom.key)
		b.WriteByte('+')
	}
	b.WriteString(strconv.Itoa(x.Const))
	return b.String()
}

// Range returns the least and the greatest value that x can take.
func (x Index) Range() (lo, hi int) {
	lo, hi = x.Const, x.Const
	for _, t := range x.Terms {
		a, b := t.Coef*t.Atom.Lo, t.Coef*t.Atom.Hi
		lo += min(a, b)
		hi += max(a, b)
	}
	return lo, hi
}

// Add returns x + y.
func (x Index) Add(y Index) Index {
	if len(y.Terms) == 0 {
		return Index{x.Const + y.Const, x.Terms}
	}
	if len(x.Terms) == 0 {
		return Index{x.Const + y.Const, y.Terms}
	}
	terms := slices.Clone(x.Terms)
	for _, t := range y.Terms {
		i, found := slices.BinarySearchFunc(terms, t, func(a, b Term) int { return strings.Compare(a.Atom.key, b.Atom.key) })
		if !found {
			terms = slices.Insert(terms, i, t)
			continue
		}
		terms[i].Coef += t.Coef
		if terms[i].Coef == 0 {
			terms = slices.Delete(terms, i, i+1)
		}
	}
	return rejoin(Index{x.Const + y.Const, terms})
}

// rejoin undoes a split of a dimension whose parts meet again, which is what is
// left of a reshape that splits and one that merges:
//
//	(X mod C) + C*(X div C)             = X
//	(X mod C) + C*((X div C) mod D)     = X mod C*D
//	(X mod C) + C*((X mod C*D) div C)   = X mod C*D
func rejoin(x Index) Index {
	for i, m := range x.Terms {
		if m.Atom.Kind != AtomMod {
			continue
		}
		for j, d := range x.Terms {
			if i == j || d.Coef != m.Coef*m.Atom.C {
				continue
			}
			whole, ok := m.Atom.joined(d.Atom)
			if !ok {
				continue
			}
			rest := Index{Const: x.Const}
			for k, t := range x.Terms {
				if k != i && k != j {
					rest.Terms = append(rest.Terms, t)
				}
			}
			return rest.Add(whole.Mul(m.Coef))
		}
	}
	return x
}

// joined returns m + m.C*d for a remainder m, if that is simpler.
func (m *Atom) joined(d *Atom) (Index, bool) {
	switch {
	case d.isQuotient(m.X, m.C):
		return m.X, true
	case d.Kind == AtomMod && len(d.X.Terms) == 1 && d.X.Const == 0 && d.X.Terms[0].Coef == 1 && d.X.Terms[0].Atom.isQuotient(m.X, m.C):
		return m.X.Mod(m.C * d.C), true
	case d.Kind == AtomDiv && d.C == m.C && len(d.X.Terms) == 1 && d.X.Const == 0 && d.X.Terms[0].Coef == 1:
		if w := d.X.Terms[0].Atom; w.Kind == AtomMod && w.C%m.C == 0 && w.X.Key() == m.X.Key() {
			return d.X, true
		}
	}
	return Index{}, false
}

// isQuotient reports whether a is floor(x / c), also where x is a quotient
// itself and the two divisions have become one.
func (a *Atom) isQuotient(x Index, c int) bool {
	if a.Kind != AtomDiv {
		return false
	}
	if a.C == c && a.X.Key() == x.Key() {
		return true
	}
	if len(x.Terms) != 1 || x.Const != 0 || x.Terms[0].Coef != 1 || x.Terms[0].Atom.Kind != AtomDiv {
		return false
	}
	q := x.Terms[0].Atom
	return a.C == c*q.C && a.X.Key() == q.X.Key()
}

// Mul returns x * k.
func (x Index) Mul(k int) Index {
	if k == 0 {
		return Index{}
	}
	if k == 1 {
		return x
	}
	terms := slices.Clone(x.Terms)
	for i := range terms {
		terms[i].Coef *= k
	}
	return Index{x.Const * k, terms}
}

// split separates x into c*q + r, where r holds what c does not divide and is
// never negative.
func (x Index) split(c int) (q, r Index) {
	for _, t := range x.Terms {
		if t.Coef%c == 0 {
			q.Terms = append(q.Terms, Term{t.Coef / c, t.Atom})
		} else {
			r.Terms = append(r.Terms, t)
		}
	}
	// The remainder begins at 0 or above, where truncating division, all that
	// shaders have, is the same as rounding down.
	lo, _ := Index{x.Const, r.Terms}.Range()
	q.Const = floorDiv(lo, c)
	r.Const = x.Const - q.Const*c
	return q, r
}

// Div returns floor(x / c) for c > 0.
func (x Index) Div(c int) Index {
	if c == 1 {
		return x
	}
	q, r := x.split(c)
	lo, hi := r.Range()
	if floorDiv(lo, c) == floorDiv(hi, c) {
		q.Const += floorDiv(lo, c)
		return q
	}
	if len(r.Terms) == 1 && r.Const == 0 && r.Terms[0].Coef == 1 && r.Terms[0].Atom.Kind == AtomDiv { // (y/a)/c = y/(a*c)
		a := r.Terms[0].Atom
		return q.Add(a.X.Div(a.C * c))
	}
	return q.Add(ofAtom(&Atom{Kind: AtomDiv, X: r, C: c, Lo: floorDiv(lo, c), Hi: floorDiv(hi, c), key: "/" + strconv.Itoa(c) + "(" + r.Key() + ")"}))
}

// Mod returns x - c*floor(x / c) for c > 0.
func (x Index) Mod(c int) Index {
	if c == 1 {
		return Index{}
	}
	_, r := x.split(c)
	lo, hi := r.Range()
	if f := floorDiv(lo, c); f == floorDiv(hi, c) {
		r.Const -= f * c
		return r
	}
	if len(r.Terms) == 1 && r.Const == 0 && r.Terms[0].Coef == 1 && r.Terms[0].Atom.Kind == AtomMod && r.Terms[0].Atom.C%c == 0 {
		return r.Terms[0].Atom.X.Mod(c)
	}
	return ofAtom(&Atom{Kind: AtomMod, X: r, C: c, Hi: c - 1, key: "%" + strconv.Itoa(c) + "(" + r.Key() + ")"})
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Affine reports whether x is a constant plus multiples of loop variables and
// values that do not change with loop variable v; coef is v's multiple.
func (x Index) Affine(v int, varies func(val int) bool) (coef int, ok bool) {
	for _, t := range x.Terms {
		if t.Atom.Kind == AtomDim && t.Atom.N == v {
			coef = t.Coef
		} else if t.Atom.DependsOn(func(d int) bool { return d == v }, varies) {
			return 0, false
		}
	}
	return coef, true
}

// DependsOn reports whether the expression has a loop variable for which dim
// holds or a value for which val holds.
func (x Index) DependsOn(dim, val func(int) bool) bool {
	for _, t := range x.Terms {
		if t.Atom.DependsOn(dim, val) {
			return true
		}
	}
	return false
}

// DependsOn is Index.DependsOn for one atom.
func (a *Atom) DependsOn(dim, val func(int) bool) bool {
	switch a.Kind {
	case AtomDim:
		return dim(a.N)
	case AtomVal:
		return val(a.N)
	}
	return a.X.DependsOn(dim, val)
}

// On reports whether loop variable d is in the atom, values aside.
func (a *Atom) On(d int) bool {
	return a.DependsOn(func(e int) bool { return e == d }, func(int) bool { return false })
}

// Subst rebuilds x with loop variables and values replaced.
func (x Index) Subst(dim, val func(a *Atom) Index) Index {
	r := Index{Const: x.Const}
	for _, t := range x.Terms {
		var y Index
		switch a := t.Atom; a.Kind {
		case AtomDim:
			y = dim(a)
		case AtomVal:
			y = val(a)
		case AtomDiv:
			y = a.X.Subst(dim, val).Div(a.C)
		default:
			y = a.X.Subst(dim, val).Mod(a.C)
		}
		r = r.Add(y.Mul(t.Coef))
	}
	return r
}

// Eval computes x where loop variable d has the value dim(d); x has no other
// variables.
func (x Index) Eval(dim func(d int) int) int {
	sum := x.Const
	for _, t := range x.Terms {
		var v int
		switch a := t.Atom; a.Kind {
		case AtomDim:
			v = dim(a.N)
		case AtomDiv:
			v = floorDiv(a.X.Eval(dim), a.C)
		default:
			y := a.X.Eval(dim)
			v = y - floorDiv(y, a.C)*a.C
		}
		sum += t.Coef * v
	}
	return sum
}

// Coefs returns x's multiple of each of n loop variables; ok is false if x has
// any other term.
func (x Index) Coefs(n int) (coefs []int, ok bool) {
	coefs = make([]int, n)
	for _, t := range x.Terms {
		if t.Atom.Kind != AtomDim || t.Atom.N >= n {
			return nil, false
		}
		coefs[t.Atom.N] = t.Coef
	}
	return coefs, true
}

// Format writes x as C-like text; dim and val name its variables. Division
// and remainder truncate in the target language, but their operands are never
// negative.
func (x Index) Format(dim, val func(int) string) string {
	var b strings.Builder
	for i, t := range x.Terms {
		var s string
		switch a := t.Atom; a.Kind {
		case AtomDim:
			s = dim(a.N)
		case AtomVal:
			s = val(a.N)
		case AtomDiv:
			s = fmt.Sprintf("(%s) / %d", a.X.Format(dim, val), a.C)
		default:
			s = fmt.Sprintf("(%s) %% %d", a.X.Format(dim, val), a.C)
		}
		if t.Coef != 1 {
			if t.Atom.Kind >= AtomDiv {
				s = "(" + s + ")"
			}
			s = fmt.Sprintf("%s * %d", s, t.Coef)
		}
		if i > 0 {
			b.WriteString(" + ")
		}
		b.WriteString(s)
	}
	if x.Const != 0 || len(x.Terms) == 0 {
		if len(x.Terms) > 0 {
			b.WriteString(" + ")
		}
		b.WriteString(strconv.Itoa(x.Const))
	}
	return b.String()
}

// String prints loop variables as i0, i1, .. and values as %n.
func (x Index) String() string {
	return x.Format(func(d int) string { return fmt.Sprintf("i%d", d) }, func(v int) string { return fmt.Sprintf("%%%d", v) })
}
