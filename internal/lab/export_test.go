package lab

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/web/player"
)

// TestExport exports a network while it trains: the averaged weights, where there
// are such, because they are what the views show and what is saved.
func TestExport(t *testing.T) {
	fetch := func(context.Context, string, func(int, int)) ([]byte, error) {
		texts := map[string]string{}
		for name, b := range player.Export(true) {
			texts[name] = string(b)
		}
		return json.Marshal(texts)
	}
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			b := newBench(t, Options{Fetch: fetch})
			b.ready(dev, 1000)
			config := long()
			config.EMA = 0.9
			ask[StartResult](b, "start", &StartRequest{Config: config})
			ask[TrainState](b, "pause", &Empty{})
			ask[TrainState](b, "step", &StepRequest{N: 3})
			r := ask[ExportResult](b, "export", &ExportRequest{Title: "mine"})
			z, err := zip.NewReader(bytes.NewReader(r.Bytes), int64(len(r.Bytes)))
			if err != nil || !strings.HasSuffix(r.Name, ".zip") {
				t.Fatal(r.Name, err)
			}
			read := func(name string) []byte {
				f, err := z.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				data, err := io.ReadAll(f)
				if err != nil {
					t.Fatal(err)
				}
				return data
			}
			for name, want := range player.Export(true) {
				if !bytes.Equal(read(name), want) {
					t.Errorf("%s is not what it was", name)
				}
			}
			plan, err := web.ReadPlan(read(web.PlanFile))
			if err != nil || plan.Model != "mine" || plan.Input.Fit != web.FitDigit || len(plan.Classes) != 10 {
				t.Fatalf("%+v %v", plan, err)
			}
			file := read(web.WeightsFile)
			f, err := safetensors.Parse(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := f.ReadF32("1.weight")
			if err != nil {
				t.Fatal(err)
			}
			want := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"}).Values
			for i, v := range want {
				if got[i] != v {
					t.Fatalf("weight %d is %v, want %v", i, got[i], v)
				}
			}
			ask[TrainState](b, "step", &StepRequest{N: 3}) // and it goes on
		})
	}
}
