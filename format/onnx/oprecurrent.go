// Recurrent layers: LSTM, GRU and RNN
// (https://onnx.ai/onnx/operators/onnx__LSTM.html). They are unrolled: the graph
// has no loops, so each step of the sequence is operations of its own. What does
// not depend on the step before is done for all steps at once, which leaves one
// product with R for each.

package onnx

import (
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{"LSTM": lstm, "GRU": gru, "RNN": rnn, "com.microsoft." + dynamicLSTM: quantizedLSTM})
	for _, op := range recurrents {
		weighty[op] = true
	}
	settings[dynamicLSTM] = []int{1, 2, 8, 9, 10, 11}
}

// recurrents are the operators of this file.
var recurrents = []string{"LSTM", "GRU", "RNN", dynamicLSTM}

// maxUnrolled bounds the operators that the loops and recurrent layers of a network
// become: compiling takes time and memory for each. A step of a layer counts as some.
const (
	maxUnrolled = 1 << 16
	stepCost    = 8
)

// unroll makes sure that n more operators may be unrolled.
func (c *call) unroll(n int) {
	if n > maxUnrolled || c.trace.unrolled+n > maxUnrolled {
		c.fail("the sequence or loop is too long: steps are unrolled, in all of the network to at most %d operators (%d steps of a recurrent layer); choose shorter inputs (--input NAME=shape)", maxUnrolled, maxUnrolled/stepCost)
	}
	c.trace.unrolled += n
}

// recurrent is what the three layers have in common, for one direction.
type recurrent struct {
	c                          *call
	steps, samples, size       int
	gates                      int
	x                          []tt // W x and what is added to it, for each step: [samples, gates*size]
	r                          tt   // [gates*size, size]
	rb                         tt   // R's bias [gates*size], where it has to be apart from W's; else nil
	h, c0                      tt   // what the state is at first [samples, size]; nil for zeros
	peephole                   tt   // [3*size] or nil
	act                        []func(tt) tt
	clip                       float64
	coupled, linearBeforeReset bool
	seen                       func(x tt) tt // what a product sees of x
}

// gate is part i of x [samples, gates*size].
func (r *recurrent) gate(x tt, i int) tt { return x.Slice(x.Dims()-1, i*r.size, (i+1)*r.size) }

// clipped limits the argument of an activation.
func (r *recurrent) clipped(x tt) tt {
	if r.clip > 0 {
		return x.Clamp(-r.clip, r.clip)
	}
	return x
}

func lstm(c *call) []val {
	return c.recur(4, []string{"Sigmoid", "Tanh", "Tanh"}, func(r *recurrent, x, h, cell tt) (tt, tt) {
		if h != nil {
			x = x.Add(r.seen(h).Linear(r.r, nil))
		}
		peep := func(v, cell tt, i int) tt { // the order of peepholes is i, o, f
			if r.peephole == nil || cell == nil {
				return v
			}
			return v.Add(cell.Mul(r.gate(r.peephole, i)))
		}
		in := r.act[0](r.clipped(peep(r.gate(x, 0), cell, 0)))
		next := in.Mul(r.act[1](r.clipped(r.gate(x, 3))))
		if cell != nil {
			forget := in.Neg().AddScalar(1)
			if !r.coupled {
				forget = r.act[0](r.clipped(peep(r.gate(x, 2), cell, 2)))
			}
			next = forget.Mul(cell).Add(next)
		}
		out := r.act[0](r.clipped(peep(r.gate(x, 1), next, 1)))
		// As in ONNX Runtime, the cell is not clipped, though it is the argument of an activation too.
		return out.Mul(r.act[2](next)), next
	})
}

// dynamicLSTM is what ONNX Runtime's quantiser makes of LSTM: weights are stored in
// eight bits, and inputs and states are rounded to as many before each product
// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
const dynamicLSTM = "DynamicQuantizeLSTM"

