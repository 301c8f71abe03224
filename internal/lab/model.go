package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

const (
	side   = 28
	pixels = side * side
)

var digitNames = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

// mnistInput is what networks are fed before any data is loaded.
var mnistInput = train.Preprocessing{Channels: 1, Height: side, Width: side, Scale: 1.0 / 255, Mean: []float32{0.1307}, Std: []float32{0.3081}}

// model is a network with what belongs to it, so that it is always given
// input of the scale that it was trained on.
type model struct {
	net     nn.Sequential
	average nn.Sequential // of a run with averaged weights, else nil
	layers  []layer
	spec    []LayerSpec
	prep    train.Preprocessing
	classes []string
	options train.Options
	data    train.DataInfo
	steps   int
	score   *train.Score // on the test set, until the weights change

	// Compiled when first needed.
	forward *tensor.Program
	flat    *tensor.Program // parameters and gradients, for a run
	scratch []nn.Param      // of flat
}

// layer is a module of the network that people should see.
type layer struct {
	name         string
	kind         string
	at           int // in net
	in, out      []int
	weight, bias *tensor.Tensor // nil where it has no parameters
	params       int
	flops        int // of an image, counting its products
}

// parameters are the weight and bias that a module has.
func parameters(m nn.Module) (weight, bias *tensor.Tensor) {
	switch m := m.(type) {
	case *nn.Linear:
		return m.Weight, m.Bias
	case *nn.Conv2d:
		return m.Weight, m.Bias
	case *nn.BatchNorm:
		return m.Weight, m.Bias
	}
	return nil, nil
}

func newModel(net nn.Sequential, prep train.Preprocessing, classes []string) (*model, error) {
	spec, err := train.LayersOf(net)
	if err != nil {
		return nil, err
	}
	m := &model{net: net, spec: spec, prep: prep, classes: classes}
	kinds := spec
	if len(kinds) < len(net) {
		kinds = append([]LayerSpec{{Type: "flatten"}}, kinds...) // which goes without saying
	}
	count := map[string]int{}
	// Nothing is computed here, shapes are all that matters.
	x := tensor.Zeros(1, prep.Channels, prep.Height, prep.Width)
	for i, mod := range net {
		l := layer{kind: kinds[i].Type, at: i, in: x.Shape()[1:]}
		x = mod.Forward(x)
		l.out = x.Shape()[1:]
		if l.kind == "flatten" {
			continue
		}
		count[l.kind]++
		l.name = l.kind + strconv.Itoa(count[l.kind])
		if l.weight, l.bias = parameters(mod); l.weight != nil {
			l.params = nn.Count(nn.Params(mod))
			switch l.kind {
			case "linear":
				l.flops = 2 * l.weight.Len()
			case "conv":
				l.flops = 2 * l.weight.Len() * l.out[1] * l.out[2]
			}
		}
		m.layers = append(m.layers, l)
	}
	return m, nil
}

// evaluated is the network whose answers count: the averaged one if there is
// one.
func (m *model) evaluated() nn.Sequential {
	if m.average != nil {
		return m.average
	}
	return m.net
}

// size is the number of values of a shape.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// close returns the memory of the compiled programs; the weights stay.
func (m *model) close() {
	if m == nil {
		return
	}
	m.changed()
	if m.forward != nil {
		m.forward.Close()
		m.forward = nil
	}
}

// changed drops what belongs to a run.
func (m *model) changed() {
	if m.flat != nil {
		m.flat.Close()
		m.flat = nil
	}
	free(m.scratch)
	m.scratch = nil
}

// settle gives the network its averaged weights for good, when a run ends.
func (m *model) settle() error {
	if m.average == nil {
		return nil
	}
	m.close()
	err := copyVariables(nn.Params(m.net), nn.Params(m.average))
	free(nn.Params(m.average))
	m.average = nil
	return err
}

func free(vars []nn.Param) {
	for _, p := range vars {
		p.Value.Free()
	}
}

// release returns all device memory, when another model takes its place.
func (m *model) release() {
	if m == nil {
		return
	}
	m.close()
	free(nn.Params(m.net))
}

