package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Sets from elsewhere use other attributes, or leave them to PyTorch's
// defaults: the adapters must not know just one spelling.
func TestAdaptersTakeOtherAttributes(t *testing.T) {
	m := Array{Shape: []int{2, 3}, F: []float32{3, 1, 2, 6, 5, 4}}
	v := Array{Shape: []int{4}, F: []float32{-2, -0.5, 0.5, 2}}
	images := Array{Shape: []int{1, 2, 2}, F: []float32{0, 8, 8, 0}} // [n, classes, pixels]
	type in = map[string]Array
	for _, c := range []struct {
		op, attrs string
		in        in
		outs      []string
		want      string
	}{
		{"sum", `{}`, in{"x": m}, nil, "[] [21]"},
		{"sum", `{"keepdim": true}`, in{"x": m}, nil, "[1 1] [21]"},
		{"sum", `{"dim": -1}`, in{"x": m}, nil, "[2] [6 15]"},
		{"mean", `{"dims": [-2], "keepdim": true}`, in{"x": m}, nil, "[1 3] [4.5 3 3]"},
		{"amin", `{"dims": []}`, in{"x": m}, nil, "[] [1]"},
		{"prod", `{"dim": null}`, in{"x": m}, nil, "[] [720]"},
		{"var", `{"dims": [1]}`, in{"x": m}, nil, "[2] [1 1]"},
		{"var", `{"dims": [1], "correction": 0, "keepdim": true}`, in{"x": m}, nil, "[2 1] [0.6666667 0.6666667]"},
		{"argmax", `{}`, in{"x": m}, nil, "[] [3]"},
		{"argmin", `{"dim": -1, "keepdim": true}`, in{"x": m}, nil, "[2 1] [1 2]"},
		{"cumsum", `{"dim": -1}`, in{"x": m}, nil, "[2 3] [3 4 6 6 11 15]"},
		{"clamp", `{"min": -0.5}`, in{"x": v}, nil, "[4] [-0.5 -0.5 0.5 2]"},
		{"clamp", `{"max": 0, "min": null}`, in{"x": v}, nil, "[4] [-2 -0.5 0 0]"},
		{"leaky_relu", `{}`, in{"x": v}, nil, "[4] [-0.02 -0.005 0.5 2]"},
		{"pow_scalar", `{"exponent": 3}`, in{"x": v}, nil, "[4] [-8 -0.125 0.125 8]"},
		{"reshape", `{"shape": [-1, 2]}`, in{"x": m}, nil, "[3 2] [3 1 2 6 5 4]"},
		{"permute", `{"dims": [-1, 0]}`, in{"x": m}, nil, "[3 2] [3 6 1 5 2 4]"},
		{"slice", `{"start": [0, -2], "stop": [2, 9223372036854775807]}`, in{"x": m}, nil, "[2 2] [1 2 5 4]"},
		{"pad", `{"pads": [[1, 0], [0, 1]]}`, in{"x": m}, nil, "[3 4] [0 0 0 0 3 1 2 0 6 5 4 0]"},
		{"concat", `{"dim": -1}`, in{"a": v, "b": v}, nil, "[8] [-2 -0.5 0.5 2 -2 -0.5 0.5 2]"},
		{"stack", `{"dim": -1}`, in{"a": v, "b": v}, nil, "[4 2] [-2 -2 -0.5 -0.5 0.5 0.5 2 2]"},
		{"split", `{"size": 2, "dim": -1}`, in{"x": m}, []string{"a", "b"}, "[2 2] [3 1 6 5]"},
		{"one_hot", `{}`, in{"i": {Shape: []int{2}, I: []int32{2, 0}}}, nil, "[2 3] [0 0 1 1 0 0]"},
		{"linear", `{}`, in{"x": m, "w": {Shape: []int{1, 3}, F: []float32{1, 0, -1}}}, nil, "[2 1] [1 2]"},
		{"cross_entropy", `{"reduction": "none"}`, in{"x": images, "t": {Shape: []int{1, 2}, I: []int32{1, 1}}}, nil, "[1 2] [0.00033539868 8.000336]"},
		{"cross_entropy", `{}`, in{"x": images, "t": {Shape: []int{1, 2}, I: []int32{1, -100}}}, nil, "[] [0.00033539868]"},
		{"cross_entropy", `{"ignore_index": 1, "reduction": "sum"}`, in{"x": images, "t": {Shape: []int{1, 2}, I: []int32{1, 0}}}, nil, "[] [0.00033539868]"},
		{"nll_loss", `{"reduction": "none"}`, in{"x": m, "t": {Shape: []int{2}, I: []int32{2, 0}}}, nil, "[2] [-2 -6]"},
		{"huber_loss", `{"delta": 0.5, "reduction": "sum"}`, in{"x": v, "t": {Shape: []int{4}, F: make([]float32, 4)}}, nil, "[] [2]"},
		{"kl_div_loss", `{"reduction": "sum", "log_target": true}`, in{"x": v, "t": v}, nil, "[] [0]"},
		{"bce_loss", `{"reduction": "none"}`, in{"x": {Shape: []int{2}, F: []float32{0, 1}}, "t": {Shape: []int{2}, F: []float32{1, 1}}}, nil, "[2] [100 0]"},
	} {
		a := &args{host: c.in, in: map[string]*tensorT{}, outs: c.outs}
		if err := json.Unmarshal([]byte(c.attrs), &a.Attrs); err != nil {
			t.Fatal(err)
		}
		if a.outs == nil {
			a.outs = []string{"out"}
		}
		for n, v := range c.in {
			a.in[n] = v.Tensor()
		}
		r := operators[c.op].run(a)[a.outs[0]]
		values, err := r.Read()
		if err != nil {
			t.Errorf("%s %s: %v", c.op, c.attrs, err)
			continue
		}
		shape, list, _ := strings.Cut(c.want, "] [")
		var want []float32
		for _, f := range strings.Fields(strings.TrimSuffix(list, "]")) {
			v, err := strconv.ParseFloat(f, 32)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, float32(v))
		}
		if fmt.Sprint(r.Shape()) != shape+"]" || (Tolerance{Each: 1e-6}).Excess(values, want) > 1 {
			t.Errorf("%s %s: %v %v, want %s", c.op, c.attrs, r.Shape(), values, c.want)
		}
	}
}

func TestOperatorsAreListed(t *testing.T) {
	ops := Operators()
	for _, name := range []string{"add", "softmax", "gather", "cross_entropy"} {
		if !slices.Contains(ops, name) {
			t.Errorf("no %s among %v", name, ops)
		}
	}
}
