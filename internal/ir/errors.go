package ir

import (
	"fmt"
	"runtime"
	"strings"
)

// Error is what building a graph panics with when shapes or types do not
// fit. It carries the place in the user's code that asked for the operation,
// because the stack below it is Weft's own and tells the user nothing.
type Error struct {
	Op  string // operation, as the user knows it
	Msg string // what does not fit
	Pos string // file:line of the first caller outside of Weft
}

// Error formats the message with the user's file and line first.
func (e *Error) Error() string {
	if e.Pos == "" {
		return fmt.Sprintf("weft: %s: %s", e.Op, e.Msg)
	}
	return fmt.Sprintf("%s: %s: %s", e.Pos, e.Op, e.Msg)
}

const module = "github.com/weft-ml/weft/"

func fail(op, format string, args ...any) { panic(NewError(op, format, args...)) }

// NewError returns an Error for op at the calling user's position.
func NewError(op, format string, args ...any) *Error {
	return &Error{Op: op, Msg: fmt.Sprintf(format, args...), Pos: userPos()}
}

// userPos finds the innermost caller that is not one of Weft's own packages;
// external test packages and commands count as users.
func userPos() string {
	var pcs [48]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if rest, own := strings.CutPrefix(f.Function, module); !own || isUserPackage(rest) {
			if f.File == "" || strings.HasPrefix(f.Function, "runtime.") {
				return ""
			}
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return ""
		}
	}
}

func isUserPackage(fn string) bool {
	pkg, _, _ := strings.Cut(fn[strings.LastIndexByte(fn, '/')+1:], ".")
	return strings.HasSuffix(pkg, "_test") || strings.HasPrefix(fn, "zoo") || strings.HasPrefix(fn, "cmd/")
}
