package rig

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"usher/backend/sandbox/s3"
)

const region = "us-east-1"

// tool returns the path of a tool from an environment variable, which the script
// run sets. A missing variable fails the test: a rig without its judges would
// prove nothing.
func tool(t testing.TB, name string) string {
	t.Helper()
	path := os.Getenv(name)
	if path == "" {
		t.Fatalf("%s is not set: start the rig with ./run", name)
	}
	return path
}

// owner is a key pair of one test.
type owner struct{ key, secret string }

func newOwner() owner {
	return owner{"AKIA" + rand.Text()[:16], rand.Text() + rand.Text()[:14]}
}

// emptyS3 starts a sandbox S3 without a bucket, with the keys of root, and returns
// its URL. ring may be nil.
func emptyS3(t testing.TB, root owner, ring *s3.Keyring) string {
	t.Helper()
	if ring == nil {
		ring = new(s3.Keyring)
	}
	ring.Put(root.key, s3.Credential{Secret: root.secret})
	store, err := s3.New(s3.Config{Region: region, Keys: ring, Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.Handler(store))
	t.Cleanup(func() {
		server.Close()
		if err := store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return server.URL
}
