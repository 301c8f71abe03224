// The protocol is structs on both sides: these, and the interfaces of the same
// names in web/src/lib/protocol.ts. A test compares the two field by field, so
// that neither can drift. Slices of float32, uint32 and bytes cross as typed
// arrays, everything else as plain objects.

package lab

import "github.com/weft-ml/weft/train"

// Empty is a request or a result without contents.
type Empty struct{}

// InitRequest opens the device. Base is the address of the site, which the
// names of data files are appended to; Parts is the folder in it that this
// version's other files lie in, empty or ending in a slash.
type InitRequest struct {
	Base   string `json:"base"`
	Parts  string `json:"parts"`
	Device string `json:"device"` // auto, webgpu or cpu
}

// InitResult describes the device. Note is one friendly line, empty when there
// is nothing to say.
type InitResult struct {
	Device   string             `json:"device"`
	Adapter  string             `json:"adapter"`
	Software bool               `json:"software"`
	Limits   map[string]float64 `json:"limits"`
	Features []string           `json:"features"`
	Note     string             `json:"note"`
}

// DataRequest loads a data set: mnist, fashion, synthetic, or auto for MNIST
// with synthetic digits in reserve. Train and Test bound the numbers of images;
// 0 is all.
type DataRequest struct {
	Source string `json:"source"`
	Train  int    `json:"train,omitempty"`
	Test   int    `json:"test,omitempty"`
}

// DataResult describes what was loaded.
type DataResult struct {
	Source    string   `json:"source"`
	Train     int      `json:"train"`
	Test      int      `json:"test"`
	Classes   []string `json:"classes"`
	Synthetic bool     `json:"synthetic"`
	Note      string   `json:"note"`
}

// DataEvent is the progress of loading, in bytes or images.
type DataEvent struct {
	Loaded int `json:"loaded"`
	Total  int `json:"total"`
}

// LayerSpec describes a layer to make.
type LayerSpec = train.Layer

// ModelRequest makes a network with initial weights.
type ModelRequest struct {
	Layers []LayerSpec `json:"layers"`
	Seed   int         `json:"seed"`
}

// LayerInfo is one layer of a network. Activation is the name of the function
// that follows, if one does; In and Out are numbers of values, Shape is that of
// the result for one image, and FLOPs counts the products for one.
type LayerInfo struct {
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	In         int    `json:"in"`
	Out        int    `json:"out"`
	Shape      []int  `json:"shape"`
	Params     int    `json:"params"`
	FLOPs      int    `json:"flops"`
	Activation string `json:"activation,omitempty"`
}

// ModelInfo describes the network. Steps is how many updates its weights have
// seen, Spec what makes such a network anew.
type ModelInfo struct {
	Layers  []LayerInfo `json:"layers"`
	Params  int         `json:"params"`
	Bytes   int         `json:"bytes"`
	FLOPs   int         `json:"flops"`
	Spec    []LayerSpec `json:"spec"`
	Steps   int         `json:"steps"`
	Classes []string    `json:"classes"`
}

// TrainConfig is everything that decides a run's result. EndFactor is the share
// of LR that a falling schedule ends at: optimizers differ in their rates by
// powers of ten, so an end in absolute numbers would be that of one of them.
type TrainConfig struct {
	Optimizer      string  `json:"optimizer"`
	LR             float64 `json:"lr"`
	EndFactor      float64 `json:"endFactor"`
	Schedule       string  `json:"schedule"`
	Batch          int     `json:"batch"`
	Epochs         int     `json:"epochs"`
	Seed           int     `json:"seed"`
	WeightDecay    float64 `json:"weightDecay"`
	Momentum       float64 `json:"momentum"`
	LabelSmoothing float64 `json:"labelSmoothing"`
	ValFraction    float64 `json:"valFraction"`
	// Warmup is the share of updates in which the rate rises, EMA the decay of
	// averaged weights, 0 for none.
	Warmup float64 `json:"warmup"`
	EMA    float64 `json:"ema"`
	// How far training images are turned, scaled and shifted at random: degrees
	// and shares, 0 for not at all; Nearest takes pixels as they are instead of
	// interpolating.
	Rotate  float64 `json:"rotate"`
	Scale   float64 `json:"scale"`
	Shift   float64 `json:"shift"`
	Nearest bool    `json:"nearest"`
}

