package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// notNumbers names the variables of m that hold a NaN, and those that hold an
// infinity but no NaN, which some networks have on purpose, in masks.
func notNumbers(m nn.Module) (nan, inf []string, err error) {
	for _, p := range nn.Params(m) {
		if p.Value.DType() != tensor.Float32 {
			continue
		}
		x, err := p.Value.Read()
		if err != nil {
			return nil, nil, err
		}
		infinite, none := false, false
		for _, v := range x {
			none = none || v != v
			infinite = infinite || math.IsInf(float64(v), 0)
		}
		switch {
		case none:
			nan = append(nan, p.Name)
		case infinite:
			inf = append(inf, p.Name)
		}
	}
	return nan, inf, nil
}

// badWeights says of a model what is no number in it, behind a colon; "" if
// there is nothing.
func (a *app) badWeights(m nn.Module) string {
	nan, inf, err := notNumbers(m)
	var s []string
	if err != nil {
		s = append(s, err.Error())
	}
	if len(nan) > 0 {
		s = append(s, "NaN in "+few(nan))
	}
	if len(inf) > 0 {
		s = append(s, "infinities in "+few(inf))
	}
	if len(s) == 0 {
		return ""
	}
	return ": " + strings.Join(s, "; ")
}

// few are the first of many names.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
