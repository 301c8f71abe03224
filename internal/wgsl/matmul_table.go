package wgsl

// The table of tiles. A tile is chosen by how many workgroups it makes, since a
// GPU with idle multiprocessors loses more than a larger tile wins; the sum over
// k is split inside a workgroup when there are too few outputs.
//
// Measured on an NVIDIA H200 (132 multiprocessors, Vulkan), float32, random data,
// each the median of turns of dependent dispatches, by
//
//	go run ./internal/gpu/gpubench -set table
//
//	8192 x 8192 x 8192 NN          128x128 bk32           46 TFLOP/s
//	4096 x 4096 x 4096 NN, NT      128x128 bk32           43, 43
//	2048 x 2048 x 2048 NN, NT      128x128 bk32           44, 44
//	1024 x 1024 x 1024 NN, NT, TN  64x64 bk32 k2          35, 32, 36
//	1024 x 512 x 512 NN            64x64 bk32 k2          26
//	512 x 512 x 512 NT, TN         32x64 bk32 k4          16, 18
//	128 x 512 x 2048 TN            16x16 direct k16       16 us
//	512 x 128 x 784 NT             16x16 direct k16       10.1 us
//	128 x 784 x 512 TN             16x16 direct k16        9.7 us
//	128 x 784 x 64 TN              16x16 direct k8         4.4 us
//	64 x 128 x 784 NT              8x8 direct k64          5.2 us
//	64 x 10 x 128 NT               8x8 direct k16          3.7 us
//	10 x 128 x 64 TN               8x8 direct k8           3.9 us
//	64 x 128 x 10 NN               16x16 direct k4         3.8 us
//	1 x 128 x 784 NT               4x1 direct k32          3.7 us (-set narrow)
//
// Convolutions on an NVIDIA H100, by gpubench -set conv; "part" is a weight's
// gradient, whose sum is split (split.go); in brackets the best shared tile:
//
//	32 x 204800 x 800              32x400 window w4 c2    32 TFLOP/s (22)
//	32 x 294912 x 800              32x192 window w8 c2    36 (24)
//	32 x 800 x 204800 part         32x400 taps r4         35 to 38 (25)
//	64 x 524288 x 576              32x256 window w8 c4    37 (33)
//	64 x 576 x 524288 part         64x144 taps r1         36 (31)
//	128 x 131072 x 1152            32x256 window w8 c4    38 (37)
//	128 x 1152 x 131072 part       64x144 taps r4         35 (34)
//	256 x 32768 x 2304             32x256 window w8 c4    38 (37)
//	256 x 2304 x 32768 part        64x144 taps r4         36 (34)
//	512 x 8192 x 4608              32x256 window w4 c4    32 (35)
//	512 x 4608 x 8192 part         64x144 taps r4         34 (34)
//	64 x 288 x 32768 part          64x64/4x8 bk16         18 to 23
//
// In a training step, where the card's clock has risen, these are some percent
// faster. Tried for the shared nest and not better: windows over aligned rows read
// as vec4s and shifted in registers (2 % at most), loads with adjacent threads on
// adjacent pixels and on adjacent k, stored along k (10 % slower), 8x16 values per
// thread. Tried for windows: more memory than 25 KiB costs a tenth and more, since
// fewer workgroups run at once; so does a workgroup that is no multiple of 32
// threads.
//
// A dependent dispatch that does nothing takes 3.1 to 3.8 us there (-set floor).
// What -set large and -set middle showed besides: larger thread tiles (8x16) and
// blocks (128x256) are within 5 % of the table's at 2048 and above, and three
// times slower at 1024; walking the tiles in another order for the cache changed
// nothing up to 8192.
//
// On software adapters barriers and workgroup memory cost more than they save, and
// SwiftShader's costs are such (matmul_strip.go) that strips chosen by a model of
// them serve products of every kind. Processor time of SwiftShader, gigaflops for
// each second of a core, of the digit CNN's kernels at batch 4 (8x8 registers,
// sixteen threads reached 1.1 to 1.3; the model's choices are first):
//
//	32 x 1600 x 800    4x20 u5  2.4    8x10 u5  2.2    8x20 u5  2.9
//	32 x 2304 x 800    4x24 u5  3.8    4x12 u5  2.3    8x24 u1  1.2
//	32 x 800 x 1600    4x25 u5  2.3    4x25 u4  1.9    8x25 u4  2.7
//	64 x 144 x 576     4x18 u9  2.8    4x36 u3  2.2    2x18 u9  1.8
//	64 x 256 x 576     4x16 u9  2.6    8x16 u3  2.2    8x8 u3   2.2
//	64 x 576 x 144     8x18 u3  2.4    8x18 u2  1.6    8x9 u3   1.7

