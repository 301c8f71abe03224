package synthetic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"runtime"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/mnist"
)

// TestSameBytesEverywhere pins the output: models are trained on it, and a
// recorded accuracy means nothing if the data moves. It must hold on every
// platform; that no multiplication is fused on arm64 shows also in
//
//	GOARCH=arm64 go build -gcflags=-S ./data/synthetic 2>&1 | grep -E 'FN?M(ADD|SUB)'
//
// which prints nothing. After a deliberate change of the generator, put the
// new sum here and measure the accuracy again.
func TestSameBytesEverywhere(t *testing.T) {
	const want = "a309046ea0c39ad0e23e7433c127586cc6fe028c54161c1692db7395ce5e388e"
	sum := sha256.Sum256(Digits(1000, 1).Images)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("SHA-256 of 1000 images is %s, want %s", got, want)
	}
}

func TestFewerAreTheFirstOfMore(t *testing.T) {
	few, more := Digits(70, 5), Digits(200, 5)
	if !bytes.Equal(few.Images, more.Images[:len(few.Images)]) || !bytes.Equal(few.Labels, more.Labels[:70]) {
		t.Error("the first 70 of 200 images are not those of 70")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if !bytes.Equal(Digits(200, 5).Images, more.Images) {
		t.Error("the images depend on the number of processors")
	}
	if bytes.Equal(Digits(1, 6).Images, few.Image(0)) {
		t.Error("two seeds give the same image")
	}
}

func TestDatasetIsComplete(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 1001} {
		d := Digits(n, 1)
		if err := d.Check(); err != nil || d.N != max(n, 0) || !d.Synthetic {
			t.Errorf("%d images: %v", n, err)
		}
	}
	for class, n := range Digits(1000, 1).Counts() {
		if n != 100 {
			t.Errorf("%d images of class %d", n, class)
		}
	}
}

// TestMadeLikeMNIST checks what MNIST's description promises of every image,
// and its averages.
func TestMadeLikeMNIST(t *testing.T) {
	d := Digits(3000, 9)
	if m, s := d.Mean[0], d.Std[0]; m < 0.115 || m > 0.145 || s < 0.285 || s > 0.325 {
		t.Errorf("mean %.4f and std %.4f are not near MNIST's 0.1307 and 0.3081", m, s)
	}
	for i := range d.N {
		var sum, sumX, sumY float64
		top := uint8(0)
		x0, x1, y0, y1 := side, -1, side, -1
		for at, v := range d.Image(i) {
			x, y := at%side, at/side
			sum += float64(v)
			sumX += float64(v) * float64(x)
			sumY += float64(v) * float64(y)
			top = max(top, v)
			if v > 0 {
				x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
			}
		}
		if top < 200 {
			t.Errorf("image %d (a %d): brightest pixel is %d", i, d.Labels[i], top)
		}
		if cx, cy := sumX/sum, sumY/sum; math.Abs(cx-14) > 0.51 || math.Abs(cy-14) > 0.51 {
			t.Errorf("image %d (a %d): centre of mass %.2f, %.2f", i, d.Labels[i], cx, cy)
		}
		if w, h := x1-x0+1, y1-y0+1; max(w, h) < 19 || max(w, h) > 21 {
			t.Errorf("image %d (a %d): box %dx%d, want 20 on the longer side", i, d.Labels[i], w, h)
		}
	}
}

// nearest is the accuracy of the single nearest neighbour in train, over the
// first n images of test.
func nearest(train, test *data.Dataset, n int) float64 {
	right := 0
	for i := range n {
		query, best, label := test.Image(i), math.MaxInt, uint8(0)
		for j := range train.N {
			distance := 0
			for at, v := range train.Image(j) {
				d := int(v) - int(query[at])
				if distance += d * d; distance >= best {
					break
				}
			}
			if distance < best {
				best, label = distance, train.Labels[j]
			}
		}
		if label == test.Labels[i] {
			right++
		}
	}
	return float64(right) / float64(n)
}

// TestDigitsCanBeTold: labels fit the pictures, and different seeds draw the
// same digits.
func TestDigitsCanBeTold(t *testing.T) {
	if got := nearest(Digits(4000, 1), Digits(300, 2), 300); got < 0.75 {
		t.Errorf("nearest neighbour reads %.1f %% of other digits", 100*got)
	}
}

// TestReadsMNIST is a guard for the real purpose that needs no training: real
// digits are near synthetic ones of the same class.
func TestReadsMNIST(t *testing.T) {
	train, _, err := mnist.Load(context.Background(), mnist.Options{Offline: true})
	if err != nil {
		t.Skip(err)
	}
	got := nearest(Digits(6000, 1), train, 500)
	t.Logf("nearest of 6000 synthetic digits reads %.1f %% of 500 real ones", 100*got)
	if got < 0.87 {
		t.Errorf("nearest neighbour reads %.1f %% of MNIST", 100*got)
	}
}

func TestSine(t *testing.T) {
	for i := -3000; i <= 3000; i++ {
		a := float64(i) / 700
		if got, want := sin(a), math.Sin(2*math.Pi*a); math.Abs(got-want) > 1e-7 {
			t.Fatalf("sin(%g turns) = %g, want %g", a, got, want)
		}
	}
}

func BenchmarkDigits(b *testing.B) {
	for b.Loop() {
		Digits(1000, 1)
	}
}

// Parts of a set are the set.
func TestRange(t *testing.T) {
	all, part := Digits(205, 7), Range(101, 205, 7)
	if part.N != 104 || !bytes.Equal(part.Images, all.Images[101*side*side:]) || !bytes.Equal(part.Labels, all.Labels[101:]) {
		t.Error("images 101 to 204 are not those of the whole set")
	}
	if Range(5, 3, 7).N != 0 {
		t.Error("a range that ends before it begins has images")
	}
}
