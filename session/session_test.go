package session_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/sandbox/cognito"
	"usher/session"
)

func TestExpiredTokenIsRenewed(t *testing.T) {
	for _, rotation := range []bool{true, false} {
		r := newRig(t, func(c *cognito.Config) { c.Rotation = rotation })
		s := r.signedIn("ada")
		r.inject(nil)
		first := r.token(s)
		r.pass(8*time.Minute + 59*time.Second) // of 10 minutes: 61 s left
		if r.token(s) != first || r.count("GetTokensFromRefreshToken") != 0 {
			t.Error("renewed too early")
		}
		r.pass(2 * time.Second)
		second := r.token(s)
		if second == first {
			t.Error("a token with 59 s left was handed out")
		}
		for range 5 {
			r.pass(10 * time.Minute)
			r.token(s)
		}
		if got := r.count("GetTokensFromRefreshToken"); got != 6 {
			t.Errorf("rotation %v: %d renewals, want 6", rotation, got)
		}
		if person, _, ok := s.Person(); !ok || person.Email != "ada@example.com" {
			t.Errorf("person after renewals: %+v", person)
		}
		r.pass(13 * time.Hour) // the refresh token lives for 12 h
		_, err := s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
		if _, err := os.Stat(r.tokenFile()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("tokens that ended are still on the disk: %v", err)
		}
	}
}

func TestManyCallersOneRenewal(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ada")
	r.inject(nil)
	r.pass(10 * time.Minute)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { s.Token(ctx) })
	}
	wg.Wait()
	if got := r.count("GetTokensFromRefreshToken"); got != 1 {
		t.Errorf("%d renewals for 50 callers", got)
	}
}

// A server without GetTokensFromRefreshToken gets the older call. The errors of
// moto and cognito-local count as such an answer.
func TestWithoutRotationCall(t *testing.T) {
	t.Parallel()
	for _, exception := range []string{"UnknownOperationException", "NotImplementedError", "Unsupported", "InvalidParameterException"} {
		r := newRig(t, func(c *cognito.Config) { c.Rotation = false })
		s := r.signedIn("ada")
		first := r.token(s)
		r.inject(refuse("GetTokensFromRefreshToken", exception, "no"))
		r.pass(10 * time.Minute)
		if r.token(s) == first || r.count("InitiateAuth") != 1 {
			t.Errorf("%s: %d InitiateAuth", exception, r.count("InitiateAuth"))
		}
		r.pass(10 * time.Minute)
		r.token(s)
	}
}

// The life of a token is the pool's figure, counted by the local clock.
func TestWrongClock(t *testing.T) {
	for _, wrong := range []time.Duration{-24 * time.Hour, 24 * time.Hour, -400 * 24 * time.Hour} {
		r := newRig(t, nil)
		r.localClock.add(wrong)
		day := time.Now().UTC().Format(" Jan 2 ")
		s := r.signedIn("ada")
		if all := strings.Join(r.bodies, ""); !strings.Contains(all, day) && !strings.Contains(all, time.Now().UTC().Format(" Jan 2 ")) {
			t.Errorf("%v: the proof of the password names a time that is not the pool's", wrong)
		}
		r.inject(nil)
		first := r.token(s)
		r.pass(8 * time.Minute)
		if r.token(r.open()) != first {
			t.Errorf("%v: renewed after 8 of 10 minutes", wrong)
		}
		r.pass(2 * time.Minute)
		if r.token(r.open()) == first || r.count("GetTokensFromRefreshToken") != 1 {
			t.Errorf("%v: %d renewals after 10 minutes", wrong, r.count("GetTokensFromRefreshToken"))
		}
	}
}

func TestRefusedByTheServer(t *testing.T) {
	t.Run("still good at the pool", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ada")
		r.inject(nil)
		first := r.token(s)
		s.Refused("some other token")
		s.Refused("")
		if r.token(s) != first {
			t.Error("another token's end ended this one")
		}
		s.Refused(first)
		s.Refused(first)
		second := r.token(s)
		s.Refused(first) // already replaced: no effect
		if second == first || r.token(s) != second || r.count("GetTokensFromRefreshToken") != 1 {
			t.Errorf("%d renewals", r.count("GetTokensFromRefreshToken"))
		}
		s.Refused(second) // the renewed one is refused at once: another renewal cannot help
		_, err := s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
		if got := r.count("GetTokensFromRefreshToken"); got != 1 {
			t.Errorf("went round in circles: %d renewals", got)
		}
	})
	t.Run("an hour later again", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ada")
		for range 4 {
			s.Refused(r.token(s))
			r.token(s)
			r.pass(time.Hour)
		}
	})
	t.Run("disabled", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ada")
		token := r.token(s)
		r.disable("ada")
		s.Refused(token)
		_, err := s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
		if !strings.Contains(err.Error(), "has ended") {
			t.Errorf("%q", err)
		}
		if _, err := os.Stat(r.tokenFile()); !errors.Is(err, fs.ErrNotExist) {
			t.Error("tokens are still on the disk")
		}
		_, err = s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
	})
}

