package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"usher/backend/safetext"
)

const (
	maxQuery = 8 << 10 // bytes
	maxText  = 300     // characters of an error's description
	lastPage = time.Second
)

// Listener receives the browser's return on 127.0.0.1. One Listener serves one
// Request.
type Listener struct {
	port   int
	path   string
	socket net.Listener
	server *http.Server
	result chan result // buffered: one result

	mu      sync.Mutex
	request *Request
	done    bool // the result is there
}

type result struct {
	code string
	err  error
}

// Listen opens the first free port. ErrPorts means that all are taken: Cognito
// accepts no other ports.
func Listen(ctx context.Context, ports []int, path string) (*Listener, error) {
	var last error
	for _, port := range ports {
		socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		l := &Listener{port: port, path: path, socket: socket, result: make(chan result, 1)}
		l.server = &http.Server{
			Handler: http.HandlerFunc(l.serve), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
			WriteTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10,
		}
		go func() { _ = l.server.Serve(socket) }()
		return l, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, errors.Join(ErrPorts, last)
}

// Port returns the port of the listener.
func (l *Listener) Port() int { return l.port }

// RedirectURI returns the address of the listener, as it is registered. SPEC: RFC
// 8252 §7.3: an address, not localhost.
func (l *Listener) RedirectURI() string {
	return "http://127.0.0.1:" + strconv.Itoa(l.port) + l.path
}

// Expect names the request whose return is accepted. Until then every return is
// refused.
func (l *Listener) Expect(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.request = r
}

// Wait returns the code of the browser's return. The error is a *Declined,
// ErrTimeout after limit, or the context's.
func (l *Listener) Wait(ctx context.Context, limit time.Duration) (Code, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-l.result:
		if r.err != nil {
			return Code{}, r.err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		q := l.request
		return Code{Code: r.code, Verifier: q.verifier, RedirectURI: q.redirect, Nonce: q.nonce}, nil
	case <-timer.C:
		return Code{}, ErrTimeout
	case <-ctx.Done():
		return Code{}, ctx.Err()
	}
}

// Close ends the listener, after the page that is being sent.
func (l *Listener) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), lastPage)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close()
	}
	_ = l.socket.Close() // Serve may not have begun
}

// serve answers a request. Only the return with the right state has an effect.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	switch {
	case r.Host != "127.0.0.1:"+strconv.Itoa(l.port):
		// A foreign name that resolves to this machine (DNS rebinding).
		page(w, http.StatusMisdirectedRequest, "Wrong address", "This address is not served here.")
	case r.URL.Path != l.path || r.URL.IsAbs():
		page(w, http.StatusNotFound, "Not found", "There is nothing here.")
	case r.Method != http.MethodGet:
		h.Set("Allow", http.MethodGet)
		page(w, http.StatusMethodNotAllowed, "Not allowed", "Only a browser's return is accepted here.")
	default:
		l.accept(w, r)
	}
}

// accept handles a browser's return.
func (l *Listener) accept(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q, err := query(r.URL.RawQuery)
	switch {
	case err != nil || l.request == nil || subtle.ConstantTimeCompare([]byte(q["state"]), []byte(l.request.state)) != 1:
		page(w, http.StatusBadRequest, "Not this sign-in", "This page does not belong to the sign-in that usher waits for. Go back to the page that usher opened, or start again in your terminal.")
	case l.done:
		page(w, http.StatusGone, "Already used", "This sign-in was completed already. Continue in your terminal.")
	case q["iss"] != "" && q["iss"] != l.request.issuer: // SPEC: RFC 9207 §2.4
		page(w, http.StatusBadRequest, "Not this sign-in", "This page is from another sign-in service than the one that usher uses.")
	case q["error"] != "":
		l.finish(result{err: &Declined{safetext.New(clip(q["error"])), safetext.New(clip(q["error_description"]))}})
		page(w, http.StatusOK, "usher: not signed in", "The sign-in did not succeed. Your terminal has the reason. You can close this page.")
	case q["code"] != "":
		l.finish(result{code: q["code"]})
		page(w, http.StatusOK, "usher: signed in", "Continue in your terminal. You can close this page.")
	default:
		page(w, http.StatusBadRequest, "Not this sign-in", "This page has no code. Go back to the page that usher opened.")
	}
}

// finish records the result. The caller holds l.mu.
func (l *Listener) finish(r result) {
	l.done = true
	select {
	case l.result <- r:
	default: // there is one already
	}
}

// query parses a query and refuses repeated names (RFC 6749 §3.1).
func query(raw string) (map[string]string, error) {
	if len(raw) > maxQuery {
		return nil, errors.New("the query is too long")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, all := range values {
		if len(all) != 1 {
			return nil, errors.New("a name is repeated")
		}
		out[name] = all[0]
	}
	return out, nil
}

func clip(s string) string {
	if runes := []rune(strings.ToValidUTF8(s, "?")); len(runes) > maxText {
		return string(runes[:maxText])
	}
	return s
}

func page(w http.ResponseWriter, status int, title, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>"+
		html.EscapeString(title)+"</title></head><body><h1>"+html.EscapeString(title)+"</h1><p>"+html.EscapeString(text)+"</p></body></html>\n") // fails only if the browser is gone
}
