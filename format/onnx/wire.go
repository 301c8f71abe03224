// Reading and writing of protocol buffer messages, driven by the struct tags of
// proto.go. The wire format itself is package protowire's. Generated code would
// be some thousand lines and a reflection runtime of megabytes for a dozen
// messages, and would copy each weight once more: here raw data stays a slice
// of the file.

package onnx

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// A hostile file can nest messages, and each two bytes of it can ask for a
// struct of a hundred: both are bounded, far beyond what models need.
const (
	maxDepth    = 40 // a graph within a graph takes three
	maxMessages = 2 << 20
)

// fieldsOf finds the fields of a message type by number.
var fieldsOf sync.Map // reflect.Type -> map[protowire.Number]int

func fields(t reflect.Type) map[protowire.Number]int {
	if m, ok := fieldsOf.Load(t); ok {
		return m.(map[protowire.Number]int)
	}
	m := map[protowire.Number]int{}
	for i := range t.NumField() {
		n, err := strconv.Atoi(t.Field(i).Tag.Get("proto"))
		if err != nil {
			panic(err)
		}
		m[protowire.Number(n)] = i
	}
	fieldsOf.Store(t, m)
	return m
}

// reader counts what one file has made.
type reader struct{ messages int }

// message fills the struct v from b.
func (r *reader) message(b []byte, v reflect.Value, depth int) error {
	name := v.Type().Name()
	if r.messages++; r.messages > maxMessages {
		return fmt.Errorf("more than %d messages", maxMessages)
	}
	if depth > maxDepth {
		return fmt.Errorf("messages are nested more than %d deep", maxDepth)
	}
	known := fields(v.Type())
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%s: %w", name, protowire.ParseError(n))
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(num, typ, b)
		if size < 0 {
			return fmt.Errorf("%s, field %d: %w", name, num, protowire.ParseError(size))
		}
		if i, ok := known[num]; ok {
			if err := r.field(v.Field(i), typ, b[:size], depth); err != nil {
				return fmt.Errorf("%s.%s: %w", name, v.Type().Field(i).Name, err)
			}
		}
		b = b[size:]
	}
	return nil
}

// field sets f, or appends to it, from one encoded value.
func (r *reader) field(f reflect.Value, typ protowire.Type, b []byte, depth int) error {
	if typ == protowire.BytesType {
		b, _ = protowire.ConsumeBytes(b)
		switch p := f.Addr().Interface().(type) {
		case *string:
			*p = string(b)
		case *[]string:
			*p = append(*p, string(b))
		case *[]byte:
			*p = b
		case *[][]byte:
			*p = append(*p, b)
		case *[]float32, *[]float64, *[]int64:
			return packed(p, b)
		default:
			t := f.Type()
			repeated := t.Kind() == reflect.Slice
			if repeated {
				t = t.Elem()
			}
			if t.Kind() != reflect.Pointer {
				return fmt.Errorf("has a length, where a number is expected")
			}
			m := f
			if repeated || f.IsNil() { // a second occurrence of a single message merges with the first
				m = reflect.New(t.Elem())
			}
			if err := r.message(b, m.Elem(), depth+1); err != nil {
				return err
			}
			if repeated {
				f.Set(reflect.Append(f, m))
			} else {
				f.Set(m)
			}
		}
		return nil
	}
	return number(f.Addr().Interface(), typ, b)
}

// number sets or appends one number.
func number(p any, typ protowire.Type, b []byte) error {
	switch typ {
	case protowire.VarintType:
		u, _ := protowire.ConsumeVarint(b)
		switch p := p.(type) {
		case *int64:
			*p = int64(u)
			return nil
		case *[]int64:
			*p = append(*p, int64(u))
			return nil
		}
	case protowire.Fixed32Type:
		u, _ := protowire.ConsumeFixed32(b)
		switch p := p.(type) {
		case *float32:
			*p = math.Float32frombits(u)
			return nil
		case *[]float32:
			*p = append(*p, math.Float32frombits(u))
			return nil
		}
	case protowire.Fixed64Type:
		u, _ := protowire.ConsumeFixed64(b)
		if p, ok := p.(*[]float64); ok {
			*p = append(*p, math.Float64frombits(u))
			return nil
		}
	}
	return fmt.Errorf("has the wrong type on the wire (%d)", typ)
}

// packed appends the numbers of a packed field.
func packed(p any, b []byte) error {
	typ := protowire.VarintType
	switch p := p.(type) {
	case *[]float32:
		typ = protowire.Fixed32Type
		if *p == nil {
			*p = make([]float32, 0, len(b)/4)
		}
	case *[]float64:
		typ = protowire.Fixed64Type
	}
	for len(b) > 0 {
		n := protowire.ConsumeFieldValue(1, typ, b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := number(p, typ, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// appendMessage appends the encoding of the struct v, in the order of its
// fields. What is zero is left out, as proto3 does; enclosing messages depend
// on none of the zeros that ONNX distinguishes from absence.
func appendMessage(b []byte, v reflect.Value) []byte {
	for num, i := range ordered(v.Type()) {
		b = appendField(b, num, v.Field(i))
	}
	return b
}

// ordered yields number and index of each field of t in the struct's order.
func ordered(t reflect.Type) func(func(protowire.Number, int) bool) {
	return func(yield func(protowire.Number, int) bool) {
		nums := make([]protowire.Number, t.NumField())
		for num, i := range fields(t) {
			nums[i] = num
		}
		for i, num := range nums {
			if !yield(num, i) {
				return
			}
		}
	}
}

func appendField(b []byte, num protowire.Number, f reflect.Value) []byte {
	if f.IsZero() {
		return b
	}
	lengthed := func(data []byte) { b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), data) }
	switch x := f.Interface().(type) {
	case string:
		lengthed([]byte(x))
	case []byte:
		lengthed(x)
	case []string:
		for _, s := range x {
			lengthed([]byte(s))
		}
	case [][]byte:
		for _, s := range x {
			lengthed(s)
		}
	case int64:
		b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(x))
	case float32:
		b = protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), math.Float32bits(x))
	case []int64:
		var p []byte
		for _, n := range x {
			p = protowire.AppendVarint(p, uint64(n))
		}
		lengthed(p)
	case []float32:
		var p []byte
		for _, n := range x {
			p = protowire.AppendFixed32(p, math.Float32bits(n))
		}
		lengthed(p)
	case []float64:
		var p []byte
		for _, n := range x {
			p = protowire.AppendFixed64(p, math.Float64bits(n))
		}
		lengthed(p)
	default:
		if f.Kind() == reflect.Pointer {
			lengthed(appendMessage(nil, f.Elem()))
			break
		}
		for i := range f.Len() {
			lengthed(appendMessage(nil, f.Index(i).Elem()))
		}
	}
	return b
}
