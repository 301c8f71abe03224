// NonMaxSuppression (https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html).
// How many boxes are left depends on what they are, and shapes in a graph do not
// depend on values: boxes and scores must be constants. Detectors have it as their
// last step, which belongs into the program that uses them.

package onnx

import (
	"math"
	"slices"
)

func init() {
	register(map[string]func(c *call) []val{"NonMaxSuppression": nonMaxSuppression})
	settings["NonMaxSuppression"] = []int{0, 1, 2, 3, 4}
}

func nonMaxSuppression(c *call) []val {
	for i := range 2 {
		if c.has(i) && c.in[i].seq == nil && !c.known(c.in[i]) {
			c.fail("how many boxes it keeps depends on the network's input, and shapes cannot; cut the model before this node (onnx.utils.extract_model, outputs %s and %s) and suppress boxes in the program that uses it", quote(c.node.Input[0]), quote(c.node.Input[1]))
		}
	}
	boxes, scores := c.host(0), c.host(1)
	if len(boxes.shape) != 3 || len(scores.shape) != 3 || boxes.shape[2] != 4 || boxes.shape[0] != scores.shape[0] || boxes.shape[1] != scores.shape[2] {
		c.fail("boxes %v and scores %v", boxes.shape, scores.shape)
	}
	number := func(i int, def float64) float64 {
		if c.has(i) {
			return c.number(i)
		}
		return def
	}
	most, overlap, least := int(max(0, min(number(2, 0), maxHost))), number(3, 0), number(4, math.Inf(-1))
	samples, classes, n := scores.shape[0], scores.shape[1], boxes.shape[1]
	center := c.int("center_point_box", 0) != 0
	corners := func(b []float64) (x0, y0, x1, y1 float64) {
		if center { // x, y, width, height
			return b[0] - b[2]/2, b[1] - b[3]/2, b[0] + b[2]/2, b[1] + b[3]/2
		}
		// y, x of two opposite corners
		return min(b[1], b[3]), min(b[0], b[2]), max(b[1], b[3]), max(b[0], b[2])
	}
	share := func(a, b []float64) float64 { // intersection over union
		ax, ay, ax1, ay1 := corners(a)
		bx, by, bx1, by1 := corners(b)
		both := max(0, min(ax1, bx1)-max(ax, bx)) * max(0, min(ay1, by1)-max(ay, by))
		union := (ax1-ax)*(ay1-ay) + (bx1-bx)*(by1-by) - both
		if both <= 0 || union <= 0 {
			return 0
		}
		return both / union
	}
	out := &host{elemInt64, []int{0, 3}, nil}
	work := 0
	for s := range samples {
		box := func(i int) []float64 { return boxes.v[(s*n+i)*4:][:4] }
		for class := range classes {
			score := scores.v[(s*classes+class)*n:][:n]
			var order []int
			for i, v := range score {
				if v > least {
					order = append(order, i)
				}
			}
			slices.SortStableFunc(order, func(a, b int) int {
				switch {
				case score[a] > score[b]:
					return -1
				case score[a] < score[b]:
					return 1
				}
				return 0
			})
			var kept []int
			for _, i := range order {
				if len(kept) == most {
					break
				}
				if work += len(kept); work > maxHost {
					c.fail("too many boxes to compare")
				}
				if !slices.ContainsFunc(kept, func(k int) bool { return share(box(k), box(i)) > overlap }) {
					kept = append(kept, i)
					out.v = append(out.v, float64(s), float64(class), float64(i))
					out.shape[0]++
				}
			}
		}
	}
	return []val{{h: out}}
}
