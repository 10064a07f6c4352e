package hosted

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"usher/backend/sandbox/cognito"
)

const (
	cookieName = "cognito"
	csrfCookie = "XSRF-TOKEN"
)

// page is the content of a page.
type page struct {
	Title, Text, Action, CSRF, Token string
	Fields                           []field
	Company                          string // label of the company's link
	CompanyURL                       string
}

// field is one input of a form.
type field struct{ Name, Label, Type, Value, Complete string }

// show writes a page with a fresh CSRF token.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, p page) {
	if len(p.Fields) > 0 {
		p.CSRF = s.random()
		http.SetCookie(w, &http.Cookie{Name: csrfCookie, Value: p.CSRF, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		p.Action = r.URL.Path + "?" + r.URL.RawQuery
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, p.html()) // fails only if the browser is gone
}

// signedIn returns the person of the browser's cookie. Use does not extend its
// life.
func (s *Server) signedIn(r *http.Request) (cognito.Authenticated, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return cognito.Authenticated{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.sessions[c.Value]
	return b.person, ok && s.c.Now().Before(b.expires)
}

// keep sets the browser's cookie after a sign-in.
func (s *Server) keep(w http.ResponseWriter, person cognito.Authenticated) {
	now, name := s.c.Now(), s.random()
	s.mu.Lock()
	prune(s.sessions, func(b browserSession) bool { return !now.Before(b.expires) })
	s.sessions[name] = browserSession{person, now.Add(cookieLife)}
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: name, Path: "/", MaxAge: int(cookieLife / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// login shows the form for user name and password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	req, err := s.parse(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, s.passwordPage(req, ""))
}

func (s *Server) passwordPage(req request, text string) page {
	p := page{Title: "Sign in", Text: text, Fields: []field{
		{"username", "Username", "text", req.hint, "username"},
		{"password", "Password", "password", "", "current-password"},
	}}
	if s.c.Company != nil {
		q := url.Values{}
		for name, values := range req.query {
			q[name] = values
		}
		q.Set("identity_provider", s.c.Company.Name)
		p.Company, p.CompanyURL = "Sign in with "+s.c.Company.Name, "/oauth2/authorize?"+q.Encode()
	}
	return p
}

// posted checks the origin and the CSRF token of a form.
func (s *Server) posted(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.ParseForm() != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return false
	}
	c, err := r.Cookie(csrfCookie)
	if err != nil || c.Value == "" || subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.PostForm.Get("_csrf"))) != 1 {
		http.Error(w, "this form is not of this browser", http.StatusForbidden)
		return false
	}
	return true
}

