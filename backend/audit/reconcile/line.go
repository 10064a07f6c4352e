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
	Requester string    `json:"requester,omitempty"` // ARN or canonical user id
	RequestID string    `json:"request_id,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	Event     string    `json:"event,omitempty"` // id of the audit event in the signed URL; "" without one
	User      string    `json:"user,omitempty"`  // sign-in: sub or username

	keys []string // spellings of the key that the line allows
}

// reads are the operations that send the bytes of an object.
// SPEC: S3 user guide, "Amazon S3 server access log format" and "Amazon S3
// CloudTrail events".
var reads = map[string]bool{
	"REST.GET.OBJECT": true, "WEBSITE.GET.OBJECT": true, "SOAP.GET.OBJECT": true, "REST.GET.OBJECT_TORRENT": true,
	"REST.SELECT.OBJECT": true, "REST.COPY.OBJECT_GET": true, "REST.COPY.PART_GET": true,
	"GetObject": true, "GetObjectTorrent": true, "SelectObjectContent": true, "CopyObject": true, "UploadPartCopy": true,
}

// Read reports whether the request sent bytes of an object.
func (l Line) Read() bool {
	if !reads[l.Operation] || l.Error != "" {
		return false
	}
	return l.Kind == CloudTrail || l.Status == 200 || l.Status == 206
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

// session returns the name of the role session that made the request, and the
// role's name; "" for another requester.
// SPEC: IAM user guide, "IAM identifiers": arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION.
func (l Line) session() (role, name string) {
	_, rest, ok := strings.Cut(l.Requester, ":assumed-role/")
	if !ok {
		return "", ""
	}
	role, name, _ = strings.Cut(rest, "/")
	return role, name
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
	_, rest, ok := strings.Cut(text, " ")
	if !ok {
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
