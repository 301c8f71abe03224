// Indexed operands: matrices whose element addresses are the sum of a number
// for the row and one for the column. A convolution's windows are such a
// matrix over the image, so it is multiplied without being written out; only
// packing knows the difference.

package gemm

import "fmt"

// Index addresses a matrix by tables: element (r, c) lies at Rows[r]+Cols[c].
type Index struct{ Rows, Cols []int32 }

// table is one side of an Index with the lengths of its contiguous runs:
// off[i], off[i]+1, .. are the addresses of the run[i] elements from i on.
type table struct{ off, run []int32 }

func newTable(off []int32) table {
	t := table{off, make([]int32, len(off))}
	for i := len(off) - 1; i >= 0; i-- {
		t.run[i] = 1
		if i+1 < len(off) && off[i+1] == off[i]+1 {
			t.run[i] = t.run[i+1] + 1
		}
	}
	return t
}

// even returns how far apart elements i to i+n are, if evenly and forwards.
func (t table) even(i, n int) (step int, ok bool) {
	d := t.off[i+1] - t.off[i]
	for j := i + 2; j < i+n; j++ {
		if t.off[j]-t.off[j-1] != d {
			return 0, false
		}
	}
	return int(d), d > 0
}

// mean is the average length of the runs that copying meets.
func (t table) mean() float64 {
	runs := 0
	for i := 0; i < len(t.off); i += int(t.run[i]) {
		runs++
	}
	return float64(len(t.off)) / float64(max(runs, 1))
}

// source is an indexed operand as packing sees it: strip is the index that
// lies across a panel (m of A, n of B), depth is k.
type source struct {
	strip, depth table
	along        bool // contiguous along depth rather than along strip
	reach        int
}

// depthBlock is how many steps of k are transposed at a time.
const depthBlock = 256

func newSource(strip, depth []int32) *source {
	s := &source{strip: newTable(strip), depth: newTable(depth)}
	s.along = s.depth.mean() > s.strip.mean()
	last := func(t table) int {
		n := 0
		for _, o := range t.off {
			if o < 0 {
				panic("gemm: negative address in an Index")
			}
			n = max(n, int(o))
		}
		return n
	}
	s.reach = last(s.strip) + last(s.depth) + 1
	return s
}

func (s *source) check(name string, have int) {
	if have < s.reach {
		panic(fmt.Sprintf("gemm: %s has %d elements, its Index reaches over %d", name, have, s.reach))
	}
}

// pack is packPanel for an indexed operand: strip elements i0..i0+n, steps
// k0..k0+kn. tmp holds kr.transW rows of depthBlock.
func (s *source) pack(kr *kernel, dst []float32, w int, src []float32, i0, n, k0, kn int, tmp []float32) {
	if !s.along {
		for k := range kn {
			base := s.depth.off[k0+k]
			d := dst[k*w:][:w]
			for i := 0; i < n; {
				at := int(base + s.strip.off[i0+i])
				run := min(int(s.strip.run[i0+i]), n-i)
				if run < 4 {
					for j := range run {
						d[i+j] = src[at+j]
					}
				} else {
					copy(d[i:i+run], src[at:at+run])
				}
				i += run
			}
			clear(d[n:])
		}
		return
	}
	rows := max(kr.transW, 1)
	for kb, depth := 0, 0; kb < kn; kb += depth {
		// Where the strip's elements are as far apart as the next ones, a run along
		// the depth is a matrix, and is transposed from where it lies.
		depth = min(depthBlock, kn-kb)
		run := int(s.depth.run[k0+kb])
		if run >= 16 {
			depth = min(depth, run)
		}
		panel := dst[kb*w:]
		for i := 0; i < w; {
			if i >= n { // past the strip: zeros
				for k := range depth {
					panel[k*w+i] = 0
				}
				i++
				continue
			}
			if rows > 1 && i+rows <= n {
				from, step := tmp, depthBlock
				if d, ok := s.strip.even(i0+i, rows); ok && run >= depth {
					from, step = src[s.strip.off[i0+i]+s.depth.off[k0+kb]:], d
				} else {
					for r := range rows {
						s.row(tmp[r*depthBlock:], src, i0+i+r, k0+kb, depth)
					}
				}
				kr.trans(&panel[i], w*4, &from[0], step*4, depth/4)
				if depth%4 != 0 {
					for r := range rows {
						packRow(panel[i+r:], w, from[r*step:], depth&^3, depth)
					}
				}
				i += rows
				continue
			}
			s.row(tmp, src, i0+i, k0+kb, depth)
			packRow(panel[i:], w, tmp, 0, depth)
			i++
		}
	}
}

// row copies one strip element's steps k0..k0+n.
func (s *source) row(dst, src []float32, strip, k0, n int) {
	base := s.strip.off[strip]
	for k := 0; k < n; {
		at := int(base + s.depth.off[k0+k])
		run := min(int(s.depth.run[k0+k]), n-k)
		copy(dst[k:k+run], src[at:at+run])
		k += run
	}
}
