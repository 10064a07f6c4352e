package device_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/device"
)

func wantError(t *testing.T, got reply, code string) {
	t.Helper()
	if got.fields["error"] != code {
		t.Errorf("%d %s, want %s", got.status, got.body, code)
	}
}

// A person signs in: the terminal polls, the browser approves, the terminal sends
// the number and opens one session.
func TestSignIn(t *testing.T) {
	tb := newTestbed(t, func(c *device.Config) { c.Resource = "https://files.example.com" })
	a := tb.begin(t)
	if len(a.UserCode) != 9 || a.URI != tb.web.URL+"/d" || a.Complete != tb.web.URL+"/d/"+strings.ReplaceAll(a.UserCode, "-", "") || a.Interval != 5 || a.Expires != 600 {
		t.Errorf("authorization: %+v", a)
	}
	wantError(t, tb.poll(t, a, ""), "authorization_pending")
	b := &browser{tb: tb}
	page, _ := b.open(t, strings.ToUpper(path(t, a.Complete))) // as in the QR code
	for _, want := range []string{a.UserCode, "build-7", "192.0.2.7", "Example &amp; Co", "less than a minute ago"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q: %s", want, page.body)
		}
	}
	if deny, next := strings.Index(page.body, `value="deny"`), strings.Index(page.body, `value="continue"`); deny < 0 || deny > next {
		t.Error("the refusal is not the first button")
	}
	q := b.approve(t, a)
	for name, want := range map[string]string{
		"code_challenge": challenge, "code_challenge_method": "S256", "prompt": "login", "client_id": client, "scope": "openid email",
		"redirect_uri": tb.web.URL + "/d/callback", "nonce": api.DeviceNonce(a.DeviceCode), "resource": "https://files.example.com", "response_type": "code",
	} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	answer := url.Values{"state": {q.Get("state")}, "code": {"the-code"}}
	first := number(t, b.back(t, answer))
	if again := number(t, b.back(t, answer)); again != first {
		t.Errorf("a reload shows %s after %s", again, first)
	}
	tb.clock.advance(5 * time.Second)
	got := tb.poll(t, a, "")
	wantError(t, got, "authorization_pending")
	if got.fields["confirmation"] != device.ConfirmationRequired {
		t.Errorf("the terminal does not learn that it needs the number: %s", got.body)
	}
	for range 2 { // the first response may be lost
		got = tb.poll(t, a, first[:3]+" "+first[3:])
		if got.fields["access_token"] != "the-code" || got.fields["token_type"] != "N_A" || got.fields["redirect_uri"] != tb.web.URL+"/d/callback" {
			t.Fatalf("the right number: %d %s", got.status, got.body)
		}
		tb.clock.advance(20 * time.Second)
	}
	wantError(t, tb.poll(t, a, first), "invalid_grant") // 40 s after the first delivery
	claim(t, tb, a)
}

// claim opens the session of a redeemed request.
func claim(t *testing.T, tb *testbed, a device.Authorization) {
	t.Helper()
	for range 2 {
		o, err := tb.broker.Claim(t.Context(), api.DeviceNonce(a.DeviceCode), "session-1")
		if err != nil || o.Host != "build-7" || o.Terminal != "192.0.2.7" || o.Browser != "192.0.2.7" {
			t.Errorf("claim: %+v %v", o, err)
		}
	}
	if _, err := tb.broker.Claim(t.Context(), api.DeviceNonce(a.DeviceCode), "session-2"); !errors.Is(err, device.ErrFinished) {
		t.Errorf("a second session of one request: %v", err)
	}
	if open, err := tb.broker.Opened(t.Context(), "session-1"); open || err != nil {
		t.Errorf("open before its event: %v %v", open, err)
	}
	if err := tb.broker.Open(t.Context(), "session-1", tb.clock.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if open, err := tb.broker.Opened(t.Context(), "session-1"); !open || err != nil {
		t.Errorf("an opened session: %v %v", open, err)
	}
}

// A claim before the delivery, and for another request, opens nothing.
func TestClaimNeedsTheNumber(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	q := b.approve(t, a)
	b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}})
	for _, nonce := range []string{api.DeviceNonce(a.DeviceCode), api.DeviceNonce("another"), ""} {
		if _, err := tb.broker.Claim(t.Context(), nonce, "s"); err == nil {
			t.Errorf("a claim of %q succeeded", nonce)
		}
	}
}

