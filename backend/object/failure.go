package object

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/safetext"
)

// The outcomes of a call that failed. Every error of Store wraps one of these.
var (
	ErrAbsent      = errors.New("there is no such object")
	ErrArchived    = errors.New("the object is archived")
	ErrRefused     = errors.New("the storage refused the server")
	ErrUnavailable = errors.New("the storage did not answer")
)

// Failure is a call that S3 did not answer as requested. Its text is for
// the server's log: it holds S3's own code and message.
type Failure struct {
	Kind    error  // ErrAbsent, ErrArchived, ErrRefused or ErrUnavailable
	Doing   string // the call
	Status  int    // HTTP; 0: no answer
	Code    string // S3's, or the reader's own word for an answer that makes no sense
	Message string // S3's
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

// Unwrap gives the outcome, for errors.Is.
func (f *Failure) Unwrap() error { return f.Kind }

const maxMessage = 300 // bytes of S3's message that are kept

// failed keeps absent, archived, refused and unreachable apart. A missing
// bucket is a fault of the installation, so it counts as refused.
// SPEC: S3 API reference, "Error responses".
func failed(doing string, err error) *Failure {
	f := &Failure{Kind: ErrUnavailable, Doing: doing}
	var named smithy.APIError
	if errors.As(err, &named) {
		f.Code, f.Message = named.ErrorCode(), named.ErrorMessage()
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil {
		f.Message = unsent(err)
		return f
	}
	f.Status = answer.HTTPStatusCode()
	switch s := f.Status; {
	case s >= 200 && s < 300 && f.Code == "":
		f.Code, f.Message = "unreadable answer", answer.Err.Error()
	case f.Code == "InvalidObjectState":
		f.Kind = ErrArchived
	case f.Code == "RequestTimeTooSkewed":
		f.Kind = ErrSkew
	case s == http.StatusNotFound && f.Code != "NoSuchBucket":
		f.Kind = ErrAbsent
	case s == http.StatusRequestTimeout, s == http.StatusTooManyRequests, f.Code == "RequestTimeout", f.Code == "SlowDown":
	case s >= 300 && s < 500, s == http.StatusNotImplemented:
		f.Kind = ErrRefused
	}
	f.Message = f.Message[:min(len(f.Message), maxMessage)]
	return f
}

// unsent is why no answer came, without the address that was asked: it holds
// names of objects.
func unsent(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	text := err.Error()
	return text[:min(len(text), maxMessage)]
}

const (
	quiet     = 10 * time.Minute // a cause that was logged for a bucket is not logged again
	explained = 10 * time.Second // no second object of a bucket is read for a cause
)

// maxCauses bounds the causes that are remembered.
const maxCauses = 1000

// notes writes each cause of trouble to the server's log once for each bucket.
type notes struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time
}

// first reports whether a cause was not seen for a bucket within a time, and
// remembers it.
func (n *notes) first(bucket, cause string, within time.Duration) bool {
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

// failure logs the causes that an administrator can remove.
func (n *notes) failure(ctx context.Context, bucket string, f *Failure) {
	if f.Kind == ErrAbsent || f.Kind == ErrArchived || ctx.Err() != nil {
		return
	}
	if n.first(bucket, fmt.Sprint(f.Doing, f.Status, f.Code, f.Message), quiet) {
		n.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "storage",
			slog.Any("bucket", safetext.New(bucket)), slog.Any("error", safetext.New(f.Error())))
	}
}

// odd logs a fault of a listing. name is one example.
func (n *notes) odd(ctx context.Context, bucket, cause, name string) {
	if n.first(bucket, cause, quiet) {
		n.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "storage",
			slog.Any("bucket", safetext.New(bucket)), slog.String("error", "listing: "+cause), slog.Any("example", safetext.New(name)))
	}
}
