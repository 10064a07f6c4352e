package device_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	broker "usher/backend/device"
	"usher/backend/event"
	"usher/session/device"
)

// bench is a server with the device flow, and the clock that it shares with the
// terminal. A wait of the terminal moves the clock.
type bench struct {
	t      *testing.T
	web    *httptest.Server
	broker *broker.Broker
	before func(http.ResponseWriter, *http.Request) bool // true: the request is answered

	mu    sync.Mutex
	at    time.Time
	waits []time.Duration
	hook  func(n int) // before the end of each wait
}

type noLog struct{}

func (noLog) Record(context.Context, ...event.Event) error { return nil }

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, at: time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)}
	var h http.Handler
	b.web = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.before == nil || !b.before(w, r) {
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(b.web.Close)
	id := func(time.Time) string { return "id" }
	var err error
	b.broker, err = broker.New(broker.Config{
		Store: broker.NewMemory(b.now), Log: noLog{}, Key: make([]byte, 32), ClientID: "client", HostedUI: "https://sign-in.example.com",
		Origin: b.web.URL, Now: b.now, NewID: id, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err = broker.NewHandler(broker.HandlerConfig{
		Broker: b.broker, Organization: "Example", Hosts: func() []string { return []string{strings.TrimPrefix(b.web.URL, "https://")} },
		Source: func(*http.Request) string { return "192.0.2.7" }, NewID: id, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bench) wait(ctx context.Context, d time.Duration) error {
	b.mu.Lock()
	b.at = b.at.Add(d)
	b.waits = append(b.waits, d)
	n := len(b.waits)
	hook := b.hook
	b.mu.Unlock()
	if hook != nil {
		hook(n)
	}
	return ctx.Err()
}

func (b *bench) config() device.Config {
	return device.Config{HTTP: b.web.Client(), Server: b.web.URL, ClientID: "client", Host: "build-7.example.com", Random: rand.Reader, Now: b.now, Wait: b.wait}
}

func (b *bench) begin() *device.Request {
	b.t.Helper()
	r, err := device.Begin(b.t.Context(), b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// approve plays the browser, up to the number.
func (b *bench) approve(r *device.Request) (number string, query url.Values) {
	b.t.Helper()
	user, _ := broker.ParseUserCode(r.UserCode)
	target, err := b.broker.Approve(b.t.Context(), broker.Visit{User: user, Cookie: "cookie", Address: "192.0.2.8"})
	if err != nil {
		b.t.Error(err)
		return "", nil
	}
	u, err := url.Parse(target)
	if err != nil {
		b.t.Error(err)
		return "", nil
	}
	number, err = b.broker.Return(b.t.Context(), broker.Callback{State: u.Query().Get("state"), Code: "the-code", Cookie: "cookie"})
	if err != nil {
		b.t.Error(err)
	}
	return number, u.Query()
}