func TestSlowDownIsForGood(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	wantError(t, tb.poll(t, a, ""), "authorization_pending")
	tb.clock.advance(time.Second)
	wantError(t, tb.poll(t, a, ""), "slow_down")
	tb.clock.advance(6 * time.Second) // enough for the first interval, too early for the second
	wantError(t, tb.poll(t, a, ""), "slow_down")
	tb.clock.advance(15 * time.Second)
	wantError(t, tb.poll(t, a, ""), "authorization_pending")
}

func TestExpiry(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	tb.clock.advance(10 * time.Minute)
	wantError(t, tb.poll(t, a, ""), "expired_token")
	if got, _ := b.open(t, path(t, a.Complete)); got.status != http.StatusNotFound {
		t.Errorf("the page of an expired code: %d", got.status)
	}
	tb.clock.advance(device.Keep)
	wantError(t, tb.poll(t, a, ""), "expired_token")
	// The code of the hosted UI ends before the request does.
	a = tb.begin(t)
	q := b.approve(t, a)
	n := number(t, b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}}))
	tb.clock.advance(5 * time.Minute)
	wantError(t, tb.poll(t, a, n), "expired_token")
}

// A refusal and three wrong numbers end a request, with one event each.
func TestRefusals(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	_, form := b.open(t, path(t, a.Complete))
	tb.from = "198.51.100.9"
	if got := b.answer(t, form, "deny"); got.status != http.StatusOK || !strings.Contains(got.body, "refused") {
		t.Errorf("not mine: %d %s", got.status, got.body)
	}
	if got := b.answer(t, form, "deny"); got.status != http.StatusGone {
		t.Errorf("a second refusal: %d", got.status)
	}
	wantError(t, tb.poll(t, a, ""), "access_denied")
	if tb.book.of("not mine") != 1 || tb.book.events[0].SourceIP != "198.51.100.9" || tb.book.events[0].TerminalIP != "192.0.2.7" || tb.book.events[0].ClaimedHost != "build-7" {
		t.Errorf("events: %+v", tb.book.events)
	}

	a = tb.begin(t)
	q := b.approve(t, a)
	right := number(t, b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}}))
	wrong := "000000"
	if right == wrong {
		wrong = "000001"
	}
	for left := 2; left > 0; left-- {
		got := tb.poll(t, a, wrong)
		wantError(t, got, "authorization_pending")
		if got.fields["confirmation"] != device.ConfirmationWrong || got.fields["tries"] != float64(left) {
			t.Errorf("a wrong number: %s", got.body)
		}
	}
	wantError(t, tb.poll(t, a, wrong), "access_denied")
	wantError(t, tb.poll(t, a, right), "access_denied")
	if n := tb.book.of("three wrong numbers"); n != 1 {
		t.Errorf("%d events of three wrong numbers", n)
	}
}

