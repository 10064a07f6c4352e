// Package dynamotest runs a DynamoDB in the process of a test (minidyn), behind
// a real HTTP connection. It counts calls and write units, refuses items that
// are too large, and plays faults.
package dynamotest

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/truora/minidyn/server"

	"usher/backend/dynamo"
)

// Fault is the outcome of one call.
type Fault int

// The faults. Each but Pass is an outcome that AWS documents or a connection can
// have.
const (
	Pass     Fault = iota
	Throttle       // refused because of the rate
	Down           // the connection closes, and nothing happened
	Error500       // an internal error, and nothing happened
	Slow           // no response until the caller gives up, and nothing happened
	Landed         // the call is applied, and its response is lost
)

// Server is one DynamoDB. Safe for concurrent use.
type Server struct {
	web   *httptest.Server
	inner *server.Server
	now   func() time.Time

	mu     sync.Mutex
	calls  map[string]int
	units  int
	n      int
	fault  func(op string, n int, body []byte) Fault
	tokens map[string]answer // of transactions, as AWS keeps them for 10 minutes
	apply  sync.Mutex        // minidyn rolls whole tables back, so calls are applied one at a time
}

type answer struct {
	status int
	body   []byte
}

// New starts a server with the machine's clock, until the test ends.
func New(t testing.TB) *Server { return NewAt(t, time.Now) }

// NewAt starts a server with a clock of its own.
func NewAt(t testing.TB, now func() time.Time) *Server {
	t.Helper()
	s := &Server{inner: server.NewServer(), now: now, calls: map[string]int{}, tokens: map[string]answer{}}
	s.web = httptest.NewServer(s)
	t.Cleanup(func() {
		s.web.CloseClientConnections()
		s.web.Close()
	})
	return s
}

// Endpoint returns the URL of the server.
func (s *Server) Endpoint() string { return s.web.URL }

// AWS returns a configuration with credentials that the server accepts.
func AWS() aws.Config {
	return aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")}
}

// Client returns a new client with the machine's clock.
func (s *Server) Client(t testing.TB) *dynamo.Client { return s.ClientAt(t, time.Now) }

// ClientAt returns a new client of a machine with another clock.
func (s *Server) ClientAt(t testing.TB, now func() time.Time) *dynamo.Client {
	t.Helper()
	c, err := dynamo.New(dynamo.Config{AWS: AWS(), Endpoint: s.Endpoint(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Table creates a table and returns its name.
func (s *Server) Table(t testing.TB, name string) string {
	t.Helper()
	if err := s.Client(t).CreateTable(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	s.Reset()
	return name
}

// Calls returns the number of calls since the last Reset, by operation.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// WriteUnits returns the write units of the puts and transactions since the last
// Reset. Other writes count as one unit.
func (s *Server) WriteUnits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units
}

// Reset sets the counts to zero.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
	s.units, s.n = 0, 0
}

// Fault sets the function that chooses the outcome of each call; n counts from 1
// since the last Reset. nil ends all faults.
func (s *Server) Fault(choose func(op string, n int, body []byte) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = choose
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mu.Lock()
	s.n++
	s.calls[op]++
	choose, n := s.fault, s.n
	s.mu.Unlock()
	fault := Pass
	if choose != nil {
		fault = choose(op, n, raw)
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	switch fault {
	case Throttle:
		refuse(w, http.StatusBadRequest, "ProvisionedThroughputExceededException")
	case Error500:
		refuse(w, http.StatusInternalServerError, "InternalServerError")
	case Down:
		hangUp(w)
	case Slow:
		<-r.Context().Done()
	case Landed:
		s.run(op, r, raw)
		hangUp(w)
	case Pass:
		a := s.run(op, r, raw)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body)), 10)) // the SDK checks it
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
	}
}

// run applies one call.
func (s *Server) run(op string, r *http.Request, raw []byte) answer {
	if op == "UpdateTimeToLive" {
		return answer{http.StatusOK, []byte("{}")}
	}
	s.apply.Lock()
	defer s.apply.Unlock()
	units, problem := measure(op, raw)
	if problem != "" {
		w := httptest.NewRecorder()
		refuse(w, http.StatusBadRequest, problem)
		return answer{w.Code, w.Body.Bytes()}
	}
	var token struct{ ClientRequestToken string }
	if op == "TransactWriteItems" {
		_ = json.Unmarshal(raw, &token)
		if known, ok := s.tokens[token.ClientRequestToken]; ok && token.ClientRequestToken != "" {
			return known
		}
	}
	again := r.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(raw))
	w := httptest.NewRecorder()
	s.inner.ServeHTTP(w, again)
	a := answer{w.Code, w.Body.Bytes()}
	if token.ClientRequestToken != "" && a.status == http.StatusOK {
		s.tokens[token.ClientRequestToken] = a
	}
	s.mu.Lock()
	s.units += units
	s.mu.Unlock()
	return a
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": code})
}

// hangUp closes the connection without a response.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}
