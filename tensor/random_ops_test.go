package tensor_test

import (
	"math"
	"slices"

	. "github.com/weft-ml/weft/tensor"
)

// The operations that random programs are made of.

// kinds is the number of cases in grow.
const kinds = 46

// grow adds one operation, or none if the choice does not fit.
func (p *randomProgram) grow() {
	e := p.e
	kind := e.n(kinds)
	x, _ := p.pick(func(value) bool { return true })
	t := x.Tensor
	d := 0
	if t.Dims() > 0 {
		d = e.n(t.Dims())
	}
	switch kind {
	case 0, 1, 2:
		p.smooth(kind)
	case 3, 4, 5, 6:
		p.combine(kind)
	case 7:
		p.stepped(kind)
	case 8:
		p.integers(kind)
	case 9, 10:
		p.reduce(kind)
	case 11, 12:
		p.product(kind)
	case 13:
		p.add(kind, "reshape", t.Reshape(p.otherShape(t.Shape())...), x.frac, x.mag, x)
	case 14:
		axes := make([]int, t.Dims())
		for i := range axes {
			axes[i] = i
		}
		for i := range axes {
			j := i + e.n(len(axes)-i)
			axes[i], axes[j] = axes[j], axes[i]
		}
		p.add(kind, "permute", t.Permute(axes...), x.frac, x.mag, x)
	case 15:
		if t.Dims() > 0 {
			p.add(kind, "flip", t.Flip(d), x.frac, x.mag, x)
		}
	case 16:
		if t.Dims() > 0 {
			from := e.n(t.Dim(d))
			to := from + 1 + e.n(t.Dim(d)-from)
			p.add(kind, "slice", t.SliceStep(d, from, to, 1+e.n(3)), x.frac, x.mag, x)
		}
	case 17: // a step backwards
		if t.Dims() > 0 {
			p.add(kind, "slice back", t.Flip(d).SliceStep(d, 0, t.Dim(d), 1+e.n(2)), x.frac, x.mag, x)
		}
	case 18:
		if t.Dims() > 0 && t.DType() != Bool {
			pads := make([][2]int, t.Dims())
			pads[d] = [2]int{e.n(3), e.n(3)}
			pads[0][0] += e.n(2)
			p.add(kind, "pad", t.Pad([]float64{0, 1, -2}[e.n(3)], pads...), x.frac, max(x.mag, 1), x)
		}
	case 19:
		if t.Dims() > 0 {
			y := p.fits(x, func(y value) bool {
				return slices.Equal(y.Shape(), t.Shape()) && y.float() == x.float() && (y.DType() == Bool) == (t.DType() == Bool)
			})
			parts := []*Tensor{t, y.Tensor}
			for range e.n(3) {
				parts = append(parts, t.Slice(d, 0, 1+e.n(t.Dim(d))))
			}
			p.add(kind, "concat", Concat(d, parts...), max(x.frac, y.frac), max(x.mag, y.mag), x, y)
		}
	case 20:
		p.add(kind, "unsqueeze", t.Unsqueeze(e.n(t.Dims()+1)), x.frac, x.mag, x)
	case 21:
		shape := append([]int{1 + e.n(3)}, t.Shape()...)
		for i := range shape {
			if shape[i] == 1 {
				shape[i] = p.sizes[e.n(3)]
			}
		}
		if n := count(shape); n <= p.limit {
			p.add(kind, "expand", t.Expand(shape...), x.frac, x.mag, x)
		}
	case 22, 23:
		p.gather(kind)
	case 24:
		if x.integer() && t.Dims() < 4 {
			p.add(kind, "one hot", t.Mod(FromInts([]int32{5})).OneHot(5).Reshape(append(slices.Clone(t.Shape()), 5)...), 0, 0, x)
		}
	case 25:
		if t.Dims() > 1 && t.DType() != Bool {
			y := t.Tril(e.n(3) - 1)
			if e.n(2) == 0 {
				y = t.Triu(e.n(3) - 1)
			}
			p.add(kind, "triangle", y, x.frac, x.mag, x)
		}
	case 26:
		if x.float() && t.Dims() > 0 {
			y := t.Softmax(d)
			if e.n(2) == 0 {
				y = t.LogSoftmax(d)
			}
			p.add(kind, "softmax", y, inexact, 3, x)
		}
	case 27:
		if t.Dims() > 0 && t.DType() != Bool && t.Dim(d) < 40 {
			p.add(kind, "cumsum", t.CumSum(d), x.frac, x.mag+log2(t.Dim(d)), x)
		}
	case 28:
		if t.Dims() > 0 && (x.exact() || x.integer()) {
			y := t.Argmax(d)
			if e.n(2) == 0 {
				y = t.Argmin(d)
			}
			p.add(kind, "argmax", y, 0, 31, x)
		}
	case 29:
		p.add(kind, "uniform", p.tr.Uniform(p.shape()...), inexact, 0)
	case 30:
		p.add(kind, "scalar", p.tr.Scalar([]string{"s", "r"}[e.n(2)]), 2, 1)
	case 31:
		p.add(kind, "step", p.tr.Int("k"), 0, 31)
	case 32:
		p.add(kind, "arange", Arange(p.sizes[e.n(3)]), 0, 31)
	case 33, 34:
		p.gradient(kind)
	case 35:
		if x.float() && t.Dims() > 0 {
			p.add(kind, "norm", t.Sub(t.MeanKeep(d)).Mul(t.Sub(t.MeanKeep(d)).Square().MeanKeep(d).AddScalar(0.5).Rsqrt()), inexact, 2, x)
		}
	case 36:
		if x.float() && t.Dims() > 0 {
			p.add(kind, "logsumexp", t.LogSumExp(d), inexact, max(x.mag, 1)+2, x)
		}
	case 37: // many sources in one expression
		y := x
		for range 12 {
			z := p.fits(x, value.float)
			if !y.float() || !broadcasts(y.Shape(), z.Shape()) {
				break
			}
			y = value{y.MulScalar(0.5).Add(z.MulScalar(0.5)), inexact, max(y.mag, z.mag)}
		}
		p.add(kind, "many", y.Tensor, y.frac, y.mag, x)
	case 38:
		p.add(kind, "cast", p.cast(x), x.frac, x.mag, x)
	case 39:
		if x.float() {
			p.add(kind, "detach", t.Detach(), x.frac, x.mag, x)
		}
	case 40, 41:
		p.convolve(kind)
	case 42:
		p.pool2d(kind)
	case 43, 44:
		p.selfProduct(kind)
	case 45:
		p.selfConvolve(kind)
	}
}