func (m *model) info() *ModelInfo {
	r := &ModelInfo{Spec: m.spec, Steps: m.steps, Classes: m.classes}
	for i, l := range m.layers {
		info := LayerInfo{Name: l.name, Kind: l.kind, In: size(l.in), Out: size(l.out), Shape: l.out, Params: l.params, FLOPs: l.flops}
		if l.kind == "linear" || l.kind == "conv" {
			if i+1 < len(m.layers) && slices.Contains(activations, m.layers[i+1].kind) {
				info.Activation = m.layers[i+1].kind
			}
		}
		r.Params += l.params
		r.FLOPs += l.flops
		r.Layers = append(r.Layers, info)
	}
	r.Bytes = 4 * r.Params
	return r
}

// input is the network's input for a batch of images as bytes.
func (m *model) input(images *tensor.Tensor) *tensor.Tensor {
	return m.prep.Normalize(images.To(tensor.Float32).Reshape(-1, m.prep.Channels, m.prep.Height, m.prep.Width))
}

func (s *Session) newModel(ctx context.Context, q *ModelRequest) (*ModelInfo, error) {
	var r *ModelInfo
	return r, s.do(ctx, s.slow, func() error {
		prep, classes := mnistInput, digitNames
		if s.train != nil {
			prep, classes = train.PreprocessingOf(s.train), s.train.Classes
		}
		o := recipes.MNISTMLP.Options
		o.Seed = uint64(q.Seed)
		net, err := train.InitModel(&recipes.Layers, prep, len(classes), o, q.Layers)
		if err != nil {
			return hinted("Change the layers in the editor.", err)
		}
		m, err := newModel(net.(nn.Sequential), prep, classes)
		if err != nil {
			return err
		}
		m.options = o // until a run has its own, so that the file of fresh weights is complete
		s.endRun()
		s.adopt(m)
		s.show(m)
		r = m.info()
		return nil
	})
}

// show puts a model before the visitor. The visitor's own one is kept, also in
// training, until there is another of that kind.
func (s *Session) show(m *model) {
	if s.model != s.own && s.model != m {
		s.model.release()
	}
	s.model = m
	s.inspect.ratios = nil
}

// adopt makes a model the visitor's own. Nothing may be training the last one.
func (s *Session) adopt(m *model) {
	if s.own != s.model && s.own != m {
		s.own.release()
	}
	s.own = m
}

// showOwn goes back to the visitor's own model, with whatever it has learned
// meanwhile.
func (s *Session) showOwn(ctx context.Context, _ *Empty) (*ModelInfo, error) {
	var r *ModelInfo
	return r, s.do(ctx, s.slow, func() error {
		if s.own == nil {
			return hinted("Choose a preset.", errors.New("there is no network of your own yet"))
		}
		s.show(s.own)
		r = s.own.info()
		return nil
	})
}

// closeModels returns what is compiled for the present device.
func (s *Session) closeModels() {
	s.model.close()
	s.own.close()
}

// haveModel reports whether there is a network and a device for it.
func (s *Session) haveModel() error {
	if err := s.ready(); err != nil {
		return err
	}
	if s.model == nil {
		return hinted("Choose a preset or load a model.", errors.New("there is no network yet"))
	}
	return nil
}

// layerNamed finds a layer with weights.
func (m *model) layerNamed(name string) (*layer, error) {
	var names []string
	for i := range m.layers {
		l := &m.layers[i]
		if l.weight == nil {
			continue
		}
		if l.name == name {
			return l, nil
		}
		names = append(names, l.name)
	}
	return nil, fmt.Errorf("no layer %q has weights; there are: %s", name, strings.Join(names, ", "))
}

func (s *Session) weights(ctx context.Context, q *WeightsRequest) (*WeightsResult, error) {
	r := &WeightsResult{}
	return r, s.do(ctx, s.quick, func() error {
		if err := s.haveModel(); err != nil {
			return err
		}
		l, err := s.model.layerNamed(q.Layer)
		if err != nil {
			return err
		}
		mod := s.model.evaluated()[l.at]
		weight, bias := parameters(mod)
		r.Shape = weight.Shape()
		for to, from := range map[*[]float32]*tensor.Tensor{&r.Values: weight, &r.Bias: bias} {
			if *to, err = from.Read(); err != nil {
				return err
			}
		}
		if n, ok := mod.(*nn.BatchNorm); ok {
			if r.Mean, err = n.RunningMean.Read(); err != nil {
				return err
			}
			if r.Variance, err = n.RunningVar.Read(); err != nil {
				return err
			}
		}
		r.Grad, r.BiasGrad, err = s.gradients(q.Layer)
		return err
	})
}

