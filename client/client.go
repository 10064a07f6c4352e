// Package client makes typed calls to the backend: it knows the address, the
// wire types, deadlines and when a call may be repeated (retry.go). Callers
// repeat nothing themselves. The package leaves the person's identity to
// session (through TokenSource), and the bytes of objects to client/download.
//
// What it returns is what the server wrote: names and texts in it go through
// backend/safetext before they are shown.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
)

const (
	maxAnswer = 16 << 20         // bytes of one answer; a page of 1,000 keys is about 2 MiB at most
	callLimit = 30 * time.Second // of one attempt
	dialLimit = 10 * time.Second

	// Proxies refuse a longer header line by default: 8 KiB in nginx
	// (large_client_header_buffers) and Apache (LimitRequestFieldSize). nginx
	// answers 400, and writes 494 in its own log and error pages.
	commonHeader        = 7 << 10
	nginxHeaderTooLarge = 494
)

// TokenSource gives the access token of whoever is signed in.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
	// Ended is told that the backend did not take this token any more.
	Ended(token string)
}

// Config says where the server is and how calls are made.
type Config struct {
	Server    string // origin: https://host[:port], or http on loopback
	Tokens    TokenSource
	UserAgent string
	Transport http.RoundTripper // nil: a plain one with system roots and TLS 1.2 or later
}

// Client calls one server. Safe for concurrent use.
type Client struct {
	base   *url.URL
	tokens TokenSource
	agent  string
	http   *http.Client
}

