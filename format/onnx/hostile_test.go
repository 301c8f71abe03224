package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// written encodes a model of the given nodes with the argument x [2, 3].
func written(t testing.TB, nodes []*nodeProto, initial ...*tensorProto) []byte {
	t.Helper()
	g := &graphProto{Node: nodes, Initializer: initial, Input: []*valueProto{valueInfo("x", elemFloat, []dim{{0, 2}, {0, 3}})}, Output: []*valueProto{{Name: "y"}}}
	b, err := (&Model{proto: &modelProto{IRVersion: 8, OpsetImport: []*opsetProto{{Version: 17}}, Graph: g}}).bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func importBytes(b []byte) error {
	m, err := Parse(b)
	if err != nil {
		return err
	}
	_, err = m.Network(ImportOptions{})
	return err
}

func nodeOf(kind, in, out string, attrs ...*attrProto) *nodeProto {
	return &nodeProto{OpType: kind, Name: "n" + out, Input: strings.Fields(in), Output: strings.Fields(out), Attribute: attrs}
}

func TestHostileModels(t *testing.T) {
	w := func(dims ...int64) *tensorProto {
		return &tensorProto{Name: "w", DataType: 1, Dims: dims, FloatData: []float32{1, 2, 3, 4}}
	}
	shape := func(v ...int64) *tensorProto {
		return &tensorProto{Name: "s", DataType: int64(elemInt64), Dims: []int64{int64(len(v))}, Int64Data: v}
	}
	named := func(name string, v ...int64) *tensorProto {
		t := shape(v...)
		t.Name = name
		return t
	}
	scale := &tensorProto{Name: "k", DataType: 1, Dims: []int64{1}, FloatData: []float32{1}}
	relu := nodeOf("Relu", "x", "y")
	for _, c := range []struct {
		name string
		file []byte
		kind error
		says []string
	}{
		{"nothing", nil, ErrFormat, []string{"empty"}},
		{"text", []byte("Once upon a time"), ErrFormat, nil},
		{"another message", []byte{0x08, 1}, ErrFormat, []string{"no graph"}},
		{"a cycle", written(t, []*nodeProto{nodeOf("Add", "x b", "a"), nodeOf("Relu", "a", "b"), nodeOf("Relu", "b", "y")}), ErrFormat, []string{"cycle"}},
		{"itself", written(t, []*nodeProto{nodeOf("Add", "x y", "y")}), ErrFormat, []string{"cycle"}},
		{"a missing name", written(t, []*nodeProto{nodeOf("Add", "x nowhere", "y")}), ErrFormat, []string{"nowhere", "Add"}},
		{"a missing output", written(t, []*nodeProto{nodeOf("Relu", "x", "z")}), ErrFormat, []string{`output "y"`}},
		{"a name twice", written(t, []*nodeProto{relu, nodeOf("Neg", "x", "y")}), ErrFormat, []string{"two values"}},
		{"fewer data than dims", written(t, []*nodeProto{nodeOf("Add", "x w", "y")}, w(5, 1)), ErrFormat, []string{"needs 5 elements and has 4"}},
		{"dims that overflow", written(t, []*nodeProto{nodeOf("Add", "x w", "y")}, w(1<<32, 1<<32)), ErrFormat, []string{"too large"}},
		{"dims whose product overflows", written(t, []*nodeProto{nodeOf("Add", "x w", "y")}, w(1<<30, 1<<30, 1<<30)), ErrFormat, []string{"too large"}},
		{"a negative dim", written(t, []*nodeProto{nodeOf("Add", "x w", "y")}, w(-4)), ErrFormat, []string{"negative"}},
		{"strings", written(t, []*nodeProto{relu}, &tensorProto{Name: "w", DataType: int64(elemString), Dims: []int64{1}}), ErrUnsupported, []string{"string"}},
		{"weights elsewhere", written(t, []*nodeProto{relu}, &tensorProto{Name: "w", DataType: 1, Dims: []int64{1}, DataLocation: 1}), ErrUnsupported, []string{"another file"}},
		{"unknown operators", written(t, []*nodeProto{nodeOf("Relu", "x", "a"), nodeOf("Looper", "a", "b"), nodeOf("ImageDecoder", "b", "c"), {OpType: "FancyNorm", Domain: "com.example", Name: "fancy", Input: []string{"c"}, Output: []string{"y"}}}),
			ErrUnsupported, []string{`"nb" (Looper)`, `"nc" (ImageDecoder)`, `"fancy" (com.example.FancyNorm)`, "3 of 4"}},
		{"several nodes that fail", written(t, []*nodeProto{nodeOf("Reshape", "x s", "a"), nodeOf("Transpose", "x", "b", ints("perm", 0, 0)), nodeOf("Add", "a b", "y")}, shape(5, 5)),
			ErrUnsupported, []string{`"na" (Reshape)`, `"nb" (Transpose)`}},
		{"a size beyond memory", written(t, []*nodeProto{nodeOf("Expand", "x s", "y")}, shape(1<<20, 1<<20, 2, 3)), ErrUnsupported, []string{"too large"}},
		{"a constant beyond memory", written(t, []*nodeProto{nodeOf("ConstantOfShape", "s", "a"), nodeOf("Reshape", "x a", "y")}, shape(1<<30)), ErrUnsupported, nil},
		{"a slice of nothing", written(t, []*nodeProto{nodeOf("Slice", "x s s", "y")}, shape(1)), ErrUnsupported, nil},
		{"a step of zero", written(t, []*nodeProto{nodeOf("Slice", "x s s s s", "y")}, shape(0)), ErrUnsupported, []string{"step of 0"}},
		{"a shape from data", written(t, []*nodeProto{nodeOf("Cast", "x", "a", integer("to", 7)), nodeOf("Reshape", "x a", "y")}), ErrUnsupported, []string{"depends on the network's input"}},
		{"a result that is not there", written(t, []*nodeProto{nodeOf("BatchNormalization", "x a a a a", "b y")}, named("a", 1)), ErrUnsupported, []string{"not supported"}},
		{"no inputs", written(t, []*nodeProto{nodeOf("Add", "", "y")}), ErrUnsupported, []string{"missing"}},
		{"a division by nothing", written(t, []*nodeProto{nodeOf("Div", "s t", "a"), nodeOf("Reshape", "x a", "y")}, shape(6), &tensorProto{Name: "t", DataType: 7, Dims: []int64{1}, Int64Data: []int64{0}}), ErrUnsupported, nil},
		{"a constant of negative size", written(t, []*nodeProto{nodeOf("Expand", "a s", "b"), nodeOf("Add", "x b", "y")}, named("a", 1), shape(-1)), ErrUnsupported, []string{"negative"}},
		{"a constant whose size overflows", written(t, []*nodeProto{nodeOf("Expand", "a s", "b"), nodeOf("Add", "x b", "y")}, named("a", 1), shape(1<<23, 1<<40)), ErrUnsupported, []string{"too large"}},
		{"weights widened to nothing", written(t, []*nodeProto{{OpType: "DequantizeLinear", Name: "d", Input: []string{"w", "k"}, Output: []string{""}}, relu},
			&tensorProto{Name: "w", DataType: int64(elemInt8), Dims: []int64{2}, RawData: []byte{1, 2}}, scale), nil, nil},
		{"an initializer without a name", written(t, []*nodeProto{{OpType: "Clip", Input: []string{"x", ""}, Output: []string{"y"}}}, &tensorProto{DataType: 1, FloatData: []float32{1}}), ErrFormat, []string{"no name"}},
		{"weights that only Restore may leave out", written(t, []*nodeProto{nodeOf("Add", "x w", "y")}, &tensorProto{Name: "w", DataType: 1, Dims: []int64{2, 3}, External: []*entryProto{{"location", location}}}), ErrFormat, []string{"has 0"}},
		{"padding that leaves nothing", written(t, []*nodeProto{nodeOf("Pad", "x s", "y")}, shape(0, 5, 0, -4)), ErrUnsupported, []string{"leave nothing"}},
		{"a transposed convolution of nothing", written(t, []*nodeProto{nodeOf("Unsqueeze", "x s", "u"), nodeOf("ConvTranspose", "u w", "y", ints("pads", 0, 7))}, shape(0),
			&tensorProto{Name: "w", DataType: 1, Dims: []int64{2, 1, 3}, FloatData: make([]float32, 6)}), ErrUnsupported, []string{"leave nothing"}},
		{"a pooling without a kernel", written(t, []*nodeProto{nodeOf("Unsqueeze", "x s", "u"), nodeOf("MaxPool", "u", "y")}, shape(0)), ErrUnsupported, []string{"kernel_shape"}},
		{"a size that is no number", written(t, []*nodeProto{nodeOf("Reshape", "x s", "y")}, &tensorProto{Name: "s", DataType: 7, Dims: []int64{2}, FloatData: []float32{float32(math.NaN()), 3}}), ErrUnsupported, []string{"not a number"}},
	} {
		err := importBytes(c.file)
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v does not say %q", c.name, err, s)
			}
		}
	}
	if err := importBytes(written(t, []*nodeProto{relu})); err != nil {
		t.Error(err)
	}
	m, err := Parse(written(t, []*nodeProto{relu}))
	if err != nil {
		t.Fatal(err)
	}
	m.proto.Graph.Input = append(m.proto.Graph.Input, m.proto.Graph.Input[0])
	if _, err := m.Network(ImportOptions{}); !errors.Is(err, ErrFormat) {
		t.Errorf("two inputs of one name: %v", err)
	}
}

