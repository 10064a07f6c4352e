package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"syscall"
)

// conns is a listener with a limit on open connections. At the limit, a new
// connection replaces connections without a request: new, idle, or with an
// incomplete header. The oldest connections of the address with the most of them
// are closed first, so one address with thousands of idle connections cannot
// block others.
type conns struct {
	net.Listener
	limit int

	mu    sync.Mutex
	open  map[*conn]struct{}
	clock uint64 // number of state changes
}

// conn is an accepted connection. conns.mu guards its fields.
type conn struct {
	net.Conn
	all    *conns
	from   netip.Prefix
	since  uint64 // conns.clock at the end of the last request
	active int    // requests in the handler; several with HTTP/2
	once   sync.Once
}

func limitConns(l net.Listener, limit int) *conns {
	return &conns{Listener: l, limit: limit, open: map[*conn]struct{}{}}
}

// Accept implements net.Listener.
func (l *conns) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			// File descriptors can run out below the limit.
			if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.evict() {
				continue
			}
			return nil, err
		}
		if l.full() && !l.evict() {
			_ = raw.Close() // every connection has a request
			continue
		}
		c := &conn{Conn: raw, all: l, from: network(raw.RemoteAddr())}
		l.mu.Lock()
		l.clock++
		c.since = l.clock
		l.open[c] = struct{}{}
		l.mu.Unlock()
		return c, nil
	}
}

func (l *conns) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) >= l.limit
}

// evict finds the address with the most connections without a request and closes
// the oldest of them, up to 1% of the limit. It closes several at once, because
// each call searches all connections. evict returns false if it closed none.
func (l *conns) evict() bool {
	l.mu.Lock()
	waiting := map[netip.Prefix][]*conn{}
	var worst []*conn
	for c := range l.open {
		if c.active > 0 {
			continue
		}
		waiting[c.from] = append(waiting[c.from], c)
		if len(waiting[c.from]) > len(worst) {
			worst = waiting[c.from]
		}
	}
	slices.SortFunc(worst, func(a, b *conn) int { return cmp.Compare(a.since, b.since) })
	worst = worst[:min(len(worst), max(1, l.limit/100))]
	l.mu.Unlock()
	for _, c := range worst {
		_ = c.Close()
	}
	return len(worst) > 0
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.all.mu.Lock()
		defer c.all.mu.Unlock()
		delete(c.all.open, c)
	})
	return c.Conn.Close()
}

// network returns the IPv4 address or the IPv6 subnet of a peer. One IPv6 host
// can use every address of its subnet.
// SPEC: RFC 4291 §2.5.4, a subnet prefix has 64 bits.
func network(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	if addr := at.Addr().Unmap(); addr.Is6() {
		bits = 64
	}
	p, err := at.Addr().Unmap().WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

type connKey struct{}

// context puts the connection into the request's context for track.
func (l *conns) context(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// track counts the requests of each connection.
func (l *conns) track(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			l.count(c, 1)
			defer l.count(c, -1)
		}
		next.ServeHTTP(w, r)
	})
}

func (l *conns) count(c *conn, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.active += n
	l.clock++
	c.since = l.clock
}
