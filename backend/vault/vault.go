// Package vault stores the sealed audit log in an S3 bucket. Objects are written
// once; the bucket's Object Lock keeps them from any later change. The conditions
// of the writes are those of S3 itself, so several writers are safe.
//
// The order of the writes is left to package sealer, and the names of the objects to
// package tiles.
package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
)

// API is the part of S3 that a vault uses. *s3.Client implements it. It has no
// deletion.
type API interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, o ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Config has the parts of a Vault. All but Prefix are required.
type Config struct {
	S3     API
	Bucket string
	Prefix string // of all names; "" or with a slash at the end
}

// Vault is the storage of a sealed log. It is a sealer.Objects.
type Vault struct{ c Config }

// New refuses a missing part. It makes no call.
func New(c Config) (*Vault, error) {
	if c.S3 == nil || c.Bucket == "" {
		return nil, errors.New("vault: S3 and a bucket are needed")
	}
	if c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		return nil, errors.New("vault: the prefix must end with a slash")
	}
	return &Vault{c}, nil
}

// maxObject bounds an object that is read: 256 events of 64 KiB, and more.
const maxObject = 32 << 20

// Get implements tiles.Objects.
func (v *Vault) Get(ctx context.Context, name string) ([]byte, error) {
	data, _, err := v.Tagged(ctx, name)
	return data, err
}

// Tagged implements sealer.Objects.
func (v *Vault) Tagged(ctx context.Context, name string) ([]byte, string, error) {
	out, err := v.c.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(v.c.Bucket), Key: aws.String(v.c.Prefix + name)})
	if statusOf(err) == http.StatusNotFound && codeOf(err) != "NoSuchBucket" {
		return nil, "", fmt.Errorf("%s in the bucket %s: %w", name, v.c.Bucket, tiles.ErrMissing)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading %s from the bucket %s: %w", name, v.c.Bucket, err)
	}
	data, err := io.ReadAll(io.LimitReader(out.Body, maxObject))
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, "", fmt.Errorf("reading %s from the bucket %s: %w", name, v.c.Bucket, err)
	}
	return data, aws.ToString(out.ETag), nil
}

// Create implements sealer.Objects.
func (v *Vault) Create(ctx context.Context, name string, data []byte) error {
	return v.put(ctx, name, data, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
}

// Replace implements sealer.Objects.
func (v *Vault) Replace(ctx context.Context, name string, data []byte, tag string) error {
	return v.put(ctx, name, data, func(in *s3.PutObjectInput) {
		if tag == "" {
			in.IfNoneMatch = aws.String("*")
			return
		}
		in.IfMatch = aws.String(tag)
	})
}

// Hold writes an object once, with a legal hold: it cannot be deleted before the
// hold is removed, whatever the retention of the bucket. An object that exists is
// left as it is.
func (v *Vault) Hold(ctx context.Context, name string, data []byte) error {
	err := v.put(ctx, name, data, func(in *s3.PutObjectInput) {
		in.IfNoneMatch, in.ObjectLockLegalHoldStatus = aws.String("*"), types.ObjectLockLegalHoldStatusOn
	})
	if errors.Is(err, sealer.ErrExists) {
		return nil
	}
	return err
}

// put writes an object under a condition.
//
// SPEC: S3 user guide, "How to prevent object overwrites with conditional writes":
// 412 if the condition is false, 409 if another write was faster, 404 if the
// object to replace is gone.
func (v *Vault) put(ctx context.Context, name string, data []byte, condition func(*s3.PutObjectInput)) error {
	in := &s3.PutObjectInput{
		Bucket: aws.String(v.c.Bucket), Key: aws.String(v.c.Prefix + name), Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32, // required with Object Lock
	}
	condition(in)
	_, err := v.c.S3.PutObject(ctx, in)
	switch status := statusOf(err); {
	case err == nil:
		return nil
	case status == http.StatusPreconditionFailed, status == http.StatusConflict, status == http.StatusNotFound && codeOf(err) == "NoSuchKey":
		return fmt.Errorf("%s in the bucket %s: %w", name, v.c.Bucket, sealer.ErrExists)
	}
	return fmt.Errorf("writing %s to the bucket %s: %w", name, v.c.Bucket, err)
}

// Names returns the names of the stored checkpoints, in order.
func (v *Vault) Names(ctx context.Context) iter.Seq2[string, error] {
	return v.list(ctx, tiles.Checkpoints)
}

// CosignedNames returns the names of the stored checkpoints with cosignatures, in
// order.
func (v *Vault) CosignedNames(ctx context.Context) iter.Seq2[string, error] {
	return v.list(ctx, tiles.AllCosigned)
}

// list returns the names that begin with a prefix, in order.
func (v *Vault) list(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: aws.String(v.c.Bucket), Prefix: aws.String(v.c.Prefix + prefix)}
		for {
			out, err := v.c.S3.ListObjectsV2(ctx, in)
			if err != nil {
				yield("", fmt.Errorf("listing the bucket %s: %w", v.c.Bucket, err))
				return
			}
			for _, o := range out.Contents {
				if !yield(strings.TrimPrefix(aws.ToString(o.Key), v.c.Prefix), nil) {
					return
				}
			}
			if in.ContinuationToken = out.NextContinuationToken; in.ContinuationToken == nil {
				return
			}
		}
	}
}

func statusOf(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var coded smithy.APIError
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}
