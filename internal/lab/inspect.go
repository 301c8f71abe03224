package lab

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

const (
	defaultHz = 3
	maxHz     = 30
	// lookShare is how much of the time looking may take from training.
	lookShare = 0.1
	bins      = 32
)

// inspection is what the page wants to see.
type inspection struct {
	on      bool
	every   time.Duration
	next    time.Time
	pixels  []byte
	sample  int
	weights bool
	ratios  map[string]float64 // of the last update that was watched
}

func (i *inspection) due() bool { return i.on && !time.Now().Before(i.next) }

func (s *Session) setInspect(ctx context.Context, q *InspectRequest) (*Empty, error) {
	return &Empty{}, s.do(ctx, s.quick, func() error {
		i := &s.inspect
		if !q.On {
			*i = inspection{}
			return nil
		}
		if err := s.haveModel(); err != nil {
			return err
		}
		if q.Pixels != nil && len(q.Pixels) != pixels {
			return fmt.Errorf("an image of %d bytes, want %d", len(q.Pixels), pixels)
		}
		hz := q.Hz
		if !(hz > 0) {
			hz = defaultHz
		}
		i.on, i.every = true, time.Duration(float64(time.Second)/min(hz, maxHz))
		i.pixels, i.sample, i.weights = q.Pixels, q.Sample, q.Weights
		if s.run != nil && s.run.state == Running {
			return nil // the next submit shows it
		}
		return s.look()
	})
}

// shown is the image whose activations are shown.
func (s *Session) shown() []byte {
	i := &s.inspect
	if i.pixels != nil {
		return i.pixels
	}
	if s.test != nil && s.test.N > 0 {
		return s.test.Image(((i.sample % s.test.N) + s.test.N) % s.test.N)
	}
	return make([]byte, pixels)
}

// compileFlat makes the program that returns all parameters and their
// gradients on the next batch, end to end, in one result.
func (s *Session) compileFlat() error {
	t := s.run
	m := t.model
	if m.flat != nil {
		return nil
	}
	params := nn.Values(nn.Params(m.net))
	var err error
	m.flat, err = tensor.Compile(s.dev, func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		x, labels := t.steps.NextBatch(tr, tr.Int("at"))
		loss := nn.CrossEntropy(m.net.Forward(x), labels, nn.ClassOptions{Smoothing: t.opts.LabelSmoothing})
		var all []*tensor.Tensor
		for _, v := range params {
			all = append(all, v.Reshape(-1))
		}
		for _, g := range tensor.Grad(loss, params...) {
			all = append(all, g.Reshape(-1))
		}
		return []*tensor.Tensor{tensor.Concat(0, all...)}
	})
	if err != nil {
		return fmt.Errorf("compiling the view of the gradients: %w", err)
	}
	return nil
}

// readFlat gives the parameters and their gradients, each end to end.
func (s *Session) readFlat() (params, grads []float32, err error) {
	if err := s.compileFlat(); err != nil {
		return nil, nil, err
	}
	flat := s.run.model.flat
	if err := flat.SetScalar("at", float64(s.run.steps.Position())); err != nil {
		return nil, nil, err
	}
	out, err := flat.Call()
	if err != nil {
		return nil, nil, err
	}
	v, err := out[0].Read()
	if err != nil {
		return nil, nil, err
	}
	return v[:len(v)/2], v[len(v)/2:], nil
}

// look sends what there is to see. While training it does one update on its
// own, so as to see what that changes.
func (s *Session) look() error {
	i, t := &s.inspect, s.run
	begin := time.Now()
	if err := s.drain(); err != nil {
		return err
	}
	var params, grads []float32
	var err error
	if t != nil && t.model == s.model {
		if params, grads, err = s.readFlat(); err != nil {
			return err
		}
		if t.state == Running && t.steps.Left() > 0 {
			if err := t.submit(1); err != nil {
				return err
			}
			if err := s.drain(); err != nil {
				return err
			}
			before := params
			if params, _, err = s.readFlat(); err != nil {
				return err
			}
			i.ratios = s.model.ratios(before, params)
		}
	}
	e, err := s.view(params, grads)
	if err != nil {
		return err
	}
	if i.on {
		took := time.Since(begin)
		i.next = begin.Add(max(i.every, time.Duration(float64(took)/lookShare)))
	}
	s.opts.Emit("inspect", e)
	return nil
}

