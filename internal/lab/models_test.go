package lab

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/data/synthetic"
)

// The models that come with the site load, read digits of another hand than
// the one they learned, and are as good as their list says.
func TestBuiltinModels(t *testing.T) {
	b := newBench(t, Options{Fetch: site("../../web/public")})
	ask[InitResult](b, "init", &InitRequest{Device: "cpu"})
	list := *ask[[]Builtin](b, "builtin", &Empty{})
	if len(list) == 0 {
		t.Fatal("no built-in models")
	}
	for _, m := range list {
		info := ask[ModelInfo](b, "use", &UseRequest{File: m.File})
		if info.Steps == 0 || len(info.Classes) != 10 || m.Title == "" {
			t.Errorf("%s: %+v", m.Name, info)
		}
		if s := b.model.score; s == nil || math.Abs(s.Accuracy-m.Accuracy) > 1e-9 || s.N != 10000 {
			t.Errorf("%s: the list says accuracy %v, the file %+v", m.Name, m.Accuracy, s)
		}
		b.test = synthetic.Digits(500, 4)
		if r := ask[TestResult](b, "test", &Empty{}); r.Accuracy < 0.8 {
			t.Errorf("%s reads %v of the synthetic digits", m.Name, r.Accuracy)
		}
	}
	for _, file := range []string{"", "../secret", "a/b.safetensors"} {
		if _, err := b.Handle(canceled(), "use", &UseRequest{File: file}); err == nil {
			t.Errorf("%q was used", file)
		}
	}
}
