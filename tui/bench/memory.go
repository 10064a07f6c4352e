package main

import (
	"fmt"
	"os"
	"strings"
)

// resident returns the resident memory of a process in bytes, 0 where /proc does not
// have it.
func resident(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	var kib int64
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}
