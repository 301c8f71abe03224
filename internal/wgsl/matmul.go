package wgsl

// Matrix multiplication as a template: C[b,m,n] = sum over k of A[b,m,k] B[b,k,n].
//
// The caller says how an element of A and of B is read and what becomes of a
// finished sum; the template supplies the loop nest between. Transposed operands
// are a matter of strides, so the backward pass needs no transposes in memory,
// and prologues (gather, cast, normalise) and epilogues (bias, activation,
// residual) are fused by being part of Load and Store.
//
// There are five loop nests. The shared one (matmul_shared.go) stages blocks of A
// and B in workgroup memory, where the threads of a workgroup share them: for
// large products on GPUs. The direct one (matmul_direct.go) reads global memory
// straight into registers, for small products, where a workgroup splits the sum
// over k among its threads because there are too few outputs to keep a GPU busy.
// The windows (matmul_window.go) and the taps (matmul_taps.go) are for convolutions,
// and the strips (matmul_strip.go) for software adapters. matmul_table.go chooses.
//
// Sums have a fixed order for a given tile, so results repeat bit for bit. Code
// is emitted unrolled with one variable for each value that lives in a register:
// arrays indexed in loops may end up in memory.

import (
	"fmt"
	"strings"
)

// MatmulOperand says how to read A or B. The place of an element is a sum: an
// offset for its row, one for its column, one for its batch. Threads keep their
// rows and columns, so those offsets are computed once, and what is left in the
// loop over k is one offset for each k and an addition for each element; that is
// what makes the windows of a convolution as cheap to read as a matrix.
type MatmulOperand struct {
	// Load returns a scalar f32 WGSL expression of the element at a place.
	Load func(place string) string

	// Contig says along which index elements are adjacent in memory, so that
	// threads can be laid out to read adjacent ones: 0 column, 1 row, -1 neither.
	Contig int

	// Vec4, if not empty, names an array<vec4<f32>> binding over the same memory,
	// which is then read instead of calling Load. Then places along the contiguous
	// index are adjacent within aligned fours, and all else is divisible by 4.
	Vec4 string
	Half bool // Vec4 is an array<vec4<f16>>

	// Element (b, row, col) is number Offset + b*BatchStride + row*RowStride +
	// col*ColStride, except that Batch, Row and Col replace their products.
	Offset, BatchStride, RowStride, ColStride int
	Batch                                     func(b string) string
	Row, Col                                  *Walk

	Window *Window // B, if its columns are the windows of images
	Taps   *Window // B, if its rows are pixels and its columns their windows' taps
}

// Walk is an offset as a function of one index.
type Walk struct {
	At func(x string) string // u32 expression of the offset at x, a u32 expression
	// Four says that the offsets of four indices from a multiple of four on are
	// Step apart.
	Four bool
	Step int
	// Deltas are the offsets of n indices from a multiple of n on, less that of the
	// first, or nil if they differ from place to place.
	Deltas func(n int) []int
}

// Matmul is one product to generate code for.
type Matmul struct {
	Batch, M, N, K int // Batch 0 is 1
	A, B           MatmulOperand

	// Store returns statements that apply the epilogue to acc and store it at
	// batch b, row m, column n (u32 expressions). width is 1, acc an f32; or, only
	// if StoreWidth is 4 and N is a multiple of 4, width is 4 and acc a vec4<f32>
	// for columns n to n+3, n a multiple of 4. acc is an identifier.
	Store      func(width int, acc, b, m, n string) string
	StoreWidth int

	// StoreStrip, which may be nil, does what Store does for columns n to n+width-1,
	// whose sums are acc(0) to acc(width-1). Only strips use it.
	StoreStrip func(width int, acc func(col int) string, b, m, n string) string

	Tile Tile

	MaxTerms int    // turns of the loop over k from which on it goes in blocks; 0 is the usual
	sumName  string // of the sums of the loop that is being printed
}

// Tile says how a product is cut up. One workgroup computes BM x BN outputs, one
// thread TM x TN of them.
type Tile struct {
	BM, BN int
	TM, TN int
	SplitK int // threads of a workgroup that share the sum of an output; 0 is 1
	Unroll int // steps of k written out in the innermost loop; 0 is the default

	Strip  bool // compute strips, for software adapters; Unroll is set
	Quad   bool // strip: subgroups of four threads share what they read of B
	Shared bool // stage blocks of A and B in workgroup memory
	BK     int  // shared: depth of a block along k
	Stages int  // shared: blocks in flight, 1 or 2; 0 is 2

	Window bool // keep parts of images in workgroup memory; BK is in channels
	TW     int  // window: adjacent pixels of a thread, which has TN/TW rows of them
	Taps   bool // a thread has all taps of a channel; BK is in rows of pixels
}

