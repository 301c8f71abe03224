package lab

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// compileForward makes the program for one image: what every layer returns and
// the probabilities, end to end in one result, because on a GPU each result is
// a wait of its own.
func (s *Session) compileForward() error {
	m := s.model
	if m.forward != nil {
		return nil
	}
	var err error
	m.forward, err = tensor.Compile(s.dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		x := m.input(in[0])
		var all []*tensor.Tensor
		for _, mod := range m.evaluated() {
			x = mod.Forward(x)
			if _, ok := mod.(nn.Flatten); !ok {
				all = append(all, x.Reshape(-1))
			}
		}
		return []*tensor.Tensor{tensor.Concat(0, append(all, x.Softmax(-1).Reshape(-1))...)}
	}, tensor.FromBytes(make([]byte, pixels), 1, pixels))
	if err != nil {
		return fmt.Errorf("compiling the network: %w", err)
	}
	return nil
}

// run1 gives what every layer returns for an image, and the probabilities.
func (s *Session) run1(image []byte) (acts []Activation, probabilities []float32, err error) {
	if len(image) != pixels {
		return nil, nil, fmt.Errorf("an image of %d bytes, want %d", len(image), pixels)
	}
	if err := s.compileForward(); err != nil {
		return nil, nil, err
	}
	out, err := s.model.forward.Call(tensor.FromBytes(image, 1, pixels))
	if err != nil {
		return nil, nil, err
	}
	v, err := out[0].Read()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range s.model.layers {
		n := size(l.out)
		acts = append(acts, Activation{Name: l.name, Shape: l.out, Values: v[:n:n]})
		v = v[n:]
	}
	return acts, v, nil
}

func (s *Session) predict(ctx context.Context, q *PredictRequest) (*PredictResult, error) {
	r := &PredictResult{}
	return r, s.do(ctx, s.quick, func() (err error) {
		if err := s.haveModel(); err != nil {
			return err
		}
		if err := s.compileForward(); err != nil {
			return err
		}
		begin := time.Now()
		r.Activations, r.Probabilities, err = s.run1(q.Pixels)
		r.Ms = since(begin)
		return err
	})
}

// maxDrawing bounds a drawing's pixels.
const maxDrawing = 16 << 20

// prepare needs no device, so it is answered at once.
func (s *Session) prepare(_ context.Context, q *PrepareRequest) (*PrepareResult, error) {
	if q.Width < 1 || q.Height < 1 || q.Width > maxDrawing/q.Height || len(q.Pixels) != q.Width*q.Height {
		return nil, fmt.Errorf("a drawing of %dx%d with %d pixels", q.Width, q.Height, len(q.Pixels))
	}
	img := &image.Gray{Pix: q.Pixels, Stride: q.Width, Rect: image.Rect(0, 0, q.Width, q.Height)}
	digit, err := data.DigitFromImage(img)
	if errors.Is(err, data.ErrBlank) {
		return &PrepareResult{make([]byte, pixels)}, nil
	}
	if err != nil {
		return nil, err
	}
	return &PrepareResult{digit}, nil
}
