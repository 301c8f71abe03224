package webonnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

func model() web.Model {
	rng := nn.NewRNG(2)
	return web.Model{Title: "shared", Classes: []string{"a", "b"},
		Net: nn.Sequential{nn.NewConv2d(rng, 3, 16, 3, nn.ConvOptions{}), nn.ReLU{},
			nn.Func(func(x *tensor.Tensor) *tensor.Tensor { return x.Reshape(x.Dim(0), -1) }), nn.NewLinear(rng, 16*36, 2, nn.LinearOptions{})},
		Preprocessing: train.Preprocessing{Channels: 3, Height: 8, Width: 8, Scale: 1.0 / 255, Mean: []float32{0, 0, 0}, Std: []float32{1, 1, 1}}}
}

func data(files []web.File, name string) []byte {
	return files[slices.IndexFunc(files, func(f web.File) bool { return f.Name == name })].Data
}

// TestWeightsAreShared: the ONNX file is small, and with the weights beside it
// computes what the network does.
func TestWeightsAreShared(t *testing.T) {
	for _, f16 := range []bool{false, true} {
		m := model()
		files, err := web.Write(m, web.Options{F16: f16})
		if err != nil {
			t.Fatal(err)
		}
		if files, err = Add(files, m, f16); err != nil {
			t.Fatal(err)
		}
		b, weights := data(files, File), data(files, web.WeightsFile)
		if len(b) > 2500 || len(b) > len(weights) {
			t.Errorf("float16 %v: %d bytes of ONNX beside %d of weights", f16, len(b), len(weights))
		}
		plan, err := web.ReadPlan(data(files, web.PlanFile))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if o := plan.Kernels.ONNX; o == nil || o.File != File || o.Bytes != len(b) || o.SHA256 != hex.EncodeToString(sum[:]) || o.Input != "input" || o.Output != "logits" {
			t.Errorf("the plan says %+v", o)
		}
		dir := t.TempDir()
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		read, err := onnx.Open(filepath.Join(dir, File))
		if err != nil {
			t.Fatal(err)
		}
		net, err := read.Network(onnx.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.New(nn.NewRNG(1).Uniform(2*3*64, -1, 1), 2, 3, 8, 8)
		p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{m.Net.Forward(in[0]).Sub(net.Forward(in[0])).Square().Sum().Sqrt()}
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		y, err := p.Call(x)
		if err != nil {
			t.Fatal(err)
		}
		limit := float32(1e-5)
		if f16 {
			limit = 1e-2 // the network itself is not rounded here
		}
		if d := y[0].Floats()[0]; !(d <= limit) {
			t.Errorf("float16 %v: the results differ by %g", f16, d)
		}
	}
}

func TestAddWithoutFiles(t *testing.T) {
	if _, err := Add(nil, model(), false); err == nil || !strings.Contains(err.Error(), web.PlanFile) {
		t.Error(err)
	}
	files, err := web.Write(model(), web.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if files[i].Name == web.WeightsFile {
			files[i].Data = bytes.Repeat([]byte{255}, 20)
		}
	}
	if _, err := Add(files, model(), false); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}
