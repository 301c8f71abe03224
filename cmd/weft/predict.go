// A picture is brought into the form that the model's file asks for, so that the
// same command reads digits and names what is in photographs. A terminal shows
// what the network sees of a digit; of anything else, the best answers.

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/regular"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

func (a *app) predictCommand() *cobra.Command {
	var model string
	var top int
	var dev *string
	c := &cobra.Command{
		Use:   "predict IMAGE",
		Short: "Say what a picture shows: a digit, a garment, or what is in a photograph",
		Long: `Read a PNG, JPEG or WebP picture of any size, bring it into the form that the model was
trained on, and print the most probable classes. For a model of digits that is
one digit, dark on light or light on dark, fitted and centred as in MNIST; for
others the picture is resized and its middle cut out as the model says.`,
		Example: `  weft predict digit.png
  weft predict scan.jpg --model runs/mnist-mlp-20261120-184500
  weft predict photo.jpg --model mobilenet_v2.weft.safetensors --top 3`,
		Args: exactly(1, "a picture"),
		RunE: func(c *cobra.Command, args []string) error {
			if top < 0 {
				return usage(fmt.Errorf("--top %d", top), "1 or more")
			}
			img, err := data.PictureFromFile(args[0])
			var outside *fs.PathError // not there, a folder, no permission
			if errors.As(err, &outside) || errors.Is(err, regular.ErrKind) {
				return hint(err, "give the file of a PNG, JPEG or WebP picture")
			}
			if err != nil {
				return err
			}
			m, info, file, err := a.openModel(model)
			if err != nil {
				return err
			}
			pre := &info.Preprocessing
			if pre.Height < 2 || pre.Width < 2 || pre.Channels != 1 && pre.Channels != 3 {
				return hint(fmt.Errorf("%s takes inputs of %dx%dx%d, which are no pictures", file, pre.Channels, pre.Height, pre.Width), "choose a model of pictures with --model")
			}
			pixels, err := pre.Fit(img)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			d, err := a.openDevice(*dev)
			if err != nil {
				return err
			}
			probs, err := probabilities(d, m, info, pixels)
			if err != nil {
				return hint(fmt.Errorf("%s: %w", file, err), "choose another model with --model")
			}
			if pre.OfDigits() {
				a.drawDigit(pixels)
			} else {
				a.printf("%s\n", fitText(pre))
			}
			order := ranked(probs)
			shown := len(order)
			switch {
			case top > 0:
				shown = min(top, shown)
			case !pre.OfDigits():
				shown = min(5, shown)
			}
			a.printAnswers(info.Classes, probs, order[:shown], shown == len(probs))
			best := order[0]
			byName := map[string]float64{}
			for i, p := range probs {
				byName[info.Classes[i]] = p
			}
			var list []map[string]any
			for _, i := range order[:shown] {
				list = append(list, map[string]any{"class": info.Classes[i], "index": i, "probability": probs[i]})
			}
			return a.result(map[string]any{
				"image": args[0], "model": file, "class": info.Classes[best], "index": best, "top": list,
				"probability": probs[best], "probabilities": probs, "by_class": byName,
			})
		},
	}
	c.Flags().StringVar(&model, "model", "", "run folder or model's file (default: the newest run below ./runs)")
	c.Flags().IntVar(&top, "top", 0, "classes to print (default: all of a digit, 5 of others)")
	dev = deviceFlag(c)
	return c
}

// fitText says what becomes of a picture.
func fitText(p *train.Preprocessing) string {
	if p.OfDigits() {
		return "a digit fitted into 28x28"
	}
	text := fmt.Sprintf("the middle %dx%d", p.Width, p.Height)
	if p.Resize > 0 {
		text += fmt.Sprintf(" of the picture resized to %d", p.Resize)
	}
	return fmt.Sprintf("%s, scale %.4g, mean %v, deviation %v", text, p.Scale, p.Mean, p.Std)
}

// ranked are the classes, the most probable first.
func ranked(probs []float64) []int {
	order := make([]int, len(probs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(probs[j], probs[i]) })
	return order
}

// printAnswers prints the classes of shown with bars, in their own order where
// these are all of them.
func (a *app) printAnswers(classes []string, probs []float64, shown []int, all bool) {
	best, wide := shown[0], 12
	if all {
		shown = slices.Sorted(slices.Values(shown))
	}
	for _, i := range shown {
		wide = max(wide, min(len([]rune(classes[i])), 40))
	}
	for _, i := range shown {
		mark := " "
		if i == best {
			mark = ">"
		}
		a.printf("%s %-*s %6.2f %% %s\n", mark, wide, classes[i], 100*probs[i], strings.Repeat("#", int(math.Round(40*probs[i]))))
	}
	a.printf("%s\n", classes[best])
}

// probabilities runs m on one image of bytes.
func probabilities(dev *device.Device, m nn.Module, info *train.Info, pixels []uint8) ([]float64, error) {
	pre := info.Preprocessing
	x := tensor.FromBytes(pixels, 1, pre.Channels, pre.Height, pre.Width)
	p, err := tensor.Compile(dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{m.Forward(pre.Normalize(in[0].To(tensor.Float32)))}
	}, x)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	out, err := p.Call(x)
	if err != nil {
		return nil, err
	}
	y, err := out[0].Read()
	if err != nil {
		return nil, err
	}
	if len(y) != len(info.Classes) {
		return nil, fmt.Errorf("the network returns %d values for %d classes, so it is no classifier", len(y), len(info.Classes))
	}
	for _, v := range y {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, errors.New("the network returns what is no number, so its weights are of no use")
		}
	}
	return softmax(y), nil
}

// softmax of scores, unless they are probabilities already: some imported
// networks end with their own.
func softmax(scores []float32) []float64 {
	out := make([]float64, len(scores))
	most, sum, negative := math.Inf(-1), 0.0, false
	for i, v := range scores {
		out[i] = float64(v)
		most, sum, negative = max(most, out[i]), sum+out[i], negative || v < 0
	}
	if !negative && math.Abs(sum-1) < 1e-3 && len(scores) > 1 {
		return out
	}
	sum = 0
	for i, v := range out {
		out[i] = math.Exp(v - most)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
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
