package onnx

import (
	"testing"

	"github.com/weft-ml/weft/tensor"
)

// Sums of products of bytes are exact also where they leave what a float counts, for
// weights that are known, for those that are computed, and where both operands have
// to be taken apart.
func TestIntegerProductsAreExact(t *testing.T) {
	for _, terms := range []int{258, 4096, 4113} {
		for _, known := range []bool{true, false} {
			// Rows of the most extreme numbers, one of both signs, and one without pattern.
			x := array{"x", elemUint8, []int{3, terms}, nil}
			w := array{"w", elemUint8, []int{terms, 3}, make([]float64, 3*terms)}
			for r := range 3 {
				for k := range terms {
					v := [3]float64{255, float64(k % 2 * 255), float64((k*k*31 + k*7) % 256)}[r]
					x.data = append(x.data, v)
					w.data[k*3+r] = [3]float64{0, 255, float64((k*k*17 + k*5) % 251)}[r]
				}
			}
			if !known {
				w.name = "x2"
			}
			zx, zw := 0.0, 255.0
			n, err := modelOf(t, sample{"", 21, []array{x, w, {"z", elemUint8, nil, []float64{zx}}, {"v", elemUint8, nil, []float64{zw}}}, op("MatMulInteger", "x "+w.name+" z v"), "y"}).Network(ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			in := []*tensor.Tensor{tensor.FromBytes(x.bytes(), 3, terms)}
			if !known {
				in = append(in, tensor.FromBytes(w.bytes(), terms, 3))
			}
			onDevices(t, n, in, func(device string, out []*tensor.Tensor) {
				for i, got := range out[0].Ints() {
					want := int64(0)
					for k := range terms {
						want += int64(x.data[i/3*terms+k]-zx) * int64(w.data[k*3+i%3]-zw)
					}
					if int64(got) != want {
						t.Errorf("%s, %d terms, known %v: element %d is %d, want %d", device, terms, known, i, got, want)
					}
				}
			})
		}
	}
}

// Weights of eight bits take a byte each, in a network and in what it is stored as.
func TestIntegerWeightsStayBytes(t *testing.T) {
	w := bytesOf("w", elemInt8, 128, 64)
	n, err := modelOf(t, sample{"", 21, []array{bytesOf("x", elemUint8, 2, 128), w}, op("MatMulInteger", "x w"), "y"}).Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if v := n.values["w"]; v.h != nil || v.kind != elemInt8 {
		t.Errorf("a constant of the host, or %v", v.kind)
	}
	text, err := n.Structure()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) < 128*64 || len(text) > 128*64+500 {
		t.Errorf("a structure of %d bytes", len(text))
	}
	restored, err := Restore(text)
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.FromBytes(bytesOf("x", elemUint8, 2, 128).bytes(), 2, 128)
	a := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, x)[0].Ints()
	b := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return restored.Run(in...) }, x)[0].Ints()
	for i := range a {
		want := int32(0)
		for k := range 128 {
			want += int32(bytesOf("x", elemUint8, 2, 128).data[i/64*128+k]) * int32(w.data[k*64+i%64])
		}
		if a[i] != want || b[i] != want {
			t.Fatalf("element %d is %d, restored %d, want %d", i, a[i], b[i], want)
		}
	}
}
