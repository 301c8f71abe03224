// Command checkset chooses reference values for the lab's check page out of
// the full fixtures: every operator that Weft has, with small cases only, so
// that a visitor downloads a fraction of a megabyte.
//
//	go run ./internal/lab/checkset -from testdata/fixtures -to web/public/fixtures
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-ml/weft/conformance"
	"github.com/weft-ml/weft/format/safetensors"
)

// maxCase bounds the bytes of a case's tensors, except for the smallest case
// of an operator, which is always taken.
const maxCase = 24 << 10

func main() {
	from := flag.String("from", "testdata/fixtures", "the folder of the full fixtures")
	to := flag.String("to", "web/public/fixtures", "the folder to write")
	flag.Parse()
	for _, name := range []string{"ops", "layers", "losses", "optim", "models"} {
		if err := choose(*from, *to, name); err != nil {
			fmt.Fprintln(os.Stderr, "checkset:", err)
			os.Exit(1)
		}
	}
}

// choose writes the chosen part of one set. What is no case is kept as it is.
func choose(from, to, name string) error {
	text, err := os.ReadFile(filepath.Join(from, name+".json"))
	if err != nil {
		return fmt.Errorf("%w; -from names the folder of the fixtures", err)
	}
	file, err := safetensors.Open(filepath.Join(from, name+".safetensors"))
	if err != nil {
		return err
	}
	defer file.Close()
	var all map[string]json.RawMessage
	var cases []json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &all), json.Unmarshal(all["cases"], &cases)); err != nil {
		return fmt.Errorf("%s.json: %w", name, err)
	}
	type entry struct {
		raw   json.RawMessage
		c     conformance.Case
		bytes int64
	}
	var entries []entry
	smallest := map[string]int64{}
	known := conformance.Operators()
	for _, raw := range cases {
		e := entry{raw: raw}
		if err := json.Unmarshal(raw, &e.c); err != nil {
			return err
		}
		if !slices.Contains(known, e.c.Op) {
			continue
		}
		for _, n := range tensors(e.c) {
			info, ok := file.Info(n)
			if !ok {
				return fmt.Errorf("%s.safetensors has no %q", name, n)
			}
			e.bytes += info.Bytes()
		}
		if least, ok := smallest[e.c.Op]; !ok || e.bytes < least {
			smallest[e.c.Op] = e.bytes
		}
		entries = append(entries, e)
	}
	kept := []json.RawMessage{}
	wanted := map[string]bool{}
	for _, e := range entries {
		if e.bytes <= maxCase || e.bytes == smallest[e.c.Op] {
			kept = append(kept, e.raw)
			for _, n := range tensors(e.c) {
				wanted[n] = true
			}
		}
	}
	whole := len(cases) == 0
	if text, ok := all["models"]; ok {
		whole = false
		if all["models"], err = networks(text, wanted); err != nil {
			return err
		}
	}
	var list []safetensors.Tensor
	for _, n := range file.Names() {
		if !whole && !wanted[n] {
			continue
		}
		info, _ := file.Info(n)
		b, shape, err := file.ReadRaw(n)
		if err != nil {
			return err
		}
		list = append(list, safetensors.Tensor{Name: n, DType: info.DType, Shape: shape, Data: b})
	}
	if all["cases"], err = json.Marshal(kept); err != nil {
		return err
	}
	if text, err = json.Marshal(all); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := safetensors.Write(&out, list, file.Metadata); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	fmt.Printf("%s: %d of %d cases, %d bytes\n", name, len(kept), len(cases), out.Len()+len(text))
	return errors.Join(
		os.WriteFile(filepath.Join(to, name+".json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(to, name+".safetensors"), out.Bytes(), 0o644))
}

// networks chooses the perceptrons of a list of models, and what they want: the
// others take minutes where there is no graphics card.
func networks(list json.RawMessage, wanted map[string]bool) (json.RawMessage, error) {
	var all, kept []json.RawMessage
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, err
	}
	for _, raw := range all {
		var m conformance.Model
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(m.Name, "mlp_") {
			continue
		}
		kept = append(kept, raw)
		wanted[m.Logits], wanted[m.Eval] = true, true
	}
	return json.Marshal(kept)
}

func tensors(c conformance.Case) (names []string) {
	for _, m := range []map[string]string{c.Inputs, c.Outputs, c.GradOut, c.Grads} {
		for _, n := range m {
			names = append(names, n)
		}
	}
	return names
}
