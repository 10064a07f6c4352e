// Package ticket checks a released URL against the requested object. The backend
// decides which users may fetch an object. It does not decide where the client
// sends its requests: a URL with another scheme, host, object or life is refused.
//
// The package is pure: it opens no connection, reads no clock and no file.
package ticket

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// MaxLife is the longest life of a URL, in seconds.
const MaxLife = 900

const maxURL = 16 << 10 // bytes

// ErrRefused is the kind of every refusal; compare with errors.Is.
var ErrRefused = errors.New("the download address is not to be trusted")

// Error is a refusal. Its text is one sentence for people and repeats nothing
// of the URL.
type Error struct {
	Path   string // the object, raw
	Reason string // safe to print
}

func (e *Error) Error() string {
	return fmt.Sprintf("The server sent an unexpected download address for %s (%s), so nothing was fetched. Tell your administrator.", safetext.Line(e.Path), e.Reason)
}

// Is compares by kind.
func (e *Error) Is(target error) bool { return target == ErrRefused }

// Exit is the exit code of a command that ends with this error.
func (e *Error) Exit() int { return api.ExitUnavailable }

// Ticket is a released URL that passed the check: the right to GET one content
// of one object for a short time. It is a secret: no format verb prints it.
type Ticket struct {
	URL      *url.URL
	Host     string
	Header   http.Header // of each request; shared, not to be changed
	Event    string      // the audit event
	Request  string      // the id of the release's request, for a message to an administrator
	ETag     string      // "": not known
	Version  string
	Size     int64 // bytes; -1: not known before the storage's response
	Modified time.Time
	Checksum *api.Checksum
	Parts    *api.Parts
	Got      time.Time     // before the release was requested
	Life     time.Duration // from Got
}

// String returns a text without the signature, so that no log contains it.
func (t *Ticket) String() string { return "download URL of " + t.Host }

// GoString does the same for %#v.
func (t *Ticket) GoString() string { return t.String() }

// left returns the remaining life at now: the smaller one by the wall clock and
// by the monotonic clock. A suspended laptop or a changed clock costs at most one
// more release.
func (t *Ticket) left(now time.Time) time.Duration {
	age := max(now.Sub(t.Got), now.Round(0).Sub(t.Got.Round(0)))
	return t.Life - age
}

// Fresh reports whether a request may still start: the remaining life is longer
// than margin, or than a third of a short life.
func (t *Ticket) Fresh(now time.Time, margin time.Duration) bool {
	return t.left(now) > min(margin, t.Life/3)
}

// Checker checks URLs against the configured hosts.
type Checker struct {
	hosts     []string
	allowHTTP bool
}

// Config is the input of New.
type Config struct {
	Hosts     []string // host[:port] of the storage; BUCKET.host is allowed too
	AllowHTTP bool     // http is allowed to loopback addresses
}

// New returns an error if Hosts names no host.
func New(c Config) (*Checker, error) {
	hosts := normalHosts(c.Hosts)
	if len(hosts) == 0 {
		return nil, errors.New("ticket: Config.Hosts is missing: no download address could be trusted")
	}
	return &Checker{hosts: hosts, allowHTTP: c.AllowHTTP}, nil
}

// Check compares a released item with the requested object. got is the time
// before the request was sent. Every error is an *Error.
func (c *Checker) Check(ask api.ReleaseObject, item api.ReleaseItem, got time.Time) (*Ticket, error) {
	refuse := func(reason string) (*Ticket, error) {
		return nil, &Error{Path: ask.Bucket + "/" + ask.Key, Reason: reason}
	}
	u, reason := c.checkURL(ask, item.URL)
	switch {
	case reason != "":
		return refuse(reason)
	case item.Life < 1 || item.Life > MaxLife:
		return refuse("its life is out of bounds")
	case ask.Version != "" && u.Query().Get("versionId") != ask.Version:
		return refuse("it is for another version")
	case ask.ETag != "" && item.ETag != "" && ask.ETag != item.ETag:
		return refuse("it is for another content")
	case item.Size != nil && *item.Size < 0:
		return refuse("the size is negative")
	}
	t := &Ticket{URL: u, Host: u.Host, Event: item.Event, ETag: item.ETag, Version: item.Version, Size: -1,
		Checksum: item.Checksum, Parts: item.Parts, Got: got, Life: time.Duration(item.Life) * time.Second}
	if t.ETag == "" {
		t.ETag = ask.ETag
	}
	if item.Size != nil {
		t.Size = *item.Size
	}
	if item.Modified != nil {
		t.Modified = *item.Modified
	}
	if t.Header, reason = headers(item.Headers, t.ETag, u.Host); reason != "" {
		return refuse(reason)
	}
	return t, nil
}

