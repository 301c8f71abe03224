package mem

import (
	"testing"
	"unsafe"
)

func TestFloats(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000, 1<<20 - 1, 1 << 20, 3<<20 + 5} {
		x := Floats(n)
		if len(x) != n || cap(x) != n {
			t.Fatalf("Floats(%d) has length %d, capacity %d", n, len(x), cap(x))
		}
		if n > 0 && uintptr(unsafe.Pointer(&x[0]))%line != 0 {
			t.Errorf("Floats(%d) does not start at a cache line", n)
		}
		for i := range x {
			if x[i] != 0 {
				t.Fatalf("Floats(%d)[%d] = %v, want 0", n, i, x[i])
			}
			x[i] = 1
		}
	}
}
