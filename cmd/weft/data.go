// Data is chosen by a name; where it comes from is the business of the packages
// below data. What happens when it is not there is decided here: auto goes on
// with digits of its own, a name insists.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/cifar10"
	"github.com/weft-ml/weft/data/mnist"
	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/train"
)

// dataNames are what --data takes besides auto.
var dataNames = []string{"mnist", "fashion", "synthetic", "cifar10", "cifar10-lossless", "shapes"}

// The synthetic digits are as many as MNIST's. Shapes are drawn more slowly, and
// need room for the last 10,000, on which the recipes for CIFAR-10 validate.
const (
	syntheticTrain = 60000
	syntheticTest  = 10000
	shapesTrain    = 30000
	shapesTest     = 5000
)

// loadFor is loadData for a recipe: auto is the data that the recipe is for or,
// if that cannot be had, pictures of our own, with the reason.
func (a *app) loadFor(ctx context.Context, r *train.Recipe, name string) (trainSet, test *data.Dataset, err error) {
	if name != "auto" {
		return a.loadData(ctx, name)
	}
	real, own, what := "mnist", "synthetic", "synthetic digits"
	switch r.Data {
	case train.CIFAR10:
		real, own, what = "cifar10", "shapes", "synthetic shapes"
	}
	trainSet, test, err = a.loadData(ctx, real)
	if errors.Is(err, mnist.ErrUnavailable) || errors.Is(err, cifar10.ErrUnavailable) {
		a.notef("%v", err)
		a.notef("going on with %s; --data %s would insist", what, real)
		return a.loadData(ctx, own)
	}
	return trainSet, test, err
}

// loadData returns the training and test set of that name.
func (a *app) loadData(ctx context.Context, name string) (train, test *data.Dataset, err error) {
	o := mnist.Options{Progress: a.downloadProgress()}
	// Checkpoints know a set by the name of its training part.
	switch strings.TrimSuffix(name, "-train") {
	case "mnist":
		train, test, err = mnist.Load(ctx, o)
	case "cifar10", "cifar10-lossless":
		train, test, err = cifar10.Load(ctx, cifar10.Options{Progress: a.downloadProgress(), Lossless: name == "cifar10-lossless"})
	case "shapes":
		a.notef("drawing %d synthetic shapes", shapesTrain+shapesTest)
		train, test = synthetic.Shapes(shapesTrain, 1), synthetic.Shapes(shapesTest, 2)
		test.Name, test.Mean, test.Std = "shapes-test", train.Mean, train.Std
	case "fashion", "fashion-mnist":
		o.Variant = mnist.Fashion
		train, test, err = mnist.Load(ctx, o)
	case "synthetic", "synthetic-digits":
		a.notef("drawing %d synthetic digits", syntheticTrain+syntheticTest)
		train, test = synthetic.Digits(syntheticTrain, 1), synthetic.Digits(syntheticTest, 2)
		test.Mean, test.Std = train.Mean, train.Std
	default:
		return nil, nil, usage(fmt.Errorf("no data set %q", name), "--data takes auto or one of %s", strings.Join(dataNames, ", "))
	}
	if err != nil {
		if ctx.Err() == nil {
			// The package's last line is its advice.
			text := err.Error()
			if i := strings.LastIndexByte(text, '\n'); i > 0 {
				return nil, nil, hint(&shown{text[:i], err}, "%s", text[i+1:])
			}
		}
		return nil, nil, err
	}
	return train, test, nil
}

// shown is an error with another text.
type shown struct {
	text string
	err  error
}

func (e *shown) Error() string { return e.text }
func (e *shown) Unwrap() error { return e.err }

func (a *app) downloadProgress() func(file string, done, total int64) {
	last := ""
	return func(file string, done, total int64) {
		if file != last {
			a.notef("downloading %s (%s)", file, memory(max(total, 0)))
			last = file
		}
	}
}

func (a *app) dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "data [NAME]",
		Short: "List, fetch and show data sets",
		Long: `MNIST, Fashion-MNIST and CIFAR-10 are looked for in $WEFT_DATA, then in the cache
($WEFT_CACHE or the user's cache folder), and downloaded into it. Synthetic
digits and shapes are drawn by this program.

CIFAR-10 may lie there as cifar-10-binary.tar.gz, as cifar-10-python.tar.gz, or
unpacked. Its training images are verified; what its test images are is said,
since copies of them go about that are JPEG. cifar10-lossless leaves such out.`,
		Example: "  weft data list\n  weft data cifar10                  short for: weft data fetch cifar10\n  weft data show mnist -o digits.png",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			if err := exactly(1, "the data set")(c, args); err != nil {
				return err
			}
			return a.fetchData(c.Context(), args[0])
		},
	}
	c.AddCommand(a.dataListCommand(), a.dataFetchCommand(), a.dataShowCommand())
	return c
}