func quantizedLSTM(c *call) []val {
	c.in = append(slices.Clone(c.in), make([]val, max(0, 12-len(c.in)))...)
	weight := func(i, scale int) val { // [directions, width, 4*size], turned around
		w, k := c.tensor(i).To(tensor.Float32), c.tensor(scale)
		each := func(t tt) tt { // one number for each direction, or for each of its columns
			if t.Dims() == 1 {
				return t.Reshape(t.Dim(0), 1, 1)
			}
			return t.Unsqueeze(1)
		}
		if w.Dims() != 3 || k.Dims() < 1 || k.Dims() > 2 {
			c.fail("weights %v with scales %v", w.Shape(), k.Shape())
		}
		if c.has(scale + 1) {
			w = w.Sub(each(c.tensor(scale + 1).To(tensor.Float32)))
		}
		return val{t: w.Mul(each(k)).Transpose(1, 2)}
	}
	w, r := weight(1, 8), weight(2, 10)
	c.in = append([]val{c.in[0], w, r}, c.in[3:8]...)
	return lstm(c)
}

// inBytes rounds x to 256 values between its least and its greatest, zero among them:
// DynamicQuantizeLinear and back.
func inBytes(x tt) tt {
	all := x.Reshape(-1)
	zero := tensor.Scalar(0)
	lo, hi := all.Amin(0).Minimum(zero), all.Amax(0).Maximum(zero)
	scale := hi.Sub(lo).MulScalar(1. / 255)
	scale = tensor.Where(scale.Gt(zero), scale, tensor.Scalar(1))
	middle := lo.Neg().Div(scale).Round().Clamp(0, 255)
	return x.Div(scale).Round().Add(middle).Clamp(0, 255).Sub(middle).Mul(scale)
}

func gru(c *call) []val {
	return c.recur(3, []string{"Sigmoid", "Tanh"}, func(r *recurrent, x, h, _ tt) (tt, tt) {
		n := r.size
		zr, hidden := x.Slice(-1, 0, 2*n), r.gate(x, 2)
		var rh tt // R h for the hidden gate, with its bias
		switch {
		case h == nil:
			if r.rb != nil {
				rh = r.gate(r.rb, 2)
			}
		case r.linearBeforeReset:
			all := r.seen(h).Linear(r.r, nil)
			zr, rh = zr.Add(all.Slice(-1, 0, 2*n)), r.gate(all, 2)
			if r.rb != nil {
				rh = rh.Add(r.gate(r.rb, 2))
			}
		default:
			zr = zr.Add(r.seen(h).Linear(r.r.Slice(0, 0, 2*n), nil))
		}
		zr = r.act[0](r.clipped(zr))
		z, reset := r.gate(zr, 0), r.gate(zr, 1)
		switch {
		case r.linearBeforeReset && rh != nil:
			hidden = hidden.Add(reset.Mul(rh))
		case !r.linearBeforeReset && h != nil:
			hidden = hidden.Add(reset.Mul(h).Linear(r.r.Slice(0, 2*n, 3*n), nil))
		}
		hidden = r.act[1](r.clipped(hidden))
		next := z.Neg().AddScalar(1).Mul(hidden)
		if h != nil {
			next = next.Add(z.Mul(h))
		}
		return next, nil
	})
}

func rnn(c *call) []val {
	return c.recur(1, []string{"Tanh"}, func(r *recurrent, x, h, _ tt) (tt, tt) {
		if h != nil {
			x = x.Add(r.seen(h).Linear(r.r, nil))
		}
		return r.act[0](r.clipped(x)), nil
	})
}

