package vault_test

import (
	"net/http"
	"testing"
	"time"

	"usher/backend/sandbox/s3"
)

// storage is an S3 server with a locked bucket.
func storage(t *testing.T) http.Handler {
	t.Helper()
	keys := &s3.Keyring{}
	keys.Put(key, s3.Credential{Secret: secret})
	server, err := s3.New(s3.Config{Region: region, Keys: keys, Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.CreateBucket("vault", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := server.LockBucket("vault", "COMPLIANCE", 30); err != nil {
		t.Fatal(err)
	}
	return server
}
