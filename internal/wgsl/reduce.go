package wgsl

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// Reductions. A workgroup is TX outputs wide and TR lanes deep: each lane adds
// up every TR-th element of its output's sequence, then the lanes' results
// meet in workgroup memory in a fixed tree. Rows that lie in memory side by
// side want wide workgroups (neighbouring threads read neighbouring columns),
// rows that are contiguous want deep ones.

// In mixed precision a lane takes four elements at a time where they lie side by
// side (lanes.go).

type reduceShape struct {
	tx, tr int
	each   int // elements that a lane takes at a time: 1, or 4 along the last loop variable
}

func (w *writer) reduceShape() reduceShape {
	return w.withinTurns(w.fastestShape())
}

// withinTurns gives a shape as many lanes as keep its loops below what drivers
// allow.
func (w *writer) withinTurns(s reduceShape) reduceShape {
	for w.reduceTurns(s) > w.opt.Tile.tuning().MaxTurns && s.tr < 256 {
		s.tr *= 2
		for s.tx > 1 && s.tx*s.tr > 256 {
			s.tx /= 2
		}
	}
	return s
}

// reduceTurns is how often the loops of one thread turn.
func (w *writer) reduceTurns(s reduceShape) int {
	loops := len(w.k.Stages)
	if slices.ContainsFunc(w.k.Stores, func(st kernel.Store) bool { return st.Inner }) {
		loops++
	}
	n := s.turns(w.k.InnerElems())
	return loops * (n + n/fewestTerms)
}

// turns of one loop over inner elements.
func (s reduceShape) turns(inner int) int { return (inner + s.tr*s.each - 1) / (s.tr * s.each) }

func (w *writer) fastestShape() reduceShape {
	k := w.k
	outer, inner, column, each := k.OuterElems(), k.InnerElems(), w.inColumns(), 1
	if !column && k.Outer < len(k.Dims) && k.Dims[len(k.Dims)-1]%4 == 0 && w.fourWide() {
		each = 4
	}
	if inner <= 32 && outer >= 16 {
		return reduceShape{64, 1, each}
	}
	// A lane has some eight elements, so that loads overlap and the tree costs
	// little, or fewer where that would leave a large GPU idle.
	lanes := 1
	for lanes < inner/each && lanes < 256 && (lanes < 32 || inner/lanes > 8 || outer*lanes < 1<<18) {
		lanes *= 2
	}
	if w.opt.Tile.Software {
		// Barriers are what costs on a processor.
		if outer >= 32 || inner <= 256 {
			return reduceShape{min(64, pow2(outer)), 1, each}
		}
		return reduceShape{1, min(lanes, 64), each}
	}
	if column {
		tx := min(32, pow2(outer))
		for tx > 4 && outer/tx < 64 {
			tx /= 2
		}
		return reduceShape{tx, max(1, min(lanes, 256/tx)), each}
	}
	return reduceShape{max(1, min(256/lanes, pow2(outer))), lanes, each}
}

// inColumns reports whether the fastest loop variable of the loads belongs to the
// outputs.
func (w *writer) inColumns() bool {
	k := w.k
	for i := range k.Vals {
		v := &k.Vals[i]
		if v.Kind != kernel.Load || !v.Inner || k.Outer == 0 {
			continue
		}
		if step, ok := v.Index.Affine(k.Outer-1, func(int) bool { return true }); ok && step == 1 {
			return true
		}
	}
	return false
}

