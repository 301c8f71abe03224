//go:build ignore

package main

import "fmt"

// gemv512 is one row of A times up to 128 columns of B in place: eight
// accumulators, so that whole cache lines of B stream by.
func gemv512() {
	p("\n// func gemv512(k int, a *float32, lda int, b *float32, ldb int, c *float32, n, add int)")
	p("TEXT ·gemv512(SB), NOSPLIT, $0-64")
	p("\tMOVQ k+0(FP), CX")
	p("\tMOVQ a+8(FP), SI")
	p("\tMOVQ lda+16(FP), R9")
	p("\tMOVQ b+24(FP), DI")
	p("\tMOVQ ldb+32(FP), R8")
	p("\tMOVQ c+40(FP), DX")
	p("\tMOVQ n+48(FP), BX")
	p("\tMOVQ $-1, AX")
	p("\tXORQ R12, R12")
	p("\tBZHIQ BX, AX, R10") // lanes 0..63
	p("\tSUBQ $64, BX")
	p("\tCMOVQLT R12, BX")
	p("\tBZHIQ BX, AX, R11") // lanes 64..127
	for v := range 8 {
		if v == 4 {
			p("\tMOVQ R11, R10")
		}
		if v < 7 {
			p("\tKMOVW R10, K%d", v+1)
			p("\tSHRQ $16, R10")
		}
	}
	// There are only seven usable mask registers: the eighth lane group keeps
	// its mask in R10 and takes turns in K1 with the first.
	p("\tKMOVW K1, R11")
	for v := range 8 {
		p("\tVPXORD Z%d, Z%d, Z%d", v, v, v)
	}
	p("\tTESTQ CX, CX")
	p("\tJZ done")
	p("\tCMPQ n+48(FP), $128")
	p("\tJNE loop")
	p("full:")
	p("\tVBROADCASTSS (SI), Z16")
	for v := range 8 {
		p("\tVFMADD231PS %d(DI), Z16, Z%d", 64*v, v)
	}
	p("\tADDQ R9, SI")
	p("\tADDQ R8, DI")
	p("\tDECQ CX")
	p("\tJNZ full")
	p("\tJMP done")
	p("loop:")
	p("\tVBROADCASTSS (SI), Z16")
	p("\tKMOVW R11, K1")
	for v := range 8 {
		k := v + 1
		if v == 7 {
			k = 1
			p("\tKMOVW R10, K1")
		}
		p("\tVMOVUPS.Z %d(DI), K%d, Z%d", 64*v, k, 8+v)
		p("\tVFMADD231PS Z%d, Z16, Z%d", 8+v, v)
	}
	p("\tADDQ R9, SI")
	p("\tADDQ R8, DI")
	p("\tDECQ CX")
	p("\tJNZ loop")
	p("done:")
	p("\tMOVQ add+56(FP), AX")
	p("\tTESTQ AX, AX")
	p("\tJZ store")
	p("\tKMOVW R11, K1")
	for v := range 8 {
		k := v + 1
		if v == 7 {
			k = 1
			p("\tKMOVW R10, K1")
		}
		p("\tVADDPS.Z %d(DX), Z%d, K%d, Z%d", 64*v, v, k, v)
	}
	p("store:")
	p("\tKMOVW R11, K1")
	for v := range 8 {
		k := v + 1
		if v == 7 {
			k = 1
			p("\tKMOVW R10, K1")
		}
		p("\tVMOVUPS Z%d, K%d, %d(DX)", v, k, 64*v)
	}
	p("\tVZEROUPPER")
	p("\tRET")
}

