// The loop keeps the device busy and stays responsive at the same time: submits
// hold as many steps as fit into a short time, and the next one is under way
// before the results of the last are looked at.

package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Control reacts within two submits, of which each takes about submitTime.
const (
	submitTime = 80 * time.Millisecond
	inFlight   = 2
)

// loop is what the innermost loop needs, allocated once: a step allocates
// nothing.
type loop struct {
	t *Trainer
	// flying is the queue of submits: how many of them, and of how many steps,
	// only the update program's steps being counted.
	flying  [inFlight + 1]flight
	nflying int

	fill    func(step int, s tensor.Scalars)
	collect func(step int, results []float32)
	// What fill needs: the first batch of the submit and its update number.
	program int // index of slots
	at      int // batches of this epoch before the submit
	update  int // updates before the submit
	// What collect leaves.
	micro          int // batches of the update under way that are collected
	loss, accuracy float64
	last           Progress
	diverged       int

	chunk   int       // batches of the next submit
	since   time.Time // the last submit
	started time.Time // the clock, while it runs
	steps   int       // updates in this session
	busy    time.Duration
	saved   time.Time
	savedAt int
}

type flight struct {
	prog  *tensor.Program
	steps int
}

func (l *loop) init(t *Trainer) {
	l.t = t
	l.chunk = 1
	o := &t.cfg.Options
	seed := int32(derive(o.Seed, purposeDevice, 0))
	l.fill = func(step int, s tensor.Scalars) {
		update := l.update
		if l.program == 1 {
			update += step
		}
		t.step.slots[l.program].fill(s, o, seed, t.state.Epoch, l.at+step, update, t.rate(update))
	}
	l.collect = func(_ int, r []float32) {
		l.loss += float64(r[0])
		l.accuracy += float64(r[1])
		if l.micro++; l.micro < o.micro() {
			return
		}
		loss, acc := l.loss/float64(l.micro), l.accuracy/float64(l.micro)
		l.loss, l.accuracy, l.micro = 0, 0, 0
		s := &t.state
		lr := t.rate(s.Step)
		s.Step++
		s.Batch++
		s.LossSum += loss
		s.AccuracySum += acc
		l.steps++
		t.met.step(s.Step, loss, acc, lr)
		l.last.Loss, l.last.Accuracy, l.last.LR = loss, acc, lr
		if (math.IsNaN(loss) || math.IsInf(loss, 0)) && l.diverged == 0 {
			l.diverged = s.Step
		}
	}
}

// submit queues n steps of a program, collecting when too many are under way.
func (l *loop) submit(program, n int) error {
	p := l.t.step.update
	if program == 0 {
		p = l.t.step.add
	}
	l.program = program
	if err := p.Submit(n, l.fill); err != nil {
		return err
	}
	l.flying[l.nflying] = flight{p, n}
	if l.nflying++; l.nflying > inFlight-1 {
		return l.collectOldest()
	}
	return nil
}

func (l *loop) collectOldest() error {
	f := l.flying[0]
	copy(l.flying[:], l.flying[1:l.nflying])
	l.nflying--
	n, err := f.prog.Collect(l.collect)
	if err == nil && n != f.steps {
		err = fmt.Errorf("collected %d steps of %d", n, f.steps)
	}
	return err
}

func (l *loop) divergedError() error {
	return fmt.Errorf("%w at step %d; try a lower --lr, or --clip 1; labels outside of the network's classes do this too", ErrDiverged, l.diverged)
}

// drain waits for everything submitted.
func (l *loop) drain() error {
	for l.nflying > 0 {
		if err := l.collectOldest(); err != nil {
			return err
		}
	}
	return nil
}

