//go:build js && wasm

// Structs cross to JavaScript as plain objects under their json names, and
// their slices of numbers as typed arrays, each copied once and then
// transferred: losses and weights are never text.

package main

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"syscall/js"
	"unsafe"
)

var (
	jsObject  = js.Global().Get("Object")
	jsArray   = js.Global().Get("Array")
	jsBytes   = js.Global().Get("Uint8Array")
	jsFloats  = js.Global().Get("Float32Array")
	jsUint32s = js.Global().Get("Uint32Array")
)

// encoder makes JavaScript values and remembers the buffers to transfer.
type encoder struct{ transfer []any }

func (e *encoder) value(v any) js.Value { return e.reflected(reflect.ValueOf(v)) }

func (e *encoder) reflected(v reflect.Value) js.Value {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return js.Null()
		}
		return e.reflected(v.Elem())
	case reflect.Struct:
		o := jsObject.New()
		for i := range v.NumField() {
			name, optional := fieldName(v.Type().Field(i))
			if optional && v.Field(i).IsZero() {
				continue
			}
			o.Set(name, e.reflected(v.Field(i)))
		}
		return o
	case reflect.Map:
		o := jsObject.New()
		for it := v.MapRange(); it.Next(); {
			o.Set(it.Key().String(), e.reflected(it.Value()))
		}
		return o
	case reflect.Slice:
		switch x := v.Interface().(type) {
		case []byte:
			return e.array(x, jsBytes)
		case []float32:
			return e.array(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x)), jsFloats)
		case []uint32:
			return e.array(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x)), jsUint32s)
		}
		a := jsArray.New(v.Len())
		for i := range v.Len() {
			a.SetIndex(i, e.reflected(v.Index(i)))
		}
		return a
	case reflect.String:
		return js.ValueOf(v.String())
	case reflect.Bool:
		return js.ValueOf(v.Bool())
	case reflect.Float32, reflect.Float64:
		return js.ValueOf(v.Float())
	case reflect.Int, reflect.Int32, reflect.Int64:
		return js.ValueOf(float64(v.Int()))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return js.ValueOf(float64(v.Uint()))
	}
	panic("no JavaScript value for " + v.Type().String())
}

// array copies bytes, which WebAssembly has in JavaScript's order, and views
// them as the given type.
func (e *encoder) array(b []byte, as js.Value) js.Value {
	bytes := jsBytes.New(len(b))
	js.CopyBytesToJS(bytes, b)
	buffer := bytes.Get("buffer")
	e.transfer = append(e.transfer, buffer)
	return as.New(buffer)
}

func fieldName(f reflect.StructField) (name string, optional bool) {
	name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, option == "omitempty"
}

// decode fills the struct that to points to from a JavaScript object. What is
// missing stays zero.
func decode(v js.Value, to any) error { return decodeInto(v, reflect.ValueOf(to).Elem()) }

func decodeInto(v js.Value, to reflect.Value) error {
	wrong := func(want string) error { return fmt.Errorf("%s where %s is wanted", v.Type(), want) }
	switch to.Kind() {
	case reflect.Pointer:
		p := reflect.New(to.Type().Elem())
		if err := decodeInto(v, p.Elem()); err != nil {
			return err
		}
		to.Set(p)
	case reflect.Struct:
		if v.Type() != js.TypeObject {
			return wrong("an object")
		}
		for i := range to.NumField() {
			name, _ := fieldName(to.Type().Field(i))
			x := v.Get(name)
			if x.IsUndefined() || x.IsNull() {
				continue
			}
			if err := decodeInto(x, to.Field(i)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	case reflect.Slice:
		if to.Type().Elem().Kind() == reflect.Uint8 {
			if !v.InstanceOf(jsBytes) {
				return wrong("a Uint8Array")
			}
			b := make([]byte, v.Length())
			js.CopyBytesToGo(b, v)
			to.SetBytes(b)
			return nil
		}
		if !jsArray.Call("isArray", v).Bool() {
			return wrong("an array")
		}
		s := reflect.MakeSlice(to.Type(), v.Length(), v.Length())
		for i := range s.Len() {
			if err := decodeInto(v.Index(i), s.Index(i)); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		to.Set(s)
	case reflect.String:
		if v.Type() != js.TypeString {
			return wrong("a text")
		}
		to.SetString(v.String())
	case reflect.Bool:
		if v.Type() != js.TypeBoolean {
			return wrong("true or false")
		}
		to.SetBool(v.Bool())
	case reflect.Int, reflect.Float64:
		if v.Type() != js.TypeNumber {
			return wrong("a number")
		}
		x := v.Float()
		if to.Kind() == reflect.Float64 {
			to.SetFloat(x)
			return nil
		}
		if x != math.Trunc(x) || math.Abs(x) > 1<<53 {
			return fmt.Errorf("%v where a whole number is wanted", x)
		}
		to.SetInt(int64(x))
	default:
		return fmt.Errorf("no %s comes from JavaScript", to.Type())
	}
	return nil
}
