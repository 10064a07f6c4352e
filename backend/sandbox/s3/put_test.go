package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func codeOf(err error) string {
	if e := smithy.APIError(nil); errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (r *rig) files() int {
	r.t.Helper()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return len(entries)
}

// unseekable is a stream, for which the SDK sends a trailing checksum.
type unseekable struct{ io.Reader }

func TestPutAndGetThroughTheSDK(t *testing.T) {
	for name, listen := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			r := newRigOn(t, listen)
			ctx := context.Background()
			for _, size := range []int{0, 1, 1000, memoryMax - 1, memoryMax, memoryMax + 1, 3 << 20} {
				for _, alg := range append([]types.ChecksumAlgorithm{""}, types.ChecksumAlgorithm("").Values()[:5]...) {
					body := pseudoRandom(size, uint64(size))
					in := &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), Body: bytes.NewReader(body), ChecksumAlgorithm: alg}
					if name == "https" {
						in.Body, in.ContentLength = unseekable{in.Body}, aws.Int64(int64(size))
					}
					put, err := r.client.PutObject(ctx, in)
					if err != nil {
						t.Fatalf("%d bytes, %q: %v", size, alg, err)
					}
					if want := fmt.Sprintf("\"%x\"", md5.Sum(body)); *put.ETag != want {
						t.Errorf("ETag %s, want %s", *put.ETag, want)
					}
					get, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
					if err != nil {
						t.Fatal(err)
					}
					b, err := io.ReadAll(get.Body) // the SDK checks the checksum
					if err != nil || !bytes.Equal(b, body) || get.ChecksumType != types.ChecksumTypeFullObject {
						t.Errorf("%d bytes, %q: got %d, type %q, %v", size, alg, len(b), get.ChecksumType, err)
					}
				}
			}
			if n := r.files(); n != 1 {
				t.Errorf("%d files are stored for one large object", n)
			}
			if err := r.srv.Close(); err != nil || r.files() != 0 {
				t.Errorf("after Close %d files, %v", r.files(), err)
			}
		})
	}
}

func TestPutRefusals(t *testing.T) {
	r := newRig(t)
	r.put("old", "old")
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	sum := md5.Sum([]byte("hello"))
	big := strings.Repeat("x", memoryMax+10)
	for name, c := range map[string]struct {
		key, body string
		h         map[string]string
		want      int
		code      string
	}{
		"md5":                     {"k", "hello", map[string]string{"Content-MD5": b64(sum[:])}, 200, ""},
		"md5 of another":          {"k", "jello", map[string]string{"Content-MD5": b64(sum[:])}, 400, "BadDigest"},
		"md5 garbage":             {"k", "hello", map[string]string{"Content-MD5": "garbage"}, 400, "InvalidDigest"},
		"crc32 of another":        {"k", "jello", map[string]string{"x-amz-checksum-crc32": "NhCmhg=="}, 400, "BadDigest"},
		"crc32":                   {"k", "hello", map[string]string{"x-amz-checksum-crc32": "NhCmhg=="}, 200, ""},
		"crc32 too long":          {"k", "hello", map[string]string{"x-amz-checksum-crc32": "NhCmhgAAAAA="}, 400, "InvalidRequest"},
		"sha256 of another":       {"k", big, map[string]string{"x-amz-checksum-sha256": b64(make([]byte, 32))}, 400, "BadDigest"},
		"two checksums":           {"k", "hello", map[string]string{"x-amz-checksum-crc32": "NhCmhg==", "x-amz-checksum-crc32c": "mnG7TA=="}, 400, "InvalidRequest"},
		"algorithm without value": {"k", "hello", map[string]string{"x-amz-sdk-checksum-algorithm": "CRC32"}, 400, "InvalidRequest"},
		"trailer without chunks":  {"k", "hello", map[string]string{"x-amz-trailer": "x-amz-checksum-crc32"}, 400, "InvalidRequest"},
		"only if new, is new":     {"k2", "hello", map[string]string{"If-None-Match": "*"}, 200, ""},
		"only if new, is old":     {"old", "hello", map[string]string{"If-None-Match": "*"}, 412, "PreconditionFailed"},
		"if none matches this":    {"old", "hello", map[string]string{"If-None-Match": `"x"`}, 501, "NotImplemented"},
		"only this, is another":   {"old", "hello", map[string]string{"If-Match": `"x"`}, 412, "PreconditionFailed"},
		"only this, is absent":    {"k3", "hello", map[string]string{"If-Match": `"x"`}, 404, "NoSuchKey"},
		"metadata":                {"k", "hello", map[string]string{"x-amz-meta-a": strings.Repeat("m", 2048)}, 400, "MetadataTooLarge"},
	} {
		q := raw{method: "PUT", path: "/box/" + c.key, body: c.body, header: http.Header{}}
		for k, v := range c.h {
			q.header.Set(k, v)
		}
		if a := r.do(r.signed(q)); a.StatusCode != c.want || a.code() != c.code {
			t.Errorf("%s: %s %s, want %d %s", name, a.Status, a.code(), c.want, c.code)
		}
	}
	if n := r.files(); n != 0 {
		t.Errorf("%d files of refused uploads remain", n)
	}
	// A signature covers the body.
	q := r.signed(raw{method: "PUT", path: "/box/k", body: "signed body"})
	q.body = "other body!"
	if a := r.do(q); a.code() != "XAmzContentSHA256Mismatch" {
		t.Errorf("another body: %s %s", a.Status, a.code())
	}
	if a := r.do(r.signed(raw{method: "GET", path: "/box/k"})); a.body != "hello" {
		t.Errorf("a refused upload changed the object: %q", a.body)
	}
	// A presigned PUT with a signed content hash accepts only the body of that hash.
	p := r.presigned(raw{method: "PUT", path: "/box/k", header: http.Header{"X-Amz-Content-Sha256": {emptySHA256}}}, 60)
	p.body = "not empty"
	if a := r.do(p); a.StatusCode < 400 {
		t.Errorf("presigned PUT with another body: %s", a.Status)
	}
}

