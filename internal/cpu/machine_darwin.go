package cpu

import "golang.org/x/sys/unix"

func machineMemory() int64 {
	if n, err := unix.SysctlUint64("hw.memsize"); err == nil {
		return int64(n)
	}
	return 8 << 30
}
