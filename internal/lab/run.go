package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/internal/webgpu"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

const (
	// submitTime is the work of one submit, and inFlight how many are under
	// way: together they are how long a pause takes.
	submitTime = 25 * time.Millisecond
	inFlight   = 3
	// slowStep is the time of an update from which on one at a time is under
	// way: the device is not kept waiting much, and a person is not either.
	slowStep = 100 * time.Millisecond
	// eventEvery is how often a run reports.
	eventEvery = 100 * time.Millisecond
	// rateWindow is what steps per second are averaged over.
	rateWindow = 2 * time.Second
	// maxEpochs bounds what a run may say came before it.
	maxEpochs = 1 << 20
)

// run is one training run. The owner of the device drives it, submit by
// submit.
type run struct {
	id     int
	config TrainConfig
	opts   train.Options
	steps  *train.Steps
	model  *model
	data   *data.Dataset
	state  string
	begin  int // updates that the weights had seen before the run
	first  int // epochs that they were trained for

	submitted, done int // updates of the run
	flying          int // submits
	budget          int // updates that a paused run has been asked for
	waiters         []chan struct{}
	epoch           int // finished, of this run
	epochLoss       float64
	epochAccuracy   float64
	epochSteps      int

	chunk   int // updates of the next submit
	depth   int // submits that may be under way
	last    time.Time
	rate    rateMeter
	event   TrainEvent // what is new since the last event
	sent    time.Time
	snap    *snapshot
	snapped time.Time
	bad     int // the first update whose loss was no number, from 1
}

// The words that a configuration may hold.
var (
	optimizers  = []string{"sgd", "momentum", "nesterov", "adam", "adamw", "muon"}
	schedules   = train.Schedules
	activations = train.Activations
)

// options translates a configuration; they are what weft train would be given.
func (c *TrainConfig) options() (train.Options, error) {
	o := train.Options{
		Epochs: c.Epochs, Batch: c.Batch, Optimizer: c.Optimizer, LR: c.LR, MinLR: c.LR * c.EndFactor, Schedule: c.Schedule,
		WeightDecay: c.WeightDecay, LabelSmoothing: c.LabelSmoothing, ValFraction: c.ValFraction, KeepLast: true,
		Warmup: c.Warmup, EMA: c.EMA, Augment: train.Augment{Shift: c.Shift, Rotate: c.Rotate, Scale: c.Scale, Nearest: c.Nearest},
	}
	switch c.Optimizer {
	case "momentum":
		o.Optimizer, o.Momentum = "sgd", c.Momentum
	case "nesterov":
		o.Momentum = c.Momentum
	case "muon":
		if o.Momentum = c.Momentum; o.Momentum == 0 {
			o.Momentum = 0.95
		}
	}
	if !(c.EndFactor >= 0 && c.EndFactor <= 1) {
		return o, fmt.Errorf("end factor: %v, want a share of the learning rate, from 0 to 1", c.EndFactor)
	}
	if c.Seed < 0 {
		return o, fmt.Errorf("seed: %d, want 0 or more", c.Seed)
	}
	o.Seed = uint64(c.Seed)
	return o, o.Check()
}

