package main

import (
	"math"
	"testing"

	"github.com/spf13/pflag"

	"github.com/weft-ml/weft/train"
)

// A schedule ends at the recipe's share of the rate, unless its end is given.
func TestEndOfScheduleFollowsTheRate(t *testing.T) {
	for _, c := range []struct {
		args []string
		want float64
	}{
		{nil, 0.001},
		{[]string{"--lr", "0.001", "--optimizer", "adam"}, 0.00002},
		{[]string{"--lr", "0.001", "--min-lr", "0.0005"}, 0.0005},
		{[]string{"--min-lr", "0"}, 0},
	} {
		var f trainFlags
		s := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.optionFlags(s)
		if err := s.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		o := train.Options{LR: 0.05, MinLR: 0.001}
		if f.apply(s, &o); math.Abs(o.MinLR-c.want) > 1e-12 {
			t.Errorf("%v: the schedule ends at %v, want %v", c.args, o.MinLR, c.want)
		}
	}
}
