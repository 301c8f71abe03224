package optim

import (
	"fmt"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Group is an optimizer for some of a model's parameters.
type Group struct {
	Optimizer Optimizer
	Rate      float64 // factor of the common learning rate; 0 means 1
}

type groups struct {
	list   []Group
	params []nn.Param
}

// Groups joins optimizers for different parameters into one, such as Muon for
// matrices and AdamW for the rest:
//
//	matrices, rest := optim.Split(nn.Trainable(net), optim.IsMatrix)
//	opt := optim.Groups(
//		optim.Group{Optimizer: optim.NewMuon(matrices, optim.MuonOptions{})},
//		optim.Group{Optimizer: optim.NewAdamW(rest, optim.AdamOptions{}), Rate: 0.1},
//	)
func Groups(list ...Group) Optimizer {
	g := &groups{list: list}
	owner := map[*tensor.Tensor]bool{}
	for _, o := range list {
		for _, p := range o.Optimizer.Params() {
			if owner[p.Value] {
				panic(ir.NewError("groups", "parameter %q belongs to two groups", p.Name))
			}
			owner[p.Value] = true
			g.params = append(g.params, p)
		}
	}
	return g
}

func (g *groups) Params() []nn.Param { return g.params }

// State numbers the groups, as their step counters would have the same name.
func (g *groups) State() []nn.Param {
	var all []nn.Param
	for i, o := range g.list {
		for _, p := range o.Optimizer.State() {
			p.Name = fmt.Sprintf("group%d.%s", i, strings.TrimPrefix(p.Name, "."))
			all = append(all, p)
		}
	}
	return all
}

func (g *groups) Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor {
	if len(grads) != len(g.params) {
		panic(ir.NewError("groups", "%d gradients for %d parameters", len(grads), len(g.params)))
	}
	var out []*tensor.Tensor
	for _, o := range g.list {
		n := len(o.Optimizer.Params())
		rate := lr
		if o.Rate != 0 && o.Rate != 1 {
			rate = lr.MulScalar(o.Rate)
		}
		out = append(out, o.Optimizer.Step(t, rate, grads[:n])...)
		grads = grads[n:]
	}
	return out
}

// Split divides params by a condition, in order.
func Split(params []nn.Param, f func(nn.Param) bool) (yes, no []nn.Param) {
	for _, p := range params {
		if f(p) {
			yes = append(yes, p)
		} else {
			no = append(no, p)
		}
	}
	return yes, no
}

// IsMatrix reports whether a parameter has at least two dimensions.
func IsMatrix(p nn.Param) bool { return p.Value.Dims() >= 2 }

// DecayAll returns params with weight decay for all of them, biases included,
// which is what torch.optim does when it is given model.parameters().
func DecayAll(params []nn.Param) []nn.Param {
	all := make([]nn.Param, len(params))
	for i, p := range params {
		p.Decay = true
		all[i] = p
	}
	return all
}
