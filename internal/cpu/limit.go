// What a network asks for may come out of a file of a hundred bytes that says
// "resize to 20000 x 20000". Go ends a program that asks the system for more
// memory than there is, without a word that anybody could catch; so the question
// is answered here, before anything is allocated.

package cpu

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/internal/plan"
)

// ErrMemory is in the error of a program that needs more memory than there is.
var ErrMemory = errors.New("more memory than the CPU may use")

// limitVariable overrides the limit, in bytes, or with K, M or G behind a number.
const limitVariable = "WEFT_CPU_MEMORY"

// memoryLimit is nine tenths of what the machine, the process's group and
// GOMEMLIMIT allow, whichever is least.
func memoryLimit() int64 {
	if n, ok := parseSize(os.Getenv(limitVariable)); ok {
		return n
	}
	limit := machineMemory()
	if n := debug.SetMemoryLimit(-1); n > 0 && n < math.MaxInt64 {
		limit = min(limit, n)
	}
	return limit / 10 * 9
}

// parseSize reads 4000000000, 512M or 4G.
func parseSize(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, false
	}
	shift := 0
	switch s[len(s)-1] {
	case 'K', 'k':
		shift = 10
	case 'M', 'm':
		shift = 20
	case 'G', 'g':
		shift = 30
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

// room is an error if that many more bytes are too many.
func (b *Backend) room(more int64) error {
	if used := b.used.Load(); b.Limit > 0 && more > b.Limit-used {
		return fmt.Errorf("%w: %s beside %s in use, of %s; use a smaller batch or input, close other networks, or set %s, such as to 16G",
			ErrMemory, sizeText(more), sizeText(used), sizeText(b.Limit), limitVariable)
	}
	return nil
}

// fits is an error if a plan's own buffers are too large, with the largest of
// them.
func (b *Backend) fits(p *plan.Plan) error {
	total := int64(p.ArenaBytes)
	var all []plan.Buffer
	for _, u := range p.Buffers {
		all = append(all, u)
		if u.Kind != plan.Temp && u.Kind != plan.State && u.Kind != plan.Data {
			total += int64(u.Bytes)
		}
	}
	err := b.room(total)
	if err == nil {
		return nil
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Bytes > all[j].Bytes })
	var largest []string
	for _, u := range all[:min(3, len(all))] {
		largest = append(largest, fmt.Sprintf("%s (%d values) of %s", u.Name, u.Elems, sizeText(int64(u.Bytes))))
	}
	return fmt.Errorf("weft: cpu: the program, whose largest buffers are %s, needs %w", strings.Join(largest, ", "), err)
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n >= 1<<u.shift {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(int64(1)<<u.shift), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
