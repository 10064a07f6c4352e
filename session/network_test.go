package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

func TestNoNetwork(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := r.signedIn("ada")
	first := r.token(s)
	r.server.Close()
	r.pass(9*time.Minute + 30*time.Second)
	if r.token(s) != first {
		t.Error("a token with 30 s left was not handed out without network")
	}
	r.pass(time.Minute)
	_, err := s.Token(ctx)
	var network *api.Unreachable
	if !errors.As(err, &network) || errors.Is(err, session.ErrSignedOut) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(r.tokenFile()); err != nil {
		t.Errorf("without network the session was thrown away: %v", err)
	}
}

// The pool replaced the refresh token and its answer was lost. The old one is
// valid for the grace period, and the call is repeated automatically.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := r.signedIn("ada")
	r.pass(10 * time.Minute)
	r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		if op != "GetTokensFromRefreshToken" || n > 1 {
			return false
		}
		pool.ServeHTTP(httptest.NewRecorder(), req)
		cut(w)
		return true
	})
	r.token(s)
	r.pass(10 * time.Minute)
	r.token(s)
}

// A canceled caller does not cancel the renewal: its answer is read and stored.
// The pool allows no reuse.
func TestCanceledCaller(t *testing.T) {
	r := newRig(t, func(c *cognito.Config) { c.GracePeriod = 0 })
	s := r.signedIn("ada")
	r.pass(10 * time.Minute)
	leaving, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	r.inject(func(op string, n int, _ http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if op == "GetTokensFromRefreshToken" && n == 1 {
			leave()
			<-left
		}
		return false
	})
	_, err := s.Token(leaving)
	wantErr(t, err, context.Canceled)
	close(left)
	r.token(s)
	if got := r.count("GetTokensFromRefreshToken"); got != 1 {
		t.Errorf("%d renewals", got)
	}
}
