// Plans are compiled for a data set that holds nothing, so that looking at one
// needs no data and shows the memory of the real one.

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// blank is a data set that holds nothing, for plans: they depend on its shape
// only.
func blank(c, h, w, n int) *data.Dataset {
	d := &data.Dataset{
		Name: "blank", N: n, C: c, H: h, W: w, Images: make([]uint8, n*c*h*w), Labels: make([]uint8, n),
		Mean: []float32{0.1307}, Std: []float32{0.3081},
	}
	for len(d.Mean) < c {
		d.Mean, d.Std = append(d.Mean, 0.5), append(d.Std, 0.25)
	}
	for i := range 10 {
		d.Classes = append(d.Classes, fmt.Sprint(i))
	}
	return d
}

func (a *app) inspectCommand() *cobra.Command {
	var plan, forward, source bool
	var batch int
	var preset, precision, dev string
	c := &cobra.Command{
		Use:   "inspect RECIPE|RUN|CHECKPOINT",
		Short: "Show a network: parameters, metadata, and the compiled step",
		Long: `Show the parameters of a recipe's network, or what a checkpoint holds. With
--plan also the training step as it is compiled: graph, fused kernels, generated
code, buffers with their lifetimes, and peak memory. With --forward the plan is
that of a prediction with softmax.`,
		Example: `  weft inspect mnist-mlp
  weft inspect mnist-mlp --plan --device webgpu
  weft inspect mnist-mlp --plan --forward --batch 1
  weft inspect runs/mnist-mlp-20261120-184500`,
		Args: exactly(1, "a recipe or a checkpoint"),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := a.inspected(args[0], preset)
			if err != nil {
				return err
			}
			if err := within("batch", batch, 0, mostBatch); err != nil {
				return err
			}
			if batch > 0 {
				v.info.Options.Batch = batch
			}
			if precision != "" {
				v.info.Options.Precision = precision
				if err := v.info.Options.Check(); err != nil {
					return usage(err, "see: weft inspect --help")
				}
			}
			out := v.describe(a)
			if plan || forward || source {
				d, err := device.Open(dev)
				if err != nil {
					return hint(err, "weft devices lists what there is; --device cpu always works")
				}
				if err := a.printPlan(d, v, forward, out); err != nil {
					return err
				}
			}
			return a.result(out)
		},
	}
	c.Flags().BoolVar(&plan, "plan", false, "show the compiled training step")
	c.Flags().BoolVar(&forward, "forward", false, "show the compiled prediction")
	c.Flags().IntVar(&batch, "batch", 0, "images of one step (default: the recipe's)")
	c.Flags().StringVar(&preset, "preset", "", "another set of the recipe's options")
	c.Flags().StringVar(&precision, "precision", "", "float32 or mixed, for the training step (default: the recipe's)")
	c.Flags().StringVar(&dev, "device", "cpu", "device to compile for")
	return c
}

// view is what inspect looks at.
type view struct {
	model  nn.Module
	recipe *train.Recipe
	info   train.Info
	file   string // "" for a recipe
}

// inspected finds a recipe by name, else a checkpoint by path.
func (a *app) inspected(name, preset string) (*view, error) {
	if _, err := os.Stat(name); err == nil {
		m, info, file, err := a.openModel(name)
		if err != nil {
			return nil, err
		}
		r, err := train.Find(info.Recipe)
		return &view{m, r, *info, file}, err
	}
	r, err := train.Find(name)
	if err != nil {
		return nil, hint(errors.New(err.Error()+"; and there is no such file"), "give a recipe, a run folder or a .safetensors file")
	}
	o, err := r.Preset(preset)
	if err != nil {
		return nil, usage(err, "see: weft train --help")
	}
	c, h, w := r.Input()
	d := blank(c, h, w, 0)
	info := train.Info{Recipe: r.Name, Options: o, Preprocessing: train.PreprocessingOf(d), Classes: d.Classes}
	m, err := r.Build(train.Spec{Channels: d.C, Height: d.H, Width: d.W, Classes: 10, Options: o})
	return &view{m, r, info, ""}, err
}

