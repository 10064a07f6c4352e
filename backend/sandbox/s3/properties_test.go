package s3

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// wantCode checks the code of an API error; "" means success.
func wantCode(t *testing.T, name string, err error, code string) {
	t.Helper()
	have := ""
	if e := smithy.APIError(nil); errors.As(err, &e) {
		have = e.ErrorCode()
	} else if err != nil {
		have = err.Error()
	}
	if have != code {
		t.Errorf("%s: %q, want %q", name, have, code)
	}
}

func input(key string, change func(*awss3.PutObjectInput)) *awss3.PutObjectInput {
	in := &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String(key), Body: strings.NewReader("body")}
	if change != nil {
		change(in)
	}
	return in
}

// A client that waits for "100 Continue" receives it even for an empty body.
func TestContinueForAnEmptyBody(t *testing.T) {
	r := newRig(t)
	q := r.signed(raw{method: "PUT", path: "/box/empty"})
	q.header.Set("Expect", "100-continue")
	if a := r.do(q); a.StatusCode != 100 {
		t.Errorf("the first response is %s, want 100 Continue", a.Status)
	}
	if a := r.do(r.signed(raw{method: "PUT", path: "/box/empty"})); a.StatusCode != 200 {
		t.Errorf("without the header: %s, want 200 at once", a.Status)
	}
}

// S3 sends x-amz-* headers in lower case, and clients derive the names of metadata
// from them.
func TestAmazonHeadersAreLowerCase(t *testing.T) {
	r := newRig(t)
	if _, err := r.client.PutObject(t.Context(), input("k", func(in *awss3.PutObjectInput) {
		in.Metadata, in.StorageClass = map[string]string{"some-key": "v"}, types.StorageClassStandardIa
	})); err != nil {
		t.Fatal(err)
	}
	conn := r.send(r.signed(raw{method: "HEAD", path: "/box/k"}))
	defer conn.Close()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\r\nx-amz-meta-some-key: v\r\n", "\r\nx-amz-storage-class: STANDARD_IA\r\n", "\r\nx-amz-server-side-encryption: AES256\r\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "X-Amz-") {
		t.Errorf("a header with upper-case letters:\n%s", text)
	}
}

func TestPropertiesOfAWriteAreStoredOrRefused(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name   string
		change func(*awss3.PutObjectInput)
		code   string
	}{
		{"class", func(in *awss3.PutObjectInput) { in.StorageClass = "NOPE" }, "InvalidStorageClass"},
		{"directory class", func(in *awss3.PutObjectInput) { in.StorageClass = types.StorageClassExpressOnezone }, "InvalidStorageClass"},
		{"acl", func(in *awss3.PutObjectInput) { in.ACL = types.ObjectCannedACLPublicRead }, "AccessControlListNotSupported"},
		{"private acl", func(in *awss3.PutObjectInput) { in.ACL = types.ObjectCannedACLPrivate }, "AccessControlListNotSupported"},
		{"grant", func(in *awss3.PutObjectInput) { in.GrantRead = aws.String("id=1") }, "AccessControlListNotSupported"},
		{"owner's acl", func(in *awss3.PutObjectInput) { in.ACL = types.ObjectCannedACLBucketOwnerFullControl }, ""},
		{"lock", func(in *awss3.PutObjectInput) { in.ObjectLockLegalHoldStatus = types.ObjectLockLegalHoldStatusOn }, "InvalidRequest"},
		{"encryption", func(in *awss3.PutObjectInput) { in.ServerSideEncryption = "rot13" }, "InvalidArgument"},
		{"key without kms", func(in *awss3.PutObjectInput) { in.SSEKMSKeyId = aws.String("k") }, "InvalidArgument"},
		{"owner", func(in *awss3.PutObjectInput) { in.ExpectedBucketOwner = aws.String("111111111111") }, "AccessDenied"},
		{"own owner", func(in *awss3.PutObjectInput) { in.ExpectedBucketOwner = aws.String(account) }, ""},
		{"tags", func(in *awss3.PutObjectInput) { in.Tagging = aws.String("a=1&a=2") }, "InvalidArgument"},
		{"a tag's characters", func(in *awss3.PutObjectInput) { in.Tagging = aws.String("a=%3C") }, "InvalidTag"},
		{"redirect", func(in *awss3.PutObjectInput) { in.WebsiteRedirectLocation = aws.String("elsewhere") }, "InvalidRedirectLocation"},
		{"append", func(in *awss3.PutObjectInput) { in.WriteOffsetBytes = aws.Int64(4) }, "NotImplemented"},
	} {
		_, err := r.client.PutObject(t.Context(), input("k", c.change))
		wantCode(t, c.name, err, c.code)
	}
}

