package onnx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func openCase(t *testing.T, name string) *Model {
	t.Helper()
	m, err := Open("testdata/cases/" + name + ".onnx")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Weights in Constant nodes are those of the same file with initializers, also after
// the model was kept.
func TestWeightsInConstantNodes(t *testing.T) {
	n, err := openCase(t, "constants").Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := nn.Count(nn.Params(n)); got != 152 {
		t.Errorf("%d parameters, want 152", got)
	}
	text, err := n.Structure()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Restore(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range nn.Params(back) {
		if from := nn.Params(n)[i]; p.String() != from.String() {
			t.Errorf("%s, was %s", p, from)
		} else if err := p.Value.Set(from.Value.Floats()); err != nil {
			t.Fatal(err)
		}
	}
	shape := slices.Clone(n.Inputs()[0].Shape)
	shape[0] = 2
	x := random(1, shape...)
	if d := apart(compute(t, forward(n), x)[0], compute(t, forward(back), x)[0]); d > 0 {
		t.Errorf("%g apart when restored", d)
	}
}

// Pictures in other layouts: what [N,C,H,W] gives is what the file's own layout does.
func TestLayouts(t *testing.T) {
	for name, want := range map[string][]int{"nhwc28": {Batch, 1, 28, 28}, "nhwc224": {Batch, 3, 224, 224}, "img2828": {Batch, 1, 28, 28}} {
		m := openCase(t, name)
		as, err := m.Network(ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		turned, done, err := m.WithLayout(LayoutAuto, &ImportOptions{})
		if err != nil || done == "" {
			t.Fatalf("%s: %q, %v", name, done, err)
		}
		n, err := turned.Network(ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Inputs()[0].Shape; !slices.Equal(got, want) {
			t.Errorf("%s: input %v, want %v", name, got, want)
		}
		x := random(3, append([]int{2}, want[1:]...)...)
		own := x
		if want = as.Inputs()[0].Shape; len(want) == 4 {
			own = x.Permute(0, 2, 3, 1)
		} else {
			own = x.Reshape(append([]int{2}, want[1:]...)...)
		}
		a := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			y := in[0].Reshape(2, in[0].Dim(1), in[0].Dim(2), in[0].Dim(3))
			if len(want) == 4 {
				y = y.Permute(0, 2, 3, 1)
			} else {
				y = y.Reshape(own.Shape()...)
			}
			return []*tensor.Tensor{as.Forward(y)}
		}, x)[0]
		if d := apart(a, compute(t, forward(n), x)[0]); d > 1e-6 {
			t.Errorf("%s: %g apart", name, d)
		}
		same, done, err := m.WithLayout(LayoutNCHW, &ImportOptions{})
		if same != m || done != "" || err != nil {
			t.Errorf("%s: as it is: %q, %v", name, done, err)
		}
	}
	if _, _, err := openCase(t, "sound").WithLayout(LayoutNHWC, &ImportOptions{}); err == nil || !strings.Contains(err.Error(), "4 dimensions") {
		t.Error(err)
	}
}

func TestEmptyResultsNameTheirNode(t *testing.T) {
	_, err := openCase(t, "empty").Network(ImportOptions{})
	if err == nil || !strings.Contains(err.Error(), `node "n_y" (Slice)`) {
		t.Error(err)
	}
}

// What is wrong is said at once, with unknown operators counted.
func TestUnknownOperatorsAreCounted(t *testing.T) {
	s := sample{"", 17, []array{noise("x", 1, 3), longs("s", 1, 4)}, []*nodeProto{
		stage("Nonsense", "x", "a"), stage("Nonsense", "a", "b"), stage("Gibberish", "x", "c"), stage("Reshape", "x s", "d"), stage("Add", "c d", "y"),
	}, "y"}
	_, err := s.model().Network(ImportOptions{})
	for _, says := range []string{"3 of 5 nodes", "2 Nonsense, 1 Gibberish", `"n_b" (Nonsense)`, `node "n_d" (Reshape)`} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %s", err, says)
		}
	}
}

// Vectors of the batch and batches behind the time leave the number of samples open.
func TestBatchesByName(t *testing.T) {
	g := func(dims map[string][]*dimProto, order ...string) *Model {
		s := sample{"", 17, nil, []*nodeProto{stage("Identity", order[0], "y")}, "y"}
		m := s.model()
		for _, name := range order {
			m.proto.Graph.Input = append(m.proto.Graph.Input, &valueProto{Name: name, Type: &typeProto{Tensor: &tensorType{Elem: int64(elemFloat), Shape: &shapeProto{Dim: dims[name]}}}})
		}
		return m
	}
	p := func(s string) *dimProto { return &dimProto{Param: s} }
	v := func(n int64) *dimProto { return &dimProto{Value: n} }
	for _, c := range []struct {
		name  string
		m     *Model
		shape [][]int
	}{
		{"a time step for each", g(map[string][]*dimProto{"x": {p("batch"), v(3)}, "t": {p("batch")}}, "x", "t"), [][]int{{Batch, 3}, {Batch}}},
		{"names of any kind", g(map[string][]*dimProto{"x": {p("s77"), v(3)}, "t": {p("s77")}}, "x", "t"), [][]int{{Batch, 3}, {Batch}}},
		{"users and items", g(map[string][]*dimProto{"u": {p("batch")}, "i": {p("batch")}}, "u", "i"), [][]int{{Batch}, {Batch}}},
		{"time first", g(map[string][]*dimProto{"x": {v(5), p("batch"), v(3)}}, "x"), [][]int{{5, Batch, 3}}},
		{"a state of each layer", g(map[string][]*dimProto{"x": {p("batch"), v(4)}, "h": {v(2), p("batch"), v(8)}}, "x", "h"), [][]int{{Batch, 4}, {2, Batch, 8}}},
	} {
		n, err := c.m.Network(ImportOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, in := range n.Inputs() {
			if !slices.Equal(in.Shape, c.shape[i]) {
				t.Errorf("%s: input %d is %v, want %v", c.name, i, in.Shape, c.shape[i])
			}
		}
	}
	_, err := g(map[string][]*dimProto{"x": {p("batch"), p("seq")}}, "x").Network(ImportOptions{})
	var open *OpenError
	if e, ok := err.(*OpenError); ok {
		open = e
	}
	if open == nil || len(open.Inputs) != 1 || !slices.Equal(open.Inputs[0].Shape, []int{Batch, 0}) {
		t.Errorf("%v", err)
	}
}

// Weights beside the model may leave out how long they are.
func TestExternalDataWithoutLength(t *testing.T) {
	dir := t.TempDir()
	s := sample{"", 17, []array{noise("x", 1, 3), noise("w", 3, 2)}, []*nodeProto{stage("MatMul", "x w", "y")}, "y"}
	m := s.model()
	w := m.proto.Graph.Initializer[0]
	data := append(slices.Clone(w.RawData), 1, 2, 3, 4) // the file goes on
	if err := os.WriteFile(filepath.Join(dir, "w.bin"), append([]byte{9, 9, 9, 9}, data...), 0o600); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(w.RawData)
	w.RawData, w.DataLocation, w.External = nil, 1, []*entryProto{{"location", "w.bin"}, {"offset", "4"}}
	path := filepath.Join(dir, "m.onnx")
	if err := m.WriteFile(path, false); err != nil {
		t.Fatal(err)
	}
	back, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.proto.Graph.Initializer[0].RawData; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
