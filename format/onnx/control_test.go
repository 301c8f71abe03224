package onnx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func graphAttr(name string, in, out string, nodes []*nodeProto, initial ...array) *attrProto {
	g := &graphProto{Name: name, Node: nodes}
	for _, s := range strings.Fields(in) {
		kind, dims := elemFloat, []dim(nil)
		switch s {
		case "i":
			kind = elemInt64
		case "go":
			kind = elemBool
		}
		v := valueInfo(s, kind, dims)
		if s != "i" && s != "go" {
			v.Type.Tensor.Shape = nil
		}
		g.Input = append(g.Input, v)
	}
	for _, s := range strings.Fields(out) {
		kind := elemFloat
		if strings.HasPrefix(s, "go") {
			kind = elemBool
		}
		g.Output = append(g.Output, &valueProto{Name: s, Type: &typeProto{Tensor: &tensorType{Elem: int64(kind)}}})
	}
	for _, a := range initial {
		g.Initializer = append(g.Initializer, &tensorProto{Name: a.name, DataType: int64(a.kind), Dims: wide(a.shape), RawData: a.bytes()})
	}
	return &attrProto{Name: name, Type: attrGraph, G: g}
}

func step(kind, in, out string, attrs ...*attrProto) *nodeProto {
	inputs := strings.Fields(in)
	for i, s := range inputs {
		if s == "-" {
			inputs[i] = ""
		}
	}
	return &nodeProto{OpType: kind, Name: kind + "_" + out, Input: inputs, Output: strings.Fields(out), Attribute: attrs}
}

