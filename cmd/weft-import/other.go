//go:build !(js && wasm)

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "weft-import runs in a browser: build it with GOOS=js GOARCH=wasm, or use make site")
	os.Exit(1)
}
