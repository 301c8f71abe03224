// Exactness is the point of a checkpoint, so these tests compare bytes: of the
// weights of a run that was killed without warning and resumed, and of one
// that was not. The killed run is a process of its own that sends itself
// SIGKILL, since nothing in it may get a chance to tidy up.

package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
)

// weights are the bytes of everything that evolves: the tensors of the last
// checkpoint, and its state less the time that it took.
func weights(t *testing.T, dir string) []byte {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(dir, LastFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := parseInfo(dir, f.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	info.State.Seconds = 0
	var b bytes.Buffer
	fmt.Fprintf(&b, "%+v\n", info.State)
	for _, name := range f.Names() {
		raw, shape, err := f.ReadRaw(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s%v %x\n", name, shape, raw)
	}
	return b.Bytes()
}

// stepsOf is the steps file, which a resumed run must continue seamlessly.
func stepsOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, StepsFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// variants are the options under which resuming must be exact.
func variants() map[string]func(*Config) {
	return map[string]func(*Config){
		"default":    func(*Config) {},
		"adamw":      func(c *Config) { c.Options.Optimizer, c.Options.LR = "adamw", 0.01 },
		"muon":       func(c *Config) { c.Options.Optimizer, c.Options.LR, c.Options.Momentum = "muon", 0.01, 0.95 },
		"accumulate": func(c *Config) { c.Options.Accumulate, c.Options.Batch = 3, 4 },
		"mixed": func(c *Config) {
			o := &c.Options
			c.Recipe, _ = Find("test-conv")
			o.Precision, o.Optimizer, o.LR, o.Accumulate, o.Batch = "mixed", "adamw", 0.01, 2, 4
		},
		"patience": func(c *Config) { c.Options.Patience, c.Options.Epochs = 1, 8 },
		"cifar": func(c *Config) {
			o := &c.Options
			c.Recipe, _ = Find("test-fitted")
			o.Augment = Augment{Crop: 1, Reflect: true, Flip: "alternate", Cutout: 2}
			o.Optimizer, o.LR, o.Momentum, o.ValFraction, o.ValLast, o.TestFlip, o.KeepLast = "muon-sphere", 0.2, 0.6, 0, 20, true, true
		},
		"plain": func(c *Config) {
			c.Options = Options{Epochs: 3, Batch: 8, Optimizer: "sgd", LR: 0.1, Schedule: "constant", Seed: 9}
		},
	}
}

func TestResumeAfterKill(t *testing.T) {
	if spec := os.Getenv("WEFT_KILL_CHILD"); spec != "" {
		var dir, variant string
		var at int
		fmt.Sscanf(spec, "%s %s %d", &dir, &variant, &at)
		cfg := testConfig(dir)
		variants()[variant](&cfg)
		cfg.SaveSteps = 7
		cfg.Observer.Progress = func(p Progress) {
			if p.Step >= at {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		run(t, cfg)
		return
	}
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			whole := t.TempDir()
			cfg := testConfig(whole)
			change(&cfg)
			run(t, cfg)
			want, wantSteps := weights(t, whole), stepsOf(t, whole)
			for _, at := range []int{9, 23} {
				dir := t.TempDir()
				c := exec.Command(os.Args[0], "-test.run=^TestResumeAfterKill$")
				c.Env = append(os.Environ(), fmt.Sprintf("WEFT_KILL_CHILD=%s %s %d", dir, name, at))
				out, err := c.CombinedOutput()
				if c.ProcessState == nil || c.ProcessState.ExitCode() != -1 {
					t.Fatalf("the child was not killed: %v\n%s", err, out)
				}
				again := testConfig(dir)
				again.SaveSteps = 5
				resume(t, again)
				if !bytes.Equal(weights(t, dir), want) {
					t.Errorf("killed at step %d and resumed: other weights than without", at)
				}
				if got := stepsOf(t, dir); got != wantSteps {
					t.Errorf("killed at step %d and resumed: other steps:\n%s\nwant:\n%s", at, got, wantSteps)
				}
			}
		})
	}
}

func TestInterrupt(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	run(t, testConfig(whole))
	ctx, cancel := context.WithCancel(context.Background())
	cfg := testConfig(dir)
	cfg.Observer.Progress = func(p Progress) {
		if p.Step >= 14 {
			cancel()
		}
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tr.Run(ctx)
	tr.Close()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted run returned %v", err)
	}
	info, err := ReadInfo(filepath.Join(dir, LastFile))
	if err != nil || info.State.Step < 14 || info.State.Done {
		t.Fatalf("checkpoint %+v %v", info, err)
	}
	resume(t, testConfig(dir))
	if !bytes.Equal(weights(t, dir), weights(t, whole)) {
		t.Error("interrupted and resumed: other weights than without")
	}
}

// TestFullDisk trains in a process that may not write files of more than 64
// bytes once there is a checkpoint.
func TestFullDisk(t *testing.T) {
	if spec := os.Getenv("WEFT_FULL_CHILD"); spec != "" {
		signal.Ignore(syscall.SIGXFSZ)
		cfg := testConfig(spec)
		cfg.SaveSteps = 5
		warned := false
		cfg.Observer.Warn = func(err error) {
			warned = true
			fmt.Println("WARNED", err)
		}
		cfg.Observer.Progress = func(p Progress) {
			if st, err := os.Stat(filepath.Join(spec, LastFile)); err == nil && st.Size() > 0 {
				limit := syscall.Rlimit{Cur: 64, Max: 64}
				syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
			}
		}
		tr, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.Run(context.Background())
		fmt.Println("ENDED", err)
		if !warned || err == nil {
			t.Fatal("nobody was told")
		}
		return
	}
	dir := t.TempDir()
	c := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	c.Env = append(os.Environ(), "WEFT_FULL_CHILD="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if s := string(out); !strings.Contains(s, "WARNED no checkpoint at step") || !strings.Contains(s, "unchanged") {
		t.Errorf("the warnings do not say what happened:\n%s", s)
	}
	info, err := ReadInfo(filepath.Join(dir, LastFile))
	if err != nil || info.State.Step < 5 || info.State.Step > 12 {
		t.Fatalf("the checkpoint from before the disk was full: %+v %v", info, err)
	}
	whole := t.TempDir()
	run(t, testConfig(whole))
	resume(t, testConfig(dir))
	if !bytes.Equal(weights(t, dir), weights(t, whole)) {
		t.Error("resumed after a full disk: other weights than without")
	}
}

func TestResumeRefuses(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig(dir)
	cfg.Options.Epochs = 1
	run(t, cfg)
	other := testConfig(dir)
	other.Train = blobs(125, 5)
	if _, err := Resume(other); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "trained on blobs") {
		t.Errorf("resumed with other data: %v", err)
	}
	last := filepath.Join(dir, LastFile)
	good, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"newer":                      {fmt.Sprintf(`"weft.version":"%d"`, FormatVersion), fmt.Sprintf(`"weft.version":"%d"`, FormatVersion+1)},
		"missing in the file: 1.wei": {`"1.weight"`, `"9.weight"`},
		"unexpected in the file: 9.": {`"1.weight"`, `"9.weight"`},
		"holds weights":              {`"weft.kind":"checkpoint"`, `"weft.kind":"model"     `},
		"no recipe":                  {`"weft.recipe":"test-mlp"`, `"weft.recipe":"test-mlq"`},
		"shape or type":              {`[8,36]`, `[36,8]`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Errorf("%s: %s is not in the file", what, change[0])
			continue
		}
		os.WriteFile(last, summed(bad), 0o644)
		if _, err := Resume(testConfig(dir)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, n := range []int{0, 5, 100, len(good) / 2, len(good) - 1} {
		os.WriteFile(last, good[:n], 0o644)
		if _, err := Resume(testConfig(dir)); err == nil {
			t.Errorf("resumed from the first %d bytes of a checkpoint", n)
		}
	}
}