// dots is four inner products of one vector x with rows of y, ldy bytes apart.
// Each has two accumulators of a whole vector and a fixed tree at the end.
func dots(name string, wide bool) {
	w, reg := 16, "Z"
	if !wide {
		w, reg = 8, "Y"
	}
	p("\n// func %s(k int, x, y *float32, ldy int, out *[4]float32)", name)
	p("TEXT ·%s(SB), NOSPLIT, $0-40", name)
	p("\tMOVQ k+0(FP), CX")
	p("\tMOVQ x+8(FP), SI")
	p("\tMOVQ y+16(FP), DI")
	p("\tMOVQ ldy+24(FP), R8")
	p("\tMOVQ out+32(FP), DX")
	p("\tLEAQ (R8)(R8*2), R10")
	addr := []string{"(DI)", "(DI)(R8*1)", "(DI)(R8*2)", "(DI)(R10*1)"}
	for i := range 8 {
		p("\tVXORPS X%[1]d, X%[1]d, X%[1]d", i)
	}
	p("\tMOVQ CX, BX")
	p("\tSHRQ $%d, BX", map[int]int{16: 5, 8: 4}[w])
	p("\tJZ rest")
	p("loop:")
	for v := range 2 {
		p("\tVMOVUPS %d(SI), %s%d", 4*w*v, reg, 8+v)
	}
	for r := range 4 {
		for v := range 2 {
			p("\tVFMADD231PS %d%s, %s%d, %s%d", 4*w*v, addr[r], reg, 8+v, reg, 2*r+v)
		}
	}
	p("\tADDQ $%d, SI", 8*w)
	p("\tADDQ $%d, DI", 8*w)
	p("\tDECQ BX")
	p("\tJNZ loop")
	p("rest:")
	p("\tANDQ $%d, CX", 2*w-1)
	if wide {
		p("\tMOVL $-1, AX")
		p("\tBZHIL CX, AX, AX")
		p("\tKMOVW AX, K1")
		p("\tSHRL $16, AX")
		p("\tKMOVW AX, K2")
	} else {
		p("\tLEAQ dotMask<>+64(SB), AX")
		p("\tSHLQ $2, CX")
		p("\tSUBQ CX, AX")
		p("\tVMOVUPS (AX), Y12")
		p("\tVMOVUPS 32(AX), Y13")
	}
	masked := func(v int, addr string, dst int) {
		if wide {
			p("\tVMOVUPS.Z %d%s, K%d, Z%d", 4*w*v, addr, v+1, dst)
		} else {
			p("\tVMASKMOVPS %d%s, Y%d, Y%d", 4*w*v, addr, 12+v, dst)
		}
	}
	for v := range 2 {
		masked(v, "(SI)", 8+v)
		for r := range 4 {
			masked(v, addr[r], 10)
			p("\tVFMADD231PS %s10, %s%d, %s%d", reg, reg, 8+v, reg, 2*r+v)
		}
	}
	for r := range 4 {
		a, b := 2*r, 2*r+1
		p("\tVADDPS %[1]s%[3]d, %[1]s%[2]d, %[1]s%[2]d", reg, a, b)
		if wide {
			p("\tVEXTRACTF32X8 $1, Z%d, Y%d", a, b)
			p("\tVADDPS Y%d, Y%d, Y%d", b, a, a)
		}
		p("\tVEXTRACTF128 $1, Y%d, X%d", a, b)
		p("\tVADDPS X%d, X%d, X%d", b, a, a)
		p("\tVMOVHLPS X%d, X%d, X%d", a, a, b)
		p("\tVADDPS X%d, X%d, X%d", b, a, a)
		p("\tVMOVSHDUP X%d, X%d", a, b)
		p("\tVADDSS X%d, X%d, X%d", b, a, a)
		p("\tVMOVSS X%d, %d(DX)", a, 4*r)
	}
	p("\tVZEROUPPER")
	p("\tRET")
	if !wide {
		p("\n// Sixteen lanes on, sixteen lanes off.")
		for i := range 16 {
			p("DATA dotMask<>+%d(SB)/8, $%d", 8*i, -(1 - i/8))
		}
		p("GLOBL dotMask<>(SB), RODATA|NOPTR, $128")
	}
}

// gemv256 is one row of A times 8*nv columns of B, all of them.
func gemv256(nv int) {
	name := fmt.Sprintf("gemv256x%d", 8*nv)
	p("\n// func %s(k int, a *float32, lda int, b *float32, ldb int, c *float32, add int)", name)
	p("TEXT ·%s(SB), NOSPLIT, $0-56", name)
	p("\tMOVQ k+0(FP), CX")
	p("\tMOVQ a+8(FP), SI")
	p("\tMOVQ lda+16(FP), R9")
	p("\tMOVQ b+24(FP), DI")
	p("\tMOVQ ldb+32(FP), R8")
	p("\tMOVQ c+40(FP), DX")
	p("\tMOVQ add+48(FP), AX")
	for v := range nv {
		p("\tVXORPS Y%d, Y%d, Y%d", v, v, v)
	}
	p("\tTESTQ CX, CX")
	p("\tJZ done")
	p("loop:")
	p("\tVBROADCASTSS (SI), Y8")
	for v := range nv {
		p("\tVFMADD231PS %d(DI), Y8, Y%d", 32*v, v)
	}
	p("\tADDQ R9, SI")
	p("\tADDQ R8, DI")
	p("\tDECQ CX")
	p("\tJNZ loop")
	p("done:")
	p("\tTESTQ AX, AX")
	p("\tJZ store")
	for v := range nv {
		p("\tVADDPS %d(DX), Y%d, Y%d", 32*v, v, v)
	}
	p("store:")
	for v := range nv {
		p("\tVMOVUPS Y%d, %d(DX)", v, 32*v)
	}
	p("\tVZEROUPPER")
	p("\tRET")
}

