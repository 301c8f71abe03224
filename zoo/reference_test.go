package zoo_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	. "github.com/weft-ml/weft/zoo"
)

// array reads a NumPy file of float32 in C order, which is all that this test
// meets.
func array(t *testing.T, path string) ([]float32, []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	m := regexp.MustCompile(`'descr': '<f4', 'fortran_order': False, 'shape': \(([0-9, ]*)\)`).FindSubmatch(b[:n])
	if m == nil {
		t.Fatalf("%s: header %q", path, b[:n])
	}
	var shape []int
	for _, f := range strings.FieldsFunc(string(m[1]), func(r rune) bool { return r == ',' || r == ' ' }) {
		d, _ := strconv.Atoi(f)
		shape = append(shape, d)
	}
	v := make([]float32, (len(b)-n)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[n+4*i:]))
	}
	return v, shape
}

// TestSqueezeNetOnItsReferences loads public weights, where they are on this
// machine ($WEFT_DATA/squeezenet1.1), and compares with the outputs that their
// authors computed.
func TestSqueezeNetOnItsReferences(t *testing.T) {
	dir := filepath.Join(os.Getenv("WEFT_DATA"), "squeezenet1.1")
	if _, err := os.Stat(dir); os.Getenv("WEFT_DATA") == "" || err != nil {
		t.Skip("no squeezenet1.1 in $WEFT_DATA")
	}
	net := SqueezeNet1_1(nn.NewRNG(1), 1000)
	// The files number convolutions in the order in which they are defined here.
	for i, p := range nn.Params(net) {
		kind := p.Name[strings.LastIndexByte(p.Name, '.')+1:]
		v, _ := array(t, filepath.Join(dir, "weights", fmt.Sprintf("squeezenet0_conv%d_%s.npy", i/2, kind)))
		if err := p.Value.Set(v); err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
	}
	prog, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{net.Forward(in[0])}
	}, tensor.Zeros(1, 3, 224, 224))
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	for k := range 3 {
		set := filepath.Join(dir, "test_data_set", strconv.Itoa(k))
		x, shape := array(t, filepath.Join(set, "input_0.npy"))
		want, _ := array(t, filepath.Join(set, "output_0.npy"))
		out, err := prog.Call(tensor.New(x, shape...))
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, v := range out[0].Floats() {
			worst = max(worst, math.Abs(float64(v-want[i])))
		}
		if !(worst <= 1e-3) {
			t.Errorf("input %d: outputs differ by %g", k, worst)
		}
		t.Logf("input %d: greatest difference %.2g", k, worst)
	}
}
