// Reductions use one fixed order on every machine: 64 interleaved lanes (lane
// j takes elements j, j+64, j+128, ...), then a pairwise tree over the lanes
// (32, 16, 8, 4, 2, 1 apart). 64 lanes are four 512-bit, eight 256-bit or
// sixteen 128-bit accumulators, enough to hide the latency of addition, and
// the rounding error of a sum grows with n/64 rather than n.

package simd

const lanes = 64

func sumPlain(a []float32) float32 {
	var acc [lanes]float32
	for ; len(a) >= lanes; a = a[lanes:] {
		v := a[:lanes]
		for j := range acc {
			acc[j] += v[j]
		}
	}
	return tree(&acc, a)
}

// tree adds the last few elements to the lanes and the lanes to each other.
func tree(acc *[lanes]float32, rest []float32) float32 {
	for j, x := range rest {
		acc[j] += x
	}
	for w := lanes / 2; w > 0; w /= 2 {
		for j := 0; j < w; j++ {
			acc[j] += acc[j+w]
		}
	}
	return acc[0]
}

func maxOfPlain(a []float32) float32 {
	m := negInf
	for _, x := range a {
		m = max1(m, x)
	}
	return m
}

func minOfPlain(a []float32) float32 {
	m := posInf
	for _, x := range a {
		m = min1(m, x)
	}
	return m
}
