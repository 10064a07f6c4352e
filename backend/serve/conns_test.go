package serve

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

const fewConns = 20

// limited runs a server with a limit of fewConns connections. If off is set, its
// listener stops accepting at the limit instead of closing idle connections. A
// request for /slow lasts until the test ends.
func limited(t *testing.T, off bool) (address string) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	l := limitConns(raw, fewConns)
	web := &http.Server{ReadHeaderTimeout: time.Minute, ConnContext: l.context, Handler: l.track(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			<-end
		}
	}))}
	var accepting net.Listener = l
	if off {
		accepting = &waiting{raw, make(chan struct{}, fewConns)}
	}
	done := make(chan error, 1)
	go func() { done <- web.Serve(accepting) }()
	t.Cleanup(func() {
		close(end)
		_ = web.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return raw.Addr().String()
}

// waiting is a listener that stops accepting at its limit.
type waiting struct {
	net.Listener
	slots chan struct{}
}

func (w *waiting) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case w.slots <- struct{}{}:
		return c, nil
	default: // like the backlog of a full listener: open but never served
		return w.Accept()
	}
}

func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Skipf("this machine has no address %s: %v", from, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// get sends a request and returns the status, or 0 after the timeout.
func get(t *testing.T, c net.Conn, path string, timeout time.Duration) int {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// At the limit, a new connection replaces connections without a request.
// Connections with a request and those of other addresses stay open. In the
// negative control, a listener that stops accepting, the new connection gets no
// response.
func TestIdleConnectionsBlockNoOthers(t *testing.T) {
	address := limited(t, false)
	working := dialFrom(t, "127.0.0.1", address)
	_ = working.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(working, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(working), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the slow request: %v", err)
	}
	honest := dialFrom(t, "127.0.0.2", address)
	if get(t, honest, "/", 10*time.Second) != http.StatusOK {
		t.Fatal("the honest connection gets no response")
	}
	var idle []net.Conn
	for i := range 3 * fewConns {
		c := dialFrom(t, "127.0.0.1", address)
		if i%2 == 0 {
			_, _ = io.WriteString(c, "GET / HT") // half a header
		}
		idle = append(idle, c)
	}
	for range 5 {
		if got := get(t, dialFrom(t, "127.0.0.3", address), "/", 10*time.Second); got != http.StatusOK {
			t.Errorf("a new connection with %d idle ones: %d", len(idle), got)
		}
	}
	if got := get(t, honest, "/", 10*time.Second); got != http.StatusOK {
		t.Errorf("another address's idle connection: %d", got)
	}
	if closed(working) {
		t.Error("the connection with a request is closed")
	}
	evicted := 0
	for _, c := range idle {
		if closed(c) {
			evicted++
		}
	}
	if evicted < 2*fewConns {
		t.Errorf("%d of %d idle connections are closed", evicted, len(idle))
	}

	control := limited(t, true)
	for range 3 * fewConns {
		dialFrom(t, "127.0.0.1", control)
	}
	if got := get(t, dialFrom(t, "127.0.0.3", control), "/", 300*time.Millisecond); got != 0 {
		t.Errorf("without the limit a new connection gets %d: this test proves nothing", got)
	}
}

func TestNetworkOfAPeer(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7/32", "[::ffff:192.0.2.7]:1": "192.0.2.7/32", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64", "[fe80::1%eth0]:1": "fe80::/64",
	} {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := network(a).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
