// Package lambda serves an http.Handler behind an API Gateway HTTP API with
// payload format 2.0. The host is the domain of the API, and the address is the
// peer of API Gateway: X-Forwarded-For is removed, because anyone can send it.
// An event of another source is an error of the invocation and never reaches the
// handler.
//
// The package leaves the meaning of a request to the handler, and its parts to
// package serve.
package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"usher/backend/api"
	"usher/backend/safetext"
)

// MaxAnswer is the greatest size of an encoded answer in bytes. Lambda accepts
// 6,291,556.
//
// SPEC: AWS Lambda developer guide, "Lambda quotas": 6 MB for a synchronous
// response.
const MaxAnswer = 5_500_000

// margin is the time between the end of a request's context and that of the
// invocation, for an answer instead of a killed instance.
const margin = 500 * time.Millisecond

// EventError is the refusal of an event that is no request of an HTTP API. Lambda
// shows its text to the administrator.
type EventError struct{ text string }

func (e *EventError) Error() string { return e.text }

// Config holds the parts of an Adapter. All are required.
type Config struct {
	Handler http.Handler
	Log     *slog.Logger
}

// Adapter turns events into requests. It implements the Handler of aws-lambda-go.
type Adapter struct {
	c      Config
	warned sync.Once // a path with a prefix was logged
}

// New returns an Adapter. It refuses a missing part.
func New(c Config) (*Adapter, error) {
	if c.Handler == nil || c.Log == nil {
		return nil, errors.New("lambda: a handler and a log are needed")
	}
	return &Adapter{c: c}, nil
}

// Invoke serves the request of one event and returns the encoded answer.
func (a *Adapter) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	r, err := a.request(payload)
	if err != nil {
		a.c.Log.Error("event refused", "error", safetext.New(err.Error()))
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
		defer cancel()
	}
	w := &recorder{header: http.Header{}}
	a.c.Handler.ServeHTTP(w, r.WithContext(ctx))
	answer, err := w.answer()
	if err != nil || len(answer) <= MaxAnswer {
		return answer, err
	}
	a.c.Log.Error("answer too large for Lambda", "bytes", len(answer), "request", w.header.Get("X-Request-Id"))
	return tooLarge(w.header)
}

// request returns the request of an event.
//
// SPEC: API Gateway developer guide, "Create AWS Lambda proxy integrations for
// HTTP APIs", payload format version 2.0.
func (a *Adapter) request(payload []byte) (*http.Request, error) {
	var in events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, &EventError{"the event is no request of an API Gateway HTTP API"}
	}
	at := in.RequestContext
	switch {
	case in.Version == "1.0":
		return nil, &EventError{"the event has payload format 1.0: set the payload format version of the API's integration to 2.0"}
	case in.Version != "2.0", at.HTTP.Method == "", at.DomainName == "", !strings.HasPrefix(in.RawPath, "/"):
		return nil, &EventError{"the event is no request of an API Gateway HTTP API with payload format 2.0"}
	}
	body := []byte(in.Body)
	if in.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.Body); err != nil {
			return nil, &EventError{"the body of the event is not base64"}
		}
	}
	target := in.RawPath
	if in.RawQueryString != "" {
		target += "?" + in.RawQueryString
	}
	r := &http.Request{
		Method: at.HTTP.Method, Host: at.DomainName, RemoteAddr: at.HTTP.SourceIP, RequestURI: target,
		URL:   &url.URL{Path: in.RawPath, RawQuery: in.RawQueryString},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	// Add keeps two spellings of one name as two values, which the handler refuses.
	for name, value := range in.Headers {
		r.Header.Add(name, value)
	}
	r.TransferEncoding = r.Header["Transfer-Encoding"]
	for _, name := range []string{"Host", "X-Forwarded-For", "Forwarded", "Transfer-Encoding"} {
		r.Header.Del(name)
	}
	a.prefixed(in.RawPath)
	return r, nil
}

// prefixed logs a path with a stage or an API mapping before it. The handler
// answers such a request like any other unknown path.
func (a *Adapter) prefixed(path string) {
	prefix, _, found := strings.Cut(path, "/v1/")
	if !found || prefix == "" {
		return
	}
	a.warned.Do(func() {
		a.c.Log.Error("the path of a request has a prefix; serve the API at the root of its domain: on the stage $default and without an API mapping key",
			"prefix", safetext.New(prefix))
	})
}

// recorder is the http.ResponseWriter of one request.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// answer returns the encoded answer of a request.
func (w *recorder) answer() ([]byte, error) {
	w.WriteHeader(http.StatusOK)
	out := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: map[string]string{}, Body: w.body.String()}
	for name, values := range w.header {
		switch name {
		case "Connection", "Content-Length": // API Gateway's own
		default:
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	if w.header.Get("Content-Encoding") != "" || !utf8.Valid(w.body.Bytes()) {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body.Bytes()), true
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false) // a URL has many ampersands
	if err := encoder.Encode(out); err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return encoded.Bytes(), nil
}

// tooLarge returns the answer in place of one over MaxAnswer.
func tooLarge(header http.Header) ([]byte, error) {
	row := api.Lookup(api.TooLarge)
	id := header.Get("X-Request-Id")
	body, err := json.Marshal(api.ErrorBody{Error: api.Error{Code: row.Code, Message: row.Sentence, RequestID: id}})
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	w := &recorder{header: header.Clone(), status: row.Status}
	w.header.Del("Content-Encoding")
	w.header.Set("Content-Type", "application/json")
	w.body.Write(body)
	return w.answer()
}
