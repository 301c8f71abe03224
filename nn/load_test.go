package nn

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
)

func stored(t *testing.T, ts ...safetensors.Tensor) *safetensors.File {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, ts, nil); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func loadNet() Sequential {
	return Sequential{NewLinear(NewRNG(1), 2, 3, LinearOptions{}), NewBatchNorm(3, BatchNormOptions{})}
}

// state is a state dict of loadNet as PyTorch writes it, with names behind
// prefix.
func state(prefix string) []safetensors.Tensor {
	return []safetensors.Tensor{
		safetensors.Float16(prefix+"0.weight", []int{3, 2}, []float32{1, 2, 3, 4, 5, 6}),
		safetensors.Float32(prefix+"0.bias", []int{3}, []float32{7, 8, 9}),
		safetensors.Float32(prefix+"1.weight", []int{3}, []float32{1, 1, 2}),
		safetensors.Float32(prefix+"1.bias", []int{3}, []float32{0, 0, 3}),
		safetensors.Float32(prefix+"1.running_mean", []int{3}, []float32{0, 0, 4}),
		safetensors.Float32(prefix+"1.running_var", []int{3}, []float32{1, 1, 5}),
		safetensors.Int64(prefix+"1.num_batches_tracked", nil, []int64{77}),
	}
}

func TestLoadStateDicts(t *testing.T) {
	for _, prefix := range []string{"", "module.", "module._orig_mod."} {
		for _, counter := range []bool{true, false} {
			net, ts := loadNet(), state(prefix)
			want := int32(77)
			if !counter {
				ts, want = ts[:6], 0
			}
			r, err := Load(Params(net), stored(t, ts...), LoadOptions{Foreign: true})
			if err != nil || !r.Complete() || r.Loaded != len(ts) || r.Prefix != prefix {
				t.Fatalf("prefix %q: %v, %v", prefix, err, r)
			}
			bn := net[1].(*BatchNorm)
			if w := net[0].(*Linear).Weight.Floats(); !slices.Equal(w, []float32{1, 2, 3, 4, 5, 6}) || bn.RunningVar.Floats()[2] != 5 || bn.NumBatchesTracked.Ints()[0] != want {
				t.Errorf("prefix %q: loaded %v, %v, %v", prefix, w, bn.RunningVar.Floats(), bn.NumBatchesTracked.Ints())
			}
		}
	}
}

func TestLoadReportsAllAtOnce(t *testing.T) {
	ts := state("")
	ts[0] = safetensors.Float32("0.weight", []int{2, 3}, make([]float32, 6))
	ts[1].Name = "0.beta"
	ts[6] = safetensors.Float32("1.num_batches_tracked", nil, []float32{1})
	net := loadNet()
	before := Params(net)[2].Value.Floats()[2]
	r, err := Load(Params(net), stored(t, ts...), LoadOptions{Foreign: true})
	if err != nil || r.Complete() {
		t.Fatal(err, r)
	}
	text := r.String()
	for _, want := range []string{"4 tensors fit", "missing in the file: 0.bias", "unexpected in the file: 0.beta", "0.weight is F32[2 3], want", "1.num_batches_tracked is F32"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if got := Params(net)[2].Value.Floats()[2]; got != before {
		t.Error("something was loaded although not all of it fits")
	}
	if r, err = Load(Params(net), stored(t, ts...), LoadOptions{Foreign: true, Partial: true}); err != nil || Params(net)[2].Value.Floats()[2] != 2 {
		t.Errorf("%v: what fits was not loaded: %v", err, r)
	}
	if r, _ = Load(Params(net), stored(t, state("")[:6]...), LoadOptions{}); r.Complete() || len(r.Missing) != 1 {
		t.Errorf("a missing counter is fine only in files of others: %v", r)
	}
	ignored, _ := Load(Params(net), stored(t, ts...), LoadOptions{Ignore: func(n string) bool { return n == "0.beta" }})
	if len(ignored.Unexpected) != 0 {
		t.Errorf("unexpected %v", ignored.Unexpected)
	}
	many := &LoadReport{Missing: []string{"a", "b", "c"}}
	if s := many.Text(2); !strings.Contains(s, "a, b, and 1 more") {
		t.Error(s)
	}
}
