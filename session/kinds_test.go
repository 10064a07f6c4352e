package session_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// kind is a kind of session, by its way to sign in and by the operation that renews
// it.
type kind struct {
	way     api.Way
	renewal string
}

// kinds returns all kinds: those of the API and those of the token endpoint.
func kinds() []kind {
	return []kind{
		{api.WayPassword, "GetTokensFromRefreshToken"},
		{api.WaySSO, tokenPath},
		{api.WayDevice, tokenPath},
	}
}

func (k kind) rig(t testing.TB, change func(*cognito.Config)) *rig {
	t.Helper()
	if k.renewal != tokenPath {
		return newRig(t, change)
	}
	r, _ := newBrowserRig(t, change)
	return r
}

// tokens signs in ada.
func (k kind) tokens(r *rig) session.Tokens {
	r.t.Helper()
	if k.renewal != tokenPath {
		return r.tokens("ada")
	}
	client := map[api.Way]string{api.WaySSO: ssoClient, api.WayDevice: remote}[k.way]
	step, err := r.pool.StartSignIn("ada", password)
	if err != nil {
		r.t.Fatal(err)
	}
	issued, err := r.pool.IssueTokens(cognito.CodeGrant{Person: step.Person, Client: client, Scopes: []string{"openid", "email"}})
	if err != nil {
		r.t.Fatal(err)
	}
	tokens, err := session.MakeTokens(issued.Access, issued.Refresh, client, k.way, r.localClock.now())
	if err != nil {
		r.t.Fatal(err)
	}
	return tokens
}

func (k kind) signedIn(r *rig) *session.Session {
	r.t.Helper()
	s := r.open()
	if err := s.Adopt(k.tokens(r)); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// used returns the refresh token of a renewal, and "" for other requests. It
// replaces the body that it reads.
func (k kind) used(operation string, req *http.Request) string {
	if operation != k.renewal {
		return ""
	}
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	if k.renewal == tokenPath {
		form, _ := url.ParseQuery(string(body))
		return form.Get("refresh_token")
	}
	var in struct{ RefreshToken string }
	_ = json.Unmarshal(body, &in)
	return in.RefreshToken
}