// selfProduct multiplies a value with itself: the same view twice, its transpose,
// or two parts that overlap.
func (p *randomProgram) selfProduct(kind int) {
	x, ok := p.pick(func(v value) bool { return v.float() && v.Dims() > 0 })
	if !ok {
		return
	}
	flat := x.Reshape(-1)
	rows := x.Reshape(-1, x.Dim(-1))
	r, c := rows.Dim(0), rows.Dim(1)
	var a, b *Tensor
	switch p.e.n(7) {
	case 0:
		a, b = flat.Unsqueeze(0), flat.Unsqueeze(1)
	case 1:
		a, b = rows, rows.Transpose(0, 1)
	case 2:
		a, b = rows.Transpose(0, 1), rows
	case 3:
		n := min(r, c)
		a = rows.Slice(1, 0, n)
		b = rows.Slice(0, 0, n)
	case 4:
		n := 1 + p.e.n(c)
		a, b = rows.Slice(1, 0, n), rows.Slice(1, c-n, c).Transpose(0, 1)
	case 5:
		a, b = flat.Unsqueeze(1), flat.Unsqueeze(0)
	case 6: // a batch of rows
		a, b = rows.Unsqueeze(1), rows.Unsqueeze(2)
	}
	if a.Len()/a.Dim(-1)*b.Dim(-1) > p.limit {
		return
	}
	y := a.MatMul(b)
	if p.e.n(3) == 0 && broadcasts(y.Shape(), a.Shape()) { // and again in the epilogue
		y = y.Add(a)
	}
	p.add(kind, "self product", y, min(inexact, 2*x.frac), 2*x.mag+log2(a.Dim(-1))+1, x)
}

