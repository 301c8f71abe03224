// Models are used through what their file says: recipe, preprocessing and class
// names come from there, and no flag can contradict them.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
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
	if err != nil {
		return nil, nil, "", err
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

func (a *app) predictCommand() *cobra.Command {
	var model string
	var dev *string
	c := &cobra.Command{
		Use:   "predict IMAGE",
		Short: "Say what digit (or garment) a picture shows",
		Long: `Read a PNG or JPEG picture of one digit, of any size, dark on light or light on
dark, bring it into the form that MNIST's pictures have, and print the
probability of every class.`,
		Example: "  weft predict digit.png\n  weft predict scan.jpg --model runs/mnist-mlp-20261120-184500",
		Args:    exactly(1, "a picture"),
		RunE: func(c *cobra.Command, args []string) error {
			pixels, err := data.DigitFromFile(args[0])
			if err != nil {
				return err
			}
			m, info, file, err := a.openModel(model)
			if err != nil {
				return err
			}
			if p := info.Preprocessing; p.Channels != 1 || p.Height != data.DigitSide || p.Width != data.DigitSide {
				return hint(fmt.Errorf("%s takes images of %dx%dx%d", file, p.Channels, p.Height, p.Width), "choose a model of digits with --model")
			}
			d, err := a.openDevice(*dev)
			if err != nil {
				return err
			}
			probs, err := probabilities(d, m, info, pixels)
			if err != nil {
				return err
			}
			a.drawDigit(pixels)
			best := 0
			for i, p := range probs {
				if p > probs[best] {
					best = i
				}
			}
			for i, p := range probs {
				mark := " "
				if i == best {
					mark = ">"
				}
				a.printf("%s %-12s %6.2f %% %s\n", mark, info.Classes[i], 100*p, strings.Repeat("#", int(math.Round(40*p))))
			}
			a.printf("%s\n", info.Classes[best])
			byName := map[string]float64{}
			for i, p := range probs {
				byName[info.Classes[i]] = p
			}
			return a.result(map[string]any{
				"image": args[0], "model": file, "class": info.Classes[best], "index": best,
				"probability": probs[best], "probabilities": probs, "by_class": byName,
			})
		},
	}
	c.Flags().StringVar(&model, "model", "", "run folder or checkpoint (default: the newest run below ./runs)")
	dev = deviceFlag(c)
	return c
}

// probabilities runs m on one image of bytes.
func probabilities(dev *device.Device, m nn.Module, info *train.Info, pixels []uint8) ([]float64, error) {
	pre := info.Preprocessing
	x := tensor.FromBytes(pixels, 1, pre.Channels, pre.Height, pre.Width)
	p, err := tensor.Compile(dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{m.Forward(pre.Normalize(in[0].To(tensor.Float32))).Softmax(-1)}
	}, x)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	out, err := p.Call(x)
	if err != nil {
		return nil, err
	}
	probs := make([]float64, len(info.Classes))
	for i, v := range out[0].Floats()[:len(probs)] {
		probs[i] = float64(v)
	}
	return probs, nil
}

// drawDigit shows what the network sees, two rows of pixels to a line.
func (a *app) drawDigit(pixels []uint8) {
	const side, shades = data.DigitSide, " .:-=+*#%@"
	for y := 0; y < side; y += 2 {
		line := make([]byte, side)
		for x := range line {
			v := (int(pixels[y*side+x]) + int(pixels[(y+1)*side+x])) / 2
			line[x] = shades[v*len(shades)/256]
		}
		if text := strings.TrimRight(string(line), " "); text != "" {
			a.printf("  %s\n", text)
		}
	}
}
