// The contents of TensorProto: a type, a shape, and data in one of several
// fields, inside of the file or in another one beside it. Sizes are checked
// against the data that is there, so nothing is allocated for what a hostile
// header only claims.

package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weft-ml/weft/format/safetensors"
)

// check returns the number of elements, having made sure that they are there.
func (t *tensorProto) check() (int, error) {
	size, ok := elemSize[elem(t.DataType)]
	if !ok {
		name := elemNames[elem(t.DataType)]
		if name == "" {
			name = fmt.Sprintf("number %d", t.DataType)
		}
		return 0, fmt.Errorf("%w: tensor %s has the element type %s", ErrUnsupported, quote(t.Name), name)
	}
	n := 1
	for _, d := range t.Dims {
		if d < 0 || d > math.MaxInt32 || d > 0 && n > math.MaxInt32/int(d) {
			return 0, invalid("tensor %s has the shape %v, which is negative or too large", quote(t.Name), t.Dims)
		}
		n *= int(d)
	}
	if t.DataLocation != 0 {
		return 0, fmt.Errorf("%w: the weights of %s lie in another file; open the model by its path", ErrUnsupported, quote(t.Name))
	}
	have := 0
	switch {
	case t.RawData != nil:
		if len(t.RawData)%size != 0 {
			return 0, invalid("tensor %s has %d bytes of %s", quote(t.Name), len(t.RawData), elemNames[elem(t.DataType)])
		}
		have = len(t.RawData) / size
	case t.FloatData != nil:
		have = len(t.FloatData)
	case t.DoubleData != nil:
		have = len(t.DoubleData)
	case t.Int64Data != nil:
		have = len(t.Int64Data)
	case t.Uint64Data != nil:
		have = len(t.Uint64Data)
	default:
		have = len(t.Int32Data)
	}
	if have != n {
		return 0, invalid("tensor %s of shape %v needs %d elements and has %d", quote(t.Name), t.Dims, n, have)
	}
	return n, nil
}

// shape is Dims as ints.
func (t *tensorProto) shape() []int {
	s := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		s[i] = int(d)
	}
	return s
}

// each calls set with every element as float64, which holds all integers that
// occur (INT64_MAX, "to the end", becomes 2^63).
func (t *tensorProto) each(set func(i int, v float64)) error {
	n, err := t.check()
	if err != nil {
		return err
	}
	le, b := binary.LittleEndian, t.RawData
	var at func(i int) float64
	kind := elem(t.DataType)
	switch {
	case b != nil:
		at = map[elem]func(i int) float64{
			elemFloat:    func(i int) float64 { return float64(math.Float32frombits(le.Uint32(b[4*i:]))) },
			elemDouble:   func(i int) float64 { return math.Float64frombits(le.Uint64(b[8*i:])) },
			elemFloat16:  func(i int) float64 { return float64(safetensors.F16Value(le.Uint16(b[2*i:]))) },
			elemBfloat16: func(i int) float64 { return float64(safetensors.BF16Value(le.Uint16(b[2*i:]))) },
			elemInt8:     func(i int) float64 { return float64(int8(b[i])) },
			elemUint8:    func(i int) float64 { return float64(b[i]) },
			elemBool:     func(i int) float64 { return truth(b[i] != 0) },
			elemInt16:    func(i int) float64 { return float64(int16(le.Uint16(b[2*i:]))) },
			elemUint16:   func(i int) float64 { return float64(le.Uint16(b[2*i:])) },
			elemInt32:    func(i int) float64 { return float64(int32(le.Uint32(b[4*i:]))) },
			elemUint32:   func(i int) float64 { return float64(le.Uint32(b[4*i:])) },
			elemInt64:    func(i int) float64 { return float64(int64(le.Uint64(b[8*i:]))) },
			elemUint64:   func(i int) float64 { return float64(le.Uint64(b[8*i:])) },
		}[kind]
	case t.FloatData != nil:
		at = func(i int) float64 { return float64(t.FloatData[i]) }
	case t.DoubleData != nil:
		at = func(i int) float64 { return t.DoubleData[i] }
	case t.Int64Data != nil:
		at = func(i int) float64 { return float64(t.Int64Data[i]) }
	case t.Uint64Data != nil:
		at = func(i int) float64 { return float64(uint64(t.Uint64Data[i])) }
	case kind == elemFloat16: // as bits in an int32
		at = func(i int) float64 { return float64(safetensors.F16Value(uint16(t.Int32Data[i]))) }
	case kind == elemBfloat16:
		at = func(i int) float64 { return float64(safetensors.BF16Value(uint16(t.Int32Data[i]))) }
	default:
		at = func(i int) float64 { return float64(int32(t.Int32Data[i])) }
	}
	for i := range n {
		set(i, at(i))
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// floats are the elements as float32.
func (t *tensorProto) floats() ([]float32, error) {
	n, err := t.check()
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	if elem(t.DataType) == elemFloat && t.RawData != nil {
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.RawData[4*i:]))
		}
		return out, nil
	}
	return out, t.each(func(i int, v float64) { out[i] = float32(v) })
}

