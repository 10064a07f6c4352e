// Package objecttest is a fake S3 with faults. A test chooses the objects and can
// change each response. The fake checks no signatures: it simulates an unreliable
// storage only. Package sandbox/s3 simulates a correct one. Only tests import this
// package.
package objecttest

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Object is one object. Every field may be invalid.
type Object struct {
	Body     string
	ETag     string // sent unchanged; "": the MD5 in quotes
	Modified string // in listings; "": a date
	Size     string // in listings; "": the size of the body
	Class    string // "": STANDARD
	Restore  string // x-amz-restore
	Header   http.Header
}

// Hook can respond to a request in place of the storage. It reports whether it did.
type Hook func(w http.ResponseWriter, r *http.Request, bucket, key string) bool

// Storage is the fake S3. Its fields may be set before the first request.
type Storage struct {
	URL    string
	OnList func(*Listing)
	OnHead Hook
	OnGet  Hook

	mu      sync.Mutex
	objects map[string]map[string]Object
	seen    []string
}

// New starts a Storage, and stops it at the end of the test.
func New(t testing.TB) *Storage {
	t.Helper()
	s := &Storage{objects: map[string]map[string]Object{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Put adds an object.
func (s *Storage) Put(bucket, key string, o Object) {
	if o.ETag == "" {
		sum := md5.Sum([]byte(o.Body))
		o.ETag = `"` + hex.EncodeToString(sum[:]) + `"`
	}
	if o.Modified == "" {
		o.Modified = "2026-11-01T00:00:00.000Z"
	}
	if o.Size == "" {
		o.Size = strconv.Itoa(len(o.Body))
	}
	if o.Class == "" {
		o.Class = "STANDARD"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[bucket] == nil {
		s.objects[bucket] = map[string]Object{}
	}
	s.objects[bucket][key] = o
}

// SetHooks replaces the hooks, nil for none. It is safe during requests.
func (s *Storage) SetHooks(list func(*Listing), head, get Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.OnList, s.OnHead, s.OnGet = list, head, get
}

// Seen returns the requests so far, as "METHOD /path?query".
func (s *Storage) Seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// ServeHTTP implements http.Handler.
func (s *Storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
	hook := s.OnGet
	if r.Method == http.MethodHead {
		hook = s.OnHead
	}
	o, ok := s.objects[bucket][key]
	s.mu.Unlock()
	switch {
	case key == "" && r.Method == http.MethodHead:
	case key == "":
		s.list(w, r, bucket)
	case hook != nil && hook(w, r, bucket, key):
	case !ok:
		Refuse(w, r, http.StatusNotFound, "NoSuchKey", "")
	default:
		o.serve(w, r)
	}
}

func (o Object) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", o.ETag)
	h.Set("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
	h.Set("Content-Type", "application/octet-stream")
	if o.Class != "STANDARD" {
		h.Set("X-Amz-Storage-Class", o.Class)
	}
	if o.Restore != "" {
		h.Set("X-Amz-Restore", o.Restore)
	}
	for name, values := range o.Header {
		h[name] = values
	}
	frozen := (o.Class == "GLACIER" || o.Class == "DEEP_ARCHIVE") && !strings.Contains(o.Restore, `"false"`)
	if r.Method == http.MethodGet && frozen {
		h.Del("ETag")
		Refuse(w, r, http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's storage class")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && strings.Trim(match, `" `) != strings.Trim(o.ETag, `" `) {
		Refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "")
		return
	}
	// ServeContent would compare an invalid ETag with If-Match itself.
	r.Header.Del("If-Match")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(o.Body))
}

// Refuse responds with an S3 error. The response to HEAD has no body, as in S3.
func Refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	body := `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + message +
		`</Message><RequestId>R</RequestId></Error>`
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body))
	}
}

// encode returns a name in the form of encoding-type url.
func encode(name string) string {
	return strings.NewReplacer("%2F", "/", "%2A", "*").Replace(url.QueryEscape(name))
}
