//go:build ignore

package main

import (
	"fmt"
	"math"
)

func imm(i int) string { return fmt.Sprintf("$%d", i) }

// horner evaluates the polynomial with coefficients cs, highest power first,
// at register x, into register y.
func (g *gen) horner(y, x int, cs ...float64) {
	g.op("VMOVUPS", g.c(cs[0]), y)
	for _, c := range cs[1:] {
		g.op("VFMADD213PS", g.c(c), x, y)
	}
}

// exp sets register y to e^x; it uses y+1..y+3 and destroys x. The method and
// the coefficients are those of expf in the Cephes library (S. Moshier): x = n
// ln 2 + r, a polynomial in r, and a scaling by 2^n.
func (g *gen) exp(x, y int) {
	n, r := y+1, y+2
	// The bound comes first, so that a NaN in x, the second operand, stays.
	g.op("VMOVUPS", g.c(89), n)
	g.op("VMINPS", x, n, x)
	g.op("VMOVUPS", g.c(-104), n)
	g.op("VMAXPS", x, n, x)
	g.op("VMULPS", g.c(math.Log2E), x, n)
	g.op(g.pick("VRNDSCALEPS", "VROUNDPS"), "$8", n, n)
	g.op("VMOVUPS", x, r)
	g.op("VFNMADD231PS", g.c(0.693359375), n, r)
	g.op("VFNMADD231PS", g.c(-2.12194440e-4), n, r)
	g.horner(y, r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
	g.op("VMULPS", r, r, x)
	g.op("VFMADD213PS", r, x, y)
	g.op("VADDPS", g.bits(one), y, y)
	if g.wide {
		g.op("VSCALEFPS", n, y, y)
		return
	}
	// Two factors, as 2^n alone may be out of range while the result is not;
	// only the second multiplication can round.
	h := y + 3
	g.op("VCVTPS2DQ", n, n)
	g.op("VPSRAD", "$1", n, h)
	g.op("VPSUBD", h, n, n)
	for _, k := range []int{h, n} {
		g.op("VPADDD", g.bits(127), k, k)
		g.op("VPSLLD", "$23", k, k)
		g.op("VMULPS", k, y, y)
	}
}

func (g *gen) transcendental() {
	g.routine("exp", 'f', aF, 3, func() { g.exp(0, 3) })

	// 1/(1+e^-x), with e^-|x| so that nothing overflows and small results keep
	// their relative accuracy.
	g.routine("sigmoid", 'f', aF, 3, func() {
		g.op("VMOVUPS", 0, 8)
		g.op("VORPS", g.bits(signBit), 0, 0)
		g.exp(0, 3)
		g.op("VADDPS", g.bits(one), 3, 4)
		g.op("VMOVUPS", g.bits(one), 5)
		g.op("VXORPS", 6, 6, 6)
		g.blendIf(cmpLT, 8, 6, 3, 5) // e^-|x| on top where x < 0
		g.op("VDIVPS", 4, 5, 3)
	})

	// As tanhf in Cephes: an odd polynomial up to 0.625, beyond it
	// 1 - 2/(e^2|x| + 1); the sign of x is put back at the end.
	g.routine("tanh", 'f', aF, 3, func() {
		g.op("VANDPS", g.bits(signBit), 0, 8)
		g.op("VANDPS", g.bits(^uint32(signBit)), 0, 9)
		g.op("VADDPS", 9, 9, 0)
		g.exp(0, 3)
		g.op("VADDPS", g.bits(one), 3, 3)
		g.op("VMOVUPS", g.c(2), 4)
		g.op("VDIVPS", 3, 4, 3)
		g.op("VMOVUPS", g.bits(one), 4)
		g.op("VSUBPS", 3, 4, 3)
		g.op("VMULPS", 9, 9, 4)
		g.horner(5, 4, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
		g.op("VMULPS", 4, 5, 5)
		g.op("VFMADD213PS", 9, 9, 5)
		g.blendIf(cmpLT, 9, g.c(0.625), 5, 3)
		g.op("VORPS", 8, 3, 3)
	})

	// As logf in Cephes: x = 2^e m with m between sqrt(1/2) and sqrt(2).
	g.routine("log", 'f', aF, 3, func() {
		g.op("VMOVUPS", 0, 4)
		g.op("VXORPS", 5, 5, 5)
		// Denormal numbers are scaled into the normal range.
		g.op("VMULPS", g.c(1<<25), 0, 6)
		g.blendIf(cmpLT, 0, g.bits(0x00800000), 6, 4)
		g.blendIf(cmpLT, 0, g.bits(0x00800000), g.c(25), 5)
		const half = 0x3f3504f3 // sqrt(1/2)
		g.op("VPADDD", g.bits(0x3f800000-half), 4, 4)
		g.op("VPSRAD", "$23", 4, 6)
		g.op("VPSUBD", g.bits(127), 6, 6)
		g.op("VCVTDQ2PS", 6, 6)
		g.op("VSUBPS", 5, 6, 6) // e
		g.op(g.pick("VPANDD", "VPAND"), g.bits(0x007fffff), 4, 4)
		g.op("VPADDD", g.bits(half), 4, 4)
		g.op("VSUBPS", g.bits(one), 4, 4) // m - 1
		g.op("VMULPS", 4, 4, 5)
		g.horner(3, 4, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
			-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
		g.op("VMULPS", 4, 3, 3)
		g.op("VMULPS", 5, 3, 3)
		g.op("VFMADD231PS", g.c(-2.12194440e-4), 6, 3)
		g.op("VFNMADD231PS", g.c(0.5), 5, 3)
		g.op("VADDPS", 4, 3, 3)
		g.op("VFMADD231PS", g.c(0.693359375), 6, 3)
		g.op("VXORPS", 5, 5, 5)
		g.blendIf(cmpEQ, 0, 5, g.bits(infBits|signBit), 3)
		g.blendIf(cmpEQ, 0, g.bits(infBits), 0, 3)
		g.blendIf(cmpLT, 0, 5, g.bits(nanBits), 3)
		g.blendIf(cmpUNORD, 0, 0, 0, 3)
	})

	// The rational approximation of the Eigen library: odd in x, on [-4, 4],
	// beyond which float32 cannot tell erf from 1.
	g.routine("erf", 'f', aF, 3, func() {
		g.op("VMOVUPS", g.c(4), 3)
		g.op("VMINPS", 0, 3, 0)
		g.op("VMOVUPS", g.c(-4), 3)
		g.op("VMAXPS", 0, 3, 0)
		g.op("VMULPS", 0, 0, 4)
		g.horner(3, 4, -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
			-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02)
		g.horner(5, 4, -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
			-1.42647390514189e-02)
		g.op("VDIVPS", 5, 3, 3)
		g.op("VMULPS", 0, 3, 3) // last, so that a small x stays exact
	})
}
