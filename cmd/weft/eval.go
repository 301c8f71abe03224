// Models are used through what their file says: recipe, preprocessing and class
// names come from there, and no flag can contradict them.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
)

// openModel loads the model of a run folder or file; "" is the newest run.
func (a *app) openModel(path string) (nn.Module, *train.Info, string, error) {
	if path == "" {
		if path = train.NewestRun("runs"); path == "" {
			return nil, nil, "", hint(errors.New("no trained model in ./runs"), "train one with: weft train mnist-mlp, or name one with --model")
		}
		a.notef("model: %s (the newest run)", path)
	}
	file, err := train.ModelPath(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, "", hint(err, "give a run folder, as weft train prints it, or a .safetensors file")
		}
		return nil, nil, "", err
	}
	m, info, err := train.LoadModel(file)
	switch {
	case err == nil:
	case strings.EqualFold(filepath.Ext(file), ".onnx"):
		return nil, nil, "", hint(fmt.Errorf("%s is an ONNX model, not one of weft's", file), "make one of it with: weft import onnx %s", file)
	case errors.Is(err, train.ErrForeign):
		return nil, nil, "", hint(err, "make a model of it with: weft import safetensors %s --model NETWORK -o MODEL", file)
	default:
		return nil, nil, "", err
	}
	if !info.Summed {
		a.notef("%s: %v", file, train.ErrNoSum)
	}
	return m, info, file, nil
}

func (a *app) evalCommand() *cobra.Command {
	var name, split string
	var dev *string
	c := &cobra.Command{
		Use:   "eval RUN|CHECKPOINT",
		Short: "Test a trained network",
		Long: `Run a trained network over every image of a data set once: by default the test
images of the data that it was trained on.`,
		Example: `  weft eval runs/mnist-mlp-20261120-184500
  weft eval runs/mnist-mlp-20261120-184500/last.safetensors --split train
  weft eval RUN --data mnist       a network trained on synthetic digits reads real ones`,
		Args: exactly(1, "a run folder or checkpoint"),
		RunE: func(c *cobra.Command, args []string) error {
			m, info, file, err := a.openModel(args[0])
			if err != nil {
				return err
			}
			if name == "" {
				name = info.Data.Name
			}
			if split != "test" && split != "train" && split != "val" {
				return usage(fmt.Errorf("no split %q", split), "--split takes test, train or val")
			}
			if name == info.Data.Name && info.Data.N == 0 {
				return usage(fmt.Errorf("%s was trained elsewhere, on data that it does not name", file), "choose a set with --data: %s", strings.Join(dataNames, ", "))
			}
			trainSet, set, err := a.loadData(c.Context(), name)
			if err != nil {
				return err
			}
			if split != "test" {
				kept, held, err := info.Options.Split(trainSet)
				if err != nil {
					return err
				}
				set = kept
				if split == "val" {
					if set = held; held == nil {
						return hint(errors.New("this network was trained without held-out images"), "--split takes test or train")
					}
				}
			}
			if set.ImageSize() != info.Preprocessing.Channels*info.Preprocessing.Height*info.Preprocessing.Width || len(set.Classes) != len(info.Classes) {
				return hint(fmt.Errorf("%s does not fit the images of %s", file, set.Name), "choose another set with --data")
			}
			d, err := a.openDevice(*dev)
			if err != nil {
				return err
			}
			begin := time.Now()
			s, err := train.Evaluate(c.Context(), d, info.Options.Evaluated(m), set, info.Preprocessing)
			if err != nil {
				return err
			}
			spent := time.Since(begin).Seconds()
			if s.Loss != s.Loss || math.IsInf(s.Loss, 0) {
				a.notef("warning: the loss is no number%s", a.badWeights(m))
			}
			a.printf("%s\n", confusionText(info.Classes, s.Confusion))
			a.printf("%s accuracy %.2f %% (loss %.4f), %d images of %s in %.2fs\n", split, 100*s.Accuracy, s.Loss, s.N, set.Name, spent)
			a.printNote(set)
			return a.result(map[string]any{
				"run": args[0], "file": file, "recipe": info.Recipe, "data": set.Name, "split": split, "n": s.N,
				split + "_accuracy": s.Accuracy, split + "_loss": s.Loss, "confusion": s.Confusion,
				"steps_per_s": float64(s.Steps) / spent, "images_per_s": float64(s.N) / spent,
			})
		},
	}
	c.Flags().StringVar(&name, "data", "", "data set (default: that of the training)")
	c.Flags().StringVar(&split, "split", "test", "test; train, the images it was trained on; or val, those held out from them")
	dev = deviceFlag(c)
	return c
}