// word writes an arm64 vector instruction that the assembler lacks.
func word(name string, op uint32, d, n, m int) {
	p("\tWORD $%#x // %s V%d.4S, V%d.4S, V%d.4S", op|uint32(m)<<16|uint32(n)<<5|uint32(d), name, d, n, m)
}

const (
	fadd  = 0x4E20D400
	faddp = 0x6E20D400 // pairwise
)

// gemvNEON is one row of A times 4*nv columns of B, all of them.
func gemvNEON(nv int) {
	name := fmt.Sprintf("gemvNEONx%d", 4*nv)
	p("\n// func %s(k int, a *float32, lda int, b *float32, ldb int, c *float32, add int)", name)
	p("TEXT ·%s(SB), NOSPLIT, $0-56", name)
	p("\tMOVD k+0(FP), R0")
	p("\tMOVD a+8(FP), R1")
	p("\tMOVD lda+16(FP), R2")
	p("\tMOVD b+24(FP), R3")
	p("\tMOVD ldb+32(FP), R4")
	p("\tMOVD c+40(FP), R5")
	p("\tMOVD add+48(FP), R6")
	load := func(ptr string, first int) {
		p("\tMOVD %s, R7", ptr)
		for v := 0; v < nv; v += 4 {
			if nv == 1 {
				p("\tVLD1 (R7), [V%d.S4]", first)
			} else {
				p("\tVLD1.P 64(R7), [V%d.S4, V%d.S4, V%d.S4, V%d.S4]", first+v, first+v+1, first+v+2, first+v+3)
			}
		}
	}
	for v := range nv {
		p("\tVEOR V%d.B16, V%d.B16, V%d.B16", v, v, v)
	}
	p("\tCBZ R0, done")
	p("loop:")
	p("\tVLD1R (R1), [V31.S4]")
	load("R3", 16)
	for v := range nv {
		p("\tVFMLA V31.S4, V%d.S4, V%d.S4", 16+v, v)
	}
	p("\tADD R2, R1")
	p("\tADD R4, R3")
	p("\tSUBS $1, R0, R0")
	p("\tBNE loop")
	p("done:")
	p("\tCBZ R6, store")
	load("R5", 16)
	for v := range nv {
		word("FADD", fadd, v, v, 16+v)
	}
	p("store:")
	for v := 0; v < nv; v += 4 {
		if nv == 1 {
			p("\tVST1 [V0.S4], (R5)")
		} else {
			p("\tVST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(R5)", v, v+1, v+2, v+3)
		}
	}
	p("\tRET")
}

// dotsNEON is as dots, for a k that is a multiple of 8.
func dotsNEON() {
	p("\n// func dotsNEON(k int, x, y *float32, ldy int, out *[4]float32)")
	p("TEXT ·dotsNEON(SB), NOSPLIT, $0-40")
	p("\tMOVD k+0(FP), R0")
	p("\tMOVD x+8(FP), R1")
	p("\tMOVD y+16(FP), R2")
	p("\tMOVD ldy+24(FP), R3")
	p("\tMOVD out+32(FP), R4")
	p("\tADD R3, R2, R5")
	p("\tADD R3, R5, R6")
	p("\tADD R3, R6, R7")
	for v := range 8 {
		p("\tVEOR V%d.B16, V%d.B16, V%d.B16", v, v, v)
	}
	p("\tLSR $3, R0")
	p("\tCBZ R0, done")
	p("loop:")
	p("\tVLD1.P 32(R1), [V16.S4, V17.S4]")
	for r, reg := range []string{"R2", "R5", "R6", "R7"} {
		p("\tVLD1.P 32(%s), [V%d.S4, V%d.S4]", reg, 18+2*r, 19+2*r)
		for v := range 2 {
			p("\tVFMLA V%d.S4, V%d.S4, V%d.S4", 16+v, 18+2*r+v, 2*r+v)
		}
	}
	p("\tSUBS $1, R0, R0")
	p("\tBNE loop")
	p("done:")
	for r := range 4 {
		word("FADD", fadd, 2*r, 2*r, 2*r+1)
	}
	word("FADDP", faddp, 0, 0, 2)
	word("FADDP", faddp, 4, 4, 6)
	word("FADDP", faddp, 0, 0, 4)
	p("\tVST1 [V0.S4], (R4)")
	p("\tRET")
}