// ChooseTile picks the tile for a product.
func ChooseTile(m *Matmul, lim TileLimits) Tile { return Candidates(m, lim)[0] }

// Candidates are the tiles worth trying for a product within the limits, the
// table's choice first. There are at most a dozen.
func Candidates(m *Matmul, lim TileLimits) []Tile {
	list := hardwareTiles
	if lim.Software {
		list = softwareTiles
	}
	trial := *m
	var out []Tile
	tiles := list(m, lim)
	if more := lim.tuning().Tiles; more != nil {
		tiles = append(more(m, lim), tiles...)
	}
	for _, t := range append(tiles, Tile{BM: 16, BN: 16, TM: 4, TN: 4}, Tile{BM: 8, BN: 8, TM: 1, TN: 1}) {
		trial.Tile = t
		if trial.Check(lim) != nil {
			continue
		}
		seen := false
		for _, o := range out {
			seen = seen || o == t
		}
		if !seen {
			out = append(out, t)
		}
	}
	return out
}

// workgroups of a tile of this size.
func (m *Matmul) workgroups(bm, bn int) int {
	return (m.M + bm - 1) / bm * ((m.N + bn - 1) / bn) * max(m.Batch, 1)
}

func softwareTiles(m *Matmul, lim TileLimits) []Tile {
	wide := Tile{BM: 32, BN: 32, TM: 8, TN: 8}
	strips := stripTiles(m, lim)
	switch {
	case m.M > 4 || m.Batch > 1 || len(strips) > 0 && strips[0].TN > 8:
		return append(strips, wide)
	case m.N <= 16:
		return []Tile{{BM: 64, BN: 8, TM: 8, TN: 8}, wide, {BM: 64, BN: 4, TM: 8, TN: 4}}
	}
	return []Tile{{BM: 1, BN: 32, TM: 1, TN: 4}, wide}
}

