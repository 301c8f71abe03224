// Arithmetic that gives the same bits everywhere. Go may fuse x*y+z into one
// rounding where the processor can (arm64, ppc64, s390x) and its math package
// has assembly for some of them, so that the same program draws slightly
// different pictures there. An explicit float64() conversion of a product
// forbids the fusion (Go specification, "Floating-point operators"); sine and
// bell curve are made from products and sums only.

package synthetic

import "math/rand/v2"

// mul is a product that will not be fused with the sum around it.
func mul(a, b float64) float64 { return float64(a * b) }

// sin is the sine of a full turns, to about 1e-7: a Taylor polynomial on a
// quarter turn.
func sin(a float64) float64 {
	a -= float64(int64(a))
	if a < 0 {
		a++
	}
	sign := 1.0
	if a >= 0.5 {
		a, sign = a-0.5, -1
	}
	if a > 0.25 {
		a = 0.5 - a
	}
	x := mul(a, 6.283185307179586)
	y := mul(x, x)
	p := 1 - float64(y/110)
	p = 1 - mul(float64(y/72), p)
	p = 1 - mul(float64(y/42), p)
	p = 1 - mul(float64(y/20), p)
	p = 1 - mul(float64(y/6), p)
	return mul(sign, mul(x, p))
}

func cos(a float64) float64 { return sin(a + 0.25) }

// random is a stream of its own for each image: images can then be drawn in
// any order, and n images begin with the same ones as fewer.
type random struct{ pcg rand.PCG }

func (r *random) seed(seed, index uint64) { r.pcg.Seed(seed, index) }

// float is uniform in [0, 1).
func (r *random) float() float64 { return float64(r.pcg.Uint64()>>11) / (1 << 53) }

// in is uniform in [a, b).
func (r *random) in(a, b float64) float64 { return a + mul(b-a, r.float()) }

// chance is true with probability p.
func (r *random) chance(p float64) bool { return r.float() < p }

// normal is near a normal distribution with standard deviation s and never
// beyond 3.5 s: the sum of four uniform numbers.
func (r *random) normal(s float64) float64 {
	sum := r.float() + r.float() + r.float() + r.float() - 2
	return mul(mul(s, 1.7320508075688772), sum)
}
