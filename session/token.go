package session

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"usher/backend/api"
)

// Tokens are the result of a sign-in or a renewal. The ID token is not stored,
// because usher's server accepts access tokens only.
type Tokens struct {
	Access      Secret
	Refresh     Secret
	Email       string        // from the ID token of the same answer; an annotation, never identity
	RequestedAt time.Time     // of the request for the tokens, by the local clock
	Life        time.Duration // of Access: exp - iat, both by the pool's clock
	Way         api.Way       // the way of the sign-in, which is also the way of each renewal
	Client      string        // the app client of the way
	DeviceKey   string        // of a pool that remembers devices; part of each renewal there

	claims claims
}

// claims are the parts of a token that this package reads, unverified: the
// token came from the pool over TLS, and no decision depends on the claims.
type claims struct {
	Sub      string   `json:"sub"`
	Username string   `json:"username"`
	Groups   []string `json:"cognito:groups"`
	Email    string   `json:"email"`
	ClientID string   `json:"client_id"`
	Use      string   `json:"token_use"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
}

const (
	maxToken   = 32 << 10 // bytes of an access token; equal to the server's limit
	maxRefresh = 16 << 10 // bytes
	maxLife    = 24 * time.Hour
	margin     = time.Minute // a token with less time left is renewed before use
)

// readClaims decodes the payload of a JWT (RFC 7519 §7.2) without any check.
func readClaims(token string) (claims, bool) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return c, false
	}
	return c, true
}

// newTokens checks an answer of the pool. An ID token in place of the access
// token, a token of another client, and a token without a lifetime are
// ErrGarbled, so they are never sent to the server. An access token above the
// server's limit is ErrTooManyGroups: the groups are the only part of a token
// that grows.
func newTokens(access, refresh, id, clientID string, requestedAt time.Time) (Tokens, error) {
	c, ok := readClaims(access)
	life := time.Duration(c.Expires-c.Issued) * time.Second
	switch {
	case !ok || !validRefresh(refresh):
		return Tokens{}, ErrGarbled
	case c.Use != "access" || c.ClientID != clientID || c.Sub == "":
		return Tokens{}, ErrGarbled
	case c.Expires <= c.Issued || c.Expires-c.Issued > int64(maxLife/time.Second):
		return Tokens{}, ErrGarbled
	case len(access) > maxToken:
		return Tokens{}, ErrTooManyGroups
	}
	t := Tokens{Access: NewSecret(access), Refresh: NewSecret(refresh), RequestedAt: requestedAt, Life: life, Client: clientID, claims: c}
	if idClaims, ok := readClaims(id); ok && idClaims.Sub == c.Sub && len(idClaims.Email) <= 320 {
		t.Email = idClaims.Email
	}
	return t, nil
}

func validRefresh(token string) bool { return token != "" && len(token) <= maxRefresh }

// left returns the remaining life of the access token. The life is the pool's
// own figure and is counted from the request by the local clock, so a clock
// that is wrong by a day has no effect. A clock that was set back since makes
// the age unknown; left returns 0 then.
func (t Tokens) left(now time.Time) time.Duration {
	d, ok := age(t.RequestedAt, now)
	if !ok {
		return 0
	}
	return t.Life - d
}

// fresh reports whether the access token can be used without a renewal: it has
// a minute left, or half its life if that is shorter.
func (t Tokens) fresh(now time.Time) bool {
	return !t.Access.IsZero() && t.left(now) >= min(margin, t.Life/2)
}

// person returns the person and the groups in the tokens, unverified.
func (t Tokens) person() (api.Person, []string) {
	return api.Person{Sub: t.claims.Sub, Username: t.claims.Username, Email: t.Email}, t.claims.Groups
}

// Sub returns the sub in the tokens; "" without tokens.
func (t Tokens) Sub() string { return t.claims.Sub }

// String returns the fingerprint of the access token.
func (t Tokens) String() string { return "tokens " + t.Access.String() }

// GoString returns String, for %#v.
func (t Tokens) GoString() string { return t.String() }
