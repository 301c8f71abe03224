// A bar is for people who watch; logs get a line for each epoch and one every
// ten seconds in between.

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/weft-ml/weft/train"
)

// progress shows how training goes: a bar on a terminal, else a line now and
// then, so that logs stay short.
type progress struct {
	w         io.Writer
	bar       *progressbar.ProgressBar // nil without a terminal
	interval  time.Duration
	last      time.Time
	described time.Time
}

func (a *app) newProgress() *progress {
	p := &progress{w: a.stderr, interval: 10 * time.Second, last: time.Now()}
	if f := a.stderr.file(); f != nil && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(f), // which writes control characters of its own
			progressbar.OptionSetWidth(14),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
		)
	}
	return p
}

func line(p train.Progress) string {
	if p.StepsPerSec == 0 {
		return fmt.Sprintf("epoch %d/%d  the first steps are on their way", p.Epoch, p.Epochs)
	}
	return fmt.Sprintf("epoch %d/%d  loss %.4f  acc %5.1f%%  %s  %s left", p.Epoch, p.Epochs,
		p.Loss, 100*p.Accuracy, rate(p.StepsPerSec), p.Remaining.Round(time.Second))
}

func rate(perSec float64) string {
	if perSec < 10 {
		return fmt.Sprintf("%.2f steps/s", perSec)
	}
	return fmt.Sprintf("%.0f steps/s", perSec)
}

func (p *progress) progress(t train.Progress) {
	now := time.Now()
	if p.bar == nil {
		if now.Sub(p.last) >= p.interval {
			p.last = now
			fmt.Fprintf(p.w, "%s  (step %d of %d)\n", line(t), t.Step, t.Steps)
		}
		return
	}
	if now.Sub(p.described) < 100*time.Millisecond {
		return
	}
	p.described = now
	if p.bar.GetMax() != t.Steps {
		p.bar.ChangeMax(t.Steps)
	}
	p.bar.Describe(line(t))
	p.bar.Set(t.Step)
}

// note prints a line above the bar.
func (p *progress) note(text string) {
	if p.bar != nil {
		p.bar.Clear()
	}
	fmt.Fprintln(p.w, text)
}

func (p *progress) epoch(e train.Epoch) {
	p.last = time.Now()
	var b strings.Builder
	fmt.Fprintf(&b, "epoch %3d: train loss %.4f acc %.2f %%", e.Epoch, e.TrainLoss, 100*e.TrainAccuracy)
	if e.ValAccuracy != nil {
		fmt.Fprintf(&b, ", validation loss %.4f acc %.2f %%", *e.ValLoss, 100**e.ValAccuracy)
	}
	fmt.Fprintf(&b, ", lr %.3g, %s", e.LR, rate(e.StepsPerSec))
	p.note(b.String())
}

func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Clear()
	}
}
