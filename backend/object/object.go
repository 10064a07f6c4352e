// Package object reaches S3: it lists, reads one object's facts, and presigns
// the GET of one object. It knows nothing of people, groups or reasons; it signs
// only what carries an audit receipt.
//
// It does not trust the answers of a storage. Listings are cleaned (list.go), odd
// facts are left out, and a failure is one of four outcomes (failure.go), each
// cause once in the server's log.
package object

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3 is the part of the S3 API that usher calls.
type S3 interface {
	ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, opts ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadBucket(ctx context.Context, in *s3.HeadBucketInput, opts ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
}

// StoreConfig holds a Store's parts; all but Limit are needed.
type StoreConfig struct {
	Client S3
	Log    *slog.Logger
	Now    func() time.Time
	Limit  time.Duration // of one S3 call, retries included; 0: 10 s
}

// Store lists and reads facts. Safe for concurrent use.
type Store struct {
	s3    S3
	limit time.Duration
	notes *notes
}

const defaultLimit = 10 * time.Second

// NewStore refuses a missing part.
func NewStore(c StoreConfig) (*Store, error) {
	switch {
	case c.Client == nil:
		return nil, errors.New("object store: an S3 client is needed")
	case c.Log == nil || c.Now == nil:
		return nil, errors.New("object store: a log and a clock are needed")
	case c.Limit < 0:
		return nil, fmt.Errorf("object store: a call's limit cannot be %v", c.Limit)
	case c.Limit == 0:
		c.Limit = defaultLimit
	}
	return &Store{s3: c.Client, limit: c.Limit, notes: &notes{log: c.Log, now: c.Now, seen: map[string]time.Time{}}}, nil
}
