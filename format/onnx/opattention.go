// Attention as one node, and the rotation of positions that goes with it: what
// exports of transformers hold since opset 23, where earlier ones spell both out.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

// attention is softmax(Q Kᵀ scale + mask) V for each head
// (https://onnx.ai/onnx/operators/onnx__Attention.html). Its results are those of
// the heads in the form of Q, the keys and values, past ones included, and one of
// the stages of the scores: as multiplied, capped, masked, or after the softmax.
func attention(c *call) []val {
	q, k, v := c.tensor(0), c.tensor(1), c.tensor(2)
	flat := q.Dims() == 3
	q, k, v = c.heads(q, "q_num_heads"), c.heads(k, "kv_num_heads"), c.heads(v, "kv_num_heads")
	if c.has(4) != c.has(5) || c.has(4) && c.has(6) {
		c.fail("past keys without values, or together with lengths (nonpad_kv_seqlen)")
	}
	past := 0
	if c.has(4) {
		if past = c.tensor(4).Dims(); past != 4 || c.tensor(5).Dims() != 4 {
			c.fail("past keys %v and values %v", c.tensor(4).Shape(), c.tensor(5).Shape())
		}
		past = c.tensor(4).Dim(2)
		k, v = tensor.Concat(2, c.tensor(4), k), tensor.Concat(2, c.tensor(5), v)
	}
	n, heads, rows, cols := q.Dim(0), q.Dim(1), q.Dim(2), k.Dim(2)
	groups := k.Dim(1)
	if k.Dim(0) != n || v.Dim(0) != n || groups < 1 || heads%groups != 0 || v.Dim(1) != groups || v.Dim(2) != cols || k.Dim(3) != q.Dim(3) {
		c.fail("queries %v, keys %v, values %v", q.Shape(), k.Shape(), v.Shape())
	}
	// A head of keys serves several of queries that follow each other.
	shared := func(x tt) tt {
		if groups == heads {
			return x
		}
		s := x.Shape()
		return x.Unsqueeze(2).Expand(n, groups, heads/groups, s[2], s[3]).Reshape(n, heads, s[2], s[3])
	}
	scores := q.MatMul(shared(k).Transpose(2, 3)).MulScalar(c.float("scale", 1/math.Sqrt(float64(q.Dim(3)))))
	stages := []tt{scores}
	if most := c.float("softcap", 0); most > 0 { // before the mask, which would be capped too
		scores = scores.MulScalar(1 / most).Tanh().MulScalar(most)
	}
	stages = append(stages, scores)
	never := tensor.Scalar(math.Inf(-1))
	if c.has(3) {
		mask := c.tensor(3)
		float := mask.DType().Compute() == tensor.Float32
		if short := cols - mask.Dim(-1); short > 0 && mask.Dim(-1) > 1 { // keys behind it take no part
			around := make([][2]int, mask.Dims())
			around[mask.Dims()-1] = [2]int{0, short}
			if float {
				mask = mask.Pad(math.Inf(-1), around...)
			} else {
				mask = mask.To(tensor.Int32).Pad(0, around...)
			}
		}
		if float {
			scores = scores.Add(mask)
		} else {
			scores = tensor.Where(mask.To(tensor.Bool), scores, never)
		}
	}
	seen, empty := c.seen(n, rows, cols, past)
	if seen != nil {
		scores = tensor.Where(seen, scores, never)
	}
	stages = append(stages, scores)
	var p tt
	if empty || c.has(3) { // a query that sees no key has the result 0
		none := scores.AmaxKeep(-1).Eq(never)
		p = tensor.Where(none, tensor.Scalar(0), tensor.Where(none, tensor.Scalar(0), scores).Softmax(-1))
	} else {
		p = scores.Softmax(-1)
	}
	stages = append(stages, p)
	mode := c.int("qk_matmul_output_mode", 0)
	if mode < 0 || mode >= len(stages) {
		c.fail("qk_matmul_output_mode %d", mode)
	}
	y := p.MatMul(shared(v))
	if flat {
		y = y.Transpose(1, 2).Reshape(n, rows, heads*y.Dim(3))
	}
	return []val{{t: y}, {t: k}, {t: v}, {t: stages[mode]}}
}