func (s *Session) save(ctx context.Context, q *SaveRequest) (*SaveResult, error) {
	r := &SaveResult{}
	return r, s.do(ctx, s.quick, func() error {
		if err := s.haveModel(); err != nil {
			return err
		}
		m := s.model
		if q.Own {
			if m = s.own; m == nil {
				return hinted("Choose a preset.", errors.New("there is no network of your own yet"))
			}
		}
		info := train.Info{
			Recipe: recipes.Layers.Name, Layers: m.spec, Options: m.options, Preprocessing: m.prep, Classes: m.classes,
			Data: m.data, State: train.State{Step: m.steps, Done: true}, Test: m.score,
		}
		var b bytes.Buffer
		if err := train.WriteModel(&b, m.evaluated(), info); err != nil {
			return err
		}
		r.Bytes = b.Bytes()
		return nil
	})
}

func (s *Session) load(ctx context.Context, q *LoadRequest) (*ModelInfo, error) {
	m, err := readModel(q.Name, q.Bytes)
	if err != nil {
		return nil, err
	}
	return m.info(), s.do(ctx, s.slow, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		s.show(m)
		return nil
	})
}

func readModel(name string, b []byte) (*model, error) {
	const advice = "Choose a .safetensors file that this lab or weft train has written."
	if name == "" {
		name = "the file"
	}
	mod, info, err := train.ReadModel(name, bytes.NewReader(b), int64(len(b)))
	switch {
	case errors.Is(err, safetensors.ErrFormat), errors.Is(err, safetensors.ErrTruncated):
		// What exactly is wrong with the bytes is for those who write such files.
		if errors.Is(err, safetensors.ErrTruncated) {
			return nil, hinted(advice, fmt.Errorf("%s is not a model file, or is cut short", name))
		}
		return nil, hinted(advice, fmt.Errorf("%s is not a model file, or a damaged one", name))
	case err != nil:
		return nil, hinted(advice, fmt.Errorf("this model cannot be used: %w", err))
	}
	p := info.Preprocessing
	if p.Channels != 1 || p.Height != side || p.Width != side {
		return nil, hinted(advice, fmt.Errorf("%s takes images of %dx%dx%d; this lab has 1x28x28", name, p.Channels, p.Height, p.Width))
	}
	net, ok := mod.(nn.Sequential)
	if !ok {
		return nil, hinted(advice, fmt.Errorf("%s holds a network of recipe %s, which this lab cannot show", name, info.Recipe))
	}
	m, err := newModel(net, p, info.Classes)
	if err != nil {
		return nil, hinted(advice, fmt.Errorf("%s: %w", name, err))
	}
	m.options, m.data, m.steps, m.score = info.Options, info.Data, info.State.Step, info.Test
	return m, nil
}

// modelsFile lists the models that come with the site.
const modelsFile = "models/models.json"

// builtin answers with a list, the one result that is no object.
func (s *Session) builtin(ctx context.Context, _ *Empty) (*[]Builtin, error) {
	list := []Builtin{}
	b, err := s.fetch(ctx, modelsFile, nil)
	if err != nil {
		return nil, hinted("Networks can be trained here all the same.", fmt.Errorf("the built-in models cannot be loaded: %w", err))
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", modelsFile, err)
	}
	return &list, nil
}

func (s *Session) use(ctx context.Context, q *UseRequest) (*ModelInfo, error) {
	if strings.ContainsAny(q.File, "/\\") || q.File == "" {
		return nil, fmt.Errorf("%q is no name of a built-in model", q.File)
	}
	b, err := s.fetch(ctx, "models/"+q.File, nil)
	if err != nil {
		return nil, hinted("Reload the page, or choose another model.", err)
	}
	return s.load(ctx, &LoadRequest{Bytes: b, Name: q.File})
}

// fetch gets a file of the site: data, or a part of this version of the lab.
func (s *Session) fetch(ctx context.Context, name string, progress func(loaded, total int)) ([]byte, error) {
	var base string
	if err := s.do(ctx, s.quick, func() error {
		if base = s.base; !strings.HasPrefix(name, "data/") {
			base += s.parts
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	return s.opts.Fetch(ctx, base+name, progress)
}