// A few bytes of a file must not ask for a table each time.
func TestManyTables(t *testing.T) {
	sizes := &tensorProto{Name: "s", DataType: int64(elemInt64), Dims: []int64{2}, Int64Data: []int64{2, 1 << 20}}
	back := &tensorProto{Name: "b", DataType: int64(elemInt64), Dims: []int64{2}, Int64Data: []int64{2, 3}}
	var nodes []*nodeProto
	name := "x"
	for i := range 20 {
		next, small := fmt.Sprint("a", i), fmt.Sprint("b", i)
		nodes = append(nodes, &nodeProto{OpType: "Resize", Input: []string{name, "", "", "s"}, Output: []string{next}},
			&nodeProto{OpType: "Resize", Input: []string{next, "", "", "b"}, Output: []string{small}})
		name = small
	}
	nodes = append(nodes, nodeOf("Relu", name, "y"))
	if err := importBytes(written(t, nodes, sizes, back)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "tables") {
		t.Error(err)
	}
}

// A file that ends early is an error at every length.
func TestTruncatedModels(t *testing.T) {
	net := nn.Sequential{nn.NewLinear(nn.NewRNG(1), 3, 4, nn.LinearOptions{}), nn.ReLU{}}
	m, err := Export(forward(net), ExportOptions{Inputs: []Input{{Name: "x", Shape: []int{Batch, 3}}}, Params: nn.Params(net)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.bytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := importBytes(b); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		// The model's own fields follow the graph's: a cut between two of them
		// is a shorter model, which lacks its operator set.
		if err := importBytes(b[:n]); err == nil {
			t.Errorf("%d of %d bytes are a model", n, len(b))
		}
	}
}

func TestMessageBombs(t *testing.T) {
	// Graphs in attributes of nodes of graphs, deeper than anyone needs.
	g := &graphProto{Node: []*nodeProto{{OpType: "If"}}}
	for range 40 {
		g = &graphProto{Node: []*nodeProto{{OpType: "If", Attribute: []*attrProto{{Name: "then_branch", Type: attrGraph, G: g}}}}}
	}
	b := appendMessage(nil, reflect.ValueOf(&modelProto{Graph: g, OpsetImport: []*opsetProto{{Version: 17}}}).Elem())
	if err := importBytes(b); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "deep") {
		t.Error(err)
	}
	// Two bytes for each node.
	nodes := make([]byte, 2*(maxMessages+1))
	for i := range nodes {
		nodes[i] = byte(1-i%2) * 0x0a
	}
	many := append([]byte{0x3a}, appendLength(len(nodes))...)
	if err := importBytes(append(many, nodes...)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

func appendLength(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// External weights are files beside the model, whole, and nothing else.
func TestExternalWeights(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	sub := filepath.Join(dir, "model")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, n := range map[string]int{secret: 64, filepath.Join(sub, "w.data"): 64} {
		if err := os.WriteFile(path, make([]byte, n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(sub, "m.onnx")
	for _, c := range []struct{ location, offset, length, says string }{
		{"w.data", "0", "64", ""},
		{"w.data", "32", "64", "cut short"},
		{"w.data", "-1", "64", "offset"},
		{"w.data", "0", "9223372036854775807", "cut short"},
		{"w.data", "99999999999999999999", "64", "offset"},
		{"w.data", "0", "60", "needs 16 elements and has 15"},
		{"../secret", "0", "64", "not a file beside the model"},
		{secret, "0", "64", "not a file beside the model"},
		{"", "0", "64", "not a file beside the model"},
		{"missing", "0", "64", "copy that file too"},
		{".", "0", "64", ""},
	} {
		w := &tensorProto{Name: "w", DataType: 1, Dims: []int64{16}, DataLocation: 1, External: []*entryProto{{"location", c.location}, {"offset", c.offset}, {"length", c.length}}}
		if err := os.WriteFile(path, written(t, []*nodeProto{nodeOf("Relu", "x", "y")}, w), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		switch {
		case c.location == "w.data" && c.says == "":
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.says):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Sizes that a file leaves open are chosen by whoever imports it; the first one
// may stay open.
func TestOpenSizes(t *testing.T) {
	g := &graphProto{Node: []*nodeProto{nodeOf("Relu", "x", "y")}, Input: []*valueProto{valueInfo("x", elemFloat, []dim{{1, 0}, {0, 3}, {2, 0}})}, Output: []*valueProto{{Name: "y"}}}
	m := &Model{opset: 17, proto: &modelProto{Graph: g}}
	if _, err := m.Network(ImportOptions{}); !errors.Is(err, ErrOpen) || !strings.Contains(err.Error(), `"x" (dimension 2, "2*batch")`) {
		t.Error(err)
	}
	n, err := m.Network(ImportOptions{Inputs: map[string][]int{"x": {1, 3, 8}}})
	if err != nil {
		t.Fatal(err)
	}
	if s := n.Forward(tensor.Zeros(5, 3, 8)).Shape(); s[0] != 5 {
		t.Errorf("result %v", s)
	}
}

// A network's own checks at run time.
func TestRunErrors(t *testing.T) {
	m, err := Parse(written(t, []*nodeProto{nodeOf("Relu", "x", "y")}))
	if err != nil {
		t.Fatal(err)
	}
	n, err := m.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"input \"x\" has shape [2 4]": func() { n.Forward(tensor.Zeros(2, 4)) },
		"2 inputs":                    func() { n.Run(tensor.Zeros(2, 3), tensor.Zeros(2, 3)) },
	} {
		func() {
			defer func() {
				e, ok := recover().(*tensor.Error)
				if !ok || !strings.Contains(e.Msg, name) {
					t.Errorf("%s: %v", name, e)
				}
			}()
			f()
		}()
	}
	for _, o := range []ImportOptions{{Inputs: map[string][]int{"z": {2, 3}}}, {Inputs: map[string][]int{"x": {2}}}, {Inputs: map[string][]int{"x": {2, 0}}}} {
		if _, err := m.Network(o); err == nil {
			t.Errorf("inputs %v are accepted", o.Inputs)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, s := range slices.Concat(samples(), corners(), sequenceSamples()) {
		b, err := s.model().bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		n, err := m.Network(ImportOptions{})
		if err != nil {
			return
		}
		text, err := n.Structure()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(text); err != nil {
			t.Fatalf("what was imported is not restored: %v", err)
		}
	})
}

// FuzzNumbers puts other numbers into models that are otherwise well formed:
// attributes, sizes, constants.
func FuzzNumbers(f *testing.F) {
	list := slices.Concat(samples(), corners(), sequenceSamples())
	for i := range list {
		f.Add(uint16(i), uint16(0), int64(-1), uint16(1), int64(1<<40))
	}
	f.Fuzz(func(t *testing.T, which, at uint16, v int64, at2 uint16, v2 int64) {
		s := list[int(which)%len(list)]
		b, err := s.model().bytes()
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		var places []*int64
		g := m.proto.Graph
		for _, n := range g.Node {
			for _, a := range n.Attribute {
				places = append(places, &a.I)
				for i := range a.Ints {
					places = append(places, &a.Ints[i])
				}
			}
		}
		for _, in := range g.Input {
			for _, d := range in.Type.Tensor.Shape.Dim {
				places = append(places, &d.Value)
			}
		}
		for _, w := range g.Initializer {
			if elem(w.DataType) == elemInt64 {
				for i := range len(w.RawData) / 8 {
					w.Int64Data = append(w.Int64Data, int64(binary.LittleEndian.Uint64(w.RawData[8*i:])))
				}
				w.RawData = nil
				for i := range w.Int64Data {
					places = append(places, &w.Int64Data[i])
				}
			}
		}
		if len(places) == 0 {
			return
		}
		*places[int(at)%len(places)] = v
		*places[int(at2)%len(places)] = v2
		n, err := m.Network(ImportOptions{})
		if err != nil {
			return
		}
		small := 1
		for _, in := range n.Inputs() {
			for _, d := range in.Shape {
				small *= max(d, 1)
			}
		}
		if small > 1000 {
			return
		}
		o := ExportOptions{Inputs: n.Inputs()}
		if _, err := Export(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, o); err != nil && !strings.HasPrefix(err.Error(), "onnx: ") && !strings.Contains(err.Error(), "node ") {
			t.Errorf("%s: %v", s.name, err)
		}
	})
}

// Every operand of every operator is left out, or replaced by something of
// another shape or type, and every attribute dropped: an import then fails, or
// does not, but never ends the program.
func TestForeignOperands(t *testing.T) {
	foreign := []array{
		{"?none", elemFloat, []int{0}, nil}, {"?nothing", elemInt64, []int{2, 0, 3}, nil}, single("?one", 1), {"?long", elemInt64, nil, []float64{-1}},
		{"?row", elemFloat, []int{3}, []float64{1, -2, 3}}, {"?longs", elemInt64, []int{3}, []float64{0, -1, 2}}, {"?bool", elemBool, []int{1}, []float64{1}},
		{"?deep", elemFloat, []int{1, 2, 1, 2, 1, 2}, make([]float64, 8)}, {"?half", elemFloat16, []int{1, 1}, []float64{2}}, {"?huge", elemInt64, []int{2}, []float64{1 << 40, 1 << 40}},
		{"x?ids", elemInt32, []int{2}, []float64{1, 0}}, {"x?flag", elemBool, []int{2, 3}, make([]float64, 6)}, {"x?deep", elemFloat, []int{1, 2, 1, 2, 1, 2}, make([]float64, 8)}, {"x?scalar", elemFloat, nil, []float64{1}},
	}
	try := func(s sample, nodes []*nodeProto, what string) {
		m := s.model()
		m.proto.Graph.Node = nodes
		b, err := m.bytes()
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("%s: %s: %v", s.name, what, r)
			}
		}()
		if err := importBytes(b); err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %s: %v", s.name, what, err)
		}
	}
	for _, s := range slices.Concat(samples(), corners()) {
		for i, n := range s.nodes {
			changed := func(what string, change func(n *nodeProto)) {
				c := *n
				c.Input, c.Attribute = slices.Clone(n.Input), slices.Clone(n.Attribute)
				change(&c)
				wide := s
				wide.inputs = append(slices.Clip(s.inputs), foreign...)
				nodes := slices.Clone(s.nodes)
				nodes[i] = &c
				try(wide, nodes, what)
			}
			for j := range n.Input {
				changed("an operand less", func(c *nodeProto) { c.Input[j] = "" })
				changed("operands less", func(c *nodeProto) { c.Input = c.Input[:j] })
				for _, f := range foreign {
					changed(f.name, func(c *nodeProto) { c.Input[j] = f.name })
				}
			}
			for j := range n.Attribute {
				changed("an attribute less", func(c *nodeProto) { c.Attribute = slices.Delete(c.Attribute, j, j+1) })
				changed("an attribute without a value", func(c *nodeProto) { c.Attribute[j] = &attrProto{Name: n.Attribute[j].Name} })
				changed("an attribute that is a list", func(c *nodeProto) {
					c.Attribute[j] = &attrProto{Name: n.Attribute[j].Name, Ints: []int64{-7, 1 << 62}, I: -1 << 62, F: float32(math.NaN()), S: []byte("?")}
				})
			}
		}
	}
}
