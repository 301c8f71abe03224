//go:build ignore

package main

import "fmt"

// windowArgs loads the arguments of a tile that reads windows in place.
func windowArgs(name string) {
	p("\n// func %s(k int, a *float32, off *int32, step int, b, c *float32, ldc, add int)", name)
	p("TEXT ·%s(SB), NOSPLIT, $0-64", name)
	p("\tMOVQ k+0(FP), CX")
	p("\tMOVQ a+8(FP), SI")
	p("\tMOVQ off+16(FP), R8")
	p("\tMOVQ step+24(FP), R12")
	p("\tMOVQ b+32(FP), DI")
	p("\tMOVQ c+40(FP), DX")
	p("\tMOVQ ldc+48(FP), R9")
	p("\tMOVQ add+56(FP), R15")
	p("\tLEAQ (R12)(R12*2), R13")
	p("\tLEAQ (R12)(R12*4), R10")
}

// windowTile multiplies mr rows, step bytes apart, whose elements for step k lie
// off[k] floats from the first row's, by a packed panel of two vectors. The
// addressing reaches five rows from one base register. Few rows have too few sums to
// hide the time that one addition takes: they have two of each, for every other k.
func windowTile(name string, mr int, reg string, bytes, b0 int) {
	windowArgs(name)
	sets := 1
	if mr <= 4 && mr*4 <= b0 {
		sets = 2
	}
	for i := range mr * 2 * sets {
		if reg == "Z" {
			p("\tVPXORD Z%d, Z%d, Z%d", i, i, i)
		} else {
			p("\tVXORPS Y%d, Y%d, Y%d", i, i, i)
		}
	}
	bases := []string{"AX", "R11", "R14"}[:(mr+4)/5]
	reach := []string{"", "(R12*1)", "(R12*2)", "(R13*1)", "(R12*4)"}
	step := func(set int) {
		p("\tMOVLQSX %d(R8), AX", 4*set)
		p("\tLEAQ (SI)(AX*4), AX")
		for i := 1; i < len(bases); i++ {
			p("\tLEAQ (%s)(R10*1), %s", bases[i-1], bases[i])
		}
		p("\tVMOVUPS %d(DI), %s%d", 2*bytes*set, reg, b0)
		p("\tVMOVUPS %d(DI), %s%d", 2*bytes*set+bytes, reg, b0+1)
		for r := range mr {
			t := b0 + 2 + r%2
			p("\tVBROADCASTSS (%s)%s, %s%d", bases[r/5], reach[r%5], reg, t)
			for v := range 2 {
				p("\tVFMADD231PS %[1]s%[2]d, %[1]s%[3]d, %[1]s%[4]d", reg, b0+v, t, 2*mr*set+r*2+v)
			}
		}
	}
	if sets == 2 {
		p("\tSUBQ $2, CX")
		p("\tJL odd")
		p("\tPCALIGN $32")
		p("pair:")
		step(0)
		step(1)
		p("\tADDQ $8, R8")
		p("\tADDQ $%d, DI", 4*bytes)
		p("\tSUBQ $2, CX")
		p("\tJGE pair")
		p("odd:")
		for i := range 2 * mr {
			p("\tVADDPS %[1]s%[2]d, %[1]s%[3]d, %[1]s%[3]d", reg, 2*mr+i, i)
		}
		p("\tADDQ $2, CX")
	}
	p("\tTESTQ CX, CX")
	p("\tJZ done")
	p("\tPCALIGN $32")
	p("loop:")
	step(0)
	p("\tADDQ $4, R8")
	p("\tADDQ $%d, DI", 2*bytes)
	p("\tDECQ CX")
	p("\tJNZ loop")
	p("done:")
	p("\tTESTQ R15, R15")
	p("\tJZ store")
	p("\tMOVQ DX, R11")
	for r := range mr {
		for v := range 2 {
			p("\tVADDPS %[1]d(R11), %[2]s%[3]d, %[2]s%[3]d", bytes*v, reg, r*2+v)
		}
		if r+1 < mr {
			p("\tADDQ R9, R11")
		}
	}
	p("store:")
	for r := range mr {
		for v := range 2 {
			p("\tVMOVUPS %s%d, %d(DX)", reg, r*2+v, bytes*v)
		}
		if r+1 < mr {
			p("\tADDQ R9, DX")
		}
	}
	p("\tVZEROUPPER")
	p("\tRET")
}

func windowTiles() {
	for mr := 1; mr <= 14; mr++ {
		windowTile(fmt.Sprintf("window512x%d", mr), mr, "Z", 64, 28)
	}
}

func windowTiles256() {
	for mr := 1; mr <= 6; mr++ {
		windowTile(fmt.Sprintf("window256x%d", mr), mr, "Y", 32, 12)
	}
}
