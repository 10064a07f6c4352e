// Package client makes typed calls to the backend. It holds the address, the
// wire types, the deadlines and the retries (retry.go); callers do not repeat
// calls. Package session provides the access tokens (TokenSource), and
// client/download fetches the bytes of objects.
//
// The texts in an answer, such as names, are untrusted: they pass through
// backend/safetext before they are shown.
package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"usher/backend/api"
	"usher/backend/api/shape"
)

const (
	maxAnswer = 16 << 20         // bytes of one answer; a page of 1,000 keys is about 2 MiB at most
	callLimit = 30 * time.Second // for one attempt
	dialLimit = 10 * time.Second

	// Proxies refuse a longer header line by default: 8 KiB in nginx
	// (large_client_header_buffers) and Apache (LimitRequestFieldSize). nginx
	// answers 400, and writes 494 in its own log and error pages.
	commonHeader        = 7 << 10
	nginxHeaderTooLarge = 494
)

// TokenSource returns the access token of the signed-in person.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
	// Refused is called when the backend refuses this token.
	Refused(token string)
}

// Config is the configuration of a Client.
type Config struct {
	Server    string // origin: https://host[:port], or http on loopback
	Tokens    TokenSource
	UserAgent string
	Transport http.RoundTripper // nil: Transport(), with system roots and TLS 1.2 or later
}

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	tokens TokenSource
	agent  string
	http   *http.Client
}

// New returns a client for a server. The address must have only a scheme, a host
// and a port. The scheme must be https, or http on loopback.
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
		// A redirect would change the trusted server, so none is followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Transport returns the default transport of a client.
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

// Host returns the server's host for messages.
func (c *Client) Host() string { return c.base.Host }

// Whoami returns the verified person and their current groups.
func (c *Client) Whoami(ctx context.Context) (out api.Whoami, err error) {
	return out, c.call(ctx, api.VerbWhoami, struct{}{}, &out)
}

// List returns one page of the visible entries under a prefix.
func (c *Client) List(ctx context.Context, in api.ListRequest) (out api.ListResponse, err error) {
	return out, c.call(ctx, api.VerbList, in, &out)
}

// Stat returns the metadata of one object.
func (c *Client) Stat(ctx context.Context, in api.StatRequest) (out api.StatResponse, err error) {
	return out, c.call(ctx, api.VerbStat, in, &out)
}

// Search returns one page of the entries below a prefix that match a query.
func (c *Client) Search(ctx context.Context, in api.SearchRequest) (out api.SearchResponse, err error) {
	return out, c.call(ctx, api.VerbSearch, in, &out)
}

// Versions returns one page of the versions of one object.
func (c *Client) Versions(ctx context.Context, in api.VersionsRequest) (out api.VersionsResponse, err error) {
	return out, c.call(ctx, api.VerbVersions, in, &out)
}

// Release returns presigned URLs; each item has a URL or an error.
func (c *Client) Release(ctx context.Context, in api.ReleaseRequest) (out api.ReleaseResponse, err error) {
	if err := c.call(ctx, api.VerbRelease, in, &out); err != nil {
		return out, err
	}
	if len(out.Items) != len(in.Objects) {
		return api.ReleaseResponse{}, api.Misspoken(c.Host(), "its answer is for other files than requested", nil)
	}
	return out, nil
}

// Complete reports the results of downloads.
func (c *Client) Complete(ctx context.Context, in api.CompleteRequest) error {
	return c.call(ctx, api.VerbComplete, in, &api.CompleteResponse{})
}

// Signout records the end of the session of an access token. The token is an
// argument, because this machine has removed it already.
func (c *Client) Signout(ctx context.Context, token string) error {
	ended := *c
	ended.tokens = fixed(token)
	return ended.call(ctx, api.VerbSignout, struct{}{}, &api.SignoutResponse{})
}

// SignoutEverywhere ends all sessions of the person of an access token.
func (c *Client) SignoutEverywhere(ctx context.Context, token string) error {
	ended := *c
	ended.tokens = fixed(token)
	return ended.call(ctx, api.VerbSignoutAll, struct{}{}, &api.SignoutResponse{})
}

// fixed is the source of one access token.
type fixed string

// Token returns the token.
func (f fixed) Token(context.Context) (string, error) { return string(f), nil }

// Refused has no effect: the token cannot be replaced.
func (fixed) Refused(string) {}

// AuditQuery returns one page of the audit log.
func (c *Client) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (out api.AuditQueryResponse, err error) {
	return out, c.call(ctx, api.VerbAuditQuery, in, &out)
}

// AuditBy returns one page of counts of the audit log.
func (c *Client) AuditBy(ctx context.Context, in api.AuditByRequest) (out api.AuditByResponse, err error) {
	return out, c.call(ctx, api.VerbAuditBy, in, &out)
}

