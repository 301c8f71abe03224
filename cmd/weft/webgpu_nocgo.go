//go:build !cgo

package main

const withWebGPU = false
