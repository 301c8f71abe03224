// Command testexport writes exports of the digit networks, each with inputs and
// what Weft's own CPU says to them, for the tests that run them elsewhere: under
// Node and in browsers.
//
//	go run ./format/web/testexport -out bin/exports
//
// A network that comes with the lab has its trained weights, others are as
// training would begin with them, but for the statistics of batch norm, which
// are made up so that they matter.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/device"
	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/format/web/webonnx"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	_ "github.com/weft-ml/weft/train/recipes"
	_ "github.com/weft-ml/weft/train/recipes/images"
	"github.com/weft-ml/weft/web"
	"github.com/weft-ml/weft/web/player"
)

// pictures is how many inputs each network is asked about.
const pictures = 7

type expected struct {
	Pixels [][]int   `json:"pixels"` // [height][width][channel], bytes
	Logits []float32 `json:"logits"`
}

func main() {
	out := flag.String("out", "bin/exports", "folder to write into, a folder for each network")
	names := flag.String("models", "mnist-mlp,mnist-mlp2,mnist-cnn,photo,masks", "recipes, separated by commas")
	flag.Parse()
	if err := os.MkdirAll(*out, 0o755); err != nil {
		fail(err)
	}
	if err := writeDigits(filepath.Join(*out, "digits.json")); err != nil {
		fail(err)
	}
	if err := writeNamed(filepath.Join(*out, "named")); err != nil {
		fail(err)
	}
	for _, name := range strings.Split(*names, ",") {
		for _, f16 := range []bool{false, true} {
			dir := filepath.Join(*out, name)
			if f16 {
				dir += "-f16"
			}
			if err := write(dir, name, f16); err != nil {
				fail(err)
			}
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func write(dir, name string, f16 bool) error {
	images := synthetic.Digits(pictures, 5)
	if name == photo {
		images = colours(pictures)
	}
	m, pre, err := network(name, train.PreprocessingOf(images))
	if err != nil {
		return err
	}
	model := format.Model{Title: name, Net: m, Preprocessing: pre, Classes: images.Classes}
	files, err := format.Write(model, format.Options{F16: f16, Explain: name == photo})
	if err != nil {
		return err
	}
	if name == photo {
		if files, err = webonnx.Add(files, model, f16); err != nil {
			return err
		}
	}
	e := expected{}
	area := images.H * images.W
	for i := range pictures {
		var image []int
		for at := range area {
			for c := range images.C {
				image = append(image, int(images.Images[i*images.ImageSize()+c*area+at]))
			}
		}
		e.Pixels = append(e.Pixels, image)
	}
	x := tensor.FromBytes(images.Images, pictures, images.C, images.H, images.W)
	p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{m.Forward(pre.Normalize(in[0].To(tensor.Float32)))}
	}, x)
	if err != nil {
		return err
	}
	defer p.Close()
	y, err := p.Call(x)
	if err != nil {
		return err
	}
	if e.Logits, err = y[0].Read(); err != nil {
		return err
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	files = append(append(files, format.Code(player.Export(true))...), format.File{Name: "expected.json", Data: b})
	if name == photo {
		b, err := explained(m.(nn.Sequential), pre, images)
		if err != nil {
			return err
		}
		files = append(files, format.File{Name: "explained.json", Data: b})
		alone, err := webonnx.Export(model, f16)
		if err != nil {
			return err
		}
		var file bytes.Buffer
		if err := alone.Write(&file); err != nil {
			return err
		}
		files = append(files, format.File{Name: photo + ".onnx", Data: file.Bytes()})
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		err := atomicfile.Write(filepath.Join(dir, f.Name), 0o644, func(w io.Writer) error {
			_, err := w.Write(f.Data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// photo is a small network for pictures in colour, of no recipe.
const photo = "photo"

// colours are pictures in colour, of nothing.
func colours(n int) *data.Dataset {
	d := &data.Dataset{Name: photo, N: n, C: 3, H: 32, W: 32, Mean: []float32{0.49, 0.48, 0.45}, Std: []float32{0.25, 0.24, 0.26}}
	for i := range n * d.ImageSize() {
		d.Images = append(d.Images, uint8(i*i/37+13*i))
	}
	for i := range 12 {
		d.Classes = append(d.Classes, fmt.Sprintf("kind %d of thing", i))
	}
	return d
}

func photoNet() nn.Module {
	rng := nn.NewRNG(3)
	return nn.Sequential{
		nn.NewConv2d(rng, 3, 8, 3, nn.ConvOptions{Stride: 2, Padding: 1, NoBias: true}), nn.NewBatchNorm(8, nn.BatchNormOptions{}), nn.ReLU{},
		nn.NewConv2d(rng, 8, 8, 3, nn.ConvOptions{Padding: 1, Groups: 8}), nn.NewBatchNorm(8, nn.BatchNormOptions{}), nn.SiLU{},
		nn.NewConv2d(rng, 8, 16, 1, nn.ConvOptions{}), nn.Func(func(x *tensor.Tensor) *tensor.Tensor { return x.Mean(2, 3) }),
		nn.NewLinear(rng, 16, 12, nn.LinearOptions{}),
	}
}

// masks is a network with the constants that transformers mask with and that clip
// activations: the ends of the range, of which every compiler of shaders must read
// what is meant.
const masks = "masks"

func masked(x *tensor.Tensor) *tensor.Tensor {
	lowest := tensor.Scalar(-math.MaxFloat32)
	chosen := tensor.Where(x.Gt(tensor.Scalar(-0.1)), x, lowest)                                   // as PyTorch's masked_fill
	added := chosen.Add(tensor.Where(x.Gt(tensor.Scalar(100)), lowest, tensor.Scalar(0)))          // as transformers does
	return added.Maximum(tensor.Scalar(0x1p-126)).Clamp(-1, math.MaxFloat32).Minimum(lowest.Neg()) // as Clip without a limit
}

func network(name string, pre train.Preprocessing) (nn.Module, train.Preprocessing, error) {
	if name == masks {
		rng := nn.NewRNG(4)
		return nn.Sequential{nn.Flatten{}, nn.NewLinear(rng, 784, 32, nn.LinearOptions{}), nn.Func(masked), nn.NewLinear(rng, 32, 10, nn.LinearOptions{})}, pre, nil
	}
	if name == photo {
		m := photoNet()
		return m, pre, spread(m)
	}
	b, err := web.ReadModel(name)
	if err == nil {
		m, info, err := train.ReadModel(name, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return nil, pre, err
		}
		return m, info.Preprocessing, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, pre, err
	}
	r, err := train.Find(name)
	if err != nil {
		return nil, pre, err
	}
	m, err := train.InitModel(r, pre, 10, r.Options, nil)
	if err != nil {
		return nil, pre, err
	}
	return m, pre, spread(m)
}

// spread gives the statistics of batch norm values that matter.
func spread(m nn.Module) error {
	for _, p := range nn.Params(m) {
		if !p.Buffer || p.Value.DType() != tensor.Float32 {
			continue
		}
		x := make([]float32, p.Value.Len())
		for i := range x {
			x[i] = 0.2 + 0.05*float32(i%9) // also a possible variance
		}
		if err := p.Value.Set(x); err != nil {
			return err
		}
	}
	return nil
}
