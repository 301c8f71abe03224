// Every other element of short rows, as pooling and its gradient read and write them.

package simd

import "unsafe"

// reach panics unless rows of every other element, step elements apart from at on,
// lie in a slice of n elements.
func reach(n, at, length, rows, step int) {
	first, last := at, at+(rows-1)*step
	if first > last {
		first, last = last, first
	}
	if first < 0 || last+2*length-1 > n {
		panic("simd: rows reach over the end of the slice")
	}
}

// TakeEvens sets dst, rows of length elements one after another, to every other
// element of src: of row r those from at+r*step on.
func TakeEvens(dst, src []float32, at, length, rows, step int) {
	if length <= 0 || rows <= 0 {
		return
	}
	reach(len(src), at, length, rows, step)
	active.takeEvens(unsafe.SliceData(dst[:length*rows]), &src[at], length, rows, step)
}

// PutEvens sets every other element of dst: of row r those from at+r*step on, to src,
// rows of length elements one after another. Those between stay.
func PutEvens(dst, src []float32, at, length, rows, step int) {
	if length <= 0 || rows <= 0 {
		return
	}
	reach(len(dst), at, length, rows, step)
	active.putEvens(&dst[at], unsafe.SliceData(src[:length*rows]), length, rows, step)
}

// Double sets dst to the elements of src, each twice.
func Double(dst, src []float32) {
	if len(src) > 0 {
		active.double(unsafe.SliceData(dst[:2*len(src)]), &src[0], len(src))
	}
}

func element(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i))
}

func takeEvensPlain(dst, src *float32, length, rows, step int) {
	for r := range rows {
		for i := range length {
			*element(dst, r*length+i) = *element(src, r*step+2*i)
		}
	}
}

func putEvensPlain(dst, src *float32, length, rows, step int) {
	for r := range rows {
		for i := range length {
			*element(dst, r*step+2*i) = *element(src, r*length+i)
		}
	}
}

func doublePlain(dst, src *float32, length int) {
	for i := range length {
		v := *element(src, i)
		*element(dst, 2*i), *element(dst, 2*i+1) = v, v
	}
}
