package device_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	broker "usher/backend/device"
	"usher/session/device"
)

func TestSignIn(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	if want := strings.ToUpper(r.Complete); r.QR() != want || !strings.HasSuffix(want, "/D/"+strings.ReplaceAll(r.UserCode, "-", "")) {
		t.Errorf("QR %q", r.QR())
	}
	var number string
	var query url.Values
	b.hook = func(n int) {
		if n == 3 {
			number, query = b.approve(r)
		}
	}
	if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrNumber) {
		t.Fatalf("poll: %v", err)
	}
	wrong := "000000"
	if number == wrong {
		wrong = "000001"
	}
	if _, tries, err := r.Confirm(t.Context(), wrong); !errors.Is(err, device.ErrWrong) || tries != 2 {
		t.Errorf("a wrong number: %d %v", tries, err)
	}
	g, _, err := r.Confirm(t.Context(), number)
	if err != nil || g.Code != "the-code" || g.Nonce != query.Get("nonce") || g.RedirectURI != query.Get("redirect_uri") {
		t.Fatalf("grant %q %q %v", g.Code, g.Nonce, err)
	}
	sum := sha256.Sum256([]byte(g.Verifier))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != query.Get("code_challenge") {
		t.Error("the verifier does not belong to the challenge of the hosted UI")
	}
	if s := fmt.Sprintf("%v %+v %#v", g, g, g); strings.Contains(s, "the-code") || strings.Contains(s, g.Verifier) {
		t.Errorf("a printed grant has its code: %s", s)
	}
}

// A response that is lost after the right number is repeated.
func TestLostResponse(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	b.hook = func(n int) {}
	number, _ := b.approve(r)
	lost := 0
	b.before = func(w http.ResponseWriter, q *http.Request) bool {
		if lost > 0 {
			return false
		}
		lost++
		form, _ := url.ParseQuery(body(q))
		_, _ = b.broker.Poll(q.Context(), broker.Poll{ClientID: "client", DeviceCode: form.Get("device_code"), Confirmation: form.Get("confirmation")})
		panic(http.ErrAbortHandler)
	}
	if g, _, err := r.Confirm(t.Context(), number); err != nil || g.Code != "the-code" || lost != 1 {
		t.Errorf("after a lost response: %v %v", g.Code, err)
	}
}

func body(r *http.Request) string {
	raw := make([]byte, r.ContentLength)
	n := 0
	for n < len(raw) {
		m, err := r.Body.Read(raw[n:])
		n += m
		if err != nil {
			break
		}
	}
	return string(raw[:n])
}

// The terminal polls less often when the server requires it, and after a lost
// connection.
func TestPollsLessOften(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	replies := []string{`{"error":"slow_down"}`, "", `{"error":"authorization_pending"}`, `{"error":"access_denied"}`}
	n := 0
	b.before = func(w http.ResponseWriter, _ *http.Request) bool {
		reply := replies[n]
		n++
		if reply == "" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(reply))
		return true
	}
	if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrDenied) {
		t.Errorf("%v", err)
	}
	want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 20 * time.Second}
	if fmt.Sprint(b.waits) != fmt.Sprint(want) {
		t.Errorf("waits %v, want %v", b.waits, want)
	}
}

func TestOutcomes(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"refused":         {400, `{"error":"access_denied"}`, device.ErrDenied},
		"expired":         {400, `{"error":"expired_token"}`, device.ErrExpired},
		"unknown":         {400, `{"error":"invalid_grant"}`, device.ErrExpired},
		"lost":            {400, `{"error":"expired_token","unknown":true}`, device.ErrLost},
		"another error":   {400, `{"error":"\u001b[2J"}`, device.ErrGarbled},
		"a login page":    {200, `<html>`, device.ErrGarbled},
		"an empty object": {200, `{}`, device.ErrGarbled},
		"a bearer token":  {200, `{"access_token":"x","token_type":"Bearer"}`, device.ErrGarbled},
		"another address": {200, `{"access_token":"x","token_type":"N_A","redirect_uri":"https://evil.example/"}`, device.ErrGarbled},
		"an endless body": {200, strings.Repeat("a", 1<<20), device.ErrGarbled},
	} {
		b := newBench(t)
		r := b.begin()
		b.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(row.status)
			_, _ = w.Write([]byte(row.body))
			return true
		}
		if _, err := r.Poll(t.Context()); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

