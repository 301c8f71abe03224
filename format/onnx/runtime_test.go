package onnx

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-ml/weft/conformance"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// ONNX Runtime Web runs what we export: an opinion that is not ours.

// script is web/test/onnxruntime.mjs. Tests that need it are skipped without
// WEFT_ONNXRUNTIME, which make onnx sets.
func script(t *testing.T) string {
	t.Helper()
	if os.Getenv("WEFT_ONNXRUNTIME") == "" && !*update {
		t.Skip("ONNX Runtime Web is asked by: make onnx")
	}
	path, err := filepath.Abs("../../web/test/onnxruntime.mjs")
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err == nil {
		_, err = os.Stat("../../web/node_modules/onnxruntime-web")
	}
	if err != nil {
		t.Fatalf("%v; make onnx installs what is missing", err)
	}
	return path
}

type file struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
	File  string `json:"file"`
}

type job struct {
	Model   string `json:"model"`
	Inputs  []file `json:"inputs"`
	Outputs []file `json:"outputs"`

	name string
	want []*tensor.Tensor
	most float64 // relative error
}

// jobs collects models to run and what they should give.
type jobs struct {
	t    *testing.T
	dir  string
	list []job
}

// add runs f on the CPU and notes what the model m should answer to the same.
func (j *jobs) add(name string, m *Model, external bool, f tensor.Function, in ...*tensor.Tensor) *job {
	j.t.Helper()
	b := job{name: name, Model: filepath.Join(j.dir, fmt.Sprintf("%d.onnx", len(j.list))), most: 1e-4}
	if err := m.WriteFile(b.Model, external); err != nil {
		j.t.Fatalf("%s: %v", name, err)
	}
	p, err := tensor.Compile(device.CPU(), f, in...)
	if err != nil {
		j.t.Fatalf("%s: %v", name, err)
	}
	defer p.Close()
	if b.want, err = p.Call(in...); err != nil {
		j.t.Fatalf("%s: %v", name, err)
	}
	for i, x := range in {
		path := fmt.Sprintf("%s.in%d", b.Model, i)
		if _, err := x.Read(); err != nil { // constants that are computed are leaves then
			j.t.Fatal(err)
		}
		data, err := tensor.LeafBytes(x.Leaf())
		if err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			j.t.Fatal(err)
		}
		types := map[tensor.DType]string{tensor.Float32: "float32", tensor.Int32: "int32", tensor.Uint8: "uint8"}
		b.Inputs = append(b.Inputs, file{m.proto.Graph.Input[i].Name, types[x.DType()], append([]int{}, x.Shape()...), path})
	}
	for i := range b.want {
		b.Outputs = append(b.Outputs, file{Name: m.proto.Graph.Output[i].Name, File: fmt.Sprintf("%s.out%d", b.Model, i)})
	}
	j.list = append(j.list, b)
	return &j.list[len(j.list)-1]
}

// run runs all jobs in one process and compares.
func (j *jobs) run() {
	t := j.t
	text, err := json.Marshal(j.list)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(j.dir, "jobs.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("node", script(t), path).CombinedOutput()
	if err != nil {
		for i, b := range j.list {
			t.Logf("%d.onnx is %s", i, b.name)
		}
		t.Errorf("%v\n%s", err, out)
	}
	for _, b := range j.list {
		for i, w := range b.want {
			got, err := os.ReadFile(b.Outputs[i].File)
			if err != nil {
				t.Errorf("%s: %v", b.name, err)
				continue
			}
			want := w.Floats()
			var diff, most float64
			if w.DType() == tensor.Bool {
				for i, v := range want {
					diff = max(diff, math.Abs(float64(got[i])-float64(v)))
				}
				most = 1
			} else {
				if len(got) != 4*len(want) {
					t.Errorf("%s: %d bytes for %v", b.name, len(got), w.Shape())
					continue
				}
				for i, v := range want {
					bits := binary.LittleEndian.Uint32(got[4*i:])
					g := float64(math.Float32frombits(bits))
					if w.DType() == tensor.Int32 {
						g = float64(int32(bits))
					}
					switch w := float64(v); {
					case g == w || g != g && w != w:
					case g != g || w != w:
						diff = math.Inf(1)
					default:
						diff = max(diff, math.Abs(g-w))
					}
					if !math.IsInf(float64(v), 0) {
						most = max(most, math.Abs(float64(v)))
					}
				}
			}
			if rel := diff / max(most, 1e-30); !(rel <= b.most) {
				t.Errorf("%s, result %d: relative error %.2g", b.name, i, rel)
			} else {
				t.Logf("%s: relative error %.2g", b.name, rel)
			}
		}
	}
}

// Every operator of the fixtures, with its gradients, as one graph: what can be
// traced can be exported.
func TestRuntimeAgreesAboutOperators(t *testing.T) {
	script(t)
	dir := os.DirFS("../../testdata/fixtures")
	if d := os.Getenv("WEFT_FIXTURES"); d != "" {
		dir = os.DirFS(d)
	}
	j := &jobs{t: t, dir: t.TempDir()}
	for _, name := range []string{"ops", "layers", "losses"} {
		set, err := conformance.Load(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range set.Cases {
			f, in, err := set.Function(c)
			if err != nil {
				t.Logf("%s: %v", c.Name, err)
				continue
			}
			o := ExportOptions{}
			for i, x := range in {
				o.Inputs = append(o.Inputs, Input{fmt.Sprintf("in%d", i), x.DType(), x.Shape()})
			}
			m, err := Export(f, o)
			if err != nil {
				if !strings.Contains(err.Error(), "assigns") { // running statistics
					t.Errorf("%s: %v", c.Name, err)
				}
				continue
			}
			j.add(name+" "+c.Name, m, false, f, in...)
		}
	}
	j.run()
}
