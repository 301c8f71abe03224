//go:build cgo && ((linux && !android && (amd64 || arm64)) || (darwin && !ios && (amd64 || arm64)) || (windows && amd64))

package gpu

import "testing"

// A program that ends with results on their way destroys buffers that are being
// mapped.
func TestDestroyedReadbackIsForgotten(t *testing.T) {
	d := open(t)
	for range 3 {
		b := must[*Readback](t)(d.NewReadback("results", 64))
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		b.Buffer.Destroy()
	}
	if n := len(d.drv.(*native).maps); n != 0 {
		t.Errorf("%d mappings are left", n)
	}
}