// selfConvolve takes an image's corner as its filters.
func (p *randomProgram) selfConvolve(kind int) {
	x := p.float()
	in := image(x)
	if in.Len() > 1500 {
		return
	}
	kh, kw := min(1+p.e.n(3), in.Dim(2)), min(1+p.e.n(4), in.Dim(3))
	w := in.Slice(0, 0, 1+p.e.n(in.Dim(0))).Slice(2, 0, kh).Slice(3, 0, kw)
	if w.Dim(0)*in.Len() > 20000 {
		return
	}
	o := ConvOptions{Padding: [2]int{p.e.n(2), p.e.n(2)}}
	y := in.Conv2d(w, nil, o)
	if p.e.n(2) == 0 { // with the gradient of the filters, where they do not depend on it
		y = Grad(in.Conv2d(w, nil, o).Square().Sum(), x.Tensor)[0].MulScalar(0.125).Tanh()
		p.add(kind, "self convolution's gradient", y, inexact, 0, x)
		return
	}
	p.add(kind, "self convolution", y, min(inexact, 2*x.frac), 2*x.mag+log2(w.Len()/w.Dim(0))+1, x)
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// cast converts without changing what is known of the value.
func (p *randomProgram) cast(x value) *Tensor {
	switch {
	case x.DType() == Bool && p.e.n(2) == 0:
		return x.To(Int32)
	case x.DType() == Uint8, x.DType() == Float16:
		return x.To(x.DType().Compute())
	}
	return x.Tensor
}

// otherShape splits and merges dimensions.
func (p *randomProgram) otherShape(shape []int) []int {
	s := slices.Clone(shape)
	for range 1 + p.e.n(3) {
		if len(s) == 0 {
			return []int{1}
		}
		i := p.e.n(len(s))
		if p.e.n(2) == 0 && i+1 < len(s) {
			s[i] *= s[i+1]
			s = slices.Delete(s, i+1, i+2)
			continue
		}
		for f := 2; f <= s[i] && len(s) < 5; f++ {
			if s[i]%f == 0 {
				if p.e.n(2) == 0 {
					f = s[i] / f
				}
				s[i] /= f
				s = slices.Insert(s, i, f)
				break
			}
		}
	}
	return s
}

// small is x with |x| <= 2.
func small(x value) *Tensor {
	if x.mag > 1 {
		return x.Tanh()
	}
	return x.Tensor
}

func (p *randomProgram) smooth(kind int) {
	x := p.float()
	t := small(x)
	above := t.Square().AddScalar(0.5)
	fs := []func() (*Tensor, int){
		func() (*Tensor, int) { return t.Tanh(), 0 },
		func() (*Tensor, int) { return t.Exp(), 3 },
		func() (*Tensor, int) { return t.Sin(), 0 },
		func() (*Tensor, int) { return t.Cos(), 0 },
		func() (*Tensor, int) { return t.Sigmoid(), 0 },
		func() (*Tensor, int) { return t.Erf(), 0 },
		func() (*Tensor, int) { return t.Gelu(), 1 },
		func() (*Tensor, int) { return t.Silu(), 1 },
		func() (*Tensor, int) { return t.Softplus(), 2 },
		func() (*Tensor, int) { return above.Log(), 2 },
		func() (*Tensor, int) { return above.Sqrt(), 2 },
		func() (*Tensor, int) { return above.Rsqrt(), 1 },
		func() (*Tensor, int) { return above.Reciprocal(), 1 },
		func() (*Tensor, int) { return above.Log1p(), 2 },
		func() (*Tensor, int) { return t.Expm1(), 3 },
		func() (*Tensor, int) { return above.PowScalar(1.5), 4 },
		func() (*Tensor, int) { return above.PowScalar(-2), 2 },
		func() (*Tensor, int) { return t.Mish(), 1 },
		func() (*Tensor, int) { return t.GeluTanh(), 1 },
		func() (*Tensor, int) { return t.DivScalar(3).AddScalar(0.3), 1 },
	}
	y, mag := fs[p.e.n(len(fs))]()
	p.add(kind, "smooth", y, inexact, mag, x)
}

func (p *randomProgram) combine(kind int) {
	x := p.float()
	y := p.fits(x, value.float)
	frac := max(x.frac, y.frac)
	switch p.e.n(8) {
	case 0:
		p.add(kind, "add", x.Add(y.Tensor), frac, max(x.mag, y.mag)+1, x, y)
	case 1:
		p.add(kind, "sub", x.Sub(y.Tensor), frac, max(x.mag, y.mag)+1, x, y)
	case 2:
		p.add(kind, "mul", x.Mul(y.Tensor), min(inexact, x.frac+y.frac), x.mag+y.mag, x, y)
	case 3:
		p.add(kind, "div", x.Div(y.Square().AddScalar(0.5)), inexact, x.mag+1, x, y)
	case 4:
		p.add(kind, "scale", x.MulScalar([]float64{0.5, -1, 2, 0.25, 1, 0}[p.e.n(6)]), min(inexact, x.frac+2), x.mag+1, x)
	case 5:
		p.add(kind, "pow", small(x).Square().AddScalar(0.5).Pow(small(y)), inexact, 5, x, y)
	case 6:
		c, ok := p.pick(func(c value) bool {
			return c.DType() == Bool && broadcasts(c.Shape(), x.Shape()) && broadcasts(c.Shape(), y.Shape())
		})
		if !ok {
			c = value{Arange(1).EqScalar(0), 0, 0}
		}
		p.add(kind, "where", Where(c.Tensor, x.Tensor, y.Tensor), frac, max(x.mag, y.mag), c, x, y)
	case 7:
		p.add(kind, "negate", x.Neg(), x.frac, x.mag, x)
	}
}

// stepped applies functions with steps or kinks to exact values.
func (p *randomProgram) stepped(kind int) {
	x, ok := p.pick(func(v value) bool { return v.float() && v.exact() })
	if !ok {
		return
	}
	y := p.fits(x, func(v value) bool { return v.float() && v.exact() })
	frac, mag := max(x.frac, y.frac), max(x.mag, y.mag)
	switch p.e.n(17) {
	case 0:
		p.add(kind, "lt", x.Lt(y.Tensor), 0, 0, x, y)
	case 1:
		p.add(kind, "ge", x.Ge(y.Tensor), 0, 0, x, y)
	case 2:
		p.add(kind, "eq", x.Eq(y.Tensor), 0, 0, x, y)
	case 3:
		p.add(kind, "ne", x.Ne(y.Tensor), 0, 0, x, y)
	case 4:
		p.add(kind, "floor", x.Floor(), 0, x.mag, x)
	case 5:
		p.add(kind, "ceil", x.Ceil(), 0, x.mag, x)
	case 6:
		p.add(kind, "round", x.Round(), 0, x.mag, x)
	case 7:
		p.add(kind, "sign", x.Sign(), 0, 0, x)
	case 8:
		p.add(kind, "relu", x.Relu(), x.frac, x.mag, x)
	case 9:
		p.add(kind, "abs", x.Abs(), x.frac, x.mag, x)
	case 10:
		p.add(kind, "maximum", x.Maximum(y.Tensor), frac, mag, x, y)
	case 11:
		p.add(kind, "minimum", x.Minimum(y.Tensor), frac, mag, x, y)
	case 12:
		p.add(kind, "clamp", x.Clamp(-0.5, 1), max(x.frac, 1), 0, x)
	case 13:
		p.add(kind, "to int", x.To(Int32), 0, 31, x)
	case 14:
		p.add(kind, "to bool", x.To(Bool), 0, 0, x)
	case 15:
		p.add(kind, "mod", x.Mod(Scalar(0.5)), max(x.frac, 1), 0, x)
	case 16:
		p.add(kind, "leaky", x.LeakyRelu(0.25), x.frac+2, x.mag, x)
	}
}

func (p *randomProgram) integers(kind int) {
	x, ok := p.pick(value.integer)
	if !ok {
		x = value{Arange(p.sizes[0]), 0, 31}
	}
	y := p.fits(x, value.integer)
	switch p.e.n(16) {
	case 0:
		p.add(kind, "int add", x.Add(y.Tensor), 0, 31, x, y)
	case 1:
		p.add(kind, "int sub", x.Sub(y.Tensor), 0, 31, x, y)
	case 2:
		p.add(kind, "int mul", x.Mul(y.Tensor), 0, 31, x, y)
	case 3:
		p.add(kind, "int div", x.Div(y.Tensor), 0, 31, x, y)
	case 4:
		p.add(kind, "int mod", x.Mod(y.Tensor), 0, 31, x, y)
	case 5:
		p.add(kind, "int lt", x.Lt(y.Tensor), 0, 0, x, y)
	case 6:
		p.add(kind, "int eq", x.Eq(y.Tensor), 0, 0, x, y)
	case 7:
		p.add(kind, "int max", x.Maximum(y.Tensor), 0, 31, x, y)
	case 8, 9:
		p.add(kind, "to float", x.Mod(FromInts([]int32{9})).To(Float32).MulScalar(0.25), 2, 2, x)
	case 10:
		p.add(kind, "int neg", x.Neg(), 0, 31, x)
	case 11:
		p.add(kind, "int abs", x.Abs(), 0, 31, x)
	case 12:
		p.add(kind, "int scalar", x.MulScalar(3).AddScalar(-7), 0, 31, x)
	case 13:
		c := x.Gt(y.Tensor)
		b, ok := p.pick(func(v value) bool { return v.DType() == Bool && broadcasts(v.Shape(), c.Shape()) })
		if ok {
			p.add(kind, "and or", b.And(c).Or(b.Not()), 0, 0, b, x, y)
		}
	case 14:
		b, ok := p.pick(func(v value) bool { return v.DType() == Bool })
		if ok {
			p.add(kind, "count", b.Sum(), 0, 31, b)
		}
	case 15:
		b, ok := p.pick(func(v value) bool { return v.DType() == Bool })
		if ok {
			p.add(kind, "mask", b.To(Float32), 0, 0, b)
		}
	}
}

func (p *randomProgram) reduce(kind int) {
	x, _ := p.pick(func(value) bool { return true })
	t := x.Tensor
	var dims []int
	for d := range t.Dims() {
		if p.e.n(2) == 0 {
			dims = append(dims, d-t.Dims()*p.e.n(2))
		}
	}
	var y *Tensor
	op := p.e.n(6)
	switch {
	case x.DType() == Bool || x.integer():
		y = []func(...int) *Tensor{t.Sum, t.SumKeep, t.Amax, t.AmaxKeep, t.Amin, t.Prod}[op](dims...)
		p.add(kind, "int reduce", y, 0, 31, x)
		return
	case op == 3 && !x.exact(), op == 4 && !x.exact():
		op = 2
	}
	y = []func(...int) *Tensor{t.Sum, t.SumKeep, t.MeanKeep, t.Amax, t.AmaxKeep, small(x).MulScalar(0.5).Prod}[op](dims...)
	n := log2(t.Len() / y.Len())
	switch op {
	case 0, 1:
		p.add(kind, "sum", y, x.frac, x.mag+n, x)
	case 2:
		p.add(kind, "mean", y, inexact, x.mag, x)
	case 3, 4:
		p.add(kind, "amax", y, x.frac, x.mag, x)
	case 5:
		if t.Len()/y.Len() < 30 {
			p.add(kind, "prod", y, inexact, 0, x)
		}
	}
}

// product multiplies matrices that are views of all kinds.
func (p *randomProgram) product(kind int) {
	x, ok := p.pick(func(v value) bool { return v.float() && v.Dims() > 0 && v.Dim(-1) < 700 })
	if !ok {
		return
	}
	k := x.Dim(-1)
	y, ok := p.pick(func(v value) bool {
		return v.float() && v.Dims() > 1 && (v.Dim(-2) == k || v.Dim(-1) == k) && (v.Dims() < 3 || x.Dims() < 3 || broadcasts(v.Shape()[:v.Dims()-2], x.Shape()[:x.Dims()-2])) ||
			v.float() && v.Dims() == 1 && v.Len() == k
	})
	if !ok {
		y = x
		if x.Dims() == 1 && p.e.n(2) == 0 {
			y.Tensor = x.Unsqueeze(1).Expand(k, p.sizes[2])
		}
	}
	a, b := x.Tensor, y.Tensor
	if b.Dims() > 1 && b.Dim(-2) != k {
		b = b.Transpose(-1, -2)
	}
	switch p.e.n(6) {
	case 0:
		a, b = a.Flip(-1), b.Flip(0)
	case 1:
		if a.Dims() > 1 {
			a = a.Flip(-2)
		}
	case 2:
		if k > 1 {
			n := 1 + p.e.n(k-1)
			a = a.Slice(-1, k-n, k)
			b = b.Slice(-min(b.Dims(), 2), 0, n)
		}
	case 3:
		if b.Dims() > 1 && b.Dim(-1) > 1 {
			b = b.SliceStep(-1, 0, b.Dim(-1), 2)
		}
	}
	m, n := 1, 1
	if a.Dims() > 1 {
		m = a.Dim(-2)
	}
	if b.Dims() > 1 {
		n = b.Dim(-1)
	}
	if m*n > p.limit || a.Dims() > 1 && b.Dims() > 1 && a.Len()/k*n > p.limit || b.Dims() > 2 && b.Len()/k*m > p.limit {
		return
	}
	p.add(kind, "matmul", a.MatMul(b), min(inexact, x.frac+y.frac), x.mag+y.mag+log2(k), x, y)
}

func (p *randomProgram) gather(kind int) {
	x, ok := p.pick(func(v value) bool { return v.Dims() > 0 })
	if !ok {
		return
	}
	d := p.e.n(x.Dims())
	i, ok := p.pick(func(v value) bool { return v.integer() && v.Dims() > 0 })
	if !ok {
		i = value{Arange(p.sizes[1]).MulScalar(3).AddScalar(-1), 0, 31}
	}
	if x.Len()/x.Dim(d)*i.Len() <= p.limit && p.e.n(2) == 0 {
		index := i.Reshape(-1)
		if p.e.n(2) == 0 { // most of the others are clamped
			index = index.Mod(FromInts([]int32{int32(x.Dim(d))}))
		}
		p.add(kind, "index select", x.IndexSelect(d, index), x.frac, x.mag, x, i)
		return
	}
	i, ok = p.pick(func(v value) bool {
		if !v.integer() || v.Dims() != x.Dims() {
			return false
		}
		for e := range x.Dims() {
			if e != d && v.Dim(e) > x.Dim(e) {
				return false
			}
		}
		return true
	})
	if ok {
		p.add(kind, "gather", x.Gather(d, i.Tensor), x.frac, x.mag, x, i)
	}
}

// gradient of a scalar of one value with respect to another.
func (p *randomProgram) gradient(kind int) {
	y := p.float()
	x, ok := p.pick(func(v value) bool { return v.DType() == Float32 })
	if !ok || y.Len() > 3000 {
		return
	}
	loss := y.Mul(small(y).Cos()).Mean()
	g := Grad(loss, x.Tensor)[0]
	if p.e.n(4) == 0 {
		g = g.Add(Grad(g.Square().Sum(), x.Tensor)[0].MulScalar(0.125))
	}
	// Its size is not known.
	p.add(kind, "gradient", g.MulScalar(math.Sqrt(float64(x.Len()))).Tanh(), inexact, 0, y, x)
}

// image is x with four dimensions.
func image(x value) *Tensor {
	t := x.Tensor
	for t.Dims() < 4 {
		t = t.Unsqueeze(0)
	}
	if t.Dims() > 4 {
		t = t.Flatten(3)
	}
	return t
}

func (p *randomProgram) convolve(kind int) {
	e := p.e
	x, y := p.float(), p.float()
	in := image(x)
	if in.Len() > 1500 {
		return
	}
	groups := 1
	if c := in.Dim(1); e.n(3) == 0 {
		groups = c
	}
	kh, kw := min(1+e.n(3), in.Dim(2)), min(1+e.n(3), in.Dim(3))
	shape := []int{groups * (1 + e.n(3)), in.Dim(1) / groups, kh, kw}
	n := count(shape)
	w := y.Reshape(-1)
	if w.Len() >= n {
		w = w.Slice(0, 0, n).Reshape(shape...)
	} else {
		w = w.IndexSelect(0, Arange(n).Mod(FromInts([]int32{int32(w.Len())}))).Reshape(shape...)
	}
	o := ConvOptions{Stride: [2]int{1 + e.n(2), 1 + e.n(2)}, Padding: [2]int{e.n(2), e.n(2)}, Groups: groups}
	if e.n(3) == 0 && kh*2 <= in.Dim(2) {
		o.Dilation[0] = 2
	}
	if shape[0]*in.Dim(0)*(in.Dim(2)+2)*(in.Dim(3)+2) > 20000 {
		return
	}
	p.add(kind, "convolution", in.Conv2d(w, nil, o), min(inexact, x.frac+y.frac), x.mag+y.mag+log2(n/shape[0]), x, y)
}

func (p *randomProgram) pool2d(kind int) {
	x, ok := p.pick(func(v value) bool { return v.float() && v.exact() })
	if !ok {
		return
	}
	in := image(x)
	k := [2]int{min(1+p.e.n(3), in.Dim(2)), min(1+p.e.n(3), in.Dim(3))}
	o := Pool2dOptions{Kernel: k, Stride: [2]int{p.e.n(3), p.e.n(3)}, Padding: [2]int{p.e.n(1 + k[0]/2), p.e.n(1 + k[1]/2)}, ExcludePadding: p.e.n(2) == 0}
	if p.e.n(2) == 0 {
		p.add(kind, "max pool", in.MaxPool2d(o), x.frac, x.mag, x)
	} else {
		p.add(kind, "avg pool", in.AvgPool2d(o), inexact, x.mag, x)
	}
}
