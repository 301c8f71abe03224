// Package wgsl prints fused kernels as WebGPU shaders.
//
// The text depends on nothing but the kernel and the limits it must fit, so
// equal kernels are equal text and compile once. Sizes and strides are written
// as numbers: a step is compiled for one signature anyway, and the shader
// compiler makes better code of constants.
package wgsl

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// Shader is a kernel as WGSL, ready for a pipeline. Group 0 holds the
// kernel's buffers in order, group 1 the per-step scalars.
type Shader struct {
	Source    string
	Groups    [3]int // workgroups to dispatch
	Scalars   bool   // uses group 1
	ReadOnly  []bool // for each buffer: declared read, not read_write
	F16       bool   // needs the feature shader-f16
	Subgroups bool   // needs the feature subgroups
}

// Options tell the generator about the device.
type Options struct {
	Tile        TileLimits
	ScalarWords int // size of one step's scalars, in words
	// Arena[i] says that buffer i of the kernel lies in a buffer that others
	// write, so that it has to be declared read_write.
	Arena func(buf int) bool

	// Pick, if set, chooses the tiles of products instead of the table: for
	// measurements and tests.
	Pick func(*Matmul) Tile
}

//go:embed helpers.wgsl
var helperSource string

// helpers maps each function of helpers.wgsl to its text.
var helpers = func() map[string]string {
	m := map[string]string{}
	const begin, end = "\nfn ", "\n}\n"
	for _, text := range strings.Split("\n"+helperSource, begin)[1:] {
		name, _, _ := strings.Cut(text, "(")
		body, _, _ := strings.Cut(text, end)
		m[name] = begin[1:] + body + end
	}
	return m
}()

// writer prints one kernel.
type writer struct {
	k       *kernel.Kernel
	opt     Options
	decl    strings.Builder // workgroup memory
	body    strings.Builder
	helpers map[string]bool
	scalars bool
	vec4    []bool // buffer is declared as vec4s
	dims    []string
	done    []bool // values printed in an enclosing scope
	indent  int
	infs    bool
	f16     bool   // has buffers of f16
	wide    bool   // matmul: the program runs on columns in fours
	four    *lanes // while it is printed so
	tile    Tile   // of a product
}

func newWriter(k *kernel.Kernel, opt Options) *writer {
	w := &writer{k: k, opt: opt, helpers: map[string]bool{}, vec4: make([]bool, len(k.Bufs)),
		done: make([]bool, len(k.Vals)), indent: 1}
	for d := range k.Dims {
		w.dims = append(w.dims, fmt.Sprintf("i%d", d))
	}
	return w
}

// Generate prints kernel k.
func Generate(k *kernel.Kernel, opt Options) (*Shader, error) {
	w := newWriter(k, opt)
	var size, groups [3]int
	var err error
	switch k.Kind {
	case kernel.Map:
		size, groups = w.mapKernel()
	case kernel.Reduce:
		size, groups, err = w.reduceKernel()
	case kernel.MatMul:
		size, groups, err = w.matmulKernel()
	}
	if err != nil {
		return nil, err
	}
	s := &Shader{Groups: groups, Scalars: w.scalars}
	s.Source = w.assemble(s, size)
	s.F16, s.Subgroups = w.f16, w.tile.Quad
	return s, nil
}

// assemble puts declarations, helpers and the body together.
func (w *writer) assemble(s *Shader, size [3]int) string {
	var b strings.Builder
	for i, u := range w.k.Bufs {
		access := "read_write"
		readOnly := !u.Write && !w.opt.Arena(i)
		if readOnly {
			access = "read"
		}
		s.ReadOnly = append(s.ReadOnly, readOnly)
		elem := w.elemType(i)
		w.f16 = w.f16 || w.half(i)
		if w.vec4[i] {
			elem = "vec4<" + elem + ">"
		}
		fmt.Fprintf(&b, "@group(0) @binding(%d) var<storage, %s> b%d: array<%s>;\n", i, access, i, elem)
	}
	if w.scalars {
		fmt.Fprintf(&b, "@group(1) @binding(0) var<uniform> step: array<vec4<u32>, %d>;\n", (w.opt.ScalarWords+3)/4)
	}
	if w.infs {
		// A variable, because WGSL refuses constant expressions that are infinite.
		b.WriteString("var<private> inf_bits: u32 = 0x7f800000u;\n")
	}
	drop := w.opt.Tile.tuning().DropNaN
	for _, n := range w.called() {
		if e, ok := plain[n]; ok && drop {
			fmt.Fprintf(&b, "fn %s { return %s; }\n", e.head, e.body)
			continue
		}
		b.WriteString(helpers[n])
	}
	b.WriteString(w.decl.String())
	fmt.Fprintf(&b, "@compute @workgroup_size(%d, %d, %d)\n", size[0], size[1], size[2])
	fmt.Fprintf(&b, "fn main(%s) {\n", builtins(w.tile))
	b.WriteString(w.body.String())
	b.WriteString("}\n")
	return b.String()
}

