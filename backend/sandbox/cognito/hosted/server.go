package hosted

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/backend/sandbox/cognito"
)

const (
	codeLife   = 5 * time.Minute // SPEC: authorization-endpoint: valid for five minutes
	cookieLife = time.Hour       // SPEC: managed login: cookies are valid for one hour
	pageLife   = 5 * time.Minute // of a form between two steps
	maxForm    = 16 << 10        // bytes
	maxOpen    = 4096            // open forms, codes and browser sessions
)

// Config has the dependencies of a Server. Company may be nil.
type Config struct {
	Pool    *cognito.Pool
	Now     func() time.Time
	Rand    io.Reader
	Company *Company
}

// Server is the domain of a pool. It is safe for concurrent use.
type Server struct {
	c     Config
	pages http.Handler

	mu       sync.Mutex
	codes    map[string]*code
	sessions map[string]browserSession // by cookie
	forms    map[string]form           // sign-ins between two steps, by page token
}

// code is an authorization code.
type code struct {
	grant     cognito.CodeGrant
	redirect  string
	challenge string // S256; "" without PKCE
	expires   time.Time
}

// browserSession is a browser that is signed in.
type browserSession struct {
	person  cognito.Authenticated
	expires time.Time
}

// form is a sign-in that waits for the response to a challenge.
type form struct {
	step    cognito.Step
	secret  string // MFA_SETUP: of the new authenticator app
	expires time.Time
}

// New refuses a configuration with a part missing.
func New(c Config) (*Server, error) {
	if c.Pool == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("hosted: Pool, Now and Rand are needed")
	}
	s := &Server{c: c, codes: map[string]*code{}, sessions: map[string]browserSession{}, forms: map[string]form{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /oauth2/authorize", s.authorize)
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("POST /login", s.submitLogin)
	mux.HandleFunc("GET /company/login", s.companyLogin)
	mux.HandleFunc("POST /company/login", s.submitCompany)
	mux.HandleFunc("POST /oauth2/token", s.token)
	mux.HandleFunc("POST /oauth2/revoke", s.revoke)
	mux.HandleFunc("GET /logout", s.logout)
	mux.HandleFunc("GET /error", s.failed)
	s.pages = mux
	return s, nil
}

// Serves reports whether a path belongs to this package and not to the pool.
func (s *Server) Serves(path string) bool {
	return path == "/login" || path == "/company/login" || path == "/logout" || path == "/error" ||
		strings.HasPrefix(path, "/oauth2/") && path != "/oauth2/userInfo"
}

// ServeHTTP serves the paths of Serves.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Date", s.c.Now().UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	s.pages.ServeHTTP(w, r)
}

