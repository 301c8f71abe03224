package wgsl

// Only browsers' software adapter has subgroups of four threads, so this runs as
// WebAssembly, by web/player/test/run.sh.

import (
	"math/rand/v2"
	"testing"
)

// Quads of every kind of operand.
func TestMatmulQuads(t *testing.T) {
	d := openGPU(t)
	if lim := d.Limits(); !d.Features().Subgroups || lim.SubgroupMin != 4 || lim.SubgroupMax != 4 {
		t.Skipf("%s has no subgroups of four; SwiftShader has", d.Info())
	}
	r := rand.New(rand.NewPCG(11, 12))
	for _, c := range []struct {
		size [4]int // batch, m, n, k
		tile Tile
	}{
		{[4]int{2, 64, 32, 15}, Tile{BM: 32, BN: 16, TM: 4, TN: 16, Unroll: 5}},
		{[4]int{1, 48, 35, 36}, Tile{BM: 24, BN: 7, TM: 6, TN: 7, Unroll: 4}},
		{[4]int{3, 4, 30, 9}, Tile{BM: 4, BN: 3, TM: 1, TN: 3, Unroll: 1}},
		{[4]int{1, 8, 5, 6}, Tile{BM: 8, BN: 5, TM: 1, TN: 5, Unroll: 3}},
	} {
		c.tile.Strip, c.tile.Quad = true, true
		checkStrip(t, d, r, c.size, c.tile, quads, nil)
	}
}
