// Package object is the backend's hand on S3: it lists, asks for one object's
// facts, and presigns the GET of one object. It knows nothing of people, groups
// or reasons; it signs only what carries an audit receipt.
package object

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/api"
)

// What can be wrong with an object or with S3. Every error of this package
// wraps one of these.
var (
	ErrAbsent      = errors.New("there is no such object")
	ErrArchived    = errors.New("the object is archived")
	ErrUnavailable = errors.New("the storage did not answer")
)

// S3 is the part of the S3 API that usher calls.
type S3 interface {
	ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, opts ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	HeadBucket(ctx context.Context, in *s3.HeadBucketInput, opts ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
}

// Store lists and asks. Safe for concurrent use.
type Store struct {
	s3    S3
	limit time.Duration // of one S3 call, retries included
}

// NewStore uses an S3 client; each call gets at most limit (0: 10 s).
func NewStore(client S3, limit time.Duration) (*Store, error) {
	if client == nil {
		return nil, fmt.Errorf("object store: an S3 client is needed")
	}
	if limit <= 0 {
		limit = 10 * time.Second
	}
	return &Store{client, limit}, nil
}

// Page is one answer of S3, in S3's byte order. Keys and folders are whole, not
// relative.
type Page struct {
	Objects []Item
	Folders []string
	Next    string // continuation token, "" at the end
}

// Item is one object of a listing.
type Item struct {
	Key      string
	Size     int64
	Modified time.Time
	ETag     string
	Archived bool
}

// ListQuery asks for one page. With Recursive there are no folders.
type ListQuery struct {
	Bucket, Prefix string
	Recursive      bool
	After          string // a whole key; only for the first page
	Token          string
	Limit          int
}

// List makes exactly one S3 call.
func (s *Store) List(ctx context.Context, q ListQuery) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.ListObjectsV2Input{
		Bucket: aws.String(q.Bucket), Prefix: aws.String(q.Prefix), MaxKeys: aws.Int32(int32(q.Limit)),
		// XML 1.0 cannot carry control characters: ask for encoded names.
		EncodingType: types.EncodingTypeUrl,
	}
	if !q.Recursive {
		in.Delimiter = aws.String("/")
	}
	if q.Token != "" {
		in.ContinuationToken = aws.String(q.Token)
	} else if q.After != "" {
		in.StartAfter = aws.String(q.After)
	}
	out, err := s.s3.ListObjectsV2(ctx, in)
	if err != nil {
		return Page{}, classify("listing", err)
	}
	decode := func(name *string) (string, error) { return aws.ToString(name), nil }
	if out.EncodingType == types.EncodingTypeUrl {
		// S3 writes a space as "+" and a plus as "%2B".
		decode = func(name *string) (string, error) { return url.QueryUnescape(aws.ToString(name)) }
	}
	var p Page
	for _, o := range out.Contents {
		key, err := decode(o.Key)
		if err != nil {
			return Page{}, fmt.Errorf("listing: a name that cannot be decoded: %w", ErrUnavailable)
		}
		p.Objects = append(p.Objects, Item{
			Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified).UTC(),
			ETag: aws.ToString(o.ETag), Archived: archivedClass(string(o.StorageClass)) && !restored(o.RestoreStatus),
		})
	}
	for _, f := range out.CommonPrefixes {
		name, err := decode(f.Prefix)
		if err != nil {
			return Page{}, fmt.Errorf("listing: a name that cannot be decoded: %w", ErrUnavailable)
		}
		p.Folders = append(p.Folders, name)
	}
	if aws.ToBool(out.IsTruncated) {
		p.Next = aws.ToString(out.NextContinuationToken)
	}
	return p, nil
}

// Facts are what HEAD says of an object.
type Facts struct {
	Size        int64
	Modified    time.Time
	ETag        string
	Version     string
	ContentType string
	Checksum    *api.Checksum
	Parts       *api.Parts
	Archived    bool
}

// Head asks for one object's facts. ErrAbsent when there is none.
func (s *Store) Head(ctx context.Context, bucket, key string) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), ChecksumMode: types.ChecksumModeEnabled}
	out, err := s.s3.HeadObject(ctx, in)
	if err != nil {
		return Facts{}, classify("asking for an object", err)
	}
	f := Facts{
		Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified).UTC(),
		ETag: aws.ToString(out.ETag), ContentType: aws.ToString(out.ContentType),
		Archived: archivedClass(string(out.StorageClass)) && !strings.Contains(aws.ToString(out.Restore), `ongoing-request="false"`),
		Checksum: checksum(out),
	}
	if v := aws.ToString(out.VersionId); v != "null" {
		f.Version = v
	}
	if f.Checksum != nil && f.Checksum.Type == string(types.ChecksumTypeComposite) {
		f.Parts = s.parts(ctx, *in, f.Size)
	}
	return f, nil
}

// parts finds the size of the equal parts of a multipart object; nil when they
// are not equal or S3 does not say.
func (s *Store) parts(ctx context.Context, in s3.HeadObjectInput, size int64) *api.Parts {
	in.PartNumber, in.ChecksumMode = aws.Int32(1), ""
	out, err := s.s3.HeadObject(ctx, &in)
	if err != nil {
		return nil
	}
	n, first := int64(aws.ToInt32(out.PartsCount)), aws.ToInt64(out.ContentLength)
	if n < 1 || first < 1 || n*first < size || (n-1)*first >= size {
		return nil
	}
	return &api.Parts{Count: int(n), Size: first}
}

// checksum picks the cheapest of what S3 keeps. A plain ETag is an MD5 only for
// a single PUT that is not encrypted with KMS or a customer's key.
// SPEC: Amazon S3 API reference, Object, "ETag".
func checksum(out *s3.HeadObjectOutput) *api.Checksum {
	kind := string(out.ChecksumType)
	if kind == "" {
		kind = string(types.ChecksumTypeFullObject)
	}
	for _, c := range []struct {
		name  types.ChecksumAlgorithm
		value *string
	}{
		{types.ChecksumAlgorithmCrc64nvme, out.ChecksumCRC64NVME},
		{types.ChecksumAlgorithmCrc32c, out.ChecksumCRC32C},
		{types.ChecksumAlgorithmCrc32, out.ChecksumCRC32},
		{types.ChecksumAlgorithmSha256, out.ChecksumSHA256},
		{types.ChecksumAlgorithmSha1, out.ChecksumSHA1},
	} {
		if v := aws.ToString(c.value); v != "" {
			if strings.Contains(v, "-") {
				kind = string(types.ChecksumTypeComposite)
			}
			return &api.Checksum{Algorithm: string(c.name), Type: kind, Value: v}
		}
	}
	etag := strings.Trim(aws.ToString(out.ETag), `"`)
	plain := out.ServerSideEncryption == "" || out.ServerSideEncryption == types.ServerSideEncryptionAes256
	if plain && out.SSECustomerAlgorithm == nil {
		if sum, ok := hexToBase64(etag); ok {
			return &api.Checksum{Algorithm: "MD5", Type: string(types.ChecksumTypeFullObject), Value: sum}
		}
	}
	return nil
}

func archivedClass(class string) bool {
	return class == string(types.StorageClassGlacier) || class == string(types.StorageClassDeepArchive)
}

func restored(r *types.RestoreStatus) bool {
	return r != nil && !aws.ToBool(r.IsRestoreInProgress) && r.RestoreExpiryDate != nil
}

// classify keeps "there is none" apart from "S3 could not be asked". A bucket
// that is missing or closed to usher is a fault of the installation and reads
// as unavailable to the person; the log has the cause.
func classify(doing string, err error) error {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		var named smithy.APIError
		if !errors.As(err, &named) || named.ErrorCode() != "NoSuchBucket" {
			return fmt.Errorf("%s: %w", doing, ErrAbsent)
		}
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