func hardwareTiles(m *Matmul, lim TileLimits) []Tile {
	large := []Tile{
		{BM: 128, BN: 128, BK: 32, TM: 8, TN: 8, Shared: true, Stages: 1},
		{BM: 128, BN: 128, BK: 16, TM: 8, TN: 8, Shared: true, Stages: 2},
		{BM: 128, BN: 128, BK: 16, TM: 8, TN: 8, Shared: true, Stages: 1},
	}
	medium := []Tile{
		{BM: 64, BN: 64, BK: 32, TM: 8, TN: 8, SplitK: 2, Shared: true, Stages: 1},
		{BM: 64, BN: 64, BK: 16, TM: 8, TN: 8, Shared: true, Stages: 2},
		{BM: 64, BN: 128, BK: 32, TM: 8, TN: 8, SplitK: 2, Shared: true, Stages: 2},
		{BM: 32, BN: 64, BK: 32, TM: 4, TN: 8, SplitK: 4, Shared: true, Stages: 1},
	}
	split := []Tile{
		{BM: 32, BN: 64, BK: 32, TM: 4, TN: 8, SplitK: 4, Shared: true, Stages: 1},
		{BM: 32, BN: 32, BK: 32, TM: 4, TN: 4, SplitK: 4, Shared: true, Stages: 2},
	}
	few := m.workgroups(64, 64) < 300 // tiles that would leave a large GPU partly idle
	if taps := tapsTiles(m, lim); len(taps) > 0 && m.enoughTaps(taps[0], 1, lim.tuning()) {
		return append(taps, medium...)
	}
	if windows := windowTiles(m); len(windows) > 0 && m.windowGroups(windows[0]) >= 200 {
		return append(windows, medium...)
	}
	switch {
	case m.M <= 2 && m.Batch > 1 && m.N >= 1024 && m.K <= 128:
		// A depthwise convolution: each output is a short sum of its own.
		return []Tile{{BM: m.M, BN: 256, TM: m.M, TN: 4, Unroll: 2}, {BM: m.M, BN: 128, TM: m.M, TN: 4}}
	case m.M <= 2 && m.Batch > 1 && m.N >= 32 && m.K <= 128:
		return []Tile{{BM: m.M, BN: 64, TM: m.M, TN: 1}, {BM: m.M, BN: 32, TM: m.M, TN: 1}}
	case m.M <= 2 && m.Batch > 1 && m.N <= 64 && m.K >= 512:
		// The gradient of its weight: few long sums for each of many channels.
		return splits(m, Tile{BM: m.M, BN: (m.N + 3) / 4 * 4, TM: m.M, TN: 4}, Tile{BM: m.M, BN: 4, TM: m.M, TN: 4})
	case m.N <= 2 || m.M <= 4 && m.B.Contig == 1:
		// A workgroup to an output, its threads side by side along k. The rows that
		// M lacks are read again and not stored.
		return append([]Tile{{BM: 4, BN: 1, TM: 4, TN: 1, SplitK: 32, Unroll: 2}},
			splits(m, Tile{BM: 8, BN: 1, TM: 4, TN: 1, Unroll: 2}, Tile{BM: 1, BN: 8, TM: 1, TN: 4, Unroll: 2})...)
	case m.M <= 4:
		return splits(m, Tile{BM: 4, BN: 16, TM: 4, TN: 4, Unroll: 2}, Tile{BM: 1, BN: 8, TM: 1, TN: 4, Unroll: 2})
	case m.K < 32 && few:
		return splits(m, Tile{BM: 16, BN: 16, TM: 4, TN: 4, Unroll: 2}, Tile{BM: 8, BN: 8, TM: 4, TN: 4, Unroll: 2})
	case m.M <= 48 && m.workgroups(32, 128) >= 150, m.N <= 32 && m.workgroups(32, 32) >= 200:
		return append(narrow(m), medium...)
	case alongK(m) && m.workgroups(64, 64) >= 200:
		return append([]Tile{{BM: 64, BN: 64, BK: 16, TM: 4, TN: 8, Shared: true, Stages: 1}}, medium...)
	case m.M <= 96 && m.workgroups(64, 64) >= 600:
		return append([]Tile{
			{BM: 64, BN: 64, BK: 16, TM: 8, TN: 8, Shared: true, Stages: 1},
			{BM: 64, BN: 64, BK: 16, TM: 4, TN: 8, Shared: true, Stages: 1},
		}, medium...)
	case m.M > 96 && m.workgroups(128, 128) >= 200 && m.B.Vec4 == "":
		return append([]Tile{large[1], large[2]}, medium...)
	case m.M > 96 && m.workgroups(128, 128) >= 200:
		return append(large, medium...)
	case m.workgroups(64, 64) >= 100:
		return append(medium, large[0])
	case m.workgroups(32, 64) >= 100:
		return append(append(split, medium[0]), splits(m, Tile{BM: 16, BN: 16, TM: 4, TN: 4, Unroll: 2})...)
	case m.workgroups(16, 16) >= 100:
		return append(splits(m, Tile{BM: 16, BN: 16, TM: 4, TN: 4, Unroll: 2}, Tile{BM: 16, BN: 32, TM: 4, TN: 4, Unroll: 2}), split...)
	}
	return splits(m, Tile{BM: 8, BN: 8, TM: 4, TN: 4, Unroll: 2}, Tile{BM: 4, BN: 16, TM: 4, TN: 4, Unroll: 2}, Tile{BM: 8, BN: 8, TM: 2, TN: 2, Unroll: 2})
}

