// Networks of several inputs, such as tokens and their mask, become modules that
// take and give tensors by name. Nobody can draw such an input, so --verify shows
// the page numbers.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/format/onnx"
	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/internal/browser"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// named is m by the names of its inputs and results, or nil if it takes samples
// of one input, as all but imported networks do.
func named(m nn.Module) *format.Named {
	n, ok := m.(*onnx.Network)
	if !ok || oneInput(n) {
		return nil
	}
	f := &format.Named{Outputs: n.Outputs(), Run: func(in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }}
	for _, in := range n.Inputs() {
		f.Inputs = append(f.Inputs, format.Argument{Name: in.Name, DType: in.DType, Shape: in.Shape})
	}
	return f
}

// oneInput reports whether n maps samples of one input to a row for each.
func oneInput(n *onnx.Network) bool {
	in := n.Inputs()
	return len(in) == 1 && len(in[0].Shape) > 1 && in[0].Shape[0] == onnx.Batch && !slices.Contains(in[0].Shape[1:], onnx.Batch) && n.Rows()
}

// numbers are n small values for an input, other ones for each.
func numbers(dt tensor.DType, i, n int) []float32 {
	x := nn.NewRNG(uint64(i)+1).Uniform(n, -1, 1)
	if dt != tensor.Float32 {
		for j := range x {
			x[j] = float32((j + i) % 2) // tokens and masks, whatever the table's size
		}
	}
	return x
}

const verifyNamedScript = `(async () => {
  const { load, WebGPUUnavailableError } = await import("/model/model.js");
  let net;
  try {
    net = await load();
  } catch (e) {
    if (e instanceof WebGPUUnavailableError) return null;
    throw e;
  }
  const feeds = await (await fetch("/inputs")).json(), outputs = [];
  for (const y of await Promise.all(feeds.map((f) => net(f)))) outputs.push(Object.fromEntries(Object.entries(y).map(([name, v]) => [name, Array.from(v, (x) => Number.isFinite(x) ? x : String(x))])));
  net.close();
  return { outputs };
})()`

// verifyNamed runs the folder in a browser on one and three samples.
func (e *exporting) verifyNamed(ctx context.Context, dir string, n *format.Named, result map[string]any) error {
	if _, err := browser.Find(""); err != nil {
		return hint(err, "install Chromium, or say where a browser is: CHROMIUM=/path/to/chrome weft export ...")
	}
	b, err := os.ReadFile(dir + "/" + format.PlanFile)
	if err != nil {
		return err
	}
	plan, err := format.ReadPlan(b)
	if err != nil {
		return err
	}
	counts := []int{1}
	if slices.ContainsFunc(plan.Inputs, func(p format.Port) bool { return p.Samples }) {
		counts = append(counts, 3)
	}
	var feeds []map[string][]float32
	var want [][]*tensor.Tensor
	for i, count := range counts {
		feed := map[string][]float32{}
		var in []*tensor.Tensor
		for k, a := range n.Inputs {
			shape := slices.Clone(a.Shape)
			for d, size := range shape {
				if size < 0 {
					shape[d] = count
				}
			}
			x := numbers(a.DType, i*len(n.Inputs)+k, ir.NumElems(shape))
			feed[a.Name] = x
			t := tensor.New(x, shape...)
			if a.DType != tensor.Float32 {
				whole := make([]int32, len(x))
				for j, v := range x {
					whole[j] = int32(v)
				}
				t = tensor.FromInts(whole, shape...)
			}
			in = append(in, t)
		}
		p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in) }, in...)
		if err != nil {
			return err
		}
		out, err := p.Call(in...)
		p.Close()
		if err != nil {
			return err
		}
		feeds, want = append(feeds, feed), append(want, out)
	}
	text, err := json.Marshal(feeds)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/model/", http.StripPrefix("/model/", http.FileServerFS(os.DirFS(dir))))
	mux.HandleFunc("/inputs", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		_, _ = fmt.Fprint(w, "<!doctype html><title>verification</title>")
	})
	e.notef("running %s in a browser", dir)
	var v *struct {
		Outputs []map[string][]any `json:"outputs"`
	}
	for _, software := range []bool{false, true} {
		seen, err := browser.Run(ctx, mux, verifyNamedScript, &v, browser.Options{Software: software})
		if err != nil {
			return err
		}
		if len(seen.Complaints) > 0 {
			return fmt.Errorf("%s: the browser complains: %s", dir, strings.Join(seen.Complaints, "; "))
		}
		if v != nil {
			break
		}
	}
	if v == nil {
		return hint(fmt.Errorf("the browser offers no WebGPU, not even in software"), "try a newer one: CHROMIUM=/path/to/chrome weft export ...")
	}
	worst := 0.0
	for i := range want {
		for k, t := range want[i] {
			y, w := v.Outputs[i][n.Outputs[k]], t.Floats()
			got := make([]float32, 0, len(y))
			for _, x := range y {
				f := 0.0
				if _, err := fmt.Sscan(fmt.Sprint(x), &f); err != nil {
					return fmt.Errorf("%s: verification failed: %s has %v", dir, n.Outputs[k], x)
				}
				got = append(got, float32(f))
			}
			if len(got) != len(w) {
				return fmt.Errorf("%s: verification failed: %d results of %s, want %d", dir, len(got), n.Outputs[k], len(w))
			}
			d, scale := distance(got, w)
			worst = max(worst, d/max(1, scale))
		}
	}
	if !(worst <= 1e-4) {
		return hint(fmt.Errorf("%s: verification failed: results differ by up to %.3g", dir, worst), "this is a defect of weft or of the browser; please report it with the model")
	}
	e.printf("verified: %d calls in the browser differ from Weft's by at most %.2g of the largest\n", len(counts), worst)
	result["difference"] = worst
	return nil
}
