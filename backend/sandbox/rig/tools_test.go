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

// tool gives the path that the script run hands over in an environment
// variable. A rig without its judges would prove nothing, so it never skips.
func tool(t testing.TB, name string) string {
	t.Helper()
	path := os.Getenv(name)
	if path == "" {
		t.Fatalf("%s is not set: start the rig with ./run", name)
	}
	return path
}

// owner is a key pair, made up for one test.
type owner struct{ key, secret string }

func newOwner() owner {
	return owner{"AKIA" + rand.Text()[:16], rand.Text() + rand.Text()[:14]}
}

// emptyS3 is a sandbox S3 without a bucket, and its address. keys may be nil.
func emptyS3(t testing.TB, who owner, keys *s3.Keyring) string {
	t.Helper()
	if keys == nil {
		keys = new(s3.Keyring)
	}
	keys.Put(who.key, s3.Credential{Secret: who.secret})
	store, err := s3.New(s3.Config{Region: region, Keys: keys, Now: time.Now, Dir: t.TempDir()})
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
