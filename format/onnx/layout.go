// Pictures in other layouts. Networks of Keras and tf2onnx take height, width and
// channels, those of tutorials the rows of a digit or all of its pixels in one. All
// else here takes channels first, so such an input gets a node in front that turns
// it: the network then is one of pictures like any other, and is exported so.

package onnx

import (
	"fmt"
	"slices"
)

// Layouts of pictures: as the file has them, with channels last, a guess.
const (
	LayoutNCHW = "nchw"
	LayoutNHWC = "nhwc"
	LayoutAuto = ""
)

// digitSide is that of MNIST's pictures, which [N,784] and [N,28,28] are.
const digitSide = 28

// WithLayout is the model with its one input as [N,C,H,W], and what was done to it, ""
// for nothing. LayoutAuto turns [N,H,W,1], [N,H,W,3], [N,784] and [N,28,28].
// Shapes that o gives are the file's and are turned too.
func (m *Model) WithLayout(layout string, o *ImportOptions) (*Model, string, error) {
	if layout == LayoutNCHW {
		return m, "", nil
	}
	g := *m.proto.Graph
	weights := map[string]bool{}
	for _, t := range g.Initializer {
		weights[t.Name] = true
	}
	at := -1
	for i, v := range g.Input {
		if weights[v.Name] {
			continue
		}
		if at >= 0 {
			at = len(g.Input)
			break
		}
		at = i
	}
	fail := func(what string) (*Model, string, error) {
		if layout == LayoutNHWC {
			return nil, "", fmt.Errorf("onnx: layout nhwc is for models of one input of 4 dimensions; %s", what)
		}
		return m, "", nil
	}
	if at < 0 || at >= len(g.Input) {
		return fail("this one has another number of inputs")
	}
	v := g.Input[at]
	if v.Type == nil || v.Type.Tensor == nil || v.Type.Tensor.Shape == nil {
		return fail("this one does not say what its input is")
	}
	if kind := elem(v.Type.Tensor.Elem); !isFloat(kind) && kind != elemUint8 {
		return fail("this one takes integers")
	}
	dims := slices.Clone(v.Type.Tensor.Shape.Dim)
	given := slices.Clone(o.Inputs[v.Name])
	size := func(i int) int64 {
		if i < len(given) {
			return int64(given[i])
		}
		return dims[i].Value
	}
	var node *nodeProto
	var to []*dimProto
	done := ""
	inner := v.Name
	for taken := true; taken; {
		inner += "_as_written"
		taken = slices.ContainsFunc(g.Node, func(n *nodeProto) bool { return slices.Contains(n.Output, inner) }) || weights[inner]
	}
	channels := func(n int64) bool { return n == 1 || n == 3 }
	one := &dimProto{Value: 1}
	side := &dimProto{Value: digitSide}
	switch {
	case len(dims) == 4 && (layout == LayoutNHWC || channels(size(3)) && !channels(size(1))):
		node = &nodeProto{OpType: "Transpose", Attribute: []*attrProto{ints("perm", 0, 2, 3, 1)}}
		to = []*dimProto{dims[0], dims[3], dims[1], dims[2]}
		if given != nil {
			given = []int{given[0], given[3], given[1], given[2]}
		}
		done = "height, width, channels"
	case layout == LayoutNHWC:
		return fail(fmt.Sprintf("this one has %d", len(dims)))
	case len(dims) == 3 && size(1) == digitSide && size(2) == digitSide:
		node = &nodeProto{OpType: "Reshape", Input: []string{"", inner + "_shape"}}
		g.Initializer = append(slices.Clone(g.Initializer), &tensorProto{Name: inner + "_shape", DataType: int64(elemInt64), Dims: []int64{3}, Int64Data: []int64{-1, digitSide, digitSide}})
		to, given = []*dimProto{dims[0], one, side, side}, nil
		done = "rows of a digit"
	case len(dims) == 2 && size(1) == digitSide*digitSide:
		node = &nodeProto{OpType: "Flatten", Attribute: []*attrProto{integer("axis", 1)}}
		to, given = []*dimProto{dims[0], one, side, side}, nil
		done = "all pixels of a digit"
	default:
		return m, "", nil
	}
	if shape, ok := o.Inputs[v.Name]; ok && len(shape) != len(dims) {
		return m, "", nil // which the import refuses in its own words
	} else if ok && given != nil {
		o.Inputs[v.Name] = given
	} else if ok {
		o.Inputs[v.Name] = []int{shape[0], 1, digitSide, digitSide}
	}
	// Whatever read the input reads what the node makes of it.
	g.Node = renamed(g.Node, v.Name, inner)
	node.Name, node.Output = inner, []string{inner}
	if len(node.Input) == 0 {
		node.Input = []string{""}
	}
	node.Input[0] = v.Name
	g.Node = append([]*nodeProto{node}, g.Node...)
	g.Output = slices.Clone(g.Output)
	for i, out := range g.Output { // an input that is returned as it is
		if out.Name == v.Name {
			copied := *out
			copied.Name = inner
			g.Output[i] = &copied
		}
	}
	g.Input = slices.Clone(g.Input)
	g.Input[at] = &valueProto{Name: v.Name, Type: &typeProto{Tensor: &tensorType{Elem: v.Type.Tensor.Elem, Shape: &shapeProto{Dim: to}}}}
	p := *m.proto
	p.Graph = &g
	return &Model{Metadata: m.Metadata, proto: &p, opset: m.opset}, done, nil
}

// renamed are nodes, and those of graphs inside of them, that read to in place of
// from.
func renamed(nodes []*nodeProto, from, to string) []*nodeProto {
	out := make([]*nodeProto, len(nodes))
	for i, n := range nodes {
		c := *n
		c.Input = slices.Clone(n.Input)
		for j, in := range c.Input {
			if in == from {
				c.Input[j] = to
			}
		}
		if slices.ContainsFunc(n.Attribute, func(a *attrProto) bool { return a.G != nil }) {
			c.Attribute = make([]*attrProto, len(n.Attribute))
			for j, a := range n.Attribute {
				copied := *a
				if a.G != nil {
					g := *a.G
					g.Node = renamed(g.Node, from, to)
					copied.G = &g
				}
				c.Attribute[j] = &copied
			}
		}
		out[i] = &c
	}
	return out
}