// Without the log a refusal is still a refusal, and the person reads that
// something failed. The terminal learns of it after the event is durable.
func TestRefusalWithoutALog(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	_, form := b.open(t, path(t, a.Complete))
	tb.book.broken = true
	if got := b.answer(t, form, "deny"); got.status != http.StatusServiceUnavailable {
		t.Errorf("a refusal without a log: %d", got.status)
	}
	if got := b.answer(t, form, "continue"); got.status != http.StatusGone {
		t.Errorf("an approval after the refusal: %d", got.status)
	}
	wantError(t, tb.poll(t, a, ""), "temporarily_unavailable")
	tb.book.broken = false
	for range 2 {
		wantError(t, tb.poll(t, a, ""), "access_denied")
	}
	if n := tb.book.of("not mine"); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Three wrong numbers without the log end the request, and the event follows.
func TestWrongNumbersWithoutALog(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	q := b.approve(t, a)
	right := number(t, b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}}))
	wrong := "000000"
	if right == wrong {
		wrong = "000001"
	}
	tb.book.broken = true
	for range 2 {
		wantError(t, tb.poll(t, a, wrong), "authorization_pending")
	}
	for range 2 {
		wantError(t, tb.poll(t, a, wrong), "temporarily_unavailable")
	}
	tb.book.broken = false
	for range 2 {
		wantError(t, tb.poll(t, a, right), "access_denied")
	}
	if n := tb.book.of("three wrong numbers"); n != 1 {
		t.Errorf("%d events", n)
	}
}

// A refused request of a terminal has a response in JSON, as OAuth requires.
func TestTerminalsReadJSON(t *testing.T) {
	tb := newTestbed(t)
	form := url.Values{"client_id": {client}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for name, row := range map[string]struct {
		method, query string
		header        map[string]string
		status        int
	}{
		"another host": {http.MethodPost, "", map[string]string{"Host": "evil.example"}, http.StatusMisdirectedRequest},
		"an origin":    {http.MethodPost, "", map[string]string{"Origin": tb.web.URL}, http.StatusForbidden},
		"a query":      {http.MethodPost, "?a=b", nil, http.StatusBadRequest},
		"GET":          {http.MethodGet, "", nil, http.StatusMethodNotAllowed},
		"PUT":          {http.MethodPut, "", nil, http.StatusMethodNotAllowed},
		"another type": {http.MethodPost, "", map[string]string{"Content-Type": "application/json"}, http.StatusBadRequest},
	} {
		for _, path := range []string{api.DeviceAuthorizePath, api.DeviceTokenPath} {
			got := tb.send(t, row.method, path+row.query, form, row.header)
			if got.status != row.status || got.fields["error"] != "invalid_request" {
				t.Errorf("%s at %s: %d %s", name, path, got.status, got.body)
			}
		}
	}
}

// A broker that was restarted has no request of the terminal.
func TestUnknownRequest(t *testing.T) {
	a := newTestbed(t).begin(t)
	tb := newTestbed(t)
	got := tb.poll(t, a, "")
	wantError(t, got, "expired_token")
	if got.fields["unknown"] != true {
		t.Errorf("the response is that of an expired request: %s", got.body)
	}
	b := tb.begin(t)
	tb.clock.advance(11 * time.Minute)
	if got := tb.poll(t, b, ""); got.fields["unknown"] != nil {
		t.Errorf("an expired request is unknown: %s", got.body)
	}
}

// The hosted UI returns an error: its text reaches page and terminal escaped.
func TestFailureOfTheHostedUI(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	b := &browser{tb: tb}
	q := b.approve(t, a)
	got := b.back(t, url.Values{"state": {q.Get("state")}, "error": {"access_denied"}, "error_description": {"<b>no\x1b[31m"}})
	if strings.Contains(got.body, "<b>no") || strings.Contains(got.body, "\x1b") {
		t.Errorf("raw text of the hosted UI: %s", got.body)
	}
	denied := tb.poll(t, a, "")
	wantError(t, denied, "access_denied")
	if strings.Contains(denied.body, "\\u001b") || strings.Contains(denied.body, "\x1b") {
		t.Errorf("raw text in %s", denied.body)
	}
}

func TestNetworks(t *testing.T) {
	tb := newTestbed(t, only("192.0.2.0/24"))
	a := tb.begin(t)
	tb.from = "198.51.100.1"
	got := tb.poll(t, a, "")
	wantError(t, got, "access_denied")
	if got.fields["network"] != true {
		t.Errorf("the terminal does not learn the reason: %s", got.body)
	}
	got = tb.send(t, http.MethodPost, api.DeviceAuthorizePath, url.Values{"client_id": {client}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}, nil)
	if got.status != http.StatusForbidden {
		t.Errorf("a terminal of another network: %d %s", got.status, got.body)
	}
}

// Plain RFC 8628 needs no number.
func TestPlain(t *testing.T) {
	tb := newTestbed(t, plain)
	a := tb.begin(t)
	b := &browser{tb: tb}
	q := b.approve(t, a)
	if got := b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}}); digits.MatchString(got.body) || got.status != http.StatusOK {
		t.Errorf("a number without need: %d %s", got.status, got.body)
	}
	if got := tb.poll(t, a, ""); got.fields["access_token"] != "the-code" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A terminal that no longer waits ends its request: it counts against no limit, no
