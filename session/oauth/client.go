package oauth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"usher/backend/safetext"
)

// The outcomes of the token endpoint and of a callback, for errors.Is. An error
// that is none of them is one of the network.
var (
	ErrGrant    = errors.New("the code or the refresh token is not valid")
	ErrClient   = errors.New("the app client is not allowed to sign in like this")
	ErrBusy     = errors.New("the authorization server is busy")
	ErrDown     = errors.New("the authorization server failed")
	ErrGarbled  = errors.New("the answer is not one of the authorization server")
	ErrPorts    = errors.New("no registered port is free")
	ErrTimeout  = errors.New("no browser came back in time")
	ErrDeclined = errors.New("the sign-in was refused in the browser")
)

const (
	maxAnswer = 256 << 10 // bytes
	tries     = 3         // of a renewal
)

// Config has the parts of a Client. Resource may be empty.
type Config struct {
	HTTP     *http.Client // without redirects
	Origin   string       // of the domain
	Issuer   string       // of the pool
	ClientID string
	Resource string // aud of the access tokens (RFC 8707)
	Random   io.Reader
	// Pause waits between two tries of a renewal, or returns the context's error.
	Pause func(context.Context, time.Duration) error
}

// Client talks to a domain. It is safe for concurrent use.
type Client struct {
	c    Config
	http *http.Client
	keys *oidc.RemoteKeySet
}

// New refuses a configuration with a part missing. It sends nothing.
func New(c Config) (*Client, error) {
	if c.HTTP == nil || c.Origin == "" || c.Issuer == "" || c.ClientID == "" || c.Random == nil || c.Pause == nil {
		return nil, errors.New("oauth: a part is missing")
	}
	limited := *c.HTTP
	limited.Transport = bounded{c.HTTP.Transport}
	// The key set keeps its context for later fetches, so the context has no end.
	ctx := oidc.ClientContext(context.Background(), &limited)
	return &Client{c: c, http: &limited, keys: oidc.NewRemoteKeySet(ctx, c.Issuer+"/.well-known/jwks.json")}, nil
}

// bounded reads each answer whole. One that is too long is cut, which leaves no
// valid JSON.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, nil
}

func (c *Client) oauth2(redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.c.ClientID, RedirectURL: redirect, Scopes: []string{oidc.ScopeOpenID, "email"},
		Endpoint: oauth2.Endpoint{
			AuthURL: c.c.Origin + "/oauth2/authorize", TokenURL: c.c.Origin + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// Code is an authorization code with the values for its redemption.
type Code struct {
	Code, Verifier, RedirectURI string
	Nonce                       string // of the ID token
}

// String keeps a code out of all output.
func (Code) String() string { return "authorization code" }

// GoString keeps a code out of all output.
func (Code) GoString() string { return "authorization code" }

// Tokens are an answer of the token endpoint. Refresh is empty after a renewal
// without rotation.
type Tokens struct{ Access, Refresh, ID string }

// String keeps tokens out of all output.
func (Tokens) String() string { return "tokens" }

// GoString keeps tokens out of all output.
func (Tokens) GoString() string { return "tokens" }

// Request is an authorization request, for one browser.
type Request struct {
	URL string // for the browser

	state, nonce, verifier, redirect, issuer string
}

// Options of a Request. All may be empty.
type Options struct {
	Hint     string // user name for the form
	Provider string // the pool's name of an identity provider, which skips the form
	Prompt   string // "login" ignores the browser's session
}

// Begin returns a request with a new state, nonce and verifier.
func (c *Client) Begin(redirect string, o Options) (*Request, error) {
	raw := make([]byte, 96)
	if _, err := io.ReadFull(c.c.Random, raw); err != nil {
		return nil, fmt.Errorf("drawing randomness: %w", err)
	}
	// SPEC: Cognito, authorize endpoint: state must not be JSON; base64url is none.
	encode := base64.RawURLEncoding.EncodeToString
	r := &Request{state: encode(raw[:32]), nonce: encode(raw[32:64]), verifier: encode(raw[64:]), redirect: redirect, issuer: c.c.Issuer}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(r.verifier), oidc.Nonce(r.nonce)}
	for name, value := range map[string]string{"resource": c.c.Resource, "login_hint": o.Hint, "identity_provider": o.Provider, "prompt": o.Prompt} {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	r.URL = c.oauth2(redirect).AuthCodeURL(r.state, options...)
	return r, nil
}

// String keeps a request's secrets out of all output.
func (r *Request) String() string { return "authorization request" }

// GoString keeps a request's secrets out of all output.
func (r *Request) GoString() string { return "authorization request" }

// Redeem exchanges a code for tokens and verifies the ID token. A code is sent
// once: it is spent even if the answer is lost.
func (c *Client) Redeem(ctx context.Context, code Code) (Tokens, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c.http)
	answer, err := c.oauth2(code.RedirectURI).Exchange(ctx, code.Code, oauth2.VerifierOption(code.Verifier))
	if err != nil {
		return Tokens{}, explain(err)
	}
	t := tokens(answer)
	if t.Access == "" || t.Refresh == "" || !strings.EqualFold(answer.TokenType, "Bearer") {
		return Tokens{}, ErrGarbled
	}
	return t, c.verify(ctx, t, code.Nonce)
}

func tokens(answer *oauth2.Token) Tokens {
	id, _ := answer.Extra("id_token").(string)
	return Tokens{Access: answer.AccessToken, Refresh: answer.RefreshToken, ID: id}
}

// verify checks the ID token of a code. Its lifetime is not compared with the
// local clock, which may be wrong by a day: the nonce shows that the token was
// made for this request.
//
// SPEC: OpenID Connect Core §3.1.3.7.
func (c *Client) verify(ctx context.Context, t Tokens, nonce string) error {
	verifier := oidc.NewVerifier(c.c.Issuer, c.keys, &oidc.Config{
		ClientID: c.c.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, SkipExpiryCheck: true,
	})
	id, err := verifier.Verify(ctx, t.ID)
	if err != nil {
		// A failed fetch of the keys is no forged token.
		if network := (*url.Error)(nil); errors.As(err, &network) {
			return fmt.Errorf("fetching signing keys: %w", network)
		}
		return &IDTokenError{c.wrongClaim(t.ID), err}
	}
	var use struct {
		Use string `json:"token_use"`
	}
	access := payload(t.Access)
	switch {
	case nonce == "" || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return &IDTokenError{Claim: ClaimNonce}
	case len(id.Audience) != 1:
		return &IDTokenError{Claim: ClaimAudience}
	case id.Claims(&use) != nil || use.Use != "" && use.Use != "id":
		return &IDTokenError{Claim: ClaimUse}
	case id.Subject == "" || access.Subject != id.Subject:
		return &IDTokenError{Claim: ClaimSubject}
	case id.AccessTokenHash != "" && id.VerifyAccessToken(t.Access) != nil:
		return &IDTokenError{Claim: ClaimSubject}
	}
	return nil
}

// The claims that can be wrong in an ID token.
const (
	ClaimNonce     = "nonce"
	ClaimIssuer    = "iss"
	ClaimAudience  = "aud"
	ClaimSignature = "signature"
	ClaimSubject   = "sub"
	ClaimUse       = "token_use"
)

// IDTokenError is an ID token that does not belong to the request.
type IDTokenError struct {
	Claim string
	cause error
}

func (e *IDTokenError) Error() string { return "the ID token is not one for this sign-in: " + e.Claim }

// Unwrap returns the cause, or nil.
func (e *IDTokenError) Unwrap() error { return e.cause }

// wrongClaim returns the reason why a token was refused, for the sentence on the
// screen.
func (c *Client) wrongClaim(token string) string {
	switch p := payload(token); {
	case p.Issuer != c.c.Issuer:
		return ClaimIssuer
	case string(p.Audience) != `"`+c.c.ClientID+`"`:
		return ClaimAudience
	}
	return ClaimSignature
}

// claims are the unverified claims of a token.
type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
}

