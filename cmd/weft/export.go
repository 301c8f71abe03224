// An export is a model for programs that are not Weft. Each format has a
// subcommand, in a file of its own where it takes more than a few lines; they
// share how a model is named, and --verify, which uses what was written the way
// its receiver will and compares the results with Weft's own.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/web"
)

// exporting is what the subcommands of export share.
type exporting struct {
	*app
	verify   bool
	allowNaN bool
}

func (a *app) exportCommand() *cobra.Command {
	e := &exporting{app: a}
	c := &cobra.Command{
		Use:   "export",
		Short: "Write a trained network for other programs: a web page, ONNX, PyTorch",
		Long: `Write a trained network in a form that other programs use without Weft. MODEL is
a run folder, a .safetensors file that weft train or the lab has written, or the
name of a built-in model: ` + strings.Join(builtinNames(), ", ") + `.

With --verify what was written is used the way its receiver will use it, and the
results are compared with Weft's own; a difference is an error.`,
		Example: `  weft export web mnist-mlp -o page          a page that reads digits, without Go
  weft export web runs/mnist-cnn-20261120-184500 -o page --verify
  weft export onnx mnist-cnn --verify
  weft export safetensors runs/mnist-mlp-20261120-184500 -o model.safetensors`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("no format given"), "give one of the formats that weft export --help lists")
			}
			return usage(fmt.Errorf("no format %q", args[0]), "give one of the formats that weft export --help lists")
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	c.PersistentFlags().BoolVar(&e.verify, "verify", false, "use what was written and compare the results with Weft's own")
	c.PersistentFlags().BoolVar(&e.allowNaN, "allow-nan", false, "export weights that are not numbers, too")
	c.AddCommand(e.webCommand(), e.safetensorsCommand(), e.onnxCommand())
	return c
}

// builtinNames are the models that every copy of the program has.
func builtinNames() []string {
	var names []string
	for _, m := range web.Models() {
		names = append(names, m.Name)
	}
	return names
}

// model loads what a command line calls MODEL; name is a word for it that can be
// part of a file name.
func (e *exporting) model(arg string) (m nn.Module, info *train.Info, name string, err error) {
	if _, err := os.Stat(arg); err != nil {
		b, err := web.ReadModel(arg)
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			return nil, nil, "", hint(fmt.Errorf("there is no file, run folder or built-in model %q", arg),
				"give a run folder, as weft train prints it, a .safetensors file, or one of: %s", strings.Join(builtinNames(), ", "))
		}
		if err != nil {
			return nil, nil, "", err
		}
		m, info, err := train.ReadModel(arg, bytes.NewReader(b), int64(len(b)))
		return m, info, arg, err
	}
	m, info, _, err = e.openModel(arg)
	if err != nil {
		return nil, nil, "", err
	}
	nan, inf, err := notNumbers(m)
	if err != nil {
		return nil, nil, "", err
	}
	if len(nan) > 0 && !e.allowNaN {
		return nil, nil, "", hint(fmt.Errorf("%s holds weights that are not numbers (NaN), so its answers are of no use: %s", arg, few(nan)),
			"export an earlier checkpoint, train again with a lower --lr, or insist with --allow-nan")
	}
	if bad := append(nan, inf...); len(bad) > 0 {
		e.notef("warning: NaN or infinite weights in %s", few(bad))
	}
	return m, info, info.Recipe, nil
}

// modelFile is the file that a command line's MODEL names.
func modelFile(arg string) string {
	if file, err := train.ModelPath(arg); err == nil {
		return file
	}
	return arg // a built-in model
}

// outFlag adds -o.
func outFlag(c *cobra.Command, what string) *string {
	return c.Flags().StringP("out", "o", "", what)
}