// AuditPolicy returns the grants of a version that decided.
func (c *Client) AuditPolicy(ctx context.Context, in api.AuditPolicyRequest) (out api.GrantsListResponse, err error) {
	return out, c.call(ctx, api.VerbAuditPolicy, in, &out)
}

// AuditSummary returns the counts of events per hour.
func (c *Client) AuditSummary(ctx context.Context, in api.AuditSummaryRequest) (out api.AuditSummaryResponse, err error) {
	return out, c.call(ctx, api.VerbAuditSummary, in, &out)
}

// Checkpoint returns the latest checkpoint of the audit log.
func (c *Client) Checkpoint(ctx context.Context, in api.CheckpointRequest) (out api.CheckpointResponse, err error) {
	return out, c.call(ctx, api.VerbCheckpoint, in, &out)
}

// AuditExport makes one step of an export of the log (auditors).
func (c *Client) AuditExport(ctx context.Context, in api.AuditExportRequest) (out api.AuditExportResponse, err error) {
	return out, c.call(ctx, api.VerbAuditExport, in, &out)
}

// AuditReview makes one step of a review of the log (auditors).
func (c *Client) AuditReview(ctx context.Context, in api.AuditReviewRequest) (out api.AuditReviewResponse, err error) {
	return out, c.call(ctx, api.VerbAuditReview, in, &out)
}

// AuditReviews returns the configured reviews (auditors).
func (c *Client) AuditReviews(ctx context.Context, in api.AuditReviewsRequest) (out api.AuditReviewsResponse, err error) {
	return out, c.call(ctx, api.VerbAuditReviews, in, &out)
}

// AuditVerified records the result of a verification on this machine (auditors).
func (c *Client) AuditVerified(ctx context.Context, in api.AuditVerifiedRequest) (out api.AuditVerifiedResponse, err error) {
	return out, c.call(ctx, api.VerbVerified, in, &out)
}

// Explain returns the reason why a person may or may not read an object (admins).
func (c *Client) Explain(ctx context.Context, in api.ExplainRequest) (out api.ExplainResponse, err error) {
	return out, c.call(ctx, api.VerbExplain, in, &out)
}

// ExplainID returns the recorded decisions of a request, with those of now.
func (c *Client) ExplainID(ctx context.Context, in api.ExplainIDRequest) (out api.ExplainIDResponse, err error) {
	return out, c.call(ctx, api.VerbExplainRequest, in, &out)
}

// Ask requests access to a path for the caller.
func (c *Client) Ask(ctx context.Context, in api.AskRequest) (out api.AskResponse, err error) {
	return out, c.call(ctx, api.VerbAsk, in, &out)
}

// Asked lists the caller's own requests for access.
func (c *Client) Asked(ctx context.Context) (out api.AskedResponse, err error) {
	return out, c.call(ctx, api.VerbAsked, struct{}{}, &out)
}

// Withdraw withdraws an open request for access of the caller.
func (c *Client) Withdraw(ctx context.Context, in api.WithdrawRequest) (out api.WithdrawResponse, err error) {
	return out, c.call(ctx, api.VerbWithdraw, in, &out)
}

// Asking lists a page of the open requests of all people (admins).
func (c *Client) Asking(ctx context.Context, in api.AskingRequest) (out api.AskingResponse, err error) {
	return out, c.call(ctx, api.VerbAsking, in, &out)
}

// Answer answers a request for access (admins).
func (c *Client) Answer(ctx context.Context, in api.AnswerRequest) (out api.AnswerResponse, err error) {
	return out, c.call(ctx, api.VerbAnswer, in, &out)
}

// Review returns one page of an access review.
func (c *Client) Review(ctx context.Context, in api.ReviewRequest) (out api.ReviewResponse, err error) {
	return out, c.call(ctx, api.VerbReview, in, &out)
}

// Who returns the groups and people that can read a path (admins).
func (c *Client) Who(ctx context.Context, in api.WhoRequest) (out api.WhoResponse, err error) {
	return out, c.call(ctx, api.VerbWho, in, &out)
}

// Can returns the paths that a person can see (admins).
func (c *Client) Can(ctx context.Context, in api.CanRequest) (out api.CanResponse, err error) {
	return out, c.call(ctx, api.VerbCan, in, &out)
}

// GrantsList returns the grants in force (admins).
func (c *Client) GrantsList(ctx context.Context) (out api.GrantsListResponse, err error) {
	return out, c.call(ctx, api.VerbGrantsList, struct{}{}, &out)
}

// GrantsDiff returns the effects of a new grants file (admins).
func (c *Client) GrantsDiff(ctx context.Context, in api.GrantsDiffRequest) (out api.GrantsDiffResponse, err error) {
	return out, c.call(ctx, api.VerbGrantsDiff, in, &out)
}

