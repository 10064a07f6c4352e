// Package device is the terminal's half of the device flow (RFC 8628): it begins
// a sign-in at the server, shows nothing itself, polls until a browser has
// returned, and exchanges the number of the page for an authorization code.
//
// The PKCE verifier never leaves the terminal before the code is redeemed. The
// redemption is left to package oauth, texts for the screen to package session.
package device

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
)

const (
	maxAnswer   = 64 << 10
	callLimit   = 30 * time.Second
	leastPoll   = time.Second
	slower      = 5 * time.Second // SPEC: RFC 8628 §3.5
	mostLife    = time.Hour
	verifierLen = 32
	mostForeign = 3 // responses of others in one Poll
)

// The outcomes of a request, for errors.Is. Every other error means that the
// server could not be reached.
var (
	ErrDenied  = errors.New("the sign-in was refused")
	ErrNumbers = errors.New("the number was wrong too often")
	ErrExpired = errors.New("the sign-in took too long")
	ErrLost    = errors.New("the server does not know the sign-in")
	ErrNumber  = errors.New("the page shows a number, which is required")
	ErrWrong   = errors.New("the number is wrong")
	ErrBusy    = errors.New("the server has too many pending sign-ins")
	ErrDown    = errors.New("the server cannot continue a sign-in now")
	ErrNetwork = errors.New("the server does not accept this sign-in from here")
	ErrOrigin  = errors.New("the server has its pages at another address")
	ErrGarbled = errors.New("the answer is not from a usher server")
)

// Config holds the parts of a request. All are required; Host may be empty.
type Config struct {
	HTTP     *http.Client // without redirects
	Server   string       // origin of the server
	ClientID string
	Host     string // this machine's name, shown on the page
	Random   io.Reader
	Now      func() time.Time
	// Wait pauses for a time, or returns the context's error.
	Wait func(context.Context, time.Duration) error
}

// Request is a pending sign-in.
type Request struct {
	// UserCode is BCDF-GHJK. Address is the page for typing the code; Complete
	// includes the code.
	UserCode, Address, Complete string
	Expires                     time.Time

	c        Config
	code     string
	verifier string
	interval time.Duration
}

// String keeps the codes of a request out of all output.
func (*Request) String() string { return "device sign-in" }

// GoString keeps the codes of a request out of all output.
func (*Request) GoString() string { return "device sign-in" }

// Grant is an authorization code with the values for its redemption.
type Grant struct {
	Code, Verifier, RedirectURI string
	Nonce                       string // of the ID token
}

// String keeps a grant out of all output.
func (Grant) String() string { return "authorization code" }

// GoString keeps a grant out of all output.
func (Grant) GoString() string { return "authorization code" }

// SPEC: the server's codes are eight letters without vowels.
var userCode = regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)

// numberShape matches the number of the page.
var numberShape = regexp.MustCompile(`^[0-9]{6}$`)

// answer has the fields of all responses.
type answer struct {
	DeviceCode  string `json:"device_code"`
	UserCode    string `json:"user_code"`
	URI         string `json:"verification_uri"`
	Complete    string `json:"verification_uri_complete"`
	Expires     int    `json:"expires_in"`
	Interval    int    `json:"interval"`
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	RedirectURI string `json:"redirect_uri"`

	Error        string `json:"error"`
	Confirmation string `json:"confirmation"`
	Tries        int    `json:"tries"`
	Unknown      bool   `json:"unknown"`
	Network      bool   `json:"network"`
}

// Begin starts a sign-in at the server.
func Begin(ctx context.Context, c Config) (*Request, error) {
	if c.HTTP == nil || c.Server == "" || c.ClientID == "" || c.Random == nil || c.Now == nil || c.Wait == nil {
		return nil, errors.New("device sign-in: a part is missing")
	}
	raw := make([]byte, verifierLen)
	if _, err := io.ReadFull(c.Random, raw); err != nil {
		return nil, fmt.Errorf("making a verifier: %w", err)
	}
	r := &Request{c: c, verifier: base64.RawURLEncoding.EncodeToString(raw)}
	sum := sha256.Sum256([]byte(r.verifier))
	a, err := r.post(ctx, api.DeviceAuthorizePath, url.Values{
		"client_id": {c.ClientID}, "scope": {"openid email"}, "host": {hostName(c.Host)},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	})
	if err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, r.failure(a)
	}
	r.code, r.UserCode, r.Address, r.Complete = a.DeviceCode, a.UserCode, a.URI, a.Complete
	r.interval = max(leastPoll, time.Duration(a.Interval)*time.Second)
	r.Expires = c.Now().Add(min(mostLife, time.Duration(a.Expires)*time.Second))
	// The texts reach the screen and a QR code: they must be this server's.
	path := "/d/" + strings.ReplaceAll(a.UserCode, "-", "")
	switch {
	case !userCode.MatchString(a.UserCode) || a.DeviceCode == "" || a.Expires <= 0:
		return nil, ErrGarbled
	case a.URI == c.Server+"/d" && a.Complete == c.Server+path:
		return r, nil
	case strings.HasSuffix(a.URI, "/d") && a.Complete == strings.TrimSuffix(a.URI, "/d")+path:
		return nil, ErrOrigin
	}
	return nil, ErrGarbled
}

