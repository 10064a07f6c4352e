package download

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	"usher/client/download/h1"
	"usher/client/download/ticket"
)

// transport carries requests to S3, over HTTP/1.1 and nothing else: under
// HTTP/2 a gateway would turn 64 connections into one flow. It keeps
// connections alive, takes no compression, follows no redirect and holds no
// cookie; no credential but the presigned URL ever passes here.
type transport struct {
	straight *h1.Transport
	proxied  *http.Transport // where the environment names a proxy
}

func newTransport(h hooks, t Timeouts, most int) *transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Before pulse loses patience: no connection is the network's fault, and
	// waited for, while one that stands still is given up after some tries.
	dial := (&net.Dialer{Timeout: t.Idle / 2, KeepAlive: 15 * time.Second}).DialContext
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.rootCAs}
	return &transport{
		straight: h1.New(h1.Config{Dial: dial, TLS: trust, MaxIdle: most, Idle: idleConn, Opening: t.Idle / 2}),
		proxied: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dial,
			TLSClientConfig:        trust,
			TLSHandshakeTimeout:    t.Idle,
			Protocols:              protocols,
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
			DisableCompression:     true, // the bytes are the object's, as stored
			MaxIdleConns:           most,
			MaxIdleConnsPerHost:    most,
			IdleConnTimeout:        idleConn,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// idleConn is how long a connection is kept for the next request.
const idleConn = 15 * time.Second

// RoundTrip makes it an http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if via, err := http.ProxyFromEnvironment(req); via != nil || err != nil {
		return t.proxied.RoundTrip(req)
	}
	return t.straight.RoundTrip(req)
}

// warm opens connections ahead of the requests that will need them.
func (t *transport) warm(ctx context.Context, origin *url.URL, n int) {
	if via, err := http.ProxyFromEnvironment(&http.Request{URL: origin}); via == nil && err == nil {
		t.straight.Warm(ctx, origin.String(), n)
	}
}

func (t *transport) close() {
	t.straight.Close()
	t.proxied.CloseIdleConnections()
}

// answer is an open GET. Its body is at off and holds n bytes (-1: unknown).
type answer struct {
	body     io.ReadCloser
	off, n   int64
	total    int64 // size of the object; -1: not said
	whole    bool  // the server ignored the range, or none was asked
	modified time.Time
	etag     string
	checksum *api.Checksum
}

// Failures of one GET. What follows from each is decided in fetch.go.
type s3Error struct {
	status     int
	code       string // S3's, for the decision alone
	retryAfter time.Duration
}

func (e *s3Error) Error() string { return fmt.Sprintf("the storage answered %d", e.status) }

// badAnswer is the error of a response that contradicts the request, such as
// another range than the requested one.
type badAnswer string

func (e badAnswer) Error() string { return string(e) }

