// Package onnx writes traced graphs as ONNX models and makes networks of ONNX
// models (https://onnx.ai/onnx/repo-docs/IR.html).
//
// Export works on the graph that tracing leaves, not on layers: whatever can be
// traced can be exported. A few patterns that tracing takes apart (softmax,
// batch norm, pooling, linear layers) are put together again, so that the file
// has the operators that other programs are fast at and people recognise.
//
// Import turns each operator into the operations of package tensor, so an
// imported network is an nn.Module like any other: it runs on every device,
// trains, and is exported again.
package onnx

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/internal/filekind"
)

// What can be wrong, for errors.Is.
var (
	// ErrFormat: the file is no ONNX model, or breaks the format's rules.
	ErrFormat = errors.New("not a valid ONNX model")
	// ErrUnsupported: the model is valid as far as is known, but uses what this
	// package does not know.
	ErrUnsupported = errors.New("unsupported ONNX model")
	// ErrOperators is ErrUnsupported where it is for operators that are not known.
	ErrOperators = fmt.Errorf("%w", ErrUnsupported)
	// ErrOpen: sizes of inputs are open that have to be chosen.
	ErrOpen = errors.New("the model leaves sizes of its inputs open")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// Versions that Export writes: opset 21 came with ONNX 1.16 (2024) and is what
// ONNX Runtime reads since 1.18.
const (
	irVersion    = 10
	opsetVersion = 21
)

// Versions that are read: opsets 1 to 28, which ONNX 1.23 has. They differ in
// where axes and such are given, which the operators look at, and in what
// attributes there are (schema.go).
const (
	minOpset = 1
	maxOpset = 28
	maxIR    = 14
)

// Model is an ONNX model: what Export made, or what a file holds.
type Model struct {
	// Metadata are the model's free key-value pairs. Weft's own keys are those
	// of MetaPreprocessing and MetaClasses.
	Metadata map[string]string

	proto *modelProto
	opset int64
}

// Keys of Model.Metadata, with JSON values: how bytes become the network's
// input, as in Weft's checkpoints, and the list of class names.
const (
	MetaPreprocessing = "weft.preprocessing"
	MetaClasses       = "weft.classes"
)

// maxFile is what a protocol buffer can hold.
const maxFile = 1<<31 - 1

// Open reads the model at path, with weights that lie beside it.
func Open(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("onnx: %s is a folder; name the .onnx file in it", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("onnx: %s is no regular file", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %w", path, invalid("%d bytes, a model has at most 2 GiB and larger weights beside it", info.Size()))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	m, err := parse(b, filepath.Dir(path), false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Parse reads a model from memory, which it keeps using: b must not change.
// Weights that lie in files of their own are an error; use Open for those.
func Parse(b []byte) (*Model, error) { return parse(b, "", false) }

// parse reads a model whose external weights are in the folder dir. With bare
// it may be what Network.Structure returned.
func parse(b []byte, dir string, bare bool) (*Model, error) {
	if len(b) == 0 {
		return nil, invalid("the file is empty")
	}
	if k := filekind.Of(b[:min(len(b), filekind.Need)]); k.Name != "" && k.ONNX != "" {
		return nil, invalid("it is %s; %s", k.Name, k.ONNX)
	}
	p := &modelProto{}
	r := &reader{}
	if err := r.message(b, reflect.ValueOf(p).Elem(), 0); err != nil {
		return nil, fmt.Errorf("%w: %w; copy or export the file again", ErrFormat, err)
	}
	if p.Graph == nil || len(p.Graph.Node) == 0 && len(p.Graph.Output) == 0 {
		return nil, invalid("it holds no graph; this is some other kind of file")
	}
	m := &Model{Metadata: map[string]string{}, proto: p}
	for _, o := range p.OpsetImport {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			m.opset = max(m.opset, o.Version)
		}
	}
	if m.opset == 0 && p.IRVersion < 3 { // the first versions of the format had one set of operators
		m.opset = 1
	}
	if p.IRVersion > maxIR {
		return nil, fmt.Errorf("%w: version %d of the format (ir_version); up to %d are read; convert the model with onnx.version_converter, or set the ir_version lower when it is made", ErrUnsupported, p.IRVersion, maxIR)
	}
	if m.opset == 0 {
		return nil, invalid("it names no version of the operator set")
	}
	if m.opset < minOpset || m.opset > maxOpset {
		return nil, fmt.Errorf("%w: opset %d; %d to %d are read; convert it with onnx.version_converter", ErrUnsupported, m.opset, minOpset, maxOpset)
	}
	if err := inlineFunctions(p); err != nil {
		return nil, err
	}
	uniqueNames(p.Graph)
	for _, e := range p.Metadata {
		m.Metadata[e.Key] = e.Value
	}
	if err := loadExternal(p.Graph, dir, bare); err != nil {
		return nil, err
	}
	for _, t := range p.Graph.flat().Initializer {
		if t.elsewhere() {
			continue
		}
		if _, err := t.check(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Opset is the version of the operator set that the model uses.
func (m *Model) Opset() int { return int(m.opset) }

// Operators counts the nodes of each operator, those of branches and loops included.
func (m *Model) Operators() map[string]int {
	n := map[string]int{}
	for _, node := range m.proto.Graph.flat().Node {
		n[node.kind()]++
	}
	return n
}

// kind is the operator with its domain, if that is not the standard's.
func (n *nodeProto) kind() string {
	if n.Domain == "" || n.Domain == "ai.onnx" {
		return n.OpType
	}
	return n.Domain + "." + n.OpType
}

// bytes encodes the model.
func (m *Model) bytes() ([]byte, error) {
	p := *m.proto
	p.Metadata = nil
	for _, k := range slices.Sorted(maps.Keys(m.Metadata)) {
		p.Metadata = append(p.Metadata, &entryProto{k, m.Metadata[k]})
	}
	b := appendMessage(nil, reflect.ValueOf(&p).Elem())
	if len(b) > maxFile {
		return nil, fmt.Errorf("onnx: the model takes %d bytes, and a file at most 2 GiB; put the weights beside it", len(b))
	}
	return b, nil
}

// Write writes the model with its weights inside.
func (m *Model) Write(w io.Writer) error {
	b, err := m.bytes()
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// WriteFile writes the model to path, and with external its larger weights to
// path + ".data" beside it. Files are replaced as a whole, the weights first.
func (m *Model) WriteFile(path string, external bool) error {
	out := m
	if external {
		data := filepath.Base(path) + ".data"
		moved, weights := moveOut(m.proto, data)
		err := atomicfile.Write(filepath.Join(filepath.Dir(path), data), 0, func(w io.Writer) error {
			for _, b := range weights {
				if _, err := w.Write(b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		out = &Model{Metadata: m.Metadata, proto: moved, opset: m.opset}
	}
	b, err := out.bytes()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, 0, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// quote is s for a message, short also where a hostile file makes it long.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
