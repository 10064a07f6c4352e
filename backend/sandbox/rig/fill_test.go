package rig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"usher/backend/demo/demotest"
)

// fill stores the rig's objects in versitygw with Amazon's SDK. It returns the
// SHA-256, by key, of each object that external auditors can read.
func fill(t *testing.T, w *demotest.Demo) map[string]string {
	t.Helper()
	client := w.S3()
	for _, bucket := range []string{reports, "builds"} {
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatalf("creating %s: %v", bucket, err)
		}
	}
	_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String("builds"),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatalf("turning versions on: %v", err)
	}
	for _, key := range []string{"quarterly/q1.csv", "annual/letter.txt", "annualx/no.csv", "board-packs/secret.csv"} {
		w.Put(t, reports, key, "body of "+key)
	}
	want := map[string]string{}
	put := func(key string, body []byte, sum types.ChecksumAlgorithm) {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(reports), Key: aws.String(audited + key),
			Body: bytes.NewReader(body), ChecksumAlgorithm: sum})
		if err != nil {
			t.Fatalf("putting %q: %v", key, err)
		}
		want[audited+key] = digest(body)
	}
	for _, key := range []string{"one.csv", "two.csv"} {
		put(key, []byte("body of "+key), "")
	}
	for _, sum := range sums() {
		put("sums/"+strings.ToLower(string(sum))+".bin", pattern(10_000), sum)
	}
	for i, name := range oddNames() {
		put(fmt.Sprintf("odd/%02d ", i)+name, []byte("named "+name), "")
	}
	for i := range 45 {
		put(fmt.Sprintf("many/%03d.txt", i), []byte{byte(i)}, "")
	}
	want[audited+"big.bin"] = putParts(t, client, audited+"big.bin")
	return want
}

// sums returns the checksum algorithms other than the default.
func sums() []types.ChecksumAlgorithm {
	return []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
		types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256}
}

// oddNames returns unusual names that versitygw stores exactly. It joins keys to
// paths, and lists an escape character as U+FFFD. Tests of dot segments, empty
// segments and escapes therefore run on the sandbox.
func oddNames() []string {
	return []string{
		"Bilanz 2026 (endgültig) & Co+.csv", "日本語/報告 100%.txt", "🧾.txt", "per%2Fcent%.txt", `a'b"c.txt`, "q?x=1#y.txt",
		"~!*().txt", `back\slash.txt`, "line\nbreak.txt", "e\u0301.txt", "rtl\u202etxt.exe", strings.Repeat("n", 200),
	}
}

// putParts uploads an object in two parts and returns its SHA-256.
func putParts(t *testing.T, client *s3.Client, key string) string {
	t.Helper()
	up, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(reports), Key: &key})
	if err != nil {
		t.Fatalf("beginning an upload: %v", err)
	}
	body := pattern(minPart + 1<<20)
	done := &types.CompletedMultipartUpload{}
	for i, part := range [][]byte{body[:minPart], body[minPart:]} {
		n := aws.Int32(int32(i + 1))
		out, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String(reports), Key: &key,
			UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(part)})
		if err != nil {
			t.Fatalf("uploading part %d: %v", *n, err)
		}
		done.Parts = append(done.Parts, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	_, err = client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: aws.String(reports), Key: &key,
		UploadId: up.UploadId, MultipartUpload: done})
	if err != nil {
		t.Fatalf("completing an upload: %v", err)
	}
	return digest(body)
}

// pattern returns n bytes that depend on their offset.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
