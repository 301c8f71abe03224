// The folder that weft export web writes is complete: whoever has it needs
// neither Weft nor a network. So --verify opens it as a visitor would, in a real
// browser that can reach nothing else.

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/mnist"
	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/format/safetensors"
	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/format/web/webonnx"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/internal/browser"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/web"
	"github.com/weft-ml/weft/web/player"
)

func (e *exporting) webCommand() *cobra.Command {
	var opt format.Options
	var title string
	var force, noPage, withONNX bool
	var resize int
	var out *string
	c := &cobra.Command{
		Use:   "web MODEL",
		Short: "Write a web page module: JavaScript, WGSL and weights, without Go",
		Long: `Write a folder with an ES module (model.js with types, no dependencies), the plan
of the network with its WebGPU kernels, the weights as safetensors, and a page
that runs it. Preprocessing and class names travel with the model. In a page:

  import { load } from "./model/model.js";
  const net = await load();
  console.log(net.top(await net(canvas)));

--verify runs the folder in Chromium, Chrome or Edge ($CHROMIUM, or the first one
found) on pictures of the data set that the model was trained on. Without a
graphics card that the browser can use, it runs on the processor.`,
		Example: `  weft export web mnist-mlp -o page
  weft export web runs/mnist-cnn-20261120-184500 -o page --f16 --verify
  weft serve --site page           look at it`,
		Args: exactly(1, "a model"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := within("batch", opt.Batch, 1, mostBatch); err != nil {
				return err
			}
			m, info, name, err := e.model(args[0])
			if err != nil {
				return err
			}
			dir := *out
			if dir == "" {
				dir = name + "-web"
			}
			if title == "" {
				title = titleOf(name)
			}
			if c.Flags().Changed("resize") {
				info.Preprocessing.Resize = resize
				if err := info.Preprocessing.Check(); err != nil {
					return usage(err, "--resize takes 0, or what covers the input")
				}
			}
			if err := mayWrite(dir, force); err != nil {
				return err
			}
			model := format.Model{Title: title, Net: m, Preprocessing: info.Preprocessing, Classes: info.Classes}
			model.Named = named(m)
			if model.Named != nil && (withONNX || opt.Explain) {
				return usage(errors.New("--onnx and --explain are for networks of one picture"), "leave them out")
			}
			files, err := format.Write(model, opt)
			if err != nil {
				return err
			}
			if withONNX {
				if files, err = webonnx.Add(files, model, opt.F16); err != nil {
					return err
				}
			}
			result, err := e.writeFolder(dir, append(format.Code(player.Export(!noPage)), files...))
			if err != nil {
				return err
			}
			if e.verify && model.Named != nil {
				if err := e.verifyNamed(c.Context(), dir, model.Named, result); err != nil {
					return err
				}
			} else if e.verify {
				if err := e.verifyWeb(c.Context(), dir, m, info, opt.F16, result); err != nil {
					return err
				}
			} else {
				e.printf("look at it with: weft serve --site %s\n", dir)
			}
			return e.result(result)
		},
	}
	out = outFlag(c, "folder to write (default: the model's name and -web)")
	c.Flags().StringVar(&title, "title", "", "the model's name for people")
	c.Flags().IntVar(&opt.Batch, "batch", format.DefaultBatch, "inputs of the program for many; 1 leaves it out (any number of inputs works)")
	c.Flags().BoolVar(&opt.F16, "f16", false, "store weights as float16, half the size; arithmetic stays float32")
	c.Flags().IntVar(&resize, "resize", 0, "shorter side of a picture before its middle is cut out; 0 just covers the input (default: what the model says)")
	c.Flags().BoolVar(&noPage, "no-page", false, "leave out index.html and its parts")
	c.Flags().BoolVar(&opt.Explain, "explain", false, "add programs for saliency and feature maps, which the lab's Photo view shows")
	c.Flags().BoolVar(&withONNX, "onnx", false, "add the model as ONNX, which the Photo view runs in browsers without WebGPU")
	c.Flags().BoolVar(&force, "force", false, "write into a folder that holds other things")
	return c
}