// A server's texts reach the screen only in the exact form.
func TestForeignAddresses(t *testing.T) {
	good := `{"device_code":"d","user_code":"BCDF-GHJK","verification_uri":"%s/d","verification_uri_complete":"%s/d/BCDFGHJK","expires_in":600,"interval":5}`
	for name, change := range map[string][2]string{
		"nothing":        {"", ""},
		"an escape":      {"BCDF-GHJK", `BCDF-GHJ\u001b`},
		"a vowel":        {"BCDF-GHJK", "BCDF-GHJA"},
		"another page":   {"%s/d\"", "https://evil.example/d\""},
		"another code":   {"/d/BCDFGHJK", "/d/BCDFGHJL"},
		"no life":        {"600", "0"},
		"no device code": {`"device_code":"d"`, `"device_code":""`},
	} {
		b := newBench(t)
		b.before = func(w http.ResponseWriter, _ *http.Request) bool {
			text := strings.ReplaceAll(strings.Replace(good, change[0], change[1], 1), "%s", b.web.URL)
			_, _ = w.Write([]byte(text))
			return true
		}
		if _, err := device.Begin(t.Context(), b.config()); (err == nil) != (name == "nothing") || err != nil && !errors.Is(err, device.ErrGarbled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelAndExpiry(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrExpired) {
		t.Errorf("nobody approves: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r = b.begin()
	b.hook = func(int) { cancel() }
	if _, err := r.Poll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C: %v", err)
	}
}

// A clock that is set by a day while the terminal waits ends no sign-in: the server
// knows the time of the request.
func TestClockSetWhileWaiting(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		b := newBench(t)
		c := b.config()
		var set time.Duration
		c.Now = func() time.Time { return b.now().Add(set) }
		r, err := device.Begin(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		b.hook = func(n int) {
			if n == 2 {
				set = jump
			}
			if n == 4 {
				b.approve(r)
			}
		}
		if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrNumber) {
			t.Errorf("set by %v: %v", jump, err)
		}
		// The end is the server's too.
		set = 0
		if r, err = device.Begin(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		b.hook = func(int) { set = jump }
		if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrExpired) {
			t.Errorf("set by %v, without a browser: %v", jump, err)
		}
	}
}

// Without a server, the own clock ends the wait.
func TestExpiryWithoutAServer(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	b.web.Close()
	if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrExpired) {
		t.Errorf("%v", err)
	}
}

// No output of a request, and no error, has its device code or its verifier, also
// where a foreign answer repeats them.
func TestNoOutputHasTheCodes(t *testing.T) {
	b := newBench(t)
	c := b.config()
	var code string
	c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := b.web.Client().Transport.RoundTrip(r)
		if err == nil && code == "" {
			raw, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			resp.Body = io.NopCloser(bytes.NewReader(raw))
			code = regexp.MustCompile(`"device_code":"([^"]+)"`).FindStringSubmatch(string(raw))[1]
		}
		return resp, err
	})}
	r, err := device.Begin(t.Context(), c)
	if err != nil || len(code) < 40 {
		t.Fatalf("%v, a code of %d bytes", err, len(code))
	}
	said := fmt.Sprintf("%v %+v %#v %s", r, r, r, r)
	for _, body := range []string{code, `{"error":"` + code + `"}`, `{"error":"access_denied","error_description":"` + code + `"}`, `{"access_token":"` + code + `"}`} {
		b.before = func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte(body)); return true }
		_, err := r.Poll(t.Context())
		_, _, wrong := r.Confirm(t.Context(), "123456")
		said += fmt.Sprintf(" %v %+v %v %v", err, err, wrong, r.Cancel(t.Context()))
	}
	b.web.Close()
	_, _, err = r.Confirm(t.Context(), "123456")
	said += fmt.Sprintf(" %v %+v %v", err, err, r.Cancel(t.Context()))
	if strings.Contains(said, code) {
		t.Error("the device code is in an output")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A canceled request is over for the browser too.
func TestCancelAtTheServer(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	if err := r.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	user, _ := broker.ParseUserCode(r.UserCode)
	if _, err := b.broker.Approve(t.Context(), broker.Visit{User: user, Cookie: "cookie", Address: "192.0.2.8"}); !errors.Is(err, broker.ErrFinished) {
		t.Errorf("%v", err)
	}
}

// A server that narrows its networks during a sign-in gives its reason.
func TestNetworksNarrowed(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	b.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error":"access_denied","network":true}`))
		return true
	}
	if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrNetwork) {
		t.Errorf("%v", err)
	}
}

// The pages of a server have its public address. Another name of it is a fault of
// the profile.
func TestAnotherOrigin(t *testing.T) {
	b := newBench(t)
	b.before = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"device_code":"d","user_code":"BCDF-GHJK","verification_uri":"https://u.example/d","verification_uri_complete":"https://u.example/d/BCDFGHJK","expires_in":600,"interval":5}`))
		return true
	}
	if r, err := device.Begin(t.Context(), b.config()); r != nil || !errors.Is(err, device.ErrOrigin) {
		t.Errorf("%v", err)
	}
}

// A text that is no number costs no request and no try: without a number the
// request would be a poll.
func TestNoNumber(t *testing.T) {
	b := newBench(t)
	r := b.begin()
	number, _ := b.approve(r)
	if _, err := r.Poll(t.Context()); !errors.Is(err, device.ErrNumber) {
		t.Fatal(err)
	}
	sent := 0
	b.before = func(http.ResponseWriter, *http.Request) bool { sent++; return false }
	for _, text := range []string{"", " ", "12345", "1234567", "12345a", "١٢٣٤٥٦", "\x1b[A"} {
		if _, _, err := r.Confirm(t.Context(), text); !errors.Is(err, device.ErrWrong) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if sent != 0 {
		t.Errorf("%d requests", sent)
	}
	if g, _, err := r.Confirm(t.Context(), " "+number[:3]+" "+number[3:]+"\r"); err != nil || g.Code != "the-code" {
		t.Errorf("the number: %v", err)
	}
}

// Each end of the number's stage has its own error.
func TestNumberOutcomes(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"three wrong":        {400, `{"error":"access_denied","error_description":"three wrong numbers"}`, device.ErrNumbers},
		"expired":            {400, `{"error":"expired_token"}`, device.ErrExpired},
		"a restarted server": {400, `{"error":"expired_token","unknown":true}`, device.ErrLost},
		"another network":    {403, `{"error":"access_denied","network":true}`, device.ErrNetwork},
		"no log":             {503, `{"error":"temporarily_unavailable"}`, device.ErrDown},
		"too many":           {429, `{"error":"temporarily_unavailable"}`, device.ErrBusy},
	} {
		b := newBench(t)
		r := b.begin()
		b.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(row.status)
			_, _ = w.Write([]byte(row.body))
			return true
		}
		if _, _, err := r.Confirm(t.Context(), "123456"); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
