package object

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/safetext"
)

// The kinds of a failed call. Every error of Store wraps one of these or ErrSkew.
var (
	ErrAbsent   = errors.New("there is no such object")
	ErrArchived = errors.New("the object is archived")
	ErrRefused  = errors.New("the storage refused the server")
	// ErrDenied is an ErrRefused: the person may try again when the policy permits it.
	ErrDenied      = fmt.Errorf("%w: the policy of the bucket, or that of the server's role, denies s3:ListBucket, s3:ListBucketVersions, s3:GetObject or s3:GetObjectVersion", ErrRefused)
	ErrUnavailable = errors.New("the storage did not respond")
)

// Failure is a failed S3 call. Its text contains S3's own code and message, and is
// for the server's log.
type Failure struct {
	Kind    error  // ErrAbsent, ErrArchived, ErrRefused, ErrDenied, ErrUnavailable or ErrSkew
	Doing   string // the call
	Status  int    // HTTP status; 0: no response
	Code    string // S3's code, or this package's code for an invalid response
	Message string // S3's message
}

func (f *Failure) Error() string {
	s := f.Doing + ": " + f.Kind.Error()
	if f.Status != 0 {
		s += fmt.Sprintf(" (%d %s)", f.Status, f.Code)
	} else if f.Code != "" {
		s += " (" + f.Code + ")"
	}
	if f.Message != "" {
		s += ": " + f.Message
	}
	return s
}

// Unwrap returns the kind, for errors.Is.
func (f *Failure) Unwrap() error { return f.Kind }

const maxMessage = 300 // kept bytes of S3's message

// failed classifies the error of an S3 call. A missing bucket is a fault of the
// installation, so its kind is ErrRefused.
// SPEC: S3 API reference, "Error responses".
func failed(doing string, err error) *Failure {
	f := &Failure{Kind: ErrUnavailable, Doing: doing}
	var named smithy.APIError
	if errors.As(err, &named) {
		f.Code, f.Message = named.ErrorCode(), named.ErrorMessage()
	}
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil {
		f.Message = withoutURL(err)
		return f
	}
	f.Status = response.HTTPStatusCode()
	switch s := f.Status; {
	case s >= 200 && s < 300 && f.Code == "":
		f.Code, f.Message = "unreadable response", response.Err.Error()
	case f.Code == "InvalidObjectState":
		f.Kind = ErrArchived
	case f.Code == "RequestTimeTooSkewed":
		f.Kind = ErrSkew
	case s == http.StatusNotFound && f.Code != "NoSuchBucket":
		f.Kind = ErrAbsent
	case s == http.StatusRequestTimeout, s == http.StatusTooManyRequests, f.Code == "RequestTimeout", f.Code == "SlowDown":
	case s == http.StatusForbidden && f.Code == "AccessDenied" && !strings.Contains(f.Message, "kms:"):
		f.Kind = ErrDenied
	case s >= 300 && s < 500, s == http.StatusNotImplemented:
		f.Kind = ErrRefused
	}
	f.Message = f.Message[:min(len(f.Message), maxMessage)]
	return f
}

// withoutURL returns the text of a connection error without its URL, which
// contains names of objects.
func withoutURL(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	text := err.Error()
	return text[:min(len(text), maxMessage)]
}

const (
	quiet     = 10 * time.Minute // a cause is logged once for a bucket in this time
	explained = 10 * time.Second // one object of a bucket is read for a cause in this time
)

// maxCauses bounds the cached causes.
const maxCauses = 1000

// causes logs each cause of a failure once for each bucket.
type causes struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time
}

// first reports whether a cause is new for a bucket within a time, and stores it.
func (n *causes) first(bucket, cause string, within time.Duration) bool {
	now := n.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	key := bucket + "\x00" + cause
	if at, ok := n.seen[key]; ok && now.Sub(at) < within && !now.Before(at) {
		return false
	}
	if len(n.seen) >= maxCauses {
		clear(n.seen)
	}
	n.seen[key] = now
	return true
}

// failure logs a failure that an administrator can fix.
func (n *causes) failure(ctx context.Context, bucket string, f *Failure) {
	if f.Kind == ErrAbsent || f.Kind == ErrArchived || ctx.Err() != nil {
		return
	}
	if n.first(bucket, fmt.Sprint(f.Doing, f.Status, f.Code, f.Message), quiet) {
		n.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "storage",
			slog.Any("bucket", safetext.New(bucket)), slog.Any("error", safetext.New(f.Error())))
	}
}

// badListing logs a fault of a listing, with one name as an example.
func (n *causes) badListing(ctx context.Context, bucket, cause, name string) {
	if n.first(bucket, cause, quiet) {
		n.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "storage",
			slog.Any("bucket", safetext.New(bucket)), slog.String("error", "listing: "+cause), slog.Any("example", safetext.New(name)))
	}
}
