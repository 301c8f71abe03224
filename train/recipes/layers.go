package recipes

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
)

// Layers is the recipe of networks that were put together in the lab: which
// ones, stands in the model's file.
var Layers = train.Recipe{
	Name:      "layers",
	Doc:       "a network made in the lab; its file lists the layers",
	Options:   MNISTMLP.Options,
	Described: true,
	Build:     func(s train.Spec) (nn.Module, error) { return train.BuildLayers(s) },
}

func init() { train.Register(Layers) }
