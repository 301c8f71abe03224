// Package train runs training: a loop around one compiled step, with
// validation, metrics, checkpoints and exact resumption.
//
// The data set lies on the device as bytes and the step gathers its own batch
// from there by the epoch's order, so that the host's part of a step is to
// write a few scalars; many steps go into one submit. What a run has to
// remember besides its variables are a few counters, because order,
// augmentation and dropout are functions of the seed and of those counters.
package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/filelock"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// ErrDiverged is in the error of a run whose loss is no longer a number.
var ErrDiverged = errors.New("the loss is not a number any more")

// Config says what to train on what.
type Config struct {
	Recipe  *Recipe
	Options Options
	Device  *device.Device // nil is the CPU
	// Train is split into training and validation images as Options say. Test
	// is looked at once, at the end; nil leaves that out.
	Train, Test *data.Dataset
	// From is a model's file, as LoadModel reads it, whose weights training
	// begins with; empty begins with random ones. The network is the file's, so
	// Recipe may be nil. Only layers with an output for each class may differ:
	// see Fresh.
	From string
	// Dir is the run folder, which exists; empty keeps no files.
	Dir string
	// Checkpoint is the file in Dir that Resume goes on from; empty is LastFile.
	Checkpoint string
	// Epochs, if not 0, is how many epochs a resumed run is to have in all,
	// instead of those of its options; see Resume.
	Epochs int
	// SaveSteps and SaveEvery are the longest way between two checkpoints, in
	// updates and in time; 0 is no such limit. Each epoch ends with one.
	SaveSteps int
	SaveEvery time.Duration
	Observer  Observer
}

// Observer is told how training goes, from the goroutine of Run. Its zero
// value ignores everything.
type Observer struct {
	// Progress is called after each submit, some ten times a second.
	Progress func(Progress)
	Epoch    func(Epoch)
	// Warn is told of what went wrong without ending the run, such as a
	// checkpoint that could not be written; also by New and Resume.
	Warn func(error)
}

// Progress is where a run stands.
type Progress struct {
	Epoch, Epochs  int // under way, from 1
	Step, Steps    int // updates done, and in all
	Loss, Accuracy float64
	LR             float64
	StepsPerSec    float64
	Remaining      time.Duration
}

// Result is what a run ends with.
type Result struct {
	State State
	// StepsPerSec is over the time spent in training steps, compilation,
	// evaluation and saving left out.
	StepsPerSec float64
	Validation  *Score // of the weights that were kept; nil without a split
	Test        *Score // nil without a test set
	Model       nn.Module
	Stopped     bool // early
}

// Trainer is one run.
type Trainer struct {
	cfg   Config
	info  Info
	state State
	step  *stepper
	val   *evaluator
	met   *metrics

	perEpoch, total int
	rate            optim.Schedule
	order           []int32
	classes         []string
	trainSet        *data.Dataset
	valSet          *data.Dataset
	best            [][]float32 // weights of the best epoch, once known
	fresh           []string
	lock            *filelock.Lock
	lastGood        bool // LastFile is what this run wrote or went on from

	loop loop
}

