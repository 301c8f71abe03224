// Operators that put elements into order, and that write to computed places.

package onnx

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"TopK": topK, "ScatterElements": scatterElements, "Scatter": scatterElements, "ScatterND": scatterND, "TensorScatter": tensorScatter,
	})
}

// topK is the greatest or least elements, in order also where any order would do.
// k is the second input from opset 10 on.
func topK(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	k := c.int("k", 0)
	if c.has(1) {
		k = int(c.number(1))
	}
	if k < 1 || k > x.Dim(d) {
		c.fail("the %d first of %d elements: at least 1, and no more than there are", k, x.Dim(d))
	}
	values, indices := x.TopK(k, d, c.int("largest", 1) == 0)
	return []val{{t: values.To(x.DType().Compute())}, {t: indices}}
}

// maxCompared is how many comparisons of one place with one index a scattering may
// take for each element beside.
const maxCompared = 1 << 31

// compared checks the cost of scattering few elements to size places.
func (c *call) compared(size, few int) {
	if few > 0 && size > maxCompared/few {
		c.fail("%d elements for %d places are too many to be compared with each other (the limit is %d comparisons)", few, size, maxCompared)
	}
}

// reduction is what becomes of elements that go to one place.
func (c *call) reduction() tensor.ScatterReduction {
	name := c.text("reduction", "none")
	how, ok := map[string]tensor.ScatterReduction{"none": tensor.ScatterReplace, "add": tensor.ScatterAdd, "mul": tensor.ScatterMul, "max": tensor.ScatterMax, "min": tensor.ScatterMin}[name]
	if !ok {
		c.fail("reduction %s: none, add, mul, max and min are known", quote(name))
	}
	return how
}

func scatterElements(c *call) []val {
	x, updates := c.tensor(0), c.tensor(2)
	how := c.reduction()
	d := c.axis(c.int("axis", 0), x.Dims())
	index, shape := c.index(1, x.Dim(d))
	if !slices.Equal(shape, updates.Shape()) {
		c.fail("updates %v for indices %v: they have one shape", updates.Shape(), shape)
	}
	c.compared(x.Dim(d), shape[d])
	return one1(x.Scatter(d, index.Reshape(shape...), updates, how))
}

// scatterND writes rows of x: the first dimensions that the indices count in are
// laid end to end.
func scatterND(c *call) []val {
	x, updates := c.tensor(0), c.tensor(2)
	how := c.reduction()
	flat, shape, rows, rest := c.indexND(1, x)
	if !slices.Equal(updates.Shape(), slices.Concat(shape, rest)) {
		c.fail("updates %v, want %v", updates.Shape(), slices.Concat(shape, rest))
	}
	c.elements([]int{rows})
	whole := func(t tt, n int) tt { return t.Reshape(append([]int{n}, rest...)...) }
	few := flat.Len()
	if h := c.in[1].h; h != nil && how == tensor.ScatterReplace {
		from := c.rows(h, x.Shape(), rows)
		return one1(tensor.Concat(0, whole(x, rows), whole(updates, few)).IndexSelect(0, tensor.FromInts(from)).Reshape(x.Shape()...))
	} else if h != nil {
		c.rows(h, x.Shape(), rows)
	}
	c.compared(rows, few)
	y, from := whole(x, rows), whole(updates, few)
	if how == tensor.ScatterReplace { // which row, and not which element, is found out
		none := integerOf(-1).Expand(rows)
		row := none.Scatter(0, flat, tensor.Arange(few), tensor.ScatterReplace)
		hit := row.Ge(integerOf(0)).Reshape(append([]int{rows}, slices.Repeat([]int{1}, len(rest))...)...)
		return one1(tensor.Where(hit, from.IndexSelect(0, row.Maximum(integerOf(0))), y).Reshape(x.Shape()...))
	}
	wide := append([]int{few}, rest...)
	flat = flat.Reshape(append([]int{few}, slices.Repeat([]int{1}, len(rest))...)...).Expand(wide...)
	return one1(y.Scatter(0, flat, from, how).Reshape(x.Shape()...))
}

// rows are the rows that ScatterND's result has, numbers of those of x and then of
// the updates, for indices that are known while tracing.
func (c *call) rows(index *host, shape []int, rows int) []int32 {
	c.tabulate(rows)
	from := make([]int32, rows)
	for i := range from {
		from[i] = int32(i)
	}
	k := index.shape[len(index.shape)-1]
	for i := range len(index.v) / k {
		row := 0
		for d, v := range index.v[i*k : (i+1)*k] {
			n := shape[d]
			if v < 0 {
				v += float64(n)
			}
			if v < 0 || v >= float64(n) {
				c.fail("index %g of %d elements", index.v[i*k+d], n)
			}
			row = row*n + int(v)
		}
		from[row] = int32(rows + i)
	}
	return from
}

// tensorScatter writes new keys or values into a cache, for each sample from a place
// of its own on (https://onnx.ai/onnx/operators/onnx__TensorScatter.html).
func tensorScatter(c *call) []val {
	cache, update := c.tensor(0), c.tensor(1)
	rank := cache.Dims()
	d := c.axis(c.int("axis", -2), rank)
	want := slices.Clone(cache.Shape())
	if update.Dims() == rank {
		want[d] = update.Dim(d)
	}
	if d == 0 || !slices.Equal(update.Shape(), want) || update.Dim(d) > cache.Dim(d) {
		c.fail("an update %v of a cache %v along dimension %d", update.Shape(), cache.Shape(), d)
	}
	column := func(x tt, d int) tt { // along dimension d
		shape := slices.Repeat([]int{1}, rank)
		shape[d] = x.Len()
		return x.Reshape(shape...)
	}
	n, most := update.Dim(d), cache.Dim(d)
	from := integerOf(0) // the place in the update of each place in the cache
	place := column(tensor.FromNode(ir.Iota(0, most)), d)
	if c.has(2) {
		if !slices.Equal(c.in[2].shape(), []int{cache.Dim(0)}) {
			c.fail("%v places for %d samples", c.in[2].shape(), cache.Dim(0))
		}
		from = column(c.tensor(2).To(tensor.Int32), 0)
	}
	at := place.Sub(from)
	switch mode := c.text("mode", "linear"); mode {
	case "linear":
	case "circular":
		at = at.Mod(integerOf(most))
	default:
		c.fail("mode %s", quote(mode))
	}
	fresh := at.Ge(integerOf(0)).And(at.Lt(integerOf(n)))
	index := at.Maximum(integerOf(0)).Minimum(integerOf(n - 1)).Expand(cache.Shape()...)
	return one1(tensor.Where(fresh, update.Gather(d, index), cache))
}