// controlSamples are graphs within graphs, and sequences.
func controlSamples() []sample {
	var list []sample
	add := func(name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, 21, in, nodes, "y"})
	}
	scalar := func(name string, kind elem, v float64) array { return array{name, kind, nil, []float64{v}} }
	yes, no := scalar("yes", elemBool, 1), scalar("no", elemBool, 0)
	w := noise("w", 4, 4)

	add("If constant", []*nodeProto{step("If", "no", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("Relu", "x", "a")}),
		graphAttr("else_branch", "", "b", []*nodeProto{step("MatMul", "x w", "b")}))}, noise("x", 3, 4), no, w)
	add("If by a shape, nested, with a name twice", []*nodeProto{step("Size", "x", "s"), step("Equal", "s twelve", "c"),
		step("If", "c", "y",
			graphAttr("then_branch", "", "b", []*nodeProto{step("Neg", "x", "a"), step("If", "no", "b", graphAttr("then_branch", "", "q", []*nodeProto{step("Relu", "a", "q")}),
				graphAttr("else_branch", "", "q", []*nodeProto{step("Add", "a x", "h"), step("Sub", "h w", "q")}))}),
			graphAttr("else_branch", "", "z", []*nodeProto{step("Exp", "x", "a"), step("Relu", "a", "z")}))}, noise("x", 3, 4), scalar("twelve", elemInt64, 12), no, noise("w", 4))
	add("If at run time", []*nodeProto{step("ReduceSum", "x", "s", integer("keepdims", 0)), step("Greater", "s zero", "c"),
		step("If", "c", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("Neg", "x", "a")}), graphAttr("else_branch", "", "b", []*nodeProto{step("MatMul", "x w", "b")}))},
		noise("x", 3, 4), scalar("zero", elemFloat, 0), w)
	add("Loop", []*nodeProto{step("Loop", "five yes x", "a b", graphAttr("body", "i go h", "go2 n f",
		[]*nodeProto{step("MatMul", "h w", "m"), step("Tanh", "m", "n"), step("ReduceSum", "n", "f", integer("keepdims", 0)), step("Identity", "go", "go2")})),
		step("Reshape", "a flat", "af"), step("Concat", "af b", "y", integer("axis", 0))}, noise("x", 3, 4), scalar("five", elemInt64, 5), yes, w, longs("flat", -1))
	add("Loop while", []*nodeProto{step("Loop", "- yes x", "y", graphAttr("body", "i go h", "go2 n",
		[]*nodeProto{step("Cast", "i", "c", integer("to", 1)), step("Add", "h c", "n"), step("Less", "i four", "go2")}))}, noise("x", 3, 4), scalar("four", elemInt64, 4), yes)
	add("Loop that ends at run time", []*nodeProto{step("Loop", "nine yes x", "y", graphAttr("body", "i go h", "go2 n",
		[]*nodeProto{step("Mul", "h half", "n"), step("ReduceMax", "n", "m", integer("keepdims", 0)), step("Greater", "m third", "go2")}))},
		noise("x", 3, 4), scalar("nine", elemInt64, 9), yes, single("half", 0.5), single("third", 0.3))
	add("Loop of branches", []*nodeProto{step("Loop", "four yes x", "y", graphAttr("body", "i go h", "go2 n", []*nodeProto{step("Mod", "i two", "r"), step("Cast", "r", "odd", integer("to", int(elemBool))),
		step("If", "odd", "n", graphAttr("then_branch", "", "a", []*nodeProto{step("Mul", "h k", "a")}, single("k", 1.5)), graphAttr("else_branch", "", "a", []*nodeProto{step("Add", "h x", "a")})),
		step("Identity", "go", "go2")}))}, noise("x", 3, 4), scalar("four", elemInt64, 4), scalar("two", elemInt64, 2), yes)
	add("Scan", []*nodeProto{step("Scan", "h0 x x2", "h a b", graphAttr("body", "h p q", "n a2 b2", []*nodeProto{step("Add", "h p", "s"), step("Mul", "s q", "t"), step("Tanh", "t", "n"), step("Neg", "n", "a2"), step("Relu", "n", "b2")}),
		integer("num_scan_inputs", 2), ints("scan_input_axes", 1, 0), ints("scan_input_directions", 0, 1), ints("scan_output_axes", 0, 1), ints("scan_output_directions", 1, 0)),
		step("Reshape", "h flat", "hf"), step("Reshape", "a flat", "af"), step("Reshape", "b flat", "bf"), step("Concat", "hf af bf", "y", integer("axis", 0))},
		noise("x", 3, 5), noise("x2", 5, 3), noise("h0", 3), longs("flat", -1))
	add("sequences", []*nodeProto{step("SplitToSequence", "x parts", "s", integer("axis", 1)), step("SequenceAt", "s minus", "l"), step("SequenceErase", "s zero", "e"), step("SequenceInsert", "e l zero", "f"),
		step("SequenceLength", "f", "n"), step("ConcatFromSequence", "f", "c", integer("axis", 1)), step("Cast", "n", "m", integer("to", 1)), step("Mul", "c m", "y")},
		noise("x", 3, 6), longs("parts", 1, 3, 2), scalar("minus", elemInt64, -1), scalar("zero", elemInt64, 0))
	add("sequences of elements", []*nodeProto{step("SplitToSequence", "x", "s", integer("keepdims", 0)), step("SequenceConstruct", "b w2", "t"), step("SequenceErase", "s", "u"), step("SequenceAt", "u one", "v"),
		step("SequenceInsert", "t v", "q"), step("ConcatFromSequence", "q", "y", integer("axis", 0), integer("new_axis", 1))},
		noise("x", 3, 4), noise("b", 4), scaled(2, noise("w2", 4)), scalar("one", elemInt64, 1))
	add("SplitToSequence by a size", []*nodeProto{step("SplitToSequence", "x two", "s"), step("SequenceAt", "s two", "y")}, noise("x", 5, 3), scalar("two", elemInt64, 2))
	add("SequenceMap", []*nodeProto{step("SplitToSequence", "x", "s"), step("SequenceMap", "s w", "t", graphAttr("body", "p q", "r", []*nodeProto{step("MatMul", "p q", "r")})), step("ConcatFromSequence", "t", "y", integer("axis", 1))}, noise("x", 3, 4), w)
	grow := graphAttr("body", "i go", "go2", []*nodeProto{step("Cast", "i", "c", integer("to", 1)), step("Add", "x c", "e"), step("SequenceInsert", "acc e", "next"), step("Identity", "go", "go2")})
	sequenceOf := func(name string) *valueProto { // of floats, which the format says in fields that are not read
		return &valueProto{Name: name}
	}
	grow.G.Input, grow.G.Output = append(grow.G.Input, sequenceOf("acc")), append(grow.G.Output, sequenceOf("next"))
	list = append(list, sample{"Loop of a sequence", 21, []array{noise("x", 2, 3), scalar("three", elemInt64, 3), yes},
		[]*nodeProto{step("SequenceEmpty", "", "s"), step("Loop", "three yes s", "t", grow), step("ConcatFromSequence", "t", "y", integer("axis", 1))}, "y"})
	add("Optional", []*nodeProto{step("Optional", "x", "o"), step("OptionalHasElement", "o", "h"), step("OptionalGetElement", "o", "g"), step("Cast", "h", "f", integer("to", 1)), step("Add", "g f", "y")}, noise("x", 2, 3))
	return list
}

