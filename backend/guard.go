package backend

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"
	"github.com/klauspost/compress/gzhttp"

	"usher/backend/accesslog"
	"usher/backend/api"
	"usher/backend/budget"
	"usher/backend/safetext"
)

// MaxHeader is the maximum size of a request's header in bytes: 64 KiB for the
// client (a token has up to identity.MaxToken), and 4 KiB for proxies.
const MaxHeader = 68 << 10

const (
	maxUserAgent = 256              // recorded bytes
	retryAfter   = 1                // seconds, with 429 and 503
	bodyTime     = 15 * time.Second // longest transfer of a body
	maxWait      = 2 * time.Second  // longest wait for a slot
)

// bodySlots bounds the bodies being read: in total, for each person and for each
// address. Many people can share an address (behind an unconfigured proxy or a
// NAT), so one address may use half of the slots.
func bodySlots() budget.SlotLimits {
	return budget.SlotLimits{Total: 1024, Each: []int{32, 512}, Wait: maxWait}
}

// workSlots bounds the requests in handlers, in the same way.
func workSlots() budget.SlotLimits {
	return budget.SlotLimits{Total: 512, Each: []int{64, 256}, Wait: maxWait}
}

// querySlots bounds searches of the log, in total and for each person.
func querySlots() budget.SlotLimits {
	return budget.SlotLimits{Total: 8, Each: []int{2}, Wait: maxWait}
}

// failure is a handler's error with its code. The cause is for the server's log;
// the person reads the sentence of the code.
type failure struct {
	code  api.Code
	cause error
}

func (f *failure) Error() string {
	if f.cause == nil {
		return string(f.code)
	}
	return string(f.code) + ": " + f.cause.Error()
}
func (f *failure) Unwrap() error { return f.cause }

func fail(code api.Code, cause error) error { return &failure{code, cause} }

// minCompressed is the smallest size in bytes of a compressed response. A page
// of a listing, or 250 URLs, compresses to a tenth, which saves three of four
// round trips on a distant link.
const minCompressed = 2 << 10

// compressed returns next with compression of long responses, for clients that
// accept it. The secrets in responses (URLs) differ in every response, so
// compressed lengths reveal nothing about them.
func compressed(next http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, fmt.Errorf("preparing compression: %w", err)
	}
	return wrap(next), nil
}

// ServeHTTP handles a request and logs one line.
func (b *Backend) ServeHTTP(w http.ResponseWriter, h *http.Request) { b.handler.ServeHTTP(w, h) }

func (b *Backend) respond(w http.ResponseWriter, h *http.Request) {
	start := b.c.Now()
	id := b.c.NewID(start)
	header := w.Header()
	header.Set("X-Request-Id", id)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")

	r := &request{b: b, http: h, id: id, began: start, now: start, ctx: h.Context()}
	if b.c.Scope != nil {
		r.ctx = b.c.Scope(r.ctx)
	}
	body, err := b.serve(w, r)
	status := cmp.Or(r.status, http.StatusOK)
	if err != nil {
		row := api.Lookup(codeOf(err))
		status = row.Status
		body = api.ErrorBody{Error: api.Error{Code: row.Code, Message: row.Sentence, RequestID: id}}
		if row.Retry {
			header.Set("Retry-After", strconv.Itoa(retryAfter))
		}
	}
	b.log(r, status, err)
	out, merr := json.Marshal(body)
	if merr != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(status)
	_, _ = w.Write(out)
}

func codeOf(err error) api.Code {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return api.Internal
}

// log writes the line of a request, and its metrics.
func (b *Backend) log(r *request, status int, err error) {
	took, code := b.c.Now().Sub(r.began), ""
	if err != nil {
		code = string(api.Lookup(codeOf(err)).Code)
	}
	if b.c.Observe != nil {
		b.c.Observe(r.verb, cmp.Or(code, "ok"), took)
	}
	accesslog.Write(r.ctx, b.c.Log, accesslog.Line{Request: r.id, Verb: r.verb, Status: status, Took: took, Address: r.ip,
		Sub: r.claims.Sub, Code: code, Denied: r.denied, Storage: r.itemErr, Err: err})
}

// serve routes a request. A panic becomes an internal error: a bug in one
// request does not end the process.
func (b *Backend) serve(w http.ResponseWriter, r *request) (body any, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.c.Log.Error("panic", "request", r.id, "stack", safetext.New(string(debug.Stack())))
			body, err = nil, fail(api.Internal, errors.New("panic"))
		}
	}()
	r.ip = b.Source(r.http)
	if err := b.guard(r.http); err != nil {
		return nil, err
	}
	path := r.http.URL.Path
	if r.http.Method != http.MethodPost {
		switch path {
		case "/v1/config":
			r.verb = "config"
			return b.Public(r.ctx)
		case alivePath:
			r.verb = "health"
			return b.health(r, b.c.Health.Alive), nil
		case readyPath:
			r.verb = "ready"
			return b.health(r, b.c.Health.Ready), nil
		}
		return nil, fail(api.NotFound, nil)
	}
	found, ok := b.routes[path]
	if !ok {
		return nil, fail(api.NotFound, nil)
	}
	r.verb, r.route = string(found.verb), found
	return b.handle(w, r)
}

// handle runs the steps of a request with a known verb, cheap refusals first. A
// work slot is the last step before the handler: unfinished bodies and ended
// sessions use none.
func (b *Backend) handle(w http.ResponseWriter, r *request) (any, error) {
	defer r.finish()
	out, err := b.run(w, r)
	if held := b.hold(r); held != nil {
		return nil, held
	}
	return out, err
}

