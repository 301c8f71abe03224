// Command weft trains, tests and looks into networks from the command line.
//
// Each subcommand has a file of its own. They have three things in common:
// what people read goes to standard output and progress to standard error; with
// --json standard output ends with one line, the result as a JSON object; and
// an error is one line that says what is wrong and one that says what to do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/tensor"
	_ "github.com/weft-ml/weft/train/recipes"
	_ "github.com/weft-ml/weft/train/recipes/images"
)

// Exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitResume      = 75  // what BSD's sysexits.h calls a temporary failure: try again
	exitInterrupted = 130 // and 143 for SIGTERM, 129 for SIGHUP, 141 for a closed pipe: see stopped
)

func main() {
	os.Exit(run(stopSignals(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gone := func() { cancel(errNobodyReads) }
	a := &app{stdout: &stream{w: stdout, gone: gone}, stderr: &stream{w: stderr, gone: gone}}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && context.Cause(ctx) == errNobodyReads {
		err = errNobodyReads
	}
	if err == nil {
		err = hint(a.stdout.failed(), "the result is not complete; is the disk full?")
	}
	if err == nil {
		return 0
	}
	code, tell := exitCode(ctx, err)
	if tell {
		a.printError(err)
	}
	if code == exitFailure && strings.HasPrefix(err.Error(), "unknown command") {
		code = exitUsage
	}
	return code
}

// app is what the commands share.
type app struct {
	stdout, stderr *stream
	json           bool
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "Train, test and look into neural networks, on the CPU and on WebGPU",
		Long: `Weft traces a training step once, compiles it into few fused kernels, and
replays it on the CPU or, through WebGPU, on a graphics card.`,
		Example: `  weft train mnist-mlp            train a network that reads digits
  weft predict digit.png          read one with it
  weft train mnist-mlp --data synthetic --epochs 3 --device cpu`,
		Version:       thisVersion().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "end standard output with the result as one line of JSON")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err, "see: " + c.CommandPath() + " --help"}
	})
	root.AddCommand(a.devicesCommand(), a.dataCommand(), a.trainCommand(), a.evalCommand(), a.predictCommand(), a.inspectCommand(), a.summaryCommand(), a.importCommand(), a.exportCommand(), a.benchCommand(), a.serveCommand(), a.licencesCommand())
	root.SetVersionTemplate(thisVersion().String())
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// deviceFlag adds --device.
func deviceFlag(c *cobra.Command) *string {
	return c.Flags().String("device", "auto", "cpu, webgpu, webgpu:NAME, or auto: a graphics card if there is one, else the CPU")
}

// printf writes for people: to standard output, or beside it when that is for
// JSON.
func (a *app) printf(format string, args ...any) {
	w := a.stdout
	if a.json {
		w = a.stderr
	}
	fmt.Fprintf(w, format, args...)
}

// notef writes what is not part of the result.
func (a *app) notef(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }

// result writes v as the last line, if that is wanted.
func (a *app) result(v any) error {
	if !a.json {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", b)
	return err
}

// usageError is a mistake in the command line.
type usageError struct {
	err error
	do  string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// hintError is an error with the line that says what to do.
type hintError struct {
	err error
	do  string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

func hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// usage is hint for mistakes in the command line.
func usage(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &usageError{err, fmt.Sprintf(format, args...)}
}

// mostBatch bounds --batch of what is not trained: more inputs of one program
// than any device holds.
const mostBatch = 1 << 20

// within checks a flag that is a number.
func within(flag string, v, least, most int) error {
	if v < least || v > most {
		return usage(fmt.Errorf("--%s %d", flag, v), "%d to %d are possible", least, most)
	}
	return nil
}

// printError writes what is wrong and what to do. Errors of the packages end
// with the advice after a semicolon, unless a command knows better.
func (a *app) printError(err error) {
	what, do := err.Error(), ""
	// Where in this program a network was traced helps nobody who runs it.
	var shape *tensor.Error
	if errors.As(err, &shape) && shape.Pos != "" {
		what = strings.ReplaceAll(what, shape.Pos+": ", "")
	}
	var h *hintError
	var u *usageError
	switch {
	case errors.As(err, &h):
		do = h.do
	case errors.As(err, &u):
		do = u.do
	case strings.HasPrefix(what, "unknown command"):
		what, _, _ = strings.Cut(what, "\n")
		do = "see: weft --help"
	default:
		if i := strings.LastIndex(what, "; "); i > 0 {
			what, do = what[:i], what[i+2:]
		}
	}
	fmt.Fprintf(a.stderr, "weft: %s\n", strings.TrimPrefix(what, "weft: "))
	if do != "" {
		fmt.Fprintf(a.stderr, "  %s\n", do)
	}
}

// args is cobra's check of the number of arguments, as a usage error.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			err := fmt.Errorf("%d arguments given, %d wanted", len(args), n)
			if n == 0 {
				return usage(err, "usage: %s", c.UseLine())
			}
			return usage(fmt.Errorf("%w: %s", err, what), "usage: %s", c.UseLine())
		}
		return nil
	}
}
