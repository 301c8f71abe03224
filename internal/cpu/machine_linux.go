package cpu

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// machineMemory is the least of the machine's memory, of what the process's
// control groups may use, and of its address space.
func machineMemory() int64 {
	limit := int64(math.MaxInt64)
	number := func(s string) {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil && n > 0 {
			limit = min(limit, n)
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "MemTotal:"); ok {
			kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if n, err := strconv.ParseInt(kb, 10, 64); err == nil && n > 0 {
				limit = min(limit, n<<10)
			}
		}
	}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(b)) {
			f := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(f) != 3 {
				continue
			}
			root, file := "/sys/fs/cgroup", "memory.max"
			if f[1] == "memory" { // the first version's hierarchy
				root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
			} else if f[1] != "" {
				continue
			}
			for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
				if b, err := os.ReadFile(path.Join(root, dir, file)); err == nil {
					number(string(b))
				}
				if dir == "/" {
					break
				}
			}
		}
	}
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_AS, &r) == nil && r.Cur < math.MaxInt64 {
		limit = min(limit, int64(r.Cur))
	}
	return limit
}