// epoch trains what is left of the epoch under way, validates, and saves.
func (t *Trainer) epoch(ctx context.Context) error {
	l, s, o := &t.loop, &t.state, &t.cfg.Options
	permute(t.order, o.Seed, uint64(s.Epoch))
	if err := t.step.order.SetInts(t.order); err != nil {
		return err
	}
	l.startClock()
	before, busy := s.Step, l.busy
	if l.saved.IsZero() {
		l.saved, l.savedAt = l.started, s.Step
	}
	k := o.micro()
	l.since = l.started
	for next := s.Batch; next < t.perEpoch; {
		if ctx.Err() != nil {
			break
		}
		n := min(l.chunk, t.perEpoch-next)
		if k > 1 {
			n = 1
		}
		if t.cfg.SaveSteps > 0 {
			n = min(n, max(1, l.savedAt+t.cfg.SaveSteps-(s.Epoch*t.perEpoch+next)))
		}
		l.update = s.Epoch*t.perEpoch + next
		l.at = next * k
		for left := k - 1; left > 0; {
			m := min(left, l.chunk)
			if err := l.submit(0, m); err != nil {
				return err
			}
			l.at += m
			left -= m
		}
		if err := l.submit(1, n); err != nil {
			return err
		}
		next += n
		l.pace(n * k)
		t.report()
		if l.diverged > 0 {
			return l.divergedError()
		}
		done := s.Epoch*t.perEpoch + next
		if t.cfg.SaveSteps > 0 && done-l.savedAt >= t.cfg.SaveSteps || t.cfg.SaveEvery > 0 && time.Since(l.saved) >= t.cfg.SaveEvery {
			if err := l.drain(); err != nil {
				return err
			}
			t.stopClock()
			t.saveLast()
			l.startClock()
		}
	}
	if err := l.drain(); err != nil {
		return err
	}
	t.stopClock()
	if l.diverged > 0 {
		return l.divergedError()
	}
	t.report()
	if s.Batch < t.perEpoch {
		return t.interrupted(ctx)
	}
	return t.endEpoch(ctx, float64(s.Step-before)/max(1e-9, (l.busy-busy).Seconds()))
}

func (l *loop) startClock() { l.started = time.Now() }

func (t *Trainer) stopClock() {
	d := time.Since(t.loop.started)
	t.loop.busy += d
	t.loop.started = time.Time{}
	t.state.Seconds += d.Seconds()
}

// pace chooses the size of the next submit from the time that the last took.
func (l *loop) pace(n int) {
	now := time.Now()
	took := now.Sub(l.since)
	l.since = now
	fit := tensor.MaxSteps
	if per := took / time.Duration(n); per > 0 {
		fit = int(submitTime / per)
	}
	// At most twice as many, since the first submits also warm up.
	l.chunk = min(max(1, fit), 2*l.chunk, tensor.MaxSteps)
}

func (t *Trainer) report() {
	f := t.cfg.Observer.Progress
	if f == nil {
		return
	}
	l, s := &t.loop, &t.state
	p := l.last
	p.Epoch, p.Epochs = min(s.Epoch+1, t.cfg.Options.Epochs), t.cfg.Options.Epochs
	p.Step, p.Steps = s.Step, t.total
	busy := l.busy
	if !l.started.IsZero() {
		busy += time.Since(l.started)
	}
	if busy > 0 && l.steps > 0 {
		p.StepsPerSec = float64(l.steps) / busy.Seconds()
		p.Remaining = time.Duration(float64(t.total-s.Step) / p.StepsPerSec * float64(time.Second))
	}
	f(p)
}

// endEpoch validates, records and saves.
func (t *Trainer) endEpoch(ctx context.Context, rate float64) error {
	s, o := &t.state, &t.cfg.Options
	e := Epoch{
		Epoch: s.Epoch + 1, Step: s.Step,
		TrainLoss: s.LossSum / float64(t.perEpoch), TrainAccuracy: s.AccuracySum / float64(t.perEpoch),
		LR: t.rate(s.Step - 1), StepsPerSec: rate,
	}
	better := false
	if t.val != nil {
		begin := time.Now()
		v, err := t.val.run(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return t.interrupted(ctx)
			}
			return err
		}
		s.Seconds += time.Since(begin).Seconds()
		e.ValLoss, e.ValAccuracy = &v.Loss, &v.Accuracy
		better = s.BestEpoch == 0 || v.Accuracy > s.BestAccuracy || v.Accuracy == s.BestAccuracy && v.Loss < s.BestLoss
		if better {
			s.BestEpoch, s.BestAccuracy, s.BestLoss, s.Stale = e.Epoch, v.Accuracy, v.Loss, 0
		} else {
			s.Stale++
		}
	}
	e.Seconds = s.Seconds
	s.Epoch++
	s.Batch, s.LossSum, s.AccuracySum = 0, 0, 0
	s.Done = s.Epoch == o.Epochs || o.Patience > 0 && s.Stale >= o.Patience
	if err := t.met.epoch(&e); err != nil {
		t.warn(fmt.Errorf("cannot write the metrics: %w", err))
	}
	if better && !o.KeepLast {
		if err := t.keepBest(); err != nil {
			t.warn(fmt.Errorf("the best weights are not saved, training goes on: %w", err))
		}
	}
	t.saveLast()
	if f := t.cfg.Observer.Epoch; f != nil {
		f(e)
	}
	return nil
}

