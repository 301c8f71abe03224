package wgsl

// ChooseTile picks a tile for a product from a table.
func ChooseTile(m *Matmul, lim TileLimits) Tile {
	old := m.Tile
	defer func() { m.Tile = old }()
	for _, t := range preferred(m, lim) {
		m.Tile = t
		if m.Check(lim) == nil {
			return t
		}
	}
	return Tile{BM: 8, BN: 8, TM: 1, TN: 1}
}

// Candidates are the tiles worth trying for a product, the table's choice first.
func Candidates(m *Matmul, lim TileLimits) []Tile {
	first := ChooseTile(m, lim)
	out := []Tile{first}
	old := m.Tile
	defer func() { m.Tile = old }()
	for _, t := range preferred(m, lim) {
		m.Tile = t
		if t != first && m.Check(lim) == nil {
			out = append(out, t)
		}
	}
	return out
}

func preferred(m *Matmul, lim TileLimits) []Tile {
	if lim.Software {
		return []Tile{{BM: 16, BN: 32, TM: 4, TN: 4}, {BM: 8, BN: 8, TM: 1, TN: 1}}
	}
	outputs := max(m.Batch, 1) * m.M * m.N
	switch {
	case outputs >= 2048*2048:
		return []Tile{{BM: 128, BN: 128, BK: 16, TM: 8, TN: 8, Shared: true, Stages: 2}, {BM: 64, BN: 64, BK: 16, TM: 8, TN: 8, Shared: true, Stages: 1}}
	case outputs >= 512*512:
		return []Tile{{BM: 64, BN: 64, BK: 16, TM: 8, TN: 8, SplitK: 2, Shared: true, Stages: 1}}
	}
	return []Tile{{BM: 16, BN: 8, TM: 4, TN: 4, SplitK: 16}, {BM: 8, BN: 8, TM: 4, TN: 4, SplitK: 16}}
}