func (s *Session) start(ctx context.Context, q *StartRequest) (*StartResult, error) {
	r := &StartResult{}
	return r, s.do(ctx, s.slow, func() error {
		if err := s.haveModel(); err != nil {
			return err
		}
		if s.train == nil {
			return hinted("Choose a data set first.", errors.New("there is no data to train on"))
		}
		o, err := q.Config.options()
		if err != nil {
			return hinted("Change the settings and start again.", err)
		}
		m := s.model
		if len(m.classes) != len(s.train.Classes) {
			return hinted("Make a network for this data.", fmt.Errorf("the network knows %d classes, the data has %d", len(m.classes), len(s.train.Classes)))
		}
		if q.Epoch < 0 || q.Epoch > maxEpochs {
			return fmt.Errorf("epoch %d, want 0 to %d", q.Epoch, maxEpochs)
		}
		var before *snapshot
		if q.Keep && s.run != nil && s.run.model == m {
			if err := s.drain(); err != nil {
				return err
			}
			if before, err = takeSnapshot(s.run.steps.Variables()); err != nil {
				return err
			}
		}
		s.endRun()
		s.adopt(m)
		begin := time.Now()
		if b, ok := s.dev.Backend().(*webgpu.Backend); ok {
			b.Progress = func(done, total int) { s.opts.Emit("compile", &CompileEvent{done, total}) }
			defer func() { b.Progress = nil }()
		}
		s.opts.Emit("compile", &CompileEvent{0, 1})
		s.runs++
		t := &run{id: s.runs, config: q.Config, opts: o, model: m, data: s.train, state: Running}
		prep := train.PreprocessingOf(s.train)
		m.close()
		m.prep, m.classes, m.options, m.score = prep, s.train.Classes, o, nil
		m.data = train.DataInfo{Name: s.train.Name, Source: s.train.Source, N: s.train.N, Synthetic: s.train.Synthetic}
		if q.Keep {
			t.begin, t.first = m.steps, q.Epoch
		} else if err := m.reset(o); err != nil {
			return err
		}
		m.steps = t.begin
		if err := t.compile(s); err != nil {
			return err
		}
		if r.Resumed = before.fits(t.steps.Variables()); r.Resumed {
			if err := before.restore(t.steps.Variables()); err != nil {
				return err
			}
		}
		if err := t.steps.Seek(t.first, 0); err != nil {
			return err
		}
		s.run = t
		s.inspect.next, s.inspect.deep = time.Time{}, time.Time{}
		if err := s.snapshotRun(); err != nil {
			return err
		}
		t.restartClock()
		kernels := t.steps.Program().KernelCount()
		s.opts.Emit("compile", &CompileEvent{kernels, kernels})
		*r = StartResult{Run: t.id, CompileMs: since(begin), Kernels: kernels, Steps: t.steps.Total(), Resumed: r.Resumed}
		return nil
	})
}

// reset gives the network the initial weights of o's seed.
func (m *model) reset(o train.Options) error {
	fresh, err := train.InitModel(&recipes.Layers, m.prep, len(m.classes), o, m.spec)
	if err != nil {
		return err
	}
	return copyVariables(nn.Params(m.net), nn.Params(fresh))
}

// compile makes the step on the session's device.
func (t *run) compile(s *Session) (err error) {
	m := t.model
	c := train.StepsConfig{Device: s.dev, Model: m.net, Options: t.opts, Train: t.data, Preprocessing: m.prep, EvalBatch: m.batch(valBatch), Between: s.breathe}
	if t.opts.EMA > 0 {
		average, err := train.InitModel(&recipes.Layers, m.prep, len(m.classes), t.opts, m.spec)
		if err != nil {
			return err
		}
		if err := copyVariables(nn.Params(average), nn.Params(m.net)); err != nil {
			return err
		}
		m.average, c.Average = average.(nn.Sequential), average
	}
	if t.steps, err = train.NewSteps(c); err != nil {
		return err
	}
	t.steps.Rate = t.schedule()
	t.chunk, t.depth = 1, inFlight
	return nil
}

// schedule is the learning rate of an update, counted over the epochs before
// the run, too: the schedule itself begins with the run.
func (t *run) schedule() optim.Schedule {
	rate, before := t.steps.Schedule(t.opts), t.first*t.steps.PerEpoch()
	return func(update int) float64 { return rate(update - before) }
}

// rebuild goes on from the last snapshot on another device.
func (t *run) rebuild(s *Session) error {
	t.steps.Close()
	t.model.changed()
	c := t.snap
	if err := c.fill(nn.Params(t.model.net)); err != nil {
		return err
	}
	if err := t.compile(s); err != nil {
		return err
	}
	if err := c.restore(t.steps.Variables()); err != nil {
		return err
	}
	t.applyKnobs()
	t.flying, t.budget = 0, 0
	t.submitted, t.done = c.steps, c.steps
	t.model.steps = t.begin + t.done
	if err := t.steps.Seek(t.first+c.epoch, c.batch); err != nil {
		return err
	}
	t.epoch, t.epochSteps, t.epochLoss, t.epochAccuracy = c.epoch, 0, 0, 0
	t.event = TrainEvent{}
	t.release()
	t.restartClock()
	return nil
}

// snapshotRun copies the run to the host. Nothing may be in flight. The CPU is
// never lost.
func (s *Session) snapshotRun() error {
	t := s.run
	if s.gpu() == nil {
		t.snapped = time.Now()
		return nil
	}
	c, err := takeSnapshot(t.steps.Variables())
	if err != nil {
		return err
	}
	c.epoch, c.batch, c.steps = t.epoch, t.steps.PerEpoch()-t.steps.Left(), t.done
	t.snap, t.snapped = c, time.Now()
	return nil
}