// Case 13 of issue 11: PyTorch exports squeeze as an If whose condition is a constant.
func TestBranchesKnownAtImport(t *testing.T) {
	n := reimport(t, (&sample{"", 17, []array{noise("x", 2, 3)}, []*nodeProto{
		{OpType: "Constant", Name: "c", Output: []string{"c"}, Attribute: []*attrProto{{Name: "value", Type: attrTensor, T: &tensorProto{DataType: int64(elemBool), RawData: []byte{1}}}}},
		step("If", "c", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("Relu", "x", "a")}), graphAttr("else_branch", "", "b", []*nodeProto{step("FancyNorm", "x", "b")})),
	}, "y"}).model())
	x := tensor.New([]float32{-1, 2, -3, 4, 5, -6}, 2, 3)
	if got := compute(t, forward(n), x)[0].Floats(); !slices.Equal(got, []float32{0, 2, 0, 4, 5, 0}) {
		t.Errorf("%v", got)
	}
}

// Weights in branches and bodies are variables like others: they have gradients, and
// a model file keeps them.
func TestWeightsOfBodies(t *testing.T) {
	s := sample{"", 17, []array{noise("x", 2, 3), {"yes", elemBool, nil, []float64{1}}, {"n", elemInt64, nil, []float64{3}}, noise("w", 3, 3)}, []*nodeProto{
		step("If", "yes", "a", graphAttr("then_branch", "", "m", []*nodeProto{step("MatMul", "x w", "k"), step("Add", "k v", "m")}, noise("v", 3)), graphAttr("else_branch", "", "m", []*nodeProto{step("MatMul", "x v", "m")}, noise("v", 3, 3))),
		step("Loop", "n yes a", "y", graphAttr("body", "i go h", "go2 r", []*nodeProto{step("MatMul", "h v", "q"), step("Tanh", "q", "r"), step("Identity", "go", "go2")}, noise("v", 3, 3))),
	}, "y"}
	n := reimport(t, s.model())
	names := func(n *Network) (list []string) {
		for _, p := range nn.Params(n) {
			list = append(list, p.Name)
		}
		return list
	}
	if got := names(n); !slices.Equal(got, []string{"w", "v", "v_1", "v_2"}) {
		t.Fatalf("parameters %v", got)
	}
	structure, err := n.Structure()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Restore(structure)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(back); !slices.Equal(got, names(n)) {
		t.Fatalf("parameters became %v", got)
	}
	var vars []*tensor.Tensor
	for i, p := range nn.Params(n) {
		data, err := p.Value.Read()
		if err == nil {
			err = nn.Params(back)[i].Value.Set(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		vars = append(vars, p.Value)
	}
	x := (&host{elemFloat, []int{2, 3}, s.inputs[0].data}).tensor()
	_, _ = x.Read()
	a, b := compute(t, forward(n), x)[0], compute(t, forward(back), x)[0]
	if d := apart(a, b); d != 0 {
		t.Errorf("results are %g apart", d)
	}
	grads := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return tensor.Grad(n.Forward(in[0]).Square().Sum(), vars...)
	}, x)
	for i, name := range names(n) {
		zero := !slices.ContainsFunc(grads[i].Floats(), func(v float32) bool { return v != 0 })
		if zero != (name == "v_1") { // that of the branch which is not taken
			t.Errorf("the gradient of %s is %v", name, grads[i].Floats())
		}
	}
}