// plain are the helpers that WGSL has functions for, as it has them: without a
// rule for what is not a number. See Tuning.DropNaN.
var plain = map[string]struct{ head, body string }{
	"weft_max":     {"weft_max(a: f32, b: f32) -> f32", "max(a, b)"},
	"weft_min":     {"weft_min(a: f32, b: f32) -> f32", "min(a, b)"},
	"weft_relu":    {"weft_relu(x: f32) -> f32", "max(x, 0.0)"},
	"weft_exp":     {"weft_exp(x: f32) -> f32", "exp(x)"},
	"weft_log":     {"weft_log(x: f32) -> f32", "log(x)"},
	"weft_sqrt":    {"weft_sqrt(x: f32) -> f32", "sqrt(x)"},
	"weft_rsqrt":   {"weft_rsqrt(x: f32) -> f32", "inverseSqrt(x)"},
	"weft_sigmoid": {"weft_sigmoid(x: f32) -> f32", "1.0 / (1.0 + exp(-x))"},
}

// called are the helpers that are used, and those that these use.
func (w *writer) called() []string {
	all := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if all[name] {
			return
		}
		all[name] = true
		for other := range helpers {
			if other != name && strings.Contains(helpers[name], other+"(") {
				add(other)
			}
		}
	}
	for n := range w.helpers {
		add(n)
	}
	return slices.Sorted(maps.Keys(all))
}

// half says that buffer i is declared as f16s: a temporary of mixed precision.
// Constants and variables of halves are read as the words that they lie in, which
// every device can.
func (w *writer) half(i int) bool {
	u := w.k.Bufs[i]
	return u.DType == ir.F16 && (u.Write || w.opt.Arena(i))
}

// elemType is the type of buffer i's elements.
func (w *writer) elemType(i int) string {
	if w.half(i) {
		return "f16"
	}
	return storageType(w.k.Bufs[i].DType)
}

func storageType(d ir.DType) string {
	switch d {
	case ir.F32:
		return "f32"
	case ir.I32:
		return "i32"
	}
	return "u32" // Bool as a word; bytes and halves packed
}

func valueType(d ir.DType) string {
	switch d {
	case ir.F32:
		return "f32"
	case ir.Bool:
		return "bool"
	}
	return "i32"
}

func (w *writer) line(format string, args ...any) {
	w.body.WriteString(strings.Repeat("  ", w.indent))
	fmt.Fprintf(&w.body, format, args...)
	w.body.WriteByte('\n')
}

func (w *writer) index(x kernel.Index) string {
	return x.Format(func(d int) string { return w.dims[d] }, w.name)
}

func (w *writer) name(v int) string {
	if w.four != nil && w.four.varies[v] {
		return fmt.Sprintf("v%d_%d", v, w.four.lane)
	}
	return "v" + strconv.Itoa(v)
}

// ref is how value v is written where it is used: constants in place.
func (w *writer) ref(v int) string {
	if u := &w.k.Vals[v]; u.Kind == kernel.Const {
		return w.literal(u.DType, u.Const)
	}
	return w.name(v)
}

func (w *writer) literal(dt ir.DType, x float64) string {
	switch dt {
	case ir.Bool:
		return strconv.FormatBool(x != 0)
	case ir.I32:
		if x == math.MinInt32 {
			return "(-2147483647 - 1)"
		}
		return fmt.Sprintf("%d", int32(x))
	}
	f := float32(x)
	switch {
	case math.IsInf(float64(f), 0) || f != f:
		w.infs = true
		inf := "bitcast<f32>(inf_bits)"
		switch {
		case f != f:
			return "(" + inf + " - " + inf + ")"
		case f < 0:
			return "(-" + inf + ")"
		}
		return inf
	}
	if f == 0 && math.Signbit(float64(f)) {
		// Of a constant, Tint loses the sign.
		w.infs = true
		return "bitcast<f32>(inf_bits << 8u)"
	}
	s := strconv.FormatFloat(float64(f), 'g', -1, 32) + "f"
	if math.Abs(x) >= math.MaxFloat32 {
		// The shortest decimal is above the largest number, which Tint refuses.
		s = strconv.FormatFloat(float64(f), 'x', -1, 32) + "f"
	}
	if math.Signbit(float64(f)) {
		return "(" + s + ")"
	}
	return s
}

