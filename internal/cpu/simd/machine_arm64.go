package simd

// machine lists the NEON variant, which every arm64 processor can run.
func machine() []variant {
	v := plain()
	v.name = "neon"
	return []variant{v}
}
