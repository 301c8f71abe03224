// The format has no sum of its own, so ours is in the metadata. It is over the
// file as a whole, header and all, with zeros in its own place: whatever bit
// of a file turns over, in a weight, a name, an offset or a counter, the sum
// is another. It is CRC-32C, which every processor that matters computes in
// hardware, ten times as fast as SHA-256 and faster than a disk reads, and
// which finds every single burst of errors of up to 32 bits. It is for damage,
// not for malice: whoever can change a file can change its sum.

package safetensors

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
)

// SumKey is the metadata key of a file's sum: CRC-32C of all its bytes, with
// the sum's eight hexadecimal digits as '0', of which they are then replaced.
const SumKey = "weft.crc32c"

// ErrDamaged: the file's content is not what was written.
var ErrDamaged = errors.New("file is damaged")

const noSum = "00000000"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteSummed is Write with a sum of the whole file in the metadata, which
// Verify checks.
func WriteSummed(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[SumKey] = noSum
	sorted := inOrder(tensors)
	header, err := encodeHeader(sorted, metadata)
	if err != nil {
		return err
	}
	sum := crc32.Checksum(header, castagnoli)
	for _, t := range sorted {
		sum = crc32.Update(sum, castagnoli, t.Data)
	}
	at, ok := findSum(header)
	if !ok {
		return fmt.Errorf("safetensors: no place for the sum in the header")
	}
	copy(header[at:], fmt.Sprintf("%08x", sum))
	return writeAll(w, header, sorted)
}

// findSum is where the digits of the sum are in a header. The key with its
// quotes is nowhere else: inside of a string quotes are escaped.
func findSum(header []byte) (int, bool) {
	before := []byte(`"` + SumKey + `":"`)
	at := bytes.Index(header, before)
	if at < 0 || at+len(before)+len(noSum) > len(header) {
		return 0, false
	}
	return at + len(before), true
}

// Summed reports whether the file says what its sum is.
func (f *File) Summed() bool { return f.Metadata[SumKey] != "" }

// Verify reads the whole file and compares it with its sum: an error with
// ErrDamaged if they differ, nil also for a file without one.
func (f *File) Verify() error {
	text, ok := f.Metadata[SumKey]
	if !ok {
		return nil
	}
	damaged := func(detail string) error {
		return &Error{File: f.name, Kind: ErrDamaged, Detail: detail, Advice: adviceAgain}
	}
	want, err := hex.DecodeString(text)
	if err != nil || len(want) != crc32.Size {
		return damaged(fmt.Sprintf("its sum %s is none", shorten(text)))
	}
	header := make([]byte, f.data)
	if err := readAt(f.r, header, 0); err != nil {
		return damaged("its header cannot be read again: " + err.Error())
	}
	at, ok := findSum(header)
	if !ok {
		return damaged("its sum is not where we write it")
	}
	copy(header[at:], noSum)
	sum := crc32.Checksum(header, castagnoli)
	buf := make([]byte, chunkBytes)
	for at, end := f.data, f.size; at < end; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), end-at)]
		if err := readAt(f.r, buf, at); err != nil {
			return damaged(fmt.Sprintf("byte %d and what follows cannot be read: %v", at, err))
		}
		sum = crc32.Update(sum, castagnoli, buf)
	}
	if got := fmt.Sprintf("%08x", sum); got != text {
		return damaged(fmt.Sprintf("the CRC-32C of its content is %s, it was written with %s", got, text))
	}
	return nil
}
