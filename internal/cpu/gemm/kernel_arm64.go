package gemm

// machine lists the NEON kernel, which every arm64 processor can run: 24 of
// the 32 registers hold sums.
func machine() []*kernel {
	return []*kernel{{
		name: "neon", mr: 8, nr: 12, aw: 8,
		wide: tileNEONTable,
		kc:   256, mt: 16, nt: 16, blocks: 6,
	}}
}
