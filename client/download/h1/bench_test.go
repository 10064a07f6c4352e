package h1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"usher/client/download/h1"
)

// inFlight is the number of concurrent GETs, as for a folder of small files.
const inFlight = 128

// fileServer answers each GET on a connection with the same 4 KiB object, at
// the least cost that a server can have.
func fileServer(b *testing.B) (addr string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	body := bytes.Repeat([]byte("x"), 4<<10)
	answer := fmt.Appendf(nil, "HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"+
		"Content-Range: bytes 0-%d/%d\r\nETag: \"9e107d9d372bb6826bd81d3542a419d6\"\r\n"+
		"Last-Modified: Sun, 01 Nov 2026 00:00:00 GMT\r\nContent-Type: binary/octet-stream\r\n"+
		"x-amz-request-id: 0A49CE4060975EAC\r\nServer: AmazonS3\r\n\r\n", len(body), len(body)-1, len(body))
	answer = append(answer, body...)
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) > 2 {
				continue
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// fetch runs b.N GETs of one object on inFlight goroutines.
func fetch(b *testing.B, one func() error) {
	b.Helper()
	b.SetBytes(4 << 10)
	b.ResetTimer()
	var next atomic.Int64
	failed := make(chan error, inFlight)
	for range inFlight {
		go func() {
			for next.Add(1) <= int64(b.N) {
				if err := one(); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range inFlight {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
}

func fetchBy(b *testing.B, rt http.RoundTripper) {
	b.Helper()
	url := "http://" + fileServer(b) + "/bucket/builds/part-000001.bin?X-Amz-Signature=0123456789abcdef"
	fetch(b, func() error {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Range", "bytes=0-4095")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		if err == nil && n != 4<<10 {
			err = fmt.Errorf("%d bytes", n)
		}
		return err
	})
}

// BenchmarkSmallFile is the cost of a 4 KiB GET over h1.
func BenchmarkSmallFile(b *testing.B) {
	fetchBy(b, transport(b, h1.Config{MaxIdle: inFlight}))
}

// BenchmarkSmallFilePeer is the same GET over net/http.
func BenchmarkSmallFilePeer(b *testing.B) {
	tr := &http.Transport{MaxIdleConnsPerHost: inFlight, MaxIdleConns: inFlight, DisableCompression: true}
	b.Cleanup(tr.CloseIdleConnections)
	fetchBy(b, tr)
}