// Two sessions share a profile in one process; processes_unix_test.go has
// two processes.
func TestTwoSessions(t *testing.T) {
	r := newRig(t, nil)
	a := r.signedIn("ada")
	b := r.open()
	r.inject(nil)
	r.pass(10 * time.Minute)
	if r.token(a) != r.token(b) || r.count("GetTokensFromRefreshToken") != 1 {
		t.Error("the second did not adopt what the first got")
	}
	a.Refused(r.token(a))
	r.token(a)
	b.Refused(r.token(b)) // b still has the token that a has replaced
	if r.token(b) != r.token(a) || r.count("GetTokensFromRefreshToken") != 2 {
		t.Errorf("%d renewals, want 2", r.count("GetTokensFromRefreshToken"))
	}
	if err := a.SignOut(ctx, session.Ending{}); err != nil {
		t.Fatal(err)
	}
	b.Refused(r.token(b))
	_, err := b.Token(ctx)
	wantErr(t, err, session.ErrSignedOut)
}

// Without file locks another session can store tokens while the pool refuses
// this session's refresh token. Those tokens are adopted. Only the tokens that
// were refused are removed.
func TestRefusedRenewal(t *testing.T) {
	for _, exception := range []string{"RefreshTokenReuseException", "NotAuthorizedException"} {
		r := newRig(t, nil)
		s := r.signedIn("ada")
		r.pass(10 * time.Minute)
		sibling := r.siblingFile("ada")
		refused := refuse("GetTokensFromRefreshToken", exception, "LEAKED")
		r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
			if op == "GetTokensFromRefreshToken" {
				replace(t, sibling, r.tokenFile())
			}
			return refused(op, n, w, req, pool)
		})
		token := r.token(s)
		stored, err := os.ReadFile(r.tokenFile())
		if err != nil || !strings.Contains(string(stored), token) || r.count("GetTokensFromRefreshToken") != 1 {
			t.Errorf("%s: the sibling's tokens were not adopted: %v", exception, err)
		}
		// Negative control: without other tokens, the refused ones are removed.
		r.pass(10 * time.Minute)
		r.inject(refused)
		_, err = s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
		if _, err := os.Stat(r.tokenFile()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: refused tokens are still on the disk", exception)
		}
	}
}

// siblingFile returns the token file of another sign-in.
func (r *rig) siblingFile(username string) string {
	r.t.Helper()
	elsewhere := session.Folders{Config: r.folders.Config, State: filepath.Join(r.t.TempDir(), "usher")}
	s, err := session.Open(elsewhere, r.profile(), r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.Adopt(r.tokens(username)); err != nil {
		r.t.Fatal(err)
	}
	return filepath.Join(elsewhere.State, "tokens", "test.json")
}

func replace(t *testing.T, from, to string) {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".sibling", data, 0o600)
	}
	if err == nil {
		err = os.Rename(to+".sibling", to)
	}
	if err != nil {
		t.Error(err)
	}
}

// A browser with ada's files must not continue as grace after grace signs in
// with the same profile.
func TestAnotherPersonSignsIn(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ada")
	other := r.signedIn("grace")
	r.pass(10 * time.Minute)
	for range 2 {
		_, err := s.Token(ctx)
		wantErr(t, err, session.ErrSignedOut)
		if !strings.Contains(err.Error(), "Another person") {
			t.Errorf("%q", err)
		}
	}
	if err := s.SignOut(ctx, session.Ending{}); err != nil {
		t.Error(err)
	}
	r.token(other)
	if err := s.Adopt(r.tokens("ada")); err != nil {
		t.Fatal(err)
	}
	r.token(s)
}

// The token file holds no ID token, and Token returns the access token alone.
func TestOnlyTheAccessTokenLeaves(t *testing.T) {
	r := newRig(t, nil)
	tokens := r.tokens("ada")
	s := r.open()
	if err := s.Adopt(tokens); err != nil {
		t.Fatal(err)
	}
	if token := r.token(s); token != tokens.Access.Reveal() || token == tokens.Refresh.Reveal() {
		t.Error("Token did not give the access token")
	}
	data, err := os.ReadFile(r.tokenFile())
	if err != nil {
		t.Fatal(err)
	}
	var tokenFile map[string]any
	if err := json.Unmarshal(data, &tokenFile); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(tokenFile))
	if got, want := strings.Join(names, " "), "access_token asked client_id email refresh_token server user_pool_id version way"; got != want {
		t.Errorf("the file holds %s, want %s", got, want)
	}
}

func TestNothingIsWrittenWhileSignedOut(t *testing.T) {
	r := newRig(t, nil)
	s := r.open()
	_, err := s.Token(ctx)
	wantErr(t, err, session.ErrSignedOut)
	if err := s.SignOut(ctx, session.Ending{Everywhere: r.everywhere("ada")}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(r.folders.State); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state folder: %v", err)
	}
	if err := s.Adopt(session.Tokens{}); err == nil {
		t.Error("no tokens were adopted")
	}
}

func TestOpenRefusesMissingParts(t *testing.T) {
	r := newRig(t, nil)
	p := r.profile()
	for name, open := range map[string]func() error{
		"no clock": func() error { o := r.options(); o.Now = nil; _, err := session.Open(r.folders, p, o); return err },
		"no randomness": func() error {
			o := r.options()
			o.Random = nil
			_, err := session.NewSignIn(r.folders, p, o)
			return err
		},
		"no folders": func() error { _, err := session.Open(session.Folders{}, p, r.options()); return err },
		"no profile": func() error { _, err := session.Open(r.folders, session.Profile{}, r.options()); return err },
		"bad profile": func() error {
			q := p
			q.Config.Region = "us-east-1"
			_, err := session.NewSignIn(r.folders, q, r.options())
			return err
		},
	} {
		if open() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
