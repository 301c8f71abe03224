package onnx

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Networks that others trained, from the data folder: ONNX files are made of
// their weights, node by node as exporters write them, and imported.

// dataFolder is $WEFT_DATA or the folder shared/data beside the repository, if
// name is in it.
func dataFolder(t *testing.T, name string) string {
	t.Helper()
	for _, root := range []string{os.Getenv("WEFT_DATA"), "../../../shared/data"} {
		if dir := filepath.Join(root, name); root != "" {
			if _, err := os.Stat(dir); err == nil {
				return dir
			}
		}
	}
	t.Skipf("no %s in WEFT_DATA (%q)", name, os.Getenv("WEFT_DATA"))
	return ""
}

// npy reads a file of NumPy's format 1.0 with float32 in C order.
func npy(t *testing.T, path string) (data []float32, shape []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := int(binary.LittleEndian.Uint16(b[8:]))
	_, text, _ := strings.Cut(string(b[10:10+n]), "'shape': (")
	text, _, _ = strings.Cut(text, ")")
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			d, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, d)
		}
	}
	for b := b[10+n:]; len(b) > 0; b = b[4:] {
		data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return data, shape
}

// maker writes ONNX graphs by hand.
type maker struct {
	g graphProto
	n int
}

func newMaker(shape ...dim) *maker {
	return &maker{g: graphProto{Name: "made", Input: []*valueProto{valueInfo("data", elemFloat, shape)}}}
}

func (m *maker) node(op string, in []string, attrs ...*attrProto) string {
	m.n++
	out := fmt.Sprintf("v%d", m.n)
	m.g.Node = append(m.g.Node, &nodeProto{OpType: op, Name: fmt.Sprintf("%s_%d", op, m.n), Input: in, Output: []string{out}, Attribute: attrs})
	return out
}

func (m *maker) weight(name string, data []float32, shape ...int) string {
	t := &tensorProto{Name: name, Dims: wide(shape)}
	t.setFloats(data, false)
	m.g.Initializer = append(m.g.Initializer, t)
	return name
}

