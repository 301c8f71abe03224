// The order in which a training set is visited is a function of the seed and
// the epoch alone: a resumed run needs no generator state to go on where it
// was, and every platform shuffles alike. math/rand's shuffle is not used
// because only its sources, not its algorithms, are fixed across releases.

package train

import (
	"math/bits"
)

// The kinds of random decisions of a run, so that one seed serves all of them
// without their numbers being related.
const (
	purposeInit uint64 = iota + 1
	purposeOrder
	purposeSplit
	purposeDevice
)

// derive mixes a seed with what it is for.
func derive(seed, purpose, counter uint64) uint64 {
	return mix(mix(seed+purpose*0x9E3779B97F4A7C15) + counter*0xD1B54A32D192ED03)
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014).
func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// permute fills order with a permutation of 0..len(order)-1 by Fisher and
// Yates' method. The product's high word maps 64 random bits to 0..i with a
// bias below 2^-38 for a set of 2^26 images.
func permute(order []int32, seed, epoch uint64) {
	for i := range order {
		order[i] = int32(i)
	}
	key := derive(seed, purposeOrder, epoch)
	for i := len(order) - 1; i > 0; i-- {
		hi, _ := bits.Mul64(mix(key+uint64(i)*0x9E3779B97F4A7C15), uint64(i+1))
		order[i], order[hi] = order[hi], order[i]
	}
}