// setFloats fills t with float32 data, or float16 for half.
func (t *tensorProto) setFloats(data []float32, half bool) {
	if half {
		t.DataType = int64(elemFloat16)
		t.RawData = make([]byte, 0, 2*len(data))
		for _, v := range data {
			t.RawData = binary.LittleEndian.AppendUint16(t.RawData, safetensors.F16Bits(v))
		}
		return
	}
	t.DataType = int64(elemFloat)
	t.RawData = make([]byte, 0, 4*len(data))
	for _, v := range data {
		t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(v))
	}
}

// tensors are all of a graph, also those in attributes and in graphs within it.
func (g *graphProto) tensors() []*tensorProto {
	g = g.flat()
	list := append([]*tensorProto{}, g.Initializer...)
	for _, n := range g.Node {
		for _, a := range n.Attribute {
			if a.T != nil {
				list = append(list, a.T)
			}
		}
	}
	return list
}

// loadExternal reads weights from the files beside the model, in dir; "" is
// nowhere.
func loadExternal(g *graphProto, dir string, bare bool) error {
	files := map[string]*os.File{}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	total := int64(0)
	for _, t := range g.tensors() {
		if t.DataLocation == 0 || bare && t.elsewhere() {
			continue
		}
		if dir == "" {
			_, err := t.check()
			return err
		}
		where := map[string]string{}
		for _, e := range t.External {
			where[e.Key] = e.Value
		}
		name := where["location"]
		if !filepath.IsLocal(name) { // no model may read files elsewhere
			return invalid("the weights of %s lie in %s, which is not a file beside the model", quote(t.Name), quote(name))
		}
		f := files[name]
		if f == nil {
			var err error
			if f, err = os.Open(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("onnx: weights beside the model: %w; copy that file too", err)
			}
			files[name] = f
		}
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("onnx: %w", err)
		}
		var offset, length int64
		for key, to := range map[string]*int64{"offset": &offset, "length": &length} {
			if s, ok := where[key]; ok {
				if *to, err = strconv.ParseInt(s, 10, 64); err != nil || *to < 0 {
					return invalid("the weights of %s: %s is %s", quote(t.Name), key, quote(s))
				}
			} else if key == "length" {
				length = -1
			}
		}
		if length < 0 { // as much as the shape and the type take
			if length, err = t.stored(); err != nil {
				return err
			}
		}
		if !info.Mode().IsRegular() || offset > info.Size() || length > info.Size()-offset || length < 0 {
			return invalid("the weights of %s are bytes %d to %d of %s, which has %d; the file is cut short", quote(t.Name), offset, offset+length, quote(name), info.Size())
		}
		if total += length; total > 4*maxWeights {
			return fmt.Errorf("%w: weights of more than %d bytes", ErrUnsupported, 4*maxWeights)
		}
		t.RawData = make([]byte, length)
		if _, err := f.ReadAt(t.RawData, offset); err != nil {
			return fmt.Errorf("onnx: weights of %s: %w", quote(t.Name), err)
		}
		t.DataLocation, t.External = 0, nil
	}
	return nil
}

// stored is how many bytes the elements of t have in a file.
func (t *tensorProto) stored() (int64, error) {
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 || d > 0 && n > 1<<40/d {
			return 0, invalid("initializer %s has the shape %v", quote(t.Name), t.Dims)
		}
		n *= d
	}
	size := int64(elemSize[elem(t.DataType)])
	if size == 0 {
		return 0, fmt.Errorf("%w: initializer %s has the element type %d, and its file does not say how long it is", ErrUnsupported, quote(t.Name), t.DataType)
	}
	return n * size, nil
}

// externalMin is the size from which weights leave the file: what is smaller
// may be a shape, which readers want at hand.
const externalMin = 1024

// moveOut returns p with its larger weights replaced by places in a file of the
// given name, and what to write there, aligned for mapping into memory.
func moveOut(p *modelProto, name string) (*modelProto, [][]byte) {
	out, g := *p, *p.Graph
	out.Graph = &g
	g.Initializer = nil
	var data [][]byte
	at := 0
	for _, t := range p.Graph.Initializer {
		if len(t.RawData) >= externalMin {
			const align = 64
			if rest := at % align; rest != 0 {
				data = append(data, make([]byte, align-rest))
				at += align - rest
			}
			moved := *t
			moved.RawData, moved.DataLocation = nil, 1
			moved.External = []*entryProto{{"location", name}, {"offset", strconv.Itoa(at)}, {"length", strconv.Itoa(len(t.RawData))}}
			data = append(data, t.RawData)
			at += len(t.RawData)
			t = &moved
		}
		g.Initializer = append(g.Initializer, t)
	}
	return &out, data
}
