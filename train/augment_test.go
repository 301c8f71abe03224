package train

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// read runs an augmentation over images of two channels of 4x6.
func read(t *testing.T, a Augment, images []byte, index []int32, epoch, step float64) [][]float32 {
	t.Helper()
	prep := &Preprocessing{Channels: 2, Height: 4, Width: 6, Scale: 1.0 / 255, Mean: []float32{0.2, 0.4}, Std: []float32{1, 1}}
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{a.read(tr, tensor.FromBytes(images, len(images)), tensor.FromInts(index), prep)}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for name, v := range map[string]float64{"seed": 5, "epoch": epoch, "step": step} {
		if p.Slot(name) >= 0 {
			p.SetScalar(name, v)
		}
	}
	out, err := p.Call()
	if err != nil {
		t.Fatal(err)
	}
	var list [][]float32
	for all := out[0].Floats(); len(all) > 0; all = all[48:] {
		list = append(list, all[:48])
	}
	return list
}

// pictures are n images in which no two values of a channel are equal.
func pictures(n int) []byte {
	images := make([]byte, 48*n)
	for i := range images {
		images[i] = byte(i%24*10 + i/24%2*5 + i/48%5 + 1)
	}
	return images
}

// moved is image i of images, mirrored and moved as the augmentation says.
func moved(images []byte, i int, flip bool, dy, dx int, reflect bool) []float32 {
	at := func(p, n int) int {
		if reflect && p < 0 {
			return -p
		}
		if reflect && p >= n {
			return 2*(n-1) - p
		}
		return p
	}
	out := make([]float32, 48)
	for j := range out {
		c, y, x := j/24, at(j/6%4+dy, 4), j%6
		if flip {
			x = 5 - x
		}
		if x = at(x+dx, 6); y >= 0 && y < 4 && x >= 0 && x < 6 {
			out[j] = float32(images[i*48+c*24+y*6+x])
		}
	}
	return out
}

// TestCropAndFlip finds for each image the one move that explains it, and that
// all moves happen.
func TestCropAndFlip(t *testing.T) {
	images := pictures(7)
	index := make([]int32, 600)
	for i := range index {
		index[i] = int32(i * 3 % 7)
	}
	for _, a := range []Augment{{Crop: 1, Flip: "random"}, {Crop: 2, Reflect: true, Flip: "random"}, {Crop: 1}, {Flip: "random"}} {
		got := read(t, a, images, index, 0, 1)
		seen := map[[3]int]int{}
		for i, img := range got {
			found := false
			for flip := range 2 {
				for dy := -a.Crop; dy <= a.Crop; dy++ {
					for dx := -a.Crop; dx <= a.Crop; dx++ {
						if slices.Equal(img, moved(images, int(index[i]), flip == 1, dy, dx, a.Reflect)) {
							seen[[3]int{flip, dy, dx}]++
							found = true
						}
					}
				}
			}
			if !found {
				t.Fatalf("%+v: no move explains image %d: %v", a, i, img)
			}
		}
		flips := 1
		if a.Flip != "" {
			flips = 2
		}
		if want := flips * (2*a.Crop + 1) * (2*a.Crop + 1); len(seen) != want {
			t.Errorf("%+v: %d different moves, want %d", a, len(seen), want)
		}
		if again := read(t, a, images, index, 0, 1); !slices.EqualFunc(got, again, slices.Equal) {
			t.Errorf("%+v: the same step moves otherwise", a)
		}
		if other := read(t, a, images, index, 0, 2); slices.EqualFunc(got, other, slices.Equal) {
			t.Errorf("%+v: another step moves alike", a)
		}
	}
}

