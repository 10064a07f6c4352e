//go:build unix

package h1

import (
	"net"
	"syscall"
)

// peek looks at a connection without reading: is it open, and does something
// wait to be read?
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
