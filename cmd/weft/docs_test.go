// Documents go stale in silence: a default changes, a flag is renamed, a figure
// outlives the command that gave it. This compares what they say with the
// program, and is tested itself with samples that lie.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weft-ml/weft/train"
)

var (
	codeSpan    = regexp.MustCompile("`([^`\n]+)`")
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z0-9 -]*):`)
	placeholder = regexp.MustCompile(`^[A-Z][A-Z0-9_|-]*$|\.\.\.`)
	// Options as sentences name them; the value is in the first group.
	claims = map[string]*regexp.Regexp{
		"epochs":          regexp.MustCompile(`\b(\d+) epochs\b`),
		"batch":           regexp.MustCompile(`\bbatch (\d+)\b`),
		"lr":              regexp.MustCompile(`\b(?:one cycle to|rate) ([0-9.e-]*\d)\b`),
		"weight-decay":    regexp.MustCompile(`\bweight decay ([0-9.e-]*\d)\b`),
		"label-smoothing": regexp.MustCompile(`\blabel smoothing ([0-9.e-]*\d)\b`),
		"momentum":        regexp.MustCompile(`\bmomentum ([0-9.e-]*\d)\b`),
		"seed":            regexp.MustCompile(`\bseed (\d+)\b`),
	}
	preset = regexp.MustCompile("`?(?:--preset|preset) `?([a-z]+)`?")
	// A paragraph after such a comment says what a recipe's options are.
	marked = regexp.MustCompile(`(?s)<!-- options of ([a-z0-9-]+) -->\n(.*?)(?:\n\n|\z)`)
	// The programs that measure cards have their name once in a document, and
	// tables their arguments.
	arguments = regexp.MustCompile("`(?:bench )?-[a-z]+ [^`]+`")
	figure    = regexp.MustCompile(`\d (?:steps/s|images/s|images a second|steps a second|ms a step|GFLOP/s|TFLOP/s)|\*\*\d+\.\d+ %\*\*`)
)

// docsErrors checks one document; targets are the makefile's.
func docsErrors(name, text string, targets []string) (errs []error) {
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(name+": "+format, args...))
	}
	for _, c := range commands(text) {
		if err := checkCommand(c, targets); err != nil {
			bad("%q: %v", c, err)
		}
	}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		if m := codeSpan.FindStringSubmatch(cells[1]); m != nil {
			if r, err := train.Find(m[1]); err == nil {
				checkClaims(r, cells[len(cells)-2], bad)
			}
		}
	}
	for _, m := range marked.FindAllStringSubmatch(text, -1) {
		r, err := train.Find(m[1])
		if err != nil {
			bad("options of %s: %v", m[1], err)
			continue
		}
		checkClaims(r, strings.ReplaceAll(m[2], "\n", " "), bad)
	}
	// Each section with a figure has the command that gives it.
	for _, section := range strings.Split("\n"+text, "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		if f := figure.FindString(section); f != "" && len(commands(section)) == 0 && !arguments.MatchString(section) {
			bad("section %q has the figure %q but no command", title, f)
		}
		checkTables(title, section, bad)
	}
	return errs
}

// checkTables: where a table has a column of commands, each row has one, or says
// that it is the one above with a change.
func checkTables(title, section string, bad func(string, ...any)) {
	column := -1
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 3:
			column = -1
		case column < 0:
			column = slices.IndexFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "command" })
			if column < 0 {
				column = len(cells) // of another kind
			}
		case column < len(cells):
			cell := cells[column]
			if strings.Contains(cell, "---") || strings.Contains(cell, "the same") || len(commands(cell)) > 0 || arguments.MatchString(cell) {
				continue
			}
			bad("section %q: the row %q names no command", title, strings.TrimSpace(line))
		}
	}
}

// checkClaims compares what a sentence says with a recipe's options; behind the
// name of a preset it is about that.
func checkClaims(r *train.Recipe, text string, bad func(string, ...any)) {
	parts := map[string]string{"": text}
	if at := preset.FindStringSubmatchIndex(text); at != nil {
		parts = map[string]string{"": text[:at[0]], text[at[2]:at[3]]: text[at[1]:]}
	}
	for name, part := range parts {
		o, err := r.Preset(name)
		if err != nil {
			bad("%v", err)
			continue
		}
		f := trainFlags{opts: o}
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.optionFlags(flags)
		f.opts = o
		for option, pattern := range claims {
			for _, m := range pattern.FindAllStringSubmatch(part, -1) {
				said, err := strconv.ParseFloat(m[1], 64)
				is, err2 := strconv.ParseFloat(flags.Lookup(option).Value.String(), 64)
				if err != nil || err2 != nil || said != is {
					bad("%s %s: the document says %q, the program has --%s %v", r.Name, name, m[0], option, flags.Lookup(option).Value)
				}
			}
		}
	}
}

