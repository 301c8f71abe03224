// Package web writes a trained network for a page that uses it without Go: a plan
// and weights. The code that goes with them, an ES module with its types and a
// page, is the same for every model; package web/player has it.
//
// The plan is what Weft would run itself: the network is traced and fused as for
// any device, its kernels are printed as WGSL for a GPU with WebGPU's default
// limits, and all of it is written down as JSON. Nothing here needs a GPU or its
// driver, so that a command without cgo and the lab in its browser export alike.
// docs/export.md describes the files.
package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
)

// The names of the files.
const (
	PlanFile    = "plan.json"
	WeightsFile = "weights.safetensors"
)

// DefaultBatch is the batch size of the plan's second program.
const DefaultBatch = 16

// Model is what is exported.
type Model struct {
	Title         string // for people; "" is "Model"
	Net           nn.Module
	Preprocessing train.Preprocessing
	Classes       []string
	// Named is, for a network of several inputs or results of other types, what is
	// exported instead of Net's Forward.
	Named *Named
}

// Options of an export. The zero value is a good choice.
type Options struct {
	// Batch is the number of inputs of the program for many; 0 means
	// DefaultBatch, 1 leaves it out. Where it would need buffers beyond WebGPU's
	// default limits, it is halved until it fits.
	Batch int
	// F16 stores matrices and kernels as float16. They become float32 when they
	// are loaded: no device is asked for float16 arithmetic.
	F16 bool
	// Explain adds programs that say why: "saliency", the gradient of a class's
	// score with respect to the input, and "features", what convolutions make of
	// it. Programs that would not fit into WebGPU's default limits are left out.
	Explain bool
}

// File is one file of an export.
type File struct {
	Name string
	Data []byte
}

// Write makes the weights of an export and its plan.
func Write(m Model, opt Options) ([]File, error) {
	if m.Title == "" {
		m.Title = "Model"
	}
	if opt.Batch == 0 {
		opt.Batch = DefaultBatch
	}
	if opt.Batch < 1 || opt.Batch > 1024 {
		return nil, fmt.Errorf("web: a batch of %d; 1 to 1024 are possible", opt.Batch)
	}
	if err := m.Preprocessing.Check(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	w := newWriter(m, opt)
	programs := w.programs
	if m.Named != nil {
		programs = w.namedPrograms
	}
	if err := programs(); err != nil {
		return nil, err
	}
	if opt.Explain && m.Named == nil {
		if err := w.explain(); err != nil {
			return nil, err
		}
	}
	weights, err := w.weights()
	if err != nil {
		return nil, err
	}
	plan, err := w.plan.Encode()
	if err != nil {
		return nil, err
	}
	return []File{{WeightsFile, weights}, {PlanFile, plan}}, nil
}

// Code turns the files of package web/player into files of an export, in the
// order of their names.
func Code(files map[string][]byte) []File {
	var list []File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, File{name, files[name]})
	}
	return list
}

// ReadPlan parses a plan.json and checks what an importer relies on.
func ReadPlan(b []byte) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("web: %s: %w", PlanFile, err)
	}
	if p.Format != formatName || p.Version != Version {
		return nil, fmt.Errorf("web: %s is of format %q, version %d; this program knows %q, version %d", PlanFile, p.Format, p.Version, formatName, Version)
	}
	if len(p.Inputs) == 0 && (len(p.Input.Shape) != 3 || len(p.Output.Shape) == 0) || p.Kernels.WebGPU == nil {
		return nil, errors.New("web: " + PlanFile + " is incomplete")
	}
	return &p, nil
}

// Encode is plan.json, without escapes that only JSON in web pages would need.
func (p *Plan) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return b.Bytes(), nil
}
