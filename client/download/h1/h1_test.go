package h1_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/client/download/h1"
)

func transport(t testing.TB, c h1.Config) *h1.Transport {
	t.Helper()
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.MaxIdle == 0 {
		c.MaxIdle = 8
	}
	tr := h1.New(c)
	t.Cleanup(tr.Close)
	return tr
}

func get(ctx context.Context, rt http.RoundTripper, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func mustGet(t *testing.T, rt http.RoundTripper, url, want string) {
	t.Helper()
	if status, body, err := get(t.Context(), rt, url); status != 200 || body != want || err != nil {
		t.Fatalf("%s: %d %q %v, want %q", url, status, body, err, want)
	}
}

// counting counts the connections that a server saw.
func counting(t *testing.T, h http.HandlerFunc, start func(*httptest.Server)) (srv *httptest.Server, conns *atomic.Int64) {
	t.Helper()
	conns = new(atomic.Int64)
	srv = httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	start(srv)
	t.Cleanup(srv.Close)
	return srv, conns
}

func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, r.Host, " ", r.RequestURI, " ", r.Header.Get("Range"))
}

func TestRequestsShareAConnection(t *testing.T) {
	srv, conns := counting(t, echo, (*httptest.Server).Start)
	tr := transport(t, h1.Config{})
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, target := range []string{"/a", "/a%2Fb/../c//d?x=%20y&z", "/ü%C3"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Range", "bytes=0-9")
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if want := host + " " + req.URL.RequestURI() + " bytes=0-9"; string(body) != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections", conns.Load())
	}
}

func TestManyAtOnce(t *testing.T) {
	srv, conns := counting(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat(r.URL.Path, 1000))
	}, (*httptest.Server).Start)
	tr := transport(t, h1.Config{MaxIdle: 16})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 50 {
				path := fmt.Sprintf("/%d/%d", g, i)
				if _, body, err := get(t.Context(), tr, srv.URL+path); err != nil || body != strings.Repeat(path, 1000) {
					t.Errorf("%s: %d bytes, %v", path, len(body), err)
				}
			}
		})
	}
	wg.Wait()
	if n := conns.Load(); n > 16 {
		t.Errorf("%d connections for 16 at once", n)
	}
}

// A body that is not read to its end closes its connection: the rest must not be
// taken for the next response.
func TestHalfReadBody(t *testing.T) {
	srv, conns := counting(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write(bytes.Repeat([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), 10_000))
	}, (*httptest.Server).Start)
	tr := transport(t, h1.Config{})
	req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(resp.Body, make([]byte, 45))
	resp.Body.Close()
	if _, body, err := get(t.Context(), tr, srv.URL); len(body) != 420_000 || err != nil {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if conns.Load() != 2 {
		t.Errorf("%d connections", conns.Load())
	}
}

// talk is a server with prepared responses: one string for each request of a
// connection, which ends after the last.
func talk(t *testing.T, connections ...[]string) (url string, asked *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = new(atomic.Int64)
	go func() {
		for _, answers := range connections {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for _, a := range answers {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					asked.Add(1)
					io.WriteString(c, a)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), asked
}

func TestIdleConnectionThatWasClosed(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	url, asked := talk(t, []string{ok}, []string{ok, ok})
	tr := transport(t, h1.Config{})
	mustGet(t, tr, url, "ok") // the server closes afterwards
	mustGet(t, tr, url, "ok")
	mustGet(t, tr, url, "ok")
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// A response that ends after its first byte is an error for the caller: the
// request may have had an effect.
func TestBrokenAnswerIsNotRepeated(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	url, asked := talk(t, []string{ok, "HTTP/1.1 200 OK\r\n"}, []string{ok})
	tr := transport(t, h1.Config{})
	mustGet(t, tr, url, "ok")
	if _, _, err := get(t.Context(), tr, url); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// Bytes on an idle connection are not the response to the next request.
func TestUnaskedAnswer(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	t.Run("with the answer before", func(t *testing.T) {
		url, _ := talk(t, []string{ok + evil, ok}, []string{ok})
		tr := transport(t, h1.Config{})
		mustGet(t, tr, url, "ok")
		mustGet(t, tr, url, "ok")
	})
	t.Run("later", func(t *testing.T) {
		send, sent := make(chan struct{}), make(chan struct{})
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/first" {
				io.WriteString(w, "ok")
				return
			}
			conn, buf, _ := w.(http.Hijacker).Hijack()
			buf.WriteString(ok)
			buf.Flush()
			go func() {
				<-send
				io.WriteString(conn, evil)
				close(sent)
			}()
		}))
		defer srv.Close()
		tr := transport(t, h1.Config{})
		mustGet(t, tr, srv.URL+"/first", "ok")
		close(send)
		<-sent
		mustGet(t, tr, srv.URL+"/second", "ok")
	})
}