// interrupted saves and returns the reason.
func (t *Trainer) interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if t.cfg.Dir == "" {
		return fmt.Errorf("training stopped at step %d of %d: %w", t.state.Step, t.total, cause)
	}
	if err := t.trySaveLast(); err != nil {
		return errors.Join(fmt.Errorf("training stopped at step %d of %d: %w", t.state.Step, t.total, cause), err)
	}
	return fmt.Errorf("training stopped at step %d of %d, all of it saved: %w", t.state.Step, t.total, cause)
}

// saveLast saves the state of the run. A checkpoint that cannot be written
// does not end the run: the one before it is still there, and the next may
// work.
func (t *Trainer) saveLast() {
	if err := t.trySaveLast(); err != nil {
		t.warn(fmt.Errorf("no checkpoint at step %d, training goes on: %w", t.state.Step, err))
	}
}

func (t *Trainer) trySaveLast() error {
	t.loop.saved, t.loop.savedAt = time.Now(), t.state.Step
	if t.cfg.Dir == "" {
		return nil
	}
	if err := t.met.flush(); err != nil {
		t.warn(fmt.Errorf("cannot write the metrics: %w", err))
	}
	info := t.Info()
	kept := ""
	if t.lastGood {
		kept = PreviousFile
	}
	err := save(filepath.Join(t.cfg.Dir, LastFile), kept, &info, t.step.variables())
	t.lastGood = t.lastGood || err == nil
	return err
}

// saveModel writes the evaluated weights alone.
func (t *Trainer) saveModel(name string, test *Score) error {
	info := t.Info()
	info.Kind = "model"
	info.Test = test
	kept := ""
	if name == BestFile {
		kept = PreviousBestFile
	}
	return save(filepath.Join(t.cfg.Dir, name), kept, &info, nn.Params(t.step.evaluated()))
}

func (t *Trainer) warn(err error) {
	if f := t.cfg.Observer.Warn; f != nil {
		f(err)
	}
}

// finish restores the best weights, and looks at the test set.
func (t *Trainer) finish(ctx context.Context, res *Result) (*Result, error) {
	o := &t.cfg.Options
	res.State = t.state
	res.Model = t.step.evaluated()
	res.Stopped = t.state.Epoch < o.Epochs
	if t.loop.busy > 0 {
		res.StepsPerSec = float64(t.loop.steps) / t.loop.busy.Seconds()
	}
	if t.val != nil && !o.KeepLast && t.state.BestEpoch != t.state.Epoch {
		if err := t.restoreBest(); err != nil {
			return nil, fmt.Errorf("cannot restore the best weights: %w", err)
		}
	}
	var err error
	if t.val != nil {
		if res.Validation, err = t.val.run(ctx); err != nil {
			return nil, err
		}
	}
	if t.cfg.Test != nil {
		if res.Test, err = Evaluate(ctx, t.cfg.Device, o.Evaluated(res.Model), t.cfg.Test, t.info.Preprocessing); err != nil {
			return nil, err
		}
	}
	if t.cfg.Dir != "" {
		if err := t.saveModel(ModelFile, res.Test); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// keepBest remembers the evaluated weights, in memory for this session and in
// a file for one that resumes the run.
func (t *Trainer) keepBest() error {
	vars := nn.Params(t.step.evaluated())
	t.best = make([][]float32, len(vars))
	for i, v := range vars {
		x, err := v.Value.Read()
		if err != nil {
			return err
		}
		t.best[i] = x
	}
	if t.cfg.Dir == "" {
		return nil
	}
	return t.saveModel(BestFile, nil)
}

func (t *Trainer) restoreBest() error {
	if t.best != nil {
		for i, v := range nn.Params(t.step.evaluated()) {
			if v.Value.DType() != tensor.Float32 {
				continue // counters, which evaluation does not use
			}
			if err := v.Value.Set(t.best[i]); err != nil {
				return err
			}
		}
		return nil
	}
	f, path, err := openBest(t.cfg.Dir, t.state.BestEpoch)
	if err != nil {
		return err
	}
	defer f.Close()
	return load(path, f, nn.Params(t.step.evaluated()), nil)
}
