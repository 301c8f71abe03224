// Package simd holds the block primitives of the CPU backend's vector machine:
// one function per operation over slices of 4-byte values.
//
// A fused kernel is interpreted block by block, so the cost of dispatch is paid
// once per block and the arithmetic runs at vector speed inside. Each
// primitive exists in plain Go and, where the machine has it, as AVX-512, AVX2
// or NEON assembly; the best variant is chosen once, at start-up, and can be
// overridden with the environment variable WEFT_CPU. Apart from the
// transcendental functions every variant gives the same bits (a NaN result is
// a NaN in each, its payload is not specified).
package simd

import (
	"fmt"
	"math"
	"os"
	"strings"
)

var (
	posInf = float32(math.Inf(1))
	negInf = float32(math.Inf(-1))
)

// variant is one complete set of primitives.
type variant struct {
	name string

	add, sub, mul, div, max, min func(dst, a, b []float32)
	neg, abs, sqrt, recip, relu  func(dst, a []float32)
	exp, log, tanh, sigmoid, erf func(dst, a []float32)
	eq, ne, lt, le               func(dst []int32, a, b []float32)
	eqI, neI, ltI, leI           func(dst, a, b []int32)
	and, or                      func(dst, a, b []int32)
	not                          func(dst, a []int32)
	where                        func(dst []float32, c []int32, a, b []float32)
	addI, subI, mulI, maxI, minI func(dst, a, b []int32)
	u8ToF32                      func(dst []float32, src []byte)
	u8ToI32                      func(dst []int32, src []byte)
	i32ToF32                     func(dst []float32, src []int32)
	f32ToI32                     func(dst []int32, src []float32)
	f16ToF32                     func(dst []float32, src []uint16)
	fill                         func(dst []float32, s float32)
	sum, maxOf, minOf            func(a []float32) float32
	randUniform                  func(dst []float32, idx []int32, key0, key1 uint32)
	takeEvens, putEvens          func(dst, src *float32, length, rows, step int)
	double                       func(dst, src *float32, length int)
}

func plain() variant {
	return variant{
		name: "plain",
		add:  addPlain, sub: subPlain, mul: mulPlain, div: divPlain, max: maxPlain, min: minPlain,
		neg: negPlain, abs: absPlain, sqrt: sqrtPlain, recip: recipPlain, relu: reluPlain,
		exp: expPlain, log: logPlain, tanh: tanhPlain, sigmoid: sigmoidPlain, erf: erfPlain,
		eq: eqPlain, ne: nePlain, lt: ltPlain, le: lePlain,
		eqI: eqIPlain, neI: neIPlain, ltI: ltIPlain, leI: leIPlain,
		and: andPlain, or: orPlain, not: notPlain, where: wherePlain,
		addI: addIPlain, subI: subIPlain, mulI: mulIPlain, maxI: maxIPlain, minI: minIPlain,
		u8ToF32: u8ToF32Plain, u8ToI32: u8ToI32Plain,
		i32ToF32: i32ToF32Plain, f32ToI32: f32ToI32Plain, f16ToF32: f16ToF32Plain,
		takeEvens: takeEvensPlain, putEvens: putEvensPlain, double: doublePlain,
		fill: fillPlain,
		sum:  sumPlain, maxOf: maxOfPlain, minOf: minOfPlain,
		randUniform: randUniformPlain,
	}
}

// available lists the variants of this machine, best first; plain is last.
var available = append(machine(), plain())

var active, activeNote = choose(available, os.Getenv("WEFT_CPU"))

// choose picks the variant called want, or the best one with a note that says
// what is wrong with want.
func choose(vs []variant, want string) (variant, string) {
	if want == "" {
		return vs[0], ""
	}
	names := make([]string, len(vs))
	for i, v := range vs {
		if v.name == want {
			return v, ""
		}
		names[i] = v.name
	}
	return vs[0], fmt.Sprintf("WEFT_CPU=%q is not available on this machine; unset it or set it to one of: %s",
		want, strings.Join(names, ", "))
}

// Name is the active variant: "avx512", "avx2", "neon" or "plain".
func Name() string { return active.name }

// Variant describes the active variant for people: its name, and when WEFT_CPU
// asked for one that this machine lacks, why that was not followed.
func Variant() string {
	if activeNote != "" {
		return active.name + " (" + activeNote + ")"
	}
	return active.name
}