func (t Tile) String() string {
	s := fmt.Sprintf("%dx%d/%dx%d", t.BM, t.BN, t.TM, t.TN)
	switch {
	case t.Shared:
		s += fmt.Sprintf(" bk%d st%d", t.BK, t.Stages)
	case t.Quad:
		s += " quad strip"
	case t.Strip:
		s += " strip"
	case t.Window:
		s += fmt.Sprintf(" window w%d c%d", t.TW, t.BK)
	case t.Taps:
		s += fmt.Sprintf(" taps r%d", t.BK)
	default:
		s += " direct"
	}
	if t.SplitK > 1 {
		s += fmt.Sprintf(" k%d", t.SplitK)
	}
	if t.Unroll > 0 {
		s += fmt.Sprintf(" u%d", t.Unroll)
	}
	return s
}

// threads of a workgroup.
func (t Tile) threads() int { return t.BM / t.TM * (t.BN / t.TN) * max(t.SplitK, 1) }

// TileLimits are what a tile must fit into.
type TileLimits struct {
	WorkgroupStorage int  // bytes
	Invocations      int  // threads of a workgroup
	Software         bool // the adapter runs on the CPU
	Quads            bool // subgroups have four threads, and kernels may use them
	Tuning           *Tuning
}

// Check says why a tile cannot be used for this product under these limits.
func (m *Matmul) Check(lim TileLimits) error {
	t := m.Tile
	if m.M <= 0 || m.N <= 0 || m.K <= 0 || m.Batch < 0 {
		return fmt.Errorf("wgsl: matmul %dx%dx%d (batch %d): sizes must be positive", m.M, m.N, m.K, m.Batch)
	}
	if t.TM <= 0 || t.TN <= 0 || t.BM <= 0 || t.BN <= 0 || t.BM%t.TM != 0 || t.BN%t.TN != 0 {
		return fmt.Errorf("wgsl: matmul tile %v: a workgroup's tile must be whole threads' tiles", t)
	}
	split := max(t.SplitK, 1)
	if t.Shared {
		if t.TM%4 != 0 || t.TN%4 != 0 || t.BK <= 0 || t.BK%4 != 0 || t.BK%split != 0 {
			return fmt.Errorf("wgsl: matmul tile %v: shared tiles want TM, TN, BK in fours and BK divisible by SplitK", t)
		}
	}
	if t.Strip {
		if t.Unroll <= 0 || split > 1 || t.Shared || m.M%t.TM != 0 || m.N%t.TN != 0 || m.K%t.Unroll != 0 {
			return fmt.Errorf("wgsl: matmul tile %v: strips want M, N and K in whole threads' tiles and chunks", t)
		}
		if a, b := m.stripSides(); a == nil || b == nil {
			return fmt.Errorf("wgsl: matmul tile %v: operands are not regular enough for strips", t)
		}
	}
	if t.Quad && (!t.Strip || !lim.Quads || t.BN != t.TN || t.BM/t.TM%4 != 0 || m.M%t.BM != 0) {
		return fmt.Errorf("wgsl: matmul tile %v: quads want subgroups of four, and workgroups of one strip of columns and rows of whole fours of threads", t)
	}
	if t.Window {
		if err := m.checkWindow(); err != nil {
			return err
		}
	}
	if t.Taps {
		if err := m.checkTaps(); err != nil {
			return err
		}
	}
	if n := t.threads(); n > lim.Invocations {
		return fmt.Errorf("wgsl: matmul tile %v: %d threads, the device allows %d", t, n, lim.Invocations)
	}
	if n := m.sharedBytes(); n > lim.WorkgroupStorage {
		return fmt.Errorf("wgsl: matmul tile %v: %d bytes of workgroup memory, the device allows %d", t, n, lim.WorkgroupStorage)
	}
	return nil
}

func (m *Matmul) sharedBytes() int {
	t := m.Tile
	switch {
	case t.Shared:
		return 16 * sharedVecs(t)
	case t.Window:
		weights, pixels := m.windowVecs()
		return 16 * (weights + pixels)
	case t.Taps:
		a, b := m.tapsVecs()
		return 16 * (a + b)
	}
	return 4 * directFloats(t)
}

