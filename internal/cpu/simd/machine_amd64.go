package simd

import "golang.org/x/sys/cpu"

// machine lists the vector variants of this processor.
func machine() []variant {
	var vs []variant
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2 {
		v := plain()
		v.name = "avx512"
		vs = append(vs, v)
	}
	if x.HasAVX2 && x.HasFMA {
		v := plain()
		v.name = "avx2"
		vs = append(vs, v)
	}
	return vs
}
