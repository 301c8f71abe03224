// Package nn provides neural network layers, their initialisation, and losses.
//
// A layer is a plain struct whose exported fields hold its variables and its
// sub-layers. That is all there is to registering parameters: Params finds
// them by walking the exported fields, so a model is written as an ordinary
// Go struct with a Forward method, and its parameters get the names that
// PyTorch would give them ("0.weight", "layer1.0.bn1.weight"), under which
// weights are saved, loaded and exchanged.
package nn

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// Module is a layer or a whole model: it computes an output from an input.
// Whether it trains, it learns from x.Trace().
type Module interface {
	Forward(x *tensor.Tensor) *tensor.Tensor
}

// Param is a named variable of a module.
type Param struct {
	// Name is the path to the variable, such as "layer1.0.bn1.weight".
	Name string
	// Value is the variable.
	Value *tensor.Tensor
	// Layer is the type of the struct that holds the variable, such as
	// "Conv2d"; "" where a Lister did not say.
	Layer string
	// Buffer says that the variable belongs to the model's state but is not
	// trained, such as running statistics.
	Buffer bool
	// Decay says whether weight decay applies. Params sets it for trained
	// variables of two dimensions or more, which leaves out biases and the
	// scales of normalisation layers, whose shrinking does harm.
	Decay bool
}

// Lister is for modules whose variables are not simply their exported fields.
// Names are relative to the module.
type Lister interface {
	Params() []Param
}

// Params returns the variables of a module in the order of its fields, each
// once, also if several layers share it.
//
// Names follow the exported fields: a field LayerNorm is "layer_norm", Conv1
// is "conv1", elements of slices are numbered, embedded fields add nothing.
// A tag overrides the name, and marks buffers:
//
//	Down        nn.Module      `nn:"downsample"`
//	RunningMean *tensor.Tensor `nn:"running_mean,buffer"`
//	Teacher     nn.Module      `nn:"-"` // not part of this model
//
// Params panics with an *Error when an unexported field holds a variable or a
// module, because they would silently not be trained.
func Params(m Module) []Param {
	w := walker{seen: map[place]bool{}}
	w.value("", reflect.ValueOf(m), false)
	return w.found
}

// Trainable is Params without the buffers: what an optimizer is given.
func Trainable(m Module) []Param {
	return slices.DeleteFunc(Params(m), func(p Param) bool { return p.Buffer })
}

// Values returns the variables of params, for tensor.Grad.
func Values(params []Param) []*tensor.Tensor {
	vs := make([]*tensor.Tensor, len(params))
	for i, p := range params {
		vs[i] = p.Value
	}
	return vs
}

// Count is the number of elements of the params that are not buffers.
func Count(params []Param) int {
	n := 0
	for _, p := range params {
		if !p.Buffer {
			n += p.Value.Len()
		}
	}
	return n
}

var (
	tensorType = reflect.TypeFor[*tensor.Tensor]()
	listerType = reflect.TypeFor[Lister]()
)

// walker looks at values by their kind and address instead of taking them
// out of their fields, so that it can also see what unexported fields hold.
type walker struct {
	found []Param
	layer string         // type of the struct whose fields are walked
	seen  map[place]bool // variables, and pointers followed
}

// place tells a struct from its first field, which has the same address.
type place struct {
	typ reflect.Type
	at  uintptr
}

// first reports whether v, a pointer, is met for the first time.
func (w *walker) first(v reflect.Value) bool {
	p := place{v.Type(), v.Pointer()}
	if v.IsNil() || w.seen[p] {
		return false
	}
	w.seen[p] = true
	return true
}

func (w *walker) add(p Param) {
	if p.Value != nil && p.Value.IsVariable() && w.first(reflect.ValueOf(p.Value)) {
		w.found = append(w.found, p)
	}
}

func join(prefix, name string) string {
	if prefix == "" || name == "" {
		return prefix + name
	}
	return prefix + "." + name
}

func (w *walker) value(path string, v reflect.Value, buffer bool) {
	if !v.IsValid() {
		return
	}
	if v.Type() == tensorType {
		if t := (*tensor.Tensor)(v.UnsafePointer()); t != nil {
			w.add(Param{Name: path, Value: t, Layer: w.layer, Buffer: buffer, Decay: !buffer && t.Dims() >= 2})
		}
		return
	}
	if l, ok := lister(v); ok {
		for _, p := range l.Params() {
			p.Name, p.Buffer = join(path, p.Name), p.Buffer || buffer
			w.add(p)
		}
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		w.value(path, v.Elem(), buffer)
	case reflect.Pointer:
		if w.first(v) {
			w.value(path, v.Elem(), buffer)
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k != reflect.Interface && k != reflect.Pointer && k != reflect.Struct && k != reflect.Slice {
			return
		}
		for i := range v.Len() {
			w.value(join(path, strconv.Itoa(i)), v.Index(i), buffer)
		}
	case reflect.Struct:
		w.fields(path, v, buffer)
	}
}

// lister finds the Lister that v or its address is.
func lister(v reflect.Value) (Lister, bool) {
	if !v.CanInterface() || v.Kind() == reflect.Interface || (v.Kind() == reflect.Pointer && v.IsNil()) {
		return nil, false
	}
	if !v.Type().Implements(listerType) {
		if !v.CanAddr() || !v.Addr().Type().Implements(listerType) {
			return nil, false
		}
		v = v.Addr()
	}
	l, ok := v.Interface().(Lister)
	return l, ok
}

func (w *walker) fields(path string, v reflect.Value, buffer bool) {
	outer := w.layer
	defer func() { w.layer = outer }()
	for i := range v.NumField() {
		w.layer = v.Type().Name()
		f := v.Type().Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("nn"), ",")
		if name == "-" {
			continue
		}
		if f.Anonymous && f.Type.Kind() != reflect.Interface {
			w.value(join(path, name), v.Field(i), buffer)
			continue
		}
		if !f.IsExported() {
			hidden := walker{seen: maps.Clone(w.seen)}
			hidden.value(f.Name, v.Field(i), false)
			if len(hidden.found) > 0 {
				panic(ir.NewError("nn.Params", "field %s of %v is not exported, so %s would not be trained; export it, or tag it `nn:\"-\"`", f.Name, v.Type(), hidden.found[0].Name))
			}
			continue
		}
		if name == "" && !f.Anonymous {
			name = snake(f.Name)
		}
		w.value(join(path, name), v.Field(i), buffer || option == "buffer")
	}
}

// snake turns a Go field name into a Python one: LayerNorm to layer_norm,
// BN1 to bn1, FC to fc.
func snake(s string) string {
	r := []rune(s)
	var b strings.Builder
	for i, c := range r {
		if i > 0 && unicode.IsUpper(c) {
			after := unicode.IsLower(r[i-1]) || unicode.IsDigit(r[i-1])
			begins := unicode.IsUpper(r[i-1]) && i+1 < len(r) && unicode.IsLower(r[i+1])
			if after || begins {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// String prints the name, the shape and the role of a variable.
func (p Param) String() string {
	role := ""
	if p.Buffer {
		role = " buffer"
	}
	return fmt.Sprintf("%s %v%s", p.Name, p.Value.Shape(), role)
}
