package webonnx

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func written(t *testing.T, m web.Model, change func(*onnx.Model)) []byte {
	t.Helper()
	o, err := Export(m, false)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(o)
	}
	var b bytes.Buffer
	if err := o.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestConvert(t *testing.T) {
	bare := func(m *onnx.Model) { clear(m.Metadata) }
	for _, c := range []struct {
		name    string
		change  func(*onnx.Model)
		opt     ConvertOptions
		classes []string
		mean    float32
	}{
		{"what the file says", nil, ConvertOptions{Normalize: "signed"}, []string{"a", "b"}, 0},
		{"names given", nil, ConvertOptions{ClassNames: "cat\n\n dog \n"}, []string{"cat", "dog"}, 0},
		{"names of others", nil, ConvertOptions{ClassNames: "cat\n"}, []string{"a", "b"}, 0},
		{"nothing said", bare, ConvertOptions{}, []string{"0", "1"}, 0.485},
		{"signed", bare, ConvertOptions{Normalize: "signed"}, []string{"0", "1"}, 0.5},
	} {
		c.opt.Title = "converted"
		files, err := Convert(written(t, model(), c.change), c.opt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		plan, err := web.ReadPlan(data(files, web.PlanFile))
		if err != nil {
			t.Fatal(err)
		}
		if plan.Model != "converted" || !slices.Equal(plan.Classes, c.classes) || plan.Input.Mean[0] != c.mean || plan.Kernels.ONNX == nil {
			t.Errorf("%s: %q, classes %q, mean %g", c.name, plan.Model, plan.Classes, plan.Input.Mean)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	tall := model()
	tall.Net = nn.Func(func(x *tensor.Tensor) *tensor.Tensor { return x.Mean(2, 3) })
	tall.Preprocessing.Channels = 2
	for want, b := range map[string][]byte{
		"not a valid ONNX model": []byte("text"),
		"does not take pictures": written(t, tall, nil),
		"does not fit its input": written(t, model(), func(m *onnx.Model) { m.Metadata[onnx.MetaPreprocessing] = `{"channels":1}` }),
		"metadata":               written(t, model(), func(m *onnx.Model) { m.Metadata[onnx.MetaPreprocessing] = `no JSON` }),
	} {
		if _, err := Convert(b, ConvertOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
