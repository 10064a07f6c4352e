// Package h1 sends GETs over HTTP/1.1 keep-alive connections and reads the
// responses on the calling goroutine. The Transport of net/http runs two
// goroutines for each connection and passes requests and responses through
// channels. For thousands of small files these transfers cost more than the
// requests: BenchmarkSmallFile compares the two. The response head is parsed by
// net/http (ReadResponse).
//
// A connection is reused only after its response was read to the end and no
// byte followed. A request is repeated once, on another connection, if a reused
// connection ended before the first byte of a response. The end of a request's
// context ends the exchange.
//
// The package leaves to its caller: proxies, redirects, cookies, all other
// retries, and timeouts (by context).
package h1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config holds the parts of a Transport. Dial is required.
type Config struct {
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS     *tls.Config   // for https; nil: the defaults
	MaxIdle int           // unused connections kept for one host
	Idle    time.Duration // life of an unused connection; 0: until Close
	Opening time.Duration // time limit of Warm for one connection, TLS included; 0: that of its context
}

const (
	readAhead  = 16 << 10 // bytes; the head and a small body come in one read
	maxHead    = 64 << 10 // bytes of one response's status line and headers
	maxInterim = 5        // 1xx responses before the final one
)

// Transport is an http.RoundTripper for GETs without a body. Safe for
// concurrent use.
type Transport struct {
	c Config

	mu      sync.Mutex
	origins map[string]*origin // by scheme and host
	sweeper *time.Timer        // set while a connection is idle
	closed  bool
}

// New returns a transport without connections.
func New(c Config) *Transport { return &Transport{c: c, origins: map[string]*origin{}} }

// conn is one connection, used by one request at a time.
type conn struct {
	t      *Transport
	key    string
	net    net.Conn
	in     *bufio.Reader
	head   int64 // remaining bytes of the head's limit; negative while a body is read
	got    bool  // a byte arrived since the request was sent
	out    []byte
	unused time.Time // start of the idle period; zero for a new connection
	stop   func() bool
}

// Read is the source of the bufio.Reader. It bounds the head.
func (c *conn) Read(p []byte) (int, error) {
	if c.head == 0 {
		return 0, errors.New("http: the answer's headers are too long")
	}
	if c.head > 0 {
		p = p[:min(int64(len(p)), c.head)]
	}
	n, err := c.net.Read(p)
	if c.head > 0 {
		c.head -= int64(n)
	}
	c.got = c.got || n > 0
	return n, err
}

// RoundTrip sends a GET and returns the response with its head. The caller reads
// the body to its end or closes it; an early close ends the connection.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := plain(req); err != nil {
		return nil, err
	}
	ctx := req.Context()
	key := req.URL.Scheme + "://" + req.URL.Host
	for {
		c, err := t.take(ctx, key)
		if err != nil {
			return nil, err
		}
		again := !c.unused.IsZero()
		resp, err := c.exchange(ctx, req)
		if err == nil {
			return resp, nil
		}
		c.net.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !again || c.got {
			return nil, fmt.Errorf("requesting %s: %w", req.URL.Host, err)
		}
		// The server closed the idle connection (RFC 9112 §9.3.1 allows a repeat).
	}
}

// plain refuses unsupported requests, and header values that could end a line.
func plain(req *http.Request) error {
	switch {
	case req.Method != http.MethodGet || req.Body != nil:
		return errors.New("http: only a GET without a body")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return errors.New("http: only http and https")
	case breaks(req.Host) || breaks(req.URL.Host):
		return errors.New("http: a malformed host")
	}
	for name, values := range req.Header {
		if breaks(name) || strings.ContainsAny(name, ": ") {
			return errors.New("http: a malformed header")
		}
		for _, v := range values {
			if breaks(v) {
				return errors.New("http: a malformed header")
			}
		}
	}
	return nil
}

func breaks(s string) bool { return strings.ContainsAny(s, "\r\n\x00") }

func (t *Transport) dial(ctx context.Context, key string) (*conn, error) {
	scheme, host, _ := strings.Cut(key, "://")
	addr := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		addr = net.JoinHostPort(strings.Trim(host, "[]"), map[string]string{"http": "80", "https": "443"}[scheme])
	}
	raw, err := t.c.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if scheme == "https" {
		if raw, err = t.secure(ctx, raw, addr); err != nil {
			return nil, err
		}
	}
	c := &conn{t: t, key: key, net: raw}
	c.in = bufio.NewReaderSize(c, readAhead)
	return c, nil
}

func (t *Transport) secure(ctx context.Context, raw net.Conn, addr string) (net.Conn, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.c.TLS != nil {
		config = t.c.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	config.NextProtos = []string{"http/1.1"}
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// exchange sends the request and reads the response's head.
func (c *conn) exchange(ctx context.Context, req *http.Request) (*http.Response, error) {
	c.got, c.head = false, maxHead
	c.stop = context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })
	c.out = appendRequest(c.out[:0], req)
	if _, err := c.net.Write(c.out); err != nil {
		return nil, c.failed(err)
	}
	for range maxInterim {
		resp, err := http.ReadResponse(c.in, req)
		if err != nil {
			return nil, c.failed(err)
		}
		if resp.StatusCode < 100 || resp.StatusCode > 199 {
			c.head = -1
			resp.Body = &body{ReadCloser: resp.Body, c: c, last: resp.Close}
			return resp, nil
		}
	}
	return nil, c.failed(errors.New("http: too many interim answers"))
}

func (c *conn) failed(err error) error {
	c.stop()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendURI appends what u.RequestURI returns, without a string for it.
func appendURI(b []byte, u *url.URL) []byte {
	path := u.EscapedPath()
	if u.Opaque != "" || path == "" || u.ForceQuery {
		return append(b, u.RequestURI()...)
	}
	if b = append(b, path...); u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	return b
}

func appendRequest(b []byte, req *http.Request) []byte {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	b = append(b, "GET "...)
	b = appendURI(b, req.URL)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	for name, values := range req.Header {
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// body is a response's body. Its end returns the connection to the pool.
type body struct {
	io.ReadCloser
	c    *conn // nil after the connection was returned or closed
	last bool  // the connection ends after this body
}

func (b *body) Read(p []byte) (int, error) {
	if b.c == nil {
		return 0, io.EOF
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err == io.EOF)
	}
	return n, err
}

// Close ends the connection if its response was not read to the end.
func (b *body) Close() error {
	b.end(false)
	return nil
}

func (b *body) end(whole bool) {
	c := b.c
	if c == nil {
		return
	}
	b.c = nil
	// The end of the context closes the connection, now or soon.
	if c.stop() && whole && !b.last && c.in.Buffered() == 0 {
		c.t.give(c)
		return
	}
	c.net.Close()
}
