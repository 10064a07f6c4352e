package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"usher/backend/demo/demotest"
	"usher/backend/sandbox/s3"
)

const box = "box"

// Amazon's SDK for Go against the sandbox's S3. The SDK has its own signer,
// paginator and checksums.
func TestAmazonGoS3(t *testing.T) {
	t.Parallel()
	keys := newOwner()
	client := sdk(emptyS3(t, keys, nil), region, keys, "")
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(box)}); err != nil {
		t.Fatal(err)
	}
	t.Run("paging", func(t *testing.T) { sdkPaging(t, client) })
	t.Run("exact keys", func(t *testing.T) { sdkExactKeys(t, client) })
	t.Run("checksums", func(t *testing.T) { sdkChecksums(t, client) })
	t.Run("composite checksums", func(t *testing.T) { sdkComposite(t, client) })
	t.Run("Range", func(t *testing.T) { sdkRange(t, client) })
	t.Run("If-Match", func(t *testing.T) { sdkIfMatch(t, client) })
	t.Run("expiry", func(t *testing.T) { sdkExpiry(t, client) })
}

// sdk returns Amazon's client for an S3 server on this machine. It does not retry
// after a refusal.
func sdk(endpoint, region string, keys owner, token string) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: region, BaseEndpoint: aws.String(endpoint), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.key, keys.secret, token),
	})
}

// errorCode returns the error code of S3 or Cognito, "" for success.
func errorCode(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.ErrorCode()
	}
	return err.Error()
}

// A signature in headers is accepted only with the right secret, for this region
// and the present time.
func TestAmazonGoSignature(t *testing.T) {
	t.Parallel()
	keys, other := newOwner(), newOwner()
	endpoint := emptyS3(t, keys, nil)
	for name, c := range map[string]struct {
		region string
		keys   owner
		token  string
		want   string
	}{
		"right":          {region, keys, "", ""},
		"wrong secret":   {region, owner{keys.key, other.secret}, "", "SignatureDoesNotMatch"},
		"unknown key":    {region, other, "", "InvalidAccessKeyId"},
		"another region": {"eu-west-1", keys, "", "AuthorizationHeaderMalformed"},
		"invented token": {region, keys, "invented", "InvalidToken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sdk(endpoint, c.region, c.keys, c.token).ListBuckets(t.Context(), &awss3.ListBucketsInput{})
			if got := errorCode(err); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		at   time.Duration
		want int
	}{"14 minutes old": {-14 * time.Minute, 200}, "16 minutes old": {-16 * time.Minute, 403}, "16 minutes ahead": {16 * time.Minute, 403}} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			empty := digest(nil)
			req.Header.Set("X-Amz-Content-Sha256", empty)
			err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keys.key, SecretAccessKey: keys.secret}, req, empty, "s3", region, time.Now().Add(c.at))
			if err != nil {
				t.Fatal(err)
			}
			if got := demotest.Do(t, req); got.Status != c.want {
				t.Errorf("%d %s, want %d", got.Status, got.Body, c.want)
			}
		})
	}
}

// A temporary key is refused without its token, with another token, and after its
// expiry: in headers and in a URL.
func TestAmazonGoSessionToken(t *testing.T) {
	t.Parallel()
	root, short, over := newOwner(), newOwner(), newOwner()
	keys := new(s3.Keyring)
	keys.Put(short.key, s3.Credential{Secret: short.secret, SessionToken: "the/token+of=this", Expires: time.Now().Add(time.Hour)})
	keys.Put(over.key, s3.Credential{Secret: over.secret, SessionToken: "old", Expires: time.Now().Add(-time.Second)})
	endpoint := emptyS3(t, root, keys)
	setUp := sdk(endpoint, region, root, "")
	if _, err := setUp.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(box)}); err != nil {
		t.Fatal(err)
	}
	put(t, setUp, "k", []byte("body"))
	for name, c := range map[string]struct {
		keys        owner
		token, want string
	}{
		"right":     {short, "the/token+of=this", ""},
		"without":   {short, "", "InvalidAccessKeyId"},
		"another":   {short, "the/token+of=that", "InvalidToken"},
		"after end": {over, "old", "ExpiredToken"},
	} {
		t.Run(name, func(t *testing.T) {
			client := sdk(endpoint, region, c.keys, c.token)
			_, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(box), Key: aws.String("k")})
			if got := errorCode(err); got != c.want {
				t.Errorf("header: %q, want %q", got, c.want)
			}
			a := getPresigned(t, client, time.Minute)
			if c.want == "" && a.Status != http.StatusOK || c.want != "" && !bytes.Contains(a.Body, []byte("<Code>"+c.want+"</Code>")) {
				t.Errorf("URL: %d %s, want %q", a.Status, a.Body, c.want)
			}
		})
	}
}

