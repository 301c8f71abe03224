// Package conformance compares Weft with reference values from elsewhere.
//
// A set of fixtures is a folder of pairs NAME.json and NAME.safetensors: the
// first lists cases (an operator, its attributes, and which tensors are its
// inputs, outputs and gradients), the second holds the tensors, computed by
// PyTorch. The operators here are adapters from PyTorch's names and defaults
// to Weft's, written for any attributes and shapes, so that another set in
// the same format runs without a change. It is a package and not just a test,
// because the same comparison also runs elsewhere: on a user's own device.
package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/tensor"
)

// Case is one call of an operator. The maps go from the names of arguments to
// names of tensors in the set.
type Case struct {
	Name    string            `json:"name"`
	Op      string            `json:"op"`
	Attrs   Attrs             `json:"attrs"`
	Inputs  map[string]string `json:"inputs"`
	Outputs map[string]string `json:"outputs"`
	GradOut map[string]string `json:"grad_out"`
	Grads   map[string]string `json:"grads"`
}

// Set is one pair of files.
type Set struct {
	Cases []Case
	Text  []byte // the whole of NAME.json, for what is not a case
	file  *safetensors.File
}

// Load reads NAME.json and NAME.safetensors of a folder.
func Load(dir fs.FS, name string) (*Set, error) {
	text, err := fs.ReadFile(dir, name+".json")
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	data, err := fs.ReadFile(dir, name+".safetensors")
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	s := &Set{Text: text}
	if s.file, err = safetensors.Parse(bytes.NewReader(data), int64(len(data))); err != nil {
		return nil, fmt.Errorf("conformance: %s.safetensors: %w", name, err)
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("conformance: %s.json: %w", name, err)
	}
	return s, nil
}

// Array is a tensor's contents on the host.
type Array struct {
	Shape []int
	F     []float32
	I     []int32 // instead of F, for integers
}

// Array reads a tensor; 64-bit integers become 32-bit.
func (s *Set) Array(name string) (Array, error) {
	info, ok := s.file.Info(name)
	if !ok {
		return Array{}, fmt.Errorf("conformance: the set has no tensor %q", name)
	}
	a := Array{Shape: info.Shape}
	var err error
	switch info.DType {
	case safetensors.I64, safetensors.I32, safetensors.I16, safetensors.I8, safetensors.U8:
		a.I, _, err = s.file.ReadI32(name)
	default:
		a.F, _, err = s.file.ReadF32(name)
	}
	return a, err
}

// Tensor makes a tensor of the contents.
func (a Array) Tensor() *tensor.Tensor {
	flat := []int{max(len(a.F), len(a.I))}
	t := (*tensor.Tensor)(nil)
	if a.I != nil {
		t = tensor.FromInts(a.I, flat...)
	} else {
		t = tensor.New(a.F, flat...)
	}
	return t.Reshape(a.Shape...)
}

// Floats is the contents as float32, whatever their type.
func (a Array) Floats() []float32 {
	if a.I == nil {
		return a.F
	}
	f := make([]float32, len(a.I))
	for i, v := range a.I {
		f[i] = float32(v)
	}
	return f
}

// Attrs are an operator's attributes, as JSON decodes them.
type Attrs map[string]any

// Has reports whether an attribute is given and not null.
func (a Attrs) Has(name string) bool { return a[name] != nil }

// Float is a number, or def if it is not given.
func (a Attrs) Float(name string, def float64) float64 {
	switch v := a[name].(type) {
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	}
	return def
}

// Int is an integer, or def if it is not given.
func (a Attrs) Int(name string, def int) int { return toInt(a.Float(name, float64(def))) }

// toInt saturates: 2^63-1 stands for "to the end", and is no float64.
func toInt(f float64) int { return int(max(min(f, 1<<31-1), -1<<31)) }

// Bool is a truth value, or def if it is not given.
func (a Attrs) Bool(name string, def bool) bool {
	if !a.Has(name) {
		return def
	}
	return a.Float(name, 0) != 0
}

// String is a text, or def if it is not given.
func (a Attrs) String(name, def string) string {
	if s, ok := a[name].(string); ok {
		return s
	}
	return def
}

// Ints is a list of integers; one number is a list of one, and nil means that
// the attribute is not given.
func (a Attrs) Ints(name string) []int {
	switch v := a[name].(type) {
	case float64:
		return []int{toInt(v)}
	case []any:
		list := make([]int, len(v))
		for i, e := range v {
			f, _ := e.(float64)
			list[i] = toInt(f)
		}
		return list
	}
	return nil
}