// commands are the command lines of a document that begin with weft or make.
func commands(text string) (list []string) {
	add := func(line string) {
		line = regexp.MustCompile(`\$\([^)]*\)`).ReplaceAllString(line, "X")
		if at := strings.Index(line, " # "); at >= 0 {
			line = line[:at]
		}
		for _, part := range regexp.MustCompile(`\|\||&&|;|\|| do `).Split(line, -1) {
			f := strings.Fields(part)
			for len(f) > 0 && strings.Contains(f[0], "=") {
				f = f[1:]
			}
			if len(f) > 0 && f[0] == "bin/weft" {
				f[0] = "weft"
			}
			if len(f) > 1 && (f[0] == "weft" || f[0] == "make" || f[0] == "node" || f[0] == "go" && f[1] == "run" && len(f) > 2) {
				list = append(list, strings.Join(f, " "))
			}
		}
	}
	fenced, last := false, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if fenced || strings.HasPrefix(line, "    ") {
			if strings.HasSuffix(line, `\`) {
				last += strings.TrimSuffix(line, `\`)
				continue
			}
			add(last + line)
			last = ""
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			add(m[1])
		}
	}
	return list
}

// checkCommand parses a command line without running it. Words in capitals stand
// for what readers fill in.
func checkCommand(line string, targets []string) error {
	f := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(line))
	if f[0] == "make" {
		for _, t := range f[1:] {
			if strings.HasPrefix(t, "-") || strings.Contains(t, "=") {
				break // values may be of several words
			}
			if !slices.Contains(targets, t) {
				return fmt.Errorf("no target %s in the Makefile", t)
			}
		}
		return nil
	}
	if f[0] == "node" || f[0] == "go" {
		if f[0] == "go" {
			f = f[1:]
		}
		if strings.HasPrefix(f[1], "-") || strings.Contains(f[1], "@") {
			return nil
		}
		for _, root := range []string{"../..", "../../web", "../../web/player"} {
			if _, err := os.Stat(filepath.Join(root, f[1])); err == nil {
				return nil
			}
		}
		return fmt.Errorf("there is no %s", f[1])
	}
	root := (&app{}).root()
	c, args, err := root.Find(f[1:])
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	if c == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") && !placeholder.MatchString(args[0]) {
		return fmt.Errorf("no command %s", args[0])
	}
	for i, arg := range args {
		flag := c.Flag(strings.TrimLeft(arg, "-"))
		if strings.HasPrefix(arg, "-") && flag != nil && i+1 < len(args) && placeholder.MatchString(args[i+1]) && flag.Value.Type() != "string" {
			args[i+1] = "1"
		}
	}
	if err := c.ParseFlags(args); err != nil {
		return err
	}
	return checkNames(c, c.Flags().Args())
}

// checkNames looks up recipes and presets.
func checkNames(c *cobra.Command, args []string) error {
	if c.Name() != "train" || len(args) == 0 || placeholder.MatchString(args[0]) {
		return nil
	}
	r, err := train.Find(args[0])
	if err != nil {
		return err
	}
	if err := checkTrainable(r); err != nil {
		return err
	}
	p, _ := c.Flags().GetString("preset")
	if placeholder.MatchString(p) {
		return nil
	}
	_, err = r.Preset(p)
	return err
}

func targets(t *testing.T) (list []string) {
	t.Helper()
	b, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range makeTarget.FindAllStringSubmatch(string(b), -1) {
		list = append(list, strings.Fields(m[1])...)
	}
	return list
}

// TestDocs is make docs-check.
func TestDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all, seen := targets(t), 0
	for _, file := range append(files, "../../README.md") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(commands(string(b)))
		for _, err := range docsErrors(filepath.Base(file), string(b), all) {
			t.Error(err)
		}
	}
	if seen < 40 {
		t.Errorf("only %d commands were found in the documents", seen)
	}
}

// TestDocsLies: every kind of lie is found, and the truth is not called one.
func TestDocsLies(t *testing.T) {
	all := targets(t)
	for text, want := range map[string]string{
		"Run `weft train mnist-mlp --epoch 3`.":                                         "unknown flag",
		"Run `weft train mnist-mpl`.":                                                   "no recipe",
		"```sh\nmake labb\n```":                                                         "no target labb",
		"    weft exports web X\n":                                                      "unknown command",
		"`weft train mnist-mlp --preset sead`":                                          "no preset",
		"`weft train mnist-mlp --batch many`":                                           "invalid",
		"| `cifar-resnet18` | net | 45 epochs, batch 512, one cycle to 0.25 |":          "--batch 256",
		"| `cifar-resnet18` | net | batch 256, one cycle to 0.4 |":                      "--lr 0.25",
		"| `cifar-resnet18` | net | batch 256; `--preset seed`: batch 256 |":            "--batch 128",
		"<!-- options of mnist-cnn -->\nIt trains with\nbatch 65.\n\nNo more.":          "--batch 64",
		"## Speed\n\nIt does 100 images a second.":                                      "no command",
		"## Runs\n\n| command | accuracy |\n|---|---|\n| as above | 99 % |\n":           "names no command",
		"`weft train cifar-resnet18 --batch N` and `make lab`, `weft eval RUN`":         "",
		"| `cifar-resnet18` | net | 45 epochs, batch 256; `--preset seed`: batch 128 |": "",
		"## Speed\n\nIt does 100 images a second: `weft bench --device cpu`.":           "",
	} {
		errs := docsErrors("x.md", text, all)
		if want == "" && len(errs) == 0 {
			continue
		}
		if len(errs) == 0 || want == "" || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%s\n%v, want %q", text, errs, want)
		}
	}
}
