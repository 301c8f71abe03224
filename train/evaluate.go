// An evaluation must count every image exactly once, also when the number of
// images is no multiple of the batch, and must not wait for the device after
// each batch.

package train

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Score is the result of an evaluation.
type Score struct {
	Loss     float64 `json:"loss"` // mean cross-entropy
	Accuracy float64 `json:"accuracy"`
	N        int     `json:"n"`
	Steps    int     `json:"-"` // batches that the evaluation took
	// Confusion counts images: Confusion[i][j] of class i were taken for j.
	Confusion [][]int `json:"confusion"`
}

// evaluator runs a model over a whole data set: every image exactly once. The
// last batch is filled up with repeats of the last image, whose weight is 0,
// so that one program serves all batches. The confusion matrix grows on the
// device, so that nothing is read back but two sums a batch.
type evaluator struct {
	data      *resident
	prog      *tensor.Program
	confusion *tensor.Tensor
	batch     int
	classes   int
	at        int    // slot
	between   func() // called while the device works, or nil
}

// evalBatch balances the work of a step against the memory of activations.
const (
	evalBatch      = 500
	leastEvalBatch = 32
)

// Submits are of evalChunk batches, where one takes less than evalSubmit.
const (
	evalChunk  = 4
	evalSubmit = 100 * time.Millisecond
)

// newEvaluator compiles an evaluation in the given batches, or usual ones if
// that is 0.
func newEvaluator(dev *device.Device, m nn.Module, d *data.Dataset, prep Preprocessing, batch int) (*evaluator, error) {
	if batch == 0 {
		batch = evalBatch
	}
	if dev == nil {
		dev = device.CPU()
	}
	if d.N == 0 {
		return nil, fmt.Errorf("data set %s is empty", d.Name)
	}
	k := len(d.Classes)
	e := &evaluator{data: newResident(d, prep), classes: k}
	e.confusion = tensor.NewVariable("confusion", make([]float32, k*k), k, k)
	var err error
	// A device may lack the memory for the activations of so many images.
	for e.batch = min(batch, d.N); ; e.batch /= 4 {
		if e.prog, err = e.compile(dev, m); err == nil || e.batch <= leastEvalBatch {
			break
		}
	}
	if err != nil {
		e.data.free()
		return nil, fmt.Errorf("compiling the evaluation: %w", err)
	}
	e.at = e.prog.Slot("at")
	return e, nil
}

// compile makes the program that evaluates a batch.
func (e *evaluator) compile(dev *device.Device, m nn.Module) (*tensor.Program, error) {
	return tensor.Compile(dev, func(t *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		pos := tensor.Arange(e.batch).Add(t.Int("at"))
		last := whole(e.data.n - 1)
		weight := pos.Le(last).To(tensor.Float32)
		x, labels := e.data.batch(t, pos.Minimum(last), Augment{})
		logits := m.Forward(x)
		if logits.Dims() != 2 || logits.Dim(1) < e.classes {
			panic(fmt.Sprintf("the model returns %v for %d classes", logits.Shape(), e.classes))
		}
		pred := logits.Argmax(1)
		truth := labels.OneHot(e.classes).To(tensor.Float32).Mul(weight.Unsqueeze(1))
		t.Assign(e.confusion, e.confusion.Add(truth.Transpose(0, 1).MatMul(pred.OneHot(e.classes).To(tensor.Float32))))
		loss := nn.CrossEntropy(logits, labels, nn.ClassOptions{Reduction: nn.None}).Mul(weight).Sum()
		return []*tensor.Tensor{loss}
	})
}

// run evaluates the model as it is now.
func (e *evaluator) run(ctx context.Context) (*Score, error) {
	if err := e.confusion.Set(make([]float32, e.classes*e.classes)); err != nil {
		return nil, err
	}
	loss := 0.0
	collect := func() error {
		_, err := e.prog.Collect(func(_ int, r []float32) { loss += float64(r[0]) })
		return err
	}
	// Submits of a slow network are short, so that whoever waits for something
	// else is not kept waiting.
	chunk, flying := 1, 0
	begin := time.Now()
	for at := 0; at < e.data.n; {
		n := min(chunk, (e.data.n-at+e.batch-1)/e.batch)
		first := at
		err := e.prog.Submit(n, func(step int, s tensor.Scalars) { s.SetInt(e.at, int32(first+step*e.batch)) })
		if err != nil {
			return nil, err
		}
		at += n * e.batch
		if flying++; flying == 2 {
			if err := collect(); err != nil {
				return nil, err
			}
			flying--
			now := time.Now()
			if chunk = 1; now.Sub(begin) < evalSubmit {
				chunk = evalChunk
			}
			begin = now
		}
		if e.between != nil {
			e.between()
		}
		if err := context.Cause(ctx); err != nil {
			for ; flying > 0; flying-- {
				collect()
			}
			return nil, err
		}
	}
	for ; flying > 0; flying-- {
		if err := collect(); err != nil {
			return nil, err
		}
	}
	counts, err := e.confusion.Read()
	if err != nil {
		return nil, err
	}
	s := &Score{N: e.data.n, Steps: (e.data.n + e.batch - 1) / e.batch, Loss: loss / float64(e.data.n), Confusion: make([][]int, e.classes)}
	right := 0
	for i := range s.Confusion {
		s.Confusion[i] = make([]int, e.classes)
		for j := range s.Confusion[i] {
			s.Confusion[i][j] = int(counts[i*e.classes+j])
		}
		right += s.Confusion[i][i]
	}
	s.Accuracy = float64(right) / float64(e.data.n)
	return s, nil
}

func (e *evaluator) close() {
	if e != nil {
		e.prog.Close()
		e.confusion.Free()
		e.data.free()
	}
}

// Evaluate runs model over every image of d once.
func Evaluate(ctx context.Context, dev *device.Device, m nn.Module, d *data.Dataset, prep Preprocessing) (*Score, error) {
	e, err := newEvaluator(dev, m, d, prep, 0)
	if err != nil {
		return nil, err
	}
	defer e.close()
	return e.run(ctx)
}

// mirrored is a model that looks at each image and at its mirror image.
type mirrored struct{ nn.Module }

func (m mirrored) Forward(x *tensor.Tensor) *tensor.Tensor {
	return m.Module.Forward(x).Add(m.Module.Forward(x.Flip(3))).MulScalar(0.5)
}

// Evaluated is the model as o says that it is evaluated.
func (o *Options) Evaluated(m nn.Module) nn.Module {
	if o.TestFlip {
		return mirrored{m}
	}
	return m
}
