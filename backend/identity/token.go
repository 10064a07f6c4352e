package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"usher/backend/api/shape"
)

// MaxToken is the maximum size of a token in bytes. Cognito allows 100 groups
// for a user; with names of 128 characters they make a token of 20 KiB.
const MaxToken = 32 << 10

const (
	leeway = 30 * time.Second
	// browserLife is the longest session of a browser: groups of a company show a
	// removal at the next sign-in only.
	browserLife = 12 * time.Hour
	maxLife     = 24 * time.Hour // Cognito's longest access token
)

// Scopes of the directory's queries.
const (
	scopeSelf   = "aws.cognito.signin.user.admin" // GetUser
	scopeOpenID = "openid"                        // userInfo
)

// VerifierConfig names the values that a token must match.
type VerifierConfig struct {
	Issuer    string   // exactly one of the pool's two forms
	ClientIDs []string // app clients of sign-ins with a password
	// BrowserClients are the app clients of sign-ins in a browser. Their tokens
	// are for userInfo alone: with the scope of self-service, a person could
	// write their own groups attribute.
	BrowserClients []string
	Audience       string // the API's origin; checked when a token carries aud
	Keys           *KeySet
	Now            func() time.Time
}

// Verifier checks access tokens offline. It caches no result: a signature check
// costs 40 µs, and an attacker would choose the keys of a cache.
type Verifier struct{ c VerifierConfig }

// NewVerifier refuses a configuration with a part missing.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	if c.Issuer == "" || len(c.ClientIDs)+len(c.BrowserClients) == 0 || c.Keys == nil || c.Now == nil {
		return nil, fmt.Errorf("verifier: issuer, client ids, keys and clock are all needed")
	}
	return &Verifier{c}, nil
}

var (
	// SPEC: RFC 7515 §7.1, compact serialization: three base64url parts, no padding.
	tokenShape = shape.NewForm(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
	kidShape   = shape.NewForm(`^[A-Za-z0-9+/=_-]{1,128}$`)
	// The Cognito documentation warns against relying on the form of a UUID for sub.
	idShape  = shape.NewForm(`^[!-~]{1,128}$`)
	intShape = shape.NewForm(`^[1-9][0-9]{0,15}$`)
)

// Verify checks an access token's form, signature and claims, cheapest check
// first. Every failure is ErrToken, ErrTooLarge, ErrClock, ErrExpired (all
// other checks passed) or ErrUnavailable (the key could not be fetched).
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	payload, err := v.signed(ctx, token)
	if err != nil {
		return Claims{}, err
	}
	claims, err := v.claims(ctx, payload)
	if err != nil {
		return Claims{}, err
	}
	claims.token = secret{&token}
	return claims, nil
}

// signed returns the payload of a token that the pool signed.
func (v *Verifier) signed(ctx context.Context, token string) ([]byte, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("%d bytes: %w", len(token), ErrTooLarge)
	}
	if !tokenShape.Matches(token) {
		return nil, fmt.Errorf("form: %w", ErrToken)
	}
	for part := range strings.SplitSeq(token, ".") {
		// Strict refuses alternative encodings of the last character.
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, fmt.Errorf("encoding: %w", ErrToken)
		}
	}
	kid, err := headerKey(token)
	if err != nil {
		return nil, err
	}
	// A token of another pool is refused before its key id can cause a fetch.
	if !v.claimsIssuer(token) {
		return nil, fmt.Errorf("issuer: %w", ErrToken)
	}
	key, err := v.c.Keys.Key(ctx, kid)
	if err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, fmt.Errorf("parsing: %w", ErrToken)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", ErrToken)
	}
	return payload, nil
}

// claimsIssuer reports whether a token that is not verified yet names the
// pool's issuer.
func (v *Verifier) claimsIssuer(token string) bool {
	parts := strings.Split(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1]) // decoded once already
	var fields map[string]json.RawMessage
	var iss string
	return unmarshalStrict(raw, &fields) == nil && json.Unmarshal(fields["iss"], &iss) == nil && iss == v.c.Issuer
}

// Unverified returns the session that a token names, or "". Nobody has checked
// the token: the result chooses data to read early, and decides nothing.
func Unverified(token string) string {
	if len(token) > MaxToken || !tokenShape.Matches(token) {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return ""
	}
	var fields map[string]json.RawMessage
	var session string
	if unmarshalStrict(raw, &fields) != nil || json.Unmarshal(fields["origin_jti"], &session) != nil || !idShape.Matches(session) {
		return ""
	}
	return session
}

