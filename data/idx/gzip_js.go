package idx

import (
	"bufio"
	"fmt"
	"io"
)

// In a browser the page decompresses files as it fetches them, with what the
// browser has for that (web/src/worker.ts): a second decompressor would be a
// hundredth of the program that every visitor loads.
func unzip(*bufio.Reader) (io.Reader, error) {
	return nil, fmt.Errorf("idx: %w: it is compressed with gzip, and this browser did not decompress it; use a newer one", ErrFormat)
}

func damaged(error) bool { return false }
