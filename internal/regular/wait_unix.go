//go:build unix

package regular

import "syscall"

// Opening a pipe waits for its other end unless told not to. For regular files
// the flag means nothing.
const noWait = syscall.O_NONBLOCK
