//go:build ignore

package main

var (
	ab  = []arg{{"a", 'f'}, {"b", 'f'}}
	abI = []arg{{"a", 'i'}, {"b", 'i'}}
	aF  = []arg{{"a", 'f'}}
)

const (
	signBit = 0x80000000
	expMask = 0x7f800000
	nanBits = 0x7fc00000
	infBits = 0x7f800000
	one     = 0x3f800000

	// Predicates of VCMPPS.
	cmpEQ, cmpLT, cmpLE, cmpUNORD, cmpNE, cmpORD, cmpGE = 0, 1, 2, 3, 4, 7, 13
)

func (g *gen) arithmetic() {
	bin := func(name, instr string) {
		g.routine(name, 'f', ab, 0, func() { g.op(instr, 1, 0, 0) })
	}
	bin("add", "VADDPS")
	bin("sub", "VSUBPS")
	bin("mul", "VMULPS")
	bin("div", "VDIVPS")
	// MAXPS gives its second operand where either is NaN, so only a NaN in the
	// first one needs care.
	g.routine("max", 'f', ab, 2, func() {
		g.op("VMAXPS", 1, 0, 2)
		g.blendIf(cmpUNORD, 0, 0, 0, 2)
	})
	g.routine("min", 'f', ab, 2, func() {
		g.op("VMINPS", 1, 0, 2)
		g.blendIf(cmpUNORD, 0, 0, 0, 2)
	})
	g.routine("neg", 'f', aF, 0, func() { g.op("VXORPS", g.bits(signBit), 0, 0) })
	g.routine("abs", 'f', aF, 0, func() { g.op("VANDPS", g.bits(^uint32(signBit)), 0, 0) })
	g.routine("sqrt", 'f', aF, 0, func() { g.op("VSQRTPS", 0, 0) })
	g.routine("recip", 'f', aF, 0, func() {
		g.op("VMOVUPS", g.bits(one), 3)
		g.op("VDIVPS", 0, 3, 0)
	})
	g.routine("relu", 'f', aF, 0, func() {
		g.op("VXORPS", 3, 3, 3)
		g.op("VMAXPS", 0, 3, 0)
	})
	for _, o := range [][2]string{{"addI", "VPADDD"}, {"subI", "VPSUBD"}, {"mulI", "VPMULLD"},
		{"maxI", "VPMAXSD"}, {"minI", "VPMINSD"}} {
		g.routine(o[0], 'i', abI, 0, func() { g.op(o[1], 1, 0, 0) })
	}
	g.routine("fill", 'f', []arg{{"s", 'x'}}, 0, func() {})
}

func (g *gen) logic() {
	cmpF := func(name string, pred int) {
		g.routine(name, 'i', ab, 2, func() {
			if g.wide {
				g.op("VCMPPS", imm(pred), 1, 0, "K2")
				g.op("VMOVDQU32.Z", g.bits(1), "K2", 2)
				return
			}
			g.op("VCMPPS", imm(pred), 1, 0, 2)
			g.op("VPSRLD", "$31", 2, 2)
		})
	}
	cmpF("eq", cmpEQ)
	cmpF("ne", cmpNE)
	cmpF("lt", cmpLT)
	cmpF("le", cmpLE)
	// AVX2 compares integers for = and > only: ne and le are complements.
	cmpI := func(name string, pred int, instr string, swap, not bool) {
		g.routine(name, 'i', abI, 2, func() {
			if g.wide {
				g.op("VPCMPD", imm(pred), 1, 0, "K2")
				g.op("VMOVDQU32.Z", g.bits(1), "K2", 2)
				return
			}
			if swap {
				g.op(instr, 0, 1, 2)
			} else {
				g.op(instr, 1, 0, 2)
			}
			g.op("VPSRLD", "$31", 2, 2)
			if not {
				g.op("VPXOR", g.bits(1), 2, 2)
			}
		})
	}
	cmpI("eqI", cmpEQ, "VPCMPEQD", false, false)
	cmpI("neI", cmpNE, "VPCMPEQD", false, true)
	cmpI("ltI", cmpLT, "VPCMPGTD", true, false)
	cmpI("leI", cmpLE, "VPCMPGTD", false, true)
	for _, o := range [][3]string{{"and", "VPANDD", "VPAND"}, {"or", "VPORD", "VPOR"}} {
		g.routine(o[0], 'i', abI, 0, func() { g.op(g.pick(o[1], o[2]), 1, 0, 0) })
	}
	g.routine("not", 'i', []arg{{"a", 'i'}}, 0, func() { g.op(g.pick("VPXORD", "VPXOR"), g.bits(1), 0, 0) })
	g.routine("where", 'f', []arg{{"c", 'i'}, {"a", 'f'}, {"b", 'f'}}, 2, func() {
		if g.wide {
			g.op("VPTESTMD", 0, 0, "K2")
			g.op("VMOVDQU32", 1, "K2", 2)
			return
		}
		g.op("VPXOR", 3, 3, 3)
		g.op("VPCMPEQD", 3, 0, 3)
		g.op("VBLENDVPS", 3, 2, 1, 2)
	})
}

func (g *gen) conversions() {
	g.routine("u8ToF32", 'f', []arg{{"src", 'b'}}, 0, func() { g.op("VCVTDQ2PS", 0, 0) })
	g.routine("u8ToI32", 'i', []arg{{"src", 'b'}}, 0, func() {})
	g.routine("f16ToF32", 'f', []arg{{"src", 'h'}}, 0, func() {})
	g.routine("i32ToF32", 'f', []arg{{"src", 'i'}}, 0, func() { g.op("VCVTDQ2PS", 0, 0) })
	// The instruction gives 0x80000000 for all that does not fit.
	g.routine("f32ToI32", 'i', []arg{{"src", 'f'}}, 2, func() {
		g.op("VCVTTPS2DQ", 0, 2)
		if g.wide {
			g.op("VCMPPS", imm(cmpGE), g.c(1<<31), 0, "K2")
			g.op("VMOVDQU32", g.bits(0x7fffffff), "K2", 2)
			g.op("VCMPPS", imm(cmpORD), 0, 0, "K2")
			g.op("VMOVDQU32.Z", 2, "K2", 2)
			return
		}
		g.op("VCMPPS", imm(cmpGE), g.c(1<<31), 0, 3)
		g.op("VPXOR", 3, 2, 2)
		g.op("VCMPPS", imm(cmpORD), 0, 0, 3)
		g.op("VPAND", 3, 2, 2)
	})
}