// model finishes the graph and parses what is written of it.
func (m *maker) model(t *testing.T, out string) *Model {
	t.Helper()
	m.g.Output = []*valueProto{{Name: out}}
	made := &Model{proto: &modelProto{IRVersion: 8, OpsetImport: []*opsetProto{{Version: 17}}, Graph: &m.g}}
	var b bytes.Buffer
	if err := made.Write(&b); err != nil {
		t.Fatal(err)
	}
	back, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestSqueezeNetReproducesItsReferences(t *testing.T) {
	dir := dataFolder(t, "squeezenet1.1")
	m := newMaker(one, dim{0, 3}, dim{0, 224}, dim{0, 224})
	next := 0
	conv := func(x string, stride, pad int) string {
		var names []string
		for _, part := range []string{"weight", "bias"} {
			name := fmt.Sprintf("squeezenet0_conv%d_%s", next, part)
			data, shape := npy(t, filepath.Join(dir, "weights", name+".npy"))
			names = append(names, m.weight(name, data, shape...))
		}
		next++
		return m.node("Relu", []string{m.node("Conv", append([]string{x}, names...), ints("strides", stride, stride), ints("pads", pad, pad, pad, pad))})
	}
	pool := func(x string) string {
		return m.node("MaxPool", []string{x}, ints("kernel_shape", 3, 3), ints("strides", 2, 2))
	}
	fire := func(x string) string {
		s := conv(x, 1, 0)
		return m.node("Concat", []string{conv(s, 1, 0), conv(s, 1, 1)}, integer("axis", 1))
	}
	x := pool(conv("data", 2, 0))
	x = pool(fire(fire(x)))
	x = pool(fire(fire(x)))
	x = fire(fire(fire(fire(x))))
	x = conv(m.node("Dropout", []string{x}), 1, 0)
	x = m.node("Reshape", []string{m.node("GlobalAveragePool", []string{x}), m.int64s("shape", 0, -1)})
	net, err := m.model(t, x).Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, p := range net.Params() {
		count += p.Value.Len()
	}
	if count != 1235496 {
		t.Errorf("%d parameters", count)
	}
	for i := range 3 {
		in, shape := npy(t, fmt.Sprintf("%s/test_data_set/%d/input_0.npy", dir, i))
		want, wantShape := npy(t, fmt.Sprintf("%s/test_data_set/%d/output_0.npy", dir, i))
		got := compute(t, forward(net), tensor.New(in, shape...))[0]
		diff := 0.0
		for j, v := range got.Floats() {
			diff = max(diff, math.Abs(float64(v-want[j])))
		}
		if !slices.Equal(got.Shape(), wantShape) || !(diff < 1e-3) {
			t.Errorf("input %d: %v is %g apart", i, got.Shape(), diff)
		}
		t.Logf("input %d: at most %.2g apart, of scores up to %.0f", i, diff, slices.Max(want))
	}
}

func (m *maker) int64s(name string, v ...int) string {
	t := &tensorProto{Name: name, DataType: int64(elemInt64), Dims: []int64{int64(len(v))}}
	for _, n := range v {
		t.Int64Data = append(t.Int64Data, int64(n))
	}
	m.g.Initializer = append(m.g.Initializer, t)
	return name
}

// mobileNet is the graph of MobileNetV2 with its weights of eight bits.
func mobileNet(t *testing.T, dir string) *Model {
	// The file has gaps between its tensors, which package safetensors, like
	// the format's own reader, refuses; so its header is read here.
	b, err := os.ReadFile(filepath.Join(dir, "mobilenet_v2_1.0_224.int8.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	head := 8 + int(binary.LittleEndian.Uint64(b))
	var header map[string]struct {
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:head], &header); err != nil {
		t.Fatal(err)
	}
	raw := func(name string) ([]byte, []int) {
		e, ok := header[name]
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		return b[head+e.Offsets[0] : head+e.Offsets[1]], e.Shape
	}
	m := newMaker(dim{1, 0}, dim{0, 3}, dim{0, 224}, dim{0, 224})
	low, high := m.weight("zero", []float32{0}), m.weight("six", []float32{6})
	m.g.Initializer[0].Dims, m.g.Initializer[1].Dims = nil, nil
	conv := func(x, name string, stride, groups int, relu bool) string {
		data, shape := raw(name + ".weight")
		m.g.Initializer = append(m.g.Initializer, &tensorProto{Name: name + ".weight", DataType: int64(elemInt8), Dims: wide(shape), RawData: data})
		var names []string
		for _, part := range []string{".weight_scale", ".bias"} {
			data, shape := raw(name + part)
			names = append(names, name+part)
			m.g.Initializer = append(m.g.Initializer, &tensorProto{Name: name + part, DataType: int64(elemFloat), Dims: wide(shape), RawData: data})
		}
		w := m.node("DequantizeLinear", []string{name + ".weight", names[0]}, integer("axis", 0))
		x = m.node("Conv", []string{x, w, names[1]}, ints("strides", stride, stride), integer("group", groups), &attrProto{Name: "auto_pad", Type: attrString, S: []byte("SAME_UPPER")})
		if relu {
			x = m.node("Clip", []string{x, low, high})
		}
		return x
	}
	x := conv("data", "conv_0", 2, 1, true)
	outs := []int{16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320}
	in := 32
	for i, out := range outs {
		block := fmt.Sprintf("block_%d.", i+1)
		stride, before, wide := 1, x, in
		if slices.Contains([]int{2, 4, 7, 14}, i+1) {
			stride = 2
		}
		if i > 0 {
			wide = 6 * in
			x = conv(x, block+"expand", 1, 1, true)
		}
		x = conv(conv(x, block+"depthwise", stride, wide, true), block+"project", 1, 1, false)
		if stride == 1 && in == out {
			x = m.node("Add", []string{before, x})
		}
		in = out
	}
	x = m.node("GlobalAveragePool", []string{conv(x, "conv_18", 1, 1, true)})
	x = m.node("Flatten", []string{conv(x, "classifier", 1, 1, false)})
	return m.model(t, m.node("Softmax", []string{x}))
}

// photo is the middle of a picture, 224x224 of a shorter side of 256, as
// (value - mean) / deviation in [3, 224, 224].
func photo(t *testing.T, path string, mean, deviation float32) []float32 {
	t.Helper()
	img, err := data.PictureFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pixels, err := data.CutImage(img, 3, 224, 224, 256)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(pixels))
	for i, v := range pixels {
		out[i] = (float32(v) - mean) / deviation
	}
	return out
}

// shown are the classes that count as right for each of the sample photographs,
// from what CREDITS.txt says they show.
var shown = map[string][]int{
	"cat-chelsea.png": {281, 282, 285}, "cat-coral.jpg": {281, 282, 285}, "cat-caffe.jpg": {281, 282, 285}, "owl-coral.jpg": {24},
	"hotdog-coral.jpg": {934}, "dog-darknet.jpg": from(151, 269), "eagle-darknet.jpg": {22}, "horses-darknet.jpg": {339},
	"hen-tinygrad.jpg": {7, 8}, "car-tinygrad.jpg": {817, 436, 479, 511}, // sports car, wagon, car wheel, convertible
}

func TestMobileNetNamesPhotographs(t *testing.T) {
	model := mobileNet(t, dataFolder(t, "mobilenet_v2"))
	net, err := model.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := dataFolder(t, "images")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	var pixels []float32
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".jpg" || ext == ".png" {
			files = append(files, e.Name())
			pixels = append(pixels, photo(t, filepath.Join(dir, e.Name()), 127.5, 127.5)...)
		}
	}
	p, err := tensor.Compile(device.CPU(), forward(net), tensor.Zeros(1, 3, 224, 224))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	right := 0
	const each = 3 * 224 * 224
	for i, name := range files {
		out, err := p.Call(tensor.New(pixels[i*each:(i+1)*each], 1, 3, 224, 224))
		if err != nil {
			t.Fatal(err)
		}
		probs := out[0].Floats()
		order := from(0, len(probs))
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, float64(probs[b]-probs[a]))) })
		want := shown[name]
		if rest, ok := strings.CutPrefix(name, "in-"); ok {
			k, err := strconv.Atoi(rest[:4])
			if err != nil {
				t.Fatal(err)
			}
			want = []int{k}
		}
		found := slices.ContainsFunc(order[:5], func(k int) bool { return slices.Contains(want, k-1) }) // 0 is background
		if found {
			right++
		}
		t.Logf("%-24s %v: top five %v", name, found, order[:5])
	}
	t.Logf("%d of %d", right, len(files))
	if len(files) != 22 || right < 18 {
		t.Errorf("%d of %d photographs named", right, len(files))
	}
}
