package train

import (
	"math"
	"strings"
	"testing"
)

// TestOptionsThatMakeNoSense: each is refused with what is allowed, before
// anything is computed from it.
func TestOptionsThatMakeNoSense(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	type change = func(o *Options)
	for what, c := range map[string]struct {
		change change
		says   string
	}{
		"batch x accumulate wraps to 0":  {func(o *Options) { o.Batch, o.Accumulate = 1<<32, 1<<32 }, "batch: 4294967296, want 1 to"},
		"accumulate alone":               {func(o *Options) { o.Accumulate = math.MaxInt }, "accumulate: 9223372036854775807, want 1 to"},
		"batch x accumulate wraps to 2":  {func(o *Options) { o.Batch, o.Accumulate = 3, 6148914691236517206 }, "accumulate"},
		"each is possible, not both":     {func(o *Options) { o.Batch, o.Accumulate = 1<<20, 1<<20 }, "batch 1048576 x accumulate 1048576: want at most"},
		"more than all images":           {func(o *Options) { o.Batch, o.Accumulate = 100, 2 }, "fewer than the 200 of one update"},
		"endless":                        {func(o *Options) { o.Epochs = math.MaxInt }, "epochs: 9223372036854775807, want 1 to 1000000"},
		"updates beyond 32 bits":         {func(o *Options) { o.Epochs, o.Batch, o.ValFraction = 1e6, 1, 0; o.Seed = 1 }, ""},
		"no epochs":                      {func(o *Options) { o.Epochs = 0 }, "epochs"},
		"negative batch":                 {func(o *Options) { o.Batch = -8 }, "batch"},
		"negative accumulate":            {func(o *Options) { o.Accumulate = -1 }, "accumulate"},
		"crop":                           {func(o *Options) { o.Augment.Crop = 1000 }, "crop: 1000 pixels, but images are 6x6; want at most 5"},
		"cutout":                         {func(o *Options) { o.Augment.Cutout = 6 }, "cutout: 6 pixels, but images are 6x6; want at most 5"},
		"crop of no image":               {func(o *Options) { o.Augment.Crop = math.MaxInt }, "crop"},
		"lr NaN":                         {func(o *Options) { o.LR = nan }, "lr: NaN"},
		"lr Inf":                         {func(o *Options) { o.LR = inf }, "lr: +Inf"},
		"lr that is Inf as a float32":    {func(o *Options) { o.LR = 1e39 }, "lr: 1e+39"},
		"lr that is 0 as a float32":      {func(o *Options) { o.LR = 1e-50 }, "lr: 1e-50"},
		"min-lr":                         {func(o *Options) { o.MinLR = nan }, "min-lr"},
		"warmup":                         {func(o *Options) { o.Warmup = 1 }, "warmup"},
		"momentum":                       {func(o *Options) { o.Momentum = -0.5 }, "momentum"},
		"momentum that is 1 as a float":  {func(o *Options) { o.Momentum = 1 - 1e-12 }, "momentum"},
		"average that never moves":       {func(o *Options) { o.EMA = 1 - 1e-12 }, "ema"},
		"weight decay":                   {func(o *Options) { o.WeightDecay = inf }, "weight-decay"},
		"clip":                           {func(o *Options) { o.Clip = nan }, "clip"},
		"label smoothing":                {func(o *Options) { o.LabelSmoothing = 1 }, "label-smoothing"},
		"dropout":                        {func(o *Options) { o.Dropout = nan }, "dropout"},
		"shift":                          {func(o *Options) { o.Augment.Shift = nan }, "shift: NaN"},
		"rotate":                         {func(o *Options) { o.Augment.Rotate = 181 }, "rotate: 181"},
		"scale":                          {func(o *Options) { o.Augment.Scale = 1 }, "scale: 1"},
		"flip":                           {func(o *Options) { o.Augment.Flip = "up" }, "none of random, alternate"},
		"all are held out":               {func(o *Options) { o.ValFraction, o.ValLast = 0, 125 }, "val-last"},
		"patience without validation":    {func(o *Options) { o.ValFraction, o.Patience = 0, 3 }, "patience"},
		"reflection of what also turns":  {func(o *Options) { o.Augment.Reflect = true }, "reflect"},
		"nesterov without its momentum":  {func(o *Options) { o.Optimizer, o.Momentum = "nesterov", 0 }, "momentum"},
		"another optimizer":              {func(o *Options) { o.Optimizer = "adamax" }, "sgd, nesterov"},
		"negative patience":              {func(o *Options) { o.Patience = -1 }, "patience"},
		"another precision":              {func(o *Options) { o.Precision = "int8" }, "float32, mixed"},
		"both kinds of held-out images":  {func(o *Options) { o.ValLast = 5 }, "one of them"},
		"negative numbers of held-out":   {func(o *Options) { o.ValFraction, o.ValLast = 0, -1 }, "val-last"},
		"a share of held-out that is 1":  {func(o *Options) { o.ValFraction = 1 }, "val-fraction"},
		"another schedule than there is": {func(o *Options) { o.Schedule = "step" }, "constant, cosine"},
	} {
		o := testOptions()
		c.change(&o)
		err := o.CheckData(blobs(125, 1))
		if c.says == "" { // possible
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", what, err, c.says)
		}
		cfg := testConfig("")
		cfg.Options = o
		if tr, err := New(cfg); err == nil {
			tr.Close()
			t.Errorf("%s: a trainer was made", what)
		}
	}
	d := blobs(4, 1)
	d.N = 1 << 20 // Only counted.
	o := testOptions()
	o.Epochs, o.Batch = 1e6, 1
	if err := o.CheckData(d); err == nil || !strings.Contains(err.Error(), "updates in all") {
		t.Errorf("1e12 updates: %v", err)
	}
}
