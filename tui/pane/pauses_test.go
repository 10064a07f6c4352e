package pane_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/client"
	"usher/tui/pane"
)

// token is a source of tokens that never expires.
type token struct{}

func (token) Token(context.Context) (string, error) { return rand.Text(), nil }
func (token) Refused(string)                        {}

// The pauses of a call arrive as messages, and Next ends with the call.
func TestPauses(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":{"code":"rate_limited","message":"x"}}`))
			return
		}
		_, _ = w.Write([]byte(`{}`))
	}))
	defer s.Close()
	c, err := client.New(client.Config{Server: s.URL, Tokens: token{}, Transport: s.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	p := pane.NewPauses()
	next := p.Next(func(w client.Wait) tea.Msg { return pane.Pause(w) })
	ended := make(chan error)
	go func() {
		_, err := c.Whoami(p.Context(t.Context()))
		p.Done()
		ended <- err
	}()
	if got := next(); got != "the server is busy, waiting" {
		t.Errorf("the first message is %v", got)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := next(); got != nil {
		t.Errorf("a message after the call: %v", got)
	}
	if calls.Load() != 2 {
		t.Errorf("%d calls", calls.Load())
	}
	if got := pane.Pause(client.Wait{Code: api.StorageUnavailable}); got == pane.Pause(client.Wait{Code: api.RateLimited}) {
		t.Errorf("trouble reads like a request to wait: %q", got)
	}
}
