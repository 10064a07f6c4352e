package s3

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const ownerName = "owner"

// ownerID is the canonical user id of the one account.
const ownerID = "5f0c1d5a8f1e4b7c9a3d2e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70819203"

func requestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

func hostID(requestID string) string {
	return base64.StdEncoding.EncodeToString([]byte("usher-sandbox/" + requestID))
}

// accessLog writes lines in the format of S3's server access logs.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
type accessLog struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *accessLog) write(q *request, took time.Duration) {
	r := q.r
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	requester, version, kind := "-", "-", "-"
	if q.id4.accessKeyID != "" {
		requester, version, kind = cmp.Or(q.id4.arn, ownerID), "SigV4", "AuthHeader"
		if q.id4.query {
			kind = "QueryString"
		}
	}
	size := "-"
	if q.objSize >= 0 {
		size = fmt.Sprint(q.objSize)
	}
	sent := "-"
	if q.w.n > 0 {
		sent = fmt.Sprint(q.w.n)
	}
	line := func(bucket, key, operation, sent string) string {
		return fmt.Sprintf("%s %s [%s] %s %s %s %s %s \"%s %s %s\" %d %s %s %s %d %d \"%s\" \"%s\" %s %s %s - %s %s - - -\n",
			ownerID, orDash(logSafe(bucket)), q.now.UTC().Format("02/Jan/2006:15:04:05 -0700"), orDash(logSafe(ip)), requester,
			q.id, orDash(operation), orDash(string(uriEncode(nil, key, true))),
			methodWord(r.Method), redact(r.RequestURI), orDash(logSafe(r.Proto)),
			q.w.status, orDash(q.errorCode), sent, size, took.Milliseconds(), took.Milliseconds(),
			orDash(logSafe(r.Referer())), orDash(logSafe(r.UserAgent())),
			orDash(string(uriEncode(nil, q.target.query.get("versionId"), true))), hostID(q.id), version, kind, orDash(logSafe(r.Host)))
	}
	lines := line(q.target.bucket, q.target.key, q.operation, sent)
	if q.source != "" {
		// SPEC: "Additional logging for copy operations": a copy has a second line, for
		// the read of its source.
		bucket, key, _ := strings.Cut(q.source, "/")
		lines += line(bucket, key, q.operation+"_GET", "-")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, lines)
}

// redact removes the signature and the session token from a logged URI, because
// a reader of the log could otherwise use the URL again. S3 does not promise
// that. The rest of the query, x-usher-event included, stays.
func redact(uri string) string {
	path, query, ok := strings.Cut(uri, "?")
	if !ok {
		return logSafe(uri)
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, _, _ := strings.Cut(p, "=")
		if n, ok := percentDecode(name, true); !ok || strings.EqualFold(n, "X-Amz-Signature") || strings.EqualFold(n, "X-Amz-Security-Token") {
			parts[i] = name + "=REDACTED"
		}
	}
	return logSafe(path + "?" + strings.Join(parts, "&"))
}

// logSafe escapes characters that would end a field's line or its quotes.
func logSafe(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