func titleOf(name string) string {
	for _, m := range web.Models() {
		if m.Name == name {
			return m.Title
		}
	}
	return name
}

// mayWrite refuses folders in which something of other origin could be
// overwritten.
func mayWrite(dir string, force bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return hint(err, "choose another folder with -o")
	}
	if force || len(entries) == 0 {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, format.PlanFile))
	if err == nil {
		_, err = format.ReadPlan(b)
	}
	if err != nil {
		return hint(fmt.Errorf("%s holds other things than an earlier export", dir), "choose another folder with -o, or insist with --force")
	}
	return nil
}

// writeFolder replaces the folder of an export as one: a plan and weights of two
// models are of no use. Other people's files in it stay.
func (e *exporting) writeFolder(dir string, files []format.File) (map[string]any, error) {
	var contents []atomicfile.Content
	for _, f := range files {
		contents = append(contents, atomicfile.Content(f))
	}
	// The folder that a program works in cannot be replaced under it.
	abs, err := filepath.Abs(dir)
	if here, err2 := os.Getwd(); err == nil && err2 == nil && (here == abs || strings.HasPrefix(here, abs+string(filepath.Separator))) {
		err = fmt.Errorf("%s is the working folder, which cannot be replaced as a whole", dir)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(abs), 0o777)
	}
	if err == nil {
		err = atomicfile.WriteFolder(abs, contents, []string{format.PlanFile, format.WeightsFile, webonnx.File})
	}
	if err != nil {
		return nil, hint(err, "choose another folder with -o")
	}
	sizes := map[string]int{}
	total := 0
	for _, f := range files {
		packed, err := gzipped(f.Data)
		if err != nil {
			return nil, err
		}
		e.printf("  %-22s %10s  %10s compressed\n", f.Name, memory(int64(len(f.Data))), memory(int64(packed)))
		sizes[f.Name] = len(f.Data)
		total += len(f.Data)
	}
	e.printf("%s: %s\n", dir, memory(int64(total)))
	return map[string]any{"folder": dir, "files": sizes, "bytes": total}, nil
}

func gzipped(b []byte) (int, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(b); err != nil {
		return 0, err
	}
	err = w.Close()
	return out.Len(), err
}

// What verification shows the model: one picture at a time and several at once,
// in numbers that are no multiples of any program's batch.
var verifyBatches = []int{1, 1, 7, 39}

// verification is what the page answers.
type verification struct {
	Outputs []([]float32) `json:"outputs"`
	LoadMs  float64       `json:"loadMs"`
	Ms      float64       `json:"ms"`
	Adapter struct {
		Vendor, Architecture, Description string
		Software                          bool
	} `json:"adapter"`
	Closed string `json:"closed"`
}

const verifyScript = `(async () => {
  const { load, WebGPUUnavailableError } = await import("/model/model.js");
  const begin = performance.now();
  let net;
  try {
    net = await load();
  } catch (e) {
    if (e instanceof WebGPUUnavailableError) return null;
    throw e;
  }
  const loadMs = performance.now() - begin, inputs = [], outputs = [];
  for (let i = 0; i < COUNT; i++) inputs.push(new Uint8Array(await (await fetch("/inputs/" + i)).arrayBuffer()));
  // All at once: calls must not disturb each other.
  for (const y of await Promise.all(inputs.map((x) => net(x)))) outputs.push(Array.from(y));
  const times = [];
  for (let i = 0, end = performance.now() + 4000; i < 60 && (i < 5 || performance.now() < end); i++) {
    const t = performance.now();
    await net(inputs[0]);
    times.push(performance.now() - t);
  }
  times.sort((a, b) => a - b);
  const { adapter } = net.info;
  net.close();
  const closed = await net(inputs[0]).then(() => "", (e) => e.message);
  return { outputs, loadMs, ms: times[times.length >> 1], adapter, closed };
})()`

