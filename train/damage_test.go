package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
)

// summed is file with the sum that it should have, for tests that change one on
// purpose.
func summed(file []byte) []byte {
	key := []byte(`"` + safetensors.SumKey + `":"`)
	at := bytes.Index(file, key) + len(key)
	file = bytes.Clone(file)
	copy(file[at:], "00000000")
	copy(file[at:], fmt.Sprintf("%08x", crc32.Checksum(file, crc32.MakeTable(crc32.Castagnoli))))
	return file
}

// warned collects what a run warns of.
func warned(cfg *Config) *[]string {
	var list []string
	cfg.Observer.Warn = func(err error) { list = append(list, err.Error()) }
	return &list
}

// checkpoints is a run that was stopped in its third epoch, and its files.
func checkpoints(t *testing.T) (dir string, files map[string][]byte) {
	t.Helper()
	dir = t.TempDir()
	cfg := testConfig(dir)
	cfg.SaveSteps = 5
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Observer.Progress = func(p Progress) {
		if p.Step >= 27 {
			cancel()
		}
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, name := range []string{LastFile, PreviousFile, BestFile, PreviousBestFile} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			files[name] = b
		} else if name != PreviousBestFile {
			t.Fatal(err)
		}
	}
	return dir, files
}

// TestFlippedBits turns over one bit at a time, anywhere in the file: header,
// metadata, sum and weights. Training never goes on, the checkpoint before is
// offered, and models are not used either.
func TestFlippedBits(t *testing.T) {
	dir, files := checkpoints(t)
	good := files[LastFile]
	last := filepath.Join(dir, LastFile)
	header := 8 + int(good[0]) + int(good[1])<<8
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		at := rng.IntN(len(good))
		if i%2 == 0 {
			at = rng.IntN(header) // half of them in what is not weights
		}
		bad := bytes.Clone(good)
		bad[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(last, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		tr, err := Resume(testConfig(dir))
		if err == nil {
			tr.Close()
			t.Fatalf("byte %d of %d (header of %d): training goes on", at, len(good), header)
		}
		if !errors.As(err, &damaged) || damaged.Previous != filepath.Join(dir, PreviousFile) || damaged.Step == 0 {
			t.Fatalf("byte %d: the checkpoint before is not offered: %v", at, err)
		}
		if _, _, err := LoadModel(last); err == nil {
			t.Errorf("byte %d: the model is used", at)
		}
		if _, err := ReadInfo(last); err == nil {
			t.Errorf("byte %d: what it says is believed", at)
		}
		if _, _, err := ReadModel("x", bytes.NewReader(bad), int64(len(bad))); err == nil {
			t.Errorf("byte %d: the model in memory is used", at)
		}
		cfg := testConfig("")
		cfg.From = last
		if _, err := New(cfg); err == nil {
			t.Errorf("byte %d: training begins with its weights", at)
		}
	}
	page := bytes.Clone(good)
	clear(page[header+64 : header+128])
	os.WriteFile(last, page, 0o600)
	if _, err := Resume(testConfig(dir)); !errors.Is(err, safetensors.ErrDamaged) {
		t.Errorf("lost page: %v", err)
	}

	// From the one before, to the same end; and it stays as long as the last is not
	// written anew.
	whole := t.TempDir()
	run(t, testConfig(whole))
	cfg := testConfig(dir)
	cfg.Checkpoint = PreviousFile
	tr, err := Resume(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.trySaveLast(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, PreviousFile)); err != nil || !bytes.Equal(b, files[PreviousFile]) {
		t.Errorf("the damaged checkpoint took the place of the one before it: %v", err)
	}
	if _, err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if !bytes.Equal(tensors(t, dir), tensors(t, whole)) {
		t.Error("from the checkpoint before the last: other weights")
	}
	a, b := testFile(t, dir, ModelFile), testFile(t, whole, ModelFile)
	if !bytes.Equal(a, b) {
		t.Error("another model")
	}
}

// tensors are the bytes of all tensors of the last checkpoint.
func tensors(t *testing.T, dir string) []byte { return testFile(t, dir, LastFile) }

func testFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	for _, name := range f.Names() {
		raw, shape, err := f.ReadRaw(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s%v %x\n", name, shape, raw)
	}
	return b.Bytes()
}

// TestOlderFiles have no sum: they are read, with a word.
func TestOlderFiles(t *testing.T) {
	dir, files := checkpoints(t)
	old := files[LastFile]
	key := fmt.Sprintf(`"%s":"`, safetensors.SumKey)
	at := bytes.Index(old, []byte(key))
	old = bytes.Clone(old)
	copy(old[at:], `"other.comm`)
	old = bytes.Replace(old, fmt.Appendf(nil, `"weft.version":"%d"`, FormatVersion), []byte(`"weft.version":"1"`), 1)
	os.WriteFile(filepath.Join(dir, LastFile), old, 0o600)
	cfg := testConfig(dir)
	list := warned(&cfg)
	tr, err := Resume(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if s := strings.Join(*list, "\n"); !strings.Contains(s, "it has no sum") {
		t.Errorf("warnings: %q", s)
	}
	if info, err := ReadInfo(filepath.Join(dir, LastFile)); err != nil || info.Summed {
		t.Errorf("%+v %v", info, err)
	}
	// A file of today that lost its sum is damaged.
	os.WriteFile(filepath.Join(dir, LastFile), bytes.Replace(old, []byte(`"weft.version":"1"`), []byte(`"weft.version":"2"`), 1), 0o600)
	if _, err := Resume(testConfig(dir)); err == nil || !strings.Contains(err.Error(), "has no sum") {
		t.Errorf("version 2 without a sum: %v", err)
	}
}

// TestBestOfAnotherEpoch puts the weights of another epoch, damaged ones, and none
// in the place of the best: that is said before training goes on.
func TestBestOfAnotherEpoch(t *testing.T) {
	dir, files := checkpoints(t)
	best := filepath.Join(dir, BestFile)
	info, err := ReadInfo(best)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(files[BestFile], fmt.Appendf(nil, `best_epoch\":%d`, info.State.BestEpoch), fmt.Appendf(nil, `best_epoch\":%d`, info.State.BestEpoch+5), 1)
	if bytes.Equal(other, files[BestFile]) {
		t.Fatal("no epoch to change")
	}
	flipped := bytes.Clone(files[BestFile])
	flipped[len(flipped)-3] ^= 4
	os.Remove(filepath.Join(dir, PreviousBestFile))
	for what, bad := range map[string][]byte{"holds the weights of epoch": summed(other), "damaged": flipped} {
		os.WriteFile(best, bad, 0o600)
		if _, err := Resume(testConfig(dir)); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "move "+BestFile) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The ones before may be right.
	os.WriteFile(best, summed(other), 0o600)
	os.WriteFile(filepath.Join(dir, PreviousBestFile), files[BestFile], 0o600)
	tr, err := Resume(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
	os.Remove(best)
	os.Remove(filepath.Join(dir, PreviousBestFile))
	cfg := testConfig(dir)
	list := warned(&cfg)
	if tr, err = Resume(cfg); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if s := strings.Join(*list, "\n"); !strings.Contains(s, "are not there") || tr.state.BestEpoch != 0 {
		t.Errorf("best epoch %d, warnings %q", tr.state.BestEpoch, s)
	}
}

// TestOneRunAtATime: while a run is open nobody else gets its folder.
func TestOneRunAtATime(t *testing.T) {
	dir, _ := checkpoints(t)
	first, err := Resume(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	for what, start := range map[string]func(Config) (*Trainer, error){"resumed": Resume, "begun": New} {
		if _, err := start(testConfig(dir)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
			t.Errorf("a second run was %s: %v", what, err)
		}
	}
	first.Close()
	again, err := Resume(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestAnotherMachine(t *testing.T) {
	dir, files := checkpoints(t)
	cfg := testConfig(dir)
	list := warned(&cfg)
	tr, err := Resume(cfg)
	if err != nil {
		t.Fatal(err)
	}
	machine := tr.Info().Machine
	tr.Close()
	if len(*list) != 0 || machine == "" {
		t.Errorf("machine %q, the same one warns: %q", machine, *list)
	}
	was := fmt.Appendf(nil, `"weft.machine":"%s"`, machine)
	now := append([]byte(`"weft.machine":"cpu (abacus`), bytes.Repeat([]byte("s"), len(was)-len(`"weft.machine":"cpu (abacus)"`))...)
	other := bytes.Replace(files[LastFile], was, append(now, `)"`...), 1)
	os.WriteFile(filepath.Join(dir, LastFile), summed(other), 0o600)
	if tr, err = Resume(cfg); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if s := strings.Join(*list, "\n"); !strings.Contains(s, "abacus") || !strings.Contains(s, machine) || !strings.Contains(s, "rounds otherwise") {
		t.Errorf("warnings: %q", s)
	}
}

// TestTrainOn trains a finished run on, twice, and with an interruption.
func TestTrainOn(t *testing.T) {
	on := func(dir string, epochs int, change func(*Config)) error {
		cfg := testConfig(dir)
		cfg.Epochs = epochs
		if change != nil {
			change(&cfg)
		}
		tr, err := Resume(cfg)
		if err != nil {
			return err
		}
		defer tr.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		tr.cfg.Observer.Progress = func(p Progress) {
			if change != nil && p.Step >= 43 {
				cancel()
			}
		}
		_, err = tr.Run(ctx)
		return err
	}
	begin := func(schedule string, epochs int) string {
		cfg := testConfig(t.TempDir())
		cfg.Options.Schedule, cfg.Options.Epochs = schedule, epochs
		run(t, cfg)
		return cfg.Dir
	}
	// With a constant rate it is the run that had them from the beginning.
	whole, part := begin("constant", 6), begin("constant", 3)
	if err := on(part, 6, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tensors(t, whole), tensors(t, part)) || !bytes.Equal(testFile(t, whole, ModelFile), testFile(t, part, ModelFile)) {
		t.Error("3 and 3 epochs of a constant rate are not 6")
	}
	info, err := ReadInfo(filepath.Join(part, LastFile))
	if err != nil || info.Options.Epochs != 6 || info.State.Epoch != 6 || !info.State.Done {
		t.Errorf("%+v %v", info, err)
	}
	if epochs, err := ReadEpochs(part); err != nil || len(epochs) != 6 {
		t.Errorf("%d epochs of metrics, %v", len(epochs), err)
	}
	// With a schedule, the rate is that of a run of 6, and an interruption
	// changes nothing.
	for _, schedule := range []string{"cosine", "linear", "onecycle"} {
		a, b := begin(schedule, 3), begin(schedule, 3)
		if err := on(a, 6, nil); err != nil {
			t.Fatal(err)
		}
		if err := on(b, 6, func(*Config) {}); !errors.Is(err, context.Canceled) {
			t.Fatalf("it was not interrupted: %v", err)
		}
		if err := on(b, 0, nil); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tensors(t, a), tensors(t, b)) {
			t.Errorf("%s: interrupted, other weights", schedule)
		}
		o := testOptions()
		o.Schedule, o.Epochs = schedule, 6
		want := o.schedule(72)
		epochs, err := ReadEpochs(a)
		if err != nil || len(epochs) != 6 {
			t.Fatal(err, len(epochs))
		}
		for _, e := range epochs[3:] {
			if e.LR != want(e.Step-1) {
				t.Errorf("%s: epoch %d ends with the rate %v, want %v", schedule, e.Epoch, e.LR, want(e.Step-1))
			}
		}
	}
	if err := on(part, 6, nil); err == nil || !strings.Contains(err.Error(), "6 epochs are done already") {
		t.Errorf("no epochs more: %v", err)
	}
	if err := on(part, 2e9, nil); err == nil || !strings.Contains(err.Error(), "want 1 to") {
		t.Errorf("endless: %v", err)
	}
}
