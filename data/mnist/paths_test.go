package mnist

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFiles(t *testing.T) {
	s, files := small(t)
	if _, err := s.paths(context.Background(), Options{Offline: true}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without files: %v", err)
	}
	root := t.TempDir()
	put(t, filepath.Join(root, s.files[0].name), files[s.files[0].name])
	for _, f := range s.files[1:] {
		put(t, filepath.Join(root, f.name+".gz"), gz(files[f.name]))
	}
	paths, err := s.paths(context.Background(), Options{Offline: true, Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		want := MNIST.Names()[i]
		if i > 0 {
			want += ".gz"
		}
		if _, err := os.Stat(path); err != nil || filepath.Base(path) != want || !filepath.IsAbs(path) {
			t.Errorf("file %d is %s (%v), want %s", i, path, err, want)
		}
	}
}