// StartRequest begins a run. It starts from the initial weights of the
// configuration's seed, or with Keep from the present ones. Epoch is how many
// epochs those were trained for: the order of the images and the random numbers
// go on from there, and so does the optimizer, if its state is still that of
// these weights.
type StartRequest struct {
	Config TrainConfig `json:"config"`
	Keep   bool        `json:"keep,omitempty"`
	Epoch  int         `json:"epoch,omitempty"`
}

// StartResult says what was compiled. Resumed tells that the optimizer goes on
// with the state that it had.
type StartResult struct {
	Run       int     `json:"run"`
	CompileMs float64 `json:"compileMs"`
	Kernels   int     `json:"kernels"`
	Steps     int     `json:"steps"`
	Resumed   bool    `json:"resumed"`
}

// CompileEvent is the progress of compiling, in kernels; before their number is
// known it is 0 of 1.
type CompileEvent struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// The states of a run.
const (
	Running = "running"
	Paused  = "paused"
	Done    = "done"
	Stopped = "stopped"
	Lost    = "lost"
)

// TrainState is where a run stands when a request about it is done.
type TrainState struct {
	State string `json:"state"`
	Step  int    `json:"step"`
}

// AugmentRequest asks how a configuration's augmentation changes images, Rows
// times for each of them, with the random numbers of update Draw of the seed.
type AugmentRequest struct {
	Rotate  float64 `json:"rotate"`
	Scale   float64 `json:"scale"`
	Shift   float64 `json:"shift"`
	Nearest bool    `json:"nearest"`
	Seed    int     `json:"seed"`
	Draw    int     `json:"draw"`
	Rows    int     `json:"rows"`
}

// AugmentResult holds training images, one of each class, with their labels,
// and Rows times as many made of them, row by row; each has 784 bytes.
type AugmentResult struct {
	Originals []byte `json:"originals"`
	Labels    []byte `json:"labels"`
	Pixels    []byte `json:"pixels"`
}

// StepRequest does N updates of a paused run, 1 if N is 0.
type StepRequest struct {
	N int `json:"n"`
}

// SetRequest changes a run's numbers from the next submit on; what is not
// given stays.
type SetRequest struct {
	LR          *float64 `json:"lr,omitempty"`
	EndFactor   *float64 `json:"endFactor,omitempty"`
	WeightDecay *float64 `json:"weightDecay,omitempty"`
	Momentum    *float64 `json:"momentum,omitempty"`
}

// TrainEvent comes about ten times a second. Losses and Accuracies are of the
// updates First, First+1, .. (from 0) that are new since the last event; Step
// is how many there were in all.
type TrainEvent struct {
	Run             int       `json:"run"`
	Step            int       `json:"step"`
	Steps           int       `json:"steps"`
	Epoch           int       `json:"epoch"`
	Losses          []float32 `json:"losses"`
	Accuracies      []float32 `json:"accuracies"`
	First           int       `json:"first"`
	LR              float64   `json:"lr"`
	StepsPerSecond  float64   `json:"stepsPerSecond"`
	ImagesPerSecond float64   `json:"imagesPerSecond"`
	SecondsLeft     float64   `json:"secondsLeft"`
	GPUBytes        int       `json:"gpuBytes"`
	State           string    `json:"state"`
}

// EpochEvent ends an epoch, counted from 1. Without validation images the last
// two are NaN.
type EpochEvent struct {
	Run           int     `json:"run"`
	Epoch         int     `json:"epoch"`
	TrainLoss     float64 `json:"trainLoss"`
	TrainAccuracy float64 `json:"trainAccuracy"`
	ValLoss       float64 `json:"valLoss"`
	ValAccuracy   float64 `json:"valAccuracy"`
}

