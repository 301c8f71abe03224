// The files themselves, for those who pass them on rather than read them: the
// lab in the browser decodes IDX on its own and gets what is on the disk.

package mnist

import (
	"context"
	"fmt"
	"path/filepath"
)

// Names returns the official names of the four files, without ".gz": training
// images and labels, test images and labels.
func (v Variant) Names() [4]string {
	var names [4]string
	for i, f := range v.spec().files {
		names[i] = f.name
	}
	return names
}

// Files returns the paths of the four files in the order of Names, plain or
// gzip, found, downloaded and verified as Load does.
func Files(ctx context.Context, opts Options) ([4]string, error) {
	return opts.Variant.spec().paths(ctx, opts)
}

func (s *spec) paths(ctx context.Context, opts Options) (paths [4]string, err error) {
	train, _, err := s.load(ctx, opts)
	if err != nil {
		return paths, err
	}
	for i, f := range s.files {
		path, ok := find(train.Source, f.name)
		if !ok {
			return paths, fmt.Errorf("%s was in %s and is gone; try again", f.name, train.Source)
		}
		if paths[i], err = filepath.Abs(path); err != nil {
			return paths, err
		}
	}
	return paths, nil
}
