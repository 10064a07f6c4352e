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

// conns accepts connections up to a limit. At the limit a newcomer replaces
// connections without a request: new, idle, or in the middle of a header. They
// are taken from the address that has most of them, the oldest first, so that
// one address with thousands of idle connections cannot lock others out.
type conns struct {
	net.Listener
	most int

	mu    sync.Mutex
	open  map[*conn]struct{}
	clock uint64 // counts the changes of state
}

// conn is an accepted connection. Its fields are under conns.mu.
type conn struct {
	net.Conn
	all    *conns
	from   netip.Prefix
	since  uint64 // when the last request ended, by conns.clock
	active int    // requests in the handler; HTTP/2 can have several
	once   sync.Once
}

func limitConns(l net.Listener, most int) *conns {
	return &conns{Listener: l, most: most, open: map[*conn]struct{}{}}
}

// Accept implements net.Listener.
func (l *conns) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			// Descriptors can end before the limit is reached.
			if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.evict() {
				continue
			}
			return nil, err
		}
		if l.full() && !l.evict() {
			_ = raw.Close() // every connection has a request
			continue
		}
		c := &conn{Conn: raw, all: l, from: origins(raw.RemoteAddr())}
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
	return len(l.open) >= l.most
}

// evict closes the oldest connections without a request of the address that has
// most of them: one in a hundred of all, so that a flood does not search all
// connections for each of its own. It returns false when there are none.
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
	worst = worst[:min(len(worst), max(1, l.most/100))]
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

// origins is the address that a limit counts: of IPv6 the network of one host.
// SPEC: RFC 4291 §2.5.4, a subnet prefix has 64 bits.
func origins(a net.Addr) netip.Prefix {
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

// context lets track find the connection of a request.
func (l *conns) context(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// track marks connections that have a request.
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
