// Metrics are kept twice: as JSON lines for programs and as CSV for
// spreadsheets. They are written before the checkpoint that follows them, so
// that a checkpoint never lacks its history; what a killed run wrote after its
// last checkpoint is cut off when it is resumed, because those steps are done
// again.

package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Epoch is the metrics of one epoch.
type Epoch struct {
	Epoch         int      `json:"epoch"` // from 1
	Step          int      `json:"step"`  // updates in all when it ended
	TrainLoss     float64  `json:"train_loss"`
	TrainAccuracy float64  `json:"train_accuracy"`
	ValLoss       *float64 `json:"val_loss"` // null without a validation split
	ValAccuracy   *float64 `json:"val_accuracy"`
	LR            float64  `json:"lr"` // of its last update
	Seconds       float64  `json:"seconds"`
	StepsPerSec   float64  `json:"steps_per_s"`
}

const (
	epochsHeader = "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds,steps_per_s"
	stepsHeader  = "step,loss,accuracy,lr"
)

func (e *Epoch) csv() string {
	opt := func(v *float64) string {
		if v == nil {
			return ""
		}
		return number(*v)
	}
	return fmt.Sprintf("%d,%d,%s,%s,%s,%s,%s,%.3f,%.1f", e.Epoch, e.Step, number(e.TrainLoss), number(e.TrainAccuracy),
		opt(e.ValLoss), opt(e.ValAccuracy), number(e.LR), e.Seconds, e.StepsPerSec)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }

// eachStep is how many steps at the beginning are all recorded; stepRows is
// about how many more rows the steps file gets in a whole run.
const (
	eachStep = 200
	stepRows = 4000
)

// metrics writes the files of one run folder. The zero value writes nothing.
type metrics struct {
	dir    string
	stride int // every so many steps are recorded after the first eachStep
	steps  bytes.Buffer
	row    []byte
}

// newMetrics continues the files in dir as they were after the given epoch and
// step, or begins them.
func newMetrics(dir string, epochs, step, total int) (*metrics, error) {
	m := &metrics{dir: dir, stride: max(1, total/stepRows)}
	if dir == "" {
		return m, nil
	}
	firstField := func(line string) (int, bool) {
		n, err := strconv.Atoi(strings.SplitN(line, ",", 2)[0])
		return n, err == nil
	}
	err := errors.Join(
		trim(filepath.Join(dir, EpochsFile), "", func(line string) bool {
			var e Epoch
			return json.Unmarshal([]byte(line), &e) == nil && e.Epoch <= epochs
		}),
		trim(filepath.Join(dir, EpochsCSVFile), epochsHeader, func(line string) bool {
			n, ok := firstField(line)
			return ok && n <= epochs
		}),
		trim(filepath.Join(dir, StepsFile), stepsHeader, func(line string) bool {
			n, ok := firstField(line)
			return ok && n <= step
		}))
	return m, err
}

// trim rewrites the file at path with the header and the complete lines that
// keep accepts.
func trim(path, header string, keep func(line string) bool) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var out bytes.Buffer
	if header != "" {
		out.WriteString(header + "\n")
	}
	old = old[:bytes.LastIndexByte(old, '\n')+1]
	for s := bufio.NewScanner(bytes.NewReader(old)); s.Scan(); {
		if line := s.Text(); line != header && keep(line) {
			out.WriteString(line + "\n")
		}
	}
	return writeFile(path, func(w io.Writer) error { _, err := w.Write(out.Bytes()); return err })
}

// step records update number n (from 1).
func (m *metrics) step(n int, loss, accuracy, lr float64) {
	if m.dir == "" || n > eachStep && n%m.stride != 0 {
		return
	}
	b := strconv.AppendInt(m.row[:0], int64(n), 10)
	for _, v := range [...]float64{loss, accuracy, lr} {
		b = strconv.AppendFloat(append(b, ','), v, 'g', 8, 64)
	}
	m.row = append(b, '\n')
	m.steps.Write(m.row)
}

// flush appends the recorded steps to their file.
func (m *metrics) flush() error {
	if m.dir == "" || m.steps.Len() == 0 {
		return nil
	}
	if err := appendTo(filepath.Join(m.dir, StepsFile), m.steps.Bytes()); err != nil {
		return err // The rows are kept for the next time.
	}
	m.steps.Reset()
	return nil
}

func (m *metrics) epoch(e *Epoch) error {
	if m.dir == "" {
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return errors.Join(m.flush(),
		appendTo(filepath.Join(m.dir, EpochsFile), append(b, '\n')),
		appendTo(filepath.Join(m.dir, EpochsCSVFile), []byte(e.csv()+"\n")))
}

// appendTo adds all of b to a file or, on a full disk, nothing.
func appendTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		if _, err = f.Write(b); err != nil {
			f.Truncate(st.Size())
		}
	}
	return errors.Join(err, f.Close())
}

// ReadEpochs returns the metrics of the run in dir.
func ReadEpochs(dir string) ([]Epoch, error) {
	b, err := os.ReadFile(filepath.Join(dir, EpochsFile))
	if err != nil {
		return nil, err
	}
	var out []Epoch
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var e Epoch
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, fmt.Errorf("%s: %w", filepath.Join(dir, EpochsFile), err)
		}
		out = append(out, e)
	}
}
