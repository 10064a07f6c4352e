package reconcile

import (
	"net/url"
	"strings"
	"time"
)

// Kind is the log that a line comes from.
type Kind string

// The logs that Read understands.
const (
	AccessLog  Kind = "access-log" // server access log of S3, as text or as JSON of CloudWatch Logs
	CloudTrail Kind = "cloudtrail" // data event of S3
	SignIn     Kind = "sign-in"    // event of a Cognito user pool
	Foreign    Kind = "foreign"    // event of another service in CloudTrail
)

// Line is one request, as AWS logged it. Its text comes from other parties: escape
// it before it reaches a terminal.
type Line struct {
	Kind      Kind      `json:"kind"`
	Source    string    `json:"source"` // file and line or record number
	Time      time.Time `json:"time"`   // receipt of the request; access logs as text have whole seconds
	Bucket    string    `json:"bucket,omitempty"`
	Key       string    `json:"key,omitempty"` // decoded
	Version   string    `json:"version,omitempty"`
	Operation string    `json:"operation"`
	Status    int       `json:"status,omitempty"` // HTTP status; 0 in CloudTrail
	Error     string    `json:"error,omitempty"`  // error code
	Bytes     int64     `json:"bytes"`            // response bytes sent
	Address   string    `json:"address,omitempty"`
	Requester string    `json:"requester,omitempty"` // ARN, canonical user id or principal id; "" for an anonymous request
	Account   string    `json:"account,omitempty"`   // of a requester that CloudTrail names without an ARN
	RequestID string    `json:"request_id,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	Event     string    `json:"event,omitempty"` // id of the audit event in the signed URL; "" without one
	User      string    `json:"user,omitempty"`  // sign-in: sub or username

	keys []string // spellings of the key that the line allows
}

// class returns the class of the operation.
func (l Line) class() class {
	switch l.Kind {
	case AccessLog:
		return accessClass(l.Operation)
	case CloudTrail:
		return trailClass(l.Operation)
	}
	return noContent
}

// Read reports whether the request sent bytes of an object.
func (l Line) Read() bool {
	c := l.class()
	return (c == download || c == content) && l.succeeded()
}

// succeeded reports whether the request was answered with the operation's result. An
// access log has the status of the answer, and an error code can follow it in the
// middle of the body. A status can be absent.
func (l Line) succeeded() bool {
	if l.Kind == AccessLog && l.Status != 0 {
		return l.Status/100 == 2
	}
	return l.Error == ""
}

// of reports whether the line is about the object.
func (l Line) of(bucket, key string) bool {
	if l.Bucket != bucket {
		return false
	}
	for _, k := range l.keys {
		if k == key {
			return true
		}
	}
	return false
}

// eventParameter is the query parameter with the id of the audit event.
const eventParameter = "x-usher-event"

// eventOf returns the id in a query. Two different ids are none: the server signs
// one.
func eventOf(values []string) string {
	if len(values) != 1 || len(values[0]) != 26 {
		return ""
	}
	return values[0]
}

// request takes bucket-relative key, version and event from the Request-URI of an
// access log: METHOD PATH?QUERY PROTOCOL. They are exact, because the signature of
// the URL covers them: the log's key field is encoded once or twice, and a quote in
// the user agent shifts the version field.
func (l *Line) request(text, host string) {
	method, rest, ok := strings.Cut(text, " ")
	if !ok || method != "GET" { // the URI of a copy is that of its target
		return
	}
	if i := strings.LastIndex(rest, " HTTP/"); i >= 0 {
		rest = rest[:i]
	}
	path, query, _ := strings.Cut(rest, "?")
	if values, err := url.ParseQuery(query); err == nil {
		l.Event = eventOf(values[eventParameter])
		l.Version = values.Get("versionId")
	}
	plain, err := url.PathUnescape(path)
	if err != nil || !strings.HasPrefix(plain, "/") {
		return
	}
	plain = plain[1:]
	inPath, isPathStyle := strings.CutPrefix(plain, l.Bucket+"/")
	switch hosted := strings.HasPrefix(host, l.Bucket+"."); {
	case hosted:
		l.keys = []string{plain}
	case isPathStyle && host != "":
		l.keys = []string{inPath}
	case isPathStyle:
		l.keys = []string{inPath, plain}
	default:
		l.keys = []string{plain}
	}
}

// named adds the spellings of the key field, if the Request-URI gave none. The
// documentation does not state how often the field is encoded.
func (l *Line) named(field string) {
	if len(l.keys) == 0 && field != "" {
		l.keys = []string{field}
		for k := field; len(l.keys) < 3; {
			next, err := url.PathUnescape(k)
			if err != nil || next == k {
				break
			}
			l.keys, k = append(l.keys, next), next
		}
	}
	if len(l.keys) > 0 {
		l.Key = l.keys[len(l.keys)-1]
	}
}
