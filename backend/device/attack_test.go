package device_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/device"
)

// A phisher sends the link of the phisher's own request, and the victim signs in
// through it. The phisher gets nothing. Control: without the number, the phisher
// gets the code.
func TestPhisher(t *testing.T) {
	phish := func(tb *testbed) bool {
		a := tb.begin(t)
		victim := &browser{tb: tb}
		q := victim.approve(t, a)
		victim.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-victim's-code"}})
		for range 100 {
			tb.clock.advance(5 * time.Second)
			if got := tb.poll(t, a, ""); got.fields["access_token"] != nil {
				return true
			}
		}
		return false
	}
	if phish(newTestbed(t)) {
		t.Error("the phisher got the code")
	}
	if !phish(newTestbed(t, plain)) {
		t.Error("control: without the number the phisher should get the code")
	}
}

// Guessed user codes, device codes and numbers let nobody in.
func TestGuesses(t *testing.T) {
	most := 100_000
	if testing.Short() {
		most = 10_000
	}
	tb := newTestbed(t)
	real := tb.begin(t)
	random := rand.New(rand.NewPCG(1, 2))
	let, limited := 0, 0
	for n := range most {
		ctx := context.Background()
		address := fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)
		switch n % 3 {
		case 0:
			code := make([]byte, 8)
			for i := range code {
				code[i] = "BCDFGHJKLMNPQRSTVWXZ"[random.IntN(20)]
			}
			_, err := tb.broker.Lookup(ctx, device.Visit{User: string(code), Address: address})
			switch {
			case err == nil:
				let++
			case errors.Is(err, device.ErrLookups):
				limited++
			}
		case 1:
			code := make([]byte, 43)
			for i := range code {
				code[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.IntN(64)]
			}
			if _, err := tb.broker.Poll(ctx, device.Poll{ClientID: client, DeviceCode: string(code), Address: address}); err == nil {
				let++
			}
		default:
			_, err := tb.broker.Poll(ctx, device.Poll{ClientID: client, DeviceCode: real.DeviceCode, Confirmation: fmt.Sprintf("%06d", random.IntN(1_000_000)), Address: address})
			if err == nil {
				let++
			}
		}
		if n%1000 == 0 {
			tb.clock.advance(time.Second)
		}
	}
	if let != 0 || limited < most/4 {
		t.Errorf("%d of %d guesses were let in, %d were over the limit", let, most, limited)
	}
}

// An attacker changes one part of the browser's way. No change is accepted.
func TestForgedReturns(t *testing.T) {
	rounds := 60
	if os.Getenv("USHER_SOAK") != "" {
		rounds = 500
	}
	accepted, tried := 0, 0
	for n := range rounds {
		tb := newTestbed(t)
		a, foreign := tb.begin(t), tb.begin(t)
		victim, attacker := &browser{tb: tb}, &browser{tb: tb}
		_, form := victim.open(t, path(t, a.Complete))
		_, other := attacker.open(t, path(t, foreign.Complete))
		try := func(name string, ok bool) {
			tried++
			if ok {
				accepted++
				t.Errorf("round %d: %s was accepted", n, name)
			}
		}
		decide := func(form url.Values, header map[string]string) bool {
			form.Set("answer", "continue")
			return tb.send(t, http.MethodPost, "/d/decide", form, header).header.Get("Refresh") != ""
		}
		h := victim.header()
		try("a form without a cookie", decide(form, map[string]string{"Origin": tb.web.URL}))
		try("a form with another cookie", decide(form, attacker.header()))
		try("a form of another request", decide(url.Values{"code": {form.Get("code")}, "form": {other.Get("form")}}, h))
		try("a form from another origin", decide(form, map[string]string{"Origin": "https://evil.example", "Cookie": victim.cookie}))
		try("a form without an origin", decide(form, map[string]string{"Cookie": victim.cookie}))
		try("a cross-site form", decide(form, map[string]string{"Origin": tb.web.URL, "Sec-Fetch-Site": "cross-site", "Cookie": victim.cookie}))

		tb.clock.advance(time.Minute)
		q, q2 := victim.approve(t, a), attacker.approve(t, foreign)
		state := q.Get("state")
		back := func(b *browser, state, code string) bool {
			return digits.MatchString(b.back(t, url.Values{"state": {state}, "code": {code}}).body)
		}
		try("a return in another browser", back(attacker, state, "c"))
		try("a return without a cookie", back(&browser{tb: tb}, state, "c"))
		try("another state", back(victim, state[:44]+strings.Repeat("A", 43), "c"))
		try("the state of another request", back(victim, q2.Get("state"), "c"))
		if !back(victim, state, "c") {
			t.Fatal("the right return was refused")
		}
		mine := number(t, attacker.back(t, url.Values{"state": {q2.Get("state")}, "code": {"c2"}}))
		got := tb.poll(t, a, mine)
		try("the number of another request", got.fields["access_token"] != nil)
	}
	t.Logf("DEVICE forged=%d accepted=%d", tried, accepted)
}