func TestInterimAnswers(t *testing.T) {
	const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	url, _ := talk(t, []string{hints + hints + ok, strings.Repeat(hints, 20) + ok})
	tr := transport(t, h1.Config{})
	mustGet(t, tr, url, "ok")
	if _, _, err := get(t.Context(), tr, url); err == nil {
		t.Error("twenty interim answers were taken")
	}
}

func TestLongHead(t *testing.T) {
	long := strings.Repeat("X-Filler: "+strings.Repeat("x", 990)+"\r\n", 60) // 60 KB
	url, _ := talk(t,
		[]string{"HTTP/1.1 200 OK\r\n" + long + "Content-Length: 2\r\n\r\nok"},
		[]string{"HTTP/1.1 200 OK\r\n" + long + long + "Content-Length: 2\r\n\r\nok"})
	tr := transport(t, h1.Config{})
	mustGet(t, tr, url, "ok")
	if _, _, err := get(t.Context(), tr, url); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("120 KB of headers: %v", err)
	}
}

// A body may be longer than any head.
func TestLongBody(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	srv, conns := counting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		w.Write(data)
	}, (*httptest.Server).Start)
	tr := transport(t, h1.Config{})
	mustGet(t, tr, srv.URL+"/", string(data))
	mustGet(t, tr, srv.URL+"/chunked", string(data))
	mustGet(t, tr, srv.URL+"/", string(data))
	if conns.Load() != 1 {
		t.Errorf("%d connections", conns.Load())
	}
}

func TestContextEnds(t *testing.T) {
	release := make(chan struct{})
	srv, conns := counting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "12345")
			w.(http.Flusher).Flush()
		}
		if r.URL.Path != "/" {
			<-release
		}
	}, (*httptest.Server).Start)
	defer close(release)
	tr := transport(t, h1.Config{})
	why := errors.New("enough")
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, _, err := get(ctx, tr, srv.URL+path)
			ended <- err
		}()
		for before := conns.Load(); conns.Load() == before; {
			<-time.After(time.Millisecond)
		}
		cancel(why)
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: no error", path)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the end of the context did not end it", path)
		}
	}
	mustGet(t, tr, srv.URL+"/", "") // on an intact connection
}

func TestDialFails(t *testing.T) {
	tr := transport(t, h1.Config{})
	_, _, err := get(t.Context(), tr, "http://127.0.0.1:1/")
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("%v", err)
	}
}

func TestTLS(t *testing.T) {
	srv, conns := counting(t, echo, (*httptest.Server).StartTLS)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	trusting := transport(t, h1.Config{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	host := strings.TrimPrefix(srv.URL, "https://")
	for range 3 {
		mustGet(t, trusting, srv.URL+"/x", host+" /x ")
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections", conns.Load())
	}
	var cert *tls.CertificateVerificationError
	if _, _, err := get(t.Context(), transport(t, h1.Config{}), srv.URL); !errors.As(err, &cert) {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
}

// Connections opened ahead are used, with TLS too, although unread session
// tickets are on them.
func TestWarm(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			srv, conns := counting(t, echo, start)
			c := h1.Config{}
			if name == "https" {
				roots := x509.NewCertPool()
				roots.AddCert(srv.Certificate())
				c.TLS = &tls.Config{RootCAs: roots}
			}
			tr := transport(t, c)
			tr.Warm(t.Context(), srv.URL, 3)
			for deadline := time.Now().Add(10 * time.Second); tr.Idle(srv.URL) < 3; {
				if time.Now().After(deadline) {
					t.Fatalf("%d of 3 connections", tr.Idle(srv.URL))
				}
				<-time.After(time.Millisecond)
			}
			for range 2 {
				mustGet(t, tr, srv.URL+"/x", srv.Listener.Addr().String()+" /x ")
			}
			if conns.Load() != 3 {
				t.Errorf("%d connections", conns.Load())
			}
		})
	}
}

// slowDial is a dialer whose first dials block until the test lets them succeed
// or fail.
func slowDial(hanging int64, goOn <-chan error) (dial func(context.Context, string, string) (net.Conn, error), dials *atomic.Int64) {
	dials = new(atomic.Int64)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) <= hanging {
			if err := <-goOn; err != nil {
				return nil, err
			}
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}, dials
}

// A request waits for a connection that Warm is opening, and dials its own if
// that dial fails.
func TestAskedWhileWarming(t *testing.T) {
	for _, c := range []struct {
		err   error
		dials int64
	}{{nil, 2}, {errors.New("no"), 4}} {
		// No response leaves before both requests arrived, so that neither
		// request can use the connection of the other.
		var arrived sync.WaitGroup
		arrived.Add(2)
		srv, _ := counting(t, func(w http.ResponseWriter, r *http.Request) {
			arrived.Done()
			arrived.Wait()
			echo(w, r)
		}, (*httptest.Server).Start)
		goOn := make(chan error)
		dial, dials := slowDial(2, goOn)
		tr := transport(t, h1.Config{Dial: dial})
		tr.Warm(t.Context(), srv.URL, 2)
		for dials.Load() < 2 { // the first two dials are those of Warm
			<-time.After(time.Millisecond)
		}
		answers := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := get(t.Context(), tr, srv.URL)
				answers <- err
			}()
		}
		goOn <- c.err
		goOn <- c.err
		for range 2 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if dials.Load() != c.dials {
			t.Errorf("%d connections opened, want %d", dials.Load(), c.dials)
		}
	}
}

