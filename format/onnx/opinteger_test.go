package onnx

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// farIntegers are integers whose sums and products leave 32 bits in every way.
var farIntegers = []float64{0, 1, -1, 2, -3, 46340, 46341, -46341, 65536, -65536, 3000000, 1<<30 + 1, -1 << 30, math.MaxInt32, math.MaxInt32 - 1, math.MinInt32, math.MinInt32 + 1}

// onDevices runs a network on the CPU and, if there is one, by WebGPU.
func onDevices(t *testing.T, n *Network, in []*tensor.Tensor, check func(device string, out []*tensor.Tensor)) {
	t.Helper()
	f := func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }
	check("cpu", compute(t, f, in...))
	gpu, err := device.Open("webgpu")
	if err != nil {
		t.Logf("no WebGPU: %v", err)
		return
	}
	defer gpu.Close()
	p, err := tensor.Compile(gpu, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Call(in...)
	if err != nil {
		t.Fatal(err)
	}
	check("webgpu", out)
}

// limited is v within 32 bits; wraps is the last 32 bits of v.
func limited(v *big.Int) int32 {
	switch {
	case v.Cmp(big.NewInt(math.MaxInt32)) > 0:
		return math.MaxInt32
	case v.Cmp(big.NewInt(math.MinInt32)) < 0:
		return math.MinInt32
	}
	return int32(v.Int64())
}

func wraps(v *big.Int) int32 {
	return int32(uint32(new(big.Int).And(v, big.NewInt(math.MaxUint32)).Uint64()))
}

