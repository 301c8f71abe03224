//go:build ignore

// This program writes the x86 assembly of package simd, for AVX-512 and AVX2,
// the arm64 assembly for NEON, and their Go declarations. Each primitive is described once, by the
// instructions between the loads and the store; the loop around them and the
// masked last round are the same for all. The last, partial vector runs the
// same instructions as a full one, so an element's result cannot depend on its
// place in the block.
//
// Run it with go generate in the package's folder.
package main

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"os"
	"sort"
	"strings"
)

// gen is the state of one output file.
type gen struct {
	wide   bool // AVX-512; else AVX2
	out    bytes.Buffer
	decl   bytes.Buffer
	consts map[uint32]bool
	masked bool // inside the last, partial round
}

func (g *gen) p(format string, args ...any) { fmt.Fprintf(&g.out, "\t"+format+"\n", args...) }

func (g *gen) suffix() string {
	if g.wide {
		return "AVX512"
	}
	return "AVX2"
}

func (g *gen) lanes() int {
	if g.wide {
		return 16
	}
	return 8
}

// v is vector register i.
func (g *gen) v(i int) string {
	if g.wide {
		return fmt.Sprintf("Z%d", i)
	}
	return fmt.Sprintf("Y%d", i)
}

// op writes an instruction; int operands are vector registers, strings stay.
func (g *gen) op(name string, args ...any) {
	var s []string
	for _, a := range args {
		if i, ok := a.(int); ok {
			s = append(s, g.v(i))
		} else {
			s = append(s, a.(string))
		}
	}
	g.p("%s %s", name, strings.Join(s, ", "))
}

// c is a memory operand with every lane equal to x, bits the same for bits.
func (g *gen) c(x float64) string { return g.bits(math.Float32bits(float32(x))) }

func (g *gen) bits(b uint32) string {
	g.consts[b] = true
	return fmt.Sprintf("c%08x<>(SB)", b)
}

// pick chooses the instruction for the register width.
func (g *gen) pick(wide, narrow string) string {
	if g.wide {
		return wide
	}
	return narrow
}

// arg is one parameter after dst. Kinds: f float32 slice, i int32 slice,
// b bytes, h uint16 slice, and x a float32 scalar.
type arg struct {
	name string
	kind byte
}

var goType = map[byte]string{'f': "[]float32", 'i': "[]int32", 'b': "[]byte", 'h': "[]uint16", 'x': "float32"}

var pointers = []string{"SI", "DX", "R8"}