// Warm abandons a handshake that hangs. The waiting request dials its own
// connection, within its own deadline.
func TestStandsStillWhileWarming(t *testing.T) {
	srv, _ := counting(t, echo, (*httptest.Server).StartTLS)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // without an accept
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	var dials atomic.Int64
	tr := transport(t, h1.Config{Opening: 20 * time.Millisecond, TLS: &tls.Config{RootCAs: roots},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				addr = silent.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}})
	tr.Warm(t.Context(), srv.URL, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for dials.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	if _, _, err := get(ctx, tr, srv.URL+"/x"); err != nil || dials.Load() != 2 {
		t.Errorf("%v after %d dials", err, dials.Load())
	}
}

// A canceled request leaves the connection that Warm is opening to others.
func TestLeftWhileWarming(t *testing.T) {
	srv, _ := counting(t, echo, (*httptest.Server).Start)
	goOn := make(chan error)
	dial, dials := slowDial(1, goOn)
	tr := transport(t, h1.Config{Dial: dial})
	tr.Warm(t.Context(), srv.URL, 1)
	ctx, leave := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	leave(why)
	if _, _, err := get(ctx, tr, srv.URL); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	goOn <- nil
	mustGet(t, tr, srv.URL+"/x", srv.Listener.Addr().String()+" /x ")
	if dials.Load() != 1 {
		t.Errorf("%d connections opened", dials.Load())
	}
}

func TestIdleBounds(t *testing.T) {
	srv, conns := counting(t, echo, (*httptest.Server).Start)
	short := transport(t, h1.Config{Idle: time.Nanosecond})
	for range 3 {
		get(t.Context(), short, srv.URL)
	}
	if conns.Load() != 3 {
		t.Errorf("%d connections where none is kept for long", conns.Load())
	}
	// An unused connection is not kept forever.
	kept := transport(t, h1.Config{Idle: 20 * time.Millisecond})
	mustGet(t, kept, srv.URL+"/x", srv.Listener.Addr().String()+" /x ")
	for deadline := time.Now().Add(10 * time.Second); kept.Idle(srv.URL) > 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an idle connection stays")
		}
	}
	tr := transport(t, h1.Config{MaxIdle: 2})
	tr.Warm(t.Context(), srv.URL, 100)
	for deadline := time.Now().Add(10 * time.Second); tr.Idle(srv.URL) < 2 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if n := tr.Idle(srv.URL); n != 2 {
		t.Errorf("%d connections are kept, of 2", n)
	}
}

func TestRefused(t *testing.T) {
	tr := transport(t, h1.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("it dialed")
		return nil, errors.New("no")
	}})
	for name, change := range map[string]func(*http.Request){
		"POST":           func(r *http.Request) { r.Method = http.MethodPost },
		"a body":         func(r *http.Request) { r.Body = http.NoBody },
		"ftp":            func(r *http.Request) { r.URL.Scheme = "ftp" },
		"host":           func(r *http.Request) { r.Host = "a\r\nX: y" },
		"header value":   func(r *http.Request) { r.Header["X"] = []string{"a\nX: y"} },
		"header name":    func(r *http.Request) { r.Header["X: y\r\nZ"] = []string{"a"} },
		"name and value": func(r *http.Request) { r.Header["X: y"] = []string{"a"} },
	} {
		req, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1:1/", nil)
		change(req)
		if _, err := tr.RoundTrip(req); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// answering is a dialer to a server that reads a request and sends these bytes.
func answering(answer []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				far.Write(answer)
			}
		}()
		return near, nil
	}
}

// FuzzAnswer compares the result for arbitrary bytes with net/http's Transport.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nokok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", "HTTP/1.1 404 \r\nConnection: close\r\nContent-Length: 9\r\n\r\nok",
		"HTTP/1.1 304 Not\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "", "\r\n", "HTTP/2 200\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		ours := transport(t, h1.Config{Dial: answering(answer)})
		theirs := &http.Transport{DialContext: answering(answer), DisableCompression: true}
		defer theirs.CloseIdleConnections()
		status, body, err := get(ctx, ours, "http://s3.example/a")
		status2, body2, err2 := get(ctx, theirs, "http://s3.example/a")
		if strings.Contains(string(answer), " 1") {
			return // interim responses have different bounds
		}
		if status != status2 || body != body2 || (err == nil) != (err2 == nil) {
			t.Errorf("%q:\n ours   %d %q %v\n theirs %d %q %v", answer, status, body, err, status2, body2, err2)
		}
	})
}