type dataEntry struct {
	Name   string    `json:"name"`
	Here   bool      `json:"here"`
	Train  int       `json:"train"`
	Test   int       `json:"test"`
	Shape  []int     `json:"shape"`
	Source string    `json:"source"`
	Mean   []float32 `json:"mean"`
	Std    []float32 `json:"std"`
	Note   string    `json:"note,omitempty"`
}

// printNote says what people should know about a test set.
func (a *app) printNote(test *data.Dataset) {
	if test.Note != "" {
		a.printf("  note: %s\n", test.Note)
	}
}

func entryOf(name string, train, test *data.Dataset) dataEntry {
	return dataEntry{name, true, train.N, test.N, []int{train.C, train.H, train.W}, train.Source, train.Mean, train.Std, test.Note}
}

func (a *app) dataListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the data sets and whether they are on this machine",
		Example: "  weft data list",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			var list []dataEntry
			for _, v := range []mnist.Variant{mnist.MNIST, mnist.Fashion} {
				name := dataNames[v]
				train, test, err := mnist.Load(c.Context(), mnist.Options{Variant: v, Offline: true})
				if err != nil {
					a.printf("%-10s not on this machine: weft data fetch %s\n", name, name)
					list = append(list, dataEntry{Name: name})
					continue
				}
				a.printf("%-10s %d + %d images of %dx%d, %s\n", name, train.N, test.N, train.H, train.W, train.Source)
				list = append(list, entryOf(name, train, test))
			}
			if train, test, err := cifar10.Load(c.Context(), cifar10.Options{Offline: true}); err != nil {
				a.printf("%-10s not on this machine: weft data fetch cifar10\n", "cifar10")
				list = append(list, dataEntry{Name: "cifar10"})
			} else {
				a.printf("%-10s %d + %d images of %dx%d, %s\n", "cifar10", train.N, test.N, train.H, train.W, train.Source)
				a.printNote(test)
				list = append(list, entryOf("cifar10", train, test))
			}
			a.printf("%-10s any number of digits of 28x28, drawn by this program\n", "synthetic")
			a.printf("%-10s any number of coloured shapes of 32x32, drawn by this program\n", "shapes")
			list = append(list, dataEntry{Name: "synthetic", Here: true, Train: syntheticTrain, Test: syntheticTest, Shape: []int{1, 28, 28}},
				dataEntry{Name: "shapes", Here: true, Train: shapesTrain, Test: shapesTest, Shape: []int{3, 32, 32}})
			return a.result(map[string]any{"data": list})
		},
	}
}

func (a *app) dataFetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "fetch mnist|fashion|cifar10",
		Short:     "Download a data set into the cache, or find out that it is there",
		Example:   "  weft data fetch mnist",
		ValidArgs: dataNames,
		Args:      exactly(1, "the data set"),
		RunE:      func(c *cobra.Command, args []string) error { return a.fetchData(c.Context(), args[0]) },
	}
}

// fetchData makes sure that a data set is there and says what it is.
func (a *app) fetchData(ctx context.Context, name string) error {
	if !slices.Contains(dataNames, name) {
		return usage(fmt.Errorf("no data set %q", name), "there are: %s", strings.Join(dataNames, ", "))
	}
	train, test, err := a.loadData(ctx, name)
	if err != nil {
		return err
	}
	a.printf("%s: %d training and %d test images, %s\n", name, train.N, test.N, train.Source)
	a.printNote(test)
	return a.result(entryOf(name, train, test))
}

func (a *app) dataShowCommand() *cobra.Command {
	var out string
	var rows, cols int
	c := &cobra.Command{
		Use:     "show mnist|fashion|synthetic|cifar10|shapes",
		Short:   "Draw a contact sheet of the first training images",
		Example: "  weft data show synthetic -o digits.png --rows 10 --cols 20",
		Args:    exactly(1, "the data set"),
		RunE: func(c *cobra.Command, args []string) error {
			if min(rows, cols) < 1 || max(rows, cols) > 10000 || rows*cols > 10000 {
				return usage(fmt.Errorf("%d rows and %d columns", rows, cols), "ask for 1 to 10000 images")
			}
			var train *data.Dataset
			var err error
			if args[0] == "synthetic" {
				train = synthetic.Digits(rows*cols, 1)
			} else if args[0] == "shapes" {
				train = synthetic.Shapes(rows*cols, 1)
			} else if train, _, err = a.loadData(c.Context(), args[0]); err != nil {
				return err
			}
			if out == "" {
				out = args[0] + ".png"
			}
			if err := atomicfile.Write(out, 0, func(w io.Writer) error { return train.ContactSheet(w, rows, cols) }); err != nil {
				return hint(err, "choose another file with -o, or fewer --rows and --cols")
			}
			a.printf("%s: %d images\n", out, min(rows*cols, train.N))
			return a.result(map[string]any{"file": out, "images": min(rows*cols, train.N)})
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "PNG file to write (default NAME.png)")
	c.Flags().IntVar(&rows, "rows", 10, "rows of images")
	c.Flags().IntVar(&cols, "cols", 20, "columns of images")
	return c
}
