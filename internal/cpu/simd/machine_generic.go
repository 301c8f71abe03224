//go:build !amd64 && !arm64

package simd

// machine lists no vector variants: Go's WebAssembly has no SIMD, and the
// other architectures are served by plain Go.
func machine() []variant { return nil }
