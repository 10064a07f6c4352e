//go:build unix

package h1

import (
	"net"
	"syscall"
)

// peek reports, without a read, whether a connection is open and whether it has
// unread bytes.
func peek(c net.Conn) (open, waiting bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true, false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false, false
	}
	var b [1]byte
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		waiting = n > 0
		open = waiting || err == syscall.EAGAIN || err == syscall.EINTR
		return true
	})
	return open && err == nil, waiting
}
