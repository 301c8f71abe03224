// Random numbers are a pure function of (key, element index): Philox2x32-10 of
// Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011). A counter-based generator has no state to carry between blocks or
// threads, and needs only 32-bit arithmetic, so every device can give the same
// bits.

package simd

const (
	philoxM = 0xD256D193
	philoxW = 0x9E3779B9
)

// Philox2x32 returns the two output words of Philox2x32-10 for the counter
// (ctr0, ctr1) and the key.
func Philox2x32(ctr0, ctr1, key uint32) (uint32, uint32) {
	for range 10 {
		p := uint64(philoxM) * uint64(ctr0)
		ctr0, ctr1 = uint32(p>>32)^key^ctr1, uint32(p)
		key += philoxW
	}
	return ctr0, ctr1
}

func randUniformPlain(dst []float32, idx []int32, key0, key1 uint32) {
	idx = idx[:len(dst)]
	for i := range dst {
		w, _ := Philox2x32(uint32(idx[i]), key1, key0)
		dst[i] = float32(w>>8) * 0x1p-24
	}
}
