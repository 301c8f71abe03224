//go:build !js

package idx

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
)

func unzip(b *bufio.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, broken(err, "the gzip header")
	}
	return z, nil
}

// damaged reports whether err says that a compressed file is not what it was.
func damaged(err error) bool {
	return errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader)
}
