package conformance

import (
	"slices"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func init() { register(losses) }

func (a *args) reduction() nn.Reduction {
	switch a.String("reduction", "mean") {
	case "sum":
		return nn.Sum
	case "none":
		return nn.None
	case "batchmean":
		return nn.BatchMean
	}
	return nn.Mean
}

// weight is the optional weights, under either name.
func (a *args) weight() *tensor.Tensor {
	if w := a.in["w"]; w != nil {
		return w
	}
	return a.in["weight"]
}

// classesLast moves PyTorch's dimension of classes, the second, to the end.
func classesLast(x *tensor.Tensor) *tensor.Tensor {
	if x.Dims() < 3 {
		return x
	}
	order := []int{0}
	for d := 2; d < x.Dims(); d++ {
		order = append(order, d)
	}
	return x.Permute(append(order, 1)...)
}

func (a *args) classOptions() nn.ClassOptions {
	opt := nn.ClassOptions{Weight: a.weight(), Smoothing: a.Float("label_smoothing", 0), Reduction: a.reduction()}
	// PyTorch always ignores -100; asking only where it occurs leaves the
	// other cases to the shorter graph that training uses.
	ignore := a.Int("ignore_index", -100)
	if slices.Contains(a.host["t"].I, int32(ignore)) {
		opt.Ignore = []int{ignore}
	}
	return opt
}

var losses = map[string]operator{
	"cross_entropy": one(summed, func(a *args) *tensor.Tensor {
		t := a.in["t"]
		if t.DType() == tensor.Float32 {
			t = classesLast(t)
		}
		return nn.CrossEntropy(classesLast(a.x()), t, a.classOptions())
	}),
	"cross_entropy_soft": one(summed, func(a *args) *tensor.Tensor {
		return nn.CrossEntropy(classesLast(a.x()), classesLast(a.in["p"]), a.classOptions())
	}),
	"nll_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.NLL(classesLast(a.x()), a.in["t"], a.classOptions())
	}),
	"focal_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.Focal(classesLast(a.x()), a.in["t"], nn.FocalOptions{
			Gamma: a.Float("gamma", 2), Alpha: a.Float("alpha", 0.25), Reduction: a.reduction()})
	}),
	"mse_loss": one(summed, func(a *args) *tensor.Tensor { return nn.MSE(a.x(), a.in["t"], a.reduction()) }),
	"l1_loss":  one(summed, func(a *args) *tensor.Tensor { return nn.L1(a.x(), a.in["t"], a.reduction()) }),
	"smooth_l1_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.SmoothL1(a.x(), a.in["t"], nn.SmoothL1Options{Beta: a.Float("beta", 1), Reduction: a.reduction()})
	}),
	"huber_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.Huber(a.x(), a.in["t"], nn.HuberOptions{Delta: a.Float("delta", 1), Reduction: a.reduction()})
	}),
	"bce_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.BCE(a.x(), a.in["t"], nn.BCEOptions{Weight: a.weight(), Reduction: a.reduction()})
	}),
	"bce_with_logits_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.BCEWithLogits(a.x(), a.in["t"], nn.BCEOptions{Weight: a.weight(), PosWeight: a.in["pos_weight"], Reduction: a.reduction()})
	}),
	"kl_div_loss": one(summed, func(a *args) *tensor.Tensor {
		return nn.KLDiv(a.x(), a.in["t"], nn.KLDivOptions{LogTarget: a.Bool("log_target", false), Reduction: a.reduction()})
	}),
}
