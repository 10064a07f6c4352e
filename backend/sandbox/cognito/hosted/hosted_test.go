package hosted_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api/shape"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
)

const (
	password   = "Correct-Horse-7"
	verifier   = "a-verifier-of-enough-characters-for-a-test-0123456789"
	totpSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// domain is a pool with its hosted pages, and one browser.
type domain struct {
	t       testing.TB
	pool    *cognito.Pool
	company *hosted.Company
	server  *httptest.Server
	browser *http.Client

	mu  sync.Mutex
	now time.Time
}

func (d *domain) clock() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return d.now }

func (d *domain) pass(by time.Duration) { d.mu.Lock(); defer d.mu.Unlock(); d.now = d.now.Add(by) }

func newDomain(t testing.TB) *domain {
	t.Helper()
	d := &domain{t: t, now: time.Now().Truncate(time.Second), company: &hosted.Company{Name: "Company"}}
	scopes := []string{"openid", "email"}
	var err error
	d.pool, err = cognito.New(cognito.Config{
		Region: "eu-central-1", PoolID: "eu-central-1_TestPool1", ClientID: "native", Now: d.clock, Rand: rand.Reader,
		OwnerKeys: func(string) (string, bool) { return "", false }, Rotation: true, GracePeriod: 10 * time.Second,
		Clients: []cognito.AppClient{
			{ID: "sso", Callbacks: []string{shape.Callback(shape.CallbackPorts()[0]), shape.Callback(shape.CallbackPorts()[1])}, Logouts: []string{"https://files.example.com/signed-out"}, Scopes: scopes},
			{ID: "device", Callbacks: []string{"https://files.example.com/d/callback"}, Scopes: scopes},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := hosted.New(hosted.Config{Pool: d.pool, Now: d.clock, Rand: rand.Reader, Company: d.company})
	if err != nil {
		t.Fatal(err)
	}
	d.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pages.Serves(r.URL.Path) {
			pages.ServeHTTP(w, r)
			return
		}
		d.pool.ServeHTTP(w, r)
	}))
	t.Cleanup(d.server.Close)
	if err := d.pool.SetBaseURL(d.server.URL); err != nil {
		t.Fatal(err)
	}
	for _, u := range []cognito.User{
		{Username: "ada", Email: "ada@example.com", Password: password, Groups: []string{"finance-team"}},
		{Username: "alan", Password: password, TOTPSecret: totpSecret},
		{Username: "edsger", Password: password, Temporary: true},
		{Username: "katherine", Password: password, SetUpMFA: true},
		{Username: "barbara", External: true},
	} {
		if _, err := d.pool.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	d.company.Put(hosted.Employee{Username: "barbara", Password: password, Email: "barbara@example.com", Groups: []string{"finance-team", "a/b"}})
	d.newBrowser()
	return d
}

// newBrowser replaces the browser by one without cookies. It stops at the
// redirect to a client.
func (d *domain) newBrowser() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), d.server.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// query returns a valid authorization request with changes: "" removes one.
func query(changes ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"sso"}, "redirect_uri": {shape.Callback(shape.CallbackPorts()[0])}, "scope": {"openid email"},
		"state": {"the-state"}, "nonce": {"the-nonce"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return q
}

// page is a response of the pages: a form, or a redirect to a client.
type page struct {
	status   int
	body     string
	url      *url.URL
	redirect *url.URL // nil without a redirect to a client
}