// Functions of the model are calls that are replaced by what they call, with
// attributes of the call or by default, in graphs too.
func TestFunctionsOfModels(t *testing.T) {
	ref := func(name, of string, kind int64) *attrProto { return &attrProto{Name: name, Ref: of, Type: kind} }
	m := (&sample{"", 21, []array{noise("x", 2, 3), {"yes", elemBool, nil, []float64{1}}}, []*nodeProto{
		{OpType: "Twice", Domain: "local", Name: "t", Input: []string{"x"}, Output: []string{"a"}, Attribute: []*attrProto{float("slope", 0.5)}},
		step("If", "yes", "b", graphAttr("then_branch", "", "c", []*nodeProto{{OpType: "Twice", Domain: "local", Input: []string{"a"}, Output: []string{"c"}}}), graphAttr("else_branch", "", "c", []*nodeProto{step("Relu", "a", "c")})),
		{OpType: "Pass", Domain: "local", Input: []string{"b"}, Output: []string{"p"}},
		step("Neg", "p", "y"),
	}, "y"}).model()
	m.proto.Functions = []*function{
		{Name: "Leak", Domain: "local", Input: []string{"x", "unused"}, Output: []string{"y"}, Attribute: []string{"by"},
			Node: []*nodeProto{{OpType: "LeakyRelu", Name: "n", Input: []string{"x"}, Output: []string{"y"}, Attribute: []*attrProto{ref("alpha", "by", attrFloat)}}}},
		{Name: "Twice", Domain: "local", Input: []string{"x"}, Output: []string{"y"}, Defaults: []*attrProto{float("slope", 0.25)},
			Node: []*nodeProto{
				{OpType: "Leak", Domain: "local", Name: "n", Input: []string{"x"}, Output: []string{"a"}, Attribute: []*attrProto{ref("by", "slope", attrFloat)}},
				step("Add", "a a", "y"),
			}},
		{Name: "Pass", Domain: "local", Input: []string{"x"}, Output: []string{"x"}},
	}
	n := reimport(t, m)
	x := tensor.New([]float32{-1, 2, -3, 4, 5, -6}, 2, 3)
	// Twice with 1/2 is -1, 4, -3, 8, 10, -6; with 1/4 of that -0.5, 8, -1.5, 16, 20, -3.
	if got := compute(t, forward(n), x)[0].Floats(); !slices.Equal(got, []float32{0.5, -8, 1.5, -16, -20, 3}) {
		t.Errorf("%v", got)
	}
	if structure, err := n.Structure(); err != nil {
		t.Error(err)
	} else if _, err := Restore(structure); err != nil {
		t.Error(err)
	}
}

