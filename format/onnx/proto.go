// The messages of onnx.proto that are read and written, as Go structs. The
// numbers are those of the standard (https://github.com/onnx/onnx,
// onnx/onnx.proto, ir_version 10); fields that no model for inference needs
// (training information, sparse tensors, quantization annotations) are left
// out and skipped when a file has them. Everything is driven by the tags:
// wire.go knows how a kind of Go field is encoded, and nothing of ONNX.

package onnx

type modelProto struct {
	IRVersion       int64         `proto:"1"`
	OpsetImport     []*opsetProto `proto:"8"`
	ProducerName    string        `proto:"2"`
	ProducerVersion string        `proto:"3"`
	Domain          string        `proto:"4"`
	ModelVersion    int64         `proto:"5"`
	Doc             string        `proto:"6"`
	Graph           *graphProto   `proto:"7"`
	Metadata        []*entryProto `proto:"14"`
	Functions       []*function   `proto:"25"`
}

type opsetProto struct {
	Domain  string `proto:"1"`
	Version int64  `proto:"2"`
}

type entryProto struct {
	Key   string `proto:"1"`
	Value string `proto:"2"`
}

// function is a FunctionProto: a subroutine of the model, whose calls inline.go
// replaces by its body.
type function struct {
	Name      string        `proto:"1"`
	Input     []string      `proto:"4"`
	Output    []string      `proto:"5"`
	Attribute []string      `proto:"6"`
	Node      []*nodeProto  `proto:"7"`
	Opsets    []*opsetProto `proto:"9"`
	Domain    string        `proto:"10"`
	Defaults  []*attrProto  `proto:"11"`
	Overload  string        `proto:"13"`
}

type graphProto struct {
	Node        []*nodeProto   `proto:"1"`
	Name        string         `proto:"2"`
	Initializer []*tensorProto `proto:"5"`
	Doc         string         `proto:"10"`
	Input       []*valueProto  `proto:"11"`
	Output      []*valueProto  `proto:"12"`
}

type nodeProto struct {
	Input     []string     `proto:"1"`
	Output    []string     `proto:"2"`
	Name      string       `proto:"3"`
	OpType    string       `proto:"4"`
	Attribute []*attrProto `proto:"5"`
	Domain    string       `proto:"7"`
	Overload  string       `proto:"8"`
}

type attrProto struct {
	Name    string       `proto:"1"`
	F       float32      `proto:"2"`
	I       int64        `proto:"3"`
	S       []byte       `proto:"4"`
	T       *tensorProto `proto:"5"`
	G       *graphProto  `proto:"6"`
	Floats  []float32    `proto:"7"`
	Ints    []int64      `proto:"8"`
	Strings [][]byte     `proto:"9"`
	Type    int64        `proto:"20"`
	Ref     string       `proto:"21"` // an attribute of the function that this node is in
}

// AttributeProto.AttributeType.
const (
	attrFloat   = 1
	attrInt     = 2
	attrString  = 3
	attrTensor  = 4
	attrGraph   = 5
	attrFloats  = 6
	attrInts    = 7
	attrStrings = 8
)

type tensorProto struct {
	Dims         []int64       `proto:"1"`
	DataType     int64         `proto:"2"`
	FloatData    []float32     `proto:"4"`
	Int32Data    []int64       `proto:"5"`
	Int64Data    []int64       `proto:"7"`
	Name         string        `proto:"8"`
	RawData      []byte        `proto:"9"`
	DoubleData   []float64     `proto:"10"`
	Uint64Data   []int64       `proto:"11"`
	External     []*entryProto `proto:"13"`
	DataLocation int64         `proto:"14"`
}

type valueProto struct {
	Name string     `proto:"1"`
	Type *typeProto `proto:"2"`
}

type typeProto struct {
	Tensor *tensorType `proto:"1"`
}

type tensorType struct {
	Elem  int64       `proto:"1"`
	Shape *shapeProto `proto:"2"`
}

type shapeProto struct {
	Dim []*dimProto `proto:"1"`
}

type dimProto struct {
	Value int64  `proto:"1"`
	Param string `proto:"2"`
}

// elem is TensorProto.DataType.
type elem int64

const (
	elemFloat    elem = 1
	elemUint8    elem = 2
	elemInt8     elem = 3
	elemUint16   elem = 4
	elemInt16    elem = 5
	elemInt32    elem = 6
	elemInt64    elem = 7
	elemString   elem = 8
	elemBool     elem = 9
	elemFloat16  elem = 10
	elemDouble   elem = 11
	elemUint32   elem = 12
	elemUint64   elem = 13
	elemBfloat16 elem = 16
)

var elemNames = map[elem]string{
	elemFloat: "float", elemUint8: "uint8", elemInt8: "int8", elemUint16: "uint16", elemInt16: "int16", elemInt32: "int32",
	elemInt64: "int64", elemString: "string", elemBool: "bool", elemFloat16: "float16", elemDouble: "double",
	elemUint32: "uint32", elemUint64: "uint64", elemBfloat16: "bfloat16",
}

// elemSize is the number of bytes of one element in raw_data; types that are
// not listed cannot be read.
var elemSize = map[elem]int{
	elemFloat: 4, elemUint8: 1, elemInt8: 1, elemUint16: 2, elemInt16: 2, elemInt32: 4, elemInt64: 8, elemBool: 1,
	elemFloat16: 2, elemDouble: 8, elemUint32: 4, elemUint64: 8, elemBfloat16: 2,
}