// busy reports whether the run has something to do.
func (t *run) busy() bool {
	return t != nil && (t.state == Running || t.flying > 0 || t.budget > 0)
}

func (t *run) restartClock() {
	t.last = time.Now()
	t.rate = rateMeter{}
}

// release tells those who wait for single steps.
func (t *run) release() {
	for _, w := range t.waiters {
		close(w)
	}
	t.waiters = nil
}

// wanted is how many updates may be submitted now.
func (t *run) wanted() int {
	n := t.steps.Left()
	switch {
	case t.state == Running:
		return submitSize(min(n, t.chunk))
	case t.state == Paused:
		return submitSize(min(n, t.chunk, t.budget))
	}
	return 0
}

// submitSize rounds down to 1, 2, 3, 4, 6, 8, 12, .. A submit of a size that was
// not seen before is recorded first and then kept, in Go and in JavaScript, so
// that few sizes save memory and pauses.
func submitSize(n int) int {
	if n < 2 {
		return n
	}
	power := 1 << (bits.Len(uint(n)) - 1)
	if half := power / 2; n >= power+half {
		return power + half
	}
	return power
}

// advance does a little training: at most one submit, at most one wait.
func (s *Session) advance() error {
	t := s.run
	if n := t.wanted(); n > 0 && t.flying < t.depth {
		if err := t.submit(n); err != nil {
			return err
		}
		if t.flying < t.depth && t.wanted() > 0 && s.gpu() != nil {
			return nil // let the queue fill
		}
	}
	if t.flying > 0 {
		if err := t.collect(); err != nil {
			return err
		}
	}
	t.model.steps = t.begin + t.done
	if t.flying == 0 && t.steps.Left() == 0 {
		if err := s.endEpoch(); err != nil {
			return err
		}
	}
	if t.bad > 0 {
		return fmt.Errorf("%w at step %d", train.ErrDiverged, t.bad)
	}
	if t.state == Running && time.Since(t.snapped) > snapshotEvery {
		if err := s.drain(); err != nil {
			return err
		}
		if err := s.snapshotRun(); err != nil {
			return err
		}
		t.last = time.Now()
	}
	if i := &s.inspect; i.due() && t.state == Running {
		if err := s.look(!time.Now().Before(i.deep)); err != nil {
			return err
		}
	}
	if time.Since(t.sent) >= eventEvery || t.state != Running {
		s.emitTrain(t.state)
	}
	if t.budget == 0 && t.flying == 0 {
		t.release()
	}
	return nil
}

func (t *run) submit(n int) error {
	if err := t.steps.Submit(n); err != nil {
		return err
	}
	t.flying++
	t.submitted += n
	t.budget = max(0, t.budget-n)
	return nil
}

// collect waits for the oldest submit and chooses the size of later ones.
func (t *run) collect() error {
	full := t.flying == t.depth
	n, err := t.steps.Collect(func(loss, accuracy float64) {
		if len(t.event.Losses) == 0 {
			t.event.First = t.done
		}
		t.event.Losses = append(t.event.Losses, float32(loss))
		t.event.Accuracies = append(t.event.Accuracies, float32(accuracy))
		t.epochLoss += loss
		t.epochAccuracy += accuracy
		t.epochSteps++
		t.done++
		if (math.IsNaN(loss) || math.IsInf(loss, 0)) && t.bad == 0 {
			t.bad = t.done
		}
	})
	if err != nil {
		return err
	}
	t.flying--
	now := time.Now()
	took := now.Sub(t.last)
	t.last = now
	t.rate.add(now, n)
	fit := tensor.MaxSteps
	if per := took / time.Duration(max(n, 1)); per > 0 {
		fit = int(submitTime / per)
		t.depth = inFlight
		if per > slowStep {
			t.depth = 1
		}
	}
	// At most twice as many, since the first submits also warm up; and a queue
	// that is not full does not show how long a step takes.
	if fit < t.chunk || full || t.state == Running {
		t.chunk = min(max(1, fit), 2*t.chunk, tensor.MaxSteps)
	}
	return nil
}

// drain waits for everything submitted.
func (s *Session) drain() error {
	t := s.run
	for t != nil && t.flying > 0 {
		if err := t.collect(); err != nil {
			return err
		}
		t.model.steps = t.begin + t.done
	}
	return nil
}

