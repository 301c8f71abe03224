package synthetic

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func TestShapes(t *testing.T) {
	d := Shapes(130, 1)
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	if again := Shapes(40, 1); !bytes.Equal(again.Images, d.Images[:len(again.Images)]) {
		t.Error("fewer images are not the first of more")
	}
	if other := Shapes(130, 2); bytes.Equal(other.Images, d.Images) {
		t.Error("another seed gives the same images")
	}
	for c := range 3 {
		if d.Mean[c] < 0.3 || d.Mean[c] > 0.7 || d.Std[c] < 0.15 || d.Std[c] > 0.4 {
			t.Errorf("mean %v, deviation %v", d.Mean, d.Std)
		}
	}
	// The bytes are part of what people publish results on.
	sum := sha256.Sum256(d.Images)
	if got := hex.EncodeToString(sum[:6]); got != "247db1a50648" {
		t.Errorf("the images changed: %s", got)
	}
}
