// Curves are drawn from the files of the run folder and not from memory, so that
// a resumed run's curves begin at its beginning.

package main

import (
	"encoding/csv"
	"errors"
	"image/color"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/weft-ml/weft/train"
)

var (
	faint  = color.NRGBA{0x1f, 0x77, 0xb4, 0x50}
	blue   = color.NRGBA{0x1f, 0x77, 0xb4, 0xff}
	orange = color.NRGBA{0xff, 0x7f, 0x0e, 0xff}
)

// drawCurves writes loss.svg, loss.png, accuracy.svg and accuracy.png of the
// run in dir: single steps faint, means of epochs bold, validation beside.
func drawCurves(dir string) error {
	epochs, err := train.ReadEpochs(dir)
	if err != nil || len(epochs) == 0 {
		return err
	}
	steps, err := readSteps(filepath.Join(dir, train.StepsFile))
	if err != nil {
		return err
	}
	perEpoch := float64(epochs[0].Step) / float64(max(1, epochs[0].Epoch))
	loss := curve{title: "loss", y: "cross-entropy", log: true}
	acc := curve{title: "accuracy", y: "%"}
	for _, s := range steps {
		x := s[0] / perEpoch
		loss.steps = append(loss.steps, plotter.XY{X: x, Y: s[1]})
		acc.steps = append(acc.steps, plotter.XY{X: x, Y: 100 * s[2]})
	}
	for _, e := range epochs {
		// The mean over an epoch belongs to its middle.
		x := float64(e.Epoch)
		loss.train = append(loss.train, plotter.XY{X: x - 0.5, Y: e.TrainLoss})
		acc.train = append(acc.train, plotter.XY{X: x - 0.5, Y: 100 * e.TrainAccuracy})
		if e.ValLoss != nil {
			loss.val = append(loss.val, plotter.XY{X: x, Y: *e.ValLoss})
			acc.val = append(acc.val, plotter.XY{X: x, Y: 100 * *e.ValAccuracy})
		}
	}
	// Batches of the beginning are near chance; what matters lies above.
	low := 100.0
	for _, q := range append(append(plotter.XYs{}, acc.train...), acc.val...) {
		low = min(low, q.Y)
	}
	low = max(0, low-(100-low)/2)
	for i := range acc.steps {
		acc.steps[i].Y = max(acc.steps[i].Y, low)
	}
	return errors.Join(loss.draw(dir), acc.draw(dir))
}

type curve struct {
	title, y          string
	log               bool
	steps, train, val plotter.XYs
}

func (c *curve) draw(dir string) error {
	p := plot.New()
	p.Title.Text = c.title
	p.X.Label.Text = "epoch"
	p.Y.Label.Text = c.y
	p.Legend.Top = c.log
	p.Legend.XOffs, p.Legend.YOffs = -10, 10
	if c.log {
		p.Legend.YOffs = -10
	}
	p.Add(plotter.NewGrid())
	for _, l := range []struct {
		name  string
		xy    plotter.XYs
		color color.Color
		width vg.Length
	}{{"steps", c.steps, faint, 0.5}, {"training", c.train, blue, 1.8}, {"validation", c.val, orange, 1.8}} {
		xy := l.xy
		if c.log {
			// A loss of 0 has no place on a logarithmic axis.
			xy = nil
			for _, q := range l.xy {
				if q.Y > 1e-12 {
					xy = append(xy, q)
				}
			}
		}
		if len(xy) == 0 {
			continue
		}
		line, err := plotter.NewLine(xy)
		if err != nil {
			return err
		}
		line.Color, line.Width = l.color, l.width
		p.Add(line)
		p.Legend.Add(l.name, line)
	}
	if c.log && p.Y.Min > 0 && p.Y.Max > p.Y.Min {
		p.Y.Scale = plot.LogScale{}
		p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	}
	for _, ext := range []string{".svg", ".png"} {
		if err := p.Save(8*vg.Inch, 5*vg.Inch, filepath.Join(dir, c.title+ext)); err != nil {
			return err
		}
	}
	return nil
}

// readSteps returns the rows of a steps file as numbers.
func readSteps(path string) ([][]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	out := make([][]float64, 0, len(rows))
	for _, r := range rows[min(1, len(rows)):] {
		v := make([]float64, len(r))
		for i, s := range r {
			if v[i], err = strconv.ParseFloat(s, 64); err != nil {
				return nil, err
			}
		}
		out = append(out, v)
	}
	return out, nil
}