func TestKMSKeyIsStored(t *testing.T) {
	r := newRig(t)
	put, err := r.client.PutObject(t.Context(), input("k", func(in *awss3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKms, aws.String("1234abcd"), aws.Bool(true)
	}))
	if err != nil {
		t.Fatal(err)
	}
	const key = "arn:aws:kms:eu-central-1:000000000000:key/1234abcd"
	head, err := r.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if put.ServerSideEncryption != types.ServerSideEncryptionAwsKms || head.ServerSideEncryption != types.ServerSideEncryptionAwsKms ||
		aws.ToString(put.SSEKMSKeyId) != key || aws.ToString(head.SSEKMSKeyId) != key || !aws.ToBool(head.BucketKeyEnabled) {
		t.Errorf("put %v %v, head %v %v", put.ServerSideEncryption, aws.ToString(put.SSEKMSKeyId), head.ServerSideEncryption, aws.ToString(head.SSEKMSKeyId))
	}
	if plain := md5.Sum([]byte("body")); strings.Contains(aws.ToString(put.ETag), strings.ToLower(hexOf(plain[:]))) {
		t.Error("the ETag of an object with SSE-KMS is its MD5")
	}
}

// A bucket's encryption applies to writes that name none, until it is removed.
func TestEncryptionOfBucket(t *testing.T) {
	r := newRig(t)
	box := aws.String("box")
	rule := func(algorithm types.ServerSideEncryption, key *string) error {
		_, err := r.client.PutBucketEncryption(t.Context(), &awss3.PutBucketEncryptionInput{
			Bucket: box, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{
				{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm, KMSMasterKeyID: key}, BucketKeyEnabled: aws.Bool(true)},
			}},
		})
		return err
	}
	if err := rule(types.ServerSideEncryptionAes256, aws.String("k")); err == nil {
		t.Error("a KMS key with SSE-S3 is accepted")
	}
	if err := rule(types.ServerSideEncryptionAwsKms, aws.String("1234abcd")); err != nil {
		t.Fatal(err)
	}
	const key = "arn:aws:kms:eu-central-1:000000000000:key/1234abcd"
	got, err := r.client.GetBucketEncryption(t.Context(), &awss3.GetBucketEncryptionInput{Bucket: box})
	if err != nil || aws.ToString(got.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.KMSMasterKeyID) != key {
		t.Fatalf("%+v, %v", got, err)
	}
	put, err := r.client.PutObject(t.Context(), input("inherits", nil))
	if err != nil || aws.ToString(put.SSEKMSKeyId) != key || !aws.ToBool(put.BucketKeyEnabled) {
		t.Errorf("%+v, %v", put, err)
	}
	put, err = r.client.PutObject(t.Context(), input("named", func(in *awss3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 }))
	if err != nil || put.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("%+v, %v", put, err)
	}
	if _, err := r.client.DeleteBucketEncryption(t.Context(), &awss3.DeleteBucketEncryptionInput{Bucket: box}); err != nil {
		t.Fatal(err)
	}
	put, err = r.client.PutObject(t.Context(), input("after", nil))
	if err != nil || put.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("%+v, %v", put, err)
	}
}

func hexOf(b []byte) string { return encryption{}.etag(b) }

func TestCustomerKeyReadsItsObjectOnly(t *testing.T) {
	r := newRig(t)
	key, other := strings.Repeat("k", 32), strings.Repeat("o", 32)
	in64 := func(s string) *string { return aws.String(base64.StdEncoding.EncodeToString([]byte(s))) }
	sum := func(s string) *string { m := md5.Sum([]byte(s)); return in64(string(m[:])) }
	if _, err := r.client.PutObject(t.Context(), input("c", func(in *awss3.PutObjectInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = aws.String("AES256"), in64(key), sum(key)
	})); err != nil {
		t.Fatal(err)
	}
	r.put("plain", "body")
	get := func(name string, with string) error {
		in := &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String(name)}
		if with != "" {
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = aws.String("AES256"), in64(with), sum(with)
		}
		_, err := r.client.GetObject(t.Context(), in)
		return err
	}
	wantCode(t, "its key", get("c", key), "")
	wantCode(t, "no key", get("c", ""), "InvalidRequest")
	wantCode(t, "another key", get("c", other), "AccessDenied")
	wantCode(t, "a key for an unencrypted object", get("plain", key), "InvalidRequest")
	_, err := r.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String("c")})
	wantCode(t, "HEAD without a key", err, "BadRequest")
	_, err = r.client.PutObject(t.Context(), input("c", func(in *awss3.PutObjectInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = aws.String("AES256"), in64(key), sum(other)
	}))
	wantCode(t, "a key with the MD5 of another", err, "InvalidArgument")
	_, err = r.client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: aws.String("box"), Key: aws.String("copy"), CopySource: aws.String("box/c")})
	wantCode(t, "a copy without the source's key", err, "InvalidRequest")
}