// verifyWeb runs the folder in a browser and compares.
func (e *exporting) verifyWeb(ctx context.Context, dir string, m nn.Module, info *train.Info, f16 bool, result map[string]any) error {
	if _, err := browser.Find(""); err != nil {
		return hint(err, "install Chromium, or say where a browser is: CHROMIUM=/path/to/chrome weft export ...")
	}
	total := 0
	for _, n := range verifyBatches {
		total += n
	}
	set := e.pictures(ctx, info, total)
	exact, err := outputs(m, &info.Preprocessing, set, total)
	if err != nil {
		return err
	}
	want := exact
	if f16 {
		// The kernels are compared on the weights that they get; what rounding did
		// to the results is told apart.
		if err := useStored(m, filepath.Join(dir, format.WeightsFile)); err != nil {
			return err
		}
		if want, err = outputs(m, &info.Preprocessing, set, total); err != nil {
			return err
		}
	}
	e.notef("running %s in a browser", dir)
	v, seen, err := e.visit(ctx, dir, set)
	if err != nil {
		return err
	}
	const advice = "this is a defect of weft or of the browser; please report it with the model"
	fail := func(format string, args ...any) error {
		return hint(fmt.Errorf("%s: verification failed: %s", dir, fmt.Sprintf(format, args...)), advice)
	}
	got := slices.Concat(v.Outputs...)
	if len(got) != len(want) {
		return fail("%d results, want %d", len(got), len(want))
	}
	if len(seen.Complaints) > 0 {
		return fail("the browser complains: %s", strings.Join(seen.Complaints, "; "))
	}
	if v.Closed == "" {
		return fail("a closed model answers")
	}
	difference, scale := distance(got, want)
	if limit := 1e-4 * max(1, scale); !(difference <= limit) {
		return fail("results differ by up to %.3g, more than %.3g", difference, limit)
	}
	adapter := strings.TrimSpace(v.Adapter.Vendor + " " + v.Adapter.Architecture)
	where := "in the browser on " + adapter
	if v.Adapter.Software {
		where += " (in software)"
	}
	e.printf("verified: %d results of %d pictures of %s, one, 7 and 39 at a time, differ from Weft's by at most %.2g (values up to %.3g)\n", len(got), total, set.Name, difference, scale)
	if f16 {
		rounding, _ := distance(want, exact)
		e.printf("storing float16 changed results by at most %.2g\n", rounding)
		result["f16_difference"] = rounding
	}
	e.printf("%s: loaded in %.0f ms, one prediction %.2f ms (median)\n", where, v.LoadMs, v.Ms)
	result["difference"], result["largest"], result["pictures"], result["data"] = difference, scale, total, set.Name
	result["ms"], result["load_ms"], result["adapter"], result["software"] = v.Ms, v.LoadMs, adapter, v.Adapter.Software
	return nil
}

// distance is the largest difference of two lists and the largest value of the
// second.
func distance(a, b []float32) (difference, scale float64) {
	for i, v := range b {
		difference = max(difference, math.Abs(float64(a[i])-float64(v)))
		if a[i] != a[i] {
			difference = math.Inf(1)
		}
		scale = max(scale, math.Abs(float64(v)))
	}
	return difference, scale
}

// visit runs verifyScript against the folder, on a graphics card if the browser
// finds one.
func (e *exporting) visit(ctx context.Context, dir string, set *data.Dataset) (*verification, *browser.Result, error) {
	mux := http.NewServeMux()
	mux.Handle("/model/", http.StripPrefix("/model/", http.FileServerFS(os.DirFS(dir))))
	at := 0
	for i, n := range verifyBatches {
		pixels := interleaved(set, at, n)
		at += n
		mux.HandleFunc(fmt.Sprintf("/inputs/%d", i), func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(pixels) // The browser notices what is missing.
		})
	}
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		_, _ = io.WriteString(w, "<!doctype html><title>verification</title>")
	})
	script := strings.ReplaceAll(verifyScript, "COUNT", fmt.Sprint(len(verifyBatches)))
	for _, software := range []bool{false, true} {
		var v *verification
		seen, err := browser.Run(ctx, mux, script, &v, browser.Options{Software: software})
		switch {
		case err != nil:
			return nil, nil, err
		case v != nil:
			return v, seen, nil
		}
	}
	return nil, nil, hint(errors.New("the browser offers no WebGPU, not even in software"), "try a newer one: CHROMIUM=/path/to/chrome weft export ...")
}

