package oauth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/session/oauth"
)

const password = "Correct-Horse-7"

// world is a pool with its domain, a listener on a registered port and a client.
type world struct {
	t        testing.TB
	pool     *cognito.Pool
	company  *hosted.Company
	server   *httptest.Server
	client   *oauth.Client
	listener *oauth.Listener

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request) bool // true: answered in place of the domain
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, company: &hosted.Company{Name: "Company"}}
	var err error
	for range 20 { // another process can take the port first
		if w.listener, err = oauth.Listen(t.Context(), []int{freePort(t)}, "/callback"); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.listener.Close)
	w.pool, err = cognito.New(cognito.Config{
		Region: "eu-central-1", PoolID: "eu-central-1_TestPool1", ClientID: "native", Now: time.Now, Rand: rand.Reader,
		OwnerKeys: func(string) (string, bool) { return "", false }, Rotation: true, GracePeriod: time.Minute,
		Clients: []cognito.AppClient{
			{ID: "sso", Callbacks: []string{w.listener.RedirectURI()}, Scopes: []string{"openid", "email"}},
			{ID: "other", Callbacks: []string{w.listener.RedirectURI()}, Scopes: []string{"openid", "email"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := hosted.New(hosted.Config{Pool: w.pool, Now: time.Now, Rand: rand.Reader, Company: w.company})
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		answer := w.answer
		w.mu.Unlock()
		switch {
		case answer != nil && answer(out, r):
		case pages.Serves(r.URL.Path):
			pages.ServeHTTP(out, r)
		default:
			w.pool.ServeHTTP(out, r)
		}
	}))
	t.Cleanup(w.server.Close)
	if err := w.pool.SetBaseURL(w.server.URL); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada", "grace"} {
		if _, err := w.pool.AddUser(cognito.User{Username: name, Email: name + "@example.com", Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	w.client = w.newClient("sso")
	return w
}

func (w *world) newClient(id string) *oauth.Client {
	w.t.Helper()
	c, err := oauth.New(oauth.Config{
		HTTP: &http.Client{Timeout: 20 * time.Second}, Origin: w.server.URL, Issuer: w.pool.Issuer(), ClientID: id,
		Resource: "https://files.example.com", Random: rand.Reader, Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) inject(answer func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *world) begin(o oauth.Options) *oauth.Request {
	w.t.Helper()
	r, err := w.client.Begin(w.listener.RedirectURI(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.listener.Expect(r)
	return r
}

// signIn plays the browser up to its return.
func (w *world) signIn(address, username string) hostedtest.Page {
	w.t.Helper()
	b, err := hostedtest.New()
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := b.SignIn(w.t.Context(), address, username, password)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) code() oauth.Code {
	w.t.Helper()
	code, err := w.listener.Wait(w.t.Context(), 30*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

func TestSignInRenewalAndEnd(t *testing.T) {
	w := newWorld(t)
	r := w.begin(oauth.Options{Hint: "ada"})
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("scope") != "openid email" || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" ||
		q.Get("resource") != "https://files.example.com" || q.Get("login_hint") != "ada" || len(q.Get("state")) != 43 || len(q.Get("nonce")) != 43 {
		t.Errorf("the address has %v", q)
	}
	if p := w.signIn(r.URL, "ada"); p.Status != http.StatusOK || !strings.Contains(p.Body, "Continue in your terminal.") {
		t.Fatalf("the last page: %d %s", p.Status, p.Body)
	}
	tokens, err := w.client.Redeem(t.Context(), w.code())
	if err != nil || tokens.Refresh == "" {
		t.Fatal(err)
	}
	fresh, err := w.client.Refresh(t.Context(), tokens.Refresh)
	if err != nil || fresh.Refresh == "" || fresh.Refresh == tokens.Refresh {
		t.Fatalf("the renewal: %v", err)
	}
	if c := hostedtest.Claims(t, fresh.Access); c["aud"] != "https://files.example.com" || c["client_id"] != "sso" {
		t.Errorf("the renewed token has %v", c)
	}
	for range 2 { // the second one finds an ended session
		if err := w.client.Revoke(t.Context(), fresh.Refresh); err != nil {
			t.Errorf("revoking: %v", err)
		}
	}
	if _, err := w.client.Refresh(t.Context(), fresh.Refresh); !errors.Is(err, oauth.ErrGrant) {
		t.Errorf("a renewal after the end: %v", err)
	}
}

// get sends a request to the listener.
func (w *world) get(method, path string, change func(*http.Request)) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://127.0.0.1:"+strconv.Itoa(w.listener.Port())+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Wrong returns change nothing: the right one is accepted after them, once.
func TestListener(t *testing.T) {
	w := newWorld(t)
	// Before a request is expected, an empty state is not the state.
	if status, _ := w.get(http.MethodGet, "/callback?code=x&state=", nil); status != http.StatusBadRequest {
		t.Errorf("a return without a request: %d", status)
	}
	r := w.begin(oauth.Options{})
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	state := u.Query().Get("state")
	right := "/callback?code=the-code&state=" + state
	for name, row := range map[string]struct {
		method, path string
		change       func(*http.Request)
		status       int
	}{
		"no state":        {"GET", "/callback?code=x", nil, 400},
		"empty state":     {"GET", "/callback?code=x&state=", nil, 400},
		"wrong state":     {"GET", "/callback?code=x&state=" + strings.Repeat("A", 43), nil, 400},
		"longer state":    {"GET", right + "A", nil, 400},
		"two states":      {"GET", right + "&state=" + state, nil, 400},
		"two codes":       {"GET", right + "&code=x", nil, 400},
		"no code":         {"GET", "/callback?state=" + state, nil, 400},
		"bad query":       {"GET", right + "&x=%zz", nil, 400},
		"another issuer":  {"GET", right + "&iss=https%3A%2F%2Fevil.example.com", nil, 400},
		"POST":            {"POST", right, nil, 405},
		"HEAD":            {"HEAD", right, nil, 405},
		"another path":    {"GET", "/callback/?code=x&state=" + state, nil, 404},
		"favicon":         {"GET", "/favicon.ico", nil, 404},
		"foreign host":    {"GET", right, func(r *http.Request) { r.Host = "evil.example.com" }, 421},
		"localhost":       {"GET", right, func(r *http.Request) { r.Host = "localhost:" + strconv.Itoa(w.listener.Port()) }, 421},
		"without a port":  {"GET", right, func(r *http.Request) { r.Host = "127.0.0.1" }, 421},
		"long query":      {"GET", right + "&x=" + strings.Repeat("x", 9000), nil, 400},
		"error, no state": {"GET", "/callback?error=access_denied", nil, 400},
	} {
		if status, body := w.get(row.method, row.path, row.change); status != row.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, body := w.get("GET", right, nil); status != http.StatusOK || !strings.Contains(body, "Continue in your terminal.") {
		t.Fatalf("the right return: %d %s", status, body)
	}
	if status, _ := w.get("GET", "/callback?code=second&state="+state, nil); status != http.StatusGone {
		t.Errorf("a second return: %d", status)
	}
	if code := w.code(); code.Code != "the-code" || code.RedirectURI != w.listener.RedirectURI() || code.Nonce == "" || code.Verifier == "" {
		t.Errorf("the code is %+v", code.Code)
	}
}

// The words of an identity provider are safe to print.
func TestDeclined(t *testing.T) {
	w := newWorld(t)
	w.company.Put(hosted.Employee{Username: "barbara", Password: password})
	w.company.Fail("\x1b]0;owned\x07Company Error " + strings.Repeat("x", 500))
	r := w.begin(oauth.Options{Provider: "Company"})
	w.signIn(r.URL, "barbara")
	_, err := w.listener.Wait(t.Context(), 30*time.Second)
	var declined *oauth.Declined
	if !errors.As(err, &declined) || !errors.Is(err, oauth.ErrDeclined) || declined.Code.String() != "invalid_request" {
		t.Fatalf("%v", err)
	}
	if s := declined.Text.String(); strings.ContainsAny(s, "\x1b\x07") || !strings.Contains(s, "Company Error") || len(s) > 400 {
		t.Errorf("the text is %q", s)
	}
}

func TestWaitEnds(t *testing.T) {
	w := newWorld(t)
	w.begin(oauth.Options{})
	if _, err := w.listener.Wait(t.Context(), time.Millisecond); !errors.Is(err, oauth.ErrTimeout) {
		t.Errorf("after the limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.listener.Wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

func TestPorts(t *testing.T) {
	w := newWorld(t)
	taken, free := w.listener.Port(), freePort(t)
	second, err := oauth.Listen(t.Context(), []int{taken, free}, "/callback")
	if err != nil {
		t.Fatal(err)
	}
	if second.Port() != free {
		t.Errorf("port %d, want %d", second.Port(), free)
	}
	if _, err := oauth.Listen(t.Context(), []int{taken, free}, "/callback"); !errors.Is(err, oauth.ErrPorts) {
		t.Errorf("with all ports taken: %v", err)
	}
	second.Close()
	again, err := oauth.Listen(t.Context(), []int{free}, "/callback")
	if err != nil {
		t.Fatalf("the port of a closed listener: %v", err)
	}
	again.Close()
}

func (w *world) person(name string) cognito.Authenticated {
	w.t.Helper()
	step, err := w.pool.StartSignIn(name, password)
	if err != nil {
		w.t.Fatal(err)
	}
	return step.Person
}

// The code of another sign-in is bound to another verifier and nonce.
func TestInjectedCode(t *testing.T) {
	w := newWorld(t)
	victim := w.begin(oauth.Options{})
	attacker, err := w.newClient("sso").Begin(w.listener.RedirectURI(), oauth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := hostedtest.New()
	if err != nil {
		t.Fatal(err)
	}
	b.Stop = func(u *url.URL) bool { return u.Path == "/callback" }
	p, err := b.SignIn(t.Context(), attacker.URL, "grace", password)
	if err != nil || p.URL.Query().Get("code") == "" {
		t.Fatalf("%v %v", p.URL, err)
	}
	u, err := url.Parse(victim.URL)
	if err != nil {
		t.Fatal(err)
	}
	// The attacker knows even the victim's state.
	if status, _ := w.get("GET", "/callback?code="+p.URL.Query().Get("code")+"&state="+u.Query().Get("state"), nil); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if _, err := w.client.Redeem(t.Context(), w.code()); !errors.Is(err, oauth.ErrGrant) {
		t.Errorf("the attacker's code: %v", err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	for _, v := range []any{oauth.Code{Code: "sesame", Verifier: "sesame"}, oauth.Tokens{Access: "sesame", Refresh: "sesame", ID: "sesame"}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "sesame") {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
}

func Example() {
	l, err := oauth.Listen(context.Background(), []int{0}, "/callback")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	_, err = l.Wait(context.Background(), time.Millisecond)
	fmt.Println(err)
	// Output: no browser came back in time
}
