package object

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/api"
)

// Facts are the properties of an object from HEAD.
type Facts struct {
	Size        int64
	Modified    time.Time // UTC; zero: absent or invalid
	ETag        string    // normalized by api.ETag; "": absent or not usable
	Version     string
	ContentType string
	Checksum    *api.Checksum
	Parts       *api.Parts
	Archived    bool
	Class       string // storage class; "": STANDARD
}

// Head returns the facts of one object, or of one version of it. event is the id of
// the audit event for the S3 access log.
func (s *Store) Head(ctx context.Context, bucket, key, version, event string) (Facts, error) {
	header, f := s.head(ctx, bucket, key, version, 0)
	switch {
	case f != nil && errors.Is(f.Kind, ErrRefused):
		if cause := s.read(ctx, bucket, key, version, event); cause != nil {
			f = cause
		}
		// SPEC: S3 API reference, GetObject: a version id of another form is 400
		// InvalidArgument, and that of a delete marker 405.
		if version != "" && (f.Code == "InvalidArgument" || f.Status == http.StatusMethodNotAllowed) {
			return Facts{}, &Failure{Kind: ErrAbsent, Doing: heading, Status: f.Status, Code: f.Code}
		}
		if version == "" && f.Code == "AccessDenied" && s.absent(ctx, bucket, key, event) {
			return Facts{}, &Failure{Kind: ErrAbsent, Doing: heading, Status: f.Status, Code: f.Code}
		}
	case f == nil && factsOf(header).Size < 0:
		f = &Failure{Kind: ErrUnavailable, Doing: heading, Code: "a response without a length"}
	}
	if f != nil {
		s.causes.failure(ctx, bucket, f)
		return Facts{}, f
	}
	facts := factsOf(header)
	if c := facts.Checksum; c != nil && c.Type == string(types.ChecksumTypeComposite) {
		facts.Parts = s.parts(ctx, bucket, key, version, facts.Size)
	}
	return facts, nil
}

// absent reports whether a listing shows that an object does not exist. HEAD of an
// absent object is 403 for credentials that may list only some prefixes.
// SPEC: S3 API reference, HeadObject, Permissions.
func (s *Store) absent(ctx context.Context, bucket, key, event string) bool {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(key), MaxKeys: aws.Int32(1)}
	out, err := s.s3.ListObjectsV2(ctx, in, joined(event))
	// In byte order the object itself comes before longer names.
	return err == nil && (len(out.Contents) == 0 || aws.ToString(out.Contents[0].Key) != key)
}

// Explain logs the cause of a failed download of this event. Only the client got
// the storage's response, so Explain reads the first byte of the object again. It
// reads at most one object of a bucket in 10 s.
func (s *Store) Explain(ctx context.Context, bucket, key, version, event string) {
	if !s.causes.first(bucket, "read", explained) {
		return
	}
	if f := s.read(ctx, bucket, key, version, event); f != nil {
		s.causes.failure(ctx, bucket, f)
	}
}

const heading = "looking an object up"

// head makes one HEAD call, of the whole object if part is 0.
func (s *Store) head(ctx context.Context, bucket, key, version string, part int32) (http.Header, *Failure) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}
	if version != "" {
		in.VersionId = aws.String(version)
	}
	if part == 0 {
		in.ChecksumMode = types.ChecksumModeEnabled
	} else {
		in.PartNumber = aws.Int32(part)
	}
	var header http.Header
	_, err := s.s3.HeadObject(ctx, in, reading(&s3.HeadObjectOutput{}, func(r *smithyhttp.Response) error {
		header = r.Header
		return nil
	}))
	if err != nil {
		return nil, failed(heading, err)
	}
	return header, nil
}

// read reads the first byte of an object and returns the refusal, if any. The
// response to HEAD has no body, and only a body contains the cause (for example a
// missing kms:Decrypt).
func (s *Store) read(ctx context.Context, bucket, key, version, event string) *Failure {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Range: aws.String("bytes=0-0")}
	if version != "" { // another permission: s3:GetObjectVersion
		in.VersionId = aws.String(version)
	}
	out, err := s.s3.GetObject(ctx, in, joined(event))
	if err == nil {
		_, _ = io.CopyN(io.Discard, out.Body, 1)
		_ = out.Body.Close()
		return nil
	}
	if f := failed("reading an object", err); errors.Is(f.Kind, ErrRefused) || f.Kind == ErrArchived {
		return f
	}
	return nil
}