// values prints the given values, in order, that are not yet in scope.
func (w *writer) values(vals []int) {
	for _, v := range vals {
		if !w.done[v] {
			w.done[v] = true
			w.value(v)
		}
	}
}

// scope prints an indented block whose values are forgotten afterwards.
func (w *writer) scope(head string, f func()) {
	saved := slices.Clone(w.done)
	w.line("%s {", head)
	w.indent++
	f()
	w.indent--
	w.line("}")
	w.done = saved
}

func (w *writer) value(i int) {
	v := &w.k.Vals[i]
	switch v.Kind {
	case kernel.Const, kernel.Result, kernel.Acc:
		return // in place, or declared by the loop
	case kernel.Scalar:
		w.scalars = true
		e := fmt.Sprintf("step[%d].%c", (v.N+1)/4, "xyzw"[(v.N+1)%4])
		w.line("let %s = bitcast<%s>(%s);", w.name(i), valueType(v.DType), e)
	case kernel.Elem:
		w.line("let %s = %s;", w.name(i), w.elem(v))
	default:
		w.valueAt(i, w.index(v.Index))
	}
}

// valueAt prints a value that is a function of index x.
func (w *writer) valueAt(i int, x string) {
	v := &w.k.Vals[i]
	switch v.Kind {
	case kernel.AsValue:
		w.line("let %s = i32(%s);", w.name(i), x)
	case kernel.InRange:
		w.line("let %s = (%s) >= 0 && (%s) < %d;", w.name(i), x, x, v.N)
	case kernel.Load:
		e := w.load(v, x)
		if v.Mask < 0 {
			w.line("let %s = %s;", w.name(i), e)
			return
		}
		w.line("var %s = %s(0);", w.name(i), valueType(v.DType))
		w.line("if (%s) { %s = %s; }", w.ref(v.Mask), w.name(i), e)
	}
}

func (w *writer) load(v *kernel.Val, x string) string {
	b := fmt.Sprintf("b%d", v.N)
	half := w.half(v.N)
	switch {
	case w.vec4[v.N] && half:
		return fmt.Sprintf("f32(%s[(%s) / 4][(%s) %% 4])", b, x, x)
	case w.vec4[v.N]:
		return fmt.Sprintf("%s[(%s) / 4][(%s) %% 4]", b, x, x)
	case half:
		return fmt.Sprintf("f32(%s[%s])", b, x)
	}
	switch w.k.Bufs[v.N].DType {
	case ir.Bool:
		return fmt.Sprintf("(%s[%s] != 0u)", b, x)
	case ir.U8:
		// No place is negative, and shifts of unsigned numbers are what a quotient of
		// signed ones costs many instructions to be.
		return fmt.Sprintf("i32((%s[u32(%s) >> 2u] >> ((u32(%s) & 3u) * 8u)) & 255u)", b, x, x)
	case ir.F16:
		return fmt.Sprintf("unpack2x16float(%s[u32(%s) >> 1u])[u32(%s) & 1u]", b, x, x)
	}
	return fmt.Sprintf("%s[%s]", b, x)
}

