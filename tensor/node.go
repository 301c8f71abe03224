package tensor

import "github.com/weft-ml/weft/internal/ir"

// FromNode is the tensor that a node of a graph describes, so that exporters
// can compute what follows from constants alone: with Read, on the CPU. The
// node must not depend on a trace's arguments.
func FromNode(n *ir.Node) *Tensor { return &Tensor{node: n} }

// Node is the node of the graph that t describes. It is for Weft's own
// importers and exporters, as the whole of package ir.
func (t *Tensor) Node() *ir.Node { return t.node }
