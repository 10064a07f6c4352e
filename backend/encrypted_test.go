package backend_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// In a bucket under SSE-KMS the reader role needs kms:Decrypt on the key. Without
// it the person gets storage_refused, also if only the client's GET is refused,
// and the log has the missing permission.
func TestEncryptedBuckets(t *testing.T) {
	w := demotest.Start(t, demo.Options{ReaderRole: true})
	owner := w.S3()
	for bucket, key := range map[string]string{"readable": "reader-1", "unreadable": "other-1"} {
		if err := w.Sandbox.Objects.CreateBucket(bucket, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
			Bucket: aws.String(bucket), ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
				Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
					SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String(key),
				}}},
			},
		}); err != nil {
			t.Fatal(err)
		}
		w.Put(t, bucket, "a/one.txt", "one")
		w.Put(t, bucket, "a/two.txt", "two")
	}
	grants := "grants:\n  - {group: finance-team, bucket: readable, prefix: a/}\n  - {group: finance-team, bucket: unreadable, prefix: a/}\n"
	if err := os.WriteFile(w.GrantsFile, []byte(grants), 0o600); err != nil {
		t.Fatal(err)
	}
	ada := w.AddPerson(t, "reader", "finance-team")
	etags, marks := map[string]string{}, map[string]string{}
	for end := time.Now().Add(30 * time.Second); len(etags) < 2; time.Sleep(20 * time.Millisecond) {
		for _, bucket := range []string{"readable", "unreadable"} { // a listing needs no key
			listed, err := ada.List(t.Context(), api.ListRequest{Bucket: bucket, Prefix: "a/", Recursive: true})
			if err == nil && len(listed.Entries) == 2 {
				etags[bucket], marks[bucket] = listed.Entries[0].ETag, listed.Entries[0].Mark
			} else if time.Now().After(end) {
				t.Fatalf("%s: %+v, %v", bucket, listed.Entries, err)
			}
		}
	}
	release := func(bucket, key, etag string) api.ReleaseItem {
		out, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: bucket, Key: key, ETag: etag, Mark: marks[bucket]}}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Items[0]
	}

	for _, etag := range []string{"", etags["readable"]} {
		item := release("readable", "a/one.txt", etag)
		if item.Error != nil {
			t.Fatalf("etag %q: %+v", etag, item.Error)
		}
		if code, body := get(t, item, func(*http.Request) {}); code != http.StatusOK || body != "one" {
			t.Errorf("etag %q: %d %q", etag, code, body)
		}
	}

	logged := func() int {
		raw, err := os.ReadFile(filepath.Join(w.Dir, "backend.log"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(raw)) {
			if strings.Contains(line, `"msg":"storage"`) && strings.Contains(line, "kms:Decrypt") && strings.Contains(line, `"unreadable"`) && strings.Contains(line, "key/other-1") {
				n++
			}
		}
		return n
	}
	known := release("unreadable", "a/one.txt", etags["unreadable"]) // the mark has the size, so there is no HEAD: S3 refuses the client
	if known.Error != nil || status(t, known) != http.StatusForbidden {
		t.Fatalf("%+v", known)
	}
	if n := logged(); n != 0 {
		t.Errorf("%d lines before the report", n)
	}
	report := api.CompleteRequest{Items: []api.CompleteItem{{Event: known.Event, Outcome: api.CompletedFailed}}}
	if err := ada.Complete(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	if n := logged(); n != 1 {
		t.Errorf("%d lines after the report", n)
	}
	unknown := release("unreadable", "a/two.txt", "")
	if unknown.URL != "" || unknown.Error == nil || unknown.Error.Code != api.StorageRefused {
		t.Errorf("%+v", unknown)
	}
}