// GrantsApply replaces the grants by those of a file (admins). Before is the
// version that the change is based on, from GrantsList.
func (c *Client) GrantsApply(ctx context.Context, before string, text []byte) (out api.GrantsChangeResponse, err error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err = z.Write(text); err == nil {
		err = z.Close()
	}
	if err != nil {
		return out, fmt.Errorf("compressing the grants: %w", err)
	}
	return out, c.call(ctx, api.VerbGrantsApply, api.GrantsApplyRequest{Before: before, Gzip: packed.Bytes()}, &out)
}

// GrantsEdit adds and removes single grants (admins).
func (c *Client) GrantsEdit(ctx context.Context, in api.GrantsEditRequest) (out api.GrantsChangeResponse, err error) {
	return out, c.call(ctx, api.VerbGrantsEdit, in, &out)
}

// attempt makes one call with its own time limit.
func (c *Client) attempt(ctx context.Context, verb api.Verb, body []byte, out any) error {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	token, err := c.tokens.Token(limited)
	if err != nil {
		return err
	}
	err = c.post(limited, verb, token, body, out)
	if refusesToken(err) {
		c.tokens.Refused(token)
	}
	return err
}

func (c *Client) post(ctx context.Context, verb api.Verb, token string, body []byte, out any) error {
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
	answer := &bounded{from: res.Body, left: maxAnswer}
	if res.StatusCode == http.StatusOK {
		reflect.ValueOf(out).Elem().SetZero() // an answer that broke off may have filled a part of it
		err = json.UnmarshalRead(answer, out)
	} else {
		err = c.refusal(res, answer, token)
	}
	switch {
	case answer.over:
		return api.Misspoken(c.Host(), "its answer is too long", nil)
	case answer.err != nil:
		return c.network(ctx, answer.err)
	case err != nil && res.StatusCode == http.StatusOK:
		return api.Misspoken(c.Host(), "its answer is not usher's", err)
	case err != nil:
		return err
	}
	if id := res.Header.Get("X-Request-Id"); shape.Word(id) {
		switch answer := out.(type) {
		case *api.ReleaseResponse:
			answer.RequestID = id
		case *api.ListResponse:
			answer.RequestID = id
		}
	}
	return nil
}

// bounded reads an answer up to its largest length. It keeps the error of the
// connection, which the decoder would mix with its own.
type bounded struct {
	from io.Reader
	left int64
	over bool
	err  error // other than io.EOF
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		b.over = true
		return 0, errTooLong
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

var errTooLong = errors.New("the answer is too long")

// refusal reads the code, the request ID and the pause of an error answer. Its
// text comes from the table. An answer with a code of another status is not
// usher's.
func (c *Client) refusal(res *http.Response, from io.Reader, token string) error {
	var body api.ErrorBody
	if json.UnmarshalRead(from, &body) == nil {
		if row := api.Lookup(body.Error.Code); row.Code == body.Error.Code && row.Status == res.StatusCode {
			e := &api.Error{Code: row.Code, Message: row.Sentence, RetryAfter: retryAfter(res.Header)}
			if shape.Word(body.Error.RequestID) {
				e.RequestID = body.Error.RequestID
			}
			if row.Code == api.ClockSkew {
				e.Behind = behind(res.Header, token)
			}
			return e
		}
	}
	// An authorizer of an API gateway refuses an expired token before usher does
	// (RFC 6750 §3), and a gateway in front of the server too many requests.
	scheme, _, _ := strings.Cut(res.Header.Get("WWW-Authenticate"), " ")
	switch {
	case res.StatusCode == http.StatusUnauthorized && strings.EqualFold(scheme, "Bearer"):
		row := api.Lookup(api.TokenExpired)
		return &api.Error{Code: row.Code, Message: row.Sentence}
	case res.StatusCode == http.StatusTooManyRequests:
		row := api.Lookup(api.RateLimited)
		return &api.Error{Code: row.Code, Message: row.Sentence, RetryAfter: retryAfter(res.Header)}
	}
	e := api.Misspoken(c.Host(), fmt.Sprintf("it answered with HTTP status %d, which is not usher's answer", res.StatusCode), nil)
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge, nginxHeaderTooLarge:
		if len(token) > commonHeader {
			e.Advice = fmt.Sprintf("Your sign-in has %d kB, because you are in many groups, and a proxy in front of the server may not accept that much. Ask your administrator.", len(token)/1000)
		}
	}
	return e
}

// network maps a failed exchange to *api.Unreachable, and returns the
// cancellation of ctx unchanged.
func (c *Client) network(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return api.NewUnreachable(c.Host(), err)
}

// behind returns a lower bound of the lag of the server's clock behind the
// sign-in service's: the issue time in the access token minus the answer's Date.
// Neither is verified; the result is used in a sentence only.
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
