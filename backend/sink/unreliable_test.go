package sink

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func unreliableHTTPS(t *testing.T, _ *rand.Rand, got *received) func() Transport {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(2, 2))
	url, trust := receiver(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		way := r.IntN(8)
		mu.Unlock()
		switch way {
		case 0: // nothing arrives
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 1: // garbage
			panic(http.ErrAbortHandler)
		}
		scan := bufio.NewScanner(req.Body)
		scan.Buffer(nil, 1<<20)
		for i := 0; scan.Scan(); i++ {
			if way == 2 && i == 3 { // a part arrives
				panic(http.ErrAbortHandler)
			}
			got.add(t, scan.Bytes())
		}
		if way == 3 { // everything arrives, and the answer is lost
			panic(http.ErrAbortHandler)
		}
	})
	return func() Transport { return NewHTTPS(url, "", trust) }
}

func unreliableFile(t *testing.T, r *rand.Rand, _ *received) func() Transport {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	return func() Transport {
		if r.IntN(3) == 0 { // a crash within a line, after the position of an earlier batch
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.WriteString(`{"id":"000`)
			_ = f.Close()
		}
		return NewFile(path)
	}
}

// syslogServer parses octet-counted messages, and ends a connection after some of
// them.
func unreliableSyslog(t *testing.T, _ *rand.Rand, got *received) func() Transport {
	address, trust := syslogServer(t, func(conn net.Conn, n int) {
		in := bufio.NewReader(conn)
		for i := 0; n%3 == 0 || i < 5*n; i++ {
			msg, err := frame(in)
			if err != nil {
				return
			}
			got.add(t, msg[bytes.IndexByte(msg, '{'):])
		}
	})
	return func() Transport { return newSyslog(address, trust, 500*time.Millisecond) }
}

// frame reads a message of RFC 5425, and checks the header of RFC 5424.
func frame(in *bufio.Reader) ([]byte, error) {
	size, err := in.ReadString(' ')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, " "))
	if err != nil {
		return nil, err
	}
	msg := make([]byte, n)
	if _, err := io.ReadFull(in, msg); err != nil {
		return nil, err
	}
	return msg, nil
}

func syslogServer(t *testing.T, handle func(conn net.Conn, n int)) (string, *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil) // its certificate
	s.StartTLS()
	t.Cleanup(s.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				handle(conn, n)
			}()
		}
	}()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return l.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}
