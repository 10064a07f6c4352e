package fetch

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
)

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

// Failures of one GET. See retry.
type s3Error struct {
	status     int
	code       string // S3's, for the decision alone
	request    string // the request that released the URL, as ticket.Ticket.Request
	retryAfter time.Duration
}

func (e *s3Error) Error() string { return fmt.Sprintf("the storage answered %d", e.status) }

// badAnswer is the error of a response that contradicts the request, such as
// another range than the requested one.
type badAnswer string

func (e badAnswer) Error() string { return string(e) }

// get requests [off, end); end < 0 requests all, without a Range.
func (c *Client) get(ctx context.Context, t *ticket.Ticket, off, end int64) (*answer, error) {
	req := (&http.Request{Method: http.MethodGet, URL: t.URL, Host: t.Host, Header: t.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if end >= 0 || t.Header == nil {
		if req.Header = t.Header.Clone(); req.Header == nil { // several connections use the ticket at once
			req.Header = http.Header{}
		}
	}
	if end >= 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(off, 10)+"-"+strconv.FormatInt(end-1, 10))
	}
	resp, err := c.requests.RoundTrip(req)
	if err != nil {
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
		return nil, readFailure(resp, t.Request)
	}
	a := &answer{body: resp.Body, n: resp.ContentLength, total: -1}
	// RFC 9110 §13.1.1: an answer to If-Match is of that content. One without an
	// ETag is not the storage's: a sign-in page of a network, for example.
	switch a.etag = api.ETag(h.Get("ETag")); {
	case a.etag == "" && t.Header.Get("If-Match") != "":
		return nil, badAnswer("the answer is not the storage's: it has no ETag")
	case a.etag != "" && t.ETag != "" && a.etag != api.ETag(t.ETag):
		return nil, &s3Error{status: http.StatusPreconditionFailed, request: t.Request}
	}
	a.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	if t.ETag == "" && !t.Modified.IsZero() && !a.modified.IsZero() && !a.modified.Equal(t.Modified) {
		return nil, &s3Error{status: http.StatusPreconditionFailed, request: t.Request} // only the date distinguishes two contents
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
		return nil, badAnswer("the storage sent another part of the file than the requested one")
	}
	a.off, a.n, a.total = from, to-from, total
	return a, nil
}

// contentRange reads "bytes 0-9/100" (RFC 9110 §14.4) as [from, to).
func contentRange(s string) (from, to, total int64, err error) {
	bad := badAnswer("the storage sent a part of the file without its position")
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

func readFailure(resp *http.Response, request string) error {
	e := &s3Error{status: resp.StatusCode, request: request}
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
