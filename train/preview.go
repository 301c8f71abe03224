// People choose an augmentation by looking at it. What they are shown is drawn
// by the code that the step runs, on the device that it runs on, so that a
// preview cannot promise what training does not do.

package train

import (
	"errors"
	"fmt"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Preview augments images as training steps do.
type Preview struct {
	images *tensor.Tensor
	prog   *tensor.Program
	seed   int32
}

// NewPreview compiles the augmentation of the images of d that index lists,
// with the random numbers of a run of that seed.
func NewPreview(dev *device.Device, d *data.Dataset, index []int, a Augment, seed uint64) (*Preview, error) {
	if bad := append(a.check(), a.checkSide(d.H, d.W)...); len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	if len(index) == 0 {
		return nil, fmt.Errorf("a preview of no images")
	}
	size := d.ImageSize()
	images := make([]byte, 0, len(index)*size)
	for _, i := range index {
		if i < 0 || i >= d.N {
			return nil, fmt.Errorf("no image %d: there are %d", i, d.N)
		}
		images = append(images, d.Image(i)...)
	}
	prep := PreprocessingOf(d)
	flat := tensor.FromBytes(images, len(images))
	prog, err := tensor.Compile(dev, func(t *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{a.read(t, flat, tensor.Arange(len(index)), &prep)}
	})
	if err != nil {
		return nil, fmt.Errorf("compiling the augmentation: %w", err)
	}
	return &Preview{flat, prog, int32(derive(seed, purposeDevice, 0))}, nil
}

// Draw returns the images end to end as bytes, with the random numbers that
// update step, counted from 0, has for the images of its batch.
func (p *Preview) Draw(step int) ([]byte, error) {
	for name, v := range map[string]int{"seed": int(p.seed), "step": step} {
		if err := p.prog.SetScalar(name, float64(v)); err != nil {
			return nil, err
		}
	}
	out, err := p.prog.Call()
	if err != nil {
		return nil, err
	}
	v, err := out[0].Read()
	if err != nil {
		return nil, err
	}
	b := make([]byte, len(v))
	for i, x := range v {
		b[i] = byte(min(max(x+0.5, 0), 255))
	}
	return b, nil
}

// Close returns the device memory.
func (p *Preview) Close() {
	p.prog.Close()
	p.images.Free()
}
