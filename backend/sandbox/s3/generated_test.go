package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// far is content of 2 TiB.
type far struct{ broken bool }

func (far) Size() int64 { return 2 << 40 }

func (f far) ReadAt(p []byte, off int64) (int, error) {
	if f.broken && off > 1<<20 {
		return 0, errors.New("the disk is gone")
	}
	for i := range p {
		p[i] = byte(off + int64(i))
	}
	return len(p), nil
}

func TestGeneratedContent(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	at := time.Date(2024, 3, 1, 12, 0, 0, 5, time.UTC)
	if err := r.srv.PutContent("box", "far", Object{Content: far{}, Modified: at, NoChecksum: true}); err != nil {
		t.Fatal(err)
	}
	head, err := r.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String("far"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || *head.ContentLength != 2<<40 || !head.LastModified.Equal(at.Truncate(time.Second)) || head.ChecksumCRC64NVME != nil {
		t.Fatalf("%+v %v", head, err)
	}
	out, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("far"), Range: aws.String("bytes=1099511627776-1099511627783")})
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(out.Body); !bytes.Equal(b, []byte{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("% x", b)
	}
	if *out.ETag != *head.ETag || strings.Count(*out.ETag, "-") != 1 {
		t.Errorf("ETags %s and %s", *out.ETag, *head.ETag)
	}
	// New content with the same name and date has another ETag.
	if err := r.srv.PutContent("box", "far", Object{Content: far{true}, Modified: at, NoChecksum: true}); err != nil {
		t.Fatal(err)
	}
	again, err := r.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String("far")})
	if err != nil || *again.ETag == *head.ETag {
		t.Errorf("replaced content has the ETag %s again (%v)", *again.ETag, err)
	}
	// Truncated content must not look complete.
	broken, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("far")})
	if err == nil {
		_, err = io.Copy(io.Discard, broken.Body)
	}
	if err == nil {
		t.Error("a truncated body ended without an error")
	}
}

func TestPartsOfGeneratedContent(t *testing.T) {
	r := newRig(t)
	body := pseudoRandom(2500, 1)
	if err := r.srv.PutContent("box", "k", Object{Content: memory(body), PartSize: 1000}); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{1: "bytes 0-999/2500", 3: "bytes 2000-2499/2500"} {
		out, err := r.client.GetObject(context.Background(), &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), PartNumber: aws.Int32(int32(n)), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(out.Body)
		if err != nil || *out.ContentRange != want || *out.PartsCount != 3 || len(b) != int(*out.ContentLength) {
			t.Errorf("part %d: %s, %d bytes, %v", n, *out.ContentRange, len(b), err)
		}
		sum, _ := sumOf(&crc64NVME, memory(b), 0, int64(len(b)))
		if out.ChecksumCRC64NVME == nil || *out.ChecksumCRC64NVME != sum {
			t.Errorf("part %d has no checksum of its own: %v", n, out.ChecksumCRC64NVME)
		}
	}
	a := r.do(r.presigned(raw{method: "GET", path: "/box/k", query: "partNumber=4"}, 60))
	if a.StatusCode != 416 || a.code() != "InvalidPartNumber" {
		t.Errorf("part 4: %s %s", a.Status, a.code())
	}
	for _, query := range []string{"partNumber=0", "partNumber=-3", "partNumber=10001", "partNumber=x"} {
		if a := r.do(r.presigned(raw{method: "GET", path: "/box/not-there", query: query}, 60)); a.StatusCode != 400 || a.code() != "InvalidArgument" {
			t.Errorf("%s of nothing: %s %s", query, a.Status, a.code())
		}
	}
	q := r.presigned(raw{method: "GET", path: "/box/k", query: "partNumber=1"}, 60)
	q.header.Set("Range", "bytes=0-1")
	if a := r.do(q); a.StatusCode != 400 {
		t.Errorf("part and range: %s", a.Status)
	}
	out, err := r.client.GetObjectAttributes(context.Background(), &awss3.GetObjectAttributesInput{Bucket: aws.String("box"), Key: aws.String("k"),
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesEtag, types.ObjectAttributesChecksum, types.ObjectAttributesObjectParts, types.ObjectAttributesObjectSize, types.ObjectAttributesStorageClass}})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ObjectSize != 2500 || *out.ObjectParts.TotalPartsCount != 3 || len(out.ObjectParts.Parts) != 3 || *out.ObjectParts.Parts[2].Size != 500 || out.Checksum.ChecksumType != "FULL_OBJECT" {
		t.Errorf("%+v %+v", out, out.ObjectParts)
	}
}
