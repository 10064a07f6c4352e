package demo_test

import (
	"crypto/rand"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/sandbox/s3"
)

const ownKey, ownSecret = "AKIAOWNSTORAGE00", "own-storage-secret"

// ownStorage starts an S3 server outside of the demo, with an empty bucket
// "lab", and returns its URL.
func ownStorage(t *testing.T, region string) string {
	t.Helper()
	keys := &s3.Keyring{}
	keys.Put(ownKey, s3.Credential{Secret: ownSecret})
	server, err := s3.New(s3.Config{Region: region, Keys: keys, Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	if err := server.CreateBucket("lab", time.Now()); err != nil {
		t.Fatal(err)
	}
	return web.URL
}

const labGrants = "grants:\n  - {group: finance-team, bucket: lab, prefix: in/}\n"

func TestOwnStorage(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "grants.yaml"), []byte(labGrants), 0o600); err != nil {
		t.Fatal(err)
	}
	w := demotest.Start(t, demo.Options{Dir: dir, Storage: &demo.Storage{
		Endpoint: ownStorage(t, "eu-central-1") + "/", Region: "eu-central-1", AccessKey: ownKey, SecretKey: ownSecret,
	}})
	if w.Region != "eu-central-1" || w.S3Region != "eu-central-1" || !strings.HasPrefix(w.UserPoolID, "eu-central-1_") {
		t.Errorf("regions %q, %q and pool %q, want eu-central-1 for all", w.Region, w.S3Region, w.UserPoolID)
	}
	w.Put(t, "lab", "in/a.txt", "a")
	w.Put(t, "lab", "out/b.txt", "b")
	ada := w.SignIn(t, "ada")
	page, err := ada.List(t.Context(), api.ListRequest{Bucket: "lab", Prefix: "in/"})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Name != "a.txt" {
		t.Errorf("in/: %v, %v, want a.txt alone", page.Entries, err)
	}
	if _, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "lab", Key: "out/b.txt"}); err == nil {
		t.Error("an object outside of the grant was returned")
	}
	// The keys of the storage authenticate the pool owner's calls too.
	if _, err := w.Admin().DescribeUserPool(t.Context(), &cognitoidentityprovider.DescribeUserPoolInput{UserPoolId: aws.String(w.UserPoolID)}); err != nil {
		t.Errorf("describing the pool with the storage's keys: %v", err)
	}
	buckets, err := w.S3().ListBuckets(t.Context(), nil)
	if err != nil || len(buckets.Buckets) != 1 {
		t.Errorf("%v buckets, %v: the demo wrote to a storage that is not its own", buckets, err)
	}
}

func TestOwnStorageWithoutKeysUsesTheDemos(t *testing.T) {
	w := demotest.Start(t, demo.Options{Storage: &demo.Storage{Endpoint: ownStorage(t, "us-east-1"), Region: "garage"}})
	if w.Region != "us-east-1" || w.S3Region != "garage" {
		t.Errorf("region %q of the pool and %q of the storage, want us-east-1 and garage", w.Region, w.S3Region)
	}
	if key, secret := w.Sandbox.Credentials(); key != w.S3AccessKey || secret != w.S3SecretKey || key == "" {
		t.Error("the backend signs with keys other than the published ones")
	}
}

func TestUnusableStorageIsRefused(t *testing.T) {
	for _, s := range []demo.Storage{
		{Endpoint: ""},
		{Endpoint: "127.0.0.1:9000"},
		{Endpoint: "ftp://127.0.0.1"},
		{Endpoint: "http://192.0.2.1:9000"},
		{Endpoint: "http://127.0.0.1.example.com:9000"},
		{Endpoint: "http://127.0.0.1:9000/path"},
		{Endpoint: "http://u:p@127.0.0.1:9000"},
		{Endpoint: "http://127.0.0.1:9000?x"},
		{Endpoint: "http://127.0.0.1:0"},
		{Endpoint: "http://127.0.0.1:99999"},
		{Endpoint: "http://127.0.0.1:"},
		{Endpoint: "http://127.0.0.1:9000", AccessKey: "a"},
		{Endpoint: "http://127.0.0.1:9000", SecretKey: "b"},
	} {
		w, err := demo.Start(t.Context(), demo.Options{Dir: t.TempDir(), NewID: event.IDs(rand.Reader), Storage: &s})
		if err == nil {
			t.Errorf("%q was accepted", s.Endpoint)
			_ = w.Close()
		}
	}
}
