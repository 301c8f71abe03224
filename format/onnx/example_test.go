package onnx_test

import (
	"bytes"
	"fmt"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Any function that can be traced becomes a model, and a model a network.
func Example() {
	layer := nn.NewLinear(nn.NewRNG(1), 4, 2, nn.LinearOptions{})
	classify := func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{layer.Forward(in[0].Relu()).Softmax(-1)}
	}
	model, err := onnx.Export(classify, onnx.ExportOptions{
		Inputs:  []onnx.Input{{Name: "features", Shape: []int{onnx.Batch, 4}}},
		Outputs: []string{"probabilities"},
		Params:  nn.Params(layer),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := model.Write(&file); err != nil {
		fmt.Println(err)
		return
	}
	back, err := onnx.Parse(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	net, err := back.Network(onnx.ImportOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(back.Operators())
	for _, p := range nn.Params(net) {
		fmt.Println(p)
	}
	fmt.Println(net.Forward(tensor.Zeros(3, 4)).Shape())
	// Output:
	// map[Gemm:1 Relu:1 Softmax:1]
	// weight [2 4]
	// bias [2]
	// [3 2]
}
