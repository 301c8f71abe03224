package lab

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Two epochs and one more are three: order, random numbers and the optimizer's
// state go on.
func TestTrainOnIsTheLongerRun(t *testing.T) {
	for _, optimizer := range []string{"momentum", "adam"} {
		t.Run(optimizer, func(t *testing.T) {
			c := config()
			c.Optimizer, c.LR, c.Momentum, c.Schedule, c.Rotate = optimizer, 0.002, 0.9, "constant", 10
			weights := func(parts ...int) (w []float32, last *StartResult) {
				b := newBench(t, Options{})
				b.ready("cpu", 500)
				epochs := 0
				for _, n := range parts {
					c.Epochs = n
					last = ask[StartResult](b, "start", &StartRequest{Config: c, Keep: epochs > 0, Epoch: epochs})
					b.done(last.Run)
					epochs += n
				}
				return ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"}).Values, last
			}
			want, first := weights(3)
			got, second := weights(2, 1)
			if first.Resumed || !second.Resumed {
				t.Errorf("resumed: %t at first, %t when trained on", first.Resumed, second.Resumed)
			}
			if !slices.Equal(got, want) {
				t.Error("2 epochs and 1 more give other weights than 3")
			}
		})
	}
}

// Another optimizer, or weights from a file, have no state to go on with.
func TestTrainOnWithoutState(t *testing.T) {
	b := newBench(t, Options{})
	b.ready("cpu", 300)
	c := config()
	c.Epochs = 1
	b.done(ask[StartResult](b, "start", &StartRequest{Config: c}).Run)
	file := ask[SaveResult](b, "save", &SaveRequest{})
	c.Optimizer, c.LR = "adam", 0.001
	if r := ask[StartResult](b, "start", &StartRequest{Config: c, Keep: true, Epoch: 1}); r.Resumed {
		t.Error("Adam goes on with the state of SGD")
	}
	b.done(2)
	ask[ModelInfo](b, "load", &LoadRequest{Bytes: file.Bytes, Name: "run 1"})
	c.Epochs = 1000
	if r := ask[StartResult](b, "start", &StartRequest{Config: c, Keep: true, Epoch: 2}); r.Resumed {
		t.Error("weights of a file go on with the state of others")
	}
	// The schedule is the run's own, from its first step.
	of3 := func(e *TrainEvent) bool { return e.Run == 3 }
	b.until("a step", func() bool { return slices.ContainsFunc(of[TrainEvent](b, "train"), of3) })
	list := of[TrainEvent](b, "train")
	if e := list[slices.IndexFunc(list, of3)]; e.LR < 0.9*c.LR {
		t.Errorf("the third run begins with a rate of %v, want about %v", e.LR, c.LR)
	}
}

// A schedule ends at a share of its rate, whatever the optimizer, and follows
// the rate when that is changed.
func TestScheduleEndsAtAShareOfTheRate(t *testing.T) {
	for _, rate := range []float64{0.1, 0.001} {
		c := config()
		c.LR, c.EndFactor = rate, 0.02
		o, err := c.options()
		if err != nil || math.Abs(o.MinLR-0.02*rate) > 1e-12 {
			t.Errorf("a rate of %v ends at %v, %v; want %v", rate, o.MinLR, err, 0.02*rate)
		}
	}
	for _, factor := range []float64{-0.1, 1.5, math.NaN()} {
		c := config()
		c.EndFactor = factor
		if _, err := c.options(); err == nil || !strings.Contains(err.Error(), "from 0 to 1") {
			t.Errorf("an end factor of %v: %v", factor, err)
		}
	}
	b := newBench(t, Options{})
	b.ready("cpu", 300)
	c := long()
	c.EndFactor, c.Schedule = 1, "linear" // as good as constant
	ask[StartResult](b, "start", &StartRequest{Config: c})
	rate := 0.01
	ask[TrainState](b, "set", &SetRequest{LR: &rate})
	ask[TrainState](b, "pause", &Empty{})
	ask[TrainState](b, "step", &StepRequest{N: 1})
	if e := of[TrainEvent](b, "train"); math.Abs(e[len(e)-1].LR-rate) > 1e-9 {
		t.Errorf("the rate is %v, want %v: its end must follow it", e[len(e)-1].LR, rate)
	}
}

// A data set that comes late does not take the place of one chosen after it.
func TestLatestDataWins(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b := newBench(t, Options{Fetch: func(ctx context.Context, url string, progress func(int, int)) ([]byte, error) {
		once.Do(func() { close(arrived) })
		<-release
		return nil, os.ErrNotExist
	}})
	b.ready("cpu", 100)
	done := make(chan error)
	go func() {
		_, err := b.Handle(context.Background(), "data", &DataRequest{Source: "auto", Train: 50, Test: 20})
		done <- err
	}()
	<-arrived
	ask[DataResult](b, "data", &DataRequest{Source: "synthetic", Train: 70, Test: 30})
	close(release)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "another data set") {
		t.Errorf("the first request ends with %v", err)
	}
	if r := ask[TestResult](b, "test", &Empty{}); len(r.Confusion) != 10 || images(r.Confusion) != 30 {
		t.Errorf("tested on %d images, want the 30 chosen last", images(r.Confusion))
	}
}

// done waits for the end of a run.
func (b *bench) done(run int) {
	b.t.Helper()
	b.until("the end", func() bool {
		return slices.ContainsFunc(of[TrainEvent](b, "train"), func(e *TrainEvent) bool { return e.Run == run && e.State == Done })
	})
}

func images(rows [][]int) (n int) {
	for _, row := range rows {
		for _, v := range row {
			n += v
		}
	}
	return n
}
