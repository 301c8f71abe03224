//go:build ignore

package main

import (
	"bytes"
	"fmt"
	"math"
)

// neon writes the arm64 assembly. Go's assembler knows few of the vector
// floating-point instructions, so they are encoded here; each comment gives
// the instruction in the notation of the Arm manual. The routines take whole
// vectors of four only; their Go callers deal with the rest.
type neon struct {
	out, decl bytes.Buffer
}

// Encodings with all register fields zero: Rm at bit 16, Rn at 5, Rd at 0.
var neonOps = map[string]uint32{
	"FADD": 0x4E20D400, "FSUB": 0x4EA0D400, "FMUL": 0x6E20DC00, "FDIV": 0x6E20FC00,
	"FMLA": 0x4E20CC00, "FMLS": 0x4EA0CC00, "FMAX": 0x4E20F400, "FMIN": 0x4EA0F400,
	"FCMGT": 0x6EA0E400, "FCMGE": 0x6E20E400, "FCMEQ": 0x4E20E400,
	"ADD": 0x4EA08400, "SUB": 0x6EA08400, "MUL": 0x4EA09C00, "SMAX": 0x4EA06400, "SMIN": 0x4EA06C00,
	"CMGT": 0x4EA03400, "CMGE": 0x4EA03C00, "CMEQ": 0x6EA08C00,
	"AND": 0x4E201C00, "ORR": 0x4EA01C00, "EOR": 0x6E201C00, "BIC": 0x4E601C00, "ORN": 0x4EE01C00, "BSL": 0x6E601C00,
}

// The same with one operand: Rn and Rd. Shifts carry their count.
var neonUnary = map[string]uint32{
	"FSQRT": 0x6EA1F800, "FNEG": 0x6EA0F800, "FABS": 0x4EA0F800, "FRINTN": 0x4E218800,
	"FCVTZS": 0x4EA1B800, "FCVTNS": 0x4E21A800, "SCVTF": 0x4E21D800, "NOT": 0x6E205800,
	"FCMLT0": 0x4EA0E800, "CMEQ0": 0x4EA09800,
	"USHR31": 0x6F210400, "SSHR1": 0x4F3F0400, "SSHR23": 0x4F290400, "SHL23": 0x4F375400,
}

func (g *neon) p(format string, args ...any) { fmt.Fprintf(&g.out, "\t"+format+"\n", args...) }

// op is dst = n op m (for BSL, dst is the mask; for FMLA, the sum).
func (g *neon) op(name string, d, n, m int) {
	w, ok := neonOps[name]
	if !ok {
		panic(name)
	}
	g.p("WORD $%#x // %s V%d, V%d, V%d", w|uint32(m)<<16|uint32(n)<<5|uint32(d), name, d, n, m)
}

func (g *neon) un(name string, d, n int) {
	w, ok := neonUnary[name]
	if !ok {
		panic(name)
	}
	g.p("WORD $%#x // %s V%d, V%d", w|uint32(n)<<5|uint32(d), name, d, n)
}

// bits fills register d with a constant.
func (g *neon) bits(d int, b uint32) {
	g.p("MOVW $%#x, R9", b)
	g.p("VDUP R9, V%d.S4", d)
}

func (g *neon) c(d int, x float64) { g.bits(d, math.Float32bits(float32(x))) }

