// Everything of a run is in one folder that nothing else is in, so that it can
// be moved, compared and deleted as a whole.

package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Files of a run folder.
const (
	LastFile = "last.safetensors" // where training goes on
	BestFile = "best.safetensors" // weights of the best epoch
	// PreviousFile and PreviousBestFile are what these two were before they were
	// written for the last time.
	PreviousFile     = "previous.safetensors"
	PreviousBestFile = "previous-best.safetensors"
	ModelFile        = "model.safetensors" // weights that were tested, at the end
	ConfigFile       = "config.json"
	EpochsFile       = "metrics.jsonl"
	EpochsCSVFile    = "metrics.csv"
	StepsFile        = "steps.csv"
)

// NewRunDir makes the folder root/name-date-time, with a number behind it if
// that exists, and returns its path.
func NewRunDir(root, name string, now time.Time) (string, error) {
	if err := os.MkdirAll(root, 0o777); err != nil {
		return "", fmt.Errorf("cannot make the run folder: %w; choose another with --out", err)
	}
	base := filepath.Join(root, name+"-"+now.Format("20060102-150405"))
	dir := base
	for n := 2; ; n++ {
		err := os.Mkdir(dir, 0o777)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("cannot make the run folder: %w; choose another with --out", err)
		}
		dir = fmt.Sprintf("%s-%d", base, n)
	}
}

// ModelPath is the file to use of path, which is a checkpoint or a run folder:
// its tested model, else its best, else its last weights.
func ModelPath(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.IsDir() {
		return path, nil
	}
	for _, name := range []string{ModelFile, BestFile, LastFile} {
		p := filepath.Join(path, name)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s holds no %s, %s or %s: it is not a run folder, or the run was stopped before its first checkpoint", path, ModelFile, BestFile, LastFile)
}

// NewestRun is the run folder below root whose model was written last; "" if
// there is none.
func NewestRun(root string) string {
	entries, _ := os.ReadDir(root)
	var newest string
	var when time.Time
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		path, err := ModelPath(dir)
		if err != nil || !e.IsDir() {
			continue
		}
		if st, err := os.Stat(path); err == nil && st.ModTime().After(when) {
			newest, when = dir, st.ModTime()
		}
	}
	return newest
}
