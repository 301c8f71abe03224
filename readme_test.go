package weft_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme keeps the README's code the tested example's.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "```go\n")
	shown, _, ok := strings.Cut(shown, "```")
	if !ok {
		t.Fatal("README.md has no Go code")
	}
	_, body, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, _ = strings.Cut(body, "\t// Output:")
	if body = strings.ReplaceAll("\n"+body, "\n\t", "\n")[1:]; body != shown {
		t.Errorf("README.md shows\n%s\nbut the example is\n%s", shown, body)
	}
}
