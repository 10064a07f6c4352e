package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"usher/backend/accesslog"
	"usher/backend/api"
	"usher/backend/safetext"
)

const (
	maxBody     = 8 << 10          // bytes of a form
	maxQuery    = 8 << 10          // bytes of a callback
	bodyTime    = 10 * time.Second // longest transfer of a body
	busySeconds = 60               // Retry-After over a limit
)

// issuedTokenType names the authorization code in a response.
const issuedTokenType = "urn:usher:token-type:authorization-code"

// HandlerConfig holds the parts of a Handler. All are required.
type HandlerConfig struct {
	Broker       *Broker
	Organization string
	Hosts        func() []string            // accepted Host headers
	Source       func(*http.Request) string // the client's address
	NewID        func(time.Time) string     // request ids
	Log          *slog.Logger
}

// Handler serves the endpoints of terminals and the pages of browsers.
type Handler struct {
	c     HandlerConfig
	b     *Broker
	pages *pages
}

// NewHandler refuses a configuration with a missing part.
func NewHandler(c HandlerConfig) (*Handler, error) {
	if c.Broker == nil || c.Hosts == nil || c.Source == nil || c.NewID == nil || c.Log == nil {
		return nil, errors.New("device: the handler needs a broker, hosts, a source, ids and a log")
	}
	return &Handler{c: c, b: c.Broker, pages: newPages(c.Organization)}, nil
}

// Serves reports whether a path belongs to the handler.
func Serves(path string) bool {
	lower := strings.ToLower(path)
	return lower == "/d" || strings.HasPrefix(lower, "/d/") || ofTerminal(path)
}

// ofTerminal reports whether a path is an endpoint of terminals.
func ofTerminal(path string) bool {
	return path == api.DeviceAuthorizePath || path == api.DeviceTokenPath || path == api.DeviceCancelPath
}

// visit is one HTTP request.
type visit struct {
	h       *http.Request
	w       http.ResponseWriter
	address string
	agent   string
	form    url.Values
}

// ServeHTTP handles a request and logs one line without codes.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.b.c.Now()
	id := h.c.NewID(began)
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	v := &visit{h: r, w: w, address: h.c.Source(r), agent: r.UserAgent()}
	status, err := h.route(v)
	accesslog.Write(r.Context(), h.c.Log, accesslog.Line{Request: id, Verb: "device", Status: status,
		Took: h.b.c.Now().Sub(began), Address: v.address, Err: err})
}

// route answers a request. It returns the status and the cause of a refusal.
func (h *Handler) route(v *visit) (int, error) {
	path := v.h.URL.Path
	terminal := ofTerminal(path)
	if err := h.guard(v); err != nil {
		if terminal {
			return h.oauth(v, err)
		}
		return h.problem(v, err)
	}
	switch {
	case terminal:
		if v.h.Method != http.MethodPost {
			return h.oauth(v, errMethod)
		}
		if err := h.read(v); err != nil {
			return h.oauth(v, err)
		}
		switch path {
		case api.DeviceAuthorizePath:
			return h.authorize(v)
		case api.DeviceCancelPath:
			return h.cancel(v)
		}
		return h.token(v)
	case strings.EqualFold(path, "/d/callback"):
		return h.callback(v)
	case v.h.Method == http.MethodPost:
		if err := h.read(v); err != nil {
			return h.problem(v, err)
		}
		if strings.EqualFold(path, "/d/decide") {
			return h.decide(v)
		}
		return h.look(v, v.form.Get("code"))
	case strings.EqualFold(path, "/d"), strings.EqualFold(path, "/d/"):
		return h.show(v, http.StatusOK, pageCode, page{})
	}
	return h.look(v, path[len("/d/"):])
}

// Refusals of the guard.
var (
	errHost   = errors.New("another host")
	errOrigin = errors.New("another origin")
	errMethod = errors.New("method")
	errQuery  = errors.New("query")
	errType   = errors.New("content type")
	errBody   = errors.New("body")
)

