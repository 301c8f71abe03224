// Initial weights must be the same numbers on every machine, or a seeded run
// could not be repeated elsewhere. So they are drawn on the host, from the
// counter-based generator that compiled programs use as well, and whatever is
// computed from its integers uses products and sums that are rounded one by
// one: Go may otherwise fuse x*y+z into one rounding where the processor can
// (the conversions float64(..) forbid it), and the logarithm and the sine of
// its math package differ in their last bit between processors.

package nn

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
)

// RNG draws initial values. Each draw uses the next stream of its seed: what
// a layer gets depends on the seed and on the draws before it, not on how
// many numbers those took. It is not safe for concurrent use.
type RNG struct {
	key    int32
	stream int32
}

// NewRNG returns a generator for a seed.
func NewRNG(seed uint64) *RNG {
	// Murmur's finalizer, so that neighbouring seeds share nothing.
	h := seed ^ 0x57656674 // keeps seed 0 away from the fixed point
	h = (h ^ h>>33) * 0xFF51AFD7ED558CCD
	h = (h ^ h>>33) * 0xC4CEB9FE1A85EC53
	h ^= h >> 33
	return &RNG{key: int32(uint32(h)), stream: int32(uint32(h >> 32))}
}

// Uniform returns n numbers, uniform in [lo, hi).
func (r *RNG) Uniform(n int, lo, hi float64) []float32 {
	r.stream++
	v := make([]float32, n)
	for i := range v {
		u := float64(ir.Rand(int32(i), r.stream, r.key))
		v[i] = float32(lo + float64((hi-lo)*u))
	}
	return v
}

// Normal returns n numbers with normal distribution, none further than 5.8
// deviations from the mean (Box and Muller, 1958, on 24-bit numbers).
func (r *RNG) Normal(n int, mean, std float64) []float32 {
	r.stream++
	v := make([]float32, n)
	for i := range v {
		u1 := 1 - float64(ir.Rand(int32(2*i), r.stream, r.key)) // in (0, 1]
		u2 := float64(ir.Rand(int32(2*i+1), r.stream, r.key))
		z := float64(math.Sqrt(float64(-2*logOf(u1))) * cosOfTurn(u2))
		v[i] = float32(mean + float64(std*z))
	}
	return v
}

// logOf is the natural logarithm of x > 0: with x = m 2^e and m near 1, that
// of m by the series of atanh((m-1)/(m+1)), which ends below 2^-53.
func logOf(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = m*2, e-1
	}
	s := (m - 1) / (m + 1)
	y := float64(s * s)
	sum := 0.0
	for k := 23; k >= 1; k -= 2 {
		sum = float64(sum*y) + 1/float64(k)
	}
	return float64(2*float64(s*sum)) + float64(float64(e)*math.Ln2)
}

// cosOfTurn is the cosine of u full turns, u in [0, 1).
func cosOfTurn(u float64) float64 {
	if u > 0.5 {
		u = 1 - u
	}
	sign := 1.0
	if u > 0.25 { // exact: u has 24 bits
		u, sign = 0.5-u, -1
	}
	if u > 0.125 {
		return float64(sign * taylor((0.25-u)*(2*math.Pi), 1))
	}
	return float64(sign * taylor(u*(2*math.Pi), 0))
}

// taylor is the cosine (first 0) or sine (first 1) of x in [0, pi/4].
func taylor(x float64, first int) float64 {
	y := float64(x * x)
	sum := 1.0
	for k := first + 18; k > first; k -= 2 {
		sum = 1 - float64(float64(y*sum)/float64(k*(k-1)))
	}
	if first == 1 {
		return float64(x * sum)
	}
	return sum
}
