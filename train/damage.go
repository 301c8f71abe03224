// A checkpoint that is damaged must not be trained on: the run would end in
// other weights and look like any other. Every file that is read here is
// compared with its sum first, before anything in it is believed, and the run
// folder keeps the checkpoint before the last, to go on from if need be.

package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weft-ml/weft/format/safetensors"
)

// ErrNoSum is in the warning about a file of an older version, whose damage
// nothing would show.
var ErrNoSum = errors.New("it has no sum, because an older version of weft wrote it: damage would not be noticed")

// openFile opens the file at path, verifies its sum, and reads what it says
// besides its tensors.
func openFile(path string) (*safetensors.File, *Info, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := verified(path, f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func verified(path string, f *safetensors.File) (*Info, error) {
	if err := f.Verify(); err != nil {
		return nil, err
	}
	return parseInfo(path, f.Metadata)
}

// lastCheckpoint opens the checkpoint called name of the run folder dir. If the
// last one is not fit to go on from and the one before it is, the error says so.
func lastCheckpoint(dir, name string) (*safetensors.File, *Info, error) {
	if name == "" {
		name = LastFile
	}
	f, info, err := openFile(filepath.Join(dir, name))
	if err == nil || name != LastFile {
		return f, info, err
	}
	previous := filepath.Join(dir, PreviousFile)
	if g, before, err2 := openFile(previous); err2 == nil {
		g.Close()
		return nil, nil, &DamagedError{Err: err, Previous: previous, Epoch: before.State.Epoch, Step: before.State.Step}
	}
	return nil, nil, err
}

// ReadCheckpoint returns what the checkpoint called name of the run folder dir
// says besides its tensors; "" is the last one, for which the error may be a
// DamagedError.
func ReadCheckpoint(dir, name string) (*Info, error) {
	f, info, err := lastCheckpoint(dir, name)
	if err != nil {
		return nil, err
	}
	return info, f.Close()
}

// DamagedError says that a run's last checkpoint cannot be used, and that the
// one before it can.
type DamagedError struct {
	Err      error
	Previous string // path of the checkpoint before
	// Epoch and Step are how much was done in it.
	Epoch, Step int
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%v; the checkpoint before it, %s, is whole: of step %d, after %d epochs", e.Err, e.Previous, e.Step, e.Epoch)
}

// Unwrap gives the reason to errors.Is and errors.As.
func (e *DamagedError) Unwrap() error { return e.Err }

// openBest opens the weights of the best epoch of the run in dir. A run that was
// killed between two writes, or goes on from the checkpoint before the last, may
// have kept those of a later epoch already; then the ones before are right.
func openBest(dir string, epoch int) (*safetensors.File, string, error) {
	var errs []error
	for _, name := range []string{BestFile, PreviousBestFile} {
		path := filepath.Join(dir, name)
		f, info, err := openFile(path)
		if errors.Is(err, fs.ErrNotExist) && name == PreviousBestFile {
			continue
		}
		if err == nil && info.State.BestEpoch != epoch {
			f.Close()
			err = fmt.Errorf("%w: %s holds the weights of epoch %d, the run's best is %d", ErrCheckpoint, path, info.State.BestEpoch, epoch)
		}
		if err == nil {
			return f, path, nil
		}
		errs = append(errs, err)
	}
	return nil, "", errors.Join(errs...)
}

// checkBest is run before a resumed run trains on, because the weights of its
// best epoch are needed at its end.
func (t *Trainer) checkBest() error {
	if t.val == nil || t.cfg.Options.KeepLast || t.state.BestEpoch == 0 {
		return nil
	}
	f, _, err := openBest(t.cfg.Dir, t.state.BestEpoch)
	if err == nil {
		return f.Close()
	}
	if _, missing := os.Stat(filepath.Join(t.cfg.Dir, BestFile)); errors.Is(missing, fs.ErrNotExist) {
		t.warn(fmt.Errorf("the weights of epoch %d, the best so far, are not there; the best of the epochs to come will be kept", t.state.BestEpoch))
		s := &t.state
		s.BestEpoch, s.BestAccuracy, s.BestLoss, s.Stale = 0, 0, 0, 0
		return nil
	}
	return fmt.Errorf("the best weights so far, of epoch %d, cannot be used: %w; move %s and %s elsewhere to go on without them", t.state.BestEpoch, err, BestFile, PreviousBestFile)
}
