// The flags of weft train replace single options of a recipe; flags that are not
// given leave the recipe's numbers as they are, whatever they are.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// trainFlags are the flags of weft train. Those of options say nothing unless
// they are given: the recipe has the defaults.
type trainFlags struct {
	opts      train.Options
	preset    string
	data      string
	out       string
	resume    string
	from      string
	saveEvery string
	maxTime   time.Duration
	device    *string
	noTest    bool
}

// optionFlags are the flags that replace single options of the recipe.
func (f *trainFlags) optionFlags(s *pflag.FlagSet) {
	o := &f.opts
	s.IntVar(&o.Epochs, "epochs", 0, "passes over the training images")
	s.IntVar(&o.Batch, "batch", 0, "images of one forward pass")
	s.IntVar(&o.Accumulate, "accumulate", 0, "batches whose gradients make one update")
	s.Float64Var(&o.LR, "lr", 0, "learning rate")
	s.Float64Var(&o.MinLR, "min-lr", 0, "learning rate at the end of the schedule; without it, the recipe's share of --lr")
	s.StringVar(&o.Optimizer, "optimizer", "", "one of "+strings.Join(train.Optimizers, ", "))
	s.StringVar(&o.Schedule, "schedule", "", "one of "+strings.Join(train.Schedules, ", "))
	s.Float64Var(&o.Warmup, "warmup", 0, "share of the updates during which the rate rises")
	s.Float64Var(&o.Momentum, "momentum", 0, "momentum of sgd, nesterov and muon")
	s.Float64Var(&o.WeightDecay, "weight-decay", 0, "weight decay")
	s.Float64Var(&o.Clip, "clip", 0, "bound of the gradients' norm; 0 is none")
	s.Float64Var(&o.LabelSmoothing, "label-smoothing", 0, "share of the label's probability given to all classes")
	s.Float64Var(&o.Dropout, "dropout", 0, "share of hidden values dropped in training")
	s.Float64Var(&o.EMA, "ema", 0, "decay of averaged weights; 0 is no averaging")
	s.Float64Var(&o.Augment.Shift, "shift", 0, "random shift, as a share of the side")
	s.Float64Var(&o.Augment.Rotate, "rotate", 0, "random rotation, in degrees")
	s.Float64Var(&o.Augment.Scale, "scale", 0, "random scaling, as a share of the size")
	s.BoolVar(&o.Augment.Nearest, "nearest", false, "take the nearest pixel where images are moved, instead of four's mixture")
	s.IntVar(&o.Augment.Crop, "crop", 0, "random shift by whole pixels: padding of the random crop")
	s.BoolVar(&o.Augment.Reflect, "reflect", false, "fill what --crop uncovers by reflection")
	s.StringVar(&o.Augment.Flip, "flip", "", "mirror images: random, or alternate in every other epoch")
	s.IntVar(&o.Augment.Cutout, "cutout", 0, "side of a square that is blanked out at random, in pixels")
	s.StringVar(&o.Precision, "precision", "", "float32, or mixed: large activations are stored as float16")
	s.Uint64Var(&o.Seed, "seed", 0, "seed of weights, order, split and augmentation")
	s.Float64Var(&o.ValFraction, "val-fraction", 0, "share of the training images held out for validation")
	s.IntVar(&o.ValLast, "val-last", 0, "hold out the last so many training images instead")
	s.BoolVar(&o.TestFlip, "test-flip", false, "evaluate each image together with its mirror image")
	s.IntVar(&o.Patience, "patience", 0, "epochs without a better validation accuracy before stopping; 0 trains all")
	s.BoolVar(&o.KeepLast, "keep-last", false, "keep the last epoch's weights, not those of the best")
}

// apply replaces in o what flags were given, and names them.
func (f *trainFlags) apply(s *pflag.FlagSet, o *train.Options) (given []string) {
	mine := pflag.NewFlagSet("", pflag.ContinueOnError)
	target := trainFlags{}
	target.optionFlags(mine)
	target.opts = *o
	mine.VisitAll(func(p *pflag.Flag) {
		if g := s.Lookup(p.Name); g.Changed {
			given = append(given, "--"+p.Name)
			p.Value.Set(g.Value.String())
		}
	})
	// A schedule that ended at the recipe's rate would not fall to it from a
	// lower one of the command line, such as Adam's.
	if before := o.LR; s.Changed("lr") && !s.Changed("min-lr") && before > 0 && target.opts.LR > 0 {
		target.opts.MinLR *= target.opts.LR / before
	}
	// One is instead of the other, which may be the recipe's.
	switch last, share := s.Changed("val-last"), s.Changed("val-fraction"); {
	case last && !share && target.opts.ValLast > 0:
		target.opts.ValFraction = 0
	case share && !last && target.opts.ValFraction > 0:
		target.opts.ValLast = 0
	}
	*o = target.opts
	return given
}

