package session

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"usher/backend/api"
)

// Tokens are what a sign-in or a renewal brought. There is no ID token among
// them: usher's server takes access tokens only, so nothing else is kept.
type Tokens struct {
	Access  Secret
	Refresh Secret
	Email   string        // from the ID token that came along; an annotation, never identity
	Asked   time.Time     // this machine's clock when they were asked for
	Life    time.Duration // of Access: exp - iat, both the pool's own clock

	claims claims
}

// claims are the parts of a token that this package reads, unverified: they
// came straight from the pool over TLS, and no decision rests on them.
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
	maxToken   = 32 << 10 // bytes of an access token, as the server's limit
	maxRefresh = 16 << 10 // bytes
	maxLife    = 24 * time.Hour
	margin     = time.Minute // a token with less left than this is renewed first
)

// readClaims decodes the middle part of a JWT (RFC 7519 §7.2) and checks
// nothing about it.
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

// newTokens takes the pool's answer. An ID token in the access token's place,
// another client's token or one without a life is ErrGarbled here, so that it
// never leaves for the server. One that no server takes is ErrTooManyGroups:
// the groups are the only part of a token that grows.
func newTokens(access, refresh, id, clientID string, asked time.Time) (Tokens, error) {
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
	t := Tokens{Access: NewSecret(access), Refresh: NewSecret(refresh), Asked: asked, Life: life, claims: c}
	if idClaims, ok := readClaims(id); ok && idClaims.Sub == c.Sub && len(idClaims.Email) <= 320 {
		t.Email = idClaims.Email
	}
	return t, nil
}

func validRefresh(token string) bool { return token != "" && len(token) <= maxRefresh }

// left is how much of the access token's life remains at now. The life is the
// pool's own figure and is counted from this machine's asking, so a clock
// that is wrong by a day makes no difference. A clock set back since makes
// the age unknown: nothing is left.
func (t Tokens) left(now time.Time) time.Duration {
	d, ok := age(t.Asked, now)
	if !ok {
		return 0
	}
	return t.Life - d
}

// fresh says whether the access token can be used without renewing: it has a
// minute left, or half its life where that is shorter.
func (t Tokens) fresh(now time.Time) bool {
	return !t.Access.IsZero() && t.left(now) >= min(margin, t.Life/2)
}

// person is who the tokens are for, as they say themselves.
func (t Tokens) person() (api.Person, []string) {
	return api.Person{Sub: t.claims.Sub, Username: t.claims.Username, Email: t.Email}, t.claims.Groups
}

// Sub says whose tokens they are; "" for none.
func (t Tokens) Sub() string { return t.claims.Sub }

// String names the tokens by fingerprint.
func (t Tokens) String() string { return "tokens " + t.Access.String() }

// GoString is String, for %#v.
func (t Tokens) GoString() string { return t.String() }
