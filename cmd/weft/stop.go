package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// stopped is why a command ends before its time: a signal, or that nobody reads
// its output. It is an interruption like any other, so that whatever has to be
// saved is.
type stopped struct {
	why  string
	code int // exit code: 128 and the signal's number, as shells have it
}

func (s *stopped) Error() string        { return s.why }
func (s *stopped) Is(target error) bool { return target == context.Canceled }

var errNobodyReads = &stopped{"nobody reads the output any more", 128 + int(syscall.SIGPIPE)}

// signals are those that end a command, with their names for people.
var signals = map[os.Signal]string{os.Interrupt: "interrupted", syscall.SIGTERM: "asked to end (SIGTERM)", syscall.SIGHUP: "the terminal was closed (SIGHUP)"}

// stopSignals ends the context at the first signal: the program saves and ends.
// A second one ends it at once, except that a terminal which is closed sends
// more than one.
func stopSignals() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	first := make(chan os.Signal, 1)
	for s := range signals {
		// nohup and shells' background jobs ignore some, which is to stay so.
		if !signal.Ignored(s) {
			signal.Notify(first, s)
		}
	}
	// A write to a closed pipe is then an error and not the end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		s := <-first
		signal.Ignore(syscall.SIGHUP)
		signal.Stop(first)
		number, _ := s.(syscall.Signal)
		cancel(&stopped{signals[s], 128 + int(number)})
	}()
	return ctx
}

// exitCode of a command that ended with an error, and whether there is somebody
// to tell.
func exitCode(ctx context.Context, err error) (code int, tell bool) {
	var usage *usageError
	var stop *stopped
	switch {
	case errors.Is(err, context.Canceled):
		if errors.As(err, &stop) || errors.As(context.Cause(ctx), &stop) {
			return stop.code, stop != errNobodyReads
		}
		return exitInterrupted, true
	case errors.Is(err, errMaxTime):
		return exitResume, true
	case errors.As(err, &usage):
		return exitUsage, true
	}
	return exitFailure, true
}