// submitLogin handles the password and each further challenge.
func (s *Server) submitLogin(w http.ResponseWriter, r *http.Request) {
	req, err := s.parse(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if !s.posted(w, r) {
		return
	}
	var step cognito.Step
	open, found := s.take(r.PostForm.Get("_step"))
	switch {
	case found:
		step, err = s.respond(open, r.PostForm)
	case r.PostForm.Get("_step") != "":
		err = errors.New("expired")
	default:
		step, err = s.c.Pool.StartSignIn(strings.TrimSpace(r.PostForm.Get("username")), r.PostForm.Get("password"))
	}
	var refused *cognito.Error
	switch {
	case err == nil && step.Challenge == "":
		s.keep(w, step.Person)
		s.release(w, r, req, step.Person)
	case err == nil:
		s.showChallenge(w, r, form{step: step}, "")
	case found && errors.As(err, &refused) && slices.Contains(repeatable(), refused.Code):
		s.showChallenge(w, r, open, refused.Message)
	case errors.As(err, &refused):
		s.show(w, r, http.StatusOK, s.passwordPage(req, refused.Message))
	default:
		s.show(w, r, http.StatusOK, s.passwordPage(req, "Something went wrong. Sign in again."))
	}
}

// repeatable returns the refusals after which a challenge can be answered again.
func repeatable() []string {
	return []string{"CodeMismatchException", "ExpiredCodeException", "EnableSoftwareTokenMFAException", "InvalidPasswordException"}
}

// take removes and returns a form.
func (s *Server) take(token string) (form, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.forms[token]
	delete(s.forms, token)
	return f, ok && s.c.Now().Before(f.expires)
}

// respond answers the challenge of a form.
func (s *Server) respond(f form, values url.Values) (cognito.Step, error) {
	switch f.step.Challenge {
	case "NEW_PASSWORD_REQUIRED":
		return s.c.Pool.ContinueSignIn(f.step, map[string]string{"NEW_PASSWORD": values.Get("new_password")})
	case "MFA_SETUP":
		return s.c.Pool.ConfirmAuthenticator(f.step, values.Get("code"))
	}
	return s.c.Pool.ContinueSignIn(f.step, map[string]string{f.step.Challenge + "_CODE": values.Get("code")})
}

// showChallenge shows the form for a challenge.
func (s *Server) showChallenge(w http.ResponseWriter, r *http.Request, f form, text string) {
	p := page{Title: "Enter the code", Text: text, Token: s.random(), Fields: []field{{"code", "Code", "text", "", "one-time-code"}}}
	switch f.step.Challenge {
	case "NEW_PASSWORD_REQUIRED":
		p.Title, p.Fields = "Change your password", []field{{"new_password", "New password", "password", "", "new-password"}}
	case "MFA_SETUP":
		if f.secret == "" {
			step, secret, err := s.c.Pool.SetUpAuthenticator(f.step)
			if err != nil {
				http.Error(w, "internal error", http.StatusInternalServerError)
				return
			}
			f.step, f.secret = step, secret
		}
		p.Title, p.Text = "Set up an authenticator app", cmp.Or(text, "Secret: "+f.secret)
	}
	f.expires = s.c.Now().Add(pageLife)
	s.mu.Lock()
	prune(s.forms, func(f form) bool { return !s.c.Now().Before(f.expires) })
	s.forms[p.Token] = f
	s.mu.Unlock()
	s.show(w, r, http.StatusOK, p)
}

// companyLogin shows the company's own form.
func (s *Server) companyLogin(w http.ResponseWriter, r *http.Request) {
	req, err := s.parse(r.URL.Query())
	if err != nil || s.c.Company == nil {
		s.refuse(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, s.companyPage(req, ""))
}

func (s *Server) companyPage(req request, text string) page {
	return page{Title: s.c.Company.Name + " sign-in", Text: text, Fields: []field{
		{"username", "User name", "text", req.hint, "username"},
		{"password", "Password", "password", "", "current-password"},
	}}
}

// submitCompany handles the company's form. A failure of the provider itself goes
// to the client, like Cognito's.
func (s *Server) submitCompany(w http.ResponseWriter, r *http.Request) {
	req, err := s.parse(r.URL.Query())
	if err != nil || s.c.Company == nil {
		s.refuse(w, r, err)
		return
	}
	if !s.posted(w, r) {
		return
	}
	e, err := s.c.Company.check(strings.TrimSpace(r.PostForm.Get("username")), r.PostForm.Get("password"))
	if errors.Is(err, errCompany) {
		s.show(w, r, http.StatusOK, s.companyPage(req, "The user name or the password is not correct."))
		return
	}
	var person cognito.Authenticated
	if err == nil {
		person, err = s.c.Company.federate(s.c.Pool, e)
	}
	var why *refusal
	switch {
	case err == nil:
		s.keep(w, person)
		s.release(w, r, req, person)
	case errors.As(err, &why):
		s.refuse(w, r, &refusal{req.redirect, req.state, why.code, why.text})
	default:
		s.refuse(w, r, &refusal{req.redirect, req.state, "invalid_request", "Error in attributes of the identity provider"})
	}
}

// logout ends the browser's session, not the tokens of any client.
//
// SPEC: logout-endpoint: client_id with logout_uri, or the parameters of a new
// sign-in.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	client, ok := s.c.Pool.Client(q.Get("client_id"))
	to := q.Get("logout_uri")
	switch {
	case ok && to != "" && slices.Contains(client.Logouts, to):
	case ok && to == "" && slices.Contains(client.Callbacks, q.Get("redirect_uri")):
		to = "/login?" + r.URL.RawQuery
	default:
		s.refuse(w, r, &refusal{code: "invalid_request", text: "The sign-out URL is not registered"})
		return
	}
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.sessions, c.Value)
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, to, http.StatusFound)
}

// failed is the error page for a request without a valid redirect URI.
func (s *Server) failed(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.show(w, r, http.StatusBadRequest, page{Title: "Error", Text: cmp.Or(q.Get("error_description"), q.Get("error"))})
}
