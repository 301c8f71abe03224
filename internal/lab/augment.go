package lab

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/train"
)

// maxRows bounds a preview: it is to be looked at.
const maxRows = 8

// preview keeps the last preview's program, since other draws of the same
// augmentation are asked for one after the other.
type preview struct {
	prog  *train.Preview
	of    train.Augment
	rows  int
	seed  uint64
	data  *data.Dataset
	index []int // of the originals
}

func (p *preview) close() {
	if p.prog != nil {
		p.prog.Close()
	}
	*p = preview{}
}

// oneOfEach lists the first image of each class.
func oneOfEach(d *data.Dataset) (index []int) {
	seen := make([]bool, len(d.Classes))
	for i, label := range d.Labels {
		if !seen[label] {
			seen[label] = true
			if index = append(index, i); len(index) == len(seen) {
				break
			}
		}
	}
	return index
}

// augment draws augmented images by what a run's step would use.
func (s *Session) augment(ctx context.Context, q *AugmentRequest) (*AugmentResult, error) {
	r := &AugmentResult{}
	return r, s.do(ctx, s.quick, func() (err error) {
		if err := s.ready(); err != nil {
			return err
		}
		if s.train == nil || s.train.N == 0 {
			return hinted("Choose a data set first.", errors.New("there are no images to augment"))
		}
		if q.Rows < 1 || q.Rows > maxRows || q.Draw < 0 || q.Seed < 0 {
			return fmt.Errorf("%d rows of draw %d, seed %d; 1 to %d rows are possible", q.Rows, q.Draw, q.Seed, maxRows)
		}
		p := &s.preview
		a := train.Augment{Shift: q.Shift, Rotate: q.Rotate, Scale: q.Scale, Nearest: q.Nearest}
		if p.prog == nil || p.of != a || p.rows != q.Rows || p.seed != uint64(q.Seed) || p.data != s.train {
			p.close()
			index := oneOfEach(s.train)
			var all []int
			for range q.Rows {
				all = append(all, index...)
			}
			prog, err := train.NewPreview(s.dev, s.train, all, a, uint64(q.Seed))
			if err != nil {
				return hinted("Choose smaller numbers.", err)
			}
			*p = preview{prog: prog, of: a, rows: q.Rows, seed: uint64(q.Seed), data: s.train, index: index}
		}
		for _, i := range p.index {
			r.Originals = append(r.Originals, s.train.Image(i)...)
			r.Labels = append(r.Labels, s.train.Labels[i])
		}
		r.Pixels, err = p.prog.Draw(q.Draw)
		return err
	})
}
