//go:build !js

package train

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/weft-ml/weft/data"
)

// sum is the SHA-256 of images and labels.
func sum(d *data.Dataset) string {
	h := sha256.New()
	h.Write(d.Images)
	h.Write(d.Labels)
	return hex.EncodeToString(h.Sum(nil))
}
