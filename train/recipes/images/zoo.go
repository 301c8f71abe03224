package images

import (
	"fmt"
	"strings"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

// Networks of the zoo are recipes too, under their own names, because a model's
// file says by a recipe's name how to build its network. Those for CIFAR-10 can
// be trained; those for ImageNet are for weights that come from elsewhere.
func init() {
	for _, m := range zoo.Models() {
		if len(m.Input) != 3 || m.Input[0] != 3 || strings.HasPrefix(m.Name, "cifar") {
			continue // those have recipes of their own
		}
		r := train.Recipe{Name: m.Name, Doc: m.Doc, Options: CIFARResNet18.Options, Data: train.CIFAR10}
		r.Options.LR = 0.2
		if m.Input[1] > 32 {
			r.Data = train.ImageNet
		}
		r.Build = func(s train.Spec) (nn.Module, error) {
			if s.Channels != 3 || s.Classes < 1 {
				return nil, fmt.Errorf("%s: input of %dx%dx%d and %d classes; images are colour", m.Name, s.Channels, s.Height, s.Width, s.Classes)
			}
			return m.New(nn.NewRNG(s.Seed), s.Classes), nil
		}
		train.Register(r)
	}
}