func (a *app) trainCommand() *cobra.Command {
	f := &trainFlags{}
	c := &cobra.Command{
		Use:   "train RECIPE",
		Short: "Train a network and test it",
		Long:  "Train the network of a recipe, test it once at the end, and keep everything in a\nrun folder: weights, checkpoints, metrics, curves and the confusion matrix.\nCtrl-C saves, and so does --max-time; --resume goes on, to the same weights as\nwithout the interruption on a machine of the same kind. With --epochs N it trains\non until N epochs are done; the rate is from there on that of a run of N.\n\n--from fine-tunes a model: of an earlier run, of the lab, or one that weft import\nhas written. Its network, weights and preprocessing are kept; rates begin at a\ntenth of the recipe's; where the data has other classes, the last layer begins anew.\n\n" + recipeList(),
		Example: `  weft train mnist-mlp
  weft train mnist-mlp --preset seed --device webgpu
  weft train mnist-mlp --data synthetic --epochs 3 --batch 64 --lr 0.05
  weft train cifar-resnet18 --max-time 9m
  weft train --resume runs/mnist-mlp-20261120-184500
  weft train --resume runs/mnist-mlp-20261120-184500 --epochs 60
  weft train --from resnet18.weft.safetensors --data cifar10 --epochs 5`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return recipeNames(), cobra.ShellCompDirectiveNoFileComp
		},
		Args: func(c *cobra.Command, args []string) error {
			if f.resume != "" && len(args) > 0 {
				return usage(errors.New("--resume knows its recipe"), "usage: weft train --resume RUN")
			}
			if f.resume != "" && f.from != "" {
				return usage(errors.New("--resume and --from exclude each other"), "--resume goes on with a run, --from begins one with a model's weights")
			}
			if f.from != "" && len(args) > 0 {
				return usage(errors.New("--from knows its network"), "usage: weft train --from MODEL")
			}
			if f.resume == "" && f.from == "" && len(args) != 1 {
				return usage(errors.New("no recipe given"), "recipes: %s", strings.Join(recipeNames(), ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.train(c, f, args) },
	}
	s := c.Flags()
	f.optionFlags(s)
	f.device = deviceFlag(c)
	s.StringVar(&f.preset, "preset", "", "another set of the recipe's options")
	s.StringVar(&f.data, "data", "auto", "one of "+strings.Join(dataNames, ", ")+", or auto: what the recipe is for if that can be had, else synthetic pictures")
	s.DurationVar(&f.maxTime, "max-time", 0, "save and stop after so long, such as 9m, with exit code 75 if training is to go on")
	s.StringVar(&f.out, "out", "runs", "folder for run folders")
	s.StringVar(&f.resume, "resume", "", "run folder to go on with, or a checkpoint in it; with --epochs it is trained on until so many are done")
	s.StringVar(&f.from, "from", "", "model or run folder whose weights to begin with")
	s.StringVar(&f.saveEvery, "save-every", "30s", "longest way between checkpoints: a time, or a number of steps; 0 is an epoch")
	s.BoolVar(&f.noTest, "no-test", false, "leave the test set alone, for choosing options by validation")
	return c
}

// recipeNames are the recipes that can be trained.
func recipeNames() []string {
	var names []string
	for _, r := range train.Recipes() {
		if trainable(r) {
			names = append(names, r.Name)
		}
	}
	return names
}

// trainable is false for recipes of networks that come from elsewhere.
func trainable(r *train.Recipe) bool { return !r.Described && r.Data != train.ImageNet }

// checkTrainable is an error for those.
func checkTrainable(r *train.Recipe) error {
	switch {
	case r.Described:
		return usage(fmt.Errorf("%s is no network of its own: %s", r.Name, r.Doc), "recipes: %s", strings.Join(recipeNames(), ", "))
	case !trainable(r):
		return usage(fmt.Errorf("%s is for weights that were trained elsewhere, and there is no data set for it here", r.Name), "see: weft import safetensors --help")
	}
	return nil
}

func recipeList() string {
	var b strings.Builder
	b.WriteString("Recipes:\n")
	for _, r := range train.Recipes() {
		if !trainable(r) {
			continue
		}
		fmt.Fprintf(&b, "  %-14s %s\n", r.Name, r.Doc)
		fmt.Fprintf(&b, "  %-14s   default: %s\n", "", describe(&r.Options))
		var presets []string
		for p := range r.Presets {
			presets = append(presets, p)
		}
		slices.Sort(presets)
		for _, p := range presets {
			o := r.Presets[p]
			fmt.Fprintf(&b, "  %-14s   --preset %s: %s\n", "", p, describe(&o))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// describe is options in one line.
func describe(o *train.Options) string {
	return fmt.Sprintf("%d epochs, batch %d, %s %g to %g %s", o.Epochs, o.Batch, o.Optimizer, o.LR, o.MinLR, o.Schedule)
}

// saving parses --save-every.
func saving(s string) (steps int, every time.Duration, err error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= math.MaxInt32 {
		return n, 0, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return 0, d, nil
	}
	return 0, 0, usage(fmt.Errorf("--save-every %q is neither a time nor a number of steps", s), "for example 30s or 500; 0 saves at the end of each epoch only")
}

// errMaxTime ends a run whose time is up, but not the training.
var errMaxTime = errors.New("the time of --max-time is up")

func (a *app) train(c *cobra.Command, f *trainFlags, args []string) (err error) {
	ctx := c.Context()
	if f.maxTime < 0 {
		return usage(fmt.Errorf("--max-time %v", f.maxTime), "for example 9m")
	}
	if f.maxTime > 0 {
		var cancel context.CancelFunc
		// Loading and compiling count, since whoever sets a limit means the
		// whole command.
		ctx, cancel = context.WithTimeoutCause(ctx, f.maxTime, errMaxTime)
		defer cancel()
		defer func() {
			// Not all that ends early says why.
			if err != nil && errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == errMaxTime {
				err = fmt.Errorf("%w: %w", errMaxTime, err)
			}
		}()
	}
	cfg := train.Config{}
	if cfg.SaveSteps, cfg.SaveEvery, err = saving(f.saveEvery); err != nil {
		return err
	}
	dataName := f.data
	if f.resume != "" {
		cfg.Dir, cfg.Checkpoint = f.resume, ""
		if st, err := os.Stat(f.resume); err == nil && !st.IsDir() {
			cfg.Dir, cfg.Checkpoint = filepath.Dir(f.resume), filepath.Base(f.resume)
		}
		info, err := train.ReadCheckpoint(cfg.Dir, cfg.Checkpoint)
		if err != nil {
			return resumeHint(fmt.Errorf("cannot resume: %w", err))
		}
		if cfg.Recipe, err = train.Find(info.Recipe); err != nil {
			return err
		}
		cfg.Options = info.Options
		given := slices.DeleteFunc(f.apply(c.Flags(), &cfg.Options), func(name string) bool { return name == "--epochs" })
		if c.Flags().Changed("epochs") {
			cfg.Epochs = cfg.Options.Epochs
			if err := cfg.Options.Check(); err != nil {
				return usage(err, "see: weft train --help")
			}
			if cfg.Epochs <= info.State.Epoch {
				return usage(fmt.Errorf("--epochs %d, but %d epochs are done already", cfg.Epochs, info.State.Epoch), "give how many there are to be in all, more than %d", info.State.Epoch)
			}
		}
		if f.preset != "" {
			given = append(given, "--preset")
		}
		if len(given) > 0 {
			return usage(fmt.Errorf("a resumed run keeps its options, but %s was given", strings.Join(given, " ")), "only --epochs may change, to train on; start a new run for other options")
		}
		if !c.Flags().Changed("data") {
			dataName = info.Data.Name
		}
	} else {
		if f.from != "" {
			cfg.Recipe, cfg.From, err = f.origin()
		} else if cfg.Recipe, err = train.Find(args[0]); err != nil {
			err = usage(fmt.Errorf("no recipe %q", args[0]), "recipes: %s", strings.Join(recipeNames(), ", "))
		} else {
			err = checkTrainable(cfg.Recipe)
		}
		if err != nil {
			return err
		}
		if cfg.Options, err = cfg.Recipe.Preset(f.preset); err != nil {
			return usage(err, "see: weft train --help")
		}
		if f.from != "" && f.preset == "" {
			cfg.Options.LR, cfg.Options.MinLR = cfg.Options.LR/fineTuning, cfg.Options.MinLR/fineTuning
		}
		f.apply(c.Flags(), &cfg.Options)
		if err := cfg.Options.Check(); err != nil {
			return usage(err, "see: weft train --help")
		}
	}
	var test *data.Dataset
	if cfg.Train, test, err = a.loadFor(ctx, cfg.Recipe, dataName); err != nil {
		return err
	}
	if !f.noTest {
		cfg.Test = test
	}
	if f.resume == "" {
		if err := cfg.Options.CheckData(cfg.Train); err != nil {
			return usage(err, "see: weft train --help")
		}
	}
	if cfg.Device, err = a.openDevice(*f.device); err != nil {
		return err
	}
	if cfg.Options.Precision == "mixed" && !cfg.Device.Float16() {
		return hint(fmt.Errorf("%w: %s", tensor.ErrNoFloat16, cfg.Device.Name()), "start a run with --precision float32, or use another device; --device cpu has it, though it gains nothing there")
	}
	if f.resume == "" {
		if cfg.Dir, err = train.NewRunDir(f.out, cfg.Recipe.Name, time.Now()); err != nil {
			return err
		}
	}
	return a.trainRun(ctx, cfg, f.resume != "")
}

// resumeHint says what to do about a checkpoint that cannot be used.
func resumeHint(err error) error {
	var damaged *train.DamagedError
	if errors.As(err, &damaged) {
		return hint(fmt.Errorf("cannot resume: %w", damaged.Err), "go on from the checkpoint before it, of step %d: weft train --resume %s", damaged.Step, damaged.Previous)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, train.ErrForeign) {
		return hint(err, "give the run folder that weft train printed; it holds %s", train.LastFile)
	}
	return err
}

// fineTuning divides the recipe's rates where weights are not random any more.
const fineTuning = 10

// origin is the file of --from and the recipe that its network is of, for images
// of the model's kind.
func (f *trainFlags) origin() (*train.Recipe, string, error) {
	path, err := train.ModelPath(f.from)
	if err != nil {
		return nil, "", hint(err, "--from takes a run folder, as weft train prints it, or a .safetensors file of weft's")
	}
	info, err := train.ReadInfo(path)
	if errors.Is(err, train.ErrForeign) {
		return nil, "", hint(err, "make a model of it with: weft import safetensors %s --model NETWORK -o MODEL", path)
	}
	if err != nil {
		return nil, "", err
	}
	found, err := train.Find(info.Recipe)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	r := *found
	if r.Data = train.MNIST; info.Preprocessing.Channels == 3 {
		r.Data = train.CIFAR10
	}
	return &r, path, nil
}

// drawEvery is how long the curves of a run under way may be out of date:
// drawing them takes a few tenths of a second.
const drawEvery = 15 * time.Second

// trainRun trains and reports.
func (a *app) trainRun(ctx context.Context, cfg train.Config, resumed bool) error {
	bar := a.newProgress()
	draw := func() {
		if err := drawCurves(cfg.Dir); err != nil {
			bar.note(fmt.Sprintf("warning: no curves: %v", err))
		}
	}
	drawn := time.Now()
	cfg.Observer = train.Observer{
		Progress: bar.progress,
		Epoch: func(e train.Epoch) {
			bar.epoch(e)
			if time.Since(drawn) > drawEvery {
				draw()
				drawn = time.Now()
			}
		},
		Warn: func(err error) { bar.note("warning: " + err.Error()) },
	}
	begin := time.Now()
	start := train.New
	if resumed {
		start = train.Resume
	}
	t, err := start(cfg)
	if err != nil {
		if resumed {
			return resumeHint(err)
		}
		os.Remove(cfg.Dir) // Only if nothing is in it.
		if errors.Is(err, syscall.ENOSPC) {
			return hint(err, "make room, or choose another folder with --out")
		}
		return err
	}
	defer t.Close()
	info := t.Info()
	p := t.Program()
	own, borrowed := p.MemoryBytes()
	a.notef("%s on %s: %s", info.Recipe, info.Data.Name, describe(&info.Options))
	a.notef("compiled in %.1fs: %d kernels a step, %s and %s of variables and data", time.Since(begin).Seconds(), p.KernelCount(), memory(int64(own)), memory(int64(borrowed)))
	if cfg.From != "" {
		a.notef("beginning with the weights of %s", cfg.From)
	}
	if fresh := t.Fresh(); len(fresh) > 0 {
		a.notef("beginning anew, for %d classes: %s", len(info.Classes), strings.Join(fresh, ", "))
	}
	if n := t.LeftOut(); n > 0 {
		a.notef("%d images that fill no batch are left out of each epoch, other ones each time", n)
	}
	if resumed {
		a.notef("going on at epoch %d, step %d", info.State.Epoch+1, info.State.Step)
		if cfg.Epochs != 0 {
			if err := t.WriteConfig(trainedOn(cfg.Dir)); err != nil {
				return err
			}
		}
	} else if err := t.WriteConfig(map[string]any{"command": append([]string{"weft"}, os.Args[1:]...)}); err != nil {
		return err
	}
	res, err := t.Run(ctx)
	bar.finish()
	draw()
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, errMaxTime) {
			return hint(err, "go on with: weft train --resume %s", cfg.Dir)
		}
		if errors.Is(err, train.ErrDiverged) {
			return err
		}
		return hint(err, "the last checkpoint is in %s; go on with: weft train --resume %s", cfg.Dir, cfg.Dir)
	}
	return a.trainReport(cfg, t.Info(), res)
}

// trainedOn is what the run's config.json keeps when the run is trained on: the
// command that began it, and those that went on, this one last.
func trainedOn(dir string) map[string]any {
	var old struct {
		Command any   `json:"command"`
		Further []any `json:"trained_on"`
	}
	if b, err := os.ReadFile(filepath.Join(dir, train.ConfigFile)); err == nil {
		_ = json.Unmarshal(b, &old) // What cannot be read is lost, the run goes on.
	}
	return map[string]any{"command": old.Command, "trained_on": append(old.Further, append([]string{"weft"}, os.Args[1:]...))}
}

// trainReport prints the result and writes it to the run folder.
func (a *app) trainReport(cfg train.Config, info train.Info, res *train.Result) error {
	dir := cfg.Dir
	if res.Stopped {
		a.printf("stopped after epoch %d: no better validation accuracy for %d epochs\n", res.State.Epoch, info.Options.Patience)
	}
	out := map[string]any{
		"run": dir, "recipe": info.Recipe, "data": info.Data.Name, "epochs": res.State.Epoch, "steps": res.State.Step,
		"seconds": res.State.Seconds, "steps_per_s": res.StepsPerSec, "images_per_s": res.StepsPerSec * float64(info.Options.Batch*max(1, info.Options.Accumulate)),
	}
	if v := res.Validation; v != nil {
		out["val_accuracy"], out["val_loss"], out["best_epoch"] = v.Accuracy, v.Loss, res.State.BestEpoch
		a.printf("validation accuracy %.2f %% (loss %.4f), %d images, weights of epoch %d\n", 100*v.Accuracy, v.Loss, v.N, keptEpoch(info, res))
	}
	if s := res.Test; s != nil {
		out["test_accuracy"], out["test_loss"] = s.Accuracy, s.Loss
		if err := writeConfusion(dir, info.Classes, s.Confusion); err != nil {
			return err
		}
		a.printf("\n%s\n", confusionText(info.Classes, s.Confusion))
		a.printf("test accuracy %.2f %% (loss %.4f), %d images\n", 100*s.Accuracy, s.Loss, s.N)
		a.printNote(cfg.Test)
		out["test_note"] = cfg.Test.Note
	}
	a.printf("run folder: %s\n", dir)
	return a.result(out)
}

func keptEpoch(info train.Info, res *train.Result) int {
	if info.Options.KeepLast || res.State.BestEpoch == 0 {
		return res.State.Epoch
	}
	return res.State.BestEpoch
}
