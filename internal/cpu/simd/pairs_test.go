package simd

import (
	"slices"
	"testing"
)

// Rows of every length, at the very end of their slices, against plain Go.
func TestPairs(t *testing.T) {
	saved := active
	defer func() { active = saved }()
	for _, v := range available {
		for length := 1; length <= 70; length++ {
			for _, rows := range []int{1, 3} {
				for _, gap := range []int{-2 * length * 2, 0, 1, 5} { // between rows
					step := 2*length + gap
					at := 0
					if step < 0 {
						at = -step * (rows - 1)
					}
					n := at + 2*length - 1
					if step > 0 {
						n += (rows - 1) * step
					}
					src, short := make([]float32, n), make([]float32, length*rows)
					for i := range src {
						src[i] = float32(i + 1)
					}
					for i := range short {
						short[i] = float32(-i - 1)
					}
					var took, put, twice [2][]float32
					for i, use := range []variant{plain(), v} {
						active = use
						took[i] = make([]float32, length*rows+1)
						TakeEvens(took[i], src, at, length, rows, step)
						put[i] = slices.Clone(src)
						PutEvens(put[i], short, at, length, rows, step)
						twice[i] = make([]float32, 2*length+1)
						Double(twice[i], short[:length])
					}
					if !slices.Equal(took[0], took[1]) || !slices.Equal(put[0], put[1]) || !slices.Equal(twice[0], twice[1]) {
						t.Fatalf("%s, %d rows of %d, %d apart:\n%v\n%v\n%v\n%v\n%v\n%v", v.name, rows, length, step, took[0], took[1], put[0], put[1], twice[0], twice[1])
					}
					if took[0][length*rows] != 0 || took[0][length-1] != src[at+2*length-2] || put[0][at] != -1 || twice[0][2*length-1] != float32(-length) {
						t.Fatalf("plain, %d rows of %d, %d apart: %v %v %v", rows, length, step, took[0], put[0], twice[0])
					}
				}
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a row beyond the slice's end: no panic")
		}
	}()
	TakeEvens(make([]float32, 4), make([]float32, 6), 0, 4, 1, 0)
}
