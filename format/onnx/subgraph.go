// Graphs within graphs. The branches of If and the bodies of Loop and Scan are
// graphs in attributes of a node, which see the values around them; models also
// have functions, which nodes call like operators. A model is brought into one form
// when it is read: calls are replaced by the functions' bodies, and no two values of
// the whole model have one name. So whatever asks about names, such as what is a
// weight, need not know in which graph it is.

package onnx

import (
	"fmt"
	"slices"
)

// graphs are those in attributes of n.
func (n *nodeProto) graphs() []*graphProto {
	var list []*graphProto
	for _, a := range n.Attribute {
		if a.G != nil {
			list = append(list, a.G)
		}
	}
	return list
}

// flat is g with the nodes and initializers of all graphs within it beside its own.
// It is a copy, but for what it lists.
func (g *graphProto) flat() *graphProto {
	out := *g
	out.Node, out.Initializer = nil, nil
	var add func(g *graphProto)
	add = func(g *graphProto) {
		out.Initializer = append(out.Initializer, g.Initializer...)
		for _, n := range g.Node {
			out.Node = append(out.Node, n)
			for _, inner := range n.graphs() {
				add(inner)
			}
		}
	}
	add(g)
	return &out
}

// reads are all names that nodes of g, and of graphs within it, take as inputs or
// return.
func (g *graphProto) reads() map[string]bool {
	names := map[string]bool{}
	g.eachGraph(func(g *graphProto) {
		for _, n := range g.Node {
			for _, in := range n.Input {
				if in != "" {
					names[in] = true
				}
			}
		}
		for _, out := range g.Output {
			names[out.Name] = true
		}
	})
	return names
}

// eachGraph calls f for g and all graphs within it.
func (g *graphProto) eachGraph(f func(g *graphProto)) {
	f(g)
	for _, n := range g.Node {
		for _, inner := range n.graphs() {
			inner.eachGraph(f)
		}
	}
}

// defines calls f for each name to which g itself gives a value.
func (g *graphProto) defines(f func(name *string)) {
	for _, v := range g.Input {
		f(&v.Name)
	}
	for _, t := range g.Initializer {
		f(&t.Name)
	}
	for _, n := range g.Node {
		for i := range n.Output {
			f(&n.Output[i])
		}
	}
}