// get asks for [off, end); end < 0 asks for all, without a Range.
func (e *Engine) get(ctx context.Context, t *ticket.Ticket, off, end int64) (*answer, error) {
	req := (&http.Request{Method: http.MethodGet, URL: t.URL, Host: t.Host, Header: t.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if end >= 0 {
		req.Header = t.Header.Clone() // several connections use the ticket at once
		req.Header.Set("Range", "bytes="+strconv.FormatInt(off, 10)+"-"+strconv.FormatInt(end-1, 10))
	}
	resp, err := e.transport.RoundTrip(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	a, err := readAnswer(resp, t, off, end)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return a, nil
}

func readAnswer(resp *http.Response, t *ticket.Ticket, off, end int64) (*answer, error) {
	h := resp.Header
	switch {
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusPartialContent:
	default:
		return nil, readFailure(resp)
	}
	a := &answer{body: resp.Body, n: resp.ContentLength, total: -1}
	// RFC 9110 §13.1.1: an answer to If-Match is of that content. One without an
	// ETag is not the storage's: a sign-in page of a network, for example.
	switch a.etag = api.ETag(h.Get("ETag")); {
	case a.etag == "" && t.Header.Get("If-Match") != "":
		return nil, badAnswer("the answer is not the storage's: it has no ETag")
	case a.etag != "" && t.ETag != "" && a.etag != api.ETag(t.ETag):
		return nil, &s3Error{status: http.StatusPreconditionFailed}
	}
	a.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	if t.ETag == "" && !t.Modified.IsZero() && !a.modified.IsZero() && !a.modified.Equal(t.Modified) {
		return nil, &s3Error{status: http.StatusPreconditionFailed} // the date is all that tells two contents apart
	}
	if resp.StatusCode == http.StatusOK {
		a.whole, a.total = true, a.n
		a.checksum = headerChecksum(h)
		return a, nil
	}
	from, to, total, err := contentRange(h.Get("Content-Range"))
	if err != nil {
		return nil, err
	}
	// A cache may send less than was asked, also of a whole file: the rest is
	// asked for next (RFC 9110 §15.3.7).
	if end < 0 {
		off, end = 0, to
	}
	if from != off || to > end || a.n >= 0 && a.n != to-from {
		return nil, badAnswer("the storage sent another part of the file than was asked")
	}
	a.off, a.n, a.total = from, to-from, total
	return a, nil
}

// contentRange reads "bytes 0-9/100" (RFC 9110 §14.4) as [from, to).
func contentRange(s string) (from, to, total int64, err error) {
	bad := badAnswer("the storage sent a part of the file without saying which")
	spec, ok := strings.CutPrefix(s, "bytes ")
	span, size, ok2 := strings.Cut(spec, "/")
	first, last, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, 0, bad
	}
	total = -1
	if size != "*" {
		if total, err = strconv.ParseInt(size, 10, 64); err != nil {
			return 0, 0, 0, bad
		}
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	if err1 != nil || err2 != nil || from < 0 || to < from || total >= 0 && to >= total {
		return 0, 0, 0, bad
	}
	return from, to + 1, total, nil
}

// headerChecksum reads x-amz-checksum-*, which S3 sends with a whole GET if
// x-amz-checksum-mode was sent (S3 API reference, GetObject). Without one the
// ETag is an MD5 where the object came in one upload and is encrypted with
// neither KMS nor a customer's key (S3 API reference, Object, "ETag"): the rule
// that the backend applies to the answer of HEAD.
func headerChecksum(h http.Header) *api.Checksum {
	for _, algorithm := range []string{"CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1"} {
		if v := h.Get("X-Amz-Checksum-" + algorithm); v != "" {
			return &api.Checksum{Algorithm: algorithm, Type: h.Get("X-Amz-Checksum-Type"), Value: v}
		}
	}
	encryption := h.Get("X-Amz-Server-Side-Encryption")
	plain := (encryption == "" || encryption == "AES256") && h.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") == ""
	if sum, err := hex.DecodeString(strings.Trim(h.Get("ETag"), `"`)); plain && err == nil && len(sum) == md5.Size {
		return &api.Checksum{Algorithm: "MD5", Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(sum)}
	}
	return nil
}

func readFailure(resp *http.Response) error {
	e := &s3Error{status: resp.StatusCode}
	var body struct {
		Code    string
		Message string
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	if xml.Unmarshal(data, &body) == nil {
		e.code = body.Code
		if strings.Contains(body.Message, "expired") {
			e.code = "ExpiredToken"
		}
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.retryAfter = time.Duration(s) * time.Second
	}
	return e
}

// unreachable tells whether an error means that no connection came about, as
// opposed to one that broke.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// untrusted reports whether an error is about the server's certificate. It is
// never overruled: no request is sent over such a connection.
func untrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}

// pulse cuts a connection that gives no byte for Idle, or fewer than MinRate
// over RateWindow. One timer per connection; a read costs a clock reading.
type pulse struct {
	t     Timeouts
	cut   context.CancelCauseFunc
	timer *time.Timer
	armed time.Time
	start time.Time // of the rate window
	bytes int64
}

func newPulse(t Timeouts, cut context.CancelCauseFunc) *pulse {
	now := time.Now()
	p := &pulse{t: t, cut: cut, armed: now, start: now}
	p.timer = time.AfterFunc(t.Idle, func() { cut(errStalled) })
	return p
}

// beat notes n bytes.
func (p *pulse) beat(n int) {
	now := time.Now()
	if now.Sub(p.armed) > p.t.Idle/8 {
		p.timer.Reset(p.t.Idle)
		p.armed = now
	}
	p.bytes += int64(n)
	if since := now.Sub(p.start); since >= p.t.RateWindow {
		if float64(p.bytes) < float64(p.t.MinRate)*since.Seconds() {
			p.cut(errTooSlow)
		}
		p.start, p.bytes = now, 0
	}
}

// rest stops the watch while usher itself holds the connection back.
func (p *pulse) rest(wait func() error) error {
	p.timer.Stop()
	before := time.Now()
	err := wait()
	now := time.Now()
	p.start = p.start.Add(now.Sub(before))
	p.timer.Reset(p.t.Idle)
	p.armed = now
	return err
}

func (p *pulse) stop() { p.timer.Stop() }
