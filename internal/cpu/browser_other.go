//go:build !js && !linux && !darwin

package cpu

const browser = false