// seen says which keys a query may see, but for the mask: a Bool that broadcasts
// to [n, heads, rows, cols], or nil for all. A query's own position is its row
// behind the past keys, or the end of the n lengths (nonpad_kv_seqlen) less the rows
// that follow. empty reports whether there may be queries that see none.
func (c *call) seen(n, rows, cols, past int) (seen tt, empty bool) {
	left, right := c.int("left_window_size", -1), c.int("right_window_size", -1)
	if w := c.int("local_window_size", -1); w > 0 { // a draft's: the position and those before it
		left, right = w-1, 0
	} else if w == 0 {
		c.fail("a window of 0 keys")
	}
	if c.int("is_causal", 0) != 0 {
		right = 0
	}
	if most := rows + cols + past; left > most || right > most { // all, and sums stay in range
		left, right = min(left, most), min(right, most)
	}
	key := tensor.Arange(cols).To(tensor.Int32)
	query := tensor.Arange(rows).To(tensor.Int32).Reshape(rows, 1).AddScalar(float64(past))
	and := func(x tt) {
		if seen == nil {
			seen = x
		} else {
			seen = seen.And(x)
		}
	}
	if c.has(6) {
		length := c.tensor(6).To(tensor.Int32)
		if length.Len() != n {
			c.fail("%d lengths (nonpad_kv_seqlen) for %d samples", length.Len(), n)
		}
		length = length.Reshape(n, 1, 1, 1)
		and(key.Lt(length))
		query = query.Add(length.AddScalar(float64(-rows)))
		empty = true
	}
	if right >= 0 {
		and(key.Le(query.AddScalar(float64(right))))
	}
	if left >= 0 {
		and(key.Ge(query.AddScalar(float64(-left))))
		empty = true
	}
	return seen, empty
}

// heads is x as [samples, heads, length, width]; x may have its heads side by
// side, and then an attribute says how many.
func (c *call) heads(x tt, attr string) tt {
	if x.Dims() == 4 {
		return x
	}
	n := c.int(attr, 0)
	if x.Dims() != 3 || n < 1 || x.Dim(2)%n != 0 {
		c.fail("%v for %d heads (%s)", x.Shape(), n, attr)
	}
	return x.Reshape(x.Dim(0), x.Dim(1), n, x.Dim(2)/n).Transpose(1, 2)
}

// rotaryEmbedding turns pairs of elements by an angle that depends on the
// position (https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html).
func rotaryEmbedding(c *call) []val {
	given := c.tensor(0)
	x := c.heads(given, "num_heads").Transpose(1, 2) // [n, length, heads, width]
	n, length, width := x.Dim(0), x.Dim(1), x.Dim(3)
	turned := c.int("rotary_embedding_dim", 0)
	if turned == 0 {
		turned = width
	}
	if turned < 0 || turned > width || turned%2 != 0 {
		c.fail("rotary_embedding_dim %d of %d", turned, width)
	}
	angle := func(i int) tt {
		t := c.tensor(i)
		if c.has(3) { // a table by positions
			if t.Dims() != 2 {
				c.fail("a table of shape %v", t.Shape())
			}
			index, shape := c.index(3, t.Dim(0))
			t = t.IndexSelect(0, index).Reshape(append(slices.Clone(shape), t.Dim(1))...)
		}
		if t.Dims() != 3 || t.Dim(1) != length || t.Dim(2) != turned/2 || t.Dim(0) != n && t.Dim(0) != 1 {
			c.fail("angles %v for %v", t.Shape(), given.Shape())
		}
		return t.Unsqueeze(2)
	}
	cos, sin := angle(1), angle(2)
	part := x.Slice(3, 0, turned)
	var a, b tt
	pairs := c.int("interleaved", 0) != 0
	if pairs {
		a, b = part.SliceStep(3, 0, turned, 2), part.SliceStep(3, 1, turned, 2)
	} else {
		a, b = part.Slice(3, 0, turned/2), part.Slice(3, turned/2, turned)
	}
	a, b = a.Mul(cos).Sub(b.Mul(sin)), a.Mul(sin).Add(b.Mul(cos))
	y := tensor.Concat(3, a, b)
	if pairs {
		y = tensor.Stack(4, a, b).Reshape(part.Shape()...)
	}
	if turned < width {
		y = tensor.Concat(3, y, x.Slice(3, turned, width))
	}
	if given.Dims() == 3 {
		return one1(y.Reshape(given.Shape()...))
	}
	return one1(y.Transpose(1, 2))
}
