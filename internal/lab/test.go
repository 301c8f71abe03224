package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

const (
	testBatch   = 250
	valBatch    = 500
	maxMistakes = 400
	// batchWork is about how many operations one batch of a test may take, so
	// that short requests are served soon even where the network is large and
	// the device slow.
	batchWork = 2e9
)

// batch is how many images, at most most, the network is tested on at once.
func (m *model) batch(most int) int {
	flops := 1
	for _, l := range m.layers {
		flops += l.flops
	}
	return min(max(batchWork/flops, 32), most)
}

// runTest runs the network over every test image once. The last batch is filled
// up with its last image, which is counted once.
func (s *Session) runTest(ctx context.Context, _ *Empty) (*TestResult, error) {
	r := &TestResult{}
	return r, s.do(ctx, s.slow, func() error {
		if err := s.haveModel(); err != nil {
			return err
		}
		d, m := s.test, s.model
		if d == nil || d.N == 0 {
			return hinted("Choose a data set first.", errors.New("there are no test images"))
		}
		k := len(m.classes)
		if k != len(d.Classes) {
			return hinted("Choose the data that the network was made for.", fmt.Errorf("the network knows %d classes, the data has %d", k, len(d.Classes)))
		}
		if err := s.drain(); err != nil {
			return err
		}
		n := min(m.batch(testBatch), d.N)
		images, labels := tensor.Shared(d.Images, d.N, d.ImageSize()), tensor.Shared(d.Labels, d.N)
		defer images.Free()
		defer labels.Free()
		p, err := tensor.Compile(s.dev, func(t *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
			at := tensor.Arange(n).Add(t.Int("at")).Minimum(tensor.FromInts([]int32{int32(d.N - 1)}))
			logits := m.evaluated().Forward(m.input(images.IndexSelect(0, at)))
			truth := labels.IndexSelect(0, at).To(tensor.Int32)
			loss := nn.CrossEntropy(logits, truth, nn.ClassOptions{Reduction: nn.None})
			return []*tensor.Tensor{tensor.Concat(0, logits.Argmax(1).To(tensor.Float32), logits.Softmax(1).Amax(1), loss)}
		})
		if err != nil {
			return fmt.Errorf("compiling the test: %w", err)
		}
		defer p.Close()
		*r = TestResult{Confusion: make([][]int, k), Precision: make([]float64, k), Recall: make([]float64, k), Mistakes: []Mistake{}}
		for i := range r.Confusion {
			r.Confusion[i] = make([]int, k)
		}
		right := 0
		for at := 0; at < d.N; at += n {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.model != m {
				return errors.New("another model was chosen during the test")
			}
			if err := p.SetScalar("at", float64(at)); err != nil {
				return err
			}
			out, err := p.Call()
			if err != nil {
				return err
			}
			v, err := out[0].Read()
			if err != nil {
				return err
			}
			for i := range min(n, d.N-at) {
				label, predicted := int(d.Labels[at+i]), int(v[i])
				r.Confusion[label][predicted]++
				r.Loss += float64(v[2*n+i])
				if label == predicted {
					right++
					continue
				}
				r.Mistakes = append(r.Mistakes, Mistake{at + i, label, predicted, float64(v[n+i]), d.Image(at + i)})
			}
			s.opts.Emit("test", &TestEvent{min(at+n, d.N), d.N})
			s.breathe()
		}
		r.Loss /= float64(d.N)
		r.Accuracy = float64(right) / float64(d.N)
		r.rates()
		slices.SortStableFunc(r.Mistakes, func(a, b Mistake) int {
			switch {
			case a.Probability > b.Probability:
				return -1
			case a.Probability < b.Probability:
				return 1
			}
			return a.Index - b.Index
		})
		r.Mistakes = r.Mistakes[:min(len(r.Mistakes), maxMistakes)]
		m.score = &train.Score{Loss: r.Loss, Accuracy: r.Accuracy, N: d.N, Confusion: r.Confusion}
		return nil
	})
}

// rates computes precision and recall. A class that was never predicted, or
// has no images, has 0.
func (r *TestResult) rates() {
	for c := range r.Confusion {
		row, column := 0, 0
		for j := range r.Confusion {
			row += r.Confusion[c][j]
			column += r.Confusion[j][c]
		}
		hit := float64(r.Confusion[c][c])
		r.Recall[c] = hit / float64(max(1, row))
		r.Precision[c] = hit / float64(max(1, column))
	}
}
