//go:build unix

package atomicfile

// renameOpen says that a file can be renamed while it is open, so that its lock
// lasts until it has its name.
const renameOpen = true
