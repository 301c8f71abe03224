package lab

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-ml/weft/device"
)

// FuzzMessages sends a session that has data and a network whatever a page, or
// somebody in its place, can send. It answers or refuses, and goes on working.
func FuzzMessages(f *testing.F) {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(calls)) {
		// These load or compute for longer than a search can wait.
		if !slices.Contains([]string{"check", "data", "init", "builtin", "test", "export"}, n) {
			names = append(names, n)
		}
	}
	f.Add(byte(slices.Index(names, "model")), `{"layers":[{"type":"linear","units":10}],"seed":1}`, "", "")
	f.Add(byte(slices.Index(names, "start")), `{"config":{"optimizer":"sgd","lr":0.1,"schedule":"constant","batch":16,"epochs":2,"seed":1}}`, `{"n":3}`, "step")
	f.Add(byte(slices.Index(names, "set")), `{"lr":-1}`, `{"lr":1e300}`, "set")
	f.Add(byte(slices.Index(names, "augment")), `{"rows":2,"rotate":5}`, `{"on":true,"hz":1e300,"sample":-5}`, "inspect")
	f.Add(byte(slices.Index(names, "step")), `{"n":9223372036854775807}`, `{"n":9223372036854775807}`, "step")
	f.Fuzz(func(t *testing.T, first byte, a, b, second string) {
		if strings.Count(a+b, "\"") > 400 || len(a)+len(b) > 1<<14 {
			return
		}
		s := New(Options{Open: func(string) (*device.Device, error) { return device.CPU(), nil }})
		defer s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		for _, setup := range []struct {
			name string
			q    any
		}{{"init", &InitRequest{Device: "cpu"}}, {"data", &DataRequest{Source: "synthetic", Train: 64, Test: 32}},
			{"model", &ModelRequest{Layers: []LayerSpec{{Type: "linear", Units: 10}}}}} {
			if _, err := s.Handle(context.Background(), setup.name, setup.q); err != nil {
				t.Fatal(setup.name, err)
			}
		}
		for _, m := range [][2]string{{names[int(first)%len(names)], a}, {second, b}} {
			q := NewRequest(m[0])
			if q == nil || !slices.Contains(names, m[0]) || json.Unmarshal([]byte(m[1]), q) != nil {
				continue
			}
			if large(q) {
				return
			}
			_, _ = s.Handle(ctx, m[0], q)
		}
		cancel()
		if _, err := s.Handle(context.Background(), "stats", NewRequest("stats")); err != nil {
			t.Fatalf("the session no longer answers: %v", err)
		}
	})
}

// large are requests that are sound, but take long.
func large(q any) bool {
	m, ok := q.(*ModelRequest)
	if !ok {
		return false
	}
	for _, l := range m.Layers {
		if l.Units > 256 || l.Channels > 16 {
			return true
		}
	}
	return len(m.Layers) > 6
}
