// Package objecttest is an S3 that can answer wrongly on purpose: what it holds
// and how it bends each answer is the test's choice. It checks no signatures, so
// it stands for an unreliable storage and for nothing else; the sandbox is the
// faithful one. Only tests import it.
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

// Object is one object. Every fact may be one that cannot be.
type Object struct {
	Body     string
	ETag     string // as it is sent; "": the MD5 in quotes
	Modified string // of a listing; "": a date
	Size     string // of a listing; "": the body's
	Class    string // "": STANDARD
	Restore  string // x-amz-restore
	Header   http.Header
}

// Bend answers a request in the storage's place and returns true, or leaves it
// to the storage.
type Bend func(w http.ResponseWriter, r *http.Request, bucket, key string) bool

// Storage is the S3. Its fields may be set before requests arrive.
type Storage struct {
	URL    string
	OnList func(*Listing)
	OnHead Bend
	OnGet  Bend

	mu      sync.Mutex
	objects map[string]map[string]Object
	seen    []string
}

// New starts one and ends it with the test.
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

// Bend sets how answers are bent, nil for not at all, while requests may arrive.
func (s *Storage) Bend(list func(*Listing), head, get Bend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.OnList, s.OnHead, s.OnGet = list, head, get
}

// Seen are the requests so far: "METHOD /path?query".
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
	bend := s.OnGet
	if r.Method == http.MethodHead {
		bend = s.OnHead
	}
	o, ok := s.objects[bucket][key]
	s.mu.Unlock()
	switch {
	case key == "" && r.Method == http.MethodHead:
	case key == "":
		s.list(w, r, bucket)
	case bend != nil && bend(w, r, bucket, key):
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
	// ServeContent would hold an ETag that is none against If-Match itself.
	r.Header.Del("If-Match")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(o.Body))
}

// Refuse answers with an S3 error; to HEAD without a body, as S3 does.
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

// encode is how S3 writes names with encoding-type url.
func encode(name string) string {
	return strings.NewReplacer("%2F", "/", "%2A", "*").Replace(url.QueryEscape(name))
}
