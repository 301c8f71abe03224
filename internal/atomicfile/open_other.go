//go:build !unix

package atomicfile

const renameOpen = false
