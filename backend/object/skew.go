package object

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	maxSkew   = 5 * time.Second
	skewServe = 5 * time.Minute // how long one comparison serves
)

// ErrSkew says that this machine's clock and S3's disagree: URLs would live
// longer or shorter than promised.
var ErrSkew = errors.New("this machine's clock differs from the storage's by more than 5 s")

// Doer is what an AWS client sends its requests through.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Skew compares the Date of S3's answers with this machine's clock. Put Watch
// around the S3 client's HTTP client. Safe for concurrent use.
type Skew struct {
	now func() time.Time

	mu   sync.Mutex
	seen time.Time
	diff time.Duration
}

// NewSkew needs the clock that also signs.
func NewSkew(now func() time.Time) *Skew { return &Skew{now: now} }

// Watch passes requests on and reads the answers' Date.
func (s *Skew) Watch(next Doer) Doer { return watch{s, next} }

type watch struct {
	s    *Skew
	next Doer
}

func (w watch) Do(r *http.Request) (*http.Response, error) {
	res, err := w.next.Do(r)
	if err == nil {
		if date, perr := http.ParseTime(res.Header.Get("Date")); perr == nil {
			now := w.s.now()
			w.s.mu.Lock()
			w.s.seen, w.s.diff = now, date.Sub(now.Truncate(time.Second))
			w.s.mu.Unlock()
		}
	}
	return res, err
}

// Check fails with ErrSkew when the clocks differ by more than 5 s, asking S3
// (one HeadBucket) when it was not heard for five minutes. A storage that does
// not say fails with ErrUnavailable.
func (s *Skew) Check(ctx context.Context, client S3, bucket string) error {
	if !s.fresh() {
		// Whatever the answer, it has a Date.
		_, _ = client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(bucket)})
		if !s.fresh() {
			return fmt.Errorf("comparing clocks: %w", ErrUnavailable)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diff > maxSkew || s.diff < -maxSkew {
		return ErrSkew
	}
	return nil
}

func (s *Skew) fresh() bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	since := now.Sub(s.seen)
	return !s.seen.IsZero() && since >= 0 && since < skewServe
}
