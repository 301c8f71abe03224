package onnx

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// graphOf is a model of nodes. Arguments, whose names begin with x, have any number of
// samples.
func graphOf(s sample) *Model {
	m := s.model()
	for _, v := range m.proto.Graph.Input {
		v.Type.Tensor.Shape.Dim[0] = &dimProto{Param: "batch"}
	}
	m.proto.Graph.Output[0].Type.Tensor.Elem = int64(elemFloat)
	return m
}

func stage(kind, in, out string, attrs ...*attrProto) *nodeProto {
	n := &nodeProto{OpType: kind, Name: "n_" + out, Output: []string{out}, Attribute: attrs}
	name := ""
	for _, r := range in + " " {
		if r != ' ' {
			name += string(r)
			continue
		}
		if name == "-" { // left out
			name = ""
		}
		n.Input, name = append(n.Input, name), ""
	}
	return n
}

func long(name string, v float64) array { return array{name, elemInt64, nil, []float64{v}} }

// tokens are numbers below n.
func tokens(name string, n int, shape ...int) array {
	a := array{name, elemInt64, shape, make([]float64, ir.NumElems(shape))}
	for i := range a.data {
		a.data[i] = float64((i*7 + 3) % n)
	}
	return a
}

// What PyTorch's exporters make of the number of samples: each of these was a
// constant of another size for another number.
var openGraphs = []sample{
	{"positions, as GPT-2 has them", 20, []array{tokens("x", 9, 2, 6), noise("words", 9, 4), noise("places", 12, 4), long("0", 0), long("1", 1), longs("[0]", 0)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)),
		stage("Shape", "x", "s", integer("start", 1), integer("end", 2)),
		stage("Squeeze", "s", "s0"), stage("Range", "0 s0 1", "at"), stage("Unsqueeze", "at [0]", "row"),
		stage("Concat", "n s", "ns", integer("axis", 0)), stage("Expand", "row ns", "ids"),
		stage("Gather", "words x", "a"), stage("Gather", "places ids", "b"), stage("Add", "a b", "y"),
	}, "y"},
	{"token types, a buffer that is expanded", 14, []array{tokens("x", 9, 2, 6), noise("words", 9, 4), noise("types", 2, 4), tokens("buffer", 1, 1, 12), longs("[0]", 0), longs("[1]", 1), longs("[6]", 6), longs("-1", -1)}, []*nodeProto{
		stage("Shape", "x", "shape"), stage("Gather", "shape [0]", "n"),
		stage("Slice", "buffer [0] [6] [1]", "cut"), stage("Concat", "n [6]", "ns", integer("axis", 0)),
		stage("Reshape", "ns -1", "list"), stage("Shape", "list", "rank"), stage("ConstantOfShape", "rank", "ones", &attrProto{Name: "value", Type: attrTensor, T: &tensorProto{DataType: int64(elemInt64), Dims: []int64{1}, Int64Data: []int64{1}}}),
		stage("Equal", "list ones", "keep"), stage("Where", "keep ones list", "to"), stage("Expand", "cut to", "ids"),
		stage("Gather", "words x", "a"), stage("Gather", "types ids", "b"), stage("Add", "a b", "y"),
	}, "y"},
	{"a mask of the samples, their index and GatherND", 20, []array{tokens("x", 2, 3, 5), noise("scores", 1, 5, 5), long("0", 0), long("1", 1), long("5", 5), longs("[1,2,3]", 1, 2, 3), longs("[0,1,2]", 0, 1, 2), longs("[0,1,3]", 0, 1, 3), longs("[-1]", -1), longs("[1]", 1), longs("[5]", 5), single("low", -math.MaxFloat32), longs("[0]", 0)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Squeeze", "n", "n0"),
		stage("Range", "0 n0 1", "samples"), stage("Range", "0 5 1", "seq"),
		stage("Unsqueeze", "samples [1,2,3]", "i"), stage("Unsqueeze", "seq [0,1,2]", "k"), stage("Unsqueeze", "seq [0,1,3]", "q"),
		stage("LessOrEqual", "k q", "causal"),
		stage("Concat", "n [1] [5] [5]", "shape", integer("axis", 0)),
		stage("Expand", "i shape", "ii"), stage("Expand", "k shape", "kk"),
		stage("Unsqueeze", "ii [-1]", "iu"), stage("Unsqueeze", "kk [-1]", "ku"), stage("Concat", "iu ku", "index", integer("axis", -1)),
		stage("Cast", "x", "bools", integer("to", int(elemBool))), stage("GatherND", "bools index", "padding"),
		stage("And", "causal padding", "may"), stage("Where", "may scores low", "y"),
	}, "y"},
	{"ones for a mask that is not given", 20, []array{tokens("x", 9, 2, 6), noise("scores", 1, 1, 6, 6), single("1f", 1), single("low", -math.MaxFloat32), longs("[1,2]", 1, 2), longs("[6]", 6)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Concat", "n [6]", "ns", integer("axis", 0)),
		stage("ConstantOfShape", "ns", "ones", &attrProto{Name: "value", Type: attrTensor, T: &tensorProto{DataType: int64(elemFloat), Dims: []int64{1}, FloatData: []float32{1}}}),
		stage("Unsqueeze", "ones [1,2]", "wide"), stage("Sub", "1f wide", "not"), stage("Mul", "not low", "bias"),
		stage("Cast", "x", "xf", integer("to", int(elemFloat))), stage("Unsqueeze", "xf [1,2]", "xw"), stage("Add", "scores xw", "s"), stage("Add", "s bias", "y"),
	}, "y"},
	{"rows picked by the samples' own index", 20, []array{noise("x", 2, 3, 4), long("0", 0), long("1", 1)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Squeeze", "n", "n0"), stage("Range", "0 n0 1", "at"),
		stage("Transpose", "x", "t", ints("perm", 0, 2, 1)), stage("Gather", "t at", "y", integer("axis", 0)),
	}, "y"},
	{"samples from the last to the first", 20, []array{noise("x", 3, 4), long("-1", -1)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Squeeze", "n", "n0"), stage("Add", "n0 -1", "last"), stage("Range", "last -1 -1", "at"),
		stage("Gather", "x at", "y", integer("axis", 0)),
	}, "y"},
	{"the end of each text", 20, []array{tokens("x", 9, 3, 5), noise("words", 9, 4), long("0", 0), long("1", 1), longs("[-1]", -1)}, []*nodeProto{
		stage("Gather", "words x", "h"), stage("ArgMax", "x", "end", integer("axis", 1), integer("keepdims", 0)),
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Squeeze", "n", "n0"), stage("Range", "0 n0 1", "at"),
		stage("Unsqueeze", "at [-1]", "a"), stage("Unsqueeze", "end [-1]", "b"), stage("Concat", "a b", "index", integer("axis", -1)), stage("GatherND", "h index", "y"),
	}, "y"},
	{"a class token for each", 17, []array{noise("x", 2, 3, 4), noise("token", 1, 1, 4), longs("[-1,-1]", -1, -1), longs("[0]", 0)}, []*nodeProto{
		stage("Shape", "x", "shape"), stage("Gather", "shape [0]", "n"), stage("Concat", "n [-1,-1]", "to", integer("axis", 0)),
		stage("Constant", "", "one", &attrProto{Name: "value_int", Type: attrInt, I: 1}), stage("Abs", "to", "abs"), stage("Expand", "token abs", "tokens"),
		stage("Concat", "tokens x", "y", integer("axis", 1)),
	}, "y"},
	{"windows, and a mask for each of them", 17, []array{noise("x", 2, 4, 4, 3), noise("mask", 4, 4, 4), longs("[2,2,2,2,3]", 2, 2, 2, 2, 3), longs("[-1,4,3]", -1, 4, 3), longs("[4]", 4), longs("[4,4,4]", 4, 4, 4), longs("[0]", 0), longs("[16,4]", 4, 4)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Concat", "n [2,2,2,2,3]", "cut", integer("axis", 0)), stage("Reshape", "x cut", "six"),
		stage("Transpose", "six", "turned", ints("perm", 0, 1, 3, 2, 4, 5)), stage("Reshape", "turned [-1,4,3]", "w"), stage("Transpose", "w", "wt", ints("perm", 0, 2, 1)),
		stage("MatMul", "w wt", "s"), stage("Shape", "s", "m", integer("start", 0), integer("end", 1)), stage("Div", "m [4]", "each"), stage("Concat", "each [4,4,4]", "five", integer("axis", 0)),
		stage("Reshape", "s five", "s5"), stage("Unsqueeze", "mask [0]", "m5"), stage("Add", "s5 m5", "masked"), stage("Concat", "m [16,4]", "back", integer("axis", 0)), stage("Reshape", "masked back", "b"), stage("Softmax", "b", "y"),
	}, "y"},
	{"a table repeated for each", 13, []array{noise("x", 2, 6), noise("table", 12, 3), tokens("own", 12, 1, 6), longs("[1]", 1), longs("[0]", 0), longs("[2]", 2)}, []*nodeProto{
		stage("Shape", "x", "shape"), stage("Gather", "shape [0]", "n"), stage("Concat", "n [1]", "times", integer("axis", 0)),
		stage("Identity", "own", "o"), stage("Tile", "o times", "many"), stage("Gather", "table many", "e"), stage("Unsqueeze", "x [2]", "xu"), stage("Add", "e xu", "y"),
	}, "y"},
	{"samples flattened with their rows", 20, []array{noise("x", 2, 3, 4), long("0", 0), long("1", 1), long("3", 3), longs("[3]", 3), longs("[1]", 1), longs("[-1]", -1), longs("[-1,4]", -1, 4)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Squeeze", "n", "n0"), stage("Range", "0 n0 1", "i"), stage("Range", "0 3 1", "j"),
		stage("Mul", "i 3", "i3"), stage("Unsqueeze", "i3 [1]", "col"), stage("Add", "col j", "grid"), stage("Reshape", "grid [-1]", "flat"), // [3*batch]
		stage("Reshape", "x [-1,4]", "rows"), stage("Gather", "rows flat", "y"),
	}, "y"},
	{"rows of all samples, the samples within", 20, []array{noise("x", 2, 3, 4), long("0", 0), long("1", 1), long("3", 3), longs("[1]", 1), longs("[-1]", -1), longs("[-1,4]", -1, 4)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Squeeze", "n", "n0"), stage("Range", "0 n0 1", "i"), stage("Range", "0 3 1", "j"),
		stage("Mul", "i 3", "i3"), stage("Unsqueeze", "j [1]", "col"), stage("Add", "col i3", "grid"), stage("Reshape", "grid [-1]", "flat"),
		stage("Reshape", "x [-1,4]", "rows"), stage("Gather", "rows flat", "y"),
	}, "y"},
	{"a fraction of the samples", 20, []array{noise("x", 2, 3), longs("[0]", 0)}, []*nodeProto{
		stage("Shape", "x", "n", integer("start", 0), integer("end", 1)), stage("Cast", "n", "nf", integer("to", int(elemFloat))),
		stage("ReduceSum", "x [0]", "sum", integer("keepdims", 0)), stage("Div", "sum nf", "mean"), stage("Sub", "x mean", "y"),
	}, "y"},
}

