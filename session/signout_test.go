package session_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/session"
)

func TestSignOut(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T, r *rig) {
		t.Helper()
		if _, err := os.Stat(r.tokenFile()); !errors.Is(err, fs.ErrNotExist) {
			t.Error("tokens are still on the disk")
		}
	}
	t.Run("here", func(t *testing.T) {
		r := newRig(t, nil)
		elsewhere := r.siblingSession("ada")
		s := r.signedIn("ada")
		if err := s.SignOut(ctx, session.Ending{}); err != nil {
			t.Fatal(err)
		}
		gone(t, r)
		_, err := s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
		if r.count("RevokeToken") != 1 {
			t.Error("the pool was not called")
		}
		if err := s.SignOut(ctx, session.Ending{}); err != nil {
			t.Errorf("twice: %v", err)
		}
		r.pass(10 * time.Minute)
		r.token(elsewhere)
	})
	t.Run("everywhere", func(t *testing.T) {
		r := newRig(t, nil)
		elsewhere := r.siblingSession("ada")
		s := r.signedIn("ada")
		r.pass(10 * time.Minute) // so that a new access token is needed first
		if err := s.SignOut(ctx, session.Ending{Everywhere: r.everywhere("ada")}); err != nil {
			t.Fatal(err)
		}
		gone(t, r)
		_, err := elsewhere.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
	})
	t.Run("no network", func(t *testing.T) {
		for _, everywhere := range []bool{false, true} {
			r := newRig(t, nil)
			s := r.signedIn("ada")
			r.server.Close()
			e := session.Ending{}
			if everywhere {
				e.Everywhere = r.everywhere("ada")
			}
			err := s.SignOut(ctx, e)
			var half *session.SignOutError
			if !errors.As(err, &half) || !strings.HasPrefix(err.Error(), "You are signed out on this machine, but") {
				t.Errorf("got %v", err)
			}
			gone(t, r)
		}
	})
	t.Run("ended already", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ada")
		r.disable("ada")
		if err := s.SignOut(ctx, session.Ending{}); err != nil {
			t.Error(err)
		}
		gone(t, r)
	})
	t.Run("a broken file", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ada")
		data, _ := os.ReadFile(r.tokenFile())
		os.WriteFile(r.tokenFile(), data[:len(data)-1], 0o600)
		if err := s.SignOut(ctx, session.Ending{}); err != nil {
			t.Error(err)
		}
		gone(t, r)
	})
}

// siblingSession returns the same person's session on another machine.
func (r *rig) siblingSession(username string) *session.Session {
	r.t.Helper()
	elsewhere := session.Folders{Config: r.folders.Config, State: filepath.Join(r.t.TempDir(), "usher")}
	s, err := session.Open(elsewhere, r.profile(), r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.Adopt(r.tokens(username)); err != nil {
		r.t.Fatal(err)
	}
	return s
}