// each calls f for the layers with parameters and where theirs lie end to end.
func (m *model) each(f func(l layer, from, to int)) {
	at := 0
	for _, l := range m.layers {
		if l.linear != nil {
			n := nn.Count(nn.Params(l.linear))
			f(l, at, at+n)
			at += n
		}
	}
}

// ratios is |after - before| / |before| of each layer.
func (m *model) ratios(before, after []float32) map[string]float64 {
	r := map[string]float64{}
	m.each(func(l layer, from, to int) {
		diff, size := 0.0, 0.0
		for k := from; k < to; k++ {
			d := float64(after[k]) - float64(before[k])
			diff += d * d
			size += float64(before[k]) * float64(before[k])
		}
		r[l.name] = math.Sqrt(diff) / max(math.Sqrt(size), 1e-30)
	})
	return r
}

// view builds the event; without a run there are no gradients and the
// parameters are read one by one.
func (s *Session) view(params, grads []float32) (*InspectEvent, error) {
	m := s.model
	picture := s.shown()
	acts, _, err := s.run1(picture)
	if err != nil {
		return nil, err
	}
	if params == nil {
		for _, p := range nn.Params(m.net) {
			x, err := p.Value.Read()
			if err != nil {
				return nil, err
			}
			params = append(params, x...)
		}
	}
	e := &InspectEvent{Step: m.steps, Pixels: picture}
	for k, l := range m.layers {
		e.Layers = append(e.Layers, LayerView{
			Name:        l.name,
			Activations: &Tensor{acts[k].Shape, acts[k].Values}, ActivationHist: histogram(acts[k].Values),
		})
	}
	m.each(func(l layer, from, to int) {
		v := &e.Layers[m.index(l.name)]
		n := l.linear.Weight.Len()
		v.Bias = params[from+n : to]
		v.WeightHist = histogram(params[from : from+n])
		if s.inspect.weights {
			v.Weights = &Tensor{l.linear.Weight.Shape(), params[from : from+n]}
		}
		if grads != nil {
			v.Grad = &Grad{norm(grads[from:to])}
			v.GradHist = histogram(grads[from : from+n])
		}
		if r, ok := s.inspect.ratios[l.name]; ok {
			v.Update = &Update{r}
		}
	})
	return e, nil
}

func (m *model) index(name string) int {
	for i, l := range m.layers {
		if l.name == name {
			return i
		}
	}
	return -1
}

func norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// histogram counts x in equal bins. Equal values, whose range is empty, get one
// of width 1 about them.
func histogram(x []float32) *Hist {
	finite := func(v float32) bool { return v-v == 0 }
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range x {
		if finite(v) {
			lo, hi = min(lo, float64(v)), max(hi, float64(v))
		}
	}
	h := &Hist{Lo: lo, Hi: hi, Counts: make([]uint32, bins)}
	if lo > hi {
		h.Lo, h.Hi = -0.5, 0.5
		return h
	}
	if scale := bins / (hi - lo); math.IsInf(scale, 0) || hi-lo < 1e-6*max(math.Abs(lo), math.Abs(hi)) {
		h.Lo, h.Hi = lo-0.5, hi+0.5
	}
	scale := bins / (h.Hi - h.Lo)
	for _, v := range x {
		if finite(v) {
			h.Counts[min(bins-1, int((float64(v)-h.Lo)*scale))]++
		}
	}
	return h
}
