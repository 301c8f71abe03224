package main

import (
	"testing"

	"github.com/weft-ml/weft/train"
)

// TestRecipesPassTheirOwnCheck covers every preset, with images of the size
// that the recipe is for.
func TestRecipesPassTheirOwnCheck(t *testing.T) {
	for _, r := range train.Recipes() {
		if !trainable(r) {
			continue
		}
		sets := map[string]train.Options{"default": r.Options}
		for name, o := range r.Presets {
			sets[name] = o
		}
		c, h, w := r.Input()
		d := blank(c, h, w, 50000)
		for name, o := range sets {
			if err := o.CheckData(d); err != nil {
				t.Errorf("%s, preset %s: %v", r.Name, name, err)
			}
		}
	}
}