func (e *exporting) safetensorsCommand() *cobra.Command {
	var f16 bool
	var out *string
	c := &cobra.Command{
		Use:   "safetensors MODEL",
		Short: "Write the weights alone, under the names that PyTorch gives them",
		Long: `Write the weights of a model as a safetensors file without anything of Weft's, for
torch.nn.Module.load_state_dict: averaged weights where training kept such, the
running statistics of batch norm included, no state of the optimizer.`,
		Example: "  weft export safetensors mnist-mlp -o mlp.safetensors\n  weft export safetensors runs/mnist-cnn-20261120-184500 --f16",
		Args:    exactly(1, "a model"),
		RunE: func(c *cobra.Command, args []string) error {
			m, info, name, err := e.model(args[0])
			if err != nil {
				return err
			}
			path := *out
			if path == "" {
				path = name + ".safetensors"
			}
			if err := spared(modelFile(args[0]), path); err != nil {
				return err
			}
			params := nn.Params(m)
			ts, err := weights(params, f16)
			if err != nil {
				return err
			}
			meta := map[string]string{"format": "pt", "model": info.Recipe}
			if err := atomicfile.Write(path, 0o644, func(w io.Writer) error { return safetensors.Write(w, ts, meta) }); err != nil {
				return hint(err, "choose another file with -o")
			}
			st, err := os.Stat(path)
			if err != nil {
				return err
			}
			e.printf("%s: %d tensors, %d parameters, %s\n", path, len(ts), nn.Count(params), memory(st.Size()))
			result := map[string]any{"file": path, "tensors": len(ts), "parameters": nn.Count(params), "bytes": st.Size()}
			if e.verify {
				worst, err := compareWeights(path, params)
				if err != nil {
					return err
				}
				limit := 0.0
				if f16 {
					limit = 1.0 / 2048 // half of the last bit of a half, relative
				}
				if !(worst <= limit) {
					return hint(fmt.Errorf("%s: verification failed: a weight differs by %.2g of its size", path, worst), "this is a defect of weft; please report it with the model")
				}
				e.printf("verified: read back, the largest relative difference is %.2g\n", worst)
				result["difference"] = worst
			}
			return e.result(result)
		},
	}
	c.Flags().BoolVar(&f16, "f16", false, "store float16, half the size")
	out = outFlag(c, "file to write (default: the model's name)")
	return c
}

// weights are params as a file holds them.
func weights(params []nn.Param, f16 bool) ([]safetensors.Tensor, error) {
	ts := make([]safetensors.Tensor, len(params))
	for i, p := range params {
		if p.Value.DType() == tensor.Int32 {
			x, err := p.Value.ReadInts()
			if err != nil {
				return nil, err
			}
			long := make([]int64, len(x)) // as PyTorch has num_batches_tracked
			for j, v := range x {
				long[j] = int64(v)
			}
			ts[i] = safetensors.Int64(p.Name, p.Value.Shape(), long)
			continue
		}
		x, err := p.Value.Read()
		if err != nil {
			return nil, err
		}
		if f16 {
			ts[i] = safetensors.Float16(p.Name, p.Value.Shape(), x)
		} else {
			ts[i] = safetensors.Float32(p.Name, p.Value.Shape(), x)
		}
	}
	return ts, nil
}

// compareWeights reads a file of weights and returns the largest difference to
// params, relative to the value; infinite where something is missing.
func compareWeights(path string, params []nn.Param) (worst float64, err error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, p := range params {
		if p.Value.DType() == tensor.Int32 {
			got, shape, err := f.ReadI32(p.Name)
			if err != nil {
				return 0, err
			}
			want, err := p.Value.ReadInts()
			if err != nil {
				return 0, err
			}
			if !slices.Equal(got, want) || !slices.Equal(shape, p.Value.Shape()) {
				return math.Inf(1), nil
			}
			continue
		}
		got, shape, err := f.ReadF32(p.Name)
		if err != nil {
			return 0, err
		}
		want, err := p.Value.Read()
		if err != nil {
			return 0, err
		}
		if len(got) != len(want) || !slices.Equal(shape, p.Value.Shape()) {
			return math.Inf(1), nil
		}
		const tiny = 1.0 / (1 << 14) // below this halves have fewer bits
		for i, v := range got {
			worst = max(worst, math.Abs(float64(v-want[i]))/max(math.Abs(float64(want[i])), tiny))
		}
	}
	return worst, nil
}
