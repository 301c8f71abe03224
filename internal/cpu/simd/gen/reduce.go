//go:build ignore

package main

import "fmt"

func (g *gen) reductionHead(name string) {
	fn := name + g.suffix()
	fmt.Fprintf(&g.decl, "\n//go:noescape\nfunc %s(a []float32) float32\n", fn)
	fmt.Fprintf(&g.out, "\n// func %s(a []float32) float32\nTEXT ·%s(SB), NOSPLIT, $0-28\n", fn, fn)
	g.p("MOVQ a_base+0(FP), SI")
	g.p("MOVQ a_len+8(FP), CX")
}

// fold reduces register 0 to its lowest lane: lanes 8 apart, 4 apart, 2, 1.
func (g *gen) fold(instr string) {
	if g.wide {
		g.p("VEXTRACTF32X8 $1, Z0, Y1")
		g.p("%s Y1, Y0, Y0", instr)
	}
	g.p("VEXTRACTF128 $1, Y0, X1")
	g.p("%s X1, X0, X0", instr)
	g.p("VMOVHLPS X0, X0, X1")
	g.p("%s X1, X0, X0", instr)
	g.p("VMOVSHDUP X0, X1")
	g.p("%s X1, X0, X0", instr)
}

// reductions: a sum has 64 lanes whatever the register width; a maximum does
// not depend on the order, so two accumulators do.
func (g *gen) reductions() {
	g.reductionHead("sum")
	acc := 64 / g.lanes()
	for i := range acc {
		g.op(g.pick("VPXORD", "VXORPS"), i, i, i)
	}
	g.p("MOVQ CX, BX")
	g.p("SHRQ $6, BX")
	g.p("JZ rest")
	fmt.Fprintln(&g.out, "loop:")
	for i := range acc {
		g.p("VADDPS %d(SI), %s, %s", i*g.lanes()*4, g.v(i), g.v(i))
	}
	g.p("ADDQ $256, SI")
	g.p("DECQ BX")
	g.p("JNZ loop")
	fmt.Fprintln(&g.out, "rest:")
	g.p("ANDQ $63, CX")
	for i := range acc {
		g.p("CMPQ CX, $%d", g.lanes())
		g.p("JLT last%d", i)
		g.p("VADDPS (SI), %s, %s", g.v(i), g.v(i))
		g.p("ADDQ $%d, SI", g.lanes()*4)
		g.p("SUBQ $%d, CX", g.lanes())
	}
	g.p("JMP tree")
	for i := range acc {
		fmt.Fprintf(&g.out, "last%d:\n", i)
		g.tailMask()
		g.loadMasked(14)
		g.p("VADDPS %s, %s, %s", g.v(14), g.v(i), g.v(i))
		g.p("JMP tree")
	}
	fmt.Fprintln(&g.out, "tree:")
	for w := acc / 2; w > 0; w /= 2 {
		for i := range w {
			g.op("VADDPS", i+w, i, i)
		}
	}
	g.fold("VADDPS")
	g.p("VMOVSS X0, ret+24(FP)")
	g.p("VZEROUPPER")
	g.p("RET")

	g.extreme("maxOf", "VMAXPS", infBits|signBit)
	g.extreme("minOf", "VMINPS", infBits)
}

func (g *gen) loadMasked(r int) {
	if g.wide {
		g.p("VMOVUPS.Z (SI), K1, %s", g.v(r))
	} else {
		g.p("VMASKMOVPS (SI), Y15, %s", g.v(r))
	}
}

// extreme is a maximum or minimum. The instruction drops a NaN in its first
// operand, so NaN is noted on the side: a sum of x*0 would do for NaN but not
// for infinity, hence a comparison.
func (g *gen) extreme(name, instr string, start uint32) {
	g.reductionHead(name)
	g.op("VMOVUPS", g.bits(start), 0)
	g.op(g.pick("VPXORD", "VXORPS"), 2, 2, 2)
	if g.wide {
		g.p("KXORW K3, K3, K3")
	}
	round := func() {
		g.op(instr, 1, 0, 0)
		if g.wide {
			g.op("VCMPPS", imm(cmpUNORD), 1, 1, "K2")
			g.p("KORW K2, K3, K3")
		} else {
			g.op("VCMPPS", imm(cmpUNORD), 1, 1, 3)
			g.op("VORPS", 3, 2, 2)
		}
	}
	g.p("MOVQ CX, BX")
	g.p("ANDQ $%d, BX", -g.lanes())
	g.p("JZ tail")
	g.p("SUBQ BX, CX")
	fmt.Fprintln(&g.out, "loop:")
	g.op("VMOVUPS", "(SI)", 1)
	round()
	g.p("ADDQ $%d, SI", g.lanes()*4)
	g.p("SUBQ $%d, BX", g.lanes())
	g.p("JNZ loop")
	fmt.Fprintln(&g.out, "tail:")
	g.p("TESTQ CX, CX")
	g.p("JZ fold")
	g.tailMask()
	if g.wide {
		g.op("VMOVUPS", g.bits(start), 1)
		g.p("VMOVUPS (SI), K1, Z1")
	} else {
		g.loadMasked(1)
		g.op("VMOVUPS", g.bits(start), 4)
		g.op("VBLENDVPS", 15, 1, 4, 1)
	}
	round()
	fmt.Fprintln(&g.out, "fold:")
	g.fold(instr)
	if g.wide {
		g.p("KORTESTW K3, K3")
	} else {
		g.p("VMOVMSKPS Y2, AX")
		g.p("TESTL AX, AX")
	}
	g.p("JZ done")
	g.p("VMOVSS %s, X0", g.bits(nanBits))
	fmt.Fprintln(&g.out, "done:")
	g.p("VMOVSS X0, ret+24(FP)")
	g.p("VZEROUPPER")
	g.p("RET")
}

