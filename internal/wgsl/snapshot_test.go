package wgsl

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/grad"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

// Snapshots of shaders: what a GPU is given for a few typical kernels. Update
// the files with go test ./internal/wgsl -update and read the difference.
var update = flag.Bool("update", false, "write testdata/*.wgsl")

func input(name string, dt ir.DType, shape ...int) *ir.Node {
	return ir.NewLeaf(&ir.Leaf{Kind: ir.Input, Name: name, DType: dt, Shape: shape})
}

func spread(n *ir.Node, shape ...int) *ir.Node { return ir.Expand(n, shape...) }

// build fuses what computes outs.
func build(t *testing.T, outs ...*ir.Node) *plan.Plan {
	t.Helper()
	return buildGraph(t, &ir.Graph{Outputs: outs})
}

func buildGraph(t *testing.T, g *ir.Graph) *plan.Plan {
	t.Helper()
	for _, n := range ir.Topo(g.Outputs...) {
		switch n.Op {
		case ir.OpLeaf:
			if n.Leaf.Kind == ir.Input {
				g.Inputs = append(g.Inputs, n.Leaf)
			}
		case ir.OpScalar:
			g.Scalars = append(g.Scalars, n.Leaf)
		}
	}
	p, err := fuse.Build(g, fuse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func snapshots() map[string][]*ir.Node {
	x := input("x", ir.F32, 50, 20)
	bias := input("bias", ir.F32, 1, 20)
	lr := ir.NewLeaf(&ir.Leaf{Kind: ir.Step, Name: "lr"})
	bytes := ir.Cast(input("bytes", ir.U8, 50, 20), ir.F32)
	halves := ir.Cast(input("halves", ir.F16, 50, 20), ir.F32)
	mean := ir.Mul(ir.Reduce(ir.OpSum, x, 1), ir.Const(ir.F32, 1.0/20, 50, 1))
	centered := ir.Sub(x, spread(mean, 50, 20))
	w := input("w", ir.F32, 64, 128)
	a := input("a", ir.F32, 96, 64)
	return map[string][]*ir.Node{
		"map": {ir.Add(ir.Mul(ir.Unary(ir.OpErf, x), spread(ir.Reshape(lr, 1, 1), 50, 20)), ir.Add(bytes, halves))},
		"pad_gather": {ir.Pad(ir.Gather(x, spread(input("index", ir.I32, 50, 1), 50, 1), 1), []int{1, 0}, []int{0, 2}, 7),
			ir.Cast(ir.Lt(x, ir.Const(ir.F32, 0, 50, 20)), ir.I32)},
		"row_reduction":    {centered, ir.Reduce(ir.OpSum, ir.Mul(centered, centered), 1)},
		"column_reduction": {ir.Reduce(ir.OpMax, ir.Pad(ir.Add(x, spread(bias, 50, 20)), []int{100, 0}, []int{0, 0}, 0), 0)},
		"matmul":           {ir.Unary(ir.OpRelu, ir.Add(ir.MatMul(a, w), spread(input("b", ir.F32, 1, 128), 96, 128)))},
	}
}

func variable(name string, shape ...int) *ir.Node {
	return ir.NewLeaf(&ir.Leaf{Kind: ir.State, Name: name, Shape: shape})
}

// mixed is a layer and its gradient in mixed precision: kernels that store halves,
// one by one and in fours, and that read them, as operands and otherwise.
func mixed() *ir.Graph {
	w, v := variable("w", 64, 128), variable("v", 128, 33)
	y := ir.Unary(ir.OpSin, ir.MatMul(input("a", ir.F32, 96, 64), w))
	z := ir.Unary(ir.OpSin, ir.MatMul(y, v))
	loss := ir.Reduce(ir.OpSum, ir.Mul(z, z), 0, 1)
	grads := grad.Of(loss, []*ir.Node{w, v}, ir.Const(ir.F32, 1, 1, 1))
	return &ir.Graph{Outputs: grads, Half: 1024, Grads: grads}
}

// mixedNorm are normalised columns with a border of zeros: reductions and elementwise
// kernels whose threads have four elements each.
func mixedNorm() *ir.Graph {
	w, v := variable("w", 64, 128), variable("v", 1, 134)
	y := ir.Permute(ir.MatMul(input("a", ir.F32, 96, 64), w), 1, 0)
	mean := func(x *ir.Node) *ir.Node {
		return spread(ir.Mul(ir.Reduce(ir.OpSum, x, 1), ir.Const(ir.F32, 1.0/96, 128, 1)), 128, 96)
	}
	d := ir.Sub(y, mean(y))
	z := ir.Mul(d, ir.Unary(ir.OpRsqrt, ir.Add(mean(ir.Mul(d, d)), ir.Const(ir.F32, 1e-5, 128, 96))))
	z = ir.MatMul(v, ir.Pad(z, []int{3, 1}, []int{3, 1}, 0))
	loss := ir.Reduce(ir.OpSum, ir.Mul(z, z), 0, 1)
	grads := grad.Of(loss, []*ir.Node{w, v}, ir.Const(ir.F32, 1, 1, 1))
	return &ir.Graph{Outputs: grads, Half: 1024, Grads: grads}
}

// plans are the snapshots' plans by name.
func plans(t *testing.T) map[string]*plan.Plan {
	m := map[string]*plan.Plan{"mixed": buildGraph(t, mixed()), "mixed_norm": buildGraph(t, mixedNorm())}
	for name, outs := range snapshots() {
		m[name] = build(t, outs...)
	}
	return m
}

// shown are the kernels that a plan's snapshot has. Of mixed precision it has one
// product, which stores halves in fours, and what is no product; all are compiled.
func shown(name string, p *plan.Plan) (list []*kernel.Kernel) {
	for i, k := range p.Kernels {
		if !strings.HasPrefix(name, "mixed") || k.Kind != kernel.MatMul || name == "mixed" && i == 0 {
			list = append(list, k)
		}
	}
	return list
}

func TestSnapshots(t *testing.T) {
	for name, p := range plans(t) {
		var b strings.Builder
		for _, k := range shown(name, p) {
			s, err := Generate(k, Options{Tile: TileLimits{WorkgroupStorage: 16384, Invocations: 256}, ScalarWords: len(p.Graph.Scalars) + 1,
				Arena: func(u int) bool { return p.Buffers[k.Bufs[u].ID].Kind == plan.Temp }})
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString("// " + strings.ReplaceAll(strings.TrimSpace(k.String()), "\n", "\n// ") + "\n" + s.Source + "\n")
		}
		file := filepath.Join("testdata", name+".wgsl")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v; make it with -update", err)
		}
		if b.String() != string(want) {
			t.Errorf("%s is different now; if that is meant, write it with -update\n%s", file, b.String())
		}
	}
}

// The shaders compile, for hardware and for software adapters.
func TestSnapshotsCompile(t *testing.T) {
	dev := openGPU(t)
	lim := dev.Limits()
	for name, p := range plans(t) {
		if strings.HasPrefix(name, "mixed") && !dev.Features().F16 {
			t.Logf("%s has no shader-f16: not compiling the kernels with halves", dev.Info())
			continue
		}
		for _, software := range []bool{false, true} {
			for _, k := range p.Kernels {
				s, err := Generate(k, Options{Tile: TileLimits{WorkgroupStorage: lim.MaxWorkgroupStorage, Invocations: lim.MaxInvocations, Software: software},
					ScalarWords: len(p.Graph.Scalars) + 1, Arena: func(u int) bool { return p.Buffers[k.Bufs[u].ID].Kind == plan.Temp }})
				if err != nil {
					t.Fatal(err)
				}
				d := gpu.PipelineDesc{Label: k.Name, WGSL: s.Source, Enable: gpu.Features{F16: s.F16, Subgroups: s.Subgroups}}
				for _, readOnly := range s.ReadOnly {
					kind := gpu.ReadWriteStorage
					if readOnly {
						kind = gpu.ReadStorage
					}
					d.Bindings = append(d.Bindings, kind)
				}
				if s.Scalars {
					d.Scalars = gpu.UniformBinding
				}
				pipelines, err := dev.Compile([]gpu.PipelineDesc{d}, nil)
				if err != nil {
					t.Errorf("%s: %v\n%s", name, err, s.Source)
					continue
				}
				pipelines[0].Destroy()
			}
		}
	}
}

// However many reductions of one value there are, no kernel needs more
// workgroup memory than every device has.
func TestWorkgroupMemory(t *testing.T) {
	x := input("x", ir.F32, 20, 300)
	var outs []*ir.Node
	for i := range 45 {
		y := ir.Unary(ir.OpSin, ir.Mul(x, ir.Const(ir.F32, float64(i)+2, 20, 300)))
		outs = append(outs, ir.Reduce(ir.OpSum, y, 0, 1), ir.Reduce(ir.OpMax, y, 0, 1))
	}
	p := build(t, outs...)
	size := regexp.MustCompile(`var<workgroup> \w+: array<\w+, (\d+)>`)
	for _, k := range p.Kernels {
		s, err := Generate(k, Options{Tile: TileLimits{WorkgroupStorage: 16384, Invocations: 256}, Arena: func(int) bool { return false }})
		if err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, m := range size.FindAllStringSubmatch(s.Source, -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			bytes += 4 * n
		}
		if bytes == 0 || bytes > 16384 {
			t.Errorf("%s needs %d bytes of workgroup memory", k.Name, bytes)
		}
	}
}
