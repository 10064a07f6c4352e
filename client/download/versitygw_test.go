//go:build rig

package download

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
)

// TestVersitygwServerFaults plays the matrix on an S3 server that others wrote,
// with the real backend and the sandbox's people. It needs the server's program
// and belongs to the rig (backend/sandbox/rig), which holds its table against
// each fault's subtest.
func TestVersitygwServerFaults(t *testing.T) {
	v := newVersitygw(t)
	runMatrix(t, v, faults(), hooks{}).report(t, v, 700)
	t.Run("kill", func(t *testing.T) { killMany(t, v, 5) })
	t.Run("audited", func(t *testing.T) { v.audited(t) })
	t.Run("controls", func(t *testing.T) { controls(t, v, false) })
}

func newVersitygw(t testing.TB) *realStack {
	program := os.Getenv("USHER_RIG_VERSITYGW")
	if program == "" {
		t.Fatal("USHER_RIG_VERSITYGW is not set: start the rig with backend/sandbox/rig/run")
	}
	v := newRealStack(t, "versitygw", func(box *sandbox.Sandbox) (string, demotest.Storage) {
		key, secret := box.Credentials()
		return demotest.Versitygw(t, program, key, secret), demotest.Storage{Key: key, Secret: secret, FileKeys: true}
	})
	bucket, _, _ := strings.Cut(stage, "/")
	_, err := v.store.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	must(t, err)
	return v
}