// arguments are the sample's, for n samples.
func (s *sample) arguments(n int) []*tensor.Tensor {
	var in []*tensor.Tensor
	for _, a := range s.inputs {
		if !a.argument() {
			continue
		}
		shape := append([]int{n}, a.shape[1:]...)
		if isFloat(a.kind) {
			in = append(in, random(uint64(n), shape...))
			continue
		}
		most := int(slices.Max(a.data)) + 1
		data := make([]int32, ir.NumElems(shape))
		for i := range data {
			data[i] = int32((i*5 + n) % most)
		}
		in = append(in, tensor.FromInts(data, shape...))
	}
	return in
}

func runOf(n *Network) tensor.Function {
	return func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }
}

// An import goes out again for any number of samples, and comes back the same.
func TestImportsExportWithOpenBatches(t *testing.T) {
	for _, s := range openGraphs {
		n := reimport(t, graphOf(s))
		m, err := Export(runOf(n), ExportOptions{Inputs: n.Inputs(), Outputs: n.Outputs(), Params: nn.Params(n)})
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		back := reimport(t, m)
		for _, batch := range []int{1, 2, 3, 40} { // one beyond what was traced
			in := s.arguments(batch)
			if d := apart(compute(t, runOf(n), in...)[0], compute(t, runOf(back), in...)[0]); d > 1e-6 {
				t.Errorf("%s, batch %d: %g apart", s.name, batch, d)
			}
		}
	}
}

func TestRuntimeAgreesAboutImportsWithOpenBatches(t *testing.T) {
	script(t)
	j := &jobs{t: t, dir: t.TempDir()}
	for _, s := range openGraphs {
		n := reimport(t, graphOf(s))
		m, err := Export(runOf(n), ExportOptions{Inputs: n.Inputs(), Outputs: n.Outputs(), Params: nn.Params(n)})
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		for _, batch := range []int{1, 2, 3, 40} {
			j.add(fmt.Sprintf("%s, batch %d", s.name, batch), m, false, runOf(n), s.arguments(batch)...)
		}
	}
	j.run()
}