// captures are the names that graphs within n take from around it.
func (n *nodeProto) captures() []string {
	var list []string
	for _, g := range n.graphs() {
		own := map[string]bool{}
		g.eachGraph(func(g *graphProto) { g.defines(func(name *string) { own[*name] = true }) })
		for name := range g.reads() {
			if !own[name] {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// mapped replaces the initializers of g by what f makes of them. Graphs within it
// are replaced by copies, as are the nodes that hold them.
func (g *graphProto) mapped(f func(t *tensorProto) *tensorProto) {
	g.Initializer = slices.Clone(g.Initializer)
	for i, t := range g.Initializer {
		g.Initializer[i] = f(t)
	}
	g.Node = slices.Clone(g.Node)
	for i, n := range g.Node {
		if len(n.graphs()) == 0 {
			continue
		}
		node := *n
		node.Attribute = slices.Clone(n.Attribute)
		for j, a := range node.Attribute {
			if a.G != nil {
				attr, inner := *a, *a.G
				inner.mapped(f)
				attr.G = &inner
				node.Attribute[j] = &attr
			}
		}
		g.Node[i] = &node
	}
}

// sort puts the nodes of g and of all graphs within it into an order. outer tells
// which names are seen from around g.
func (n *Network) sort(g *graphProto, outer func(name string) bool) error {
	for _, node := range g.Node {
		if list := node.captures(); list != nil {
			n.captured[node] = list
		}
	}
	order, err := sorted(g, n.captured, outer)
	if err != nil {
		return err
	}
	n.bodies[g] = order
	own := map[string]bool{}
	g.defines(func(name *string) { own[*name] = true })
	seen := func(name string) bool { return own[name] || outer(name) }
	for _, node := range order {
		for _, inner := range node.graphs() {
			if err := n.sort(inner, seen); err != nil {
				return fmt.Errorf("in node %s: %w", node.label(), err)
			}
		}
	}
	return nil
}

// renames are what a graph calls its values instead, and those around it.
type renames struct {
	to    map[string]string
	outer *renames
}

func (r *renames) apply(name *string) {
	for ; r != nil; r = r.outer {
		if to, ok := r.to[*name]; ok {
			*name = to
			return
		}
	}
}

// uniqueNames renames values of graphs within g that have the name of another.
func uniqueNames(g *graphProto) {
	taken, next := map[string]bool{"": true}, map[string]int{}
	g.defines(func(name *string) { taken[*name] = true })
	var visit func(g *graphProto, names *renames)
	visit = func(g *graphProto, names *renames) {
		for _, n := range g.Node {
			for i := range n.Input {
				names.apply(&n.Input[i])
			}
			for _, inner := range n.graphs() {
				own := &renames{map[string]string{}, names}
				inner.defines(func(name *string) {
					if _, ok := own.to[*name]; ok || *name == "" {
						return
					}
					fresh := *name
					for taken[fresh] {
						next[*name]++
						fresh = fmt.Sprintf("%s_%d", *name, next[*name])
					}
					taken[fresh], own.to[*name] = true, fresh
				})
				for _, out := range inner.Output {
					own.apply(&out.Name)
				}
				visit(inner, own)
				inner.defines(func(name *string) { *name = own.to[*name] }) // "" stays
			}
		}
	}
	visit(g, nil)
}

// A file of a few bytes can call functions that call others, each twice.
const (
	maxCalls   = 32      // of functions within functions
	maxInlined = 1 << 18 // nodes that calls become
	maxNames   = 1 << 27 // bytes of those nodes' names
)

// inlineFunctions replaces calls of the model's functions by their bodies, and then
// the model has none. Versions of the operator set that functions import must mean
// the same operators as the model's (https://onnx.ai/onnx/repo-docs/IR.html), so
// the model's counts.
func inlineFunctions(p *modelProto) error {
	if len(p.Functions) == 0 {
		return nil
	}
	in := &inliner{functions: map[string]*function{}}
	for _, f := range p.Functions {
		in.functions[(&nodeProto{OpType: f.Name, Domain: f.Domain}).kind()+":"+f.Overload] = f
	}
	nodes, err := in.nodes(p.Graph.Node, 0)
	if err != nil {
		return err
	}
	graph := *p.Graph
	graph.Node = nodes
	p.Graph, p.Functions = &graph, nil
	return nil
}

type inliner struct {
	functions map[string]*function
	calls     int // so far, for names
	made      int // nodes
	named     int // bytes
}

func (in *inliner) nodes(list []*nodeProto, depth int) ([]*nodeProto, error) {
	var out []*nodeProto
	for _, n := range list {
		for _, g := range n.graphs() {
			inner, err := in.nodes(g.Node, depth)
			if err != nil {
				return nil, err
			}
			g.Node = inner
		}
		f := in.functions[n.kind()+":"+n.Overload]
		if f == nil {
			out = append(out, n)
			continue
		}
		if depth == maxCalls {
			return nil, invalid("node %s: functions call each other more than %d deep", n.label(), maxCalls)
		}
		body, err := in.body(f, n)
		if err != nil {
			return nil, err
		}
		if body, err = in.nodes(body, depth+1); err != nil {
			return nil, err
		}
		out = append(out, body...)
	}
	return out, nil
}

// body are the nodes of f as the call n has them.
func (in *inliner) body(f *function, n *nodeProto) ([]*nodeProto, error) {
	in.calls++
	if len(n.Input) > len(f.Input) || len(n.Output) > len(f.Output) {
		return nil, invalid("node %s: %d inputs and %d outputs for a function of %d and %d", n.label(), len(n.Input), len(n.Output), len(f.Input), len(f.Output))
	}
	names := map[string]string{"": ""}
	for i, formal := range f.Input {
		if names[formal] = ""; i < len(n.Input) {
			names[formal] = n.Input[i]
		}
	}
	var passed []*nodeProto // results that are arguments
	for i, formal := range f.Output {
		if i >= len(n.Output) || n.Output[i] == "" {
			continue
		}
		if arg, ok := names[formal]; ok {
			passed = append(passed, &nodeProto{OpType: "Identity", Name: n.Name, Input: []string{arg}, Output: []string{n.Output[i]}})
			continue
		}
		names[formal] = n.Output[i]
	}
	prefix := fmt.Sprintf("%s/%d/", f.Name[:min(len(f.Name), 40)], in.calls)
	c := &cloner{in: in, names: names, prefix: prefix, call: n, f: f}
	nodes, err := c.nodes(f.Node)
	return append(nodes, passed...), err
}

// cloner copies the body of a function for one call of it.
type cloner struct {
	in     *inliner
	names  map[string]string
	prefix string
	call   *nodeProto
	f      *function
}

func (c *cloner) name(s string) string {
	to, ok := c.names[s]
	if !ok {
		to = c.prefix + s
		c.names[s] = to
		c.in.named += len(to)
	}
	return to
}

func (c *cloner) all(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = c.name(s)
	}
	return out
}

func (c *cloner) nodes(list []*nodeProto) ([]*nodeProto, error) {
	out := make([]*nodeProto, len(list))
	for i, n := range list {
		c.in.named += len(c.prefix) + len(n.Name)
		if c.in.made++; c.in.made > maxInlined || c.in.named > maxNames {
			return nil, invalid("its functions become more than %d nodes", maxInlined)
		}
		node := *n
		node.Name, node.Input, node.Output, node.Attribute = c.prefix+n.Name, c.all(n.Input), c.all(n.Output), nil
		for _, a := range n.Attribute {
			if a.Ref != "" {
				if a = c.given(a); a == nil {
					continue
				}
			} else if a.G != nil {
				attr := *a
				var err error
				if attr.G, err = c.graph(a.G); err != nil {
					return nil, err
				}
				a = &attr
			}
			node.Attribute = append(node.Attribute, a)
		}
		out[i] = &node
	}
	return out, nil
}

// given is the attribute of the call, or the function's default, that a refers to.
func (c *cloner) given(a *attrProto) *attrProto {
	for _, from := range slices.Concat(c.call.Attribute, c.f.Defaults) {
		if from.Name == a.Ref {
			attr := *from
			attr.Name = a.Name
			return &attr
		}
	}
	return nil
}

func (c *cloner) graph(g *graphProto) (*graphProto, error) {
	out := *g
	values := func(list []*valueProto) []*valueProto {
		named := make([]*valueProto, len(list))
		for i, v := range list {
			named[i] = &valueProto{Name: c.name(v.Name), Type: v.Type}
		}
		return named
	}
	out.Input, out.Output = values(g.Input), values(g.Output)
	out.Initializer = make([]*tensorProto, len(g.Initializer))
	for i, t := range g.Initializer {
		named := *t
		named.Name = c.name(t.Name)
		out.Initializer[i] = &named
	}
	var err error
	out.Node, err = c.nodes(g.Node)
	return &out, err
}