// New checks the address: https, or http to loopback only; nothing but scheme,
// host and port.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.Server)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("the server's address must look like https://host")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !shape.Loopback(base.Hostname())) {
		return nil, fmt.Errorf("the server's address must begin with https://")
	}
	if c.Tokens == nil {
		return nil, fmt.Errorf("client: a token source is needed")
	}
	if c.Transport == nil {
		c.Transport = Transport()
	}
	base.Path = ""
	return &Client{base: base, tokens: c.Tokens, agent: c.UserAgent, http: &http.Client{
		Transport: c.Transport,
		// A server that moves is a change of trust: configure it anew.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Transport is what the client uses by default.
func Transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: api.ProxyAnswer,
		DialContext:            (&net.Dialer{Timeout: dialLimit, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialLimit,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        60 * time.Second,
		ForceAttemptHTTP2:      true,
	}
}

// Host is the server's name for messages.
func (c *Client) Host() string { return c.base.Host }

// Whoami asks who the server takes the caller to be.
func (c *Client) Whoami(ctx context.Context) (out api.Whoami, err error) {
	return out, c.call(ctx, api.VerbWhoami, struct{}{}, &out)
}

// List asks for one page of what may be seen under a prefix.
func (c *Client) List(ctx context.Context, in api.ListRequest) (out api.ListResponse, err error) {
	return out, c.call(ctx, api.VerbList, in, &out)
}

// Stat asks for one object's facts.
func (c *Client) Stat(ctx context.Context, in api.StatRequest) (out api.StatResponse, err error) {
	return out, c.call(ctx, api.VerbStat, in, &out)
}

// Release asks for presigned URLs; each item has its own URL or error.
func (c *Client) Release(ctx context.Context, in api.ReleaseRequest) (out api.ReleaseResponse, err error) {
	if err := c.call(ctx, api.VerbRelease, in, &out); err != nil {
		return out, err
	}
	if len(out.Items) != len(in.Objects) {
		return api.ReleaseResponse{}, api.Misspoken(c.Host(), "it answered for other files than asked", nil)
	}
	return out, nil
}

// Complete reports how downloads ended.
func (c *Client) Complete(ctx context.Context, in api.CompleteRequest) error {
	return c.call(ctx, api.VerbComplete, in, &api.CompleteResponse{})
}

// Signout records the end of the session.
func (c *Client) Signout(ctx context.Context) error {
	return c.call(ctx, api.VerbSignout, struct{}{}, &api.SignoutResponse{})
}

// AuditQuery asks for one page of the audit log.
func (c *Client) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (out api.AuditQueryResponse, err error) {
	return out, c.call(ctx, api.VerbAuditQuery, in, &out)
}

// AuditSummary asks for counts per hour.
func (c *Client) AuditSummary(ctx context.Context, in api.AuditSummaryRequest) (out api.AuditSummaryResponse, err error) {
	return out, c.call(ctx, api.VerbAuditSummary, in, &out)
}

// Explain asks why a person may or may not read an object (admins).
func (c *Client) Explain(ctx context.Context, in api.ExplainRequest) (out api.ExplainResponse, err error) {
	return out, c.call(ctx, api.VerbExplain, in, &out)
}

// Who asks who can read a path (admins).
func (c *Client) Who(ctx context.Context, in api.WhoRequest) (out api.WhoResponse, err error) {
	return out, c.call(ctx, api.VerbWho, in, &out)
}

// Can asks what a person can see (admins).
func (c *Client) Can(ctx context.Context, in api.CanRequest) (out api.CanResponse, err error) {
	return out, c.call(ctx, api.VerbCan, in, &out)
}

// GrantsList asks for the grants in force (admins).
func (c *Client) GrantsList(ctx context.Context) (out api.GrantsListResponse, err error) {
	return out, c.call(ctx, api.VerbGrantsList, struct{}{}, &out)
}

// GrantsDiff asks what a new grants file would change (admins).
func (c *Client) GrantsDiff(ctx context.Context, in api.GrantsDiffRequest) (out api.GrantsDiffResponse, err error) {
	return out, c.call(ctx, api.VerbGrantsDiff, in, &out)
}

// attempt makes one call with its own time limit.
func (c *Client) attempt(ctx context.Context, verb api.Verb, body []byte, out any) error {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	token, err := c.tokens.Token(limited)
	if err != nil {
		return err
	}
	err = c.once(limited, verb, token, body, out)
	if refusesToken(err) {
		c.tokens.Ended(token)
	}
	return err
}

func (c *Client) once(ctx context.Context, verb api.Verb, token string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+verb.Path(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.network(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return c.network(ctx, err)
	}
	if len(raw) > maxAnswer {
		return api.Misspoken(c.Host(), "its answer is far too long", nil)
	}
	if res.StatusCode != http.StatusOK {
		return c.refusal(res, raw, token)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return api.Misspoken(c.Host(), "its answer is not usher's", err)
	}
	if id := res.Header.Get("X-Request-Id"); requestID.MatchString(id) {
		if released, ok := out.(*api.ReleaseResponse); ok {
			released.RequestID = id
		}
	}
	return nil
}

var requestID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// refusal takes code, request id and pause of an error answer; its text comes
// from the table. A code that does not fit the status is not usher's answer.
func (c *Client) refusal(res *http.Response, raw []byte, token string) error {
	var body api.ErrorBody
	if json.Unmarshal(raw, &body) == nil {
		if row := api.Lookup(body.Error.Code); row.Code == body.Error.Code && row.Status == res.StatusCode {
			e := &api.Error{Code: row.Code, Message: row.Sentence, RetryAfter: retryAfter(res.Header)}
			if requestID.MatchString(body.Error.RequestID) {
				e.RequestID = body.Error.RequestID
			}
			if row.Code == api.ClockSkew {
				e.Behind = behind(res.Header, token)
			}
			return e
		}
	}
	e := api.Misspoken(c.Host(), fmt.Sprintf("it answered with HTTP status %d, which is not usher's answer", res.StatusCode), nil)
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge, nginxHeaderTooLarge:
		if len(token) > commonHeader {
			e.Advice = fmt.Sprintf("Your sign-in has %d kB, because you are in many groups, and a proxy before the server may take less. Ask your administrator.", len(token)/1000)
		}
	}
	return e
}

// network keeps a canceled call what it is.
func (c *Client) network(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return api.NewUnreachable(c.Host(), err)
}

// behind is how much the server's clock is behind the sign-in service's, at
// least: the time of issue in the access token against the answer's Date.
// Nothing is verified; the result is for a sentence.
func behind(h http.Header, token string) time.Duration {
	now, err := http.ParseTime(h.Get("Date"))
	parts := strings.Split(token, ".")
	if err != nil || len(parts) != 3 {
		return 0
	}
	var claims struct {
		Issued int64 `json:"iat"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Issued > now.Unix()+int64(10*365*24*time.Hour/time.Second) {
		return 0
	}
	return max(0, time.Duration(claims.Issued-now.Unix())*time.Second)
}
