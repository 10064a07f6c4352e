package session_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// manyGroups returns Cognito's maximum of 100 groups for one person. Each name
// has n letters.
func manyGroups(letter string, n int) []string {
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("%03d", i) + strings.Repeat(letter, n-3)
	}
	return names
}

// A person in 100 groups signs in and stays signed in. If the access token is
// larger than the server's limit, the sign-in fails with the reason.
func TestManyGroups(t *testing.T) {
	r := newRig(t, nil)
	for name, groups := range map[string][]string{
		"many": manyGroups("x", 128), "toomany": manyGroups("統", 128),
	} {
		if _, err := r.pool.AddUser(cognito.User{Username: name, Groups: groups, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	s := r.signedIn("many")
	first := r.token(s)
	if len(first) < 16<<10 {
		t.Fatalf("the access token has %d bytes", len(first))
	}
	r.pass(10 * time.Minute)
	if r.token(s) == first || r.token(r.open()) == first {
		t.Error("the token was not renewed")
	}
	_, err := r.signIn().Password(ctx, "toomany", []byte(password))
	wantErr(t, err, session.ErrTooManyGroups)
	if !strings.Contains(err.Error(), "too many groups") || !api.SignedOut(err) {
		t.Errorf("%v", err)
	}
}

// A person added to too many groups while signed in keeps the session: the
// rotated refresh token is stored although the access token is unusable.
func TestRotatedTokenIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(access string) string
		want  error
	}{
		"too many groups": {inGroups(manyGroups("統", 128)), session.ErrTooManyGroups},
		"unreadable":      {func(string) string { return "not.a.token" }, session.ErrGarbled},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *cognito.Config) { c.Rotation, c.GracePeriod = true, 0 })
			s := r.signedIn("ada")
			first := r.token(s)
			r.inject(spoiled(t, c.spoil))
			r.pass(10 * time.Minute)
			for range 3 { // each renewal uses the refresh token of the previous one
				_, err := s.Token(ctx)
				wantErr(t, err, c.want)
				r.pass(2 * time.Minute)
			}
			again := r.open() // another process, from the disk
			_, err := again.Token(ctx)
			wantErr(t, err, c.want)
			r.inject(nil) // fewer groups
			if r.token(again) == first || r.token(s) == first {
				t.Error("the session did not go on")
			}
		})
	}
}

// spoiled modifies the access tokens in the pool's renewals.
func spoiled(t *testing.T, spoil func(string) string) fault {
	return func(op string, _ int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		if op != "GetTokensFromRefreshToken" {
			return false
		}
		rec := httptest.NewRecorder()
		pool.ServeHTTP(rec, req)
		var out struct{ AuthenticationResult map[string]any }
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || rec.Code != http.StatusOK {
			t.Errorf("the pool answered %d: %v", rec.Code, err)
			return false
		}
		out.AuthenticationResult["AccessToken"] = spoil(out.AuthenticationResult["AccessToken"].(string))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		json.NewEncoder(w).Encode(out)
		return true
	}
}

// inGroups returns a function that puts groups into an access token.
func inGroups(groups []string) func(string) string {
	return func(access string) string {
		parts := strings.Split(access, ".")
		var claims map[string]any
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil {
			err = json.Unmarshal(raw, &claims)
		}
		if err != nil {
			return ""
		}
		claims["cognito:groups"] = groups
		raw, _ = json.Marshal(claims)
		parts[1] = base64.RawURLEncoding.EncodeToString(raw)
		return strings.Join(parts, ".")
	}
}
