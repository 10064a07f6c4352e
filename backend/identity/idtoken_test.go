package identity

import (
	"errors"
	"testing"
)

// idClaims returns the claims of a good ID token.
func idClaims(f *forge) map[string]any {
	c := f.Claims()
	c["token_use"], c["aud"], c["nonce"] = "id", testClient, "n-1"
	delete(c, "client_id")
	delete(c, "scope")
	return c
}

func TestIDTokens(t *testing.T) {
	f := newForge(t)
	v := f.verifier(t)
	s, err := v.VerifyID(t.Context(), f.Token(idClaims(f)), testClient)
	if err != nil || s.Nonce != "n-1" || s.Sub != f.Claims()["sub"] || s.Session != f.Claims()["origin_jti"] {
		t.Fatalf("a good token: %+v %v", s, err)
	}
	for name, change := range map[string]struct {
		claim string
		value any
	}{
		"an access token":    {"token_use", "access"},
		"another client":     {"aud", "client2"},
		"several audiences":  {"aud", []string{testClient}},
		"another issuer":     {"iss", testIssuer + "2"},
		"no nonce":           {"nonce", ""},
		"a nonce of numbers": {"nonce", 7},
		"no sub":             {"sub", ""},
		"no session":         {"origin_jti", ""},
		"expired":            {"exp", f.Now.Unix() - 600},
	} {
		c := idClaims(f)
		c[change.claim] = change.value
		if s, err := v.VerifyID(t.Context(), f.Token(c), testClient); err == nil {
			t.Errorf("%s: accepted: %+v", name, s)
		} else if !errors.Is(err, ErrToken) && !errors.Is(err, ErrExpired) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range f.Hostile() {
		if _, err := v.VerifyID(t.Context(), token, testClient); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := v.VerifyID(t.Context(), f.Token(idClaims(f)), ""); err == nil {
		t.Error("a token is accepted for no client")
	}
}
