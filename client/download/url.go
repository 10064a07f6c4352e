package download

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"usher/backend/api"
)

// maxLife is the longest life that a URL may have, in seconds (design:
// configurable from 15 s to 15 min).
const maxLife = 900

// ticket is a released URL: the right to GET one content of one object for a
// short while. It is a secret: no verb prints it, see String.
type ticket struct {
	url      *url.URL
	host     string
	header   http.Header
	event    string
	etag     string
	version  string
	size     int64 // -1: the answer will say
	modified time.Time
	checksum *api.Checksum
	parts    *api.Parts
	got      time.Time
	life     time.Duration
	worked   atomic.Bool // S3 took it at least once
}

// String keeps the signature out of every log.
func (t *ticket) String() string { return "download URL of " + t.host }

// GoString keeps it out of %#v too.
func (t *ticket) GoString() string { return t.String() }

// left is the life that remains at now, by the wall clock and by the
// monotonic one, whichever says less: a laptop that slept, or a clock that was
// set, only makes usher ask again.
func (t *ticket) left(now time.Time) time.Duration {
	age := max(now.Sub(t.got), now.Round(0).Sub(t.got.Round(0)))
	return t.life - age
}

// fresh tells whether a request may still start.
func (t *ticket) fresh(now time.Time, margin time.Duration) bool {
	return t.left(now) > min(margin, t.life/3)
}

// checker holds what every URL must agree with.
type checker struct {
	hosts     []string
	allowHTTP bool
	noIfMatch bool // test only
}

// ticketOf checks a release's item against what was asked, and refuses a URL
// that names another scheme, host, object or life. The client trusts its
// backend to decide, not to send it anywhere.
func (c checker) ticketOf(ask api.ReleaseObject, item api.ReleaseItem, got time.Time) (*ticket, error) {
	refuse := func(format string, args ...any) error {
		return &Error{Kind: ErrBadURL, Path: ask.Bucket + "/" + ask.Key, Detail: fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(item.URL)
	if err != nil {
		return nil, refuse("it does not parse")
	}
	switch {
	case len(item.URL) > 16<<10:
		return nil, refuse("it is too long")
	case u.User != nil || u.Fragment != "" || u.Opaque != "":
		return nil, refuse("it holds more than an address")
	case u.Scheme == "http" && !(c.allowHTTP && loopback(u.Hostname())):
		return nil, refuse("it is not encrypted")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, refuse("it is not an https address")
	}
	path := "/" + ask.Key
	switch {
	case c.knows(u.Host, ""):
		path = "/" + ask.Bucket + path
	case !c.knows(u.Host, ask.Bucket):
		return nil, refuse("its host is not the configured storage")
	}
	if u.Path != path {
		return nil, refuse("it names another object")
	}
	if err := checkQuery(u.RawQuery); err != nil {
		return nil, refuse("%v", err)
	}
	if item.Life < 1 || item.Life > maxLife {
		return nil, refuse("its life is out of bounds")
	}
	if ask.ETag != "" && item.ETag != "" && ask.ETag != item.ETag {
		return nil, refuse("it is for another content")
	}
	t := &ticket{url: u, host: u.Host, event: item.Event, etag: item.ETag, version: item.Version, size: -1,
		checksum: item.Checksum, parts: item.Parts, got: got, life: time.Duration(item.Life) * time.Second}
	if t.etag == "" {
		t.etag = ask.ETag
	}
	if item.Size != nil {
		if t.size = *item.Size; t.size < 0 {
			return nil, refuse("the size is negative")
		}
	}
	if item.Modified != nil {
		t.modified = *item.Modified
	}
	if t.header, err = c.headers(item.Headers, t.etag, u.Host); err != nil {
		return nil, refuse("%v", err)
	}
	return t, nil
}

// knows tells whether host is one of the configured ones, as BUCKET.host if
// bucket is not empty.
func (c checker) knows(host, bucket string) bool {
	if bucket != "" {
		bucket += "."
	}
	for _, h := range c.hosts {
		if strings.EqualFold(host, bucket+h) {
			return true
		}
	}
	return false
}

// origin is where the bucket's URLs will most likely lead: to a host of its own,
// but not where that would be no name, or none that S3's certificate covers
// (S3 user guide, "Virtual hosting of general purpose buckets").
func (c checker) origin(bucket string) *url.URL {
	u := &url.URL{Scheme: "https", Host: c.hosts[0]}
	if c.allowHTTP && loopback(u.Hostname()) {
		u.Scheme = "http"
	}
	_, err := netip.ParseAddr(u.Hostname())
	plain := !strings.ContainsFunc(bucket, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') })
	if err != nil && !loopback(u.Hostname()) && plain {
		u.Host = bucket + "." + u.Host
	}
	return u
}

// checkQuery wants a presigned GET and nothing that changes the answer
// (S3 API reference, "Authenticating requests: query parameters").
func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("its query does not parse")
	}
	for name, values := range query {
		if len(values) != 1 {
			return fmt.Errorf("it repeats a parameter")
		}
		if strings.HasPrefix(strings.ToLower(name), "response-") {
			return fmt.Errorf("it changes the answer's headers")
		}
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || seconds < 1 || seconds > maxLife {
		return fmt.Errorf("its life is out of bounds")
	}
	if query.Get("X-Amz-Signature") == "" {
		return fmt.Errorf("it is not signed")
	}
	return nil
}

// headers takes what the backend says must be sent, as long as it can only
// narrow the request, and adds If-Match: a version is never mixed with another.
func (c checker) headers(given map[string]string, etag, host string) (http.Header, error) {
	h := http.Header{"User-Agent": {"usher"}}
	for name, value := range given {
		switch lower := strings.ToLower(name); {
		case lower == "host":
			if !strings.EqualFold(value, host) {
				return nil, fmt.Errorf("its host header differs")
			}
			continue
		case lower != "if-match" && !strings.HasPrefix(lower, "x-amz-"):
			return nil, fmt.Errorf("it asks for a header that is not its to ask for")
		case strings.ContainsFunc(name, oddInName) || strings.ContainsFunc(value, oddInValue):
			return nil, fmt.Errorf("it asks for a malformed header")
		case lower == "if-match" && etag != "" && value != etag:
			return nil, fmt.Errorf("it is for another content")
		}
		h.Set(name, value)
	}
	if h.Get("If-Match") == "" && etag != "" {
		if strings.ContainsFunc(etag, oddInValue) {
			return nil, fmt.Errorf("its ETag is malformed")
		}
		h.Set("If-Match", etag)
	}
	if c.noIfMatch {
		h.Del("If-Match")
	}
	return h, nil
}

func oddInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
}

func oddInValue(r rune) bool { return r < ' ' || r > '~' }

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// normalHosts lower-cases the configured hosts and drops default ports.
func normalHosts(hosts []string) []string {
	out := make([]string, 0, len(hosts))
	for _, h := range hosts {
		h = strings.ToLower(strings.TrimSpace(h))
		if name, port, err := net.SplitHostPort(h); err == nil && port == "443" {
			h = name
		}
		if h != "" {
			out = append(out, h)
		}
	}
	return out
}
