package oauth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/session/oauth"
)

// reply is an answer of the token endpoint made by a test.
func reply(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/oauth2/token" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func TestTokenEndpointErrors(t *testing.T) {
	w := newWorld(t)
	for name, row := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"grant":     {400, `{"error":"invalid_grant"}`, oauth.ErrGrant},
		"client":    {400, `{"error":"invalid_client"}`, oauth.ErrClient},
		"scope":     {400, `{"error":"invalid_scope"}`, oauth.ErrClient},
		"busy":      {429, ``, oauth.ErrBusy},
		"down":      {503, `<html>`, oauth.ErrDown},
		"unknown":   {400, `{"error":"\u001b[2J"}`, oauth.ErrGarbled},
		"a page":    {200, `<html>log in to the hotel</html>`, oauth.ErrGarbled},
		"no token":  {200, `{"token_type":"Bearer"}`, oauth.ErrGarbled},
		"redirect":  {302, ``, oauth.ErrGarbled},
		"too long":  {200, `{"access_token":"` + strings.Repeat("x", 300<<10) + `"}`, oauth.ErrGarbled},
		"forbidden": {403, `{"message":"Forbidden"}`, oauth.ErrGarbled},
	} {
		w.inject(reply(row.status, row.body))
		if _, err := w.client.Redeem(t.Context(), oauth.Code{Code: "c", Verifier: "v", RedirectURI: "r", Nonce: "n"}); !errors.Is(err, row.want) {
			t.Errorf("%s, redeeming: %v", name, err)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %q", name, err)
		}
		if _, err := w.client.Refresh(t.Context(), "refresh"); !errors.Is(err, row.want) {
			t.Errorf("%s, renewing: %v", name, err)
		}
	}
}

// A lost answer to a renewal is repeated. A code is sent once.
func TestLostAnswers(t *testing.T) {
	w := newWorld(t)
	r := w.begin(oauth.Options{})
	w.signIn(r.URL, "ada")
	tokens, err := w.client.Redeem(t.Context(), w.code())
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	cut := func(out http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path != "/oauth2/token" {
			return false
		}
		if calls.Add(1) > 1 {
			return false
		}
		conn, _, err := out.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return true
	}
	w.inject(cut)
	if _, err := w.client.Refresh(t.Context(), tokens.Refresh); err != nil || calls.Load() != 2 {
		t.Errorf("the renewal: %v after %d calls", err, calls.Load())
	}
	calls.Store(0)
	if _, err := w.client.Redeem(t.Context(), oauth.Code{Code: "c", Verifier: "v", RedirectURI: "r", Nonce: "n"}); err == nil || errors.Is(err, oauth.ErrGrant) || calls.Load() != 1 {
		t.Errorf("the code: %v after %d calls", err, calls.Load())
	}
}

// An ID token of another sign-in, client, pool or key gives no tokens.
func TestForeignIDTokens(t *testing.T) {
	w := newWorld(t)
	sign := func(id string, change func(map[string]any)) string {
		claims := hostedtest.Claims(t, id)
		change(claims)
		token, err := w.pool.SignAccess(claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, row := range map[string]struct {
		forge func(id string) string
		want  string
	}{
		"right":    {func(id string) string { return sign(id, func(map[string]any) {}) }, ""},
		"nonce":    {func(id string) string { return sign(id, func(c map[string]any) { c["nonce"] = "x" }) }, oauth.ClaimNonce},
		"no nonce": {func(id string) string { return sign(id, func(c map[string]any) { delete(c, "nonce") }) }, oauth.ClaimNonce},
		"issuer": {func(id string) string {
			return sign(id, func(c map[string]any) { c["iss"] = "https://evil.example.com" })
		},
			oauth.ClaimIssuer},
		"audience":      {func(id string) string { return sign(id, func(c map[string]any) { c["aud"] = "other" }) }, oauth.ClaimAudience},
		"two audiences": {func(id string) string { return sign(id, func(c map[string]any) { c["aud"] = []string{"sso", "x"} }) }, oauth.ClaimAudience},
		"subject":       {func(id string) string { return sign(id, func(c map[string]any) { c["sub"] = "x" }) }, oauth.ClaimSubject},
		"token use":     {func(id string) string { return sign(id, func(c map[string]any) { c["token_use"] = "access" }) }, oauth.ClaimUse},
		"access hash": {func(id string) string {
			return sign(id, func(c map[string]any) { c["at_hash"] = "eHh4eHh4eHh4eHh4eHh4eA" })
		}, oauth.ClaimSubject},
		"signature": {func(id string) string { return id[:strings.LastIndexByte(id, '.')+1] + strings.Repeat("A", 342) }, oauth.ClaimSignature},
		"none": {func(id string) string {
			return "eyJhbGciOiJub25lIn0." + strings.Split(id, ".")[1] + "."
		}, oauth.ClaimSignature},
		"no token": {func(string) string { return "" }, oauth.ClaimIssuer},
	} {
		// A request with its nonce; the answer is the pool's with another ID token.
		r, err := w.client.Begin(w.listener.RedirectURI(), oauth.Options{})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		nonce := u.Query().Get("nonce")
		made, err := w.pool.IssueTokens(cognito.CodeGrant{Person: w.person("ada"), Client: "sso", Scopes: []string{"openid", "email"}, Nonce: nonce})
		if err != nil {
			t.Fatal(err)
		}
		w.inject(reply(200, fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"id_token":%q,"token_type":"Bearer","expires_in":600}`,
			made.Access, made.Refresh, row.forge(made.ID))))
		_, err = w.client.Redeem(t.Context(), oauth.Code{Code: "c", Verifier: "v", RedirectURI: "r", Nonce: nonce})
		var forged *oauth.IDTokenError
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.want != "" && (!errors.As(err, &forged) || forged.Claim != row.want):
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
}
