package client_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/api"
	"usher/client"
)

// answers is a server: each call gets the next answer, and the last one repeats.
type answers struct {
	list  []answer
	calls int
}

type answer struct {
	code   api.Code // "" for an empty listing
	after  string   // Retry-After
	broken bool     // the connection breaks
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	now := a.list[min(a.calls, len(a.list)-1)]
	a.calls++
	if now.broken {
		return nil, io.ErrUnexpectedEOF
	}
	res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"entries":[]}`)), Request: r}
	if now.code != "" {
		res.StatusCode = api.Lookup(now.code).Status
		res.Body = io.NopCloser(strings.NewReader(`{"error":{"code":` + strconv.Quote(string(now.code)) + `}}`))
	}
	if now.after != "" {
		res.Header.Set("Retry-After", now.after)
	}
	res.Header.Set("Date", "Sat, 28 Nov 2026 12:00:00 GMT")
	return res, nil
}

// bearer is a token source that counts refusals.
type bearer struct{ refused int }

func (b *bearer) Token(context.Context) (string, error) { return "t", nil }
func (b *bearer) Refused(string)                        { b.refused++ }

func clientOf(t *testing.T, a *answers, b *bearer) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Server: "https://h", Tokens: b, Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRetries(t *testing.T) {
	busy, ok := answer{code: api.RateLimited, after: "1"}, answer{}
	for name, c := range map[string]struct {
		answers []answer
		calls   int
		took    time.Duration
		code    api.Code // of the result; "" for success
	}{
		"a busy server":         {[]answer{busy, busy, busy, ok}, 4, 3 * time.Second, ""},
		"no header":             {[]answer{{code: api.RateLimited}, {code: api.RateLimited}, ok}, 3, 750 * time.Millisecond, ""},
		"a long pause":          {[]answer{{code: api.RateLimited, after: "20"}, ok}, 2, 20 * time.Second, ""},
		"a date":                {[]answer{{code: api.RateLimited, after: "Sat, 28 Nov 2026 12:00:07 GMT"}, ok}, 2, 7 * time.Second, ""},
		"too long a pause":      {[]answer{{code: api.RateLimited, after: "3600"}, ok}, 1, 0, api.RateLimited},
		"an invalid header":     {[]answer{{code: api.RateLimited, after: "soon"}, ok}, 2, 250 * time.Millisecond, ""},
		"always busy":           {[]answer{{code: api.RateLimited, after: "30"}}, 3, time.Minute, api.RateLimited},
		"a passing failure":     {[]answer{{code: api.AuditUnavailable, after: "1"}, {code: api.StorageUnavailable, after: "1"}, ok}, 3, 2 * time.Second, ""},
		"a lasting failure":     {[]answer{{code: api.StorageUnavailable, after: "4"}}, 3, 8 * time.Second, api.StorageUnavailable},
		"a refusal":             {[]answer{{code: api.NotFound, after: "1"}, ok}, 1, 0, api.NotFound},
		"a bug":                 {[]answer{{code: api.Internal, after: "1"}, ok}, 1, 0, api.Internal},
		"a token that ends":     {[]answer{{code: api.TokenExpired}, ok}, 2, 0, ""},
		"a session that ends":   {[]answer{{code: api.TokenExpired}}, 2, 0, api.TokenExpired},
		"one broken connection": {[]answer{{broken: true}, ok}, 2, 500 * time.Millisecond, ""},
		"all at once":           {[]answer{busy, {broken: true}, {code: api.TokenExpired}, busy, ok}, 5, 2500 * time.Millisecond, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: c.answers}
				start := time.Now()
				_, err := clientOf(t, a, &bearer{}).List(t.Context(), api.ListRequest{})
				var got api.Code
				var e *api.Error
				if errors.As(err, &e) {
					got = e.Code
				} else if err != nil {
					t.Errorf("%v", err)
				}
				if got != c.code || a.calls != c.calls || time.Since(start) != c.took {
					t.Errorf("%q after %d calls and %s", got, a.calls, time.Since(start))
				}
			})
		})
	}
}

// A call is repeated exactly for the rows of the table with Retry.
func TestRetryColumn(t *testing.T) {
	for _, row := range api.Failures() {
		if row.Exit == api.ExitSignedOut {
			continue // has a limit of its own, tested above
		}
		synctest.Test(t, func(t *testing.T) {
			a := &answers{list: []answer{{code: row.Code}, {}}}
			_, err := clientOf(t, a, &bearer{}).List(t.Context(), api.ListRequest{})
			if repeated := a.calls > 1; repeated != row.Retry || (err == nil) != row.Retry {
				t.Errorf("%s: %d calls, %v", row.Code, a.calls, err)
			}
		})
	}
}

// A page is notified of each pause before the pause begins.
func TestWithWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{code: api.RateLimited, after: "2"}, {broken: true}, {code: api.StorageUnavailable, after: "3"}, {}}}
		var waits []client.Wait
		ctx := client.WithWait(t.Context(), func(w client.Wait) { waits = append(waits, w) })
		if _, err := clientOf(t, a, &bearer{}).List(ctx, api.ListRequest{}); err != nil {
			t.Fatal(err)
		}
		if len(waits) != 2 || waits[0] != (client.Wait{Code: api.RateLimited, For: 2 * time.Second}) || waits[1] != (client.Wait{Code: api.StorageUnavailable, For: 3 * time.Second}) {
			t.Errorf("%+v", waits)
		}
	})
}

// A deadline before the end of the pause skips the pause; a cancellation ends
// it.
func TestRetriesKeepToTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{code: api.RateLimited, after: "10"}, {}}}
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := clientOf(t, a, &bearer{}).List(short, api.ListRequest{})
		if !errors.Is(err, &api.Error{Code: api.RateLimited}) || time.Since(start) != 0 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		a.calls = 0
		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, stop)
		_, err = clientOf(t, a, &bearer{}).List(stopped, api.ListRequest{})
		if !errors.Is(err, context.Canceled) || time.Since(start) != 3*time.Second || a.calls != 1 {
			t.Errorf("%v after %s and %d calls", err, time.Since(start), a.calls)
		}
	})
}

// The token source is notified of each refusal of its token.
func TestRefusedTokens(t *testing.T) {
	for _, code := range []api.Code{api.TokenExpired, api.SessionRevoked, api.Unauthenticated} {
		b := &bearer{}
		_, err := clientOf(t, &answers{list: []answer{{code: code}}}, b).List(t.Context(), api.ListRequest{})
		if !api.SignedOut(err) || b.refused != 2 {
			t.Errorf("%s: %v, %d refusals reported", code, err, b.refused)
		}
	}
}

// After the refusal of a large token, the error names the groups and a proxy as
// the cause. After that of a small token it does not.
func TestProxyRefusesALargeToken(t *testing.T) {
	for size, want := range map[int]bool{12_000: true, 1_000: false} {
		a := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
		})
		c, err := client.New(client.Config{Server: "https://h", Tokens: fixed(strings.Repeat("t", size)), Transport: a})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Whoami(t.Context())
		if !api.Offline(err) || strings.Contains(err.Error(), "12 kB, because you are in many groups") != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type fixed string

func (f fixed) Token(context.Context) (string, error) { return string(f), nil }
func (f fixed) Refused(string)                        {}

// The error of a server with a slow clock has the difference, and the session
// continues.
func TestClockSkew(t *testing.T) {
	at, err := http.ParseTime("Sat, 28 Nov 2026 12:02:00 GMT")
	if err != nil {
		t.Fatal(err)
	}
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iat":` + strconv.FormatInt(at.Unix(), 10) + `}`))
	for token, want := range map[string]string{"h." + claims + ".s": " It is at least 120 s behind the clock of the sign-in service.", "opaque": ""} {
		a := &answers{list: []answer{{code: api.ClockSkew}}}
		c, err := client.New(client.Config{Server: "https://h", Tokens: fixed(token), Transport: a})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Whoami(t.Context())
		if err == nil || err.Error() != api.Lookup(api.ClockSkew).Sentence+want || a.calls != 1 || api.SignedOut(err) {
			t.Errorf("after %d calls: %v", a.calls, err)
		}
	}
}
