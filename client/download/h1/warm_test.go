package h1_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/client/download/h1"
)

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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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
