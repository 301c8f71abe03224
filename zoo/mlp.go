package zoo

import (
	"fmt"

	"github.com/weft-ml/weft/nn"
)

// MLP returns a perceptron with ReLU between its linear layers: MLP(rng, 784,
// 128, 10) has one hidden layer of 128. It maps [n, sizes[0]] to [n,
// sizes[last]]; put nn.Flatten before it for images. Weights are He uniform,
// biases zero. It panics with fewer than two sizes.
func MLP(rng *nn.RNG, sizes ...int) nn.Sequential {
	if len(sizes) < 2 {
		panic(fmt.Sprintf("zoo: MLP of sizes %v: give at least those of the input and the output", sizes))
	}
	var net nn.Sequential
	for i := 1; i < len(sizes); i++ {
		if i > 1 {
			net = append(net, nn.ReLU{})
		}
		net = append(net, nn.NewLinear(rng, sizes[i-1], sizes[i], nn.LinearOptions{Init: nn.HeUniform}))
	}
	return net
}