// hostName returns the first label of a machine's name in the form that the
// server accepts.
func hostName(name string) string {
	name, _, _ = strings.Cut(name, ".")
	if len(name) > 64 || safetext.New(name).Escaped() {
		return ""
	}
	return name
}

// QR returns the address for a QR code. Upper case needs fewer modules.
// SPEC: ISO/IEC 18004, alphanumeric mode.
func (r *Request) QR() string { return strings.ToUpper(r.Complete) }

// Poll waits for the interval and polls until the browser has returned. It
// returns ErrNumber when Confirm must be called with the number of the page.
// Lost responses are repeated until the request expires by the own clock.
func (r *Request) Poll(ctx context.Context) (Grant, error) {
	for foreign := 0; ; {
		if err := r.c.Wait(ctx, r.interval); err != nil {
			return Grant{}, err
		}
		// The server decides: a clock that is set meanwhile ends nothing. Without an
		// answer the own clock does.
		late := !r.c.Now().Before(r.Expires)
		a, err := r.token(ctx, "")
		switch {
		case ctx.Err() != nil:
			return Grant{}, ctx.Err()
		case err != nil && late:
			return Grant{}, ErrExpired
		case errors.Is(err, ErrGarbled):
			// A proxy answers for a server that restarts.
			if foreign++; foreign > mostForeign {
				return Grant{}, err
			}
		case err != nil:
			// SPEC: RFC 8628 §3.5: on a connection timeout the client must poll less often.
			r.interval = min(2*r.interval, time.Minute)
		case a.Error == "slow_down":
			r.interval += slower
		case a.Error == "authorization_pending" && a.Confirmation != "":
			return Grant{}, ErrNumber
		case a.Error == "authorization_pending":
		case a.Error != "":
			return Grant{}, r.failure(a)
		default:
			return r.grant(a)
		}
	}
}

// Confirm sends the number of the page. After ErrWrong it can be called again,
// and the first result is the number of tries that are left. A text without the
// form of a number costs no try.
func (r *Request) Confirm(ctx context.Context, number string) (Grant, int, error) {
	// A request without a number is a poll, which the server can slow down.
	if number = strings.Join(strings.Fields(number), ""); !numberShape.MatchString(number) {
		return Grant{}, 0, ErrWrong
	}
	a, err := r.token(ctx, number)
	for range 2 { // a lost response repeats within 30 s
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrGarbled) {
			break
		}
		if werr := r.c.Wait(ctx, leastPoll); werr != nil {
			return Grant{}, 0, werr
		}
		a, err = r.token(ctx, number)
	}
	switch {
	case ctx.Err() != nil:
		return Grant{}, 0, ctx.Err()
	case err != nil:
		return Grant{}, 0, err
	case a.Error == "authorization_pending" || a.Error == "invalid_request":
		return Grant{}, a.Tries, ErrWrong
	case a.Error == "access_denied" && !a.Network: // "Not mine" is possible only before the number
		return Grant{}, 0, ErrNumbers
	case a.Error != "":
		return Grant{}, 0, r.failure(a)
	}
	g, err := r.grant(a)
	return g, 0, err
}

// Cancel ends the request at the server, which otherwise keeps it until it
// expires. It is for a request whose session is not open.
func (r *Request) Cancel(ctx context.Context) error {
	a, err := r.post(ctx, api.DeviceCancelPath, url.Values{"device_code": {r.code}, "client_id": {r.c.ClientID}})
	if err == nil && a.Error != "" {
		err = r.failure(a)
	}
	return err
}

func (r *Request) token(ctx context.Context, number string) (answer, error) {
	form := url.Values{"grant_type": {api.DeviceGrantType}, "device_code": {r.code}, "client_id": {r.c.ClientID}}
	if number != "" {
		form.Set("confirmation", number)
	}
	return r.post(ctx, api.DeviceTokenPath, form)
}

// grant checks a successful response.
func (r *Request) grant(a answer) (Grant, error) {
	if a.AccessToken == "" || a.TokenType != api.DeviceTokenType || a.RedirectURI != r.c.Server+"/d/callback" {
		return Grant{}, ErrGarbled
	}
	return Grant{
		Code: a.AccessToken, Verifier: r.verifier, RedirectURI: a.RedirectURI, Nonce: api.DeviceNonce(r.code),
	}, nil
}

// failure maps the error of a response.
func (r *Request) failure(a answer) error {
	switch a.Error {
	case "access_denied":
		if r.code == "" || a.Network {
			return ErrNetwork
		}
		return ErrDenied
	case "expired_token", "invalid_grant":
		if a.Unknown {
			return ErrLost
		}
		return ErrExpired
	case "temporarily_unavailable":
		return ErrBusy
	}
	return ErrGarbled
}

// post sends a form and reads a JSON response.
func (r *Request) post(ctx context.Context, path string, form url.Values) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.c.Server+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, fmt.Errorf("device sign-in: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := r.c.HTTP.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, err
	}
	var a answer
	if len(raw) > maxAnswer || json.Unmarshal(raw, &a) != nil || (a.Error == "") != (resp.StatusCode == http.StatusOK) {
		return answer{}, ErrGarbled
	}
	if a.Error == "temporarily_unavailable" && resp.StatusCode == http.StatusServiceUnavailable {
		return answer{}, ErrDown
	}
	return a, nil
}

// Pause is the Wait of a real clock.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
