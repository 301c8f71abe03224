// ONNX's own tests: models of mostly one node with inputs and the right outputs,
// which its repository makes with NumPy. Debian packages them (libonnx-testdata);
// any other folder of the same layout is run when WEFT_ONNX_TESTS names it.
//
// Tests feed everything, axes and shapes too, where real models hold constants.
// So each case is tried as it is, with those inputs as constants, and with all
// of them as constants, which is the arithmetic of the host. A case passes that
// is right in one of the three and wrong in none.

package onnx

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

const (
	suiteDebian = "/usr/share/libonnx-testdata/data"
	suiteEnv    = "WEFT_ONNX_TESTS" // further folders, separated as in PATH
)

// Tolerances of ONNX's runner (onnx/backend/test/runner).
const (
	suiteRel = 1e-3
	suiteAbs = 1e-7
)

// suiteCase is a folder with a model and test_data_set_N of inputs and outputs.
type suiteCase struct{ name, dir string }

// suiteCases finds the cases below the folders.
func suiteCases(t *testing.T, roots ...string) []suiteCase {
	var list []suiteCase
	for _, root := range roots {
		err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.Name() == "model.onnx" {
				dir := filepath.Dir(p)
				list = append(list, suiteCase{filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir), dir})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// suiteScope reads testdata/suite.txt: patterns of cases that are out of scope,
// and the reason that stands above each group.
func suiteScope(t *testing.T) func(name string) (reason string) {
	f, err := os.Open("testdata/suite.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type row struct{ pattern, reason string }
	var rows []row
	reason := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			reason = strings.Trim(line, "[]")
		case reason == "":
			t.Fatalf("%s has no reason", line)
		default:
			for _, p := range strings.Fields(line) {
				if _, err := path.Match(p, ""); err != nil {
					t.Fatalf("%s: %v", p, err)
				}
				rows = append(rows, row{p, reason})
			}
		}
	}
	return func(name string) string {
		for _, r := range rows {
			if ok, _ := path.Match(r.pattern, path.Base(name)); ok {
				return r.reason
			}
		}
		return ""
	}
}

func TestSuite(t *testing.T) {
	roots := filepath.SplitList(os.Getenv(suiteEnv))
	if _, err := os.Stat(suiteDebian); err == nil {
		roots = append(roots, suiteDebian)
	}
	if len(roots) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI runs ONNX's own tests: install libonnx-testdata (scripts/deps does)")
		}
		t.Skipf("ONNX's own tests are not here: install Debian's libonnx-testdata, or name a folder of them in %s", suiteEnv)
	}
	outOfScope := suiteScope(t)
	count := map[string]int{}
	for _, c := range suiteCases(t, roots...) {
		t.Run(c.name, func(t *testing.T) {
			reason := outOfScope(c.name)
			err := c.run()
			switch {
			case err == nil && reason == "", err == nil && !strings.HasPrefix(c.dir, suiteDebian):
				count["pass"]++ // the list is of the packaged version; others may know better
			case err == nil:
				t.Errorf("passes, but testdata/suite.txt lists it as out of scope: %s", reason)
			case reason == "":
				count["fail"]++
				t.Error(err)
			default:
				count["out of scope"]++
				t.Logf("out of scope: %s: %v", reason, err)
			}
		})
	}
	t.Logf("ONNX's own tests: %d pass, %d fail, %d are out of scope", count["pass"], count["fail"], count["out of scope"])
}

// suiteFixed are inputs that models hold as constants, by operator; those named
// in settings are that too.
var suiteFixed = map[string][]int{
	"ReduceSum": {1}, "ReduceMean": {1}, "ReduceMax": {1}, "ReduceMin": {1}, "ReduceProd": {1}, "ReduceL1": {1}, "ReduceL2": {1},
	"ReduceLogSum": {1}, "ReduceLogSumExp": {1}, "ReduceSumSquare": {1}, "Squeeze": {1}, "Unsqueeze": {1}, "Split": {1}, "CumSum": {1}, "CumProd": {1},
	"TopK": {1}, "Trilu": {1}, "Compress": {1}, "CenterCropPad": {1}, "Col2Im": {1, 2}, "OneHot": {1, 2}, "QuantizeLinear": {1, 2}, "DequantizeLinear": {1, 2},
	"ReverseSequence": {1}, "AffineGrid": {1}, "MaxUnpool": {1, 2}, "Scatter": {1}, "ScatterElements": {1}, "ScatterND": {1}, "TensorScatter": {2},
	"STFT": {1, 3}, "DFT": {1, 2}, "MelWeightMatrix": {0, 1, 2, 3, 4}, "HannWindow": {0}, "HammingWindow": {0}, "BlackmanWindow": {0},
	"If": {0}, "Loop": {0, 1}, "NonMaxSuppression": {2, 3, 4}, "Attention": {6}, "Multinomial": {}, "LSTM": {4}, "GRU": {4}, "RNN": {4},
	"RoiAlign": {2}, "SplitToSequence": {1}, "SequenceAt": {1}, "SequenceInsert": {2}, "SequenceErase": {1}, "Tile": {1, 2},
}

// run is nil for a pass.
func (c suiteCase) run() error {
	model, err := os.ReadFile(filepath.Join(c.dir, "model.onnx"))
	if err != nil {
		return err
	}
	sets, _ := filepath.Glob(filepath.Join(c.dir, "test_data_set_*"))
	if len(sets) == 0 {
		return errors.New("the case has no data")
	}
	for _, set := range sets {
		in, err := suiteTensors(set, "input")
		if err != nil {
			return err
		}
		out, err := suiteTensors(set, "output")
		if err != nil {
			return err
		}
		var why []error
		right := false
		for way := range 3 {
			wrong, err := suiteTry(model, in, out, way)
			if wrong {
				return err
			}
			if err == nil {
				right = true
			} else {
				why = append(why, err)
			}
		}
		if !right {
			return cmp.Or(why[len(why)-2], why[0])
		}
	}
	return nil
}

