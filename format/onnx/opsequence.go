// Sequences of tensors, and values that may be absent. Both exist while tracing
// only: the number of tensors, and where one is put or taken, must be known then.

package onnx

import (
	"slices"
)

func init() {
	register(map[string]func(c *call) []val{
		"SequenceEmpty":     func(c *call) []val { return []val{{seq: &sequence{}}} },
		"SequenceConstruct": sequenceConstruct, "SequenceInsert": sequenceInsert, "SequenceErase": sequenceErase, "SequenceAt": sequenceAt,
		"SequenceLength": func(c *call) []val {
			return []val{{h: &host{elemInt64, nil, []float64{float64(len(c.sequence(0)))}}}}
		},
		"SequenceMap": sequenceMap, "ConcatFromSequence": concatFromSequence, "SplitToSequence": splitToSequence,
		"Optional": optional, "OptionalHasElement": optionalHasElement, "OptionalGetElement": optionalGetElement,
	})
}

// sequence is a list of tensors. An optional value that is absent is one too.
type sequence struct {
	items  []val
	absent bool
}

// sequence is input i, which must be one.
func (c *call) sequence(i int) []val {
	if !c.has(i) || c.in[i].seq == nil || c.in[i].seq.absent {
		c.fail("input %d is no sequence", i)
	}
	return c.in[i].seq.items
}

// position is input i as a place among n, from the end where it is negative; def
// where it is not given.
func (c *call) position(i, n, def int) int {
	if !c.has(i) {
		return def
	}
	at := int(max(-maxUnrolled, min(c.number(i), maxUnrolled)))
	if at < 0 {
		at += def
	}
	if at < 0 || at >= n {
		c.fail("position %g in a sequence of %d", c.number(i), def)
	}
	return at
}

// listOf is a sequence as a result.
func (c *call) listOf(items []val) []val {
	c.unroll(len(items)) // which keeps a loop from growing one without end
	return []val{{seq: &sequence{items: items}}}
}

func sequenceConstruct(c *call) []val {
	for i := range c.in {
		if !c.has(i) || c.in[i].seq != nil {
			c.fail("input %d is no tensor", i)
		}
	}
	return c.listOf(slices.Clone(c.in))
}

func sequenceInsert(c *call) []val {
	items := c.sequence(0)
	if !c.has(1) || c.in[1].seq != nil {
		c.fail("input 1 is no tensor")
	}
	return c.listOf(slices.Insert(slices.Clone(items), c.position(2, len(items)+1, len(items)), c.in[1]))
}

func sequenceErase(c *call) []val {
	items := c.sequence(0)
	n := len(items)
	at := n - 1
	if c.has(1) {
		at = c.position(1, n, n)
	}
	if n == 0 {
		c.fail("the sequence is empty")
	}
	return c.listOf(slices.Delete(slices.Clone(items), at, at+1))
}

func sequenceAt(c *call) []val {
	items := c.sequence(0)
	if !c.has(1) {
		c.fail("input 1 is missing")
	}
	return []val{items[c.position(1, len(items), len(items))]}
}

// sequenceMap runs its body for each element of the first sequence, with those of
// the others and with tensors as they are.
func sequenceMap(c *call) []val {
	g := c.body("body")
	out := make([][]val, len(g.Output))
	for i := range c.sequence(0) {
		args := slices.Clone(c.in)
		for j, v := range c.in {
			if v.seq == nil {
				continue
			}
			if i >= len(v.seq.items) {
				c.fail("sequences of %d and %d tensors", len(c.in[0].seq.items), len(v.seq.items))
			}
			args[j] = v.seq.items[i]
		}
		for j, v := range c.run1(g, args...) {
			out[j] = append(out[j], v)
		}
	}
	var results []val
	for _, list := range out {
		results = append(results, c.listOf(list)...)
	}
	return results
}

func concatFromSequence(c *call) []val {
	items := c.sequence(0)
	if len(items) == 0 {
		c.fail("the sequence is empty")
	}
	if c.attr("axis") == nil {
		c.fail("it has no axis")
	}
	d := c.int("axis", 0)
	if c.int("new_axis", 0) != 0 {
		return []val{c.stacked(d, items, nil)}
	}
	inner := &call{net: c.net, node: &nodeProto{OpType: "Concat", Name: c.node.Name, Attribute: []*attrProto{integer("axis", d)}}, trace: c.trace, scope: c.scope, samples: c.samples, in: items}
	for range items {
		inner.node.Input = append(inner.node.Input, c.node.Input[0])
	}
	if h := inner.onHost(); h != nil {
		return []val{{h: h}}
	}
	return concat(inner)
}

// splitToSequence cuts a tensor into parts of given lengths, of one length, or into its
// elements along a dimension.
func splitToSequence(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", 0), x.Dims())
	size := x.Dim(d)
	var lengths []int
	switch {
	case !c.has(1):
		c.unroll(size)
		lengths = slices.Repeat([]int{1}, size)
	case len(c.in[1].shape()) == 0:
		n := c.ints(1)[0]
		if n < 1 {
			c.fail("parts of %d elements", n)
		}
		c.unroll(size / n)
		for at := 0; at < size; at += n {
			lengths = append(lengths, min(n, size-at))
		}
	default:
		lengths = c.ints(1)
	}
	var items []val
	at := 0
	for _, n := range lengths {
		if n < 1 || n > size-at {
			c.fail("parts of %v elements of %d", lengths, size)
		}
		part := x.Slice(d, at, at+n)
		if !c.has(1) && c.int("keepdims", 1) == 0 {
			part = part.Squeeze(d)
		}
		at += n
		items = append(items, val{t: part})
	}
	if at != size {
		c.fail("parts of %v elements of %d", lengths, size)
	}
	return c.listOf(items)
}

func optional(c *call) []val {
	if c.has(0) {
		return c.in[:1]
	}
	return []val{{seq: &sequence{absent: true}}}
}

func optionalHasElement(c *call) []val {
	there := c.has(0) && !(c.in[0].seq != nil && c.in[0].seq.absent)
	return []val{{h: &host{elemBool, nil, []float64{truth(there)}}}}
}

func optionalGetElement(c *call) []val {
	if !c.has(0) || c.in[0].seq != nil && c.in[0].seq.absent {
		c.fail("the optional value is absent")
	}
	return c.in[:1]
}