// getPresigned presigns a GET of box/k and sends it.
func getPresigned(t *testing.T, client *awss3.Client, life time.Duration) demotest.Answer {
	t.Helper()
	return demotest.Do(t, presigned(t, client, life))
}

func presigned(t *testing.T, client *awss3.Client, life time.Duration) *http.Request {
	t.Helper()
	signed, err := awss3.NewPresignClient(client).PresignGetObject(t.Context(),
		&awss3.GetObjectInput{Bucket: aws.String(box), Key: aws.String("k")}, awss3.WithPresignExpires(life))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func put(t *testing.T, client *awss3.Client, key string, body []byte) {
	t.Helper()
	if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(box), Key: &key, Body: bytes.NewReader(body)}); err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
}

// sdkExpiry checks that a presigned request succeeds at once and fails after its
// life.
func sdkExpiry(t *testing.T, client *awss3.Client) {
	put(t, client, "k", []byte("body"))
	req := presigned(t, client, 5*time.Second)
	if a := demotest.Do(t, req); a.Status != http.StatusOK {
		t.Fatalf("at once: %d %s", a.Status, a.Body)
	}
	for end := time.Now().Add(waitLimit); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		if a := demotest.Do(t, req); a.Status == http.StatusForbidden && bytes.Contains(a.Body, []byte("expired")) {
			return
		}
	}
	t.Error("the URL does not expire")
}

// sdkPaging checks that, for every page size, Amazon's paginator returns each key
// and each folder once.
func sdkPaging(t *testing.T, client *awss3.Client) {
	var want []string
	for i := range 9 {
		put(t, client, fmt.Sprintf("p/file%d", i), nil)
		put(t, client, fmt.Sprintf("p/folder%d/a", i), nil)
		put(t, client, fmt.Sprintf("p/folder%d/b", i), nil)
		want = append(want, fmt.Sprintf("p/file%d", i), fmt.Sprintf("p/folder%d/", i))
	}
	slices.Sort(want)
	for _, size := range []int32{1, 2, 5, 17, 1000} {
		var got []string
		pages := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{Bucket: aws.String(box), Prefix: aws.String("p/"),
			Delimiter: aws.String("/"), MaxKeys: aws.Int32(size)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Contents) + len(page.CommonPrefixes); n > int(size) || n != int(aws.ToInt32(page.KeyCount)) {
				t.Errorf("by %d: a page of %d with KeyCount %d", size, n, aws.ToInt32(page.KeyCount))
			}
			for _, o := range page.Contents {
				got = append(got, aws.ToString(o.Key))
			}
			for _, p := range page.CommonPrefixes {
				got = append(got, aws.ToString(p.Prefix))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %q, want %q", size, got, want)
		}
	}
}

// sdkExactKeys checks that keys are stored exactly, including those that a file
// system would change.
func sdkExactKeys(t *testing.T, client *awss3.Client) {
	keys := []string{"e/a//b", "e/a/../b", "e/./z", "e/file", "e/file/child", "e/ ", "e/+%20%2F", "e/ü", "e/u\u0308", "e/" + strings.Repeat("k", 1022), "/lead"}
	for _, key := range keys {
		put(t, client, key, []byte("I am "+key))
	}
	for _, key := range keys {
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(box), Key: &key})
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if body, err := io.ReadAll(out.Body); err != nil || string(body) != "I am "+key {
			t.Errorf("%q: %q, %v", key, body, err)
		}
	}
	out, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(box), Prefix: aws.String("e/")})
	if err != nil || len(out.Contents) != len(keys)-1 {
		t.Errorf("%d keys are listed (%v), want %d", len(out.Contents), err, len(keys)-1)
	}
}

