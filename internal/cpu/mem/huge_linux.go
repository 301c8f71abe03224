package mem

import "syscall"

// adviseHuge asks for huge pages. It is advice: where the kernel has none, or
// is told not to give them, nothing changes, so the error is of no interest.
func adviseHuge(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }
