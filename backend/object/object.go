// Package object calls S3. It lists objects, reads the facts of one object, and
// presigns the GET of one object. It signs only releases with an audit receipt,
// and has no notion of people and groups.
//
// The package does not trust the responses of a storage. It checks listings
// (list.go), leaves out invalid facts, and returns a failure as one of four kinds
// (failure.go). Each cause of a failure is logged once.
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
	ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput, opts ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadBucket(ctx context.Context, in *s3.HeadBucketInput, opts ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
}

// StoreConfig holds the parts of a Store. All but Limit are required.
type StoreConfig struct {
	Client S3
	Log    *slog.Logger
	Now    func() time.Time
	Limit  time.Duration // longest S3 call, retries included; 0 means 10 s
}

// Store lists objects and reads their facts. Safe for concurrent use.
type Store struct {
	s3     S3
	limit  time.Duration
	causes *causes
}

const defaultLimit = 10 * time.Second

// NewStore returns a Store. It refuses a missing part.
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
	return &Store{s3: c.Client, limit: c.Limit, causes: &causes{log: c.Log, now: c.Now, seen: map[string]time.Time{}}}, nil
}
