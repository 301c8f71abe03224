//go:build !(js && wasm)

package gpu

// kept is empty where the driver takes a stream's steps anew at each submit: in
// one process that costs less than keeping track.
type kept struct{}