// TestAlternateFlip: in two epochs each image is seen in both forms, and each
// epoch mirrors about half of them.
func TestAlternateFlip(t *testing.T) {
	images := pictures(100)
	index := make([]int32, 100)
	for i := range index {
		index[i] = int32(i)
	}
	a := Augment{Flip: "alternate"}
	even, odd, third := read(t, a, images, index, 0, 1), read(t, a, images, index, 1, 9), read(t, a, images, index, 2, 20)
	mirrored := 0
	for i := range index {
		plain, flip := moved(images, i, false, 0, 0, false), moved(images, i, true, 0, 0, false)
		first := slices.Equal(even[i], flip)
		if first {
			mirrored++
		}
		if want := map[bool][]float32{true: plain, false: flip}[first]; !slices.Equal(odd[i], want) || !slices.Equal(third[i], even[i]) {
			t.Fatalf("image %d: %v, %v, %v", i, even[i], odd[i], third[i])
		}
	}
	if mirrored < 35 || mirrored > 65 {
		t.Errorf("%d of 100 images mirrored", mirrored)
	}
}

func TestCutout(t *testing.T) {
	images := pictures(3)
	index := make([]int32, 60)
	sizes := map[int]bool{}
	for i, img := range read(t, Augment{Cutout: 2}, images, index, 0, 1) {
		holes := 0
		for j, v := range img {
			mean := []float32{0.2 * 255, 0.4 * 255}[j/24]
			switch {
			case v == float32(images[j]):
			case v-mean < 1e-3 && mean-v < 1e-3:
				holes++
			default:
				t.Fatalf("image %d, value %d is %v", i, j, v)
			}
		}
		sizes[holes] = true
	}
	if len(sizes) < 2 || !sizes[8] {
		t.Errorf("holes of %v values; 2x2 pixels of two channels are 8, fewer at the edge", sizes)
	}
}

// TestFlipOfMovedImages joins mirroring and whole pixels with the affine map.
func TestFlipOfMovedImages(t *testing.T) {
	images := pictures(1)
	index := make([]int32, 40)
	forms := map[bool]int{}
	// The rotation is so small that rounding hides it, but takes the other path.
	for _, img := range read(t, Augment{Rotate: 1e-6, Flip: "random"}, images, index, 0, 1) {
		near := func(want []float32) bool {
			for i, v := range want {
				if d := v - img[i]; d > 0.02 || d < -0.02 {
					return false
				}
			}
			return true
		}
		plain, flip := near(moved(images, 0, false, 0, 0, false)), near(moved(images, 0, true, 0, 0, false))
		if plain == flip {
			t.Fatalf("neither form: %v", img)
		}
		forms[flip]++
	}
	if forms[true] < 8 || forms[false] < 8 {
		t.Errorf("%v", forms)
	}
}

func TestAugmentChecks(t *testing.T) {
	for _, a := range []Augment{{Shift: 1}, {Rotate: 200}, {Crop: -1}, {Cutout: -1}, {Flip: "sideways"}, {Reflect: true, Shift: 0.1}} {
		if a.check() == nil {
			t.Errorf("%+v was accepted", a)
		}
	}
	if err := (Augment{Crop: 4, Flip: "alternate", Cutout: 8, Reflect: true}).check(); err != nil {
		t.Error(err)
	}
}

func TestSplits(t *testing.T) {
	d := blobs(50, 1)
	o := testOptions()
	o.ValFraction, o.ValLast = 0, 12
	kept, held, err := o.Split(d)
	if err != nil || kept.N != 38 || held.N != 12 || !slices.Equal(held.Image(0), d.Image(38)) || !slices.Equal(held.Labels, d.Labels[38:]) {
		t.Errorf("%v: %d and %d images", err, kept.N, held.N)
	}
	o.ValLast = 50
	if _, _, err := o.Split(d); err == nil || !strings.Contains(err.Error(), "val-last") {
		t.Error(err)
	}
	o.ValFraction = 0.1
	if o.Check() == nil {
		t.Error("two kinds of held-out images were accepted")
	}
	o.ValFraction, o.ValLast = 0, 0
	if kept, held, err := o.Split(d); err != nil || kept.N != 50 || held != (*data.Dataset)(nil) {
		t.Error("nothing was to be held out")
	}
}
