//go:build ignore

package main

import "fmt"

// packCopy512 copies k rows of n contiguous floats into a panel of nv vectors.
func packCopy512(nv int) {
	name := fmt.Sprintf("packCopy512x%d", nv*16)
	p("\n// func %s(dst, src *float32, stride, n, k int)", name)
	p("TEXT ·%s(SB), NOSPLIT, $0-40", name)
	p("\tMOVQ dst+0(FP), DI")
	p("\tMOVQ src+8(FP), SI")
	p("\tMOVQ stride+16(FP), R8")
	p("\tMOVQ n+24(FP), BX")
	p("\tMOVQ k+32(FP), CX")
	p("\tMOVL $-1, AX")
	p("\tBZHIL BX, AX, AX")
	p("\tKMOVW AX, K1")
	p("\tSHRL $16, AX")
	p("\tKMOVW AX, K2")
	p("\tTESTQ CX, CX")
	p("\tJZ done")
	p("loop:")
	for v := range nv {
		p("\tVMOVUPS.Z %d(SI), K%d, Z%d", 64*v, v+1, v)
	}
	for v := range nv {
		p("\tVMOVUPS Z%d, %d(DI)", v, 64*v)
	}
	p("\tADDQ R8, SI")
	p("\tADDQ $%d, DI", 64*nv)
	p("\tDECQ CX")
	p("\tJNZ loop")
	p("done:")
	p("\tVZEROUPPER")
	p("\tRET")
}

// packTrans turns 4*lanes rows into columns, four columns at a time. Lane L of
// register r holds row 4L+r, so one 4x4 transposition inside the lanes, eight
// shuffles, finishes four whole columns.
func packTrans(name string, lanes int) {
	reg := "Z"
	if lanes == 2 {
		reg = "Y"
	}
	p("\n// func %s(dst *float32, ldd int, src *float32, stride, k4 int)", name)
	p("TEXT ·%s(SB), NOSPLIT, $0-40", name)
	p("\tMOVQ dst+0(FP), DI")
	p("\tMOVQ ldd+8(FP), R9")
	p("\tMOVQ src+16(FP), SI")
	p("\tMOVQ stride+24(FP), R8")
	p("\tMOVQ k4+32(FP), CX")
	p("\tLEAQ (R8)(R8*2), R10")
	p("\tLEAQ (R9)(R9*2), R11")
	p("\tLEAQ (SI)(R8*4), R12")
	ptr := []string{"SI", "R12", "R13", "BX"}
	if lanes == 4 {
		p("\tLEAQ (R12)(R8*4), R13")
		p("\tLEAQ (R13)(R8*4), BX")
	}
	p("\tTESTQ CX, CX")
	p("\tJZ done")
	p("loop:")
	idx := []string{"", "(R8*1)", "(R8*2)", "(R10*1)"}
	for r := range 4 {
		p("\tVMOVUPS (%s)%s, X%d", ptr[0], idx[r], r)
		for l := 1; l < lanes; l++ {
			if lanes == 4 {
				p("\tVINSERTF32X4 $%d, (%s)%s, Z%d, Z%d", l, ptr[l], idx[r], r, r)
			} else {
				p("\tVINSERTF128 $1, (%s)%s, Y%d, Y%d", ptr[l], idx[r], r, r)
			}
		}
	}
	p("\tVUNPCKLPS %[1]s1, %[1]s0, %[1]s4", reg)
	p("\tVUNPCKHPS %[1]s1, %[1]s0, %[1]s5", reg)
	p("\tVUNPCKLPS %[1]s3, %[1]s2, %[1]s6", reg)
	p("\tVUNPCKHPS %[1]s3, %[1]s2, %[1]s7", reg)
	p("\tVUNPCKLPD %[1]s6, %[1]s4, %[1]s0", reg)
	p("\tVUNPCKHPD %[1]s6, %[1]s4, %[1]s1", reg)
	p("\tVUNPCKLPD %[1]s7, %[1]s5, %[1]s2", reg)
	p("\tVUNPCKHPD %[1]s7, %[1]s5, %[1]s3", reg)
	didx := []string{"", "(R9*1)", "(R9*2)", "(R11*1)"}
	for c := range 4 {
		p("\tVMOVUPS %s%d, (DI)%s", reg, c, didx[c])
	}
	p("\tLEAQ (DI)(R9*4), DI")
	for l := range lanes {
		p("\tADDQ $16, %s", ptr[l])
	}
	p("\tDECQ CX")
	p("\tJNZ loop")
	p("done:")
	p("\tVZEROUPPER")
	p("\tRET")
}
