//go:build !(js && wasm) && !(cgo && ((linux && !android && (amd64 || arm64)) || (darwin && !ios && (amd64 || arm64)) || (windows && amd64)))

package gpu

import "fmt"

// Without cgo, and where there is no archive of wgpu-native, the package builds
// and says why there is no GPU.

func listAdapters(PowerPreference) ([]adapter, error) {
	return nil, fmt.Errorf("gpu: %w (no cgo, or no wgpu-native for this platform); using the CPU", ErrNoGPU)
}

func noAdapter() error { return ErrNoAdapter }

func openAdapter(int) (driver, Limits, Features, error) { return nil, Limits{}, Features{}, ErrNoGPU }

func enables(Features) string { return "" }
