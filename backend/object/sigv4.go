package object

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// queryV4 makes presigned URLs of GETs with Signature Version 4 in the query. The
// SDK's signer builds an http.Request for each URL and needs five times the CPU
// time. A test compares both for many objects and credentials.
// SPEC: Amazon S3 API reference, "Authenticating Requests: Using Query Parameters
// (AWS Signature Version 4)".
type queryV4 struct {
	region    string
	base      *url.URL
	pathStyle bool

	mu     sync.Mutex
	stamps map[stampKey]*stamp
}

// maxStamps bounds the cache of stamps. A page of URLs has one.
const maxStamps = 64

type stampKey struct {
	access, secret, token string
	date                  int64
	life                  time.Duration
}

// stamp holds the parts of a URL that depend on credential, date and life alone.
type stamp struct {
	query  string // from X-Amz-Algorithm to X-Amz-SignedHeaders=
	prefix string // of the string to sign
	key    []byte // signing key
}

// get is one GET to sign. The values of the headers have no space at their ends
// and no two consecutive spaces.
type get struct {
	bucket, key, version, event string
	headers                     [][2]string // lower-case names in byte order, without host
}

// sign returns the URL of a GET.
func (q *queryV4) sign(creds aws.Credentials, date time.Time, life time.Duration, g get) string {
	s := q.stamp(creds, date, life)
	host := q.base.Host
	path := make([]byte, 0, 256)
	path = append(path, '/')
	if q.pathStyle || dotted(g.bucket) {
		path = append(append(path, g.bucket...), '/')
	} else {
		host = g.bucket + "." + host
	}
	path = appendEscaped(path, g.key, '/')

	names := make([]byte, 0, 64)
	names = append(names, "host"...)
	for _, h := range g.headers {
		names = append(append(names, ';'), h[0]...)
	}
	query := make([]byte, 0, len(s.query)+256)
	query = append(query, s.query...)
	query = appendEscaped(query, string(names), 0)
	if g.version != "" {
		query = appendEscaped(append(query, "&versionId="...), g.version, 0)
	}
	query = appendEscaped(append(query, "&"+eventParameter+"="...), g.event, 0)

	canonical := make([]byte, 0, len(path)+len(query)+512)
	canonical = append(canonical, "GET\n"...)
	canonical = append(append(canonical, path...), '\n')
	canonical = append(append(canonical, query...), "\nhost:"...)
	canonical = append(append(canonical, hostHeader(q.base.Scheme, host)...), '\n')
	for _, h := range g.headers {
		canonical = append(append(append(append(canonical, h[0]...), ':'), h[1]...), '\n')
	}
	canonical = append(append(append(canonical, '\n'), names...), "\nUNSIGNED-PAYLOAD"...)
	sum := sha256.Sum256(canonical)

	text := append(canonical[:0], s.prefix...)
	text = hex.AppendEncode(text, sum[:])
	signature := mac(s.key, text)

	out := append(canonical[:0], q.base.Scheme...)
	out = append(append(append(out, "://"...), host...), path...)
	out = append(append(append(out, '?'), query...), "&X-Amz-Signature="...)
	return string(hex.AppendEncode(out, signature))
}

// dotted reports whether a bucket needs the path style: the certificate of S3
// covers one label before its host.
// SPEC: S3 user guide, "Virtual hosting of general purpose buckets".
func dotted(bucket string) bool { return strings.Contains(bucket, ".") }

// stamp returns the parts of a credential, a date and a life. A derived key is
// valid for a day, but the other parts change with each live check.
func (q *queryV4) stamp(creds aws.Credentials, date time.Time, life time.Duration) *stamp {
	k := stampKey{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, date.Unix(), life}
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.stamps[k]; s != nil {
		return s
	}
	day, instant := date.UTC().Format("20060102"), date.UTC().Format("20060102T150405Z")
	scope := day + "/" + q.region + "/s3/aws4_request"
	query := appendEscaped([]byte("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="), creds.AccessKeyID+"/"+scope, 0)
	query = append(query, "&X-Amz-Date="+instant+"&X-Amz-Expires="+strconv.FormatInt(int64(life/time.Second), 10)...)
	if creds.SessionToken != "" {
		query = appendEscaped(append(query, "&X-Amz-Security-Token="...), creds.SessionToken, 0)
	}
	s := &stamp{query: string(query) + "&X-Amz-SignedHeaders=", prefix: "AWS4-HMAC-SHA256\n" + instant + "\n" + scope + "\n"}
	s.key = []byte("AWS4" + creds.SecretAccessKey)
	for part := range strings.SplitSeq(scope, "/") {
		s.key = mac(s.key, []byte(part))
	}
	if q.stamps == nil || len(q.stamps) >= maxStamps {
		q.stamps = map[stampKey]*stamp{}
	}
	q.stamps[k] = s
	return s
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(text) // never fails
	return h.Sum(nil)
}

// hostHeader returns the Host header of a URL's host: without the default port.
func hostHeader(scheme, host string) string {
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// appendEscaped appends s with all bytes escaped except unreserved ones and keep.
// SPEC: as above, UriEncode().
func appendEscaped(b []byte, s string, keep byte) []byte {
	const upper = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == keep && keep != 0:
			b = append(b, c)
		default:
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return b
}
