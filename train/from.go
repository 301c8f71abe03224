// Training can begin with the weights of a model instead of random ones, to
// fine-tune what was trained elsewhere or on other data. The model says how
// bytes become its input, and its weights know no other way, so that stays; what
// it must give up is its last layer where the data has other classes.

package train

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
)

// origin is a model's file that a run takes its network from: with its weights
// when training begins with them, without when a run is resumed.
type origin struct {
	path    string
	file    *safetensors.File
	info    *Info
	weights bool
	fresh   []string // variables that the file has for other classes
}

// openOrigin reads what the file at path says. Whoever asks closes the file.
func openOrigin(path string) (*origin, error) {
	f, info, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return &origin{path: path, file: f, info: info}, nil
}

// preprocessing is the model's, for images of d's size.
func (o *origin) preprocessing(d *data.Dataset) (Preprocessing, error) {
	p := o.info.Preprocessing
	if p.Channels != d.C || len(o.info.Graph) > 0 && (p.Height != d.H || p.Width != d.W) {
		return p, fmt.Errorf("%w: %s takes images of %dx%dx%d, those of %s are %dx%dx%d; choose another set with --data", ErrCheckpoint, o.path, p.Channels, p.Height, p.Width, d.Name, d.C, d.H, d.W)
	}
	if p.Height != d.H || p.Width != d.W {
		p.Height, p.Width, p.Resize = d.H, d.W, 0
	}
	return p, nil
}

// fill gives m the file's weights, averaged ones where it holds such. If the
// file tells other classes apart, what has a row for each stays as it is drawn.
func (o *origin) fill(m nn.Module, classes int) error {
	vars, ignore := stored(o.file, nn.Params(m))
	was := len(o.info.Classes)
	fresh := map[string]bool{}
	o.fresh = nil
	for _, v := range vars {
		t, ok := o.file.Info(v.Name)
		s := v.Value.Shape()
		if was != classes && ok && len(s) > 0 && len(s) == len(t.Shape) && s[0] == classes && t.Shape[0] == was && slices.Equal(s[1:], t.Shape[1:]) {
			fresh[v.Name] = true
			o.fresh = append(o.fresh, strings.TrimPrefix(v.Name, averagePrefix))
		}
	}
	vars = slices.DeleteFunc(vars, func(v nn.Param) bool { return fresh[v.Name] })
	return load(o.path, o.file, vars, func(name string) bool { return fresh[name] || ignore(name) })
}

// Fresh are the variables that did not begin with the weights of Config.From,
// because those were for other classes.
func (t *Trainer) Fresh() []string { return t.fresh }
