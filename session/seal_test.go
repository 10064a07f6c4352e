package session_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"usher/session"
)

// ring is a keyring. Its error is that of a locked or absent one.
type ring struct {
	keys map[string][]byte
	err  error
}

func (r *ring) Key(name string, create bool) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.keys[name] == nil {
		if !create {
			return nil, errors.New("no key")
		}
		r.keys[name] = bytes.Repeat([]byte{byte(len(r.keys) + 1)}, 32)
	}
	return r.keys[name], nil
}

func (r *rig) openWith(t *testing.T, k session.Keyring, mode session.KeyringMode) *session.Session {
	t.Helper()
	p, o := r.profile(), r.options()
	p.Keyring, o.Keyring = mode, k
	s, err := session.Open(r.folders, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// With a keyring the file holds no token in plain text. A keyring that is locked
// leaves a new file plain, and an old sealed one without its tokens.
func TestSealedTokens(t *testing.T) {
	r := newRig(t, nil)
	tokens := r.tokens("ada")
	k := &ring{keys: map[string][]byte{}}
	s := r.openWith(t, k, session.KeyringAuto)
	if err := s.Adopt(tokens); err != nil {
		t.Fatal(err)
	}
	plain := func() bool {
		data, err := os.ReadFile(r.tokenFile())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(data), tokens.Refresh.Reveal()) || strings.Contains(string(data), tokens.Access.Reveal())
	}
	if plain() || !s.Sealed() {
		t.Error("the file holds the tokens in plain text")
	}
	r.pass(10 * time.Minute)
	r.token(r.openWith(t, k, session.KeyringAuto)) // reads, renews and writes
	if !r.openWith(t, k, session.KeyringAuto).Sealed() {
		t.Error("the renewal is not sealed")
	}

	locked := &ring{err: errors.New("locked")}
	_, err := r.openWith(t, locked, session.KeyringAuto).Token(ctx)
	wantErr(t, err, session.ErrSignedOut)
	if !strings.Contains(err.Error(), "keyring") {
		t.Errorf("%v", err)
	}
	s = r.openWith(t, locked, session.KeyringAuto)
	tokens = r.tokens("ada")
	if err := s.Adopt(tokens); err != nil || !plain() || s.Sealed() {
		t.Errorf("with a locked keyring: %v, plain %t", err, plain())
	}
	if err := r.openWith(t, locked, session.KeyringAlways).Adopt(tokens); !errors.Is(err, session.ErrKeyring) {
		t.Errorf("always, locked: %v", err)
	}
	if err := r.openWith(t, k, session.KeyringNever).Adopt(tokens); err != nil || !plain() {
		t.Errorf("never: %v", err)
	}

	// A sealed file is bound to its place.
	s = r.openWith(t, k, session.KeyringAuto)
	if err := s.Adopt(tokens); err != nil || plain() {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(r.tokenFile())
	changed := bytes.Replace(data, []byte(`"sealed":"`), []byte(`"sealed":"A`), 1)
	if err := os.WriteFile(r.tokenFile(), changed, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = r.openWith(t, k, session.KeyringAuto).Token(ctx)
	wantErr(t, err, session.ErrSignedOut)
}