// sdkChecksums checks that the SDK's checksum is stored, and returned to the SDK,
// which verifies it. A wrong checksum is refused.
func sdkChecksums(t *testing.T, client *awss3.Client) {
	for _, sum := range sums() {
		key := aws.String("sum/" + string(sum))
		_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(box), Key: key, Body: bytes.NewReader(pattern(70_000)), ChecksumAlgorithm: sum})
		if err != nil {
			t.Errorf("%s: %v", sum, err)
			continue
		}
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(box), Key: key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Errorf("%s: %v", sum, err)
			continue
		}
		body, err := io.ReadAll(out.Body) // fails if the checksum does not match
		used, _ := awss3.GetChecksumValidationMetadata(out.ResultMetadata)
		if err != nil || !bytes.Equal(body, pattern(70_000)) || !slices.Equal(used.AlgorithmsUsed, []string{string(sum)}) {
			t.Errorf("%s: verified by %q, %v", sum, used.AlgorithmsUsed, err)
		}
	}
	_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(box), Key: aws.String("sum/wrong"),
		Body: strings.NewReader("body"), ChecksumSHA256: aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")})
	if got := errorCode(err); got != "BadDigest" {
		t.Errorf("the checksum of other bytes: %q, want BadDigest", got)
	}
	if _, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String(box), Key: aws.String("sum/wrong")}); errorCode(err) != "NotFound" {
		t.Errorf("the refused object exists: %v", err)
	}
}

// sdkComposite checks that the checksum of a multipart upload is a checksum of the
// parts' checksums, and that each part can be read.
func sdkComposite(t *testing.T, client *awss3.Client) {
	key := aws.String("parts")
	up, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String(box), Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	if err != nil {
		t.Fatal(err)
	}
	body := pattern(minPart + 1000)
	done := &types.CompletedMultipartUpload{}
	for i, part := range [][]byte{body[:minPart], body[minPart:]} {
		n := aws.Int32(int32(i + 1))
		out, err := client.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: aws.String(box), Key: key, UploadId: up.UploadId, PartNumber: n,
			Body: bytes.NewReader(part), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
		if err != nil {
			t.Fatal(err)
		}
		done.Parts = append(done.Parts, types.CompletedPart{PartNumber: n, ETag: out.ETag, ChecksumSHA256: out.ChecksumSHA256})
	}
	out, err := client.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: aws.String(box), Key: key, UploadId: up.UploadId, MultipartUpload: done})
	if err != nil || !strings.HasSuffix(aws.ToString(out.ChecksumSHA256), "-2") || out.ChecksumType != types.ChecksumTypeComposite || !strings.HasSuffix(aws.ToString(out.ETag), `-2"`) {
		t.Fatalf("%v: checksum %s of type %s, ETag %s", err, aws.ToString(out.ChecksumSHA256), out.ChecksumType, aws.ToString(out.ETag))
	}
	got, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(box), Key: key, PartNumber: aws.Int32(2), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(b, body[minPart:]) || aws.ToString(got.ChecksumSHA256) != aws.ToString(done.Parts[1].ChecksumSHA256) || aws.ToInt32(got.PartsCount) != 2 {
		t.Errorf("part 2: %d bytes, checksum %s, %v", len(b), aws.ToString(got.ChecksumSHA256), err)
	}
}

func sdkRange(t *testing.T, client *awss3.Client) {
	put(t, client, "ranged", []byte("0123456789"))
	for asked, want := range map[string]string{"bytes=0-3": "0123", "bytes=7-": "789", "bytes=-2": "89", "bytes=8-99": "89"} {
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(box), Key: aws.String("ranged"), Range: &asked})
		if err != nil {
			t.Errorf("%s: %v", asked, err)
			continue
		}
		if b, err := io.ReadAll(out.Body); err != nil || string(b) != want || !strings.HasSuffix(aws.ToString(out.ContentRange), "/10") {
			t.Errorf("%s: %q of %s, %v", asked, b, aws.ToString(out.ContentRange), err)
		}
	}
	_, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(box), Key: aws.String("ranged"), Range: aws.String("bytes=10-")})
	if got := errorCode(err); got != "InvalidRange" {
		t.Errorf("beyond the end: %q, want InvalidRange", got)
	}
}

// sdkIfMatch checks that no range of changed content is returned for the previous
// ETag.
func sdkIfMatch(t *testing.T, client *awss3.Client) {
	put(t, client, "changing", []byte("before"))
	head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String(box), Key: aws.String("changing")})
	if err != nil {
		t.Fatal(err)
	}
	get := func(ctx context.Context, asked *string) string {
		out, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(box), Key: aws.String("changing"), IfMatch: head.ETag, Range: asked})
		if err == nil {
			_ = out.Body.Close()
		}
		return errorCode(err)
	}
	if got := get(t.Context(), nil) + get(t.Context(), aws.String("bytes=2-")); got != "" {
		t.Errorf("before: %q", got)
	}
	put(t, client, "changing", []byte("after!"))
	for _, asked := range []*string{nil, aws.String("bytes=2-")} {
		if got := get(t.Context(), asked); got != "PreconditionFailed" {
			t.Errorf("after the change, range %q: %q, want PreconditionFailed", aws.ToString(asked), got)
		}
	}
}
