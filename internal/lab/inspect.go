package lab

import (
	"context"
	"fmt"
	"math"
	"slices"
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

// inspection is what the page wants to see. Activations take one image,
// gradients a whole batch, forward and back, so each has its own pace.
type inspection struct {
	on      bool
	every   time.Duration
	next    time.Time // of activations
	deep    time.Time // of what follows from parameters
	pixels  []byte
	sample  int
	weights bool
	model   *model                // that parts and ratios are of
	step    int                   // that parts are of
	parts   map[string]*LayerView // what followed from parameters then
	ratios  map[string]float64    // of the last update that was watched
	// The gradients of one layer, the one whose weights are looked at: those of
	// all would double what a large network takes.
	layer          string
	grad, biasGrad []float32
	gradOf         string // the layer that they are of
}

func (i *inspection) due() bool { return i.on && !time.Now().Before(i.next) }

func (s *Session) setInspect(ctx context.Context, q *InspectRequest) (*Empty, error) {
	return &Empty{}, s.do(ctx, s.quick, func() error {
		i := &s.inspect
		if !q.On {
			*i = inspection{}
			return nil
		}
		more := !i.on || q.Weights && !i.weights
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
			if more {
				i.next, i.deep = time.Time{}, time.Time{}
			}
			return nil // the next submit shows it
		}
		return s.look(more || i.deep.IsZero() || i.step != s.model.steps)
	})
}

// shown is the image whose activations are shown, and its class if that is known.
func (s *Session) shown() (image []byte, label int) {
	i := &s.inspect
	if i.pixels != nil {
		return i.pixels, -1
	}
	if s.test != nil && s.test.N > 0 {
		at := ((i.sample % s.test.N) + s.test.N) % s.test.N
		return s.test.Image(at), int(s.test.Labels[at])
	}
	return make([]byte, pixels), -1
}

// compileFlat makes the program that returns all parameters and their
// gradients on the next batch, end to end, in one result.
func (s *Session) compileFlat() error {
	t := s.run
	m := t.model
	if m.flat != nil {
		return nil
	}
	params := nn.Values(nn.Trainable(m.net))
	net := m.watched()
	var err error
	m.flat, err = tensor.Compile(s.dev, func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		x, labels := t.steps.NextBatch(tr, tr.Int("at"))
		loss := nn.CrossEntropy(net.Forward(x), labels, nn.ClassOptions{Smoothing: t.opts.LabelSmoothing})
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

// watched is the network as training sees it, without what training leaves
// behind: batch norm takes the batch's statistics, but moves other running ones
// than the network's; and nothing is dropped.
func (m *model) watched() nn.Sequential {
	net := slices.Clone(m.net)
	for i, mod := range net {
		switch mod := mod.(type) {
		case *nn.BatchNorm:
			own := *mod
			other := nn.NewBatchNorm(own.RunningMean.Len(), nn.BatchNormOptions{NoAffine: true})
			own.RunningMean, own.RunningVar, own.NumBatchesTracked = other.RunningMean, other.RunningVar, other.NumBatchesTracked
			m.scratch = append(m.scratch, nn.Params(other)...)
			net[i] = &own
		case nn.Dropout:
			net[i] = nn.Identity{}
		}
	}
	return net
}

// readFlat gives the parameters and their gradients, each end to end.
func (s *Session) readFlat() (params, grads []float32, err error) {
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

// watching reports whether the network that is looked into is the one in
// training.
func (s *Session) watching() bool { return s.run != nil && s.run.model == s.model }

// look sends what there is to see; deep looks at gradients anew. While training
// that takes one update on its own, so as to see what it changes.
func (s *Session) look(deep bool) error {
	i, t := &s.inspect, s.run
	if err := s.drain(); err != nil {
		return err
	}
	// What happens once is no part of a view's time.
	if err := s.compileForward(); err != nil {
		return err
	}
	deep = deep || i.model != s.model
	if deep && s.watching() {
		if err := s.compileFlat(); err != nil {
			return err
		}
	}
	begin := time.Now()
	// A view may take its share of the time, but a slow one is still shown now
	// and then.
	pause := func(from time.Time) time.Time {
		return from.Add(max(i.every, time.Duration(float64(time.Since(from))/lookShare)))
	}
	if deep {
		if err := s.lookDeep(); err != nil {
			return err
		}
		i.deep = pause(begin)
		begin = time.Now()
	}
	m := s.model
	image, label := s.shown()
	acts, _, err := s.run1(image)
	if err != nil {
		return err
	}
	e := &InspectEvent{Step: m.steps, Pixels: image, Label: label}
	for k, l := range m.layers {
		v := LayerView{Name: l.name}
		if p := i.parts[l.name]; p != nil && i.model == m {
			v = *p
		}
		v.Activations, v.ActivationHist = &Tensor{acts[k].Shape, acts[k].Values}, histogram(acts[k].Values)
		e.Layers = append(e.Layers, v)
	}
	i.next = pause(begin)
	if t != nil {
		t.last = time.Now()
	}
	s.opts.Emit("inspect", e)
	return nil
}

// lookDeep looks at the parameters and, in a run, at their gradients.
func (s *Session) lookDeep() error {
	i, t, m := &s.inspect, s.run, s.model
	var params, grads []float32
	var err error
	if i.model != m {
		i.ratios = nil
	}
	if !s.watching() {
		for _, p := range nn.Trainable(m.net) {
			x, err := p.Value.Read()
			if err != nil {
				return err
			}
			params = append(params, x...)
		}
	} else {
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
			i.ratios = m.ratios(before, params)
		}
	}
	i.model, i.step, i.parts, i.gradOf = m, m.steps, map[string]*LayerView{}, ""
	m.each(func(l layer, from, to int) {
		n := l.weight.Len()
		v := &LayerView{Name: l.name, Bias: params[from+n : to], WeightHist: histogram(params[from : from+n])}
		if i.weights {
			v.Weights = &Tensor{l.weight.Shape(), params[from : from+n]}
		}
		if grads != nil {
			v.Grad = &Grad{norm(grads[from:to])}
			v.GradHist = histogram(grads[from : from+n])
			if l.name == i.layer {
				i.gradOf, i.grad, i.biasGrad = l.name, slices.Clone(grads[from:from+n]), slices.Clone(grads[from+n:to])
			}
		}
		if r, ok := i.ratios[l.name]; ok {
			v.Update = &Update{r}
		}
		i.parts[l.name] = v
	})
	return nil
}

// gradients are the last that were seen of a layer; those of a layer that was
// not watched come with the next view of a run, or now if the run stands still.
func (s *Session) gradients(layer string) (grad, bias []float32, err error) {
	i := &s.inspect
	if i.layer = layer; !i.on || !s.watching() {
		return nil, nil, nil
	}
	if i.model == s.model && i.gradOf != layer && s.run.state != Running && s.model.flat != nil {
		if err := s.drain(); err != nil {
			return nil, nil, err
		}
		if err := s.lookDeep(); err != nil {
			return nil, nil, err
		}
	}
	if i.model != s.model || i.gradOf != layer {
		return nil, nil, nil
	}
	return i.grad, i.biasGrad, nil
}

// each calls f for the layers with parameters and where theirs lie end to end.
func (m *model) each(f func(l layer, from, to int)) {
	at := 0
	for _, l := range m.layers {
		if l.weight != nil {
			f(l, at, at+l.params)
			at += l.params
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
