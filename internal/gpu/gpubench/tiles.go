package main

import "github.com/weft-ml/weft/internal/wgsl"

// The tiles that are timed: more than the table holds, since it is made from
// them.

// largeTiles are for products that fill the device.
func largeTiles() (out []wgsl.Tile) {
	for _, c := range []struct{ bm, bn, bk, tm, tn, split, stages int }{
		{128, 256, 16, 8, 16, 1, 2}, {128, 256, 8, 8, 16, 1, 2}, {128, 256, 8, 8, 16, 1, 1}, {128, 256, 16, 16, 8, 1, 2},
		{64, 256, 16, 8, 16, 1, 2}, {64, 256, 16, 8, 16, 1, 1}, {64, 256, 16, 8, 8, 1, 2},
		{128, 128, 16, 8, 8, 1, 2}, {128, 128, 32, 8, 8, 1, 1}, {128, 128, 16, 8, 16, 1, 1}, {128, 128, 16, 8, 16, 1, 2},
		{64, 128, 16, 8, 8, 1, 2}, {64, 128, 32, 8, 8, 2, 2}, {64, 128, 16, 8, 16, 1, 1}, {64, 128, 16, 8, 16, 1, 2}, {64, 128, 16, 8, 8, 2, 2}, {64, 128, 32, 8, 16, 2, 2},
		{64, 64, 16, 8, 8, 1, 2}, {64, 64, 32, 8, 8, 2, 1}, {64, 64, 32, 8, 8, 2, 2}, {64, 64, 32, 8, 8, 4, 2}, {128, 64, 32, 8, 8, 2, 2},
	} {
		out = append(out, wgsl.Tile{BM: c.bm, BN: c.bn, BK: c.bk, TM: c.tm, TN: c.tn, SplitK: c.split, Shared: true, Stages: c.stages})
	}
	return out
}

// middleTiles are for products with some tens of thousands of outputs.
func middleTiles() (out []wgsl.Tile) {
	for _, c := range []struct{ bm, bn, bk, tm, tn, split int }{
		{64, 64, 16, 8, 8, 1}, {64, 64, 32, 8, 8, 4}, {64, 64, 32, 8, 8, 2}, {64, 64, 32, 4, 4, 1},
		{32, 64, 32, 4, 8, 4}, {32, 64, 32, 4, 8, 2}, {32, 64, 64, 4, 8, 4},
		{32, 32, 32, 4, 4, 2}, {32, 32, 32, 4, 4, 4}, {32, 32, 64, 4, 4, 4}, {32, 32, 64, 8, 4, 8},
		{16, 32, 64, 4, 4, 4}, {16, 32, 64, 4, 4, 8}, {64, 128, 32, 8, 8, 2},
	} {
		for _, stages := range []int{1, 2} {
			out = append(out, wgsl.Tile{BM: c.bm, BN: c.bn, BK: c.bk, TM: c.tm, TN: c.tn, SplitK: c.split, Shared: true, Stages: stages})
		}
	}
	return append(out, splitTiles([]direct{{16, 8, 4, 4}, {8, 16, 4, 4}, {16, 16, 4, 4}, {8, 8, 4, 4}, {32, 16, 4, 4}, {16, 32, 4, 4}, {16, 16, 4, 8}, {32, 32, 4, 8}, {32, 32, 8, 8}})...)
}

// narrowTiles are for matrix by vector.
func narrowTiles() []wgsl.Tile {
	return splitTiles([]direct{{1, 4, 1, 4}, {1, 8, 1, 4}, {1, 16, 1, 4}, {1, 32, 1, 4}, {1, 64, 1, 4}, {1, 8, 1, 1}, {1, 16, 1, 2}, {4, 1, 4, 1}, {8, 1, 4, 1}, {8, 1, 1, 1}, {16, 1, 2, 1}, {32, 1, 4, 1}, {8, 4, 8, 4}, {8, 8, 8, 4}, {8, 8, 4, 4}, {4, 16, 4, 4}})
}

type direct struct{ bm, bn, tm, tn int }

// smallTiles are for products with few outputs.
func smallTiles() []wgsl.Tile {
	return splitTiles([]direct{
		{8, 8, 2, 2}, {8, 8, 4, 4}, {8, 16, 4, 4}, {16, 8, 4, 4}, {16, 16, 4, 4}, {8, 8, 2, 4}, {4, 8, 2, 4}, {4, 16, 4, 4}, {16, 4, 4, 4},
		{8, 10, 2, 5}, {4, 10, 2, 5}, {10, 16, 5, 4}, {10, 8, 5, 4}, {2, 10, 1, 5}, {2, 8, 1, 4}, {2, 16, 2, 4}, {1, 32, 1, 4}, {4, 32, 2, 4}, {16, 32, 4, 8},
	})
}

func splitTiles(list []direct) (out []wgsl.Tile) {
	for _, c := range list {
		for _, split := range []int{1, 2, 4, 8, 16, 32, 64} {
			for _, unroll := range []int{1, 2} {
				threads := c.bm / c.tm * (c.bn / c.tn) * split
				if threads >= 32 && threads <= 512 {
					out = append(out, wgsl.Tile{BM: c.bm, BN: c.bn, TM: c.tm, TN: c.tn, SplitK: split, Unroll: unroll})
				}
			}
		}
	}
	return out
}

// softwareTiles are for adapters that run on the CPU: no workgroup memory.
func softwareTiles() (out []wgsl.Tile) {
	for _, c := range []direct{{1, 1, 1, 1}, {1, 4, 1, 4}, {2, 4, 2, 4}, {2, 2, 2, 2}, {2, 5, 2, 5}, {2, 8, 2, 8}, {4, 4, 4, 4}, {4, 8, 4, 8}, {8, 4, 8, 4}, {8, 8, 8, 8}, {4, 2, 4, 2}, {5, 4, 5, 4}} {
		for _, g := range [][2]int{{1, 8}, {8, 1}, {2, 4}, {4, 4}, {4, 8}, {1, 32}} {
			for _, unroll := range []int{1, 2} {
				out = append(out, wgsl.Tile{BM: c.tm * g[0], BN: c.tn * g[1], TM: c.tm, TN: c.tn, Unroll: unroll})
			}
		}
	}
	return out
}