// windowTiles are for the windows of images: 8x8 sums to a thread, and as many
// pixels as leave few lanes of a workgroup of about 128 threads idle.
func windowTiles(m *Matmul) (out []Tile) {
	v := m.B.Window
	if v == nil || v.OutW < v.KW || m.M%8 != 0 || m.K < 64 {
		return nil // with more taps than pixels it is a gradient of weights
	}
	t := Tile{BM: 32, TM: 8, TN: 8, TW: 4, BK: 1, Window: true}
	if v.OutW%8 == 0 || v.OutW%8 > 4 || v.OutH%2 != 0 && v.OutW > 4 {
		t.TW = 8
	}
	wide := (v.OutW + t.TW - 1) / t.TW * t.TW
	best, bn := 0, 0
	trial := *m
	for t.BN = wide; t.BN <= max(v.OutH*wide, 512); t.BN += wide {
		if trial.Tile = t; t.BN%t.TN != 0 || trial.checkWindow() != nil {
			continue
		}
		threads := t.threads()
		if threads < 64 || threads > 256 {
			continue
		}
		s := trial.windowShape()
		busy := 1000 * threads / ((threads + 31) / 32 * 32) * (v.OutW * v.OutH) / (s.wide * s.tall)
		if score := busy - max(threads-128, 128-threads)/2; score > best {
			best, bn = score, t.BN
		}
	}
	if best < 500 {
		return nil
	}
	t.BN = bn
	// More channels mean fewer barriers, and more memory, of which there is enough
	// where few workgroups share it.
	taps := 50
	if m.windowGroups(t) < 400 {
		taps = 100
	}
	for _, c := range []int{8, 4, 2, 1} {
		if v.Channels%c == 0 && c*v.KH*v.KW <= taps {
			t.BK = c
			out = append(out, t)
		}
	}
	return out
}

// windowGroups are the workgroups of a tile of windows.
func (m *Matmul) windowGroups(t Tile) int {
	trial := *m
	trial.Tile = t
	s := trial.windowShape()
	return (m.M + t.BM - 1) / t.BM * ((s.pixels() + t.BN - 1) / t.BN) * max(m.Batch, 1)
}

// tapsTiles are for gradients of a convolution's weights: 72 or 100 sums to a
// thread, 128 threads, and as many rows of pixels as leave memory for others.
func tapsTiles(m *Matmul, lim TileLimits) (out []Tile) {
	v := m.B.Taps
	if v == nil || v.KH*v.KW < 4 || v.KH*v.KW > 32 || m.M%8 != 0 {
		return nil
	}
	t := Tile{TM: 8, TN: v.KH * v.KW, Taps: true}
	if t.TN > 12 || m.M < 64 {
		t.TM = 4
	}
	t.BM = 8 * t.TM
	lim.WorkgroupStorage = min(lim.WorkgroupStorage, 25<<10)
	for _, channels := range []int{16, 8} {
		for _, rows := range []int{7, 5, 4, 3, 2, 1} {
			t.BN, t.BK = channels*t.TN, rows
			trial := *m
			if trial.Tile = t; trial.Check(lim) == nil {
				out = append(out, t)
			}
		}
	}
	return out
}

// alongK says that B is read one by one along k: a convolution's windows in the
// gradient of its weight.
func alongK(m *Matmul) bool { return m.B.Contig == 1 && m.B.Vec4 == "" }

// narrow tiles are for products of about 32 rows.
func narrow(m *Matmul) []Tile {
	list := []Tile{
		{BM: 32, BN: 128, BK: 16, TM: 4, TN: 8, Shared: true, Stages: 1},
		{BM: 32, BN: 64, BK: 16, TM: 4, TN: 4, Shared: true, Stages: 1},
	}
	switch {
	case m.N <= 32:
		return append([]Tile{{BM: 32, BN: 32, BK: 32, TM: 4, TN: 4, SplitK: 2, Shared: true, Stages: 1}}, list...)
	case alongK(m):
		return append([]Tile{{BM: 32, BN: 128, BK: 32, TM: 4, TN: 8, SplitK: 2, Shared: true, Stages: 1}}, list...)
	}
	return list
}

// splits gives each tile the largest split that leaves a thread at least two fours
// of k and a workgroup at most 256 threads, then the next smaller ones, for
// devices with little workgroup memory.
func splits(m *Matmul, tiles ...Tile) (out []Tile) {
	for _, t := range tiles {
		split := 4
		for split*2 <= m.K/8 && t.BM/t.TM*(t.BN/t.TN)*split*2 <= 256 {
			split *= 2
		}
		for n := 0; n < 3 && split >= 4; n++ {
			t.SplitK = split
			out = append(out, t)
			split /= 2
		}
	}
	return out
}
