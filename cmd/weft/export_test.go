package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/internal/browser"
	"github.com/weft-ml/weft/web/player"
)

func TestExportUsage(t *testing.T) {
	dir := t.TempDir()
	for _, args := range []string{"export", "export floppy", "export web", "export web a b", "export web mnist-mlp --batch x"} {
		code, _, stderr := weft(t, dir, strings.Fields(args)...)
		if code != exitUsage || strings.Count(stderr, "\n") != 2 {
			t.Errorf("weft %s: exit code %d\n%s", args, code, stderr)
		}
	}
	if code, _, stderr := weft(t, dir, "export", "web", "none"); code != exitFailure || !strings.Contains(stderr, "mnist-mlp2") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	os.WriteFile(filepath.Join(dir, "bad.safetensors"), []byte("{}"), 0o644)
	if code, _, stderr := weft(t, dir, "export", "web", "bad.safetensors"); code != exitFailure || !strings.Contains(stderr, "bad.safetensors") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestExportSafetensors(t *testing.T) {
	dir := t.TempDir()
	for _, f16 := range []string{"", "--f16"} {
		path := filepath.Join(dir, "mlp.safetensors")
		code, stdout, stderr := weft(t, dir, strings.Fields("export safetensors mnist-mlp --verify --json -o "+path+" "+f16)...)
		if code != 0 || last(t, stdout)["parameters"] != 101770.0 {
			t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Names(), " "); got != "1.bias 1.weight 3.bias 3.weight" {
			t.Error(got)
		}
		for k := range f.Metadata {
			if strings.HasPrefix(k, "weft.") {
				t.Errorf("metadata %s", k)
			}
		}
		f.Close()
	}
}

func TestExportWeb(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page")
	code, stdout, stderr := weft(t, dir, "export", "web", "mnist-mlp", "-o", page, "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	files := last(t, stdout)["files"].(map[string]any)
	for _, name := range []string{player.ModuleFile, player.TypesFile, format.PlanFile, format.WeightsFile, "index.html"} {
		if st, err := os.Stat(filepath.Join(page, name)); err != nil || float64(st.Size()) != files[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Into the same folder again, but not among other people's files.
	if code, _, stderr := weft(t, dir, "export", "web", "mnist-mlp2", "-o", page); code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	other := filepath.Join(dir, "home")
	os.Mkdir(other, 0o755)
	os.WriteFile(filepath.Join(other, "index.html"), []byte("mine"), 0o644)
	if code, _, stderr := weft(t, dir, "export", "web", "mnist-mlp", "-o", other); code != exitFailure || !strings.Contains(stderr, "--force") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if b, _ := os.ReadFile(filepath.Join(other, "index.html")); string(b) != "mine" {
		t.Error("overwritten")
	}
}

// TestExportVerify runs exports in a real browser, where there is one.
func TestExportVerify(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	dir := t.TempDir()
	if _, err := browser.Find(""); err != nil {
		t.Skip(err) // make e2e, which installs one, verifies too
	}
	page := filepath.Join(dir, "page")
	code, stdout, stderr := weft(t, dir, "export", "web", "mnist-mlp", "-o", page, "--verify", "--f16", "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	r := last(t, stdout)
	if d, ok := r["difference"].(float64); !ok || d <= 0 || d > 1e-3 || r["ms"].(float64) <= 0 || r["pictures"] != 48.0 {
		t.Errorf("%v", r)
	}
	if d := r["f16_difference"].(float64); d <= 0 || d > 0.1 {
		t.Errorf("storing float16 changed results by %v", d)
	}

	// What is wrong must not pass: weights of another network, which the plan's
	// hash tells, and other weights in a file that is whole.
	a := &app{stdout: &stream{w: os.Stderr}, stderr: &stream{w: os.Stderr}}
	e := &exporting{app: a}
	m, info, _, err := e.model("mnist-mlp")
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := weft(t, dir, "export", "web", "mnist-mlp2", "-o", page); code != 0 {
		t.Fatal(stderr)
	}
	err = e.verifyWeb(context.Background(), page, m, info, false, map[string]any{})
	if err == nil || !strings.Contains(err.Error(), "verification failed") {
		t.Errorf("another network passes: %v", err)
	}
	os.WriteFile(filepath.Join(page, format.WeightsFile), []byte("nothing"), 0o644)
	err = e.verifyWeb(context.Background(), page, m, info, false, map[string]any{})
	if err == nil || !strings.Contains(err.Error(), "ModelFileError") {
		t.Errorf("a broken file passes: %v", err)
	}
}

func TestExportVerifyWithoutBrowser(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CHROMIUM", filepath.Join(dir, "none"))
	code, stdout, stderr := weft(t, dir, "export", "web", "mnist-mlp", "-o", filepath.Join(dir, "page"), "--verify")
	if code != exitFailure || !strings.Contains(stderr, "CHROMIUM") || strings.Contains(stdout, "verified") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := browser.Find(""); !errors.Is(err, browser.ErrNone) {
		t.Error(err)
	}
}
