package grad

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/internal/interp"
	"github.com/weft-ml/weft/internal/ir"
)

// TestTableGradients checks the gradient of every row of the table of
// elementwise operations against differences of its own values, in the domain
// that the row names. A row with a gradient and no domain is an error, so
// that a new operation cannot escape.
func TestTableGradients(t *testing.T) {
	const n = 41
	checked := 0
	for i := range ir.Table {
		op, row := ir.Op(i), &ir.Table[i]
		if row.Name == "" || row.F32 == nil {
			continue
		}
		if row.Domain == [2]float64{} {
			if row.Grad != nil && op != ir.OpMod {
				t.Errorf("%s has a gradient, but no domain to check it in", row.Name)
			}
			continue
		}
		if row.Grad == nil {
			t.Errorf("%s has a domain, but no gradient", row.Name)
			continue
		}
		checked++
		var args [3][n]float32
		lo, hi := row.Domain[0], row.Domain[1]
		for a := range row.Arity {
			for j := range n {
				// The strides are prime to n, so that the arguments pair up in
				// many ways and are never equal, where some have a kink.
				k := (j*(2*a+1)*5 + 7*a) % n
				args[a][j] = float32(lo + (hi-lo)*(float64(k)+0.2+0.3*float64(a))/n)
			}
		}
		at := func(j, arg int, by float64) float64 {
			x := [3]float32{args[0][j], args[1][j], args[2][j]}
			x[arg] = float32(float64(x[arg]) + by)
			return float64(row.F32(x[0], x[1], x[2])) / (float64(x[arg]) - float64(args[arg][j]))
		}
		for arg, got := range gradients(op, row.Arity, args[:row.Arity]) {
			for j, g := range got {
				const h = 1.0 / 80
				// at divides by the step, with its sign.
				d1 := (at(j, arg, h) + at(j, arg, -h)) / 2
				d2 := (at(j, arg, 2*h) + at(j, arg, -2*h)) / 2
				want := (4*d1 - d2) / 3
				if e := math.Abs(float64(g) - want); !(e <= 2e-3*(1+math.Abs(want))) {
					x := []float32{args[0][j], args[1][j]}[:min(row.Arity, 2)]
					t.Errorf("%s%v: gradient of argument %d is %g, differences give %g", row.Name, x, arg, g, want)
					break
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d operations were checked", checked)
	}
}

// gradients returns those of the sum of op over args.
func gradients(op ir.Op, arity int, args [][41]float32) [][]float32 {
	var leaves []*ir.Node
	data := map[*ir.Leaf][]float32{}
	for a := range args {
		l := &ir.Leaf{DType: ir.F32, Shape: []int{len(args[a])}}
		data[l] = args[a][:]
		leaves = append(leaves, ir.NewLeaf(l))
	}
	var y *ir.Node
	if arity == 1 {
		y = ir.Unary(op, leaves[0])
	} else {
		y = ir.Binary(op, leaves[0], leaves[1])
	}
	grads := Of(y, leaves, ir.Const(ir.F32, 1, y.Shape...))
	var out [][]float32
	for _, v := range interp.Eval(grads, func(l *ir.Leaf) interp.Value { return interp.Value{F: data[l]} }) {
		out = append(out, v.F)
	}
	return out
}

func TestGradientOfWhatIsNotUsedIsZero(t *testing.T) {
	l := &ir.Leaf{DType: ir.F32, Shape: []int{2}}
	x := ir.NewLeaf(l)
	for name, y := range map[string]*ir.Node{
		"another leaf": ir.NewLeaf(&ir.Leaf{DType: ir.F32, Shape: []int{2}}),
		"detached":     ir.Mul(ir.Detach(x), ir.Detach(x)),
		"compared":     ir.Cast(ir.Lt(x, ir.Const(ir.F32, 0, 2)), ir.F32),
		"rounded":      ir.Unary(ir.OpFloor, x),
	} {
		g := Of(y, []*ir.Node{x}, ir.Const(ir.F32, 1, 2))[0]
		v := interp.Eval([]*ir.Node{g}, func(*ir.Leaf) interp.Value { return interp.Value{F: []float32{1, 2}} })[0]
		if len(v.F) != 2 || v.F[0] != 0 || v.F[1] != 0 {
			t.Errorf("%s: gradient %v", name, v.F)
		}
	}
}
