package nn_test

import (
	"fmt"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// A small network learns the exclusive or.
func ExampleSequential() {
	rng := nn.NewRNG(1)
	net := nn.Sequential{
		nn.NewLinear(rng, 2, 16, nn.LinearOptions{}),
		nn.Tanh{},
		nn.NewLinear(rng, 16, 2, nn.LinearOptions{}),
	}
	opt := optim.NewAdamW(nn.Trainable(net), optim.AdamOptions{})

	x := tensor.New([]float32{0, 0, 0, 1, 1, 0, 1, 1}, 4, 2)
	y := tensor.FromInts([]int32{0, 1, 1, 0})
	step, err := tensor.Compile(device.CPU(), func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		loss := nn.CrossEntropy(net.Forward(in[0]), in[1], nn.ClassOptions{})
		grads := tensor.Grad(loss, nn.Values(opt.Params())...)
		opt.Step(t, t.Scalar("lr"), grads)
		return []*tensor.Tensor{loss}
	}, x, y)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer step.Close()

	rate := optim.Cosine(0.05, 0, 200)
	for i := range 200 {
		if err := step.SetScalar("lr", rate(i)); err != nil {
			fmt.Println(err)
			return
		}
		if _, err := step.Call(x, y); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(net.Forward(x).Argmax(-1).Ints())
	// Output: [0 1 1 0]
}