// random is Philox2x32-10 on a vector of counters. The 64-bit products exist
// for even lanes only, so the odd ones are shifted down and take their turn.
func (g *gen) random() {
	const m, w = 0xD256D193, 0x9E3779B9
	g.routineRandom(func() {
		xor := g.pick("VPXORD", "VPXOR")
		g.op("VMOVUPS", 10, 4) // key1 is the second word of the counter
		g.op("VMOVUPS", 11, 5) // key0
		for r := range 10 {
			g.op("VPSRLQ", "$32", 0, 6)
			g.op("VPMULUDQ", g.bits(m), 0, 7)
			g.op("VPMULUDQ", g.bits(m), 6, 6)
			// hi: high words of 7 in even lanes, of 6 in odd lanes; lo likewise.
			g.op("VPSRLQ", "$32", 7, 8)
			g.op("VPSLLQ", "$32", 6, 9)
			if g.wide {
				g.op("VMOVDQU32", 6, "K3", 8)
				g.op("VMOVDQU32", 9, "K3", 7)
			} else {
				g.op("VPBLENDD", "$0xaa", 6, 8, 8)
				g.op("VPBLENDD", "$0xaa", 9, 7, 7)
			}
			g.op(xor, 5, 8, 8)
			g.op(xor, 4, 8, 0)
			g.op("VMOVUPS", 7, 4)
			if r < 9 {
				g.op("VPADDD", g.bits(w), 5, 5)
			}
		}
		g.op("VPSRLD", "$8", 0, 0)
		g.op("VCVTDQ2PS", 0, 0)
		g.op("VMULPS", g.c(0x1p-24), 0, 0)
	})
}

func (g *gen) routineRandom(body func()) {
	fn := "randUniform" + g.suffix()
	sig := "dst []float32, idx []int32, key0, key1 uint32"
	fmt.Fprintf(&g.decl, "\n//go:noescape\nfunc %s(%s)\n", fn, sig)
	fmt.Fprintf(&g.out, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-56\n", fn, sig, fn)
	g.p("MOVQ dst_base+0(FP), DI")
	g.p("MOVQ dst_len+8(FP), CX")
	g.p("MOVQ idx_base+24(FP), SI")
	g.p("VBROADCASTSS key0+48(FP), %s", g.v(11))
	g.p("VBROADCASTSS key1+52(FP), %s", g.v(10))
	if g.wide {
		g.p("MOVL $0xaaaa, AX")
		g.p("KMOVW AX, K3")
	}
	g.p("XORQ AX, AX")
	g.p("MOVQ CX, BX")
	g.p("ANDQ $%d, BX", -g.lanes())
	g.p("JZ tail")
	fmt.Fprintln(&g.out, "loop:")
	g.load(0, 'i')
	body()
	g.p("VMOVUPS %s, (DI)(AX*4)", g.v(0))
	g.p("ADDQ $%d, AX", g.lanes())
	g.p("CMPQ AX, BX")
	g.p("JLT loop")
	fmt.Fprintln(&g.out, "tail:")
	g.p("SUBQ AX, CX")
	g.p("JZ done")
	g.tailMask()
	g.masked = true
	g.load(0, 'i')
	g.masked = false
	body()
	if g.wide {
		g.p("VMOVUPS Z0, K1, (DI)(AX*4)")
	} else {
		g.p("VMASKMOVPS Y0, Y15, (DI)(AX*4)")
	}
	fmt.Fprintln(&g.out, "done:")
	g.p("VZEROUPPER")
	g.p("RET")
}