// Body generates the code: declarations at module scope (workgroup arrays), the
// body of a compute entry point whose builtins are named as in the parameters
// returned by builtins, the workgroup size and the number of workgroups. Names it declares begin with mm_. The tile must pass
// Check.
func (m *Matmul) Body() (decls, body string, workgroup, dispatch [3]int) {
	w := &mmWriter{depth: 1}
	dispatch = m.place(w)
	switch {
	case m.Tile.Shared:
		decls = m.shared(w)
	case m.Tile.Strip:
		m.strip(w)
	case m.Tile.Window:
		decls = m.window(w)
	case m.Tile.Taps:
		decls = m.taps(w)
	default:
		decls = m.direct(w)
	}
	return decls, w.String(), [3]int{m.Tile.threads(), 1, 1}, dispatch
}

// builtins are the parameters of a kernel's entry point.
func builtins(t Tile) string {
	s := "@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32"
	if t.Quad {
		s += ", @builtin(subgroup_invocation_id) mm_lane: u32"
	}
	return s
}

// place declares mm_b, and mm_m0 and mm_n0, the tile's first row and column, and
// returns the number of workgroups.
func (m *Matmul) place(w *mmWriter) (dispatch [3]int) {
	n := m.N
	if m.Tile.Window {
		s := m.windowShape()
		n = s.pixels()
	}
	tilesM, tilesN, batch := (m.M+m.Tile.BM-1)/m.Tile.BM, (n+m.Tile.BN-1)/m.Tile.BN, max(m.Batch, 1)
	x, y, z := "wid.x", "wid.y", "wid.z"
	dispatch = [3]int{tilesN, tilesM, batch}
	if total := tilesM * tilesN * batch; max(tilesM, tilesN, batch) > maxGroups {
		// More than a dispatch has in one direction: numbered through, and dealt out
		// over two. Whole workgroups return, so that barriers stay uniform.
		const row = 32768
		dispatch = [3]int{row, (total + row - 1) / row, 1}
		w.line("let mm_wg = wid.y * %du + wid.x;", row)
		if total%row != 0 {
			w.line("if (mm_wg >= %du) { return; }", total)
		}
		x, y, z = fmt.Sprintf("(mm_wg %% %du)", tilesN), fmt.Sprintf("(mm_wg / %du %% %du)", tilesN, tilesM), fmt.Sprintf("(mm_wg / %du)", tilesN*tilesM)
	}
	if batch == 1 {
		z = "0u"
	}
	w.line("let mm_b = %s;", z)
	w.line("let mm_m0 = %s * %du;", y, m.Tile.BM)
	w.line("let mm_n0 = %s * %du;", x, m.Tile.BN)
	return dispatch
}

// mmSide is A or B seen alike: an outer index (m or n) and k.
type mmSide struct {
	op     *MatmulOperand
	name   string // "a" or "b", in names of variables
	outer  int    // extent of the outer index
	k      int
	tile   int  // the workgroup's extent of the outer index
	isA    bool // rows are the outer index
	alongK bool // elements adjacent along k
	vec    bool // Vec4 can be read
}

func (m *Matmul) sides() [2]mmSide {
	a := mmSide{op: &m.A, name: "a", outer: m.M, k: m.K, tile: m.Tile.BM, isA: true, alongK: m.A.Contig == 0}
	b := mmSide{op: &m.B, name: "b", outer: m.N, k: m.K, tile: m.Tile.BN, alongK: m.B.Contig == 1}
	for _, s := range []*mmSide{&a, &b} {
		extent := s.outer
		if s.alongK {
			extent = s.k
		}
		// A vec4 may not reach past the matrix: what lies there need not be ours.
		s.vec = s.op.Vec4 != "" && s.op.Contig >= 0 && extent%4 == 0
	}
	return [2]mmSide{a, b}
}

// walk is the offset along the outer index, or along k.
func (s *mmSide) walk(outer bool) Walk {
	walk, stride := s.op.Col, s.op.ColStride
	if outer == s.isA {
		walk, stride = s.op.Row, s.op.RowStride
	}
	if walk != nil {
		return *walk
	}
	deltas := func(n int) []int {
		d := make([]int, n)
		for j := range d {
			d[j] = j * stride
		}
		return d
	}
	return Walk{At: func(x string) string { return times(x, stride) }, Four: true, Step: stride, Deltas: deltas}
}

// times is the expression x*n.
func times(x string, n int) string {
	switch n {
	case 0:
		return "0u"
	case 1:
		return x
	}
	return fmt.Sprintf("(%s) * %du", x, n)
}

// base is the offset of the batch element's first element.
func (s *mmSide) base() string {
	e := ""
	switch {
	case s.op.Batch != nil:
		e = s.op.Batch("mm_b") + " + "
	case s.op.BatchStride != 0:
		e = times("mm_b", s.op.BatchStride) + " + "
	}
	return fmt.Sprintf("%s%du", e, s.op.Offset)
}

