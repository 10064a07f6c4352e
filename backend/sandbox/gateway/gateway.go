// Package gateway is the part of an API Gateway HTTP API that calls a function: a
// request becomes an event of payload format 2.0, and the answer of the function a
// response.
//
// SPEC: API Gateway developer guide, "Create AWS Lambda proxy integrations for
// HTTP APIs".
package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Limits of an HTTP API and of Lambda.
// SPEC: API Gateway developer guide, "Quotas for HTTP APIs"; AWS Lambda developer
// guide, "Lambda quotas".
const (
	maxBody   = 6 << 20
	maxHeader = 10_240
	timeout   = 30 * time.Second
)

// Config configures a Gateway. All fields are required.
type Config struct {
	Invoke func(ctx context.Context, payload []byte) ([]byte, error)
	Now    func() time.Time
}

// Gateway is the http.Handler.
type Gateway struct {
	c        Config
	requests atomic.Int64
}

// New refuses a missing field.
func New(c Config) (*Gateway, error) {
	if c.Invoke == nil || c.Now == nil {
		return nil, errors.New("gateway: a function and a clock are required")
	}
	return &Gateway{c: c}, nil
}

// event is a request in payload format 2.0.
type event struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Headers         map[string]string `json:"headers"`
	RequestContext  requestContext    `json:"requestContext"`
	Body            string            `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID  string      `json:"accountId"`
	APIID      string      `json:"apiId"`
	DomainName string      `json:"domainName"`
	HTTP       description `json:"http"`
	RequestID  string      `json:"requestId"`
	Stage      string      `json:"stage"`
	Time       string      `json:"time"`
	TimeEpoch  int64       `json:"timeEpoch"`
}

type description struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// answer is the answer of a function.
type answer struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	Cookies         []string          `json:"cookies"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	size := len(r.Method) + len(r.RequestURI)
	for name, values := range r.Header {
		size += len(name) + len(strings.Join(values, ","))
	}
	if size > maxHeader {
		refuse(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Too Long")
		return
	}
	payload, err := json.Marshal(g.event(r, body))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), timeout) // a function runs on without its client
	defer cancel()
	raw, err := g.c.Invoke(ctx, payload)
	var a answer
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err == nil {
		err = a.write(w)
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
	}
}

func (g *Gateway) event(r *http.Request, body []byte) event {
	now := g.c.Now().UTC()
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	e := event{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{},
		RequestContext: requestContext{
			AccountID: "111122223333", APIID: "usherdemo1", DomainName: r.Host, Stage: "$default",
			RequestID: "request-" + strconv.FormatInt(g.requests.Add(1), 10), Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: description{Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: peer, UserAgent: r.UserAgent()},
		},
		Body: string(body),
	}
	e.Headers["host"] = r.Host
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if !utf8.Valid(body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

func (a answer) write(w http.ResponseWriter) error {
	body := []byte(a.Body)
	if a.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			return fmt.Errorf("the answer of a function: %w", err)
		}
	}
	if a.StatusCode < 100 || a.StatusCode > 599 {
		return fmt.Errorf("the answer of a function has the status %d", a.StatusCode)
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range a.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(a.StatusCode)
	_, _ = w.Write(body) // the client may have left
	return nil
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}