func TestOnlyOneConcurrentCreationSucceeds(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	created := 0
	for i := range 16 {
		wg.Go(func() {
			_, err := r.client.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), IfNoneMatch: aws.String("*"), Body: strings.NewReader(fmt.Sprint(i))})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				created++
			} else if codeOf(err) != "PreconditionFailed" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if created != 1 {
		t.Errorf("%d creations succeeded", created)
	}
}

// A body in transfer is complete even if its object is deleted meanwhile.
func TestGetOutlivesDelete(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	body := pseudoRandom(8<<20, 9)
	if _, err := r.client.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String("k"), Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	out, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String("box"), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(out.Body)
	if err != nil || !bytes.Equal(b, body) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for deadline := time.Now().Add(5 * time.Second); r.files() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the file was not removed")
		}
		<-time.After(time.Millisecond)
	}
}

func TestBuckets(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	name := aws.String("second-box")
	if _, err := r.client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
		t.Fatal(err)
	}
	_, err := r.client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: name})
	if codeOf(err) != "BucketAlreadyOwnedByYou" {
		t.Errorf("again: %v", err)
	}
	_, err = r.client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("third"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "us-west-2"}})
	if codeOf(err) != "IllegalLocationConstraintException" {
		t.Errorf("elsewhere: %v", err)
	}
	for _, bad := range []string{"Up", "ab", "a..b", "-ab", "10.0.0.1", "under_score", "xn--x"} {
		if a := r.do(r.signed(raw{method: "PUT", path: "/" + bad})); a.code() != "InvalidBucketName" {
			t.Errorf("%s: %s %s", bad, a.Status, a.code())
		}
	}
	list, err := r.client.ListBuckets(ctx, &awss3.ListBucketsInput{})
	if err != nil || len(list.Buckets) != 2 || *list.Buckets[1].Name != *name {
		t.Errorf("%+v %v", list, err)
	}
	loc, err := r.client.GetBucketLocation(ctx, &awss3.GetBucketLocationInput{Bucket: name})
	if err != nil || loc.LocationConstraint != region {
		t.Errorf("%+v %v", loc, err)
	}
	head, err := r.client.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: name})
	if err != nil || *head.BucketRegion != region {
		t.Errorf("%+v %v", head, err)
	}
	r.put("k", "v")
	if _, err = r.client.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: aws.String("box")}); codeOf(err) != "BucketNotEmpty" {
		t.Errorf("not empty: %v", err)
	}
	if _, err = r.client.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: name}); err != nil {
		t.Error(err)
	}
	if _, err = r.client.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: name}); codeOf(err) != "NotFound" {
		t.Errorf("deleted: %v", err)
	}
}

func TestCopyAndDelete(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.put("dir/a b+ü.txt", "copied")
	if _, err := r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: aws.String("box"), Key: aws.String("copy"), CopySource: aws.String("box/dir/a%20b%2B%C3%BC.txt")}); err != nil {
		t.Fatal(err)
	}
	if a := r.do(r.signed(raw{method: "GET", path: "/box/copy"})); a.body != "copied" {
		t.Errorf("%s %q", a.Status, a.body)
	}
	_, err := r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: aws.String("box"), Key: aws.String("x"), CopySource: aws.String("box/none")})
	if codeOf(err) != "NoSuchKey" {
		t.Errorf("absent source: %v", err)
	}
	_, err = r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: aws.String("box"), Key: aws.String("copy"), CopySource: aws.String("box/copy")})
	if codeOf(err) != "InvalidRequest" {
		t.Errorf("onto itself: %v", err)
	}
	out, err := r.client.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: aws.String("box"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("copy")}, {Key: aws.String("never there")}, {Key: aws.String("dir/a b+ü.txt")}}}})
	if err != nil || len(out.Deleted) != 3 {
		t.Errorf("%+v %v", out, err)
	}
	if n := r.srv.buckets["box"].objects.n; n != 0 {
		t.Errorf("%d objects remain", n)
	}
	if a := r.do(r.signed(raw{method: "POST", path: "/box", query: "delete", body: "<Delete><Object><Key>k</Key></Object></Delete>"})); a.code() != "InvalidRequest" {
		t.Errorf("delete without a checksum: %s %s", a.Status, a.code())
	}
}