// routine writes one elementwise primitive. body computes register out from
// registers 0, 1, 2 that hold the arguments (a scalar is broadcast); it may use
// any register from 3 on, but not 15, the mask of AVX2.
func (g *gen) routine(name string, dst byte, args []arg, out int, body func()) {
	fn := name + g.suffix()
	sig := []string{"dst " + goType[dst]}
	for _, a := range args {
		sig = append(sig, a.name+" "+goType[a.kind])
	}
	fmt.Fprintf(&g.decl, "\n//go:noescape\nfunc %s(%s)\n", fn, strings.Join(sig, ", "))
	size, narrowSrc := 24, false
	for _, a := range args {
		size += 24
		if a.kind == 'x' {
			size -= 20
		}
		narrowSrc = narrowSrc || strings.IndexByte("bh", a.kind) >= 0
	}
	fmt.Fprintf(&g.out, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", fn, strings.Join(sig, ", "), fn, size)
	g.p("MOVQ dst_base+0(FP), DI")
	g.p("MOVQ dst_len+8(FP), CX")
	off := 24
	for i, a := range args {
		if a.kind == 'x' {
			g.p("VBROADCASTSS %s+%d(FP), %s", a.name, off, g.v(i))
			off += 4
			continue
		}
		g.p("MOVQ %s_base+%d(FP), %s", a.name, off, pointers[i])
		off += 24
	}
	g.p("XORQ AX, AX")
	g.p("MOVQ CX, BX")
	g.p("ANDQ $%d, BX", -g.lanes())
	g.p("JZ tail")
	fmt.Fprintln(&g.out, "loop:")
	round := func() {
		for i, a := range args {
			g.load(i, a.kind)
		}
		body()
		switch {
		case !g.masked:
			g.p("VMOVUPS %s, (DI)(AX*4)", g.v(out))
		case g.wide:
			g.p("VMOVUPS %s, K1, (DI)(AX*4)", g.v(out))
		default:
			g.p("VMASKMOVPS %s, Y15, (DI)(AX*4)", g.v(out))
		}
	}
	round()
	g.p("ADDQ $%d, AX", g.lanes())
	g.p("CMPQ AX, BX")
	g.p("JLT loop")
	fmt.Fprintln(&g.out, "tail:")
	if g.wide || !narrowSrc {
		g.p("SUBQ AX, CX")
		g.p("JZ done")
		g.tailMask()
		g.masked = true
		round()
		g.masked = false
		fmt.Fprintln(&g.out, "done:")
	}
	g.p("VZEROUPPER")
	g.p("RET")
}

// tailMask makes the mask of the first CX lanes.
func (g *gen) tailMask() {
	if g.wide {
		g.p("MOVL $-1, R9")
		g.p("BZHIL CX, R9, R9")
		g.p("KMOVW R9, K1")
		return
	}
	g.p("LEAQ laneMask<>+32(SB), R9")
	g.p("SHLQ $2, CX")
	g.p("SUBQ CX, R9")
	g.p("VMOVUPS (R9), Y15")
}

func (g *gen) load(i int, kind byte) {
	type form struct {
		name  string
		scale int
	}
	f, ok := map[byte]form{'f': {"VMOVUPS", 4}, 'i': {"VMOVUPS", 4}, 'b': {"VPMOVZXBD", 1},
		'h': {"VCVTPH2PS", 2}}[kind]
	switch {
	case !ok:
	case !g.masked:
		g.p("%s (%s)(AX*%d), %s", f.name, pointers[i], f.scale, g.v(i))
	case g.wide:
		g.p("%s.Z (%s)(AX*%d), K1, %s", f.name, pointers[i], f.scale, g.v(i))
	default:
		g.p("VMASKMOVPS (%s)(AX*4), Y15, %s", pointers[i], g.v(i))
	}
}

// blendIf sets register dst to a where cmp(x, y) holds, else leaves it. cmp is
// the predicate of VCMPPS; y may be a memory operand.
func (g *gen) blendIf(cmp int, x int, y any, a any, dst int) {
	if g.wide {
		g.op("VCMPPS", fmt.Sprintf("$%d", cmp), y, x, "K2")
		g.op("VMOVUPS", a, "K2", dst)
		return
	}
	g.op("VCMPPS", fmt.Sprintf("$%d", cmp), y, x, 14)
	g.op("VBLENDVPS", 14, a, dst, dst)
}

func main() {
	for _, wide := range []bool{true, false} {
		g := &gen{wide: wide, consts: map[uint32]bool{}}
		g.arithmetic()
		g.logic()
		g.conversions()
		g.transcendental()
		g.reductions()
		g.random()
		g.save()
	}
	n := &neon{}
	n.all()
	n.save()
}

func (g *gen) save() {
	var all bytes.Buffer
	fmt.Fprintf(&all, "// Code generated by gen; DO NOT EDIT.\n\n#include \"textflag.h\"\n")
	var keys []uint32
	for k := range g.consts {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	for _, k := range keys {
		fmt.Fprintln(&all)
		for i := range g.lanes() / 2 {
			fmt.Fprintf(&all, "DATA c%08x<>+%d(SB)/8, $0x%08x%08x\n", k, i*8, k, k)
		}
		fmt.Fprintf(&all, "GLOBL c%08x<>(SB), RODATA|NOPTR, $%d\n", k, g.lanes()*4)
	}
	if !g.wide {
		fmt.Fprintln(&all, "\n// Eight lanes on, eight lanes off.")
		for i := range 8 {
			fmt.Fprintf(&all, "DATA laneMask<>+%d(SB)/8, $%d\n", i*8, -(1 - i/4))
		}
		fmt.Fprintln(&all, "GLOBL laneMask<>(SB), RODATA|NOPTR, $64")
	}
	all.Write(g.out.Bytes())
	low := strings.ToLower(g.suffix())
	write("vec_"+low+"_amd64.s", all.Bytes())
	write("vec_"+low+"_amd64.go", append([]byte("// Code generated by gen; DO NOT EDIT.\n\npackage simd\n"), g.decl.Bytes()...))
}

func write(file string, data []byte) {
	if err := os.WriteFile(file, data, 0o644); err != nil {
		log.Fatal(err)
	}
}
