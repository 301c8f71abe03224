package wgsl

// Long loops over k in blocks: a thread adds up each block apart, so that a sum that
// is large already does not lose the digits of its terms.

import "fmt"

// blocks opens the loop over k, which turns `turns` times in steps of step, for
// rows x cols sums that are called mm_c0_0 and so on. loop prints its head. It
// returns what the loop's sums are called instead of mm_c; endBlocks closes it.
func (m *Matmul) blocks(w *mmWriter, turns, rows, cols int, zero string, loop func(first, end string), step int) (acc string) {
	if turns <= m.maxTerms() {
		loop("0u", fmt.Sprintf("%du", turns*step))
		w.depth++
		return "mm_c"
	}
	// About as many blocks as a block has terms, of which a turn has several.
	block := fewestTerms
	for block*block*step < turns {
		block *= 2
	}
	w.line("for (var mm_from = 0u; mm_from < %du; mm_from += %du) {", turns*step, block*step)
	w.depth++
	// Vectors are numbered by their first column.
	width := 1
	if zero != "0.0" {
		width = 4
	}
	for i := range rows {
		for j := range cols {
			w.line("var mm_p%d_%d = %s;", i, j*width, zero)
		}
	}
	end := fmt.Sprintf("mm_from + %du", block*step)
	if turns%block != 0 {
		end = fmt.Sprintf("min(%s, %du)", end, turns*step)
	}
	w.line("let mm_to = %s;", end)
	loop("mm_from", "mm_to")
	w.depth++
	return "mm_p"
}

// endBlocks closes the loop that blocks opened; width is that of the sums.
func (m *Matmul) endBlocks(w *mmWriter, acc string, rows, cols, width int) {
	w.depth--
	w.line("}")
	if acc == "mm_c" {
		return
	}
	for i := range rows {
		for j := range cols {
			w.line("mm_c%d_%d += mm_p%d_%d;", i, j*width, i, j*width)
		}
	}
	w.depth--
	w.line("}")
}

// maxTerms is how many turns a loop has without blocks.
func (m *Matmul) maxTerms() int {
	if m.MaxTerms == 0 {
		return usual.MaxTerms
	}
	return m.MaxTerms
}