// factsOf parses the header of a HEAD response. It leaves out invalid facts; an
// absent or invalid Size is -1.
func factsOf(h http.Header) Facts {
	f := Facts{
		Size: -1, ETag: api.ETag(h.Get("ETag")), ContentType: h.Get("Content-Type"), Checksum: checksum(h),
		// A restored copy has ongoing-request="false". The archive tiers of
		// Intelligent-Tiering have their own header.
		// SPEC: S3 API reference, HeadObject, x-amz-restore and x-amz-archive-status.
		Archived: (archivedClass(h.Get("X-Amz-Storage-Class")) || h.Get("X-Amz-Archive-Status") != "") &&
			!strings.Contains(h.Get("X-Amz-Restore"), `ongoing-request="false"`),
	}
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		f.Size = n
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		f.Modified, _ = instant(time.RFC3339, t.UTC().Format(time.RFC3339))
	}
	if class := h.Get("X-Amz-Storage-Class"); printable(class) {
		f.Class = class
	}
	if v := h.Get("X-Amz-Version-Id"); v != "null" && printable(v) {
		f.Version = v
	}
	return f
}

// printable reports whether a text can be recorded and sent unchanged.
func printable(s string) bool {
	return len(s) <= 1024 && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

// parts returns the number and the size of the equal parts of a multipart object.
// It returns nil if the parts are not equal or S3 does not send the values.
func (s *Store) parts(ctx context.Context, bucket, key, version string, size int64) *api.Parts {
	h, f := s.head(ctx, bucket, key, version, 1)
	if f != nil {
		return nil
	}
	n, err1 := strconv.ParseInt(h.Get("X-Amz-Mp-Parts-Count"), 10, 32)
	first, err2 := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err1 != nil || err2 != nil || first < 1 || size < 1 || n != (size-1)/first+1 {
		return nil
	}
	return &api.Parts{Count: int(n), Size: first}
}

// checksum returns the cheapest checksum that S3 stores for the object. A plain
// ETag is an MD5 only after a single PUT without KMS or a customer's key.
// SPEC: Amazon S3 API reference, Object, "ETag".
func checksum(h http.Header) *api.Checksum {
	kind := h.Get("X-Amz-Checksum-Type")
	if kind == "" {
		kind = string(types.ChecksumTypeFullObject)
	}
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		bytes     int
	}{
		{types.ChecksumAlgorithmCrc64nvme, 8}, {types.ChecksumAlgorithmCrc32c, 4}, {types.ChecksumAlgorithmCrc32, 4},
		{types.ChecksumAlgorithmSha256, 32}, {types.ChecksumAlgorithmSha1, 20},
	} {
		v := h.Get("X-Amz-Checksum-" + string(c.algorithm))
		value, _, composite := strings.Cut(v, "-")
		if sum, err := base64.StdEncoding.DecodeString(value); err != nil || len(sum) != c.bytes {
			continue // absent or invalid
		}
		if composite {
			kind = string(types.ChecksumTypeComposite)
		}
		return &api.Checksum{Algorithm: string(c.algorithm), Type: kind, Value: v}
	}
	encrypted := h.Get("X-Amz-Server-Side-Encryption")
	plain := encrypted == "" || encrypted == string(types.ServerSideEncryptionAes256)
	if plain && h.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") == "" {
		if sum, ok := hexToBase64(strings.Trim(api.ETag(h.Get("ETag")), `"`)); ok {
			return &api.Checksum{Algorithm: "MD5", Type: string(types.ChecksumTypeFullObject), Value: sum}
		}
	}
	return nil
}

// hexToBase64 converts the 32 hex digits of an MD5 to base64.
func hexToBase64(s string) (string, bool) {
	sum, err := hex.DecodeString(s)
	if err != nil || len(sum) != 16 {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(sum), true
}
