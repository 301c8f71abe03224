// Package fetch downloads files into a cache: several mirrors, resumed after a
// cut, verified before they get their name.
//
// A download grows in a .part file that survives a cut connection, a cancelled
// context and a killed process. Mirrors may hold different bytes under the same
// name (gzip of the same data), so that each mirror has a .part of its own.
// Whether a resumed file is sound is not decided by what the server says
// about versions but by the verification, after which a resumed file is fetched
// once more from its beginning.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrOffline is in the error of a file that is not cached when Options.Offline
// forbids to download it.
var ErrOffline = errors.New("downloads are switched off")

// ErrChecksum is in the error of a download whose content is wrong.
var ErrChecksum = errors.New("content does not match its checksum")

// File says what to fetch.
type File struct {
	// Name is the path below the cache folder, with slashes.
	Name string
	// URLs are the mirrors, in the order to try.
	URLs []string
	// SHA256 is the hex sum of the bytes as downloaded; empty if Verify alone decides.
	SHA256 string
	// Verify, if set, checks the content of the complete file, also of a cached one.
	Verify func(path string) error
	// MaxBytes bounds the size; 0 means 4 GiB.
	MaxBytes int64
}

// Options say how. The zero value works.
type Options struct {
	// Dir is the cache folder; empty means CacheDir().
	Dir string
	// Offline forbids all connections.
	Offline bool
	// Retries is how often a mirror is asked again after a cut connection or a
	// server's 5xx or 429; 0 means 3, negative none.
	Retries int
	// Backoff is the wait before the first retry, doubled for each next one up
	// to 30 s; 0 means 500 ms.
	Backoff time.Duration
	// Stall is how long a connection may deliver nothing; 0 means 30 s.
	Stall time.Duration
	// Progress is told the bytes there are and the whole size (-1 if unknown),
	// from the calling goroutine.
	Progress func(done, total int64)
	// Client is used for the requests; nil means http.DefaultClient.
	Client *http.Client
}

// Error is the failure of all mirrors.
type Error struct {
	Name     string
	Attempts []error // One for each mirror, naming its host.
}

// Error gives one line for each mirror.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot get %s", e.Name)
	for _, err := range e.Attempts {
		b.WriteString("\n  " + err.Error())
	}
	return b.String()
}

// Unwrap gives the mirrors' errors to errors.Is and errors.As.
func (e *Error) Unwrap() []error { return e.Attempts }

// CacheDir is the folder for downloads: $WEFT_CACHE, else "weft" in the user's
// cache folder. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("WEFT_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; set WEFT_CACHE to one", err)
	}
	return filepath.Join(dir, "weft"), nil
}

// maxAttempts ends the talk with a server that always sends a little and
// never the whole.
const maxAttempts = 100

// locks keeps two goroutines from appending to the same .part.
var locks sync.Map

// Get returns the path of the cached file, downloading it first if it is not
// there or not sound. A cancelled context keeps what has arrived for the next
// call.
func Get(ctx context.Context, file File, opts Options) (string, error) {
	if opts.Dir == "" {
		dir, err := CacheDir()
		if err != nil {
			return "", err
		}
		opts.Dir = dir
	}
	if !filepath.IsLocal(filepath.FromSlash(file.Name)) {
		return "", fmt.Errorf("cannot cache %q: the name must stay inside the cache folder", file.Name)
	}
	path := filepath.Join(opts.Dir, filepath.FromSlash(file.Name))
	lock, _ := locks.LoadOrStore(path, new(sync.Mutex))
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()

	failed := &Error{Name: file.Name}
	if _, err := os.Stat(path); err == nil {
		err := verify(file, path)
		if err == nil {
			return path, nil
		}
		failed.Attempts = append(failed.Attempts, fmt.Errorf("cached %s: %w", path, err))
	}
	if opts.Offline {
		failed.Attempts = append(failed.Attempts, fmt.Errorf("not in the cache %s, and %w", opts.Dir, ErrOffline))
		return "", failed
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("cannot create the cache folder: %w; set WEFT_CACHE to one that is writable", err)
	}
	for _, url := range file.URLs {
		err := fromMirror(ctx, file, url, path, opts)
		if err == nil {
			return path, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("download of %s stopped, what has arrived is kept: %w", file.Name, context.Cause(ctx))
		}
		failed.Attempts = append(failed.Attempts, fmt.Errorf("%s: %w", url, err))
	}
	return "", failed
}

// partPath is where the download from url grows.
func partPath(path, url string) string {
	sum := sha256.Sum256([]byte(url))
	return path + "." + hex.EncodeToString(sum[:4]) + ".part"
}

// fromMirror downloads from one mirror, verifies and names the file.
func fromMirror(ctx context.Context, file File, url, path string, opts Options) error {
	part := partPath(path, url)
	for {
		resumed, err := retry(ctx, url, part, file, opts)
		if err != nil {
			if sizeOf(part) == 0 {
				os.Remove(part)
			}
			return err
		}
		if err := verify(file, part); err == nil {
			break
		} else if os.Remove(part); !resumed {
			return err
		}
		// The beginning may have come from an older version: once more, whole.
	}
	return os.Rename(part, path)
}

// retry asks a mirror until its file is complete or it is not worth it.
// resumed is whether a beginning from an earlier call was used.
func retry(ctx context.Context, url, part string, file File, opts Options) (resumed bool, err error) {
	retries := opts.Retries
	if retries == 0 {
		retries = 3
	}
	wait := opts.Backoff
	if wait == 0 {
		wait = 500 * time.Millisecond
	}
	if info, err := os.Stat(part); err == nil && info.Size() > 0 {
		resumed = true
	}
	for try, total := 0, 0; ; try++ {
		before := sizeOf(part)
		err := attempt(ctx, url, part, file, opts)
		var again *temporaryError
		if err == nil || !errors.As(err, &again) || ctx.Err() != nil {
			return resumed, err
		}
		if sizeOf(part) > before {
			try = -1 // It got further: the mirror deserves all its retries again.
		}
		if total++; try >= retries || total >= maxAttempts {
			return resumed, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return resumed, context.Cause(ctx)
		}
		wait = min(2*wait, 30*time.Second)
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// verify checks a complete file.
func verify(file File, path string) error {
	if file.SHA256 != "" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, file.SHA256) {
			return fmt.Errorf("%w: SHA-256 is %s, want %s", ErrChecksum, got, file.SHA256)
		}
	}
	if file.Verify != nil {
		if err := file.Verify(path); err != nil {
			return fmt.Errorf("%w: %w", ErrChecksum, err)
		}
	}
	return nil
}