// checkURL parses the URL and returns the reason if it is refused.
func (c *Checker) checkURL(ask api.ReleaseObject, raw string) (u *url.URL, reason string) {
	if len(raw) > maxURL {
		return nil, "it is too long"
	}
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, "it does not parse"
	}
	switch {
	case u.User != nil || u.Fragment != "" || u.Opaque != "":
		return nil, "it holds more than an address"
	case u.Scheme == "http" && !(c.allowHTTP && shape.Loopback(u.Hostname())):
		return nil, "it is not encrypted"
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "it is not an https address"
	}
	path := "/" + ask.Key
	switch {
	case c.allows(u.Host, ""):
		path = "/" + ask.Bucket + path
	case !c.allows(u.Host, ask.Bucket):
		return nil, "its host is not the configured storage"
	}
	if u.Path != path {
		return nil, "it names another object"
	}
	return u, checkQuery(u.RawQuery)
}

// allows reports whether host is one of the configured hosts, as BUCKET.host if
// bucket is not empty.
func (c *Checker) allows(host, bucket string) bool {
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

// Origin returns the likely address of the bucket's URLs: BUCKET.host. The
// address is the host alone if that is an IP address or loopback, or if the
// certificate of S3 does not cover the bucket's name (S3 user guide, "Virtual
// hosting of general purpose buckets").
func (c *Checker) Origin(bucket string) *url.URL {
	u := &url.URL{Scheme: "https", Host: c.hosts[0]}
	if c.allowHTTP && shape.Loopback(u.Hostname()) {
		u.Scheme = "http"
	}
	_, err := netip.ParseAddr(u.Hostname())
	plain := !strings.ContainsFunc(bucket, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') })
	if err != nil && !shape.Loopback(u.Hostname()) && plain {
		u.Host = bucket + "." + u.Host
	}
	return u
}

// checkQuery accepts a presigned GET without parameters that change the response
// (S3 API reference, "Authenticating requests: query parameters").
func checkQuery(raw string) (reason string) {
	var names [maxParameters]string
	life, signature := "", ""
	n := 0
	for parameter := range strings.SplitSeq(raw, "&") {
		if parameter == "" {
			continue
		}
		name, value, _ := strings.Cut(parameter, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		switch {
		case err1 != nil || err2 != nil || strings.Contains(parameter, ";"): // as url.ParseQuery
			return "its query does not parse"
		case n == maxParameters:
			return "it has too many parameters"
		case slices.Contains(names[:n], name):
			return "it repeats a parameter"
		case len(name) >= len(override) && strings.EqualFold(name[:len(override)], override):
			return "it changes the answer's headers"
		case name == "X-Amz-Expires":
			life = value
		case name == "X-Amz-Signature":
			signature = value
		}
		names[n] = name
		n++
	}
	seconds, err := strconv.Atoi(life)
	switch {
	case err != nil || seconds < 1 || seconds > MaxLife:
		return "its life is out of bounds"
	case signature == "":
		return "it is not signed"
	}
	return ""
}

const (
	maxParameters = 32          // a presigned URL of S3 has about 10
	override      = "response-" // begins the parameters that change the response's headers
)

// headers returns the headers that the backend requires. A header that could
// widen the request is refused. If-Match is added, so that two contents of an
// object are never mixed.
func headers(given map[string]string, etag, host string) (h http.Header, reason string) {
	h = make(http.Header, len(given)+2)
	set := func(name, value string) { h[textproto.CanonicalMIMEHeaderKey(name)] = []string{value} }
	h["User-Agent"] = userAgent
	for name, value := range given {
		switch lower := strings.ToLower(name); {
		case lower == "host":
			if !strings.EqualFold(value, host) {
				return nil, "its host header differs"
			}
			continue
		case lower != "if-match" && !strings.HasPrefix(lower, "x-amz-"):
			return nil, "it needs a header that a download does not have"
		case strings.ContainsFunc(name, oddInName) || strings.ContainsFunc(value, oddInValue):
			return nil, "it needs a malformed header"
		case lower == "if-match" && etag != "" && value != etag:
			return nil, "it is for another content"
		}
		set(name, value)
	}
	if h.Get("If-Match") == "" && etag != "" {
		if strings.ContainsFunc(etag, oddInValue) {
			return nil, "its ETag is malformed"
		}
		set("If-Match", etag)
	}
	return h, ""
}

var userAgent = []string{"usher"} // shared, not to be changed

func oddInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
}

func oddInValue(r rune) bool { return r < ' ' || r > '~' }

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
