// Weights that another program trained become a model's file like those of a
// run, so that every command takes them.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/data/cifar10"
	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes/imported"
	"github.com/weft-ml/weft/zoo"
)

func (a *app) importCommand() *cobra.Command {
	const advice = "give one of the formats that weft import --help lists"
	c := &cobra.Command{
		Use:   "import",
		Short: "Make a model of what another program trained: ONNX, a PyTorch state dict",
		Long: `Make a model's file of what another program trained, for every command that takes
a model: predict, eval, inspect, summary, export.

An ONNX file holds network and weights. A state dict holds weights alone, which
are loaded by their names into a network of the zoo (weft summary --help).`,
		Example: `  weft import onnx mobilenet_v2.onnx --class-names labels.txt
  weft import safetensors resnet18.safetensors --model resnet18 -o resnet18.weft.safetensors`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage(fmt.Errorf("no format %q", args[0]), advice)
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.importSafetensorsCommand(), a.importONNXCommand())
	return c
}

// importFlags are the flags of weft import safetensors.
type importFlags struct {
	model, out, classFile string
	classes               int
	partial               bool
}

func (a *app) importSafetensorsCommand() *cobra.Command {
	f := &importFlags{}
	c := &cobra.Command{
		Use:   "safetensors FILE",
		Short: "Load a PyTorch state dict by name into a network of the zoo",
		Long: `Load a state dict that was saved as safetensors into a network of the zoo, by the
names of its tensors, and write a model's file. Names are torchvision's (those of
resnet20 are chenyaofo's pytorch-cifar-models'). Prefixes such as "module." are
taken off, and counters of batch norm may be missing. Whatever does not fit is
listed, and nothing is written unless --partial is given.

In Python:  safetensors.torch.save_file(model.state_dict(), "weights.safetensors")`,
		Example: `  weft import safetensors resnet18.safetensors --model resnet18 -o resnet18.weft.safetensors
  weft import safetensors b0.safetensors --model efficientnet_b0 --class-names labels.txt -o b0.weft.safetensors
  weft import safetensors backbone.safetensors --model resnet18 --classes 5 --partial -o start.weft.safetensors`,
		Args: exactly(1, "a safetensors file"),
		RunE: func(_ *cobra.Command, args []string) error { return a.importSafetensors(args[0], f) },
	}
	c.Flags().StringVar(&f.model, "model", "", "name of the network, as weft summary --help lists them")
	c.Flags().StringVarP(&f.out, "out", "o", "", "file to write")
	c.Flags().StringVar(&f.classFile, "class-names", "", "text file with the name of a class in each line")
	c.Flags().IntVar(&f.classes, "classes", 0, "number of classes (default: that of the names, or the network's own)")
	c.Flags().BoolVar(&f.partial, "partial", false, "load what fits and leave the rest as it is drawn at random")
	return c
}

func (a *app) importSafetensors(path string, f *importFlags) error {
	if err := within("classes", f.classes, 0, train.MaxClasses); err != nil {
		return err
	}
	if f.model == "" || f.out == "" {
		return usage(errors.New("--model and -o are needed"), "see: weft import safetensors --help")
	}
	z, err := zoo.Find(f.model)
	if err != nil {
		return usage(err, "see: weft summary --help")
	}
	r, err := train.Find(z.Name)
	if err != nil {
		return usage(fmt.Errorf("%s is trained here, not imported", z.Name), "give another --model")
	}
	if err := spared(path, f.out); err != nil {
		return err
	}
	classes, err := f.classNames(z)
	if err != nil {
		return err
	}
	file, err := safetensors.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return hint(err, "give the file of a state dict; in Python, safetensors.torch.save_file writes one")
	}
	if err != nil && strings.EqualFold(filepath.Ext(path), ".onnx") {
		return hint(err, "an ONNX model is imported with: weft import onnx %s", path)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	m := z.New(nn.NewRNG(1), len(classes))
	report, err := nn.Load(nn.Params(m), file, nn.LoadOptions{Foreign: true, Partial: f.partial})
	if err != nil {
		return err
	}
	a.printf("%s: %s\n", path, report.Text(20))
	if !report.Complete() && (!f.partial || report.Loaded == 0) {
		return hint(fmt.Errorf("%s does not fit %s", path, z.Name), "choose another --model or --classes, or load what fits with --partial")
	}
	info := train.Info{
		Recipe: r.Name, Options: r.Options, Classes: classes,
		Preprocessing: train.Preprocessing{Channels: z.Input[0], Height: z.Input[1], Width: z.Input[2], Scale: 1.0 / 255, Mean: z.Mean, Std: z.Std, Resize: z.Resize},
		Data:          train.DataInfo{Name: "imported", Source: filepath.Base(path)},
	}
	if err := atomicfile.Write(f.out, 0, func(w io.Writer) error { return train.WriteModel(w, m, info) }); err != nil {
		return hint(err, "choose another file with -o")
	}
	a.printf("wrote %s: %s with %s parameters\n", f.out, z.Name, nn.Thousands(nn.Count(nn.Params(m))))
	return a.result(map[string]any{
		"file": f.out, "model": z.Name, "loaded": report.Loaded, "prefix": report.Prefix,
		"missing": report.Missing, "unexpected": report.Unexpected, "mismatched": report.Mismatched, "classes": len(classes),
	})
}

// modelExt is what names of imported models end with unless -o says otherwise:
// what they were made of is often called NAME.safetensors and must not be lost.
const modelExt = ".weft.safetensors"

// spared is an error if what is written to out would replace the source.
func spared(source, out string) error {
	x, err := os.Stat(source)
	if err != nil {
		return nil // which opening it will say better
	}
	if y, err := os.Stat(out); err == nil && os.SameFile(x, y) {
		return usage(fmt.Errorf("%s would be overwritten", source), "choose another file with -o")
	}
	return nil
}

// readNames reads the file of --class-names.
func readNames(path string) ([]string, error) {
	const most = 1 << 20 // bytes: more is no such list
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var b []byte
		if b, err = io.ReadAll(io.LimitReader(f, most)); err == nil {
			return imported.Names(string(b)), nil
		}
	}
	return nil, hint(err, "--class-names takes a text file with a name in each line")
}

// classNames are the names of the flags' file, else those of CIFAR-10 where
// they fit, else numbers.
func (f *importFlags) classNames(z zoo.Model) (names []string, err error) {
	if f.classFile != "" {
		if names, err = readNames(f.classFile); err != nil {
			return nil, err
		}
		if f.classes != 0 && f.classes != len(names) {
			return nil, usage(fmt.Errorf("%s has %d names, --classes is %d", f.classFile, len(names), f.classes), "leave --classes out")
		}
	} else {
		n := f.classes
		if n == 0 {
			n = z.Classes
		}
		if n == len(cifar10.Classes) && z.Input[1] == 32 {
			names = slices.Clone(cifar10.Classes)
		}
		for i := len(names); i < n && i <= train.MaxClasses; i++ {
			names = append(names, strconv.Itoa(i))
		}
	}
	if len(names) < 1 || len(names) > train.MaxClasses {
		return nil, usage(fmt.Errorf("%d classes", len(names)), "1 to %d are possible", train.MaxClasses)
	}
	return names, nil
}
