// Package hostedtest is a browser for tests of sign-ins at hosted pages. Only
// tests import it.
package hostedtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Browser has cookies and follows redirects, without scripts.
type Browser struct {
	client *http.Client
	// Stop ends the redirects before an address; nil follows all.
	Stop func(*url.URL) bool
	// Visited has the address of each request, redirects included. Titles has the
	// titles of the pages, as a browser's history has them.
	Visited []*url.URL
	Titles  []string
}

// Page is the last response of a visit. URL is its address, or the address before
// which Stop ended the visit.
type Page struct {
	URL    *url.URL
	Status int
	Body   string
}

// New returns a browser without cookies.
func New() (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &Browser{client: &http.Client{Jar: loopbackJar{jar}, Timeout: 30 * time.Second}}
	b.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		b.Visited = append(b.Visited, r.URL)
		if b.Stop != nil && b.Stop(r.URL) {
			return http.ErrUseLastResponse
		}
		if len(via) > 10 {
			return errors.New("too many redirects")
		}
		return nil
	}
	return b, nil
}

// Trust makes the browser trust certificates.
func (b *Browser) Trust(roots *x509.CertPool) {
	b.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

// loopbackJar returns secure cookies to loopback addresses without TLS, as
// browsers do.
// SPEC: W3C Secure Contexts §3.1: loopback addresses are potentially trustworthy.
type loopbackJar struct{ http.CookieJar }

func (j loopbackJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		c.Secure = false
	}
	j.CookieJar.SetCookies(u, cookies)
}

// Visit opens an address.
func (b *Browser) Visit(ctx context.Context, address string) (Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Page{}, err
	}
	return b.do(req)
}

var (
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	action = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// Submit sends the form of a page with pairs of names and values.
func (b *Browser) Submit(ctx context.Context, p Page, fields ...string) (Page, error) {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(p.Body, -1) {
		form.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	target := action.FindStringSubmatch(p.Body)
	if target == nil {
		return Page{}, fmt.Errorf("no form on %s (%d)", p.URL.Path, p.Status)
	}
	to, err := p.URL.Parse(html.UnescapeString(target[1]))
	if err != nil {
		return Page{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return Page{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", to.Scheme+"://"+to.Host)
	return b.do(req)
}

// SignIn opens the address of a sign-in and sends user name and password.
func (b *Browser) SignIn(ctx context.Context, address, username, password string) (Page, error) {
	p, err := b.Visit(ctx, address)
	if err != nil || !strings.Contains(p.Body, `name="password"`) {
		return p, err
	}
	return b.Submit(ctx, p, "username", username, "password", password)
}

// Cookies returns the values of the browser's cookies for an address.
func (b *Browser) Cookies(u *url.URL) (values []string) {
	for _, c := range b.client.Jar.Cookies(u) {
		values = append(values, c.Value)
	}
	return values
}

var title = regexp.MustCompile(`(?s)<title>(.*?)</title>`)

func (b *Browser) do(req *http.Request) (Page, error) {
	b.Visited = append(b.Visited, req.URL)
	resp, err := b.client.Do(req)
	if err != nil {
		return Page{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Page{}, err
	}
	p := Page{resp.Request.URL, resp.StatusCode, string(body)}
	if m := title.FindStringSubmatch(p.Body); m != nil {
		b.Titles = append(b.Titles, m[1])
	}
	if resp.StatusCode/100 == 3 {
		p.URL, err = resp.Location()
	}
	return p, err
}

// Claims returns the payload of a token. It verifies no signature.
func Claims(t testing.TB, token string) map[string]any {
	t.Helper()
	var out map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token+"..", ".")[1])
	if err != nil || json.Unmarshal(raw, &out) != nil {
		t.Fatalf("no token: %q", token)
	}
	return out
}
