package wgsl

import "fmt"

// PlainMatmul is a kernel of its own around the matmul template: dense row-major
// float32 matrices, no prologue and no epilogue. A (binding 0) is [batch, m, k],
// or [batch, k, m] with transA; B (1) is [batch, k, n], or [batch, n, k] with
// transB; C (2) is [batch, m, n] and is written. Benchmarks, tests and the
// autotune measure tiles with it.
func PlainMatmul(batch, m, n, k int, transA, transB bool) *Matmul {
	mm := &Matmul{Batch: batch, M: m, N: n, K: k}
	mm.A = plainOperand("a", m, k, transA)
	mm.B = plainOperand("b", k, n, transB)
	mm.StoreWidth = 1
	if n%4 == 0 {
		mm.StoreWidth = 4
	}
	mm.Store = func(width int, acc, b, row, col string) string {
		at := fmt.Sprintf("%s * %du + %s * %du + %s", b, m*n, row, n, col)
		if width == 4 {
			return fmt.Sprintf("c[(%s) / 4u] = %s;", at, acc)
		}
		if mm.StoreWidth == 4 {
			return fmt.Sprintf("c[(%s) / 4u][(%s) %% 4u] = %s;", at, at, acc)
		}
		return fmt.Sprintf("c[%s] = %s;", at, acc)
	}
	return mm
}

// plainOperand is a dense row-major matrix of rows x cols, or its transpose in
// memory.
func plainOperand(name string, rows, cols int, trans bool) MatmulOperand {
	op := MatmulOperand{BatchStride: rows * cols, RowStride: cols, ColStride: 1, Contig: 0}
	if trans {
		op.RowStride, op.ColStride, op.Contig = 1, rows, 1
	}
	if max(op.RowStride, op.ColStride)%4 == 0 {
		op.Vec4 = name
	}
	op.Load = func(at string) string {
		if op.Vec4 != "" {
			return fmt.Sprintf("%s[(%s) / 4u][(%s) %% 4u]", name, at, at)
		}
		return fmt.Sprintf("%s[%s]", name, at)
	}
	return op
}

// PlainSource is the complete kernel of a PlainMatmul with its tile, and the
// number of workgroups.
func PlainSource(m *Matmul) (source string, dispatch [3]int) {
	decls, body, wg, dispatch := m.Body()
	elem := func(vec bool) string {
		if vec {
			return "vec4<f32>"
		}
		return "f32"
	}
	return fmt.Sprintf(`@group(0) @binding(0) var<storage, read> a: array<%s>;
@group(0) @binding(1) var<storage, read> b: array<%s>;
@group(0) @binding(2) var<storage, read_write> c: array<%s>;
%s
@compute @workgroup_size(%d, %d, %d)
fn main(%s) {
%s}
`, elem(m.A.Vec4 != ""), elem(m.B.Vec4 != ""), elem(m.StoreWidth == 4), decls, wg[0], wg[1], wg[2], builtins(m.Tile), body), dispatch
}
