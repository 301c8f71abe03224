package weft_test

import (
	"fmt"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// A network learns exclusive or: the step is traced once, compiled, and then
// replayed, 50 steps in one submit.
func Example() {
	rng := nn.NewRNG(1)
	net := nn.Sequential{
		nn.NewLinear(rng, 2, 16, nn.LinearOptions{Init: nn.HeUniform}), nn.ReLU{},
		nn.NewLinear(rng, 16, 2, nn.LinearOptions{Init: nn.HeUniform}),
	}
	params := nn.Trainable(net)
	opt := optim.NewAdamW(params, optim.AdamOptions{})
	x := tensor.New([]float32{0, 0, 0, 1, 1, 0, 1, 1}, 4, 2)
	y := tensor.FromInts([]int32{0, 1, 1, 0}, 4)

	step, err := tensor.Compile(device.CPU(), func(t *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		loss := nn.CrossEntropy(net.Forward(x), y, nn.ClassOptions{})
		opt.Step(t, t.Scalar("lr"), tensor.Grad(loss, nn.Values(params)...))
		return []*tensor.Tensor{loss}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer step.Close()
	lr := step.Slot("lr")
	for range 10 {
		step.Submit(50, func(_ int, s tensor.Scalars) { s.Set(lr, 0.02) })
		step.Collect(nil) // or look at the losses
	}
	fmt.Println(net.Forward(x).Argmax(1).Ints())
	// Output: [0 1 1 0]
}
