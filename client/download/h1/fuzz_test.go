package h1_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/client/download/h1"
)

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
