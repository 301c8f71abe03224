package train

import (
	"bytes"
	"math"
	"testing"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// A preview shows what a step of the run trains on.
func TestPreviewIsWhatAStepSees(t *testing.T) {
	set := synthetic.Digits(40, 3)
	index := []int{3, 17, 3, 39, 0}
	for _, a := range []Augment{{Shift: 0.1, Rotate: 15, Scale: 0.1}, {Rotate: 40, Nearest: true}} {
		const step, seed = 11, 7
		p, err := NewPreview(device.CPU(), set, index, a, seed)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		got, err := p.Draw(step)
		if err != nil {
			t.Fatal(err)
		}
		// The step's own gather, with the scalars of a stepper.
		prep := PreprocessingOf(set)
		r := newResident(set, prep)
		prog, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
			at := make([]int32, len(index))
			for i, k := range index {
				at[i] = int32(k)
			}
			x, _ := r.batch(tr, tensor.FromInts(at), a)
			return []*tensor.Tensor{x}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer prog.Close()
		o := Options{Batch: len(index)}
		slots := slotsOf(prog)
		err = prog.Submit(1, func(_ int, s tensor.Scalars) {
			slots.fill(s, &o, int32(derive(seed, purposeDevice, 0)), 0, step, step, 0.1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := prog.Collect(func(int, []float32) {}); err != nil {
			t.Fatal(err)
		}
		x, err := prog.Result(0)
		if err != nil {
			t.Fatal(err)
		}
		want := x.Floats()
		for i, v := range want {
			pixel := (float64(v)*float64(prep.Std[0]) + float64(prep.Mean[0])) * 255
			if math.Abs(pixel-float64(got[i])) > 0.51 {
				t.Fatalf("%+v: pixel %d is %d in the preview and %v in the step", a, i, got[i], pixel)
			}
		}
		if other, err := p.Draw(step + 1); err != nil || bytes.Equal(other, got) {
			t.Errorf("another draw is the same: %v", err)
		}
		if bytes.Equal(got[:784], got[2*784:3*784]) {
			t.Error("an image is changed alike twice")
		}
	}
}

// Without bounds, and with the nearest pixel, values of the images alone come out.
func TestPreviewOfNothing(t *testing.T) {
	set := synthetic.Digits(5, 3)
	for _, near := range []bool{false, true} {
		p, err := NewPreview(device.CPU(), set, []int{4, 1}, Augment{Nearest: near}, 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Draw(0)
		if err != nil || !bytes.Equal(got[:784], set.Image(4)) || !bytes.Equal(got[784:], set.Image(1)) {
			t.Errorf("nearest %v: images are changed without bounds: %v", near, err)
		}
		p.Close()
	}
	p, err := NewPreview(device.CPU(), set, []int{2, 2, 2, 2}, Augment{Rotate: 30, Scale: 0.2, Shift: 0.1, Nearest: true}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got, err := p.Draw(5)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if !bytes.Contains(set.Image(2), []byte{v}) {
			t.Fatalf("pixel %d is %d, which the image does not have", i, v)
		}
	}
	for _, bad := range [][]int{nil, {5}, {-1}} {
		if _, err := NewPreview(device.CPU(), set, bad, Augment{}, 1); err == nil {
			t.Errorf("images %v of 5 were augmented", bad)
		}
	}
	if _, err := NewPreview(device.CPU(), set, []int{0}, Augment{Scale: 2}, 1); err == nil {
		t.Error("a scale of 2 was accepted")
	}
}
