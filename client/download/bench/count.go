package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"sync"
)

// counter counts the requests of a listener's connections, and keeps their number
// in a file. A client sends one request at a time on a connection, so that each one
// begins a read.
type counter struct {
	net.Listener
	mu   sync.Mutex
	n    int
	file *os.File
}

func newCounter(l net.Listener, path string) (*counter, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	c := &counter{Listener: l, file: file}
	c.write()
	return c, nil
}

// Accept returns a counted connection.
func (c *counter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn, c}, nil
}

func (c *counter) write() { _, _ = c.file.WriteAt(fmt.Appendf(nil, "%20d", c.n), 0) }

type countedConn struct {
	net.Conn
	c *counter
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bytes.HasPrefix(b[:n], []byte("POST /v1/")) {
		c.c.mu.Lock()
		c.c.n++
		c.c.write()
		c.c.mu.Unlock()
	}
	return n, err
}
