//go:build cgo

package main

// withWebGPU says that the native WebGPU implementation is linked into the
// program, which takes cgo.
const withWebGPU = true