// payload returns the claims of a token, unverified; zero for a text that is no
// token.
func payload(token string) claims {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return claims{}
	}
	return c
}

// Refresh returns new tokens for a refresh token. A lost answer is repeated: with
// rotation, the old refresh token stays valid for the grace period.
func (c *Client) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c.http)
	for try := 1; ; try++ {
		answer, err := c.oauth2("").TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
		if err == nil {
			t := tokens(answer)
			if t.Access == "" {
				return Tokens{}, ErrGarbled
			}
			if t.Refresh == refresh { // x/oauth2 copies the old one
				t.Refresh = ""
			}
			return t, nil
		}
		err = explain(err)
		if try == tries || ctx.Err() != nil || errors.Is(err, ErrGrant) || errors.Is(err, ErrClient) || errors.Is(err, ErrGarbled) {
			return Tokens{}, err
		}
		if perr := c.c.Pause(ctx, firstPause<<(try-1)); perr != nil {
			return Tokens{}, err
		}
	}
}

const firstPause = 200 * time.Millisecond

// Revoke ends the session of a refresh token. An unknown or revoked token is no
// error.
func (c *Client) Revoke(ctx context.Context, refresh string) error {
	form := url.Values{"token": {refresh}, "client_id": {c.c.ClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.c.Origin+"/oauth2/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("revoking: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // an answer without a code is classified by its status
	return classify(resp.StatusCode, answer.Error)
}

// explain maps an error of x/oauth2.
func explain(err error) error {
	var refused *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.As(err, &refused):
		return classify(refused.Response.StatusCode, refused.ErrorCode)
	case errors.As(err, &network):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", ErrGarbled, err) // an answer that is no JSON, or without a token
}

// classify maps an error response. SPEC: RFC 6749 §5.2; Cognito token endpoint.
func classify(status int, code string) error {
	switch {
	case code == "invalid_grant":
		return ErrGrant
	case code == "invalid_client", code == "unauthorized_client", code == "invalid_request", code == "unsupported_grant_type",
		code == "invalid_scope", code == "invalid_target":
		return fmt.Errorf("%w: %s", ErrClient, safetext.New(code))
	case status == http.StatusTooManyRequests:
		return ErrBusy
	case status >= http.StatusInternalServerError:
		return ErrDown
	}
	return ErrGarbled
}

// Declined is an error in a callback, in the words of the authorization server
// or the identity provider. errors.Is(err, ErrDeclined) is true for it.
type Declined struct {
	Code, Text safetext.Text
}

func (d *Declined) Error() string { return ErrDeclined.Error() + ": " + d.Code.String() }

// Unwrap returns ErrDeclined.
func (d *Declined) Unwrap() error { return ErrDeclined }