// What cannot be unrolled, or does not end, is an error that says so.
func TestControlErrors(t *testing.T) {
	yes := &tensorProto{Name: "yes", DataType: int64(elemBool), RawData: []byte{1}}
	long := func(name string, v int64) *tensorProto {
		return &tensorProto{Name: name, DataType: int64(elemInt64), Int64Data: []int64{v}}
	}
	endless := func(in string) *nodeProto {
		return step("Loop", in, "y", graphAttr("body", "i go h", "go2 n", []*nodeProto{step("Relu", "h", "n"), step("Identity", "go", "go2")}))
	}
	positive := []*nodeProto{step("ReduceSum", "x", "s", integer("keepdims", 0)), step("Cast", "s", "c", integer("to", int(elemBool)))}
	for name, c := range map[string]struct {
		nodes   []*nodeProto
		initial []*tensorProto
		says    string
	}{
		"a loop without end":       {[]*nodeProto{endless("- yes x")}, []*tensorProto{yes}, "unrolled"},
		"a loop of many turns":     {[]*nodeProto{endless("n yes x")}, []*tensorProto{yes, long("n", 1<<40)}, "unrolled"},
		"a number of turns":        {[]*nodeProto{step("ReduceSum", "x", "s", integer("keepdims", 0)), step("Cast", "s", "n", integer("to", 7)), endless("n yes x")}, []*tensorProto{yes}, "depends on the network's input"},
		"a condition without end":  {append(positive, endless("- c x")), nil, "no greatest number of turns"},
		"results of open length":   {append(positive, step("Loop", "n c x", "a y", graphAttr("body", "i go h", "go2 n2 e", []*nodeProto{step("Relu", "h", "n2"), step("Neg", "h", "e"), step("Identity", "go", "go2")}))), []*tensorProto{long("n", 3)}, "known length"},
		"branches of other shapes": {append(positive, step("If", "c", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("Relu", "x", "a")}), graphAttr("else_branch", "", "b", []*nodeProto{step("ReduceMax", "x", "b")}))), nil, "the shapes [2 3] and [1 1]"},
		"an unknown operator":      {[]*nodeProto{step("If", "yes", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("FancyNorm", "x", "a")}), graphAttr("else_branch", "", "b", []*nodeProto{step("Relu", "x", "b")}))}, []*tensorProto{yes}, "FancyNorm"},
		"a name from nowhere":      {[]*nodeProto{step("If", "yes", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("Relu", "gone", "a")}), graphAttr("else_branch", "", "b", []*nodeProto{step("Relu", "x", "b")}))}, []*tensorProto{yes}, "gone"},
		"its own result":           {[]*nodeProto{step("If", "yes", "y", graphAttr("then_branch", "", "a", []*nodeProto{step("Relu", "y", "a")}), graphAttr("else_branch", "", "b", []*nodeProto{step("Relu", "x", "b")}))}, []*tensorProto{yes}, "cycle"},
		"a sequence as a tensor":   {[]*nodeProto{step("SequenceConstruct", "x", "s"), step("Relu", "s", "y")}, nil, "a sequence where a tensor"},
		"a sequence as the result": {[]*nodeProto{step("SequenceConstruct", "x", "y")}, nil, "is a sequence"},
		"a tensor as a sequence":   {[]*nodeProto{step("SequenceLength", "x", "y")}, nil, "no sequence"},
		"a place that is not":      {[]*nodeProto{step("SequenceConstruct", "x", "s"), step("SequenceAt", "s n", "y")}, []*tensorProto{long("n", 1)}, "position 1"},
		"no branch":                {[]*nodeProto{step("If", "yes", "y")}, []*tensorProto{yes}, "no then_branch"},
	} {
		if err := importBytes(written(t, c.nodes, c.initial...)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
	// Functions that call each other for ever, or twice each.
	relu := func(kind string) *nodeProto {
		return &nodeProto{OpType: kind, Input: []string{"x"}, Output: []string{"y"}}
	}
	again := []*function{{Name: "F", Input: []string{"x"}, Output: []string{"y"}, Node: []*nodeProto{relu("F")}}}
	var doubling []*function
	for i := range 30 {
		next := "F" + strings.Repeat("f", i+1)
		if i == 29 {
			next = "Relu"
		}
		doubling = append(doubling, &function{Name: "F" + strings.Repeat("f", i), Input: []string{"x"}, Output: []string{"y"}, Node: []*nodeProto{step(next, "x", "a"), step(next, "a", "y")}})
	}
	for says, functions := range map[string][]*function{"deep": again, "more than": doubling} {
		g := &graphProto{Node: []*nodeProto{relu("F")}, Input: []*valueProto{valueInfo("x", elemFloat, []dim{{0, 2}})}, Output: []*valueProto{{Name: "y"}}}
		b, err := (&Model{proto: &modelProto{IRVersion: 8, OpsetImport: []*opsetProto{{Version: 17}}, Graph: g, Functions: functions}}).bytes()
		if err != nil {
			t.Fatal(err)
		}
		if err := importBytes(b); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
}
