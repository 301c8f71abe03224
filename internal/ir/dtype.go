// Package ir is Weft's intermediate representation: a small, immutable graph of
// tensor operations. User code traces into it, gradients are rewrites of it,
// and everything below (fusion, plans, kernels) is derived from it.
//
// The set of operations is deliberately small: elementwise operations from one
// table (table.go), reductions, movement operations that never copy by
// themselves, a data-dependent gather and a batched matrix product. Whatever
// else a user sees is composed from these, so that each backend has little to
// implement and every rewrite few cases to know.
package ir

import "fmt"

// DType is the element type of a tensor.
type DType uint8

const (
	F32  DType = iota // 32-bit IEEE float; all arithmetic happens in it
	I32               // 32-bit signed integer: indices, labels, counters
	Bool              // truth value; four bytes in device memory, 0 or 1
	U8                // unsigned byte: storage of images and labels, read-only in kernels
	F16               // 16-bit IEEE float: storage only, widened to F32 when loaded
)

var dtypeNames = [...]string{F32: "f32", I32: "i32", Bool: "bool", U8: "u8", F16: "f16"}

// String returns the short name that graphs and plans are printed with.
func (d DType) String() string {
	if int(d) < len(dtypeNames) {
		return dtypeNames[d]
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Size is the number of bytes of one element in device memory.
func (d DType) Size() int {
	switch d {
	case U8:
		return 1
	case F16:
		return 2
	}
	return 4
}

// Compute is the type that an element has once it is loaded into a kernel:
// storage types widen, the others stay.
func (d DType) Compute() DType {
	switch d {
	case U8:
		return I32
	case F16:
		return F32
	}
	return d
}
