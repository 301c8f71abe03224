package safetensors

import (
	"bytes"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

func summed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	// A value that looks like the sum's key must not be taken for it.
	meta := map[string]string{"a": `"` + SumKey + `":"ffffffff"`, "weft": "x"}
	if err := WriteSummed(&b, []Tensor{Float32("w", []int{3, 5}, make([]float32, 15)), Int32("n", nil, []int32{7})}, meta); err != nil {
		t.Fatal(err)
	}
	if len(meta) != 2 {
		t.Errorf("the caller's metadata was changed: %v", meta)
	}
	return b.Bytes()
}

// TestSumIsCRC32C computes the sum in another way: byte by byte from the
// polynomial 0x1EDC6F41, reflected.
func TestSumIsCRC32C(t *testing.T) {
	file := summed(t)
	f, err := Parse(bytes.NewReader(file), int64(len(file)))
	if err != nil || f.Verify() != nil || !f.Summed() {
		t.Fatalf("%v, %v", err, f.Verify())
	}
	want := f.Metadata[SumKey]
	file = bytes.Replace(file, []byte(`"`+want+`"`), []byte(`"00000000"`), 1)
	sum := ^uint32(0)
	for _, c := range file {
		sum ^= uint32(c)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78*(sum&1)
		}
	}
	if got := ^sum; got != crc32.Checksum(file, castagnoli) || want != strings.ToLower(hexOf(got)) {
		t.Errorf("the file says %s, computed %08x", want, got)
	}
}

func hexOf(v uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = digits[v>>(28-4*i)&15]
	}
	return string(b[:])
}

// TestEveryFlippedBitIsNoticed turns over each bit of a file: opening it is an
// error, or its sum is not right, or it says that it has none.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	file := summed(t)
	for bit := range len(file) * 8 {
		bad := bytes.Clone(file)
		bad[bit/8] ^= 1 << (bit % 8)
		f, err := Parse(bytes.NewReader(bad), int64(len(bad)))
		if err != nil || !f.Summed() {
			continue
		}
		if err := f.Verify(); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}
}

func TestVerifyWithoutSum(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, []Tensor{Int32("n", nil, []int32{7})}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || f.Summed() || f.Verify() != nil {
		t.Errorf("%v, summed %v, %v", err, f.Summed(), f.Verify())
	}
}
