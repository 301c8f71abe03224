// Package mem allocates float32 memory for the CPU backend: it starts at a
// cache line, so that a vector never straddles two for nothing, and large
// blocks ask the kernel for huge pages. A matrix product walks through several
// megabytes in short steps; with 4 KiB pages it spends some 5% of its time on
// address translation, more inside a virtual machine.
package mem

import "unsafe"

const (
	line = 64
	huge = 2 << 20
)

// Floats returns n zeros. The memory belongs to the garbage collector like any
// other slice.
func Floats(n int) []float32 {
	if n <= 0 {
		return nil
	}
	align := line
	if n*4 >= huge {
		align = huge
	}
	buf := make([]float32, n+align/4)
	skip := int(-uintptr(unsafe.Pointer(&buf[0]))&uintptr(align-1)) / 4
	buf = buf[skip : skip+n : skip+n]
	if align == huge {
		// Before the first touch: pages that exist stay small.
		adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), n*4&^(huge-1)))
	}
	return buf
}
