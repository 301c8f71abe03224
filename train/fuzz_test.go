package train

import (
	"testing"
)

// FuzzParseInfo reads metadata that anyone may have written: whatever passes
// must be fit to build a network from.
func FuzzParseInfo(f *testing.F) {
	o := testOptions()
	info := Info{
		Kind: "model", Recipe: "test-mlp", Options: o, Classes: []string{"a", "b"},
		Preprocessing: Preprocessing{Channels: 1, Height: 2, Width: 2, Scale: 1, Mean: []float32{0}, Std: []float32{1}},
	}
	m, err := info.metadata()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m["weft.options"], m["weft.preprocessing"], m["weft.classes"], m["weft.state"], m["weft.data"])
	f.Fuzz(func(t *testing.T, options, pre, classes, state, data string) {
		i, err := parseInfo("x", map[string]string{
			"weft.version": "1", "weft.kind": "model", "weft.recipe": "test-mlp", "weft.options": options,
			"weft.preprocessing": pre, "weft.classes": classes, "weft.state": state, "weft.data": data, "weft.test": "null",
		})
		if err != nil {
			return
		}
		r, err := Find(i.Recipe)
		if err != nil {
			t.Fatal(err)
		}
		if p := i.Preprocessing; p.Channels*p.Height*p.Width > 1<<12 {
			return // Sound, but slow to build.
		}
		if _, err := r.Build(specOf(i.Preprocessing, len(i.Classes), i.Options)); err != nil {
			t.Error(err)
		}
	})
}