func pow2(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

func (w *writer) reduceKernel() (size, groups [3]int, err error) {
	k := w.k
	shape := w.reduceShape()
	if n := w.reduceTurns(shape); n > driverTurns {
		return size, groups, fmt.Errorf("wgsl: %s turns its loops %d times, and drivers may end them after %d", k.Name, n, driverTurns)
	}
	outer, inner := k.OuterElems(), k.InnerElems()
	total := (outer + shape.tx - 1) / shape.tx
	groups = w.spread(total)
	w.line("let tx = i32(lix) %% %d;", shape.tx)
	w.line("let lane = i32(lix) / %d;", shape.tx)
	guard := ""
	if exact := outer%shape.tx == 0 && total <= maxGroups; exact {
		w.line("let row = group * %d + tx;", shape.tx)
	} else {
		// Threads past the end go along, because barriers want all of them.
		w.line("let row_at = group * %d + tx;", shape.tx)
		w.line("let row = min(row_at, %d);", outer-1)
		guard = fmt.Sprintf("row_at < %d", outer)
	}
	w.coordinates(0, k.Outer, "row")

	if shape.each == 4 {
		w.inFours()
	}
	after := w.afterStage()
	outerVals := func(s int) {
		for i, v := range k.Vals {
			if !v.Inner && after[i] == s {
				w.values([]int{i})
			}
		}
	}
	outerVals(0)
	for s, st := range k.Stages {
		w.stage(s, st, shape, inner)
		outerVals(s + 1)
	}
	var innerStores, outerStores []*kernel.Store
	for i := range k.Stores {
		if st := &k.Stores[i]; st.Inner {
			innerStores = append(innerStores, st)
		} else {
			outerStores = append(outerStores, st)
		}
	}
	if len(innerStores) > 0 {
		w.lanes(shape, inner, guard, func() {
			for _, st := range innerStores {
				w.innerValues(w.needs(st.Val))
			}
			for i, st := range innerStores {
				if w.four != nil {
					w.laneStore(st, i)
				} else {
					w.store(st)
				}
			}
		})
	}
	if len(outerStores) > 0 {
		cond := guard
		if shape.tr > 1 {
			cond = "lane == 0"
			if guard != "" {
				cond += " && " + guard
			}
		}
		if cond == "" {
			for _, st := range outerStores {
				w.store(st)
			}
		} else {
			w.scope("if ("+cond+")", func() {
				for _, st := range outerStores {
					w.store(st)
				}
			})
		}
	}
	return [3]int{shape.tx * shape.tr, 1, 1}, groups, nil
}

// afterStage tells for each value how many stages must be complete before it.
func (w *writer) afterStage() []int {
	after := make([]int, len(w.k.Vals))
	for i := range w.k.Vals {
		v := &w.k.Vals[i]
		v.Uses(func(a int) { after[i] = max(after[i], after[a]) })
		if v.Kind == kernel.Result {
			after[i] = v.N + 1
		}
	}
	return after
}

// needs lists the inner values that value v is computed from, and v.
func (w *writer) needs(v int) []int {
	need := make([]bool, len(w.k.Vals))
	var mark func(int)
	mark = func(v int) {
		if w.k.Vals[v].Inner && !need[v] {
			need[v] = true
			w.k.Vals[v].Uses(mark)
		}
	}
	mark(v)
	var list []int
	for i, n := range need {
		if n {
			list = append(list, i)
		}
	}
	return list
}

// lanes prints the loop over a lane's share of the reduced elements.
func (w *writer) lanes(shape reduceShape, inner int, guard string, body func()) {
	first := "0"
	switch {
	case shape.each > 1 && shape.tr > 1:
		first = fmt.Sprintf("lane * %d", shape.each)
	case shape.tr > 1:
		first = "lane"
	}
	w.lanesFrom(first, strconv.Itoa(inner), shape, guard, body)
}

// lanesFrom is lanes for the elements from first to below end.
func (w *writer) lanesFrom(first, end string, shape reduceShape, guard string, body func()) {
	loop := func() {
		head := fmt.Sprintf("for (var e = %s; e < %s; e += %d)", first, end, shape.tr*shape.each)
		if shape.tr*shape.each == 1 {
			head = fmt.Sprintf("for (var e = %s; e < %s; e++)", first, end)
		}
		w.scope(head, func() {
			w.coordinates(w.k.Outer, len(w.k.Dims), "e")
			if shape.each > 1 {
				w.beginLanes(shape.each)
			}
			body()
			w.four = nil
		})
	}
	if guard != "" {
		w.scope("if ("+guard+")", loop)
		return
	}
	loop()
}

// innerValues prints values of the loop over the reduced elements that are not yet in
// scope: for one element, or for four.
func (w *writer) innerValues(vals []int) {
	if w.four == nil {
		w.values(vals)
		return
	}
	for _, v := range vals {
		if w.four.varies[v] && !w.done[v] {
			w.laneValue(v, nil)
			w.done[v] = true
		} else {
			w.values([]int{v})
		}
	}
}

func (w *writer) stage(s int, st kernel.Stage, shape reduceShape, inner int) {
	k := w.k
	dt := k.Vals[st.Val].DType
	acc := fmt.Sprintf("s%d", s)
	w.line("var %s = %s;", acc, w.identity(st.Op, dt))
	add := func() {
		w.innerValues(w.needs(st.Val))
		if w.four == nil {
			w.line("%s = %s;", acc, w.reduceOp(st.Op, dt, acc, w.ref(st.Val)))
			return
		}
		// In pairs: four additions one after another would be waited for.
		var e [4]string
		for w.four.lane = 0; w.four.lane < 4; w.four.lane++ {
			e[w.four.lane] = w.ref(st.Val)
		}
		w.line("let p%d = %s;", s, w.reduceOp(st.Op, dt, e[0], e[1]))
		w.line("let r%d = %s;", s, w.reduceOp(st.Op, dt, e[2], e[3]))
		w.line("%s = %s;", acc, w.reduceOp(st.Op, dt, acc, "("+w.reduceOp(st.Op, dt, fmt.Sprintf("p%d", s), fmt.Sprintf("r%d", s))+")"))
	}
	turns := shape.turns(inner)
	if least := w.opt.Tile.tuning().MaxTerms; st.Op == ir.OpSum && dt == ir.F32 && turns > least {
		w.sumInBlocks(shape, inner, turns, fmt.Sprintf("s%d", s), func(block string) {
			acc = block
			add()
		})
	} else {
		w.lanes(shape, inner, "", add)
	}
	acc = fmt.Sprintf("s%d", s)
	if shape.tr > 1 {
		mem := fmt.Sprintf("m%d", s)
		fmt.Fprintf(&w.decl, "var<workgroup> %s: array<%s, %d>;\n", mem, valueType(dt), shape.tx*shape.tr)
		w.line("%s[lix] = %s;", mem, acc)
		w.line("workgroupBarrier();")
		for half := shape.tr / 2; half >= 1; half /= 2 {
			w.line("if (lane < %d) { %s[lix] = %s; }", half, mem, w.reduceOp(st.Op, dt, mem+"[lix]", fmt.Sprintf("%s[i32(lix) + %d]", mem, half*shape.tx)))
			w.line("workgroupBarrier();")
		}
		w.line("%s = %s[tx];", acc, mem)
	}
	for i, v := range k.Vals {
		if v.Kind == kernel.Result && v.N == s {
			w.line("let %s = %s;", w.name(i), acc)
			w.done[i] = true
		}
	}
}

// sumInBlocks adds up blocks of a lane's elements apart, about as many as each
// has elements: every addition to a sum that is already large loses digits, all to
// the same side where the elements are equal. add adds to the block's variable.
func (w *writer) sumInBlocks(shape reduceShape, inner, turns int, acc string, add func(block string)) {
	block := fewestTerms
	for block*block < turns {
		block *= 2
	}
	step := shape.tr * shape.each
	w.scope(fmt.Sprintf("for (var e0 = lane * %d; e0 < %d; e0 += %d)", shape.each, inner, block*step), func() {
		w.line("var %s_block = 0.0;", acc)
		w.line("let end = min(e0 + %d, %d);", block*step, inner)
		w.lanesFrom("e0", "end", shape, "", func() { add(acc + "_block") })
		w.line("%s = %s + %s_block;", acc, acc, acc)
	})
}

func (w *writer) reduceOp(op ir.Op, dt ir.DType, a, b string) string {
	name := ""
	switch op {
	case ir.OpSum:
		return a + " + " + b
	case ir.OpProd:
		return a + " * " + b
	case ir.OpMax:
		name = "max"
	case ir.OpMin:
		name = "min"
	}
	if dt == ir.F32 {
		name = "weft_" + name
		w.helpers[name] = true
	}
	return fmt.Sprintf("%s(%s, %s)", name, a, b)
}

// identity is what a reduction begins with.
func (w *writer) identity(op ir.Op, dt ir.DType) string {
	v := map[ir.Op]float64{ir.OpSum: 0, ir.OpProd: 1}
	x, ok := v[op]
	switch {
	case ok && dt == ir.F32:
		return fmt.Sprintf("%.1f", x)
	case ok:
		return fmt.Sprintf("%d", int(x))
	case dt != ir.F32 && op == ir.OpMax:
		return "(-2147483647 - 1)"
	case dt != ir.F32:
		return "2147483647"
	}
	w.infs = true
	if op == ir.OpMax {
		return "-bitcast<f32>(inf_bits)"
	}
	return "bitcast<f32>(inf_bits)"
}