// browser continues it, and no session opens. The response is the same for every
// code.
func TestCancel(t *testing.T) {
	tb := newTestbed(t)
	cancel := func(code string) reply {
		t.Helper()
		return tb.send(t, http.MethodPost, api.DeviceCancelPath, url.Values{"client_id": {client}, "device_code": {code}}, nil)
	}
	for range 30 { // more than one address may have pending
		a := tb.begin(t)
		for range 2 { // a lost response repeats
			if got := cancel(a.DeviceCode); got.status != http.StatusOK || strings.TrimSpace(got.body) != "{}" {
				t.Fatalf("cancel: %d %s", got.status, got.body)
			}
		}
		if tb.clock.advance(3 * time.Second); t.Failed() {
			break
		}
	}
	a := tb.begin(t)
	if got := cancel(strings.Repeat("A", len(a.DeviceCode))); got.status != http.StatusOK || strings.TrimSpace(got.body) != "{}" {
		t.Errorf("an unknown code: %d %s", got.status, got.body)
	}
	wantError(t, cancel("short"), "invalid_request")
	wantError(t, tb.send(t, http.MethodPost, api.DeviceCancelPath, url.Values{"client_id": {"other"}, "device_code": {a.DeviceCode}}, nil), "invalid_client")
	wantError(t, tb.poll(t, a, ""), "authorization_pending") // all of these left it as it was

	b := &browser{tb: tb}
	q := b.approve(t, a)
	n := number(t, b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}}))
	cancel(a.DeviceCode)
	wantError(t, tb.poll(t, a, n), "access_denied")
	if got, _ := b.open(t, path(t, a.Complete)); got.status != http.StatusGone {
		t.Errorf("the page of a canceled code: %d", got.status)
	}

	a = tb.begin(t)
	q = b.approve(t, a)
	n = number(t, b.back(t, url.Values{"state": {q.Get("state")}, "code": {"the-code"}}))
	if got := tb.poll(t, a, n); got.fields["access_token"] != "the-code" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	cancel(a.DeviceCode)
	if _, err := tb.broker.Claim(t.Context(), api.DeviceNonce(a.DeviceCode), "session-1"); !errors.Is(err, device.ErrFinished) {
		t.Errorf("a canceled request opened a session: %v", err)
	}
	if tb.book.of("canceled in the terminal") != 0 {
		t.Error("a cancel by the terminal is an event")
	}
}

// Cancels are limited for each address.
func TestCancelsAreLimited(t *testing.T) {
	tb := newTestbed(t)
	a := tb.begin(t)
	code := strings.Repeat("A", len(a.DeviceCode))
	refused := 0
	for range 70 {
		got := tb.send(t, http.MethodPost, api.DeviceCancelPath, url.Values{"client_id": {client}, "device_code": {code}}, nil)
		if got.status == http.StatusTooManyRequests {
			refused++
			if got.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if refused != 10 {
		t.Errorf("%d of 70 were refused, want 10", refused)
	}
	tb.clock.advance(time.Minute)
	if got := tb.send(t, http.MethodPost, api.DeviceCancelPath, url.Values{"client_id": {client}, "device_code": {code}}, nil); got.status != http.StatusOK {
		t.Errorf("a minute later: %d", got.status)
	}
}
