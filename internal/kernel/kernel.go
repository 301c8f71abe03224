// Package kernel describes fused kernels as plain data, independent of the
// backend that runs them.
//
// A kernel is a loop nest over Dims with a straight-line program of scalar
// values. The CPU backend interprets the program over blocks of elements,
// the WebGPU backend prints it as WGSL; generators for WebAssembly SIMD and
// CUDA are meant to start from the same data.
package kernel

import (
	"fmt"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
)

// Kind is the shape of a kernel's loop nest.
type Kind uint8

const (
	Map    Kind = iota // every element of Dims on its own
	Reduce             // for each element of Dims[:Outer], stages that reduce over Dims[Outer:]
	MatMul             // sum over K for each element of Dims = batch.., M, N; then the program on the sum
)

// ValKind says what a Val is.
type ValKind uint8

const (
	Const   ValKind = iota // Const, of type DType
	Scalar                 // per-step scalar number N
	Load                   // element Index of buffer N; 0 where value Mask is false
	AsValue                // Index as an I32 value
	InRange                // 0 <= Index < N, a Bool
	Elem                   // elementwise Op of Args
	Result                 // result of reduction stage N
	Acc                    // the matrix product's sum
)

// Val is one value of a kernel's program; Args are earlier values.
type Val struct {
	Kind  ValKind
	Op    ir.Op
	DType ir.DType // as computed with: loads have widened already
	Args  []int
	Const float64
	N     int
	Index Index
	Mask  int  // value number or -1
	Inner bool // changes with the reduced loop variables
}

// Stage is one reduction of a Reduce kernel; later stages and stores may use
// its result.
type Stage struct {
	Op  ir.Op // OpSum, OpMax, OpMin, OpProd
	Val int   // what is reduced
}

// Store writes a value to element Index of buffer Buf: for each element of
// Dims if Inner, else for each of Dims[:Outer]. With Ring > 0 the buffer
// holds one row of Ring elements for each step of a submit, and the row of
// the current step is meant.
type Store struct {
	Val   int
	Buf   int
	Index Index
	Inner bool
	Ring  int
}

// Product describes the loop over K of a MatMul kernel. A and B are values
// that may depend on the batch and M or N variables and on loop variable
// len(Dims), which is k.
type Product struct {
	K    int
	A, B int
}

// Kernel is one fused kernel. Buffers are numbered by position in Bufs.
type Kernel struct {
	Name    string
	Kind    Kind
	Dims    []int
	Outer   int // Dims[:Outer] are independent; the rest is reduced
	Vals    []Val
	Stages  []Stage
	Stores  []Store
	Product *Product
	Bufs    []Buf
}

// Buf is one buffer that a kernel is bound to.
type Buf struct {
	ID          int // number in the plan
	DType       ir.DType
	Elems       int
	Read, Write bool
}

// OuterElems is the number of independent elements.
func (k *Kernel) OuterElems() int { return ir.NumElems(k.Dims[:k.Outer]) }

// InnerElems is the number of elements that each reduction covers.
func (k *Kernel) InnerElems() int { return ir.NumElems(k.Dims[k.Outer:]) }

// FLOPs counts the arithmetic of one run: two for each multiply-add of a
// matrix product, one for each other operation.
func (k *Kernel) FLOPs() int {
	n := 0
	if k.Product != nil {
		n = 2 * k.Product.K * ir.NumElems(k.Dims)
	}
	for _, v := range k.Vals {
		if v.Kind == Elem && v.DType == ir.F32 {
			if v.Inner {
				n += k.OuterElems() * k.InnerElems()
			} else {
				n += k.OuterElems()
			}
		}
	}
	return n + len(k.Stages)*k.OuterElems()*k.InnerElems()
}

// Bytes counts the memory that one run touches, each buffer once.
func (k *Kernel) Bytes() int {
	n := 0
	for _, b := range k.Bufs {
		n += b.Elems * b.DType.Size()
	}
	return n
}

// Uses calls f for each value that v refers to, in indices too.
func (v *Val) Uses(f func(int)) {
	for _, a := range v.Args {
		f(a)
	}
	if v.Mask >= 0 && v.Kind == Load {
		f(v.Mask)
	}
	v.Index.DependsOn(func(int) bool { return false }, func(n int) bool { f(n); return false })
}

// String prints the kernel for plans and snapshots.
func (k *Kernel) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%v", k.Name, [...]string{"map", "reduce", "matmul"}[k.Kind], k.Dims[:k.Outer])
	if k.Kind == Reduce {
		fmt.Fprintf(&b, " over %v", k.Dims[k.Outer:])
	}
	if k.Product != nil {
		fmt.Fprintf(&b, " k=%d %%%d x %%%d", k.Product.K, k.Product.A, k.Product.B)
	}
	b.WriteByte('\n')
	stage := 0
	for i, v := range k.Vals {
		for stage < len(k.Stages) && k.Stages[stage].Val < i && v.Kind == Result && v.N == stage {
			fmt.Fprintf(&b, "  -- stage %d: %s %%%d\n", stage, k.Stages[stage].Op.Name(), k.Stages[stage].Val)
			stage++
		}
		fmt.Fprintf(&b, "  %%%d = ", i)
		switch v.Kind {
		case Const:
			fmt.Fprintf(&b, "%v %g", v.DType, v.Const)
		case Scalar:
			fmt.Fprintf(&b, "%v step[%d]", v.DType, v.N)
		case Load:
			fmt.Fprintf(&b, "%v b%d[%v]", v.DType, v.N, v.Index)
			if v.Mask >= 0 {
				fmt.Fprintf(&b, " if %%%d", v.Mask)
			}
		case AsValue:
			fmt.Fprintf(&b, "%v %v", v.DType, v.Index)
		case InRange:
			fmt.Fprintf(&b, "0 <= %v < %d", v.Index, v.N)
		case Elem:
			fmt.Fprintf(&b, "%s %v", v.Op.Name(), v.DType)
			for _, a := range v.Args {
				fmt.Fprintf(&b, " %%%d", a)
			}
		case Result:
			fmt.Fprintf(&b, "result %d", v.N)
		case Acc:
			b.WriteString("acc")
		}
		b.WriteByte('\n')
	}
	for _, s := range k.Stores {
		slot := ""
		if s.Ring > 0 {
			slot = fmt.Sprintf("slot*%d + ", s.Ring)
		}
		fmt.Fprintf(&b, "  b%d[%s%v] = %%%d\n", s.Buf, slot, s.Index, s.Val)
	}
	for i, u := range k.Bufs {
		fmt.Fprintf(&b, "  b%d: buffer %d, %v[%d]\n", i, u.ID, u.DType, u.Elems)
	}
	return b.String()
}
