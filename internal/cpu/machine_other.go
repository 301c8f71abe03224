//go:build !linux && !darwin

package cpu

import "strconv"

// machineMemory is a guess where the system is not asked: what a computer of
// today has at least, and what a program in a browser, or one of 32 bits, can
// address without trouble.
func machineMemory() int64 {
	if browser || strconv.IntSize == 32 {
		return 2 << 30
	}
	return 8 << 30
}
