package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// uploadParts sends body in parts of minPart and completes the upload.
func uploadParts(r *rig, key string, body []byte, alg types.ChecksumAlgorithm, kind types.ChecksumType) (*awss3.CompleteMultipartUploadOutput, error) {
	ctx := context.Background()
	up, err := r.client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String(key), ChecksumAlgorithm: alg, ChecksumType: kind})
	if err != nil {
		return nil, err
	}
	var done types.CompletedMultipartUpload
	for n := int32(1); len(body) > 0; n++ {
		part := body[:min(minPart, len(body))]
		body = body[len(part):]
		out, err := r.client.UploadPart(ctx, &awss3.UploadPartInput{Bucket: aws.String("box"), Key: aws.String(key), UploadId: up.UploadId, PartNumber: &n, Body: bytes.NewReader(part), ChecksumAlgorithm: alg})
		if err != nil {
			return nil, err
		}
		done.Parts = append(done.Parts, types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC32: only(alg, "CRC32", out.ChecksumCRC32), ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME})
	}
	return r.client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String(key), UploadId: up.UploadId, MultipartUpload: &done, ChecksumType: kind})
}

// only returns v if alg is want. It omits the SDK's own CRC32 from an upload with
// another algorithm.
func only(alg, want types.ChecksumAlgorithm, v *string) *string {
	if alg == want {
		return v
	}
	return nil
}

func TestMultipart(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	body := pseudoRandom(2*minPart+1234, 5)
	sums := md5.New()
	var sha []byte
	for off := 0; off < len(body); off += minPart {
		part := body[off:min(off+minPart, len(body))]
		s := md5.Sum(part)
		sums.Write(s[:])
		p := sha256.Sum256(part)
		sha = append(sha, p[:]...)
	}
	etag := fmt.Sprintf("\"%x-3\"", sums.Sum(nil))
	whole, err := sumOf(&crc64NVME, memory(body), 0, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	all := sha256.Sum256(sha)
	for name, c := range map[string]struct {
		alg  types.ChecksumAlgorithm
		kind types.ChecksumType
		want string
	}{
		"default":   {"", "", whole},
		"crc64nvme": {types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject, whole},
		"sha256":    {types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite, base64.StdEncoding.EncodeToString(all[:]) + "-3"},
		"crc32":     {types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, ""},
	} {
		out, err := uploadParts(r, "k", body, c.alg, c.kind)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *out.ETag != etag {
			t.Errorf("%s: ETag %s, want %s", name, *out.ETag, etag)
		}
		head, err := r.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		got := aws.ToString(head.ChecksumCRC64NVME) + aws.ToString(head.ChecksumSHA256)
		if got != c.want || c.kind != "" && head.ChecksumType != c.kind {
			t.Errorf("%s: checksum %q %s, want %q", name, got, head.ChecksumType, c.want)
		}
		get, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(get.Body); err != nil || !bytes.Equal(b, body) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		part, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), PartNumber: aws.Int32(2)})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(part.Body); err != nil || !bytes.Equal(b, body[minPart:2*minPart]) || *part.PartsCount != 3 {
			t.Errorf("%s: part 2: %d bytes, %v", name, len(b), err)
		}
		over, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), Range: aws.String(fmt.Sprintf("bytes=%d-%d", minPart-5, 2*minPart+4))})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(over.Body); err != nil || !bytes.Equal(b, body[minPart-5:2*minPart+5]) {
			t.Errorf("%s: range over parts: %d bytes, %v", name, len(b), err)
		}
	}
	if n := r.files(); n != 2 { // the third part is small
		t.Errorf("%d files are stored for one object", n)
	}
}

func TestMultipartRefusals(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	up, err := r.client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	put := func(n int32, body string) *string {
		t.Helper()
		out, err := r.client.UploadPart(ctx, &awss3.UploadPartInput{Bucket: aws.String("box"), Key: aws.String("k"), UploadId: up.UploadId, PartNumber: &n, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		return out.ETag
	}
	one, two := put(1, "small"), put(2, "also small")
	finish := func(parts ...types.CompletedPart) string {
		_, err := r.client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String("k"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		return codeOf(err)
	}
	p := func(n int32, etag *string) types.CompletedPart {
		return types.CompletedPart{PartNumber: &n, ETag: etag}
	}
	for name, c := range map[string]struct{ got, want string }{
		"small part":    {finish(p(1, one), p(2, two)), "EntityTooSmall"},
		"order":         {finish(p(2, two), p(1, one)), "InvalidPartOrder"},
		"part twice":    {finish(p(1, one), p(1, one)), "InvalidPartOrder"},
		"wrong ETag":    {finish(p(1, two)), "InvalidPart"},
		"absent part":   {finish(p(3, one)), "InvalidPart"},
		"no parts":      {finish(), "MalformedXML"},
		"part number 0": {codeOf(r.part(ctx, up.UploadId, 0)), "InvalidArgument"},
		"part 10001":    {codeOf(r.part(ctx, up.UploadId, 10001)), "InvalidArgument"},
		"no upload":     {codeOf(r.part(ctx, aws.String("none"), 1)), "NoSuchUpload"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	parts, err := r.client.ListParts(ctx, &awss3.ListPartsInput{Bucket: aws.String("box"), Key: aws.String("k"), UploadId: up.UploadId, MaxParts: aws.Int32(1)})
	if err != nil || len(parts.Parts) != 1 || !*parts.IsTruncated || *parts.NextPartNumberMarker != "1" {
		t.Errorf("%+v %v", parts, err)
	}
	list, err := r.client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: aws.String("box")})
	if err != nil || len(list.Uploads) != 1 || *list.Uploads[0].Key != "k" {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := r.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String("k"), UploadId: up.UploadId}); err != nil {
		t.Error(err)
	}
	if got := finish(p(2, two)); got != "NoSuchUpload" {
		t.Errorf("after abort: %s", got)
	}
	if n := r.files(); n != 0 {
		t.Errorf("%d files remain", n)
	}
}

func (r *rig) part(ctx context.Context, id *string, n int32) error {
	_, err := r.client.UploadPart(ctx, &awss3.UploadPartInput{Bucket: aws.String("box"), Key: aws.String("k"), UploadId: id, PartNumber: &n, Body: strings.NewReader("x")})
	return err
}