func (w *writer) elem(v *kernel.Val) string {
	from := w.k.Vals[v.Args[len(v.Args)-1]].DType
	if v.Op == ir.OpCast {
		a := w.ref(v.Args[0])
		switch {
		case v.DType == ir.Bool && from == ir.F32: // all but 0 and -0
			return fmt.Sprintf("((bitcast<u32>(%s) & 0x7fffffffu) != 0u)", a)
		case v.DType == ir.Bool:
			return fmt.Sprintf("(%s != 0)", a)
		case v.DType == ir.I32 && from == ir.F32:
			w.helpers["weft_int"] = true
			return fmt.Sprintf("weft_int(%s)", a)
		}
		return fmt.Sprintf("%s(%s)", valueType(v.DType), a)
	}
	if from == ir.F32 && len(v.Args) == 2 && v.Args[0] == v.Args[1] {
		// What a compiler that knows no NaN would take for true or for false.
		nan := fmt.Sprintf("weft_nan(%s)", w.ref(v.Args[0]))
		switch v.Op {
		case ir.OpEq, ir.OpLe:
			w.helpers["weft_nan"] = true
			return "(!" + nan + ")"
		case ir.OpNe:
			w.helpers["weft_nan"] = true
			return nan
		}
	}
	row := &ir.Table[v.Op]
	text := row.WGSL
	if from != ir.F32 && row.WGSLInt != "" {
		text = row.WGSLInt
	}
	if row.Helper != "" && strings.Contains(text, row.Helper) {
		w.helpers[row.Helper] = true
	}
	for i, a := range v.Args {
		text = strings.ReplaceAll(text, "$"+strconv.Itoa(i), w.ref(a))
	}
	return text
}

// store prints one store.
func (w *writer) store(st *kernel.Store) { w.storeAt(st, w.index(st.Index)) }

// storeAt prints a store to element x.
func (w *writer) storeAt(st *kernel.Store, x string) {
	if st.Ring > 0 {
		w.scalars = true
		x = fmt.Sprintf("i32(step[0].x) * %d + %s", st.Ring, x)
	}
	w.line("b%d[%s] = %s;", st.Buf, x, w.stored(st))
}

// stored is the value of a store in the buffer's type.
func (w *writer) stored(st *kernel.Store) string {
	u := w.k.Bufs[st.Buf]
	v := &w.k.Vals[st.Val]
	e := w.ref(st.Val)
	switch {
	case v.DType == ir.Bool:
		return fmt.Sprintf("select(%s(0), %s(1), %s)", storageType(u.DType), storageType(u.DType), e)
	case u.DType == ir.F16:
		w.helpers["weft_half"] = true
		return fmt.Sprintf("weft_half(%s)", e)
	case u.DType != v.DType:
		return fmt.Sprintf("bitcast<%s>(%s)", storageType(u.DType), e)
	}
	return e
}

// maxGroups is the most workgroups in one dimension of a dispatch.
const maxGroups = 65535

// spread arranges n workgroups in two dimensions and prints their number.
func (w *writer) spread(n int) (groups [3]int) {
	if n <= maxGroups {
		w.line("let group = i32(wid.x);")
		return [3]int{n, 1, 1}
	}
	x := 32768
	w.line("let group = i32(wid.y) * %d + i32(wid.x);", x)
	return [3]int{x, (n + x - 1) / x, 1}
}

// coordinates prints loop variables from..to of the row-major number in name,
// which is divided as u32: that is cheaper than with a sign.
func (w *writer) coordinates(from, to int, name string) {
	if to-from == 1 {
		w.line("let %s = %s;", w.dims[from], name)
		return
	}
	rest := "u32(" + name + ")"
	for d := to - 1; d >= from; d-- {
		n := w.k.Dims[d]
		switch {
		case d == from:
			w.line("let %s = i32(%s);", w.dims[d], rest)
		default:
			w.line("let %s = i32(%s %% %du);", w.dims[d], rest, n)
			rest = fmt.Sprintf("%s / %du", rest, n)
		}
	}
}

func (w *writer) mapKernel() (size, groups [3]int) {
	if w.fourWide() {
		return w.mapInFours()
	}
	n := w.k.OuterElems()
	size, groups = w.mapThreads(n, 1)
	w.coordinates(0, len(w.k.Dims), "at")
	for i := range w.k.Vals {
		w.values([]int{i})
	}
	for i := range w.k.Stores {
		w.store(&w.k.Stores[i])
	}
	return size, groups
}

// mapThreads gives each thread that many of n elements, from at on.
func (w *writer) mapThreads(n, each int) (size, groups [3]int) {
	threads, count := 64, n/each
	if n >= 1<<16 {
		threads = 256
	}
	total := (count + threads - 1) / threads
	groups = w.spread(total)
	if each == 1 {
		w.line("let at = group * %d + i32(lix);", threads)
	} else {
		w.line("let at = (group * %d + i32(lix)) * %d;", threads, each)
	}
	if count%threads != 0 || total > maxGroups {
		w.line("if (at >= %d) { return; }", n)
	}
	return [3]int{threads, 1, 1}, groups
}