// guard accepts requests of terminals without an origin, and requests of the
// pages' own forms. Only the callback has a query.
func (h *Handler) guard(v *visit) error {
	r := v.h
	terminal := ofTerminal(r.URL.Path)
	origins := r.Header.Values("Origin")
	switch {
	case !slices.Contains(h.c.Hosts(), strings.ToLower(r.Host)) || r.URL.IsAbs():
		return errHost
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		return errMethod
	case terminal && len(origins) > 0:
		return errOrigin
	case !terminal && r.Method == http.MethodPost && !h.ownForm(r, origins):
		return errOrigin
	case strings.EqualFold(r.URL.Path, "/d/callback"):
		if r.Method == http.MethodPost {
			return errMethod
		}
		if len(r.URL.RawQuery) > maxQuery {
			return errQuery
		}
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		return errQuery
	}
	return nil
}

// ownForm reports whether a form was sent by a page of this origin. The pages
// have Referrer-Policy same-origin: with no-referrer, Origin would be "null".
func (h *Handler) ownForm(r *http.Request, origins []string) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return len(origins) == 1 && origins[0] == h.b.c.Origin && (site == "" || site == "same-origin")
}

// read parses a form. Each name may occur once.
func (h *Handler) read(v *visit) error {
	kind, _, err := mime.ParseMediaType(v.h.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || len(v.h.Header.Values("Content-Type")) != 1 || v.h.Header.Get("Content-Encoding") != "" {
		return errType
	}
	_ = http.NewResponseController(v.w).SetReadDeadline(time.Now().Add(bodyTime))
	raw, err := io.ReadAll(io.LimitReader(v.h.Body, maxBody+1))
	if err != nil || len(raw) > maxBody {
		return errBody
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return errBody
	}
	for _, values := range form {
		// SPEC: RFC 6749 §3.2: parameters must not be included more than once.
		if len(values) > 1 || !utf8.ValidString(values[0]) {
			return errBody
		}
	}
	v.form = form
	return nil
}

// authorize is the device authorization endpoint.
func (h *Handler) authorize(v *visit) (int, error) {
	host := v.form.Get("host")
	if safetext.New(host).Escaped() {
		return h.oauth(v, &Error{Code: "invalid_request", Text: "the host name has characters that a screen does not show"})
	}
	a, err := h.b.Authorize(v.h.Context(), Terminal{
		ClientID: v.form.Get("client_id"), Challenge: v.form.Get("code_challenge"), Method: v.form.Get("code_challenge_method"),
		Host: host, Address: v.address,
	})
	if err != nil {
		return h.oauth(v, err)
	}
	return h.json(v, http.StatusOK, a), nil
}

// delivered is the successful response of the token endpoint.
type delivered struct {
	Code        string `json:"access_token"` // an authorization code
	TokenType   string `json:"token_type"`
	IssuedType  string `json:"issued_token_type"`
	RedirectURI string `json:"redirect_uri"` // to redeem the code
}

// token is the token endpoint.
func (h *Handler) token(v *visit) (int, error) {
	if v.form.Get("grant_type") != api.DeviceGrantType {
		return h.oauth(v, &Error{Code: "unsupported_grant_type"})
	}
	code, err := h.b.Poll(v.h.Context(), Poll{
		ClientID: v.form.Get("client_id"), DeviceCode: v.form.Get("device_code"), Confirmation: v.form.Get("confirmation"),
		Address: v.address, Agent: v.agent,
	})
	if err != nil {
		return h.oauth(v, err)
	}
	return h.json(v, http.StatusOK, delivered{code, api.DeviceTokenType, issuedTokenType, h.b.Redirect()}), nil
}

// cancel ends a request. As for a revocation, the response is the same for an
// unknown code.
// SPEC: RFC 7009 §2.2.
func (h *Handler) cancel(v *visit) (int, error) {
	err := h.b.Cancel(v.h.Context(), Poll{
		ClientID: v.form.Get("client_id"), DeviceCode: v.form.Get("device_code"), Address: v.address, Agent: v.agent,
	})
	if err != nil {
		return h.oauth(v, err)
	}
	return h.json(v, http.StatusOK, struct{}{}), nil
}

// oauthError is an error on the wire.
type oauthError struct {
	Code         string `json:"error"`
	Text         string `json:"error_description,omitempty"`
	Confirmation string `json:"confirmation,omitempty"`
	Tries        int    `json:"tries,omitempty"`
	Unknown      bool   `json:"unknown,omitempty"`
	Network      bool   `json:"network,omitempty"`
}

// oauth writes an error to a terminal.
func (h *Handler) oauth(v *visit, err error) (int, error) {
	e, status := (*Error)(nil), http.StatusBadRequest
	switch {
	case errors.As(err, &e):
		return h.json(v, status, oauthError{e.Code, e.Text, e.Confirmation, e.Tries, e.Unknown, e.Network}), err
	case errors.Is(err, errHost), errors.Is(err, errOrigin), errors.Is(err, errMethod):
		status = map[error]int{errHost: http.StatusMisdirectedRequest, errOrigin: http.StatusForbidden, errMethod: http.StatusMethodNotAllowed}[err]
		return h.json(v, status, oauthError{Code: "invalid_request"}), err
	case errors.Is(err, errType), errors.Is(err, errBody), errors.Is(err, errQuery):
		return h.json(v, status, oauthError{Code: "invalid_request"}), err
	case errors.Is(err, ErrNetwork):
		return h.json(v, http.StatusForbidden, oauthError{Code: "access_denied", Text: "sign-in without a browser is not allowed from this network", Network: true}), err
	case errors.Is(err, ErrLookups):
		v.w.Header().Set("Retry-After", strconv.Itoa(busySeconds))
		return h.json(v, http.StatusTooManyRequests, oauthError{Code: "temporarily_unavailable", Text: "too many requests were canceled"}), err
	case errors.Is(err, ErrFull):
		v.w.Header().Set("Retry-After", strconv.Itoa(busySeconds))
		return h.json(v, http.StatusTooManyRequests, oauthError{Code: "temporarily_unavailable", Text: "too many sign-ins are pending"}), err
	}
	return h.json(v, http.StatusServiceUnavailable, oauthError{Code: "temporarily_unavailable"}), err
}

func (h *Handler) json(v *visit, status int, body any) int {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(v.w, "", http.StatusInternalServerError)
		return http.StatusInternalServerError
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(raw)
	return status
}

// problem writes the page of a refusal.
func (h *Handler) problem(v *visit, err error) (int, error) {
	for _, row := range []struct {
		is     error
		status int
		text   string
	}{
		{ErrUnknown, http.StatusNotFound, "This code is not known, or it has expired. Start the sign-in in your terminal again."},
		{ErrFinished, http.StatusGone, "This sign-in has ended already. Start the sign-in in your terminal again."},
		{ErrBrowser, http.StatusForbidden, "Another browser began this sign-in. Continue in that browser, or start the sign-in in your terminal again."},
		{ErrLookups, http.StatusTooManyRequests, "Too many codes were tried. Wait a minute, then type the code again."},
		{errHost, http.StatusMisdirectedRequest, "This server does not serve that address."},
		{errOrigin, http.StatusForbidden, "This form was not sent by a page of this server."},
		{errMethod, http.StatusMethodNotAllowed, "This page does not accept that request."},
		{errQuery, http.StatusBadRequest, "This page does not accept that request."},
		{errType, http.StatusUnsupportedMediaType, "This page does not accept that request."},
		{errBody, http.StatusBadRequest, "This page does not accept that request."},
	} {
		if errors.Is(err, row.is) {
			if row.status == http.StatusTooManyRequests {
				v.w.Header().Set("Retry-After", strconv.Itoa(busySeconds))
			}
			status, werr := h.show(v, row.status, pageProblem, page{Text: row.text})
			return status, errors.Join(err, werr)
		}
	}
	status, werr := h.show(v, http.StatusServiceUnavailable, pageProblem, page{Text: "usher could not do this now. Try again in a moment."})
	return status, errors.Join(fmt.Errorf("device page: %w", err), werr)
}
