package main

import (
	"math"
	"strings"
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

// Recipes hold out a share, or the last so many: giving one replaces the other.
func TestValidationReplacesTheRecipes(t *testing.T) {
	for _, c := range []struct {
		args string
		have train.Options
		last int
		part float64
	}{
		{"--val-last=50", train.Options{ValFraction: 0.1}, 50, 0},
		{"--val-fraction=0.2", train.Options{ValLast: 7}, 0, 0.2},
		{"--epochs=3", train.Options{ValFraction: 0.1}, 0, 0.1},
		{"--val-last=5 --val-fraction=0.5", train.Options{}, 5, 0.5}, // which Check refuses
	} {
		f := &trainFlags{}
		s := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.optionFlags(s)
		if err := s.Parse(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		f.apply(s, &c.have)
		if c.have.ValLast != c.last || c.have.ValFraction != c.part {
			t.Errorf("%s: %d and %g, want %d and %g", c.args, c.have.ValLast, c.have.ValFraction, c.last, c.part)
		}
	}
}
