package gpu

import "testing"

func TestErrorLine(t *testing.T) {
	for message, want := range map[string]int{
		"Shader 'k' parsing error\n  ┌─ wgsl:12:5\n": 12,
		"error at :3:17 error: unresolved value 'x'": 3,
		"<stdin>:104:9: bad":                         104,
		"note: see 1:x and :y, then :7:1":            7,
		"":                                           0, "no position": 0, "a:5": 0, "a:5:": 0, "a:5:b": 0,
	} {
		if n := errorLine(message); n != want {
			t.Errorf("%q: line %d, want %d", message, n, want)
		}
	}
}
