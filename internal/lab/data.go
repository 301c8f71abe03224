package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/idx"
	"github.com/weft-ml/weft/data/synthetic"
)

// The synthetic set is smaller than MNIST: it has to be drawn first, by
// WebAssembly, while somebody waits.
const (
	syntheticTrain = 20000
	syntheticTest  = 2000
	// drawTime is how long a request may wait while digits are drawn.
	drawTime  = 8 * time.Millisecond
	drawChunk = 10
)

// source is a data set that the site may hold as IDX files.
type source struct {
	folder, title string
	classes       []string
}

var sources = map[string]source{
	"mnist": {"mnist", "MNIST", digitNames},
	"fashion": {"fashion-mnist", "Fashion-MNIST", []string{
		"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
	}},
}

var idxFiles = [4]string{"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"}

func (s *Session) data(ctx context.Context, q *DataRequest) (*DataResult, error) {
	r := &DataResult{Source: q.Source}
	var sets [2]*data.Dataset
	var err error
	wish := s.wishes.Add(1)
	switch q.Source {
	case "mnist", "fashion":
		sets, err = s.download(ctx, sources[q.Source])
		if err != nil {
			return nil, hinted("Choose the synthetic digits, which need no files.", err)
		}
	case "auto", "":
		r.Source = "mnist"
		sets, err = s.download(ctx, sources["mnist"])
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			r.Source, r.Note = "synthetic", fmt.Sprintf("MNIST is not here (%v), so these digits were drawn by a program.", err)
			sets = s.draw(q)
		}
	case "synthetic":
		sets = s.draw(q)
	default:
		return nil, hinted("Use mnist, fashion, synthetic or auto.", fmt.Errorf("no data set %q", q.Source))
	}
	limit(sets[0], q.Train)
	limit(sets[1], q.Test)
	err = s.do(ctx, s.slow, func() error {
		// A set that comes late must not take the place of one that was chosen
		// after it.
		if wish != s.wishes.Load() {
			return errors.New("another data set was chosen meanwhile")
		}
		s.endRun()
		s.train, s.test = sets[0], sets[1]
		return nil
	})
	r.Train, r.Test, r.Classes, r.Synthetic = sets[0].N, sets[1].N, sets[0].Classes, sets[0].Synthetic
	return r, err
}

// limit keeps the first n images, all if n is 0.
func limit(d *data.Dataset, n int) {
	if n > 0 && n < d.N {
		d.N, d.Images, d.Labels = n, d.Images[:n*d.ImageSize()], d.Labels[:n]
	}
}

// draw makes synthetic digits.
func (s *Session) draw(q *DataRequest) (sets [2]*data.Dataset) {
	n := [2]int{syntheticTrain, syntheticTest}
	if q.Train > 0 {
		n[0] = min(q.Train, 60000)
	}
	if q.Test > 0 {
		n[1] = min(q.Test, 10000)
	}
	total, done := n[0]+n[1], 0
	var said, yielded time.Time
	for part := range sets {
		d := synthetic.Range(0, 0, 0)
		for d.N < n[part] {
			if now := time.Now(); now.Sub(yielded) > drawTime {
				if now.Sub(said) > eventEvery {
					s.opts.Emit("data", &DataEvent{done, total})
					said = now
				}
				s.opts.Yield()
				yielded = time.Now()
			}
			more := synthetic.Range(d.N, min(d.N+drawChunk, n[part]), uint64(part)+1)
			d.N += more.N
			d.Images, d.Labels = append(d.Images, more.Images...), append(d.Labels, more.Labels...)
			done += more.N
		}
		sets[part] = d
	}
	sets[0].Mean, sets[0].Std = sets[0].Measure()
	sets[1].Mean, sets[1].Std = sets[0].Mean, sets[0].Std
	s.opts.Emit("data", &DataEvent{total, total})
	return sets
}

// onSite reports whether the site has a data set, by its list of them: asking
// for a file that is not there would show up as an error in the browser.
func (s *Session) onSite(ctx context.Context, src source) error {
	b, err := s.fetch(ctx, "data/index.json", nil)
	if err != nil {
		return fmt.Errorf("%s cannot be loaded: %w", src.title, err)
	}
	var index struct {
		Sets map[string]struct{} `json:"sets"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return fmt.Errorf("the site's list of data sets cannot be read: %w", err)
	}
	if _, ok := index.Sets[src.folder]; !ok {
		return fmt.Errorf("this site does not have %s", src.title)
	}
	return nil
}

// download gets the four files at once.
func (s *Session) download(ctx context.Context, src source) (sets [2]*data.Dataset, err error) {
	if err := s.onSite(ctx, src); err != nil {
		return sets, err
	}
	var mu sync.Mutex
	var loaded, total [4]int
	var files [4][]byte
	var errs [4]error
	var wait sync.WaitGroup
	for i, name := range idxFiles {
		wait.Go(func() {
			files[i], errs[i] = s.fetch(ctx, "data/"+src.folder+"/"+name, func(have, all int) {
				mu.Lock()
				defer mu.Unlock()
				loaded[i], total[i] = have, max(have, all)
				e := &DataEvent{}
				for k := range loaded {
					e.Loaded += loaded[k]
					e.Total += total[k]
				}
				s.opts.Emit("data", e)
			})
		})
	}
	wait.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return sets, fmt.Errorf("%s cannot be loaded: %w", src.title, slices.DeleteFunc(errs[:], func(e error) bool { return e == nil })[0])
	}
	for part := range 2 {
		d := &data.Dataset{Name: src.folder + [2]string{"-train", "-test"}[part], C: 1, H: side, W: side, Classes: src.classes, Source: src.title}
		images, err := decode(files[2*part], idxFiles[2*part], side, side)
		if err != nil {
			return sets, err
		}
		labels, err := decode(files[2*part+1], idxFiles[2*part+1])
		if err != nil {
			return sets, err
		}
		d.N, d.Images, d.Labels = images.Shape[0], images.Data, labels.Data
		if part == 0 {
			d.Mean, d.Std = d.Measure()
		} else {
			d.Mean, d.Std = sets[0].Mean, sets[0].Std
		}
		if err := d.Check(); err != nil {
			return sets, fmt.Errorf("%s: the site's files are damaged: %w", src.title, err)
		}
		sets[part] = d
		files[2*part] = nil
		s.opts.Yield()
	}
	return sets, nil
}

// decode reads an IDX file, plain or gzip, of bytes whose dimensions after the
// first are given.
func decode(b []byte, name string, shape ...int) (*idx.Array, error) {
	a, err := idx.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if a.Type != idx.Uint8 || len(a.Shape) != 1+len(shape) || !slices.Equal(a.Shape[1:], shape) || a.Shape[0] == 0 {
		return nil, fmt.Errorf("%s holds values of shape %v, want images of 28x28 or their labels", name, a.Shape)
	}
	return a, nil
}
