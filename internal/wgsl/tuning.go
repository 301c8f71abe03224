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

	// DropNaN leaves to the driver what becomes of what is not a number: the
	// benchmark of what the rule costs compares with that.
	DropNaN bool

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

// Low are thresholds with which small products and sums are treated as the largest
// are: cut, uneven, in blocks.
func Low() *Tuning {
	return &Tuning{
		MaxTurns: 64, MaxTerms: 3, MaxChain: 20,
		SplitBelow: 1 << 20, SplitTarget: 1 << 20, SplitLeast: 4, SplitMost: 8,
		TapsMost: 1 << 30, TapsFewest: 1, TapsLeast: 4,
	}
}

// Families are the kinds of tiles, each with tiles for Tuning.Tiles that any product
// may have which the kind can compute at all.
var Families = map[string]func(*Matmul, TileLimits) []Tile{
	"strip": stripTiles,
	"direct": func(*Matmul, TileLimits) []Tile {
		return []Tile{{BM: 8, BN: 16, TM: 4, TN: 4, Unroll: 2}}
	},
	"direct in parts": func(*Matmul, TileLimits) []Tile {
		return []Tile{{BM: 8, BN: 8, TM: 4, TN: 4, SplitK: 5, Unroll: 3}}
	},
	"column in parts": func(*Matmul, TileLimits) []Tile {
		return []Tile{{BM: 4, BN: 1, TM: 4, TN: 1, SplitK: 32, Unroll: 2}}
	},
	"shared": func(*Matmul, TileLimits) []Tile {
		return []Tile{{BM: 32, BN: 32, BK: 8, TM: 4, TN: 4, Shared: true, Stages: 1}}
	},
	"shared in parts": func(*Matmul, TileLimits) []Tile {
		return []Tile{{BM: 16, BN: 32, BK: 16, TM: 4, TN: 8, Shared: true, Stages: 2, SplitK: 4, Unroll: 2}}
	},
	"window": anyWindow,
	"taps":   anyTaps,
}

// anyWindow are small tiles of windows, for images of every size.
func anyWindow(m *Matmul, lim TileLimits) (out []Tile) {
	v := m.B.Window
	if v == nil {
		return nil
	}
	trial := *m
	for _, t := range []Tile{{BM: 8, TM: 4, TN: 8, TW: 4}, {BM: 4, TM: 4, TN: 4, TW: 4}, {BM: 8, TM: 8, TN: 8, TW: 8}} {
		wide := (v.OutW + t.TW - 1) / t.TW * t.TW
		t.Window, t.BK = true, 1
		if v.Channels%2 == 0 {
			t.BK = 2
		}
		for t.BN = wide; t.BN <= 256; t.BN += wide {
			if trial.Tile = t; t.BN%t.TN == 0 && trial.Check(lim) == nil {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

// anyTaps are small tiles of taps.
func anyTaps(m *Matmul, lim TileLimits) (out []Tile) {
	v := m.B.Taps
	if v == nil || v.KH*v.KW > 32 {
		return nil
	}
	trial := *m
	for _, channels := range []int{2, 1} {
		for _, rows := range []int{2, 1} {
			t := Tile{TM: 2, TN: v.KH * v.KW, BM: 8, BN: channels * v.KH * v.KW, BK: rows, Taps: true}
			if trial.Tile = t; trial.Check(lim) == nil {
				out = append(out, t)
			}
		}
	}
	return out
}
