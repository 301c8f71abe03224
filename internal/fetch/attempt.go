// One request. What may differ between servers is handled here: those that
// ignore Range send the whole file with 200 and the .part begins anew; those
// that find the .part already complete answer 416.

package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// temporaryError marks a failure that a retry may cure.
type temporaryError struct{ error }

func (e *temporaryError) Unwrap() error { return e.error }

var errStalled = errors.New("the connection delivered nothing for too long")

const defaultMaxBytes = 4 << 30

// attempt appends to part what is missing of the file at address.
func attempt(parent context.Context, address, part string, file File, opts Options) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stall := opts.Stall
	if stall == 0 {
		stall = 30 * time.Second
	}
	watchdog := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer watchdog.Stop()

	out, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
	}()
	have, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	// The bytes as stored are what the sums and offsets are about.
	req.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	client := opts.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return &temporaryError{cause(ctx, err)}
	}
	defer res.Body.Close()

	total := int64(-1)
	switch {
	case res.StatusCode == http.StatusOK:
		if have > 0 {
			if err := out.Truncate(0); err != nil {
				return err
			}
			if _, err := out.Seek(0, io.SeekStart); err != nil {
				return err
			}
		}
		have, total = 0, res.ContentLength
	case res.StatusCode == http.StatusPartialContent && have > 0:
		begin, size, ok := contentRange(res.Header.Get("Content-Range"))
		if !ok || begin != have {
			return restart(out, fmt.Errorf("asked for bytes from %d, got Content-Range %q", have, res.Header.Get("Content-Range")))
		}
		total = size
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		_, size, _ := contentRange(res.Header.Get("Content-Range"))
		if size == have {
			return nil // Complete already; the verification has the last word.
		}
		return restart(out, fmt.Errorf("the file there is shorter than the %d bytes already here", have))
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout:
		return &temporaryError{fmt.Errorf("the server answered %s", res.Status)}
	default:
		return fmt.Errorf("the server answered %s", res.Status)
	}

	most := file.MaxBytes
	if most == 0 {
		most = defaultMaxBytes
	}
	if total > most {
		return fmt.Errorf("the file has %d bytes, at most %d were expected", total, most)
	}
	report := func() {
		if opts.Progress != nil {
			opts.Progress(have, total)
		}
	}
	report()
	buf := make([]byte, 1<<16)
	for {
		n, err := res.Body.Read(buf)
		watchdog.Reset(stall)
		if _, werr := out.Write(buf[:n]); werr != nil {
			return fmt.Errorf("writing %s: %w", part, werr)
		}
		have += int64(n)
		if have > most {
			// A resume would only go on past the bound.
			return errors.Join(fmt.Errorf("the server sends more than the %d bytes expected", most), out.Truncate(0))
		}
		if n > 0 {
			report()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return &temporaryError{cause(ctx, err)}
		}
	}
	if total >= 0 && have != total {
		return &temporaryError{fmt.Errorf("the connection ended after %d of %d bytes", have, total)}
	}
	return out.Sync()
}

// restart empties the .part so that the retry begins anew.
func restart(out *os.File, why error) error {
	if err := out.Truncate(0); err != nil {
		return err
	}
	return &temporaryError{why}
}

// cause prefers the reason of a cancellation over "context canceled".
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	// The address is in the message already, said by Get.
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// contentRange reads "bytes 5-9/10", "bytes */10" and "bytes 5-9/*"; size is
// -1 where unknown.
func contentRange(s string) (begin, size int64, ok bool) {
	s, found := strings.CutPrefix(s, "bytes ")
	span, whole, cut := strings.Cut(s, "/")
	if !found || !cut {
		return 0, -1, false
	}
	size = -1
	if v, err := strconv.ParseInt(whole, 10, 64); err == nil && v >= 0 {
		size = v
	}
	first, _, _ := strings.Cut(span, "-")
	begin, err := strconv.ParseInt(first, 10, 64)
	return begin, size, err == nil && begin >= 0
}
