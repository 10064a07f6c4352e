package device_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/device"
	"usher/backend/event"
)

const (
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	client    = "deviceclient"
)

// book is a log in memory. It fails while broken is set.
type book struct {
	mu     sync.Mutex
	events []event.Event
	broken bool
}

func (b *book) Record(_ context.Context, events ...event.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return errors.New("the disk is full")
	}
	b.events = append(b.events, events...)
	return nil
}

func (b *book) of(reason string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, e := range b.events {
		if e.Action == event.DeviceRefused && e.Reason == reason {
			n++
		}
	}
	return n
}

// testbed is a server with the device flow.
type testbed struct {
	clock  *clock
	book   *book
	broker *device.Broker
	web    *httptest.Server
	store  device.Store
	from   string // address of the next requests
}

func newTestbed(t *testing.T, set ...func(*device.Config)) *testbed {
	t.Helper()
	tb := &testbed{clock: newClock(), book: &book{}, from: "192.0.2.7"}
	tb.web = httptest.NewUnstartedServer(nil)
	tb.web.StartTLS()
	t.Cleanup(tb.web.Close)
	tb.store = device.NewMemory(tb.clock.now)
	ids := 0
	newID := func(time.Time) string { ids++; return fmt.Sprint("id-", ids) }
	c := device.Config{
		Store: tb.store, Log: tb.book, Key: make([]byte, 32), ClientID: client, HostedUI: "https://sign-in.example.com",
		Origin: tb.web.URL, Now: tb.clock.now, NewID: newID, Rand: rand.Reader,
	}
	for _, f := range set {
		f(&c)
	}
	broker, err := device.New(c)
	if err != nil {
		t.Fatal(err)
	}
	tb.broker = broker
	host := strings.TrimPrefix(tb.web.URL, "https://")
	h, err := device.NewHandler(device.HandlerConfig{
		Broker: broker, Organization: "Example & Co", Hosts: func() []string { return []string{host} },
		Source: func(*http.Request) string { return tb.from }, NewID: newID, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	tb.web.Config.Handler = h
	return tb
}

// reply is a response.
type reply struct {
	status int
	header http.Header
	body   string
	fields map[string]any // of a JSON body
}

func (tb *testbed) send(t *testing.T, method, path string, form url.Values, header map[string]string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, tb.web.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		if k == "Host" {
			r.Host = v
			continue
		}
		r.Header.Set(k, v)
	}
	client := tb.web.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	raw, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := reply{status: got.StatusCode, header: got.Header, body: string(raw)}
	if got.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(raw, &out.fields); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// begin starts a terminal's request.
func (tb *testbed) begin(t *testing.T) device.Authorization {
	t.Helper()
	got := tb.send(t, http.MethodPost, api.DeviceAuthorizePath, url.Values{
		"client_id": {client}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}, "host": {"build-7"}, "scope": {"openid email"},
	}, nil)
	if got.status != http.StatusOK {
		t.Fatalf("authorize: %d %s", got.status, got.body)
	}
	var a device.Authorization
	if err := json.Unmarshal([]byte(got.body), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// poll sends one request for the tokens.
func (tb *testbed) poll(t *testing.T, a device.Authorization, number string) reply {
	t.Helper()
	form := url.Values{"grant_type": {api.DeviceGrantType}, "device_code": {a.DeviceCode}, "client_id": {client}}
	if number != "" {
		form.Set("confirmation", number)
	}
	return tb.send(t, http.MethodPost, api.DeviceTokenPath, form, nil)
}

// browser is a browser with its cookie.
type browser struct {
	tb     *testbed
	cookie string
}

func (b *browser) header() map[string]string {
	h := map[string]string{"Origin": b.tb.web.URL}
	if b.cookie != "" {
		h["Cookie"] = b.cookie
	}
	return h
}

var (
	hidden = regexp.MustCompile(`name="(code|form)" value="([^"]*)"`)
	digits = regexp.MustCompile(`class="number"[^>]*>(\d{3}) (\d{3})<`)
)

// open opens the page of a code and returns its hidden fields.
func (b *browser) open(t *testing.T, path string) (reply, url.Values) {
	t.Helper()
	h := b.header()
	delete(h, "Origin")
	got := b.tb.send(t, http.MethodGet, path, nil, h)
	if set := got.header.Get("Set-Cookie"); set != "" {
		b.cookie, _, _ = strings.Cut(set, ";")
	}
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(got.body, -1) {
		form.Set(m[1], m[2])
	}
	return got, form
}

func (b *browser) answer(t *testing.T, form url.Values, answer string) reply {
	t.Helper()
	form.Set("answer", answer)
	return b.tb.send(t, http.MethodPost, "/d/decide", form, b.header())
}

// approve goes through the pages up to the hosted UI, and returns the query of
// the authorization request.
func (b *browser) approve(t *testing.T, a device.Authorization) url.Values {
	t.Helper()
	got, form := b.open(t, path(t, a.Complete))
	if got.status != http.StatusOK {
		t.Fatalf("the page of the code: %d %s", got.status, got.body)
	}
	got = b.answer(t, form, "continue")
	target, ok := strings.CutPrefix(got.header.Get("Refresh"), "0; url=")
	u, err := url.Parse(target)
	if got.status != http.StatusOK || !ok || err != nil {
		t.Fatalf("the approval: %d %q %s", got.status, got.header.Get("Refresh"), got.body)
	}
	return u.Query()
}

// back is the redirect of the hosted UI.
func (b *browser) back(t *testing.T, query url.Values) reply {
	t.Helper()
	h := b.header()
	delete(h, "Origin")
	return b.tb.send(t, http.MethodGet, "/d/callback?"+query.Encode(), nil, h)
}

// number returns the number of a page.
func number(t *testing.T, r reply) string {
	t.Helper()
	m := digits.FindStringSubmatch(r.body)
	if m == nil {
		t.Fatalf("the page shows no number: %d %s", r.status, r.body)
	}
	return m[1] + m[2]
}

func path(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

func only(network string) func(*device.Config) {
	return func(c *device.Config) { c.From = []netip.Prefix{netip.MustParsePrefix(network)} }
}

func plain(c *device.Config) { c.Plain = true }