// headerKey returns the key id. It refuses a header with another algorithm than
// RS256 or with a field that changes the meaning of the token.
func headerKey(token string) (string, error) {
	encoded, _, _ := strings.Cut(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(encoded) // decoded once already
	var header map[string]json.RawMessage
	if err := unmarshalStrict(raw, &header); err != nil {
		return "", fmt.Errorf("header: %w", ErrToken)
	}
	for name := range header {
		switch name {
		case "alg", "kid", "typ", "jwk", "jku", "x5u", "x5c", "x5t":
			// Embedded keys are ignored: only the configured set counts.
		default:
			// SPEC: RFC 7515 §4.1.11: an unknown extension ("crit") must be
			// refused; "cty" means a nested token.
			return "", fmt.Errorf("header field: %w", ErrToken)
		}
	}
	var alg, kid string
	if json.Unmarshal(header["alg"], &alg) != nil || alg != string(jose.RS256) {
		return "", fmt.Errorf("algorithm: %w", ErrToken)
	}
	if json.Unmarshal(header["kid"], &kid) != nil || !kidShape.Matches(kid) {
		return "", fmt.Errorf("key id: %w", ErrToken)
	}
	return kid, nil
}

// unmarshalStrict refuses duplicate names, which encoding/json would merge.
func unmarshalStrict(raw []byte, into *map[string]json.RawMessage) error {
	var fields map[string]josejson.RawMessage
	if err := josejson.Unmarshal(raw, &fields); err != nil {
		return err
	}
	if fields == nil {
		return fmt.Errorf("not an object")
	}
	out := make(map[string]json.RawMessage, len(fields))
	lower := make(map[string]bool, len(fields))
	for name, value := range fields {
		if l := strings.ToLower(name); lower[l] {
			return fmt.Errorf("two spellings of one name")
		} else {
			lower[l] = true
		}
		out[name] = json.RawMessage(value)
	}
	*into = out
	return nil
}

func (v *Verifier) claims(ctx context.Context, payload []byte) (Claims, error) {
	var raw map[string]json.RawMessage
	if err := unmarshalStrict(payload, &raw); err != nil {
		return Claims{}, fmt.Errorf("claims: %w", ErrToken)
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(raw[name], &s) != nil {
			return ""
		}
		return s
	}
	switch {
	case text("iss") != v.c.Issuer:
		return Claims{}, fmt.Errorf("issuer: %w", ErrToken)
	case text("token_use") != "access":
		return Claims{}, fmt.Errorf("token use: %w", ErrToken)
	case !slices.Contains(v.c.ClientIDs, text("client_id")) && !slices.Contains(v.c.BrowserClients, text("client_id")):
		return Claims{}, fmt.Errorf("client: %w", ErrToken)
	}
	if aud, ok := raw["aud"]; ok {
		var s string
		if v.c.Audience == "" || json.Unmarshal(aud, &s) != nil || s != v.c.Audience {
			return Claims{}, fmt.Errorf("audience: %w", ErrToken)
		}
	}
	c := Claims{
		Sub: text("sub"), Username: text("username"), ClientID: text("client_id"),
		Session: text("origin_jti"), JTI: text("jti"), scopes: map[string]bool{},
	}
	if json.Unmarshal(raw["cognito:groups"], &c.Hint) != nil {
		c.Hint = nil
	}
	c.Browser = slices.Contains(v.c.BrowserClients, c.ClientID)
	for _, s := range strings.Fields(text("scope")) {
		c.scopes[s] = true
	}
	for name, value := range map[string]string{"sub": c.Sub, "origin_jti": c.Session, "jti": c.JTI} {
		if !idShape.Matches(value) {
			return Claims{}, fmt.Errorf("%s: %w", name, ErrToken)
		}
	}
	if !shape.CognitoName(c.Username) {
		return Claims{}, fmt.Errorf("username: %w", ErrToken)
	}
	switch {
	case !c.scopes[scopeSelf] && !c.scopes[scopeOpenID]:
		return Claims{}, fmt.Errorf("no scope allows a directory query: %w", ErrToken)
	case c.Browser && c.scopes[scopeSelf]:
		return Claims{}, fmt.Errorf("scope of self-service: %w", ErrToken)
	case c.Browser && raw["auth_time"] == nil:
		return Claims{}, fmt.Errorf("auth_time: %w", ErrToken)
	}
	return c, v.times(ctx, raw, &c)
}

// times checks iat, exp, nbf and auth_time. Checks against the clock follow all
// other checks, and expiry is last: with ErrClock or ErrExpired, nothing else is
// wrong with the token.
func (v *Verifier) times(ctx context.Context, raw map[string]json.RawMessage, c *Claims) error {
	now := v.c.Now()
	var ok bool
	if c.Issued, ok = instant(raw["iat"]); !ok {
		return fmt.Errorf("issued at: %w", ErrToken)
	}
	if c.Expires, ok = instant(raw["exp"]); !ok || !c.Expires.After(c.Issued) || c.Expires.Sub(c.Issued) > maxLife+leeway {
		return fmt.Errorf("expiry: %w", ErrToken)
	}
	if nbf, present := raw["nbf"]; present {
		if t, ok := instant(nbf); !ok || t.After(later(now, c.Issued).Add(leeway)) {
			return fmt.Errorf("not before: %w", ErrToken)
		}
	}
	c.SignedIn = c.Issued
	if at, present := raw["auth_time"]; present {
		if c.SignedIn, ok = instant(at); !ok {
			return fmt.Errorf("auth_time: %w", ErrToken)
		}
	}
	// The pool signed the time of issue. An issue in the future means that this
	// machine's clock is behind.
	if ahead := c.Issued.Sub(now); ahead > leeway {
		return fmt.Errorf("issued %s in the future: %w", ahead.Round(time.Second), ErrClock)
	}
	if now.After(c.Expires.Add(leeway)) {
		// With this clock ahead by more than a token's life, each new token would
		// be expired too.
		if behind, known := v.c.Keys.Behind(ctx); known && -behind > c.Expires.Sub(c.Issued)+leeway {
			return fmt.Errorf("expired by a clock %s ahead: %w", (-behind).Round(time.Second), ErrClock)
		}
		return ErrExpired
	}
	if c.Browser && now.After(c.SignedIn.Add(browserLife+leeway)) {
		return fmt.Errorf("a sign-in in a browser %s ago: %w", now.Sub(c.SignedIn).Round(time.Second), ErrExpired)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// instant parses a NumericDate. It accepts only whole seconds 1..2^53.
// SPEC: RFC 7519 §2.
func instant(raw json.RawMessage) (time.Time, bool) {
	if !intShape.Matches(string(raw)) {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > 1<<53 {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}
