package cpu

import (
	"errors"
	"testing"
)

func TestLimit(t *testing.T) {
	b := New(1)
	defer b.Close()
	if b.Limit < 64<<20 {
		t.Errorf("a limit of %d bytes", b.Limit)
	}
	b.Limit = 1000
	u, err := b.Alloc("first", 600)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{401, 1 << 62} {
		if _, err := b.Alloc("second", size); !errors.Is(err, ErrMemory) {
			t.Errorf("%d bytes more: %v", size, err)
		}
	}
	u.Free()
	if _, err := b.Alloc("third", 1000); err != nil {
		t.Error(err)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"1000": 1000, "4G": 4 << 30, " 512m ": 512 << 20, "2K": 2048, "": 0, "x": 0, "-1": 0, "99999999999G": 0, "G": 0} {
		if got, ok := parseSize(s); got != want || ok != (want > 0) {
			t.Errorf("%q: %d %v, want %d", s, got, ok, want)
		}
	}
}
