package wgsl

// What is decided by measurements on real graphics cards, in one place, so that
// tests can decide otherwise: with low thresholds small programs take the paths of
// large ones, and with tiles of a given kind a software adapter runs the kernels
// that only cards run.

// Tuning replaces the usual thresholds and tiles. Zeros mean the usual.
type Tuning struct {
	// MaxTurns is how often the loops of one thread may turn, all together.
	MaxTurns int
	// MaxTerms is how many terms a thread adds to one sum before it adds them in
	// blocks, where that costs nothing.
	MaxTerms int
	// MaxChain is how many terms a thread may add to one sum where blocks would cost
	// registers: longer products are cut.
	MaxChain int

	SplitBelow  int // workgroups of 64x64 that fill a large GPU twice
	SplitTarget int // workgroups wanted: so many that it hardly matters how the last ones fall
	SplitLeast  int // steps of k that a part has at least
	SplitMost   int // parts
	TapsMost    int // threads wanted of tiles of taps, which do more each
	TapsFewest  int // threads with which they are worth it
	TapsLeast   int // steps of k that such a part has at least

	// Tiles are tried before those of the table, where they can be used.
	Tiles func(*Matmul, TileLimits) []Tile
}

var usual = Tuning{
	MaxTurns: 1 << 15, MaxTerms: 128, MaxChain: 8192,
	SplitBelow: 264, SplitTarget: 1200, SplitLeast: 256, SplitMost: 1024,
	TapsMost: 1 << 17, TapsFewest: 1 << 15, TapsLeast: 512,
}

// driverTurns is after how many turns of all loops of a thread Mesa's llvmpipe and
// lavapipe go on behind the loop, without a word.
const driverTurns = 65535

// fewestTerms is the size of the smallest blocks of a sum.
const fewestTerms = 16

// tuning is what holds for these limits.
func (lim *TileLimits) tuning() Tuning {
	if lim.Tuning == nil {
		return usual
	}
	t := *lim.Tuning
	for _, f := range []struct {
		have *int
		want int
	}{
		{&t.MaxTurns, usual.MaxTurns}, {&t.MaxTerms, usual.MaxTerms}, {&t.MaxChain, usual.MaxChain},
		{&t.SplitBelow, usual.SplitBelow}, {&t.SplitTarget, usual.SplitTarget}, {&t.SplitLeast, usual.SplitLeast}, {&t.SplitMost, usual.SplitMost},
		{&t.TapsMost, usual.TapsMost}, {&t.TapsFewest, usual.TapsFewest}, {&t.TapsLeast, usual.TapsLeast},
	} {
		if *f.have == 0 {
			*f.have = f.want
		}
	}
	return t
}
