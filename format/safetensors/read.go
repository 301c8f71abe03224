// Reading converts through a small buffer: a large tensor then needs memory
// for its result only, not for its bytes as well.

package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// chunkBytes is a multiple of every element size.
const chunkBytes = 1 << 18

// ReadRaw returns the bytes of a tensor, little-endian and row-major, and its
// shape.
func (f *File) ReadRaw(name string) ([]byte, []int, error) {
	info, err := f.find(name)
	if err != nil {
		return nil, nil, err
	}
	buf := make([]byte, info.Bytes())
	if err := f.readData(info, buf, 0); err != nil {
		return nil, nil, err
	}
	return buf, info.Shape, nil
}

// ReadF32 returns a tensor as float32 and its shape. F16 and BF16 convert
// exactly; F64, I32 and I64 round to the nearest float32 (a finite F64 beyond
// its range becomes infinite); BOOL gives 0 and 1.
func (f *File) ReadF32(name string) ([]float32, []int, error) {
	return read(f, name, "float32", f32Converter)
}

// ReadI64 returns a tensor of integers or booleans and its shape. Floating
// point tensors, and U64 values past 2^63-1, give ErrDType.
func (f *File) ReadI64(name string) ([]int64, []int, error) {
	return read(f, name, "int64", func(d DType) func([]int64, []byte) error { return intConverter[int64](d, math.MinInt64, math.MaxInt64) })
}

// ReadI32 is ReadI64 for int32; a value out of range gives ErrDType.
func (f *File) ReadI32(name string) ([]int32, []int, error) {
	return read(f, name, "int32", func(d DType) func([]int32, []byte) error { return intConverter[int32](d, math.MinInt32, math.MaxInt32) })
}

func (f *File) readData(info Info, buf []byte, at int64) error {
	if len(buf) == 0 {
		return nil
	}
	if err := readAt(f.r, buf, f.data+info.begin+at); err != nil {
		return &Error{File: f.name, Tensor: info.Name, Kind: ErrTruncated, Detail: "its data cannot be read", Cause: err,
			Advice: "the file changed after it was opened; open it again"}
	}
	return nil
}

// read is the loop behind the typed readers. converter gives nil for an
// element type that cannot become a T.
func read[T any](f *File, name, want string, converter func(DType) func([]T, []byte) error) ([]T, []int, error) {
	info, err := f.find(name)
	if err != nil {
		return nil, nil, err
	}
	mismatch := func(detail string) error {
		return &Error{File: f.name, Tensor: name, Kind: ErrDType, Detail: detail, Advice: "read it as another type, or with ReadRaw"}
	}
	convert := converter(info.DType)
	if info.DType.Size() == 0 {
		return nil, nil, mismatch(fmt.Sprintf("its element type %s is unknown to Weft", shorten(string(info.DType))))
	}
	if convert == nil {
		return nil, nil, mismatch(fmt.Sprintf("%s does not convert to %s", info.DType, want))
	}
	out := make([]T, info.Len())
	buf := make([]byte, min(info.Bytes(), chunkBytes))
	size := int64(info.DType.Size())
	for at := int64(0); at < info.Bytes(); at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), info.Bytes()-at)]
		if err := f.readData(info, buf, at); err != nil {
			return nil, nil, err
		}
		if err := convert(out[at/size:at/size+int64(len(buf))/size], buf); err != nil {
			return nil, nil, mismatch(err.Error())
		}
	}
	return out, info.Shape, nil
}

// each calls set for every element of size bytes in b.
func each(b []byte, size int, set func(i int, b []byte)) {
	for i := 0; i*size < len(b); i++ {
		set(i, b[i*size:])
	}
}

func f32Converter(d DType) func([]float32, []byte) error {
	le := binary.LittleEndian
	var set func(out []float32) func(int, []byte)
	switch d {
	case F32: // The common case, without a call for each element.
		return func(out []float32, b []byte) error {
			for i := range out {
				out[i] = math.Float32frombits(le.Uint32(b[4*i:]))
			}
			return nil
		}
	case F64:
		set = func(out []float32) func(int, []byte) {
			return func(i int, b []byte) { out[i] = float32(math.Float64frombits(le.Uint64(b))) }
		}
	case F16:
		set = func(out []float32) func(int, []byte) {
			return func(i int, b []byte) { out[i] = F16Value(le.Uint16(b)) }
		}
	case BF16:
		set = func(out []float32) func(int, []byte) {
			return func(i int, b []byte) { out[i] = BF16Value(le.Uint16(b)) }
		}
	default:
		decode := intDecoder(d)
		if decode == nil {
			return nil
		}
		set = func(out []float32) func(int, []byte) {
			return func(i int, b []byte) {
				v, unsigned := decode(b)
				if unsigned {
					out[i] = float32(uint64(v))
				} else {
					out[i] = float32(v)
				}
			}
		}
	}
	return func(out []float32, b []byte) error {
		each(b, d.Size(), set(out))
		return nil
	}
}

// intDecoder reads one integer; unsigned is set where the bits of v are a
// uint64 too large for int64.
func intDecoder(d DType) func(b []byte) (v int64, unsigned bool) {
	le := binary.LittleEndian
	switch d {
	case Bool:
		return func(b []byte) (int64, bool) {
			if b[0] != 0 {
				return 1, false
			}
			return 0, false
		}
	case U8:
		return func(b []byte) (int64, bool) { return int64(b[0]), false }
	case I8:
		return func(b []byte) (int64, bool) { return int64(int8(b[0])), false }
	case I16:
		return func(b []byte) (int64, bool) { return int64(int16(le.Uint16(b))), false }
	case U16:
		return func(b []byte) (int64, bool) { return int64(le.Uint16(b)), false }
	case I32:
		return func(b []byte) (int64, bool) { return int64(int32(le.Uint32(b))), false }
	case U32:
		return func(b []byte) (int64, bool) { return int64(le.Uint32(b)), false }
	case I64:
		return func(b []byte) (int64, bool) { return int64(le.Uint64(b)), false }
	case U64:
		return func(b []byte) (int64, bool) { v := int64(le.Uint64(b)); return v, v < 0 }
	}
	return nil
}

func intConverter[T int32 | int64](d DType, lowest, highest int64) func([]T, []byte) error {
	decode := intDecoder(d)
	if decode == nil {
		return nil
	}
	return func(out []T, b []byte) error {
		size := d.Size()
		for i := range out {
			v, unsigned := decode(b[i*size:])
			if unsigned || v < lowest || v > highest {
				return fmt.Errorf("a value of its %s data is out of range", d)
			}
			out[i] = T(v)
		}
		return nil
	}
}
