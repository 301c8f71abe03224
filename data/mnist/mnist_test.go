package mnist

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weft-ml/weft/data/idx"
)

// small makes a data set of the same form, 20 training and 10 test images of
// 2x2, and the bytes of its files by name.
func small(t *testing.T) (*spec, map[string][]byte) {
	t.Helper()
	s := mnistSpec
	s.mirrors = nil // No test talks to the network.
	files := map[string][]byte{}
	for i, n := range []int{20, 20, 10, 10} {
		a := &idx.Array{Type: idx.Uint8, Shape: []int{n}, Data: make([]byte, n)}
		if i%2 == 0 {
			a.Shape, a.Data = []int{n, 2, 2}, make([]byte, 4*n)
		}
		for j := range a.Data {
			a.Data[j] = byte((j + i) % 10)
		}
		var b bytes.Buffer
		if err := idx.Write(&b, a); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Bytes())
		s.files[i].shape, s.files[i].sha256 = a.Shape, hex.EncodeToString(sum[:])
		files[s.files[i].name] = b.Bytes()
	}
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", t.TempDir())
	return &s, files
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLocalSpellings(t *testing.T) {
	s, files := small(t)
	for name, place := range map[string]func(root, name string, b []byte){
		"plain": func(root, name string, b []byte) { put(t, filepath.Join(root, name), b) },
		"gzip":  func(root, name string, b []byte) { put(t, filepath.Join(root, name+".gz"), gz(b)) },
		"dot, subfolder": func(root, name string, b []byte) {
			put(t, filepath.Join(root, "mnist", strings.Replace(name, "-idx", ".idx", 1)), b)
		},
		"gzip unnamed": func(root, name string, b []byte) { put(t, filepath.Join(root, "mnist", name), gz(b)) },
	} {
		root := t.TempDir()
		for n, b := range files {
			place(root, n, b)
		}
		check := func(opts Options) {
			train, test, err := s.load(context.Background(), opts)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if train.N != 20 || test.N != 10 || train.H != 2 || train.Labels[0] != 1 || test.Images[0] != 2 || !strings.HasPrefix(train.Source, root) {
				t.Errorf("%s: %+v", name, train)
			}
			if !reflect.DeepEqual(train.Mean, test.Mean) || train.Mean[0] == 0 {
				t.Errorf("%s: the test set's mean %v is not the training set's %v", name, test.Mean, train.Mean)
			}
		}
		check(Options{Offline: true, Dir: root})
		t.Setenv("WEFT_DATA", root)
		check(Options{Offline: true})
		t.Setenv("WEFT_DATA", "")
	}
}

func TestUnavailableSaysWhyAndWhatToDo(t *testing.T) {
	s, files := small(t)
	root := t.TempDir()
	for n, b := range files {
		b = append([]byte(nil), b...)
		b[len(b)-1]++
		put(t, filepath.Join(root, n), b)
	}
	t.Setenv("WEFT_DATA", root)
	_, _, err := s.load(context.Background(), Options{Offline: true})
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	for _, says := range []string{"SHA-256", root, "switched off", "set WEFT_DATA", "--data synthetic"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	if err := os.Remove(filepath.Join(root, s.files[3].name)); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(root, s.files[0].name), files[s.files[0].name])
	put(t, filepath.Join(root, s.files[1].name), files[s.files[1].name])
	put(t, filepath.Join(root, s.files[2].name), files[s.files[2].name])
	if _, _, err := s.load(context.Background(), Options{Offline: true}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "but not "+s.files[3].name) {
		t.Errorf("got %v", err)
	}
}

func TestDownload(t *testing.T) {
	s, files := small(t)
	requests := 0
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		_, _ = w.Write(gz(files[strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), ".gz")]))
	}))
	defer good.Close()
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	s.mirrors = []string{bad.URL + "/", good.URL + "/"}
	var told []string
	progress := func(file string, done, total int64) {
		if done == total {
			told = append(told, file)
		}
	}
	train, _, err := s.load(context.Background(), Options{Progress: progress})
	if err != nil || train.N != 20 {
		t.Fatal(err)
	}
	if len(told) != 4 || requests != 4 {
		t.Errorf("%d requests, progress of %v", requests, told)
	}
	if _, _, err := s.load(context.Background(), Options{Offline: true}); err != nil || requests != 4 {
		t.Errorf("from the cache: %v after %d requests", err, requests)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	t.Setenv("WEFT_CACHE", t.TempDir())
	if _, _, err := s.load(ctx, Options{}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPublishedMD5(t *testing.T) {
	s, files := small(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(gz(files[strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), ".gz")]))
	}))
	defer server.Close()
	s.mirrors, s.balanced = []string{server.URL + "/"}, true
	for i := range s.files {
		sum := md5.Sum(gz(files[s.files[i].name]))
		s.files[i].sha256, s.files[i].md5 = "", hex.EncodeToString(sum[:])
	}
	if _, _, err := s.load(context.Background(), Options{}); err != nil {
		t.Error(err)
	}
	t.Setenv("WEFT_CACHE", t.TempDir())
	s.files[2].md5 = s.files[0].md5
	if _, _, err := s.load(context.Background(), Options{}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "MD5") {
		t.Errorf("got %v", err)
	}
}

func TestBalance(t *testing.T) {
	s, files := small(t)
	s.balanced = true
	labels := append([]byte(nil), files[s.files[1].name]...)
	labels[len(labels)-1] = labels[len(labels)-2]
	files[s.files[1].name] = labels
	root := t.TempDir()
	for i := range s.files {
		s.files[i].sha256 = ""
		put(t, filepath.Join(root, s.files[i].name), files[s.files[i].name])
	}
	if _, _, err := s.load(context.Background(), Options{Offline: true, Dir: root}); err == nil || !strings.Contains(err.Error(), "class 0 has 1 images") {
		t.Errorf("got %v", err)
	}
}

// TestReal reads the real files where they are; Fashion-MNIST must not accept
// MNIST's files, which have the same names and shapes.
func TestReal(t *testing.T) {
	root := os.Getenv("WEFT_DATA")
	if _, _, err := mnistSpec.fromRoot(root); err != nil {
		t.Skipf("no MNIST in WEFT_DATA (%q): %v", root, err)
	}
	train, test, err := Load(context.Background(), Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	if train.N != 60000 || test.N != 10000 || math.Abs(float64(train.Mean[0])-0.1307) > 1e-4 || math.Abs(float64(train.Std[0])-0.3081) > 1e-4 {
		t.Errorf("%d and %d images, mean %v, std %v", train.N, test.N, train.Mean, train.Std)
	}
	if _, _, err := fashionSpec.fromRoot(filepath.Join(root, "mnist")); err == nil || !strings.Contains(err.Error(), "this is MNIST's file") {
		t.Errorf("MNIST taken for Fashion-MNIST: %v", err)
	}
}