// LostEvent tells that the device was lost and what came of it.
type LostEvent struct {
	Message string `json:"message"`
}

// FailedEvent tells that a run ended by itself.
type FailedEvent struct {
	Run     int    `json:"run"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// InspectRequest switches looking inside on or off, Hz times a second while
// training. The activations are those of the given pixels, or of a test image.
// An InspectEvent follows at once as well.
type InspectRequest struct {
	On      bool    `json:"on"`
	Hz      float64 `json:"hz,omitempty"`
	Sample  int     `json:"sample,omitempty"`
	Pixels  []byte  `json:"pixels,omitempty"`
	Weights bool    `json:"weights,omitempty"` // include the weights
}

// InspectEvent shows the network as it is after Step updates. Pixels are the
// picture that the activations are of, Label its class, -1 for a drawing.
type InspectEvent struct {
	Step   int         `json:"step"`
	Pixels []byte      `json:"pixels"`
	Label  int         `json:"label"`
	Layers []LayerView `json:"layers"`
}

// Tensor is a shape with its values, row by row.
type Tensor struct {
	Shape  []int     `json:"shape"`
	Values []float32 `json:"values"`
}

// Hist is a histogram of equal bins from Lo to Hi. Values that are no finite
// numbers are left out.
type Hist struct {
	Lo     float64  `json:"lo"`
	Hi     float64  `json:"hi"`
	Counts []uint32 `json:"counts"`
}

// Grad is the gradient of a layer's parameters on the next batch.
type Grad struct {
	Norm float64 `json:"norm"`
}

// Update is the norm of one update of a layer's parameters over their norm.
type Update struct {
	Ratio float64 `json:"ratio"`
}

// LayerView is what can be seen of one layer. Layers without parameters have
// only activations.
type LayerView struct {
	Name           string    `json:"name"`
	Activations    *Tensor   `json:"activations,omitempty"`
	Weights        *Tensor   `json:"weights,omitempty"`
	Bias           []float32 `json:"bias,omitempty"`
	Grad           *Grad     `json:"grad,omitempty"`
	Update         *Update   `json:"update,omitempty"`
	WeightHist     *Hist     `json:"weightHist,omitempty"`
	ActivationHist *Hist     `json:"activationHist,omitempty"`
	GradHist       *Hist     `json:"gradHist,omitempty"`
}

// WeightsRequest asks for the parameters of the layer of that name.
type WeightsRequest struct {
	Layer string `json:"layer"`
}

// WeightsResult is a layer's weight, [out, in], [out, in, side, side] or
// [channels], and its bias; of a batch norm also the running statistics. The
// gradients are those of the last view of a network in training.
type WeightsResult struct {
	Shape    []int     `json:"shape"`
	Values   []float32 `json:"values"`
	Bias     []float32 `json:"bias"`
	Mean     []float32 `json:"mean,omitempty"`
	Variance []float32 `json:"variance,omitempty"`
	Grad     []float32 `json:"grad,omitempty"`
	BiasGrad []float32 `json:"biasGrad,omitempty"`
}

// PredictRequest holds an image of 784 bytes.
type PredictRequest struct {
	Pixels []byte `json:"pixels"`
}

// Activation is what a layer returned.
type Activation struct {
	Name   string    `json:"name"`
	Shape  []int     `json:"shape"`
	Values []float32 `json:"values"`
}

// PredictResult is the probability of each class, and what every layer said.
type PredictResult struct {
	Probabilities []float32    `json:"probabilities"`
	Ms            float64      `json:"ms"`
	Activations   []Activation `json:"activations"`
}

// PrepareRequest holds a drawing: grey values, light ink on black or dark ink
// on white.
type PrepareRequest struct {
	Pixels []byte `json:"pixels"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// PrepareResult is the drawing as MNIST would have it: 784 bytes. A blank
// drawing gives a black picture.
type PrepareResult struct {
	Pixels []byte `json:"pixels"`
}

// TestEvent is the progress of a test, in images.
type TestEvent struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// TestResult is the result on all test images. Confusion[i][j] counts images
// of class i taken for j. Mistakes are the surest ones first, at most 400.
type TestResult struct {
	Accuracy  float64   `json:"accuracy"`
	Loss      float64   `json:"loss"`
	Confusion [][]int   `json:"confusion"`
	Precision []float64 `json:"precision"`
	Recall    []float64 `json:"recall"`
	Mistakes  []Mistake `json:"mistakes"`
}

// Mistake is a test image that was misread; Probability is that of Predicted.
type Mistake struct {
	Index       int     `json:"index"`
	Label       int     `json:"label"`
	Predicted   int     `json:"predicted"`
	Probability float64 `json:"probability"`
	Pixels      []byte  `json:"pixels"`
}

// SaveRequest asks for a file of the network in place, or with Own of the
// visitor's own.
type SaveRequest struct {
	Own bool `json:"own,omitempty"`
}

// SaveResult is a model file, which weft eval and weft predict read as well.
type SaveResult struct {
	Bytes []byte `json:"bytes"`
}

// ExportRequest asks for a page module of the model, as weft export web makes
// it. F16 stores weights as float16.
type ExportRequest struct {
	Title string `json:"title"`
	F16   bool   `json:"f16,omitempty"`
}

// ExportResult is the module's folder as a ZIP archive, with a name for it.
type ExportResult struct {
	Name  string `json:"name"`
	Bytes []byte `json:"bytes"`
}

// LoadRequest holds a model file; Name is for messages.
type LoadRequest struct {
	Bytes []byte `json:"bytes"`
	Name  string `json:"name"`
}

// Builtin is a model that comes with the site.
type Builtin struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	File     string  `json:"file"`
	Accuracy float64 `json:"accuracy"`
}