// 64-bit integers saturate at 32, 32-bit ones wrap.
func TestIntegersThatLeaveTheirType(t *testing.T) {
	var a, b []float64
	for _, x := range farIntegers {
		for _, y := range farIntegers {
			a, b = append(a, x), append(b, y)
		}
	}
	ops := map[string]func(z, x, y *big.Int) *big.Int{"Add": (*big.Int).Add, "Sub": (*big.Int).Sub, "Mul": (*big.Int).Mul, "Div": (*big.Int).Quo}
	for _, kind := range []elem{elemInt64, elemInt32} {
		for name, f := range ops {
			m := modelOf(t, sample{"", 21, []array{{"x", kind, []int{len(a)}, a}, {"x2", kind, []int{len(a)}, b}}, op(name, "x x2"), "y"})
			n, err := m.Network(ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			text, err := n.Structure()
			if err != nil {
				t.Fatal(err)
			}
			if n, err = Restore(text); err != nil { // which remembers the types
				t.Fatal(err)
			}
			in := []*tensor.Tensor{(&host{kind, []int{len(a)}, a}).tensor(), (&host{kind, []int{len(a)}, b}).tensor()}
			onDevices(t, n, in, func(device string, out []*tensor.Tensor) {
				for i, got := range out[0].Ints() {
					x, y := big.NewInt(int64(a[i])), big.NewInt(int64(b[i]))
					if name == "Div" && (b[i] == 0 || b[i] == -1 && a[i] == math.MinInt32 && kind == elemInt32) {
						continue
					}
					v := f(new(big.Int), x, y)
					want := limited(v)
					if kind == elemInt32 {
						want = wraps(v)
					}
					if got != want {
						t.Errorf("%s, %s of %s: %v and %v give %d, want %d", device, name, elemNames[kind], x, y, got, want)
					}
				}
			})
		}
	}
}

// An operand that is a constant, and operations of one operand.
func TestLongIntegers(t *testing.T) {
	whole := func(v ...float64) array { return array{"c", elemInt64, []int{len(v)}, v} }
	axis := longs("c", 0)
	for _, c := range []struct {
		name string
		op   []*nodeProto
		x    []float64
		with []array
		want []int32
	}{
		{"case 08", op("Mul", "x c"), []float64{3000000, -3000000, 1000}, []array{whole(2000000)}, []int32{math.MaxInt32, math.MinInt32, 2000000000}},
		{"add", op("Add", "x c"), []float64{math.MaxInt32, 5, math.MinInt32}, []array{whole(7)}, []int32{math.MaxInt32, 12, math.MinInt32 + 7}},
		{"subtract", op("Sub", "c x"), []float64{math.MinInt32, 5, math.MaxInt32}, []array{whole(7)}, []int32{math.MaxInt32, 2, 7 - math.MaxInt32}},
		{"negative", op("Neg", "x"), []float64{math.MinInt32, 5}, nil, []int32{math.MaxInt32, -5}},
		{"absolute", op("Abs", "x"), []float64{math.MinInt32, -5}, nil, []int32{math.MaxInt32, 5}},
		{"power", op("Pow", "x c"), []float64{1290, 1291, -1290, -1291, 3}, []array{whole(3)}, []int32{2146689000, math.MaxInt32, -2146689000, math.MinInt32, 27}},
		{"powers", op("Pow", "x c"), []float64{2, 2, -2, 3, 1, -1, -1, 7, 0}, []array{whole(30, 31, 31, 19, 1e9, 1e9+1, -3, -1, 0)}, []int32{1 << 30, math.MaxInt32, math.MinInt32, 1162261467, 1, -1, -1, 0, 1}},
		{"sum", op("ReduceSum", "x c"), []float64{math.MaxInt32, math.MaxInt32, -math.MaxInt32, 5}, []array{axis}, []int32{math.MaxInt32}},
		{"sum within", op("ReduceSum", "x c"), []float64{math.MaxInt32, math.MaxInt32, -math.MaxInt32, -math.MaxInt32, 5}, []array{axis}, []int32{5}},
		{"sum below", op("ReduceSum", "x c"), []float64{math.MinInt32, -1, 0}, []array{axis}, []int32{math.MinInt32}},
		{"running sum", op("CumSum", "x c"), []float64{math.MaxInt32, 1, -3, -5}, []array{{"c", elemInt64, nil, []float64{0}}}, []int32{math.MaxInt32, math.MaxInt32, math.MaxInt32 - 2, math.MaxInt32 - 7}},
		{"product", op("ReduceProd", "x"), []float64{65536, -65536, 3}, nil, []int32{math.MinInt32}},
		{"product within", op("ReduceProd", "x"), []float64{46341, 46340, -1}, nil, []int32{-2147441940}},
		{"rows and columns", op("MatMul", "x c"), []float64{4099, 1000003}, []array{{"c", elemInt64, []int{2, 2}, []float64{4099, 1, 1, 1000003}}}, []int32{4099*4099 + 1000003, math.MaxInt32}},
	} {
		n, err := modelOf(t, sample{"", 21, append([]array{{"x", elemInt64, []int{len(c.x)}, c.x}}, c.with...), c.op, "y"}).Network(ImportOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		onDevices(t, n, []*tensor.Tensor{(&host{elemInt64, []int{len(c.x)}, c.x}).tensor()}, func(device string, out []*tensor.Tensor) {
			if got := out[0].Ints(); !slices.Equal(got, c.want) {
				t.Errorf("%s, %s: %v, want %v", device, c.name, got, c.want)
			}
		})
	}
}

// Integers of eight and sixteen bits wrap at those.
func TestShortIntegers(t *testing.T) {
	for _, c := range []struct {
		kind elem
		op   string
		x, y float64
		want int32
	}{{elemUint8, "Add", 200, 100, 44}, {elemUint8, "Sub", 3, 5, 254}, {elemInt8, "Mul", 100, 2, -56}, {elemInt16, "Add", 32767, 1, -32768}, {elemUint16, "Mul", 256, 257, 256}} {
		n, err := modelOf(t, sample{"", 21, []array{{"x", c.kind, []int{1}, []float64{c.x}}, {"x2", c.kind, []int{1}, []float64{c.y}}}, op(c.op, "x x2"), "y"}).Network(ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		in := []*tensor.Tensor{(&host{elemInt32, []int{1}, []float64{c.x}}).tensor(), (&host{elemInt32, []int{1}, []float64{c.y}}).tensor()}
		if c.kind == elemUint8 {
			in = []*tensor.Tensor{tensor.FromBytes([]byte{byte(c.x)}), tensor.FromBytes([]byte{byte(c.y)})}
		}
		if got := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, in...)[0].Ints()[0]; got != c.want {
			t.Errorf("%s of %s: %g and %g give %d, want %d", c.op, elemNames[c.kind], c.x, c.y, got, c.want)
		}
	}
}

// Positions are known to be small, and nothing guards their arithmetic.
func TestPositionsHaveNoGuard(t *testing.T) {
	i := tensor.Arange(100)
	if s := intervalOf(i.MulScalar(20).AddScalar(3).Node(), 0); s != (interval{3, 1983}) {
		t.Errorf("%v", s)
	}
	if s := intervalOf(i.MulScalar(1<<28).Node(), 0); s != anything {
		t.Errorf("%v", s)
	}
	if s := intervalOf(tensor.FromInts([]int32{5, -7, 2}).Clamp(-3, 4).Node(), 0); s != (interval{-3, 4}) {
		t.Errorf("%v", s)
	}
}
