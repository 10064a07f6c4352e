//go:build !unix

package h1

import "net"

// peek has no implementation on this platform. The next request finds out that
// its connection is closed, and is repeated on another.
func peek(net.Conn) (open, waiting bool) { return true, false }
