// Losses, which models have that were exported for training.

package onnx

import (
	"slices"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"NegativeLogLikelihoodLoss": func(c *call) []val { return one1(c.classLoss(c.classesLast(c.tensor(0)))) },
		"SoftmaxCrossEntropyLoss": func(c *call) []val {
			logp := c.tensor(0)
			if logp.Dims() < 2 {
				c.fail("scores of shape %v", logp.Shape())
			}
			logp = logp.LogSoftmax(1)
			return []val{{t: c.classLoss(c.classesLast(logp))}, {t: logp}}
		},
	})
	// Class weights are not learned.
	settings["NegativeLogLikelihoodLoss"], settings["SoftmaxCrossEntropyLoss"] = []int{2}, []int{2}
}

// classesLast moves the classes, which ONNX has second, to the end.
func (c *call) classesLast(x tt) tt {
	if x.Dims() < 2 {
		c.fail("scores of shape %v", x.Shape())
	}
	order := []int{0}
	for d := 2; d < x.Dims(); d++ {
		order = append(order, d)
	}
	return x.Permute(append(order, 1)...)
}

// classLoss is -w_t logp_t for the targets in input 1 and the weights in input 2.
// A target that is neither a class nor ignored makes it NaN.
func (c *call) classLoss(logp tt) tt {
	target := c.tensor(1).To(tensor.Int32)
	if !slices.Equal(target.Shape(), logp.Shape()[:logp.Dims()-1]) {
		c.fail("targets %v for scores %v", target.Shape(), c.tensor(0).Shape())
	}
	var o nn.ClassOptions
	if c.has(2) {
		o.Weight = c.tensor(2)
	}
	if a := c.attr("ignore_index"); a != nil {
		o.Ignore = []int{int(a.I)}
	}
	switch r := c.text("reduction", "mean"); r {
	case "mean":
	case "sum":
		o.Reduction = nn.Sum
	case "none":
		o.Reduction = nn.None
	default:
		c.fail("reduction %s", quote(r))
	}
	return nn.NLL(logp, target, o)
}