// New prepares a run from its beginning: it builds the model and compiles the
// step.
func New(cfg Config) (*Trainer, error) {
	var from *origin
	if cfg.From != "" {
		var err error
		if from, err = openOrigin(cfg.From); err != nil {
			return nil, err
		}
		defer from.file.Close()
		from.weights = true
		if cfg.Recipe == nil {
			if cfg.Recipe, err = Find(from.info.Recipe); err != nil {
				return nil, fmt.Errorf("%s: %w", cfg.From, err)
			}
		}
		if cfg.Recipe.Name != from.info.Recipe {
			return nil, fmt.Errorf("%w: %s is of the recipe %s, not %s", ErrCheckpoint, cfg.From, from.info.Recipe, cfg.Recipe.Name)
		}
	}
	lock, err := lockRun(&cfg)
	if err != nil {
		return nil, err
	}
	t, err := prepare(cfg, from)
	if err != nil {
		lock.Unlock()
		return nil, err
	}
	t.lock = lock
	if t.met, err = newMetrics(cfg.Dir, 0, 0, t.total); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// lockRun keeps other programs out of the run folder. Where there are no locks
// that is said, and up to whoever starts them.
func lockRun(cfg *Config) (*filelock.Lock, error) {
	if cfg.Dir == "" {
		return nil, nil
	}
	lock, err := filelock.Take(cfg.Dir)
	switch {
	case errors.Is(err, filelock.ErrUnsupported):
		if f := cfg.Observer.Warn; f != nil {
			f(fmt.Errorf("a second program that trains in %s would not be noticed: %w", cfg.Dir, err))
		}
		return nil, nil
	case errors.Is(err, filelock.ErrHeld):
		return nil, fmt.Errorf("%w; two programs cannot train in one run folder: wait for it to end, or stop it with kill", err)
	}
	return lock, err
}

// Resume prepares the run in cfg.Dir to go on from its last checkpoint; the
// recipe and the options come from there. It ends in the weights that the
// uninterrupted run would have had, if the machine is of the same kind.
//
// With cfg.Epochs it trains on: until so many epochs are done in all, also if
// the run was over. From the checkpoint on the rate is what a run of that many
// epochs has at the same update. Updates that are done stay as they are, so
// only with the schedule "constant" are the weights those of a run that had
// cfg.Epochs from its beginning; with any, they depend on nothing but the
// checkpoint and cfg.Epochs. Patience counts anew.
func Resume(cfg Config) (_ *Trainer, err error) {
	lock, err := lockRun(&cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot resume: %w", err)
	}
	defer func() {
		if err != nil {
			lock.Unlock()
		}
	}()
	path := filepath.Join(cfg.Dir, LastFile)
	if cfg.Checkpoint != "" {
		path = filepath.Join(cfg.Dir, cfg.Checkpoint)
	}
	f, info, err := lastCheckpoint(cfg.Dir, cfg.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("cannot resume: %w", err)
	}
	defer f.Close()
	from := &origin{path: path, file: f, info: info}
	if info.Kind != "checkpoint" {
		return nil, fmt.Errorf("%w: %s holds weights only; training can not go on from it", ErrCheckpoint, path)
	}
	if cfg.Recipe, err = Find(info.Recipe); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	cfg.Options = info.Options
	if cfg.Epochs != 0 {
		if cfg.Epochs <= info.State.Epoch {
			return nil, fmt.Errorf("%d epochs are done already; ask for more than that to train on", info.State.Epoch)
		}
		cfg.Options.Epochs = cfg.Epochs
	}
	t, err := prepare(cfg, from)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if t.info.Data != info.Data {
		return nil, fmt.Errorf("%w: %s was trained on %s (%d images, %.12s), the data given is %s (%d images, %.12s)", ErrCheckpoint, path,
			info.Data.Name, info.Data.N, info.Data.SHA256, t.info.Data.Name, t.info.Data.N, t.info.Data.SHA256)
	}
	if err := load(path, f, t.step.variables(), nil); err != nil {
		return nil, err
	}
	if !info.Summed {
		t.warn(fmt.Errorf("%s: %w", path, ErrNoSum))
	}
	if info.Machine != "" && info.Machine != t.info.Machine {
		t.warn(fmt.Errorf("this run was trained by %s so far, and now by %s, which rounds otherwise: from here on its weights will not be those of an uninterrupted run", info.Machine, t.info.Machine))
	}
	t.state = info.State
	if cfg.Epochs != 0 {
		t.state.Done, t.state.Stale = false, 0
	}
	t.lastGood = path == filepath.Join(cfg.Dir, LastFile)
	if s := &t.state; s.Epoch > cfg.Options.Epochs || s.Batch > t.perEpoch || s.Step != s.Epoch*t.perEpoch+s.Batch {
		return nil, fmt.Errorf("%w: %s: step %d is not update %d of epoch %d with %d updates each", ErrCheckpoint, path, s.Step, s.Batch, s.Epoch+1, t.perEpoch)
	}
	if err := t.checkBest(); err != nil {
		return nil, err
	}
	if t.met, err = newMetrics(cfg.Dir, t.state.Epoch, t.state.Step, t.total); err != nil {
		return nil, err
	}
	t.lock = lock
	return t, nil
}

// prepare builds the network, that of from if there is one, and compiles its step.
func prepare(cfg Config, from *origin) (_ *Trainer, err error) {
	if cfg.Device == nil {
		cfg.Device = device.CPU()
	}
	if cfg.Train == nil {
		return nil, errors.New("no training data")
	}
	if err := cfg.Train.Check(); err != nil {
		return nil, err
	}
	if err := cfg.Options.CheckData(cfg.Train); err != nil {
		return nil, err
	}
	cfg.SaveSteps = min(max(0, cfg.SaveSteps), maxUpdates)
	if cfg.Test != nil {
		if err := cfg.Test.Check(); err != nil {
			return nil, err
		}
		if cfg.Test.ImageSize() != cfg.Train.ImageSize() || len(cfg.Test.Classes) != len(cfg.Train.Classes) {
			return nil, fmt.Errorf("test set %s does not fit training set %s", cfg.Test.Name, cfg.Train.Name)
		}
	}
	t := &Trainer{cfg: cfg, classes: cfg.Train.Classes}
	o := &t.cfg.Options
	t.info = Info{
		Kind: "checkpoint", Recipe: cfg.Recipe.Name, Options: *o, Preprocessing: PreprocessingOf(cfg.Train),
		Classes: cfg.Train.Classes, Data: DataInfoOf(cfg.Train), Machine: cfg.Device.Arithmetic(),
	}
	if from != nil {
		if t.info.Preprocessing, err = from.preprocessing(cfg.Train); err != nil {
			return nil, err
		}
		t.info.Layers, t.info.Graph = from.info.Layers, from.info.Graph
	}
	if t.trainSet, t.valSet, err = o.Split(cfg.Train); err != nil {
		return nil, err
	}
	t.perEpoch = o.steps(t.trainSet.N)
	if t.perEpoch == 0 {
		return nil, fmt.Errorf("%d training images are fewer than the %d of one update; lower --batch or --accumulate", t.trainSet.N, o.update())
	}
	t.total = t.perEpoch * o.Epochs
	t.rate = o.schedule(t.total)
	spec := specOf(t.info.Preprocessing, len(t.classes), *o)
	spec.Layers, spec.Graph = t.info.Layers, t.info.Graph
	s := &stepper{dev: cfg.Device, opts: o}
	build := func() (nn.Module, error) {
		m, err := cfg.Recipe.Build(spec)
		if err == nil && cfg.Recipe.Fit != nil {
			err = cfg.Recipe.Fit(m, t.trainSet)
		}
		if err == nil && from != nil && from.weights {
			err = from.fill(m, len(t.classes))
			t.fresh = from.fresh
		}
		return m, err
	}
	if s.model, err = build(); err != nil {
		return nil, err
	}
	if o.EMA > 0 {
		if s.average, err = build(); err != nil {
			return nil, err
		}
	}
	if s.optim, err = newOptimizer(o, nn.Trainable(s.model), false); err != nil {
		return nil, err
	}
	s.data = newResident(t.trainSet, t.info.Preprocessing)
	t.order = make([]int32, t.trainSet.N)
	s.order = tensor.NewIntVariable("order", t.order, len(t.order))
	t.step = s
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if err := s.compile(); err != nil {
		return nil, err
	}
	if t.valSet != nil {
		if t.val, err = newEvaluator(cfg.Device, o.Evaluated(s.evaluated()), t.valSet, t.info.Preprocessing, 0); err != nil {
			return nil, err
		}
	}
	t.loop.init(t)
	return t, nil
}

// Close returns the run's device memory and its folder. The model keeps its weights.
func (t *Trainer) Close() {
	t.val.close()
	t.step.close()
	t.lock.Unlock()
	t.lock = nil
}

// Model is the model whose weights are evaluated and saved.
func (t *Trainer) Model() nn.Module { return t.step.evaluated() }

// Program is the compiled training step, for those who want to look at it.
func (t *Trainer) Program() *tensor.Program { return t.step.update }

// Info is what a checkpoint written now would say.
func (t *Trainer) Info() Info {
	i := t.info
	i.State = t.state
	return i
}

// WriteConfig writes the run's options and whatever else extra holds to
// config.json in the run folder.
func (t *Trainer) WriteConfig(extra map[string]any) error {
	c := map[string]any{
		"recipe": t.info.Recipe, "options": t.info.Options, "data": t.info.Data, "preprocessing": t.info.Preprocessing,
		"classes": t.classes, "device": t.cfg.Device.Name(), "parameters": nn.Count(nn.Params(t.step.model)),
		"steps_per_epoch": t.perEpoch, "left_out_per_epoch": t.trainSet.N - t.perEpoch*t.cfg.Options.update(),
	}
	for k, v := range extra {
		c[k] = v
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(t.cfg.Dir, ConfigFile), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// LeftOut is the number of training images that each epoch leaves out, because
// they do not fill a batch.
func (t *Trainer) LeftOut() int {
	return t.trainSet.N - t.perEpoch*t.cfg.Options.update()
}

// Run trains until the last epoch, until early stopping, or until ctx ends. In
// the last case it finishes the submits under way, saves a checkpoint, and
// returns an error that wraps ctx's.
func (t *Trainer) Run(ctx context.Context) (*Result, error) {
	res := &Result{}
	for !t.state.Done {
		if err := t.epoch(ctx); err != nil {
			return nil, err
		}
	}
	return t.finish(ctx, res)
}
