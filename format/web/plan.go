package web

// Version is the format's. A module refuses plans of any other.
const Version = 1

const formatName = "weft-web"

// Plan is plan.json. Objects are named by their positions in lists.
type Plan struct {
	Format  string   `json:"format"`
	Version int      `json:"version"`
	Model   string   `json:"model"`
	Classes []string `json:"classes"`
	Input   Input    `json:"input"`
	Output  Output   `json:"output"`
	// Inputs and Outputs are those of a network that takes and gives them by name;
	// Input and Output then have the shapes of the first.
	Inputs  []Port  `json:"inputs,omitempty"`
	Outputs []Port  `json:"outputs,omitempty"`
	Weights Weights `json:"weights"`
	// Kernels has room for other ways to run the same model.
	Kernels struct {
		WebGPU *WebGPU `json:"webgpu,omitempty"`
		ONNX   *ONNX   `json:"onnx,omitempty"`
	} `json:"kernels"`
}

// Input says how pictures become what the network takes:
// (pixel*Scale - Mean[c]) / Std[c], channels first.
type Input struct {
	Shape []int     `json:"shape"` // channels, height, width
	Scale float64   `json:"scale"`
	Mean  []float32 `json:"mean"`
	Std   []float32 `json:"std"`
	// Fit is how a picture is brought to that size: FitDigit or FitCrop.
	Fit string `json:"fit"`
	// Resize is, for FitCrop, what the shorter side becomes before the middle is
	// cut out; 0 just covers the input.
	Resize int `json:"resize,omitempty"`
}

// The values of Input.Fit.
const (
	FitDigit = "digit" // data.DigitFromImage
	FitCrop  = "crop"  // resize, and cut the middle
)

// Output is what the network returns for one input.
type Output struct {
	Shape []int  `json:"shape"`
	DType string `json:"dtype,omitempty"` // "int32" or "bool"; "" is float32
}

// Weights is the file of the weights, so that one of another model, or half of
// one, is noticed.
type Weights struct {
	File   string `json:"file"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// WebGPU is the model for WebGPU. All programs share buffers and shaders.
type WebGPU struct {
	Buffers  []Buffer  `json:"buffers"`
	Shaders  []string  `json:"shaders"` // WGSL
	Programs []Program `json:"programs"`
}

// ONNX is the same model for ONNX Runtime, where there is no WebGPU. Its larger
// weights are those of the weights' file, by place.
type ONNX struct {
	File   string `json:"file"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	Input  string `json:"input"`
	Output string `json:"output"`
}

// Buffer is one buffer of the GPU, with the tensor of the weights' file that it
// is filled with.
type Buffer struct {
	Label  string `json:"label"`
	Size   int    `json:"size"`
	Usage  int    `json:"usage"` // GPUBufferUsage
	Tensor string `json:"tensor,omitempty"`
}

// Program runs the network on a batch.
type Program struct {
	// Name is "" for what predicts; other programs explain, see Explain.
	Name  string `json:"name,omitempty"`
	Batch int    `json:"batch"`
	// Adapter is "hardware" or "software" where the two have different kernels.
	Adapter string `json:"adapter,omitempty"`
	Input   int    `json:"input"`  // buffer
	Output  int    `json:"output"` // buffer
	// Inputs and Outputs are the buffers of a plan's Inputs and Outputs; -1 is an
	// input that nothing reads.
	Inputs  []int `json:"inputs,omitempty"`
	Outputs []int `json:"outputs,omitempty"`
	// Class is, for a program that asks for one, the buffer of a number for each
	// class: 1 for the one that is meant, 0 for others.
	Class *int `json:"class,omitempty"`
	// Results are what a program leaves that has more than its output, or another.
	Results []Result `json:"results,omitempty"`
	Kernels []Kernel `json:"kernels"`
	Groups  []Group  `json:"groups"`
	Steps   []Step   `json:"steps"`
}

// Result is one result of a program.
type Result struct {
	Name   string `json:"name"`
	Buffer int    `json:"buffer"`
	Shape  []int  `json:"shape"` // without the batch
}

// Kernel is a compute pipeline; Bindings are "read" or "read_write".
type Kernel struct {
	Label    string   `json:"label"`
	Shader   int      `json:"shader"`
	Bindings []string `json:"bindings"`
}

// Group is a bind group of a kernel: ranges of buffers.
type Group struct {
	Kernel  int      `json:"kernel"`
	Group   int      `json:"group"`
	Entries [][3]int `json:"entries"` // buffer, offset, bytes
}

// Step is one dispatch.
type Step struct {
	Kernel int    `json:"kernel"`
	Groups []int  `json:"groups"`
	Size   [3]int `json:"size"` // workgroups
}