// random returns 32 random bytes in base64url.
func (s *Server) random() string {
	b := make([]byte, 32)
	if _, err := io.ReadFull(s.c.Rand, b); err != nil {
		panic("hosted: the source of randomness failed: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// request is a checked authorization request.
type request struct {
	client    cognito.AppClient
	redirect  string
	state     string
	scopes    []string
	challenge string
	nonce     string
	resource  string
	prompt    []string
	provider  string
	hint      string
	query     url.Values
}

// refusal is an error of the authorization endpoint. Without a redirect, the
// browser stays on the error page.
type refusal struct {
	redirect, state, code, text string
}

func (r *refusal) Error() string { return r.code }

// parse checks an authorization request.
//
// SPEC: authorization-endpoint, "Examples of negative responses": errors go to
// the redirect URI only if client_id and redirect_uri are valid.
func (s *Server) parse(q url.Values) (request, error) {
	client, ok := s.c.Pool.Client(q.Get("client_id"))
	if !ok {
		return request{}, &refusal{code: "invalid_request", text: "Client does not exist or is not enabled for OAuth"}
	}
	r := request{client: client, redirect: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"),
		resource: q.Get("resource"), prompt: strings.Fields(q.Get("prompt")), provider: q.Get("identity_provider"), hint: q.Get("login_hint"), query: q}
	if !slices.Contains(client.Callbacks, r.redirect) {
		return request{}, &refusal{code: "redirect_mismatch", text: "The redirect URI is not registered"}
	}
	refuse := func(code, text string) (request, error) {
		return request{}, &refusal{r.redirect, r.state, code, text}
	}
	for name, values := range q {
		if len(values) > 1 {
			return refuse("invalid_request", "Repeated parameter "+name)
		}
	}
	switch kind := q.Get("response_type"); kind {
	case "code":
	case "token":
		return refuse("unauthorized_client", "")
	default:
		return refuse("invalid_request", "")
	}
	r.challenge = q.Get("code_challenge")
	method := q.Get("code_challenge_method")
	if (r.challenge == "") != (method == "") || method != "" && method != "S256" {
		return refuse("invalid_request", "Only the code challenge method S256 is supported")
	}
	if r.challenge != "" && !validChallenge(r.challenge) {
		return refuse("invalid_request", "Invalid code challenge")
	}
	if strings.HasPrefix(strings.TrimSpace(r.state), "{") {
		return refuse("invalid_request", "Invalid state")
	}
	if r.scopes = strings.Fields(q.Get("scope")); len(r.scopes) == 0 {
		r.scopes = client.Scopes
	}
	if slices.ContainsFunc(r.scopes, func(scope string) bool { return !slices.Contains(client.Scopes, scope) }) {
		return refuse("invalid_scope", "")
	}
	if r.resource != "" && !validResource(r.resource) {
		return refuse("invalid_request", "Invalid resource")
	}
	if r.provider != "" && r.provider != "COGNITO" && (s.c.Company == nil || r.provider != s.c.Company.Name) {
		return refuse("invalid_request", "The identity provider does not exist")
	}
	return r, nil
}

func validChallenge(challenge string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && len(raw) == sha256.Size
}

// validResource reports whether a value can be the aud of an access token.
//
// SPEC: authorization-endpoint, resource: https://, http://localhost or a custom
// scheme.
func validResource(resource string) bool {
	u, err := url.Parse(resource)
	if err != nil || u.Scheme == "" || u.Fragment != "" || len(resource) > 1024 {
		return false
	}
	return u.Scheme != "http" || u.Hostname() == "localhost"
}

// refuse redirects the browser to the client's redirect URI, or to the error page.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var why *refusal
	if !errors.As(err, &why) {
		why = &refusal{code: "server_error"}
	}
	q := url.Values{"error": {why.code}}
	if why.text != "" {
		q.Set("error_description", why.text)
	}
	if why.redirect == "" {
		http.Redirect(w, r, "/error?"+q.Encode(), http.StatusFound)
		return
	}
	if why.state != "" {
		q.Set("state", why.state)
	}
	http.Redirect(w, r, why.redirect+"?"+q.Encode(), http.StatusFound)
}

// authorize starts an authorization request.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	req, err := s.parse(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if person, ok := s.signedIn(r); ok && !slices.Contains(req.prompt, "login") {
		s.release(w, r, req, person)
		return
	}
	if slices.Contains(req.prompt, "none") {
		s.refuse(w, r, &refusal{req.redirect, req.state, "login_required", ""})
		return
	}
	page := "/login?"
	if req.provider != "" && req.provider != "COGNITO" {
		page = "/company/login?"
	}
	http.Redirect(w, r, page+r.URL.RawQuery, http.StatusFound)
}

// release redirects the browser to the client with a code.
func (s *Server) release(w http.ResponseWriter, r *http.Request, req request, person cognito.Authenticated) {
	now, name := s.c.Now(), s.random()
	s.mu.Lock()
	prune(s.codes, func(c *code) bool { return !now.Before(c.expires) })
	s.codes[name] = &code{
		grant: cognito.CodeGrant{Person: person, Client: req.client.ID, Scopes: req.scopes,
			Nonce: req.nonce, Resource: req.resource},
		redirect: req.redirect, challenge: req.challenge, expires: now.Add(codeLife),
	}
	s.mu.Unlock()
	q := url.Values{"code": {name}}
	if req.state != "" {
		q.Set("state", req.state)
	}
	http.Redirect(w, r, req.redirect+"?"+q.Encode(), http.StatusFound)
}

// prune removes expired entries of a full table, and all of them if none has
// expired.
func prune[T any](table map[string]T, expired func(T) bool) {
	if len(table) < maxOpen {
		return
	}
	for key, v := range table {
		if expired(v) {
			delete(table, key)
		}
	}
	if len(table) >= maxOpen {
		clear(table)
	}
}
