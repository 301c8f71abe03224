package wgsl

// Places in memory as sums of offsets. An operand's index expression is split
// into a part for each loop variable, and each part is asked whether it walks
// evenly through aligned fours: pixel numbers of an image whose rows are a
// multiple of four wide do, so that one division serves four pixels, and four
// adjacent ones can be one load.

import (
	"fmt"
	"slices"

	"github.com/weft-ml/weft/internal/kernel"
)

// part is what of x depends on loop variable d.
func part(x kernel.Index, d int) kernel.Index {
	var p kernel.Index
	for _, t := range x.Terms {
		if t.Atom.On(d) {
			p.Terms = append(p.Terms, t)
		}
	}
	return p
}

// fours describes x as a function of loop variable d: x(4i+j) = x(4i) + j*step
// for j up to 3, and align divides x(4i). Values and other loop variables in x
// count as constants of no known divisor. ok is false where x is not so.
func fours(x kernel.Index, d int) (step, align int, ok bool) {
	align = x.Const
	for _, t := range x.Terms {
		s, a, ok := atomFours(t.Atom, d)
		if !ok {
			return 0, 0, false
		}
		step += s * t.Coef
		align = gcd(align, a*t.Coef)
	}
	return step, align, true
}

func atomFours(a *kernel.Atom, d int) (step, align int, ok bool) {
	switch {
	case a.Kind == kernel.AtomDim && a.N == d:
		return 1, 4, true
	case a.Kind == kernel.AtomDim, a.Kind == kernel.AtomVal:
		return 0, 1, true
	}
	s, al, ok := fours(a.X, d)
	if !ok {
		return 0, 0, false
	}
	if s == 0 {
		return 0, 1, true
	}
	// x mod c is a multiple of g, so at most c-g: three steps stay below c.
	g := gcd(al, a.C)
	if s < 0 || 3*s >= g {
		return 0, 0, false
	}
	if a.Kind == kernel.AtomDiv {
		return 0, 1, true
	}
	return s, g, true
}

// blocks describes x as a function of loop variable d in blocks of n: x(n*i+j) =
// x(n*i) + deltas[j], and align divides x(n*i), which is 0 if align is. deltas is
// nil where x is not so. What else is in x counts as with fours.
func blocks(x kernel.Index, d, n int) (deltas []int, align int) {
	deltas, align = make([]int, n), x.Const
	for _, t := range x.Terms {
		ds, a := atomBlocks(t.Atom, d, n)
		if ds == nil {
			return nil, 0
		}
		for j := range ds {
			deltas[j] += t.Coef * ds[j]
		}
		align = gcd(align, a*t.Coef)
	}
	return deltas, align
}

func atomBlocks(a *kernel.Atom, d, n int) (deltas []int, align int) {
	switch {
	case a.Kind == kernel.AtomDim && a.N == d:
		deltas = make([]int, n)
		for j := range deltas {
			deltas[j] = j
		}
		return deltas, n
	case a.Kind == kernel.AtomDim, a.Kind == kernel.AtomVal:
		return make([]int, n), 1
	}
	deltas, align = blocks(a.X, d, n)
	if deltas == nil {
		return nil, 0
	}
	div := a.Kind == kernel.AtomDiv
	if slices.Max(deltas) == 0 && slices.Min(deltas) == 0 {
		return deltas, 1
	}
	if slices.Min(deltas) < 0 {
		return nil, 0
	}
	if align%a.C == 0 { // blocks begin where a period does
		for j := range deltas {
			if div {
				deltas[j] /= a.C
			} else {
				deltas[j] %= a.C
			}
		}
		if div {
			return deltas, align / a.C
		}
		return deltas, 0
	}
	// A remainder is a multiple of g, so at most C-g.
	g := gcd(align, a.C)
	if slices.Max(deltas) >= g {
		return nil, 0
	}
	if div {
		return make([]int, n), 1
	}
	return deltas, g
}

