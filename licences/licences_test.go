package licences

import (
	"strings"
	"testing"
)

// TestText: the parts that are easy to forget, because they are no Go modules or
// have no licence file of their own.
func TestText(t *testing.T) {
	for _, want := range []string{"=== Weft\n", "=== Go 1.", "wgpu-native", "The gfx-rs developers", "Microsoft Corporation", "=== svelte ", "liberation", "Permission is hereby granted"} {
		if !strings.Contains(Text, want) {
			t.Errorf("no %q", want)
		}
	}
}