// recur runs step, which makes state and cell of a step's input and of the
// state and cell before (nil: zeros), along each direction.
func (c *call) recur(gates int, acts []string, step func(r *recurrent, x, h, cell tt) (tt, tt)) []val {
	x, w, rw := c.tensor(0), c.tensor(1), c.tensor(2)
	directions := map[string]int{"forward": 1, "reverse": 1, "bidirectional": 2}[c.text("direction", "forward")]
	if directions == 0 {
		c.fail("direction %s", quote(c.text("direction", "")))
	}
	if x.Dims() != 3 || w.Dims() != 3 || rw.Dims() != 3 {
		c.fail("input %v, W %v, R %v: three dimensions are needed", x.Shape(), w.Shape(), rw.Shape())
	}
	time, batch := 0, 1
	if c.int("layout", 0) != 0 {
		time, batch = 1, 0
	}
	n := c.int("hidden_size", rw.Dim(2))
	if w.Dim(2) != x.Dim(2) || rw.Dim(2) != n || w.Dim(1) != gates*n || rw.Dim(1) != gates*n || w.Dim(0) != directions || rw.Dim(0) != directions {
		c.fail("input %v, W %v, R %v for a hidden size of %d and %d directions", x.Shape(), w.Shape(), rw.Shape(), n, directions)
	}
	steps, samples := x.Dim(time), x.Dim(batch)
	c.unroll(steps * directions * stepCost)
	row := func(i, width int) tt { // input i, [directions, width]
		if !c.has(i) {
			return nil
		}
		t := c.tensor(i)
		if !slices.Equal(t.Shape(), []int{directions, width}) {
			c.fail("input %d is %v, want %v", i, t.Shape(), []int{directions, width})
		}
		return t
	}
	bias, peephole := row(3, 2*gates*n), row(7, 3*n)
	if gates != 4 {
		peephole = nil
	}
	mask := c.lengths(4, steps, samples)
	start := func(i, d int) tt { // the state at first
		if !c.has(i) || isZero(c.in[i]) {
			return nil
		}
		t := c.tensor(i)
		if batch == 0 && t.Dims() == 3 {
			t = t.Transpose(0, 1)
		}
		if t.Dims() != 3 || t.Dim(0) != directions || t.Dim(1) != samples && t.Dim(1) != 1 || t.Dim(2) != n {
			c.fail("input %d is %v, for %d directions, %d samples and a hidden size of %d", i, t.Shape(), directions, samples, n)
		}
		return t.Slice(0, d, d+1).Reshape(t.Dim(1), n).Expand(samples, n)
	}
	functions := c.activations(acts, directions)
	var all, last, cells []tt
	for d := range directions {
		pick := func(t tt) tt { return t.Slice(0, d, d+1).Reshape(t.Shape()[1:]...) }
		r := &recurrent{
			c: c, steps: steps, samples: samples, size: n, gates: gates, r: pick(rw), h: start(5, d), act: functions[d*len(acts) : (d+1)*len(acts)],
			clip: c.float("clip", 0), coupled: c.int("input_forget", 0) != 0, linearBeforeReset: gates == 3 && c.int("linear_before_reset", 0) != 0,
			seen: same,
		}
		if gates == 4 {
			r.c0 = start(6, d)
		}
		if c.node.OpType == dynamicLSTM {
			r.seen = inBytes
		}
		if peephole != nil {
			r.peephole = pick(peephole)
		}
		r.project(x, pick(w), bias, d, time)
		backwards := c.text("direction", "forward") == "reverse" || d == 1
		ys := make([]tt, steps)
		h, cell := r.h, r.c0
		for i := range steps {
			t := i
			if backwards {
				t = steps - 1 - i
			}
			h1, cell1 := step(r, r.x[t], h, cell)
			ys[t] = h1
			if m := mask(t); m != nil { // those that have ended, or not begun, stay as they are
				ys[t] = tensor.Where(m, h1, tensor.Scalar(0))
				h1 = tensor.Where(m, h1, orZero(h))
				if cell1 != nil {
					cell1 = tensor.Where(m, cell1, orZero(cell))
				}
			}
			h, cell = h1, cell1
		}
		all, last = append(all, joined(time, ys)), append(last, h)
		cells = append(cells, cell)
	}
	// Y is [steps, directions, samples, size], or with layout [samples, steps, directions, size].
	out := []val{{t: tensor.Stack(1+time, all...)}, {t: tensor.Stack(batch^1, last...)}}
	if gates == 4 {
		out = append(out, val{t: tensor.Stack(batch^1, cells...)})
	}
	return out
}

// project multiplies the whole sequence by w, adds what biases can be added
// there, and cuts it into steps.
func (r *recurrent) project(x, w, bias tt, d, time int) {
	n := r.gates * r.size
	y := r.seen(x).Linear(w, nil)
	if bias != nil {
		at := func(i int) tt { return bias.Slice(0, d, d+1).Slice(1, i*n, (i+1)*n).Reshape(n) }
		wb, rb := at(0), at(1)
		if r.linearBeforeReset { // the hidden gate's is added before the product with the reset gate
			r.rb = rb
			rb = rb.Slice(0, 0, 2*r.size).Pad(0, [2]int{0, r.size})
		}
		y = y.Add(wb.Add(rb))
	}
	for t := range r.steps {
		r.x = append(r.x, y.Slice(time, t, t+1).Reshape(r.samples, n))
	}
}

