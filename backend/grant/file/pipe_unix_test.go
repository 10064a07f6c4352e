//go:build unix

package file_test

import (
	"syscall"
	"testing"
)

// A read of a named pipe would block.
func TestNamedPipe(t *testing.T) {
	keepsGrants(t, "a pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) })
}
