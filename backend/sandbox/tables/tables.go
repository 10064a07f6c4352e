// Package tables is the part of DynamoDB that usher needs, in memory: minidyn
// behind DynamoDB's own limits of size, with streams, expiry and signatures.
package tables

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/truora/minidyn/server"

	"usher/backend/sandbox/sigv4"
)

// Config configures a Server. Only Now is required.
type Config struct {
	Now func() time.Time
	// Region and Secret verify signatures. Without Secret, every call is accepted.
	Region string
	Secret func(keyID string) (secret string, known bool)
	// Streams are the tables with a stream of new and old images. Streamed gets the
	// records of each applied call, in order, and must not call the server.
	Streams  []string
	Streamed func(records []Record)
}

// Server is the http.Handler. Safe for concurrent use.
type Server struct {
	c     Config
	inner *server.Server

	mu       sync.Mutex        // minidyn rolls whole tables back, so calls are applied one at a time
	tokens   map[string]Answer // of transactions, as AWS keeps them for 10 minutes
	sequence int64             // of the last record of a stream
}

// Answer is the answer to a call.
type Answer struct {
	Status int
	Body   []byte
	Units  int // write units
}

// New returns a server without tables.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		return nil, errors.New("tables: a clock is required")
	}
	return &Server{c: c, inner: server.NewServer(), tokens: map[string]Answer{}}, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
	if err != nil {
		return
	}
	w.Header().Set("Date", s.c.Now().UTC().Format(http.TimeFormat))
	var a Answer
	if err := s.signed(r, raw); err != nil {
		a = Refusal(http.StatusBadRequest, err.Code, err.Message)
	} else {
		a = s.Apply(r.Header.Get("X-Amz-Target"), raw)
	}
	a.Write(w)
}

// signed verifies the signature of a call.
func (s *Server) signed(r *http.Request, raw []byte) *sigv4.Error {
	if s.c.Secret == nil {
		return nil
	}
	return sigv4.Config{Region: s.c.Region, Service: "dynamodb", Secret: s.c.Secret}.Check(s.c.Now(), r, raw)
}

// Write writes an answer as DynamoDB does.
func (a Answer) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.Body)), 10)) // the SDK checks it
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// Refusal returns the answer of an error.
func Refusal(status int, code, message string) Answer {
	body, err := json.Marshal(map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": message})
	if err != nil {
		status = http.StatusInternalServerError
	}
	return Answer{Status: status, Body: body}
}

// Apply applies one call. target is its X-Amz-Target.
func (s *Server) Apply(target string, raw []byte) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, op, _ := strings.Cut(target, ".")
	if op == "UpdateTimeToLive" {
		return Answer{Status: http.StatusOK, Body: []byte("{}")}
	}
	units, problem := measure(op, raw)
	if problem != "" {
		return Refusal(http.StatusBadRequest, problem, problem)
	}
	var token struct{ ClientRequestToken string }
	if op == "TransactWriteItems" {
		_ = json.Unmarshal(raw, &token)
		if known, ok := s.tokens[token.ClientRequestToken]; ok && token.ClientRequestToken != "" {
			return known
		}
	}
	before := s.images(s.touched(op, raw))
	a := s.call(target, raw)
	if a.Status == http.StatusOK {
		a.Units = units
		s.publish(before, nil)
	}
	if token.ClientRequestToken != "" && a.Status == http.StatusOK {
		s.tokens[token.ClientRequestToken] = a
	}
	return a
}

func (s *Server) call(target string, raw []byte) Answer {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", bytes.NewReader(raw))
	r.Header.Set("X-Amz-Target", target)
	w := httptest.NewRecorder()
	s.inner.ServeHTTP(w, r)
	return Answer{Status: w.Code, Body: w.Body.Bytes()}
}

// run runs an operation of the server itself.
func (s *Server) run(op string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", op, err)
	}
	a := s.call("DynamoDB_20120810."+op, raw)
	if a.Status != http.StatusOK {
		return fmt.Errorf("%s: %s", op, a.Body)
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", op, err)
	}
	return nil
}

// Image is an item in DynamoDB's JSON.
type Image map[string]map[string]any

// text returns a text or number of an item.
func (i Image) text(name string) string {
	for _, v := range i[name] {
		if s, ok := v.(string); ok {
			return s
		}
	}
	return ""
}

// Item returns an item by its keys pk and sk, and nil if there is none.
func (s *Server) Item(table, pk, sk string) (Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.item(table, pk, sk)
}

func (s *Server) item(table, pk, sk string) (Image, error) {
	var out struct{ Item Image }
	err := s.run("GetItem", map[string]any{
		"TableName": table, "ConsistentRead": true, "Key": Image{"pk": {"S": pk}, "sk": {"S": sk}},
	}, &out)
	return out.Item, err
}

// Items returns all items of a table.
func (s *Server) Items(table string) ([]Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items(table)
}

func (s *Server) items(table string) ([]Image, error) {
	var all []Image
	in := map[string]any{"TableName": table}
	for {
		var out struct {
			Items            []Image
			LastEvaluatedKey Image
		}
		if err := s.run("Scan", in, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Items...)
		if len(out.LastEvaluatedKey) == 0 {
			return all, nil
		}
		in["ExclusiveStartKey"] = out.LastEvaluatedKey
	}
}

// Change replaces an item, or removes it if the new image is nil, as a person with
// rights to the table does.
func (s *Server) Change(table, pk, sk string, to Image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := touchedKey{table, pk, sk}
	before := s.images([]touchedKey{key})
	if err := s.change(key, to); err != nil {
		return err
	}
	s.publish(before, nil)
	return nil
}

func (s *Server) change(key touchedKey, to Image) error {
	var out struct{}
	if to == nil {
		return s.run("DeleteItem", map[string]any{"TableName": key.table, "Key": Image{"pk": {"S": key.pk}, "sk": {"S": key.sk}}}, &out)
	}
	return s.run("PutItem", map[string]any{"TableName": key.table, "Item": to}, &out)
}

// Identity is the cause of a removal.
type Identity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
}

// ByExpiry is the mark of a removal by DynamoDB itself.
// SPEC: DynamoDB developer guide, "DynamoDB Streams and Time to Live".
func ByExpiry() *Identity { return &Identity{"Service", "dynamodb.amazonaws.com"} }

// Expire removes the items of a table whose attribute ttl is in the past. DynamoDB
// does so within days.
func (s *Server) Expire(table string) (removed int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.items(table)
	if err != nil {
		return 0, err
	}
	for _, item := range all {
		ttl, err := strconv.ParseInt(item.text("ttl"), 10, 64)
		if err != nil || ttl > s.c.Now().Unix() {
			continue
		}
		key := touchedKey{table, item.text("pk"), item.text("sk")}
		before := s.images([]touchedKey{key})
		if err := s.change(key, nil); err != nil {
			return removed, err
		}
		removed++
		s.publish(before, ByExpiry())
	}
	return removed, nil
}

// streams reports whether a table has a stream.
func (s *Server) streams(table string) bool {
	return s.c.Streamed != nil && slices.Contains(s.c.Streams, table)
}