// suiteTensors reads what_0.pb, what_1.pb and so on.
func suiteTensors(dir, what string) (list []*tensorProto, err error) {
	for i := 0; ; i++ {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s_%d.pb", what, i)))
		if errors.Is(err, os.ErrNotExist) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		p := &tensorProto{}
		if err := (&reader{}).message(b, reflect.ValueOf(p).Elem(), 0); err != nil {
			return nil, fmt.Errorf("%s %d is no tensor: %w", what, i, err)
		}
		if _, err := p.check(); err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i, err)
		}
		list = append(list, p)
	}
}

// suiteTry runs the model with none (0), the fixed (1) or all (2) of its inputs
// as constants. Wrong values, and panics, are told from what is not supported.
func suiteTry(model []byte, in, out []*tensorProto, way int) (wrong bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			wrong, err = true, fmt.Errorf("panic: %v", r)
		}
	}()
	m, err := Parse(model)
	if err != nil {
		return false, err
	}
	g := m.proto.Graph
	fixed := map[string]bool{}
	for _, n := range g.Node {
		for _, i := range slices.Concat(settings[n.OpType], suiteFixed[n.OpType]) {
			if i < len(n.Input) {
				fixed[n.Input[i]] = true
			}
		}
	}
	inputs := slices.DeleteFunc(slices.Clone(g.Input), func(v *valueProto) bool {
		return slices.ContainsFunc(g.Initializer, func(t *tensorProto) bool { return t.Name == v.Name })
	})
	if len(inputs) != len(in) {
		inputs = g.Input
	}
	if len(inputs) != len(in) {
		return false, fmt.Errorf("%d inputs for a model of %d", len(in), len(inputs))
	}
	var args []*tensor.Tensor
	shapes := map[string][]int{}
	for i, v := range inputs {
		t := *in[i]
		if t.Name = v.Name; way == 2 || way == 1 && fixed[v.Name] {
			g.Initializer = append(g.Initializer, &t)
			g.Input = slices.DeleteFunc(g.Input, func(o *valueProto) bool { return o == v })
			continue
		}
		x, err := suiteTensor(&t)
		if err != nil {
			return false, err
		}
		args = append(args, x)
		shapes[v.Name] = t.shape()
	}
	n, err := m.Network(ImportOptions{Inputs: shapes})
	if err != nil {
		return false, err
	}
	prog, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, x []*tensor.Tensor) []*tensor.Tensor { return n.Run(x...) }, args...)
	if err != nil {
		return false, err
	}
	defer prog.Close()
	got, err := prog.Call(args...)
	if err != nil {
		return false, err
	}
	if len(got) != len(out) {
		return true, fmt.Errorf("%d outputs, want %d", len(got), len(out))
	}
	for i := range out {
		if err := suiteCompare(got[i], out[i]); err != nil {
			return true, fmt.Errorf("output %d, %s: %w", i, []string{"as it is", "fixed inputs as constants", "all inputs as constants"}[way], err)
		}
	}
	return false, nil
}

func suiteTensor(p *tensorProto) (*tensor.Tensor, error) {
	h, err := hostOf(p)
	if err != nil {
		return nil, err
	}
	if len(h.v) == 0 {
		return nil, fmt.Errorf("an input of shape %v", h.shape)
	}
	if dtype(h.kind) == tensor.Float32 {
		data := make([]float32, len(h.v))
		for i, v := range h.v {
			data[i] = float32(v)
		}
		return tensor.New(data, h.shape...), nil
	}
	data := make([]int32, len(h.v))
	for i, v := range h.v {
		data[i] = int32(saturated(tensor.Int32, v))
	}
	return tensor.FromInts(data, h.shape...).To(dtype(h.kind)), nil
}

// suiteCompare tells how got differs from want.
func suiteCompare(got *tensor.Tensor, want *tensorProto) error {
	h, err := hostOf(want)
	if err != nil {
		return err
	}
	if !slices.Equal(got.Shape(), h.shape) {
		return fmt.Errorf("shape %v, want %v", got.Shape(), h.shape)
	}
	if dt := got.DType().Compute(); dt != dtype(h.kind) {
		return fmt.Errorf("elements are %v, want %v", dt, dtype(h.kind))
	}
	off, first := 0, -1
	v := suiteNumbers(got)
	for i, w := range h.v {
		g := v[i]
		same := g == w || g != g && w != w || math.Abs(g-w) <= suiteAbs+suiteRel*math.Abs(w)
		if same = same && math.IsInf(g, 0) == math.IsInf(w, 0); !same {
			if off++; first < 0 {
				first = i
			}
		}
	}
	if off > 0 {
		return fmt.Errorf("%d of %d are wrong: element %d is %g, want %g", off, len(v), first, v[first], h.v[first])
	}
	return nil
}

func suiteNumbers(x *tensor.Tensor) []float64 {
	out := make([]float64, 0, x.Len())
	if x.DType().Compute() == tensor.Float32 {
		for _, v := range x.Floats() {
			out = append(out, float64(v))
		}
		return out
	}
	for _, v := range x.Ints() {
		out = append(out, float64(v))
	}
	return out
}
