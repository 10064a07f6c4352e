package device

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"usher/backend/safetext"
)

//go:embed pages.css
var pagesCSS string

// cookieName has the prefix that makes a browser refuse the cookie from another
// host, from a subdomain and over HTTP.
// SPEC: RFC 6265bis §4.1.3.2.
const cookieName = "__Host-usher-device"

// pages renders the pages. They have no script and load nothing.
type pages struct {
	policy       string
	organization string
}

// The names of the pages.
const (
	pageCode    = "code"    // has the field of the user code
	pageConfirm = "confirm" // shows the request
	pageGo      = "go"      // leads to the hosted UI
	pageNumber  = "number"
	pageDone    = "done"
	pageProblem = "problem"
)

// page holds the values of all pages.
type page struct {
	Organization string
	Text         string
	Code         string // user code with its hyphen
	Host         safetext.Text
	Terminal     string
	Age          string
	Form         string // proof that the form belongs to this browser
	Target       string
	First, Last  string // halves of the number
}

func newPages(organization string) *pages {
	style := sha256.Sum256([]byte(pagesCSS))
	return &pages{
		organization: organization,
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(style[:]) +
			"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	}
}

// show writes a page.
func (h *Handler) show(v *visit, status int, name string, p page) (int, error) {
	p.Organization = h.pages.organization
	out := p.html(name)
	header := v.w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(out)))
	header.Set("Content-Security-Policy", h.pages.policy)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	v.w.WriteHeader(status)
	_, _ = io.WriteString(v.w, out)
	return status, nil
}

// look shows the request of a user code.
func (h *Handler) look(v *visit, text string) (int, error) {
	user, ok := ParseUserCode(text)
	if !ok {
		return h.show(v, http.StatusBadRequest, pageCode, page{Text: "A code has eight letters, like BCDF-GHJK. Type it as your terminal shows it."})
	}
	cookie, err := h.cookie(v)
	if err != nil {
		return h.problem(v, err)
	}
	r, err := h.b.Lookup(v.h.Context(), Visit{User: user, Cookie: cookie, Address: v.address})
	if err != nil {
		return h.problem(v, err)
	}
	return h.show(v, http.StatusOK, pageConfirm, page{
		Code: ShowUserCode(user), Host: safetext.New(r.Host), Terminal: r.Terminal,
		Age: age(h.b.c.Now().Sub(r.Created)), Form: h.form(cookie, user),
	})
}

// age returns the age of a request in words.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Minute:
		return "a minute ago"
	}
	return strconv.Itoa(int(d/time.Minute)) + " minutes ago"
}

// cookie returns the browser's cookie, and sets one if the browser has none.
// SameSite must be Lax: Strict does not come back from the hosted UI.
func (h *Handler) cookie(v *visit) (string, error) {
	if value := v.cookie(); value != "" {
		return value, nil
	}
	value, err := secret(h.b.c.Rand)
	if err != nil {
		return "", err
	}
	http.SetCookie(v.w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: int(life / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return value, nil
}

// cookie returns the browser's cookie if it has the right form, or "".
func (v *visit) cookie() string {
	c, err := v.h.Cookie(cookieName)
	if err != nil || !validSecret(c.Value) {
		return ""
	}
	return c.Value
}

// form returns the proof that a form was made for a cookie and a user code.
func (h *Handler) form(cookie, user string) string {
	return h.b.key.digest("form", cookie+"\x00"+user)
}

var errForm = errors.New("the form belongs to another browser")

// decide handles the buttons of the confirmation page.
func (h *Handler) decide(v *visit) (int, error) {
	user, ok := ParseUserCode(v.form.Get("code"))
	cookie := v.cookie()
	if !ok || cookie == "" || !h.b.key.matches("form", cookie+"\x00"+user, v.form.Get("form")) {
		return h.problem(v, fmt.Errorf("%w: %w", ErrBrowser, errForm))
	}
	visit := Visit{User: user, Cookie: cookie, Address: v.address}
	switch v.form.Get("answer") {
	case "deny":
		if err := h.b.Deny(v.h.Context(), visit, v.agent); err != nil {
			return h.problem(v, err)
		}
		return h.show(v, http.StatusOK, pageDone, page{Text: "The sign-in was refused. You can close this page."})
	case "continue":
		target, err := h.b.Approve(v.h.Context(), visit)
		if err != nil {
			return h.problem(v, err)
		}
		// form-action 'self' stops a redirect after a form, so the page itself
		// leads on.
		v.w.Header().Set("Refresh", "0; url="+target)
		return h.show(v, http.StatusOK, pageGo, page{Target: target})
	}
	return h.problem(v, errBody)
}

// callback is the redirect URI of the hosted UI.
func (h *Handler) callback(v *visit) (int, error) {
	q := v.h.URL.Query()
	for _, name := range []string{"state", "code", "error", "error_description"} {
		if len(q[name]) > 1 {
			return h.problem(v, errQuery)
		}
	}
	failure := q.Get("error")
	if text := q.Get("error_description"); text != "" {
		failure = text
	}
	number, err := h.b.Return(v.h.Context(), Callback{State: q.Get("state"), Code: q.Get("code"), Failure: failure, Cookie: v.cookie()})
	switch {
	case err != nil:
		return h.problem(v, err)
	case q.Get("code") == "":
		return h.show(v, http.StatusOK, pageProblem, page{Text: "The sign-in page returned an error: " + reason(failure) + ". Start the sign-in in your terminal again."})
	case number == "":
		return h.show(v, http.StatusOK, pageDone, page{Text: "You are signed in. Go back to your terminal."})
	}
	return h.show(v, http.StatusOK, pageNumber, page{First: number[:numberDigits/2], Last: number[numberDigits/2:]})
}