// lengths returns for each step which samples are still going on [samples, 1],
// by the lengths in input i; nil is all of them.
func (c *call) lengths(i, steps, samples int) func(t int) tt {
	if !c.has(i) {
		return func(int) tt { return nil }
	}
	if s := c.in[i].shape(); len(s) != 1 || s[0] != samples && s[0] != 1 {
		c.fail("%v lengths of sequences for %d samples", s, samples)
	}
	shortest := 0
	if c.in[i].h != nil {
		list := c.ints(i)
		for _, n := range list {
			if n < 0 || n > steps {
				c.fail("a sequence of length %d in %d steps", n, steps)
			}
		}
		shortest = slices.Min(list)
	}
	n := c.tensor(i).To(tensor.Int32).Unsqueeze(1).Expand(samples, 1)
	return func(t int) tt {
		if t < shortest {
			return nil
		}
		return n.Gt(integerOf(t))
	}
}

func orZero(x tt) tt {
	if x == nil {
		return tensor.Scalar(0)
	}
	return x
}

// isZero reports whether v is known to be zero everywhere: such a state has no
// size of its own, which would be that of some number of samples.
func isZero(v val) bool {
	if v.h != nil {
		return !slices.ContainsFunc(v.h.v, func(x float64) bool { return x != 0 })
	}
	n := v.t.Node()
	for n.Op == ir.OpExpand || n.Op == ir.OpReshape {
		n = n.In[0]
	}
	return n.Op == ir.OpConst && n.Value == 0
}

// joined stacks parts along a new dimension d, a few at a time: each element of
// a concatenation is looked for in all of its parts.
func joined(d int, parts []tt) tt {
	const few = 8
	for i, p := range parts {
		parts[i] = p.Unsqueeze(d)
	}
	for len(parts) > 1 {
		var next []tt
		for group := range slices.Chunk(parts, few) {
			next = append(next, tensor.Concat(d, group...))
		}
		parts = next
	}
	return parts[0]
}

// activations are the functions of all directions, by their names in the
// attribute, with the factors of those that take some in order.
func (c *call) activations(names []string, directions int) []func(tt) tt {
	names = slices.Repeat(names, directions)
	if a := c.attr("activations"); a != nil && len(a.Strings) > 0 {
		if len(a.Strings) != len(names) {
			c.fail("%d activations, want %d", len(a.Strings), len(names))
		}
		for i, s := range a.Strings {
			names[i] = string(s)
		}
	}
	var alphas, betas []float32
	if a := c.attr("activation_alpha"); a != nil {
		alphas = a.Floats
	}
	if b := c.attr("activation_beta"); b != nil {
		betas = b.Floats
	}
	next := func(list *[]float32, def float64) float64 {
		if len(*list) == 0 {
			return def
		}
		v := (*list)[0]
		*list = (*list)[1:]
		return float64(v)
	}
	out := make([]func(tt) tt, len(names))
	for i, name := range names {
		switch strings.ToLower(name) {
		case "relu":
			out[i] = tt.Relu
		case "tanh":
			out[i] = tt.Tanh
		case "sigmoid":
			out[i] = tt.Sigmoid
		case "softsign":
			out[i] = softsign
		case "softplus":
			out[i] = tt.Softplus
		case "leakyrelu":
			a := next(&alphas, 0.01)
			out[i] = func(x tt) tt { return x.LeakyRelu(a) }
		case "elu":
			a := next(&alphas, 1)
			out[i] = func(x tt) tt { return x.Elu(a) }
		case "thresholdedrelu":
			a := next(&alphas, 1)
			out[i] = func(x tt) tt { return tensor.Where(x.Gt(tensor.Scalar(a)), x, tensor.Scalar(0)) }
		case "affine":
			a, b := next(&alphas, 1), next(&betas, 0)
			out[i] = func(x tt) tt { return x.MulScalar(a).AddScalar(b) }
		case "scaledtanh":
			a, b := next(&alphas, 1), next(&betas, 1)
			out[i] = func(x tt) tt { return x.MulScalar(b).Tanh().MulScalar(a) }
		case "hardsigmoid":
			a, b := next(&alphas, 0.2), next(&betas, 0.5)
			out[i] = func(x tt) tt { return x.MulScalar(a).AddScalar(b).Clamp(0, 1) }
		default:
			c.fail("the activation %s is not known", quote(name))
		}
	}
	for _, v := range slices.Concat(alphas, betas) {
		if math.IsNaN(float64(v)) {
			c.fail("a factor of an activation is not a number")
		}
	}
	return out
}

func softsign(x tt) tt { return x.Div(x.Abs().AddScalar(1)) }