// pictures are n images that the model could meet: of the set it was trained on
// if that is on this machine, else drawn ones.
func (e *exporting) pictures(ctx context.Context, info *train.Info, n int) *data.Dataset {
	p := &info.Preprocessing
	fits := func(d *data.Dataset) bool {
		return d.C == p.Channels && d.H == p.Height && d.W == p.Width && d.N >= n
	}
	o := mnist.Options{Offline: true}
	switch strings.TrimSuffix(info.Data.Name, "-train") {
	case "fashion", "fashion-mnist":
		o.Variant = mnist.Fashion
	}
	if p.Channels == 1 && p.Height == data.DigitSide && p.Width == data.DigitSide {
		if _, test, err := mnist.Load(ctx, o); err == nil && fits(test) {
			return test
		}
		e.notef("%s is not on this machine; synthetic digits are used to verify", info.Data.Name)
		return synthetic.Digits(n, 3)
	}
	// Waves of every direction and colour: no photographs, but as smooth.
	d := &data.Dataset{Name: "drawn patterns", N: n, C: p.Channels, H: p.Height, W: p.Width}
	for i := range n * p.Channels * p.Height * p.Width {
		x, y, c := i%p.Width, i/p.Width%p.Height, i/(p.Width*p.Height)
		angle := float64(c*c) * 0.7
		v := math.Sin((float64(x)*math.Cos(angle)+float64(y)*math.Sin(angle))*(0.1+0.05*float64(c%7)) + float64(c))
		d.Images = append(d.Images, uint8(127.5+127*v))
	}
	e.notef("no data set of %dx%dx%d images is on this machine; drawn patterns are used to verify", p.Channels, p.Height, p.Width)
	return d
}

// interleaved are images from..from+n as a page has them: channels together.
func interleaved(d *data.Dataset, from, n int) []byte {
	out := make([]byte, 0, n*d.ImageSize())
	for i := from; i < from+n; i++ {
		image := d.Images[i*d.ImageSize():][:d.ImageSize()]
		for at := range d.H * d.W {
			for c := range d.C {
				out = append(out, image[c*d.H*d.W+at])
			}
		}
	}
	return out
}

// outputs are Weft's own results, on the CPU.
func outputs(m nn.Module, pre *train.Preprocessing, d *data.Dataset, n int) ([]float32, error) {
	image := func(i int) *tensor.Tensor {
		return tensor.FromBytes(d.Images[i*d.ImageSize():(i+1)*d.ImageSize()], 1, d.C, d.H, d.W)
	}
	p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{m.Forward(pre.Normalize(in[0].To(tensor.Float32)))}
	}, image(0))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var all []float32
	for i := range n {
		out, err := p.Call(image(i))
		if err != nil {
			return nil, err
		}
		y, err := out[0].Read()
		if err != nil {
			return nil, err
		}
		all = append(all, y...)
	}
	return all, nil
}

// useStored gives m the weights of an export, as they were rounded.
func useStored(m nn.Module, path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range nn.Params(m) {
		if _, ok := f.Info(p.Name); !ok || p.Value.DType() != tensor.Float32 {
			continue // not used, or part of a constant
		}
		x, _, err := f.ReadF32(p.Name)
		if err != nil {
			return err
		}
		if err := p.Value.Set(x); err != nil {
			return err
		}
	}
	return nil
}