// endEpoch validates and goes to the next epoch.
func (s *Session) endEpoch() error {
	t := s.run
	e := &EpochEvent{Run: t.id, Epoch: t.epoch + 1, ValLoss: math.NaN(), ValAccuracy: math.NaN()}
	if t.epochSteps > 0 {
		e.TrainLoss, e.TrainAccuracy = t.epochLoss/float64(t.epochSteps), t.epochAccuracy/float64(t.epochSteps)
	}
	v, err := t.steps.Validate(context.Background())
	if err != nil {
		return err
	}
	if v != nil {
		e.ValLoss, e.ValAccuracy = v.Loss, v.Accuracy
	}
	t.epoch++
	t.epochLoss, t.epochAccuracy, t.epochSteps = 0, 0, 0
	if t.epoch == t.opts.Epochs {
		t.state, t.budget = Done, 0
	} else if err := t.steps.Seek(t.first+t.epoch, 0); err != nil {
		return err
	}
	if err := s.snapshotRun(); err != nil {
		return err
	}
	t.last = time.Now()
	s.emitTrain(t.state)
	s.opts.Emit("epoch", e)
	return nil
}

// emitTrain reports what is new.
func (s *Session) emitTrain(state string) {
	t := s.run
	e := t.event
	e.Run, e.Step, e.Steps, e.Epoch, e.State = t.id, t.done, t.steps.Total(), min(t.epoch+1, t.opts.Epochs), state
	if len(e.Losses) == 0 {
		e.First = t.done
	}
	e.LR = t.steps.Rate(t.first*t.steps.PerEpoch() + max(0, t.done-1))
	e.StepsPerSecond = t.rate.perSecond()
	e.ImagesPerSecond = e.StepsPerSecond * float64(t.opts.Batch)
	if e.StepsPerSecond > 0 {
		e.SecondsLeft = float64(e.Steps-e.Step) / e.StepsPerSecond
	}
	e.GPUBytes, _ = s.deviceMemory()
	t.event = TrainEvent{}
	t.sent = time.Now()
	s.opts.Emit("train", &e)
}

// trainingFailed goes on after a lost device, and ends the run otherwise.
func (s *Session) trainingFailed(err error) {
	if s.isLost(err) {
		s.emitTrain(Lost)
		if err = s.recoverDevice(err); err == nil {
			return
		}
	}
	t := s.run
	if t == nil {
		return
	}
	hint := "Start again, perhaps with a smaller batch."
	if errors.Is(err, train.ErrDiverged) {
		hint = "Start again with a lower learning rate. Labels outside of the network's classes do this too."
	}
	s.drain()
	t.state, t.budget = Stopped, 0
	t.release()
	s.emitTrain(Stopped)
	s.opts.Emit("failed", &FailedEvent{Run: t.id, Message: err.Error(), Hint: hint})
}

// endRun returns the memory of the run, whose weights stay in the model.
func (s *Session) endRun() {
	t := s.run
	if t == nil {
		return
	}
	s.drain()
	if t.state == Running || t.state == Paused {
		t.state = Stopped
		s.emitTrain(Stopped)
	}
	t.release()
	t.model.changed()
	t.steps.Close()
	if err := t.model.settle(); err != nil {
		s.opts.Emit("failed", &FailedEvent{Run: t.id, Message: "the averaged weights are lost: " + err.Error(), Hint: "Train again."})
	}
	s.run = nil
}

// rateMeter averages over the last seconds, so that a slow start or a pause is
// soon forgotten.
type rateMeter struct {
	at [64]time.Time
	n  [64]int // updates so far
	k  int
}

func (r *rateMeter) add(now time.Time, n int) {
	total := n
	if r.k > 0 {
		prev := (r.k - 1) % len(r.at)
		total += r.n[prev]
		if now.Sub(r.at[prev]) < rateWindow/time.Duration(len(r.at)) && r.k > 1 {
			r.n[prev] = total
			return
		}
	}
	r.at[r.k%len(r.at)], r.n[r.k%len(r.at)] = now, total
	r.k++
}

func (r *rateMeter) perSecond() float64 {
	if r.k < 2 {
		return 0
	}
	last := (r.k - 1) % len(r.at)
	first := 0
	if r.k > len(r.at) {
		first = r.k % len(r.at)
	}
	seconds := r.at[last].Sub(r.at[first]).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(r.n[last]-r.n[first]) / seconds
}
