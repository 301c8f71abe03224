//go:build !js

package main

// cpuMs is known under Node only.
func cpuMs() float64 { return 0 }
