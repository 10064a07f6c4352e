package backend_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/iam"
)

// A bucket of another account is read if its policy allows the reader role, with
// the version of the object named in the URL. A missing permission is a refusal by
// the storage for the person, and a line with the bucket in the log.
func TestBucketOfAnotherAccount(t *testing.T) {
	w := demotest.Start(t, demo.Options{ReaderRole: true})
	const list = `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::*"}`
	grants := "grants:\n"
	for bucket, statements := range map[string]string{
		"partner-open":      list + `,{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::partner-open/a/*"}`,
		"partner-closed":    `{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::*"}`,
		"partner-unversion": list + `,{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::partner-unversion/a/*"}`,
	} {
		policy, err := iam.Parse(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		objects := w.Sandbox.Objects
		for _, step := range []error{
			objects.CreateBucket(bucket, time.Now()), objects.EnableVersions(bucket), objects.GiveBucket(bucket, "444455556666", policy),
		} {
			if step != nil {
				t.Fatal(step)
			}
		}
		w.Put(t, bucket, "a/one.txt", "one")
		grants += "  - {group: finance-team, bucket: " + bucket + ", prefix: a/}\n"
	}
	if err := os.WriteFile(w.GrantsFile, []byte(grants), 0o600); err != nil {
		t.Fatal(err)
	}
	ada := w.AddPerson(t, "reader", "finance-team")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		listed, err := ada.List(t.Context(), api.ListRequest{Bucket: "partner-open", Prefix: "a/"})
		if err == nil && len(listed.Entries) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v, %v", listed.Entries, err)
		}
	}
	logged := func(texts ...string) bool {
		raw, err := os.ReadFile(filepath.Join(w.Dir, "backend.log"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			found := strings.Contains(line, `"msg":"storage"`)
			for _, text := range texts {
				found = found && strings.Contains(line, text)
			}
			if found {
				return true
			}
		}
		return false
	}

	item, err := releaseOne(t.Context(), ada, "partner-open", "a/one.txt")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(item.URL)
	if err != nil || u.Query().Get("versionId") == "" {
		t.Errorf("no version in the URL: %v", err)
	}
	if code, body := get(t, item, func(*http.Request) {}); code != http.StatusOK || body != "one" {
		t.Errorf("%d %q", code, body)
	}
	w.Put(t, "partner-open", "a/one.txt", "two") // the URL names the version that was examined
	if code, body := get(t, item, func(*http.Request) {}); code != http.StatusOK || body != "one" {
		t.Errorf("the URL of a version returns %d %q", code, body)
	}

	if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "partner-closed", Prefix: "a/"}); codeOf(err) != api.StorageUnavailable {
		t.Errorf("a listing that the bucket's policy denies: %v", err)
	}
	if _, err := releaseOne(t.Context(), ada, "partner-closed", "a/one.txt"); codeOf(err) != api.StorageUnavailable {
		t.Errorf("a release that the bucket's policy denies: %v", err)
	}
	if !logged(`"partner-closed"`, "AccessDenied", "the policy of the bucket, or that of the server's role, denies") {
		t.Error("the log has no line for the bucket that refuses")
	}

	item, err = releaseOne(t.Context(), ada, "partner-unversion", "a/one.txt")
	if err != nil {
		t.Fatal(err)
	}
	if code := status(t, item); code != http.StatusForbidden {
		t.Errorf("a version without s3:GetObjectVersion: %d", code)
	}
	report := api.CompleteRequest{Items: []api.CompleteItem{{Event: item.Event, Outcome: api.CompletedFailed}}}
	if err := ada.Complete(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	if !logged(`"partner-unversion"`, "AccessDenied") {
		t.Error("the log has no line for the missing s3:GetObjectVersion")
	}
}
