// The element types of the format. Their order below is the reference
// implementation's: a writer sorts by it, widest first, which keeps every
// tensor aligned to its own element size without gaps between them.

package safetensors

// DType is an element type as the header spells it.
type DType string

// The element types that can be converted on reading, and, after them, those
// that can only be read and written raw.
const (
	Bool DType = "BOOL"
	U8   DType = "U8"
	I8   DType = "I8"
	I16  DType = "I16"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I32  DType = "I32"
	F32  DType = "F32"
	F64  DType = "F64"
	I64  DType = "I64"

	U16    DType = "U16"
	U32    DType = "U32"
	U64    DType = "U64"
	F8E5M2 DType = "F8_E5M2"
	F8E4M3 DType = "F8_E4M3"
)

var dtypes = map[DType]struct{ size, rank int }{
	Bool: {1, 0}, U8: {1, 1}, I8: {1, 2}, F8E5M2: {1, 3}, F8E4M3: {1, 4},
	I16: {2, 5}, U16: {2, 6}, F16: {2, 7}, BF16: {2, 8},
	I32: {4, 9}, U32: {4, 10}, F32: {4, 11},
	F64: {8, 12}, I64: {8, 13}, U64: {8, 14},
}

// Size returns the bytes of one element, 0 for a type this package does not know.
func (d DType) Size() int { return dtypes[d].size }