// Requests over the limits of one address and of all are refused.
func TestLimits(t *testing.T) {
	tb := newTestbed(t)
	begin := func(address string) error {
		_, err := tb.broker.Authorize(t.Context(), device.Terminal{ClientID: client, Challenge: challenge, Method: "S256", Address: address})
		return err
	}
	for range 20 {
		if err := begin("2001:db8:1:2::1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := begin("2001:db8:1:2:ffff::9"); !errors.Is(err, device.ErrFull) {
		t.Errorf("a 21st request of one /64: %v", err)
	}
	for n := range 980 {
		if err := begin(fmt.Sprintf("10.0.%d.%d", n/20, n%20)); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := begin("10.9.9.9"); !errors.Is(err, device.ErrFull) {
		t.Errorf("request 1,001: %v", err)
	}
	if got := tb.send(t, http.MethodPost, api.DeviceAuthorizePath, url.Values{"client_id": {client}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}, nil); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("a full store: %d %s", got.status, got.body)
	}
	look := func(address string) error {
		_, err := tb.broker.Lookup(t.Context(), device.Visit{User: "BCDFGHJK", Address: address})
		return err
	}
	for range 10 {
		if err := look("192.0.2.1"); !errors.Is(err, device.ErrUnknown) {
			t.Fatal(err)
		}
	}
	if err := look("192.0.2.1"); !errors.Is(err, device.ErrLookups) {
		t.Errorf("lookup 11 of one address: %v", err)
	}
	for n := range 110 {
		_ = look(fmt.Sprintf("10.1.0.%d", n))
	}
	if err := look("10.2.0.1"); !errors.Is(err, device.ErrLookups) {
		t.Errorf("lookup 122: %v", err)
	}
	tb.clock.advance(time.Minute)
	if err := look("192.0.2.1"); !errors.Is(err, device.ErrUnknown) {
		t.Errorf("a minute later: %v", err)
	}
}

// Malformed requests get an error of their own and never a server error.
func TestMalformedRequests(t *testing.T) {
	tb := newTestbed(t)
	form := url.Values{"client_id": {client}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	with := func(name, value string) url.Values {
		out := url.Values{}
		for k, v := range form {
			out[k] = v
		}
		out[name] = strings.Split(value, "|")
		return out
	}
	origin := map[string]string{"Origin": tb.web.URL}
	for _, row := range []struct {
		name, method, path string
		form               url.Values
		header             map[string]string
		status             int
	}{
		{"another client", "POST", api.DeviceAuthorizePath, with("client_id", "x"), nil, 400},
		{"plain PKCE", "POST", api.DeviceAuthorizePath, with("code_challenge_method", "plain"), nil, 400},
		{"a short challenge", "POST", api.DeviceAuthorizePath, with("code_challenge", "abc"), nil, 400},
		{"two challenges", "POST", api.DeviceAuthorizePath, with("code_challenge", challenge+"|"+challenge), nil, 400},
		{"an escape in the host", "POST", api.DeviceAuthorizePath, with("host", "a\x1b[2J"), nil, 400},
		{"a long host", "POST", api.DeviceAuthorizePath, with("host", strings.Repeat("a", 65)), nil, 400},
		{"no UTF-8", "POST", api.DeviceAuthorizePath, with("host", "\xff"), nil, 400},
		{"a script", "POST", api.DeviceAuthorizePath, form, origin, 403},
		{"JSON", "POST", api.DeviceAuthorizePath, form, map[string]string{"Content-Type": "application/json"}, 400},
		{"a large body", "POST", api.DeviceAuthorizePath, with("scope", strings.Repeat("a", 9000)), nil, 400},
		{"a query", "POST", api.DeviceAuthorizePath + "?a=b", form, nil, 400},
		{"GET", "GET", api.DeviceAuthorizePath, nil, nil, 405},
		{"another host", "GET", "/d", nil, map[string]string{"Host": "evil.example"}, 421},
		{"another grant", "POST", api.DeviceTokenPath, url.Values{"grant_type": {"password"}}, nil, 400},
		{"no device code", "POST", api.DeviceTokenPath, url.Values{"grant_type": {api.DeviceGrantType}, "client_id": {client}}, nil, 400},
		{"a long number", "POST", api.DeviceTokenPath, url.Values{"grant_type": {api.DeviceGrantType}, "client_id": {client}, "device_code": {strings.Repeat("A", 43)}, "confirmation": {strings.Repeat("1", 300)}}, nil, 400},
		{"a vowel", "GET", "/d/AEIOUAEI", nil, nil, 400},
		{"a path below", "GET", "/d/BCDFGHJK/x", nil, nil, 400},
		{"a callback without a state", "GET", "/d/callback?code=x", nil, nil, 404},
		{"a callback with two states", "GET", "/d/callback?state=a&state=b", nil, nil, 400},
		{"a posted callback", "POST", "/d/callback", form, origin, 405},
		{"DELETE", "DELETE", "/d", nil, nil, 405},
		{"an unknown answer", "POST", "/d/decide", url.Values{"code": {"BCDFGHJK"}, "answer": {"maybe"}}, origin, 403},
	} {
		if got := tb.send(t, row.method, row.path, row.form, row.header); got.status != row.status {
			t.Errorf("%s: %d, want %d: %s", row.name, got.status, row.status, got.body)
		}
	}
}

// Every page forbids scripts and frames.
func TestPagesAreLockedDown(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	for _, p := range []string{"/d", path(t, a.Complete), "/d/callback?state=x", "/d/BCDFGHJK"} {
		got, _ := b.open(t, p)
		policy := got.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'", "style-src 'sha256-"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", p, want, policy)
			}
		}
		if strings.Contains(got.body, "<script") || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", p, got.header)
		}
	}
	set := (func() string {
		got, _ := (&browser{tb: tb}).open(t, path(t, a.Complete))
		return got.header.Get("Set-Cookie")
	})()
	for _, want := range []string{"__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie lacks %s: %s", want, set)
		}
	}
}

func FuzzParseUserCode(f *testing.F) {
	for _, s := range []string{"BCDF-GHJK", "bcdf ghjk", "", "----", "BCDFGHJKL", "ΒCDFGHJK"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := device.ParseUserCode(s)
		if !ok {
			return
		}
		if again, ok := device.ParseUserCode(device.ShowUserCode(code)); !ok || again != code {
			t.Errorf("%q parses to %q, and its shown form to %q", s, code, again)
		}
	})
}