// outerOffsets gives the variables named by name(0) to name(n-1) the places of n
// outer indices from base on, at k = 0. Indices beyond the matrix are clamped if
// guard says that there may be some: what comes of them is not stored. declare is
// "let " unless the variables exist.
func (s *mmSide) outerOffsets(w *mmWriter, declare, base string, n int, guard bool, name func(j int) string) {
	walk, first := s.walk(true), s.base()
	for j := range n {
		if walk.Four && !guard && j%4 != 0 && n%4 == 0 {
			w.line("%s%s = %s + %du;", declare, name(j), name(j/4*4), j%4*walk.Step)
			continue
		}
		x := fmt.Sprintf("%s + %du", base, j)
		if guard {
			x = fmt.Sprintf("min(%s, %du)", x, s.outer-1)
		}
		w.line("%s%s = %s + %s;", declare, name(j), first, walk.At(x))
	}
}

// kOffsets declares the variables name(0) to name(3) as the offsets of four steps
// of k from base on, a multiple of four.
func (s *mmSide) kOffsets(w *mmWriter, base string, guard bool, name func(j int) string) {
	walk := s.walk(false)
	for j := range 4 {
		if walk.Four && !guard && j > 0 {
			w.line("let %s = %s + %du;", name(j), name(0), j*walk.Step)
			continue
		}
		x := fmt.Sprintf("%s + %du", base, j)
		if guard {
			x = fmt.Sprintf("min(%s, %du)", x, s.k-1)
		}
		w.line("let %s = %s;", name(j), walk.At(x))
	}
}

// scalar is the expression of the element at the sum of two offsets.
func (s *mmSide) scalar(outer, k string) string { return s.op.Load(outer + " + " + k) }

// vec4 is the expression of the four elements from the sum of two offsets on.
func (s *mmSide) vec4(outer, k string) string {
	e := fmt.Sprintf("%s[(%s + %s) >> 2u]", s.op.Vec4, outer, k)
	if s.op.Half {
		return "vec4<f32>(" + e + ")"
	}
	return e
}

// fma is acc + x*y as one operation where that is what hardware does.
func (m *Matmul) fma(x, y, acc string) string {
	return fmt.Sprintf("fma(%s, %s, %s)", x, y, acc)
}

// store emits the stores of a register of four columns or one. guardM and guardN
// say whether the row and the column may lie outside the matrix.
func (m *Matmul) store(w *mmWriter, width int, acc, row, col string, guardM, guardN bool) {
	wide := width == 4 && m.StoreWidth == 4 && m.N%4 == 0
	w.line("{")
	w.depth++
	w.line("let mm_m = %s;", row)
	w.line("let mm_n = %s;", col)
	var conds []string
	if guardM {
		conds = append(conds, fmt.Sprintf("mm_m < %du", m.M))
	}
	if guardN && (wide || width == 1) {
		conds = append(conds, fmt.Sprintf("mm_n < %du", m.N))
	}
	if len(conds) > 0 {
		w.line("if (%s) {", strings.Join(conds, " && "))
		w.depth++
	}
	switch {
	case wide:
		w.line("let mm_v = %s;", acc)
		w.text(m.Store(4, "mm_v", "mm_b", "mm_m", "mm_n"))
	case width == 4:
		for c := range 4 {
			w.line("{")
			w.depth++
			w.line("let mm_v = %s.%c;", acc, "xyzw"[c])
			w.line("let mm_nc = mm_n + %du;", c)
			if guardN {
				w.line("if (mm_nc < %du) {", m.N)
				w.depth++
			}
			w.text(m.Store(1, "mm_v", "mm_b", "mm_m", "mm_nc"))
			if guardN {
				w.depth--
				w.line("}")
			}
			w.depth--
			w.line("}")
		}
	default:
		w.line("let mm_v = %s;", acc)
		w.text(m.Store(1, "mm_v", "mm_b", "mm_m", "mm_n"))
	}
	if len(conds) > 0 {
		w.depth--
		w.line("}")
	}
	w.depth--
	w.line("}")
}

// mmWriter collects indented lines.
type mmWriter struct {
	strings.Builder
	depth int
}

func (w *mmWriter) line(format string, args ...any) {
	w.WriteString(strings.Repeat("\t", w.depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// text adds lines that come from the caller.
func (w *mmWriter) text(s string) {
	for _, l := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
		w.line("%s", l)
	}
}