// UseRequest loads the built-in model of that file name.
type UseRequest struct {
	File string `json:"file"`
}

// CheckRow is the result of an operator's cases. MaxError is in units of the
// tolerance: up to 1 passes. CPUError is that of the CPU, where another device
// is checked.
type CheckRow struct {
	Op       string  `json:"op"`
	Cases    int     `json:"cases"`
	MaxError float64 `json:"maxError"`
	CPUError float64 `json:"cpuError,omitempty"`
	Passed   bool    `json:"passed"`
	Message  string  `json:"message,omitempty"`
}

// CheckEvent announces a row.
type CheckEvent struct {
	Row CheckRow `json:"row"`
}

// KernelInfo is one kernel of the training step. Us and GFLOPS are there where
// the device can measure time.
type KernelInfo struct {
	Name   string  `json:"name"`
	WGSL   string  `json:"wgsl"`
	Us     float64 `json:"us,omitempty"`
	GFLOPS float64 `json:"gflops,omitempty"`
}

// CheckResult is the whole check.
type CheckResult struct {
	Adapter  string             `json:"adapter"`
	Limits   map[string]float64 `json:"limits"`
	Features []string           `json:"features"`
	Rows     []CheckRow         `json:"rows"`
}

// KernelsResult lists the kernels of the present network's training step.
type KernelsResult struct {
	Kernels []KernelInfo `json:"kernels"`
}

// StatsRequest asks what memory is in use, after a collection of garbage or as
// it is.
type StatsRequest struct {
	Collect bool `json:"collect,omitempty"`
}

// StatsResult is what memory is in use.
type StatsResult struct {
	WasmBytes  int `json:"wasmBytes"`
	GoHeap     int `json:"goHeap"`
	GPUBytes   int `json:"gpuBytes"`
	GPUBuffers int `json:"gpuBuffers"`
}