// routine is one primitive. body computes register 12+j from registers j, 4+j
// and 8+j; registers from 16 on are free, 16+j, 20+j, 24+j and 28+j only if
// four vectors go at a time.
func (g *neon) routine(name string, dst byte, args []arg, four bool, body func(j int)) {
	fn := name + "NEON"
	sig := "dst " + goType[dst]
	size := 24
	for _, a := range args {
		sig += ", " + a.name + " " + goType[a.kind]
		size += 24
	}
	fmt.Fprintf(&g.decl, "\n//go:noescape\nfunc %s(%s)\n", fn, sig)
	fmt.Fprintf(&g.out, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", fn, sig, fn, size)
	g.p("MOVD dst_base+0(FP), R0")
	g.p("MOVD dst_len+8(FP), R4")
	off := 24
	for i, a := range args {
		g.p("MOVD %s_base+%d(FP), R%d", a.name, off, i+1)
		off += 24
	}
	if four {
		g.p("LSR $4, R4, R5")
		g.p("CBZ R5, rest")
		fmt.Fprintln(&g.out, "loop:")
		for i := range args {
			g.p("VLD1.P 64(R%d), [V%d.S4, V%d.S4, V%d.S4, V%d.S4]", i+1, 4*i, 4*i+1, 4*i+2, 4*i+3)
		}
		for j := range 4 {
			body(j)
		}
		g.p("VST1.P [V12.S4, V13.S4, V14.S4, V15.S4], 64(R0)")
		g.p("SUBS $1, R5, R5")
		g.p("BNE loop")
		fmt.Fprintln(&g.out, "rest:")
		g.p("AND $15, R4")
	}
	g.p("LSR $2, R4")
	g.p("CBZ R4, done")
	fmt.Fprintln(&g.out, "single:")
	for i := range args {
		g.p("VLD1.P 16(R%d), [V%d.S4]", i+1, 4*i)
	}
	body(0)
	g.p("VST1.P [V12.S4], 16(R0)")
	g.p("SUBS $1, R4, R4")
	g.p("BNE single")
	fmt.Fprintln(&g.out, "done:")
	g.p("RET")
}

func (g *neon) all() {
	bin := func(name, op string, kind byte, args []arg) {
		g.routine(name, kind, args, true, func(j int) { g.op(op, 12+j, j, 4+j) })
	}
	bin("add", "FADD", 'f', ab)
	bin("sub", "FSUB", 'f', ab)
	bin("mul", "FMUL", 'f', ab)
	bin("div", "FDIV", 'f', ab)
	bin("addI", "ADD", 'i', abI)
	bin("subI", "SUB", 'i', abI)
	bin("mulI", "MUL", 'i', abI)
	bin("maxI", "SMAX", 'i', abI)
	bin("minI", "SMIN", 'i', abI)
	bin("and", "AND", 'i', abI)
	bin("or", "ORR", 'i', abI)
	// a where a > b or a is NaN, else b, as max1 in plain Go.
	g.routine("max", 'f', ab, true, func(j int) {
		g.op("FCMGT", 12+j, j, 4+j)
		g.op("FCMEQ", 16+j, j, j)
		g.op("ORN", 12+j, 12+j, 16+j)
		g.op("BSL", 12+j, j, 4+j)
	})
	g.routine("min", 'f', ab, true, func(j int) {
		g.op("FCMGT", 12+j, 4+j, j)
		g.op("FCMEQ", 16+j, j, j)
		g.op("ORN", 12+j, 12+j, 16+j)
		g.op("BSL", 12+j, j, 4+j)
	})
	for _, o := range [][2]string{{"neg", "FNEG"}, {"abs", "FABS"}, {"sqrt", "FSQRT"}} {
		g.routine(o[0], 'f', aF, true, func(j int) { g.un(o[1], 12+j, j) })
	}
	g.routine("recip", 'f', aF, true, func(j int) {
		g.bits(16+j, one)
		g.op("FDIV", 12+j, 16+j, j)
	})
	g.routine("relu", 'f', aF, true, func(j int) {
		g.un("FCMLT0", 16+j, j)
		g.op("BIC", 12+j, j, 16+j)
	})
	cmp := func(name, op string, args []arg, swap, not bool) {
		g.routine(name, 'i', args, true, func(j int) {
			if swap {
				g.op(op, 12+j, 4+j, j)
			} else {
				g.op(op, 12+j, j, 4+j)
			}
			if not {
				g.un("NOT", 12+j, 12+j)
			}
			g.un("USHR31", 12+j, 12+j)
		})
	}
	cmp("eq", "FCMEQ", ab, false, false)
	cmp("ne", "FCMEQ", ab, false, true)
	cmp("lt", "FCMGT", ab, true, false)
	cmp("le", "FCMGE", ab, true, false)
	cmp("eqI", "CMEQ", abI, false, false)
	cmp("neI", "CMEQ", abI, false, true)
	cmp("ltI", "CMGT", abI, true, false)
	cmp("leI", "CMGE", abI, true, false)
	g.routine("where", 'f', []arg{{"c", 'i'}, {"a", 'f'}, {"b", 'f'}}, true, func(j int) {
		g.un("CMEQ0", 12+j, j)
		g.op("BSL", 12+j, 8+j, 4+j)
	})
	g.routine("i32ToF32", 'f', []arg{{"src", 'i'}}, true, func(j int) { g.un("SCVTF", 12+j, j) })
	// FCVTZS saturates and turns NaN into 0 by itself.
	g.routine("f32ToI32", 'i', []arg{{"src", 'f'}}, true, func(j int) { g.un("FCVTZS", 12+j, j) })
	g.functions()
	g.sum()
}

// horner leaves the polynomial at x in register y; y+1 is a scratch register
// that takes turns with it.
func (g *neon) horner(y, x int, cs ...float64) {
	if len(cs)%2 == 0 {
		// The turns must end in y.
		g.c(y+1, cs[0])
	} else {
		g.c(y, cs[0])
	}
	for i, c := range cs[1:] {
		from, to := y, y+1
		if (len(cs)-2-i)%2 == 0 {
			from, to = y+1, y
		}
		g.c(to, c)
		g.op("FMLA", to, from, x)
	}
}

// exp sets register 12 to e^V16, as on x86; it uses 16 to 21.
func (g *neon) exp() {
	g.c(17, 89)
	g.op("FMIN", 16, 16, 17)
	g.c(17, -104)
	g.op("FMAX", 16, 16, 17)
	g.c(17, math.Log2E)
	g.op("FMUL", 17, 16, 17)
	g.un("FRINTN", 17, 17) // n
	g.c(18, 0.693359375)
	g.op("FMLS", 16, 17, 18)
	g.c(18, -2.12194440e-4)
	g.op("FMLS", 16, 17, 18) // r
	g.horner(20, 16, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
	g.op("FMUL", 18, 16, 16)
	g.op("FMLA", 16, 20, 18)
	g.bits(18, one)
	g.op("FADD", 12, 16, 18)
	g.un("FCVTNS", 17, 17)
	g.un("SSHR1", 18, 17)
	g.op("SUB", 17, 17, 18)
	g.bits(19, 127)
	for _, r := range []int{18, 17} {
		g.op("ADD", r, r, 19)
		g.un("SHL23", r, r)
		g.op("FMUL", 12, 12, r)
	}
}

// set puts a into register 12 where the mask in m is set.
func (g *neon) set(m, a int) {
	g.op("BSL", m, a, 12)
	g.op("ORR", 12, m, m)
}

func (g *neon) functions() {
	g.routine("exp", 'f', aF, false, func(int) {
		g.op("ORR", 16, 0, 0)
		g.exp()
	})
	g.routine("sigmoid", 'f', aF, false, func(int) {
		g.un("FABS", 16, 0)
		g.un("FNEG", 16, 16)
		g.exp()
		g.bits(16, one)
		g.op("FADD", 17, 12, 16)
		g.un("FCMLT0", 18, 0)
		g.op("BSL", 18, 12, 16)
		g.op("FDIV", 12, 18, 17)
	})
	g.routine("tanh", 'f', aF, false, func(int) {
		g.un("FABS", 22, 0)
		g.op("FADD", 16, 22, 22)
		g.exp()
		g.bits(16, one)
		g.op("FADD", 12, 12, 16)
		g.c(17, 2)
		g.op("FDIV", 12, 17, 12)
		g.op("FSUB", 12, 16, 12)
		g.op("FMUL", 16, 22, 22)
		g.horner(20, 16, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
		g.op("FMUL", 20, 20, 16)
		g.op("ORR", 17, 22, 22)
		g.op("FMLA", 17, 20, 22)
		g.c(18, 0.625)
		g.op("FCMGT", 18, 18, 22)
		g.set(18, 17)
		g.bits(18, signBit)
		g.op("AND", 18, 18, 0)
		g.op("ORR", 12, 12, 18)
	})
	g.routine("log", 'f', aF, false, func(int) {
		const half = 0x3f3504f3 // sqrt(1/2)
		g.c(16, 1<<25)
		g.op("FMUL", 16, 16, 0)
		g.bits(17, 0x00800000)
		g.op("FCMGT", 17, 17, 0)
		g.c(18, 25)
		g.op("AND", 18, 18, 17)
		g.op("BSL", 17, 16, 0) // x, denormals scaled
		g.bits(16, 0x3f800000-half)
		g.op("ADD", 17, 17, 16)
		g.un("SSHR23", 16, 17)
		g.bits(19, 127)
		g.op("SUB", 16, 16, 19)
		g.un("SCVTF", 16, 16)
		g.op("FSUB", 16, 16, 18) // e
		g.bits(18, 0x007fffff)
		g.op("AND", 17, 17, 18)
		g.bits(18, half)
		g.op("ADD", 17, 17, 18)
		g.bits(18, one)
		g.op("FSUB", 17, 17, 18) // m - 1
		g.op("FMUL", 18, 17, 17)
		g.horner(20, 17, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
			-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
		g.op("FMUL", 12, 20, 17)
		g.op("FMUL", 12, 12, 18)
		g.c(19, -2.12194440e-4)
		g.op("FMLA", 12, 16, 19)
		g.c(19, 0.5)
		g.op("FMLS", 12, 18, 19)
		g.op("FADD", 12, 12, 17)
		g.c(19, 0.693359375)
		g.op("FMLA", 12, 16, 19)
		g.un("FNEG", 18, 0)
		g.bits(17, infBits)
		g.op("FCMEQ", 16, 0, 17)
		g.set(16, 0)
		g.un("FNEG", 17, 17)
		g.op("EOR", 19, 19, 19)
		g.op("FCMEQ", 16, 0, 19)
		g.set(16, 17)
		g.bits(17, nanBits)
		g.un("FCMLT0", 16, 0)
		g.set(16, 17)
		g.op("FCMEQ", 16, 0, 0)
		g.un("NOT", 16, 16)
		g.set(16, 0)
	})
	g.routine("erf", 'f', aF, false, func(int) {
		g.c(16, 4)
		g.op("FMIN", 0, 0, 16)
		g.un("FNEG", 16, 16)
		g.op("FMAX", 0, 0, 16)
		g.op("FMUL", 16, 0, 0)
		g.horner(20, 16, -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
			-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02)
		g.horner(22, 16, -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
			-1.42647390514189e-02)
		g.op("FDIV", 12, 20, 22)
		g.op("FMUL", 12, 12, 0)
	})
}

// sum adds whole groups of 64 elements to the 64 lanes in acc.
func (g *neon) sum() {
	fmt.Fprintf(&g.decl, "\n//go:noescape\nfunc sumNEON(acc *[64]float32, a []float32)\n")
	fmt.Fprintf(&g.out, "\n// func sumNEON(acc *[64]float32, a []float32)\nTEXT ·sumNEON(SB), NOSPLIT, $0-32\n")
	g.p("MOVD acc+0(FP), R0")
	g.p("MOVD a_base+8(FP), R1")
	g.p("MOVD a_len+16(FP), R4")
	for i := range 16 {
		g.op("EOR", i, i, i)
	}
	g.p("LSR $6, R4")
	g.p("CBZ R4, done")
	fmt.Fprintln(&g.out, "loop:")
	for q := range 4 {
		g.p("VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]")
		for j := range 4 {
			g.op("FADD", 4*q+j, 4*q+j, 16+j)
		}
	}
	g.p("SUBS $1, R4, R4")
	g.p("BNE loop")
	fmt.Fprintln(&g.out, "done:")
	for q := range 4 {
		g.p("VST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(R0)", 4*q, 4*q+1, 4*q+2, 4*q+3)
	}
	g.p("RET")
}

func (g *neon) save() {
	head := "// Code generated by gen; DO NOT EDIT.\n\n"
	write("vec_neon_arm64.s", append([]byte(head+"#include \"textflag.h\"\n"), g.out.Bytes()...))
	write("vec_neon_arm64.go", append([]byte(head+"package simd\n"), g.decl.Bytes()...))
}
