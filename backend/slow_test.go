package backend_test

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// Hundreds of slow peers do not delay other people. They send single bytes in the
// header or the body, or do not read the responses.
func TestSlowPeersDelayNobody(t *testing.T) {
	peers, requests := 400, 100
	if testing.Short() {
		peers, requests = 60, 20
	}
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/audited/one.csv", "one")
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(w.Server, "http://")
	head := "POST /v1/whoami HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	kinds := []struct{ first, drip string }{
		{"P", "OST /v1/whoami HTTP/1.1\r\nHost: " + strings.Repeat("x", 200)},
		{"POST /v1/whoami HTTP/1.1\r\nX-Long: ", strings.Repeat("x", 200)},
		{head + "Content-Length: 1000\r\n\r\n{", strings.Repeat(" ", 200)},
		{head + "Content-Length: 2\r\n\r\n{}" + strings.Repeat(head+"Content-Length: 2\r\n\r\n{}", 20), ""},
		{"\x16\x03\x01\x02\x00", strings.Repeat("\x01", 200)},
	}
	conns := make([]net.Conn, peers)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", host); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var slow sync.WaitGroup
	for i, c := range conns {
		slow.Go(func() {
			defer func() { _ = c.Close() }()
			kind := kinds[i%len(kinds)]
			_, err := c.Write([]byte(kind.first))
			for n := 0; err == nil; n++ { // until the server closes the connection or the test ends
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				if n < len(kind.drip) {
					_, err = c.Write([]byte{kind.drip[n]})
				}
			}
		})
	}
	var took []time.Duration
	for i := range requests {
		began := time.Now()
		if _, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/one.csv"); err != nil {
			t.Errorf("download %d during the slow peers: %v", i, err)
		}
		took = append(took, time.Since(began))
	}
	close(stop)
	slow.Wait()
	slices.Sort(took)
	worst := took[len(took)-1]
	t.Logf("SLOW peers=%d honest=%d p50=%s p99=%s max=%s", peers, requests, took[len(took)/2], took[len(took)*99/100], worst)
	if worst > 5*time.Second {
		t.Errorf("an honest download waited %s", worst)
	}
}
