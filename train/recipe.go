// A recipe is Go code, not a configuration file: a network is a function, and
// what can be said about it in a file is never enough.

package train

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/nn"
)

// Spec is what a recipe needs to know to build its model.
type Spec struct {
	Channels, Height, Width int
	Classes                 int
	Options                 Options
	// Layers is what a recipe without a network of its own builds.
	Layers []Layer
	// Graph is what the recipe of imported networks builds.
	Graph []byte
	// Seed makes the initial weights: the same seed, the same weights.
	Seed uint64
}

// Recipe is a network with the numbers that train it well.
type Recipe struct {
	Name string
	// Doc is one line; what it reaches is in docs/recipes.md.
	Doc     string
	Options Options
	// Presets are other sets of options, by name.
	Presets map[string]Options
	// Data is the kind of data that the recipe is for: MNIST ("") or one of the
	// other constants.
	Data string
	// Described says that a model's file describes the network, as of those that
	// were made in the lab or imported: there is nothing to train by name.
	Described bool
	// Build makes the network, which maps [n, channels, height, width] to
	// logits [n, classes]. It is called once more for averaged weights.
	Build func(Spec) (nn.Module, error)
	// Fit sets what of a fresh network follows from the images it will be
	// trained on instead of being learned; nil for nothing.
	Fit func(nn.Module, *data.Dataset) error
}

// Kinds of data that recipes are for.
const (
	MNIST   = ""
	CIFAR10 = "cifar10"
	// ImageNet says that weights come from elsewhere: there is no such data set
	// here to train on.
	ImageNet = "imagenet"
)

// Input is the shape of the images that the recipe is for: channels, height and
// width.
func (r *Recipe) Input() (c, h, w int) {
	switch r.Data {
	case CIFAR10:
		return 3, 32, 32
	case ImageNet:
		return 3, 224, 224
	}
	return 1, 28, 28
}

var recipes []*Recipe

// Register adds a recipe; two of one name are a mistake in the program.
func Register(r Recipe) {
	if _, err := Find(r.Name); err == nil {
		panic("train: recipe " + r.Name + " is registered twice")
	}
	recipes = append(recipes, &r)
	slices.SortFunc(recipes, func(a, b *Recipe) int { return strings.Compare(a.Name, b.Name) })
}

// Recipes lists what is registered, by name.
func Recipes() []*Recipe { return slices.Clone(recipes) }

// Find returns the recipe of the given name.
func Find(name string) (*Recipe, error) {
	names := make([]string, len(recipes))
	for i, r := range recipes {
		if r.Name == name {
			return r, nil
		}
		names[i] = r.Name
	}
	return nil, fmt.Errorf("no recipe %q; there are: %s", name, strings.Join(names, ", "))
}

// Preset returns the recipe's options of that name; "" is the default.
func (r *Recipe) Preset(name string) (Options, error) {
	if name == "" || name == "default" {
		return r.Options, nil
	}
	if o, ok := r.Presets[name]; ok {
		return o, nil
	}
	names := []string{"default"}
	for k := range r.Presets {
		names = append(names, k)
	}
	slices.Sort(names)
	return Options{}, fmt.Errorf("recipe %s has no preset %q; there are: %s", r.Name, name, strings.Join(names, ", "))
}