func (b *Backend) run(w http.ResponseWriter, r *request) (any, error) {
	if err := b.admit(w, r); err != nil {
		// Without this, net/http reads the rest of the body before the response.
		w.Header().Set("Connection", "close")
		return nil, err
	}
	done, err := b.work.Take(r.ctx, r.claims.Sub, r.ip)
	if err != nil {
		return nil, fail(api.RateLimited, fmt.Errorf("waiting for a slot, %d in use: %w", b.work.InUse(), err))
	}
	defer done()
	r.now = b.c.Now()
	out, err := r.route.serve(r)
	if err == nil {
		err = r.settled()
	}
	return out, err
}

// admit verifies the token, checks the session, and reads the body.
func (b *Backend) admit(w http.ResponseWriter, r *request) error {
	if err := r.identify(); err != nil {
		return err
	}
	if err := b.suppressed(r.ctx); err != nil {
		return err
	}
	if !b.rates.Spend(r.claims.Sub, r.route.spends, 1) {
		return fail(api.RateLimited, errors.New("over the budget"))
	}
	r.warm()
	if err := r.admitted(); err != nil {
		return err
	}
	r.begin()
	done, err := b.bodies.Take(r.ctx, r.claims.Sub, r.ip)
	if err != nil {
		return fail(api.RateLimited, fmt.Errorf("waiting to read the body, %d being read: %w", b.bodies.InUse(), err))
	}
	defer done()
	return r.read(w)
}

// admitted checks the live session and, beside it, the sign-in of a device.
func (r *request) admitted() error {
	if !r.fromDevice() {
		return r.live()
	}
	opened := make(chan error, 1)
	go func() { opened <- safely(r.opened) }()
	err := r.live()
	if closed := <-opened; closed != nil {
		return closed
	}
	return err
}

// guard refuses anything but a plain request to this server. It reads only the
// header.
func (b *Backend) guard(h *http.Request) error {
	switch {
	case headerSize(h) > MaxHeader:
		return fail(api.HeaderTooLarge, errors.New("header"))
	case h.URL.IsAbs() || h.URL.Host != "": // absolute-form would replace Host
		return fail(api.BadRequest, errors.New("absolute-form"))
	case !healthPath(h) && !slices.Contains(b.c.Hosts, strings.ToLower(h.Host)):
		return fail(api.WrongHost, errors.New("host"))
	case len(h.Header.Values("Origin")) > 0: // usher has no web page: no browser script may call it
		return fail(api.WrongHost, errors.New("origin"))
	case h.Method != http.MethodGet && h.Method != http.MethodHead && h.Method != http.MethodPost:
		return fail(api.BadRequest, errors.New("method"))
	case len(h.TransferEncoding) > 0: // even beside Content-Length: proxies differ in which of the two they follow
		return fail(api.LengthRequired, errors.New("transfer encoding"))
	case h.URL.RawQuery != "" || h.URL.ForceQuery:
		return fail(api.BadRequest, errors.New("query"))
	}
	if h.Method != http.MethodPost {
		if h.ContentLength != 0 {
			return fail(api.BadRequest, errors.New("body on GET"))
		}
		return nil
	}
	types := h.Header.Values("Content-Type")
	switch {
	case len(types) != 1 || types[0] != "application/json":
		return fail(api.UnsupportedType, errors.New("content type"))
	case len(h.Header.Values("Content-Encoding")) > 0:
		return fail(api.UnsupportedType, errors.New("content encoding"))
	case h.ContentLength < 0:
		return fail(api.LengthRequired, errors.New("no length"))
	}
	return nil
}

// headerSize returns the size of a header in HTTP/1.1 form, in bytes.
func headerSize(h *http.Request) int {
	n := len(h.Method) + len(h.RequestURI) + len(h.Host) + len(" HTTP/1.1\r\nHost: \r\n\r\n")
	for name, values := range h.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// read reads the body, within the limits of size and time.
func (r *request) read(w http.ResponseWriter) error {
	limit := r.route.limit
	if r.http.ContentLength > limit {
		return fail(api.TooLarge, nil)
	}
	// A server without deadlines (AWS Lambda) returns an error here. It delivers
	// whole bodies, so the error has no effect.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	raw, err := io.ReadAll(io.LimitReader(r.http.Body, limit+1))
	if err != nil {
		return fail(api.BadRequest, err)
	}
	_ = control.SetReadDeadline(time.Time{})
	if int64(len(raw)) > limit {
		return fail(api.TooLarge, nil)
	}
	r.body = raw
	return nil
}

// decode parses one JSON object. It refuses unknown names, repeated names, and
// names in another letter case than the API's.
func (r *request) decode(into any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(r.body, " \t\r\n"), []byte("{")) {
		return fail(api.BadRequest, errors.New("json"))
	}
	if !unicodeText(r.body) {
		return fail(api.BadRequest, errors.New("json that is not Unicode text"))
	}
	// This decoder refuses repeated names and ignores names in another case…
	if err := josejson.Unmarshal(r.body, into); err != nil {
		return fail(api.BadRequest, errors.New("json"))
	}
	// …and this one refuses unknown names and accepts names in another case. Equal
	// results mean that no name was ambiguous.
	again := reflect.New(reflect.TypeOf(into).Elem()).Interface()
	strict := json.NewDecoder(bytes.NewReader(r.body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(again); err != nil || !reflect.DeepEqual(into, again) {
		return fail(api.BadRequest, errors.New("json"))
	}
	return nil
}
