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

	"usher/backend/elapsed"
)

const (
	maxSkew  = 5 * time.Second
	skewLife = 5 * time.Minute // lifetime of one comparison
)

// ErrSkew reports that the clocks of this machine and S3 differ. URLs would expire
// later or earlier than promised.
var ErrSkew = errors.New("this machine's clock differs from the storage's by more than 5 s")

// Doer is the HTTP client of an AWS client.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Skew compares the Date header of S3's responses with this machine's clock. Watch
// must wrap the HTTP client of the S3 client. Safe for concurrent use.
type Skew struct {
	now func() time.Time

	mu   sync.Mutex
	seen time.Time
	diff time.Duration
}

// NewSkew returns a Skew. now must be the presigner's clock.
func NewSkew(now func() time.Time) *Skew { return &Skew{now: now} }

// Watch returns a Doer that forwards requests to next and reads the Date of the
// responses.
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

// Check fails with ErrSkew when the clocks differ by more than 5 s. It calls S3
// (one HeadBucket) if the last Date is over five minutes old. It fails with
// ErrUnavailable if S3 sends no Date.
func (s *Skew) Check(ctx context.Context, client S3, bucket string) error {
	if !s.fresh() {
		// Error responses have a Date too.
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

// Difference returns S3's time minus this machine's at the last response, in whole
// seconds; false before the first one.
func (s *Skew) Difference() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.diff, !s.seen.IsZero()
}

func (s *Skew) fresh() bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	since := elapsed.Since(now, s.seen)
	return !s.seen.IsZero() && since >= 0 && since < skewLife
}