// describe prints what v is and returns it for JSON.
func (v *view) describe(a *app) map[string]any {
	i := &v.info
	params := nn.Params(v.model)
	out := map[string]any{"recipe": i.Recipe, "parameters": nn.Count(params), "options": i.Options, "preprocessing": i.Preprocessing, "classes": i.Classes}
	if v.file != "" {
		a.printf("%s: %s of recipe %s, epoch %d, step %d, trained on %s (%s)\n", v.file, i.Kind, i.Recipe, i.State.Epoch, i.State.Step, i.Data.Name, i.Data.Source)
		out["file"], out["kind"], out["state"], out["data"] = v.file, i.Kind, i.State, i.Data
		if i.State.BestEpoch > 0 {
			a.printf("best validation accuracy %.2f %% in epoch %d\n", 100*i.State.BestAccuracy, i.State.BestEpoch)
		}
		if i.Test != nil {
			a.printf("test accuracy %.2f %%, loss %.4f\n", 100*i.Test.Accuracy, i.Test.Loss)
			out["test_accuracy"], out["test_loss"] = i.Test.Accuracy, i.Test.Loss
		}
	} else {
		a.printf("%s: %s\n%s\n", i.Recipe, v.recipe.Doc, describe(&i.Options))
	}
	p := &i.Preprocessing
	a.printf("input %dx%dx%d, mean %v, deviation %v", p.Channels, p.Height, p.Width, p.Mean, p.Std)
	if p.Resize > 0 {
		a.printf(", of pictures resized to %d", p.Resize)
	}
	if n := len(i.Classes); n > 20 {
		a.printf("; %d classes: %s, ...\n\n", n, strings.Join(i.Classes[:20], ", "))
	} else {
		a.printf("; classes %s\n\n", strings.Join(i.Classes, " "))
	}
	a.printf("%s\n", v.summary())
	if bad := a.badWeights(v.model); bad != "" {
		a.printf("warning: weights that are no numbers%s\n", bad)
		out["not_numbers"] = strings.TrimPrefix(bad, ": ")
	}
	var list []map[string]any
	for _, q := range params {
		list = append(list, map[string]any{"name": q.Name, "shape": q.Value.Shape(), "buffer": q.Buffer})
	}
	out["tensors"] = list
	return out
}

// summary lists the layers, or only what they hold where the network does not
// take one image, such as an imported one of several inputs.
func (v *view) summary() (text string) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *tensor.Error:
			text = nn.Summary(v.model)
		default:
			panic(e)
		}
	}()
	p := &v.info.Preprocessing
	return nn.Summary(v.model, 1, p.Channels, p.Height, p.Width)
}

// printPlan compiles the step and prints all of it.
func (a *app) printPlan(dev *device.Device, v *view, forward bool, out map[string]any) error {
	var prog *tensor.Program
	if n := named(v.model); n != nil && !forward {
		return usage(errors.New("a network of several inputs is not trained by commands, so it has no training step"), "give --forward instead of --plan")
	} else if n != nil {
		var err error
		prog, err = tensor.Compile(dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in) }, zerosFor(n, v.info.Options.Batch)...)
		if err != nil {
			return err
		}
		defer prog.Close()
	} else if forward {
		p := &v.info.Preprocessing
		x := tensor.FromBytes(make([]uint8, v.info.Options.Batch*p.Channels*p.Height*p.Width), v.info.Options.Batch, p.Channels, p.Height, p.Width)
		var err error
		prog, err = tensor.Compile(dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{v.model.Forward(p.Normalize(in[0].To(tensor.Float32))).Softmax(-1)}
		}, x)
		if err != nil {
			return err
		}
		defer prog.Close()
	} else {
		o := v.info.Options
		o.ValFraction, o.ValLast, o.Patience = 0, 0, 0
		c, h, w := v.info.Preprocessing.Channels, v.info.Preprocessing.Height, v.info.Preprocessing.Width
		// As many images as MNIST has, or as fit.
		set := blank(c, h, w, max(min(60000, 1<<28/(c*h*w)), o.Batch*max(1, o.Accumulate)))
		set.Classes = v.info.Classes
		t, err := train.New(train.Config{Recipe: v.recipe, Options: o, Device: dev, Train: set, From: v.file})
		if err != nil {
			return err
		}
		defer t.Close()
		prog = t.Program()
	}
	own, borrowed := prog.MemoryBytes()
	a.printf("graph:\n%s\n%s\n", prog.Graph(), prog.Plan())
	for i, s := range prog.Source() {
		if s != "" {
			a.printf("kernel %d on %s:\n%s\n", i, dev.Name(), s)
		}
	}
	a.printf("%d kernels, %.3f MFLOP a step, peak memory %s (temporaries and results %s, variables and data %s)\n",
		prog.KernelCount(), float64(prog.FLOPs())/1e6, memory(int64(own+borrowed)), memory(int64(own)), memory(int64(borrowed)))
	out["kernels"], out["flops"], out["memory"], out["memory_variables"] = prog.KernelCount(), prog.FLOPs(), own, borrowed
	out["device"] = dev.Name()
	return nil
}