func (d *domain) read(resp *http.Response, err error) page {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	p := page{status: resp.StatusCode, body: string(body), url: resp.Request.URL}
	if resp.StatusCode == http.StatusFound {
		p.redirect, err = resp.Location()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return p
}

func (d *domain) authorize(q url.Values) page {
	d.t.Helper()
	return d.read(d.browser.Get(d.server.URL + "/oauth2/authorize?" + q.Encode()))
}

var hidden = regexp.MustCompile(`name="(_csrf|_step)" value="([^"]*)"`)

// submit sends the form of a page.
func (d *domain) submit(p page, fields ...string) page {
	d.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(p.body, -1) {
		form.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return d.read(d.browser.PostForm(p.url.String(), form))
}

// code signs ada in and returns the authorization code.
func (d *domain) code(q url.Values) string {
	d.t.Helper()
	p := d.submit(d.authorize(q), "username", "ada", "password", password)
	if p.redirect == nil || p.redirect.Query().Get("code") == "" {
		d.t.Fatalf("no code: %d %s", p.status, p.body)
	}
	return p.redirect.Query().Get("code")
}

// response is a response of the token endpoint.
type response struct {
	status  int
	Error   string `json:"error"`
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Life    int    `json:"expires_in"`
}

func (d *domain) post(path string, fields ...string) response {
	d.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	resp, err := http.PostForm(d.server.URL+path, form)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := response{status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		d.t.Fatal(err)
	}
	return out
}

func (d *domain) redeem(code string, changes ...string) response {
	d.t.Helper()
	return d.post("/oauth2/token", append([]string{"grant_type", "authorization_code", "client_id", "sso", "code", code,
		"redirect_uri", shape.Callback(shape.CallbackPorts()[0]), "code_verifier", verifier}, changes...)...)
}

func TestSignIn(t *testing.T) {
	d := newDomain(t)
	got := d.redeem(d.code(query("resource", "https://files.example.com")))
	access, id := hostedtest.Claims(t, got.Access), hostedtest.Claims(t, got.ID)
	if got.status != http.StatusOK || got.Refresh == "" || got.Type != "Bearer" || got.Life != 600 {
		t.Fatalf("%+v", got)
	}
	if access["client_id"] != "sso" || access["scope"] != "openid email" || access["aud"] != "https://files.example.com" || access["token_use"] != "access" {
		t.Errorf("the access token has %v", access)
	}
	if id["aud"] != "sso" || id["nonce"] != "the-nonce" || id["email"] != "ada@example.com" || id["origin_jti"] != access["origin_jti"] {
		t.Errorf("the ID token has %v", id)
	}
	// The token endpoint keeps aud; the API does not, and the ID token of a
	// renewal has no nonce.
	d.pass(time.Minute)
	again := d.post("/oauth2/token", "grant_type", "refresh_token", "client_id", "sso", "refresh_token", got.Refresh)
	if a := hostedtest.Claims(t, again.Access); a["aud"] != "https://files.example.com" || a["origin_jti"] != access["origin_jti"] || a["auth_time"] != access["auth_time"] {
		t.Errorf("the renewed token has %v", a)
	}
	if again.Refresh == "" || again.Refresh == got.Refresh || hostedtest.Claims(t, again.ID)["nonce"] != nil {
		t.Errorf("a renewal without rotation: %v", hostedtest.Claims(t, again.ID))
	}
	d.pass(time.Minute)
	if late := d.post("/oauth2/token", "grant_type", "refresh_token", "client_id", "sso", "refresh_token", got.Refresh); late.Error != "invalid_grant" {
		t.Errorf("a replaced refresh token gives %q", late.Error)
	}
	if other := d.post("/oauth2/token", "grant_type", "refresh_token", "client_id", "device", "refresh_token", again.Refresh); other.Error != "invalid_grant" {
		t.Errorf("another client's refresh token gives %q", other.Error)
	}
	if r := d.post("/oauth2/revoke", "token", again.Refresh, "client_id", "sso"); r.status != http.StatusOK {
		t.Errorf("revoking: %+v", r)
	}
	if r := d.post("/oauth2/token", "grant_type", "refresh_token", "client_id", "sso", "refresh_token", again.Refresh); r.Error != "invalid_grant" {
		t.Errorf("a revoked refresh token gives %q", r.Error)
	}
}

// A code is for one use, one client, one redirect URI and one verifier, for five
// minutes.
func TestCode(t *testing.T) {
	d := newDomain(t)
	for name, row := range map[string]struct {
		wait    time.Duration
		changes []string
		want    string
	}{
		"right":          {0, nil, ""},
		"late":           {5 * time.Minute, nil, "invalid_grant"},
		"verifier":       {0, []string{"code_verifier", verifier + "x"}, "invalid_grant"},
		"no verifier":    {0, []string{"code_verifier", ""}, "invalid_grant"},
		"redirect":       {0, []string{"redirect_uri", shape.Callback(shape.CallbackPorts()[1])}, "invalid_grant"},
		"client":         {0, []string{"client_id", "device"}, "invalid_grant"},
		"unknown client": {0, []string{"client_id", "nobody"}, "invalid_client"},
		"native client":  {0, []string{"client_id", "native"}, "invalid_client"},
		"grant":          {0, []string{"grant_type", "password"}, "unsupported_grant_type"},
		"no grant":       {0, []string{"grant_type", ""}, "invalid_request"},
	} {
		d.newBrowser()
		code := d.code(query())
		d.pass(row.wait)
		if got := d.redeem(code, row.changes...); got.Error != row.want {
			t.Errorf("%s: %q, want %q", name, got.Error, row.want)
		}
		if row.want == "invalid_client" || strings.HasSuffix(name, "grant") {
			continue // the code was not looked at
		}
		if got := d.redeem(code); got.Error != "invalid_grant" {
			t.Errorf("%s: the second use gives %q", name, got.Error)
		}
	}
}

func TestAuthorizationErrors(t *testing.T) {
	d := newDomain(t)
	for name, row := range map[string]struct {
		changes []string
		want    string
	}{
		"implicit":        {[]string{"response_type", "token"}, "unauthorized_client"},
		"no type":         {[]string{"response_type", ""}, "invalid_request"},
		"plain":           {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"no method":       {[]string{"code_challenge_method", ""}, "invalid_request"},
		"short challenge": {[]string{"code_challenge", "abc"}, "invalid_request"},
		"self-service":    {[]string{"scope", "openid aws.cognito.signin.user.admin"}, "invalid_scope"},
		"unknown scope":   {[]string{"scope", "openid x"}, "invalid_scope"},
		"resource":        {[]string{"resource", "http://127.0.0.1:8400"}, "invalid_request"},
		"JSON state":      {[]string{"state", `{"a":1}`}, "invalid_request"},
		"provider":        {[]string{"identity_provider", "Nobody"}, "invalid_request"},
		"silent":          {[]string{"prompt", "none"}, "login_required"},
	} {
		p := d.authorize(query(row.changes...))
		if p.redirect == nil || p.redirect.Query().Get("error") != row.want || p.redirect.Query().Get("state") != query(row.changes...).Get("state") {
			t.Errorf("%s: %d %v", name, p.status, p.redirect)
		}
	}
	for name, changes := range map[string][]string{
		"another port": {"redirect_uri", "http://127.0.0.1:17852/callback"},
		"another host": {"redirect_uri", "http://localhost:17851/callback"},
		"a slash":      {"redirect_uri", "http://127.0.0.1:17851/callback/"},
		"no redirect":  {"redirect_uri", ""},
		"no client":    {"client_id", "nobody"},
		"native":       {"client_id", "native"},
	} {
		if p := d.authorize(query(changes...)); p.redirect != nil || p.status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, p.status, p.redirect)
		}
	}
}

// A browser stays signed in for one hour from the sign-in, used or not.
func TestBrowserSession(t *testing.T) {
	d := newDomain(t)
	first := d.redeem(d.code(query()))
	for _, wait := range []time.Duration{30 * time.Minute, 29 * time.Minute} {
		d.pass(wait)
		p := d.authorize(query("prompt", "none"))
		if p.redirect == nil || p.redirect.Query().Get("code") == "" {
			t.Fatalf("after %v: %v", wait, p.redirect)
		}
		got := d.redeem(p.redirect.Query().Get("code"))
		if a, b := hostedtest.Claims(t, got.Access), hostedtest.Claims(t, first.Access); a["auth_time"] != b["auth_time"] || a["origin_jti"] == b["origin_jti"] {
			t.Errorf("auth_time %v, origin_jti %v", a["auth_time"], a["origin_jti"])
		}
	}
	if p := d.authorize(query("prompt", "login")); p.redirect != nil || !strings.Contains(p.body, `name="password"`) {
		t.Errorf("prompt=login shows %d %s", p.status, p.body)
	}
	d.pass(2 * time.Minute)
	if p := d.authorize(query()); p.redirect != nil {
		t.Error("the browser is signed in after an hour")
	}
}

func TestLogout(t *testing.T) {
	d := newDomain(t)
	d.code(query())
	for _, q := range []string{"client_id=sso&logout_uri=https://evil.example.com", "client_id=nobody&logout_uri=https://files.example.com/signed-out", "client_id=sso"} {
		if p := d.read(d.browser.Get(d.server.URL + "/logout?" + q)); p.redirect != nil || p.status != http.StatusBadRequest {
			t.Errorf("%s: %d", q, p.status)
		}
	}
	if p := d.authorize(query()); p.redirect == nil {
		t.Fatal("a refused sign-out ended the session")
	}
	p := d.read(d.browser.Get(d.server.URL + "/logout?client_id=sso&logout_uri=https://files.example.com/signed-out"))
	if p.redirect == nil || p.redirect.String() != "https://files.example.com/signed-out" {
		t.Errorf("%d %v", p.status, p.redirect)
	}
	if p := d.authorize(query()); p.redirect != nil {
		t.Error("the browser is still signed in")
	}
}