// gcd of zero and n is n: zero is divisible by everything.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	if a < 0 {
		return -a
	}
	return a
}

// divisible by 4, where align is what fours returned.
func divisible(align int) bool { return align%4 == 0 }

// unsigned reports whether x can be computed in u32 as it is written.
func unsigned(x kernel.Index) bool {
	if x.Const < 0 {
		return false
	}
	for _, t := range x.Terms {
		if t.Coef < 0 || t.Atom.Kind >= kernel.AtomDiv && !unsigned(t.Atom.X) {
			return false
		}
	}
	return true
}

// walkOf is x, which depends on loop variable d alone, as a function of it.
func walkOf(x kernel.Index, d int) *Walk {
	step, _, ok := fours(x, d)
	deltas := func(n int) []int {
		ds, _ := blocks(x, d, n)
		return ds
	}
	return &Walk{Four: ok && step >= 0, Step: step, Deltas: deltas, At: func(i string) string { return offset(x, func(int) string { return "(" + i + ")" }) }}
}

// offset is x as a u32 expression of loop variables that are u32 expressions.
func offset(x kernel.Index, dim func(d int) string) string {
	if unsigned(x) {
		if len(x.Terms) == 0 {
			return fmt.Sprintf("%du", x.Const)
		}
		return x.Format(dim, nil)
	}
	return "u32(" + x.Format(func(d int) string { return "i32" + dim(d) }, nil) + ")"
}

// digit is a loop variable's quotient by div, modulo size.
type digit struct{ div, size, stride int }

// digits takes apart x, a function of loop variable d of the given extent: x is the
// sum of its digits, each times its stride, and they follow one another, the
// fastest first. It returns nil where x is not so.
func digits(x kernel.Index, d, extent int) (list []digit) {
	for _, t := range x.Terms {
		g, ok := atomDigit(t.Atom, d, extent)
		if !ok {
			return nil
		}
		g.stride = t.Coef
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b digit) int { return a.div - b.div })
	whole := 1
	for _, g := range list {
		if g.div != whole {
			return nil
		}
		whole *= g.size
	}
	if whole != extent {
		return nil
	}
	return list
}

func atomDigit(a *kernel.Atom, d, extent int) (g digit, ok bool) {
	switch {
	case a.Kind == kernel.AtomDim:
		return digit{div: 1, size: extent}, a.N == d
	case a.Kind == kernel.AtomVal, a.X.Const != 0, len(a.X.Terms) != 1, a.X.Terms[0].Coef != 1:
		return g, false
	}
	g, ok = atomDigit(a.X.Terms[0].Atom, d, extent)
	if !ok || g.size%a.C != 0 {
		return g, false
	}
	if a.Kind == kernel.AtomDiv {
		return digit{div: g.div * a.C, size: g.size / a.C}, true
	}
	return digit{div: g.div, size: a.C}, true
}

// windowOf describes B by what of its place depends on its column and on its row;
// nil if it is not the windows of images.
func windowOf(col, row kernel.Index, n, k, cols, rows int) *Window {
	pixel, tap := digits(col, n, cols), digits(row, k, rows)
	if len(pixel) == 2 { // one image
		pixel = append(pixel, digit{size: 1})
	}
	if len(tap) == 2 { // one channel
		tap = append(tap, digit{size: 1})
	}
	if len(pixel) != 3 || len(tap) != 3 || pixel[0].stride != 1 || tap[0].stride != 1 || pixel[1].stride != tap[1].stride {
		return nil
	}
	for _, g := range append(pixel, tap...) {
		if g.stride < 0 {
			return nil
		}
	}
	return &Window{
		Images: pixel[2].size, OutH: pixel[1].size, OutW: pixel[0].size,
		Channels: tap[2].size, KH: tap[1].size, KW: tap[0].size,
		Image: pixel[2].stride, Channel: tap[2].stride, Row: tap[1].stride,
	}
}
