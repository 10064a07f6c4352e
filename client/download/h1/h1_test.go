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
		ended, before := make(chan error, 1), conns.Load()
		go func() {
			_, _, err := get(ctx, tr, srv.URL+path)
			ended <- err
		}()
		for conns.Load() == before {
			<-time.After(time.Millisecond)
		}
		cancel(why)
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: no error", path)
			}
		case <-time.After(time.Minute):
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

// TestRequestURI checks that the request line equals that of net/http.
func TestRequestURI(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	t.Cleanup(srv.Close)
	tr := h1.New(h1.Config{Dial: (&net.Dialer{}).DialContext})
	t.Cleanup(tr.Close)
	for _, rest := range []string{"", "/", "?a=b", "/?", "/a%2Fb/%C3%A4?x=%2F&y", "/a b/\u00e4"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+rest, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got != req.URL.RequestURI() {
			t.Errorf("%q: %q, want %q", rest, got, req.URL.RequestURI())
		}
	}
}
