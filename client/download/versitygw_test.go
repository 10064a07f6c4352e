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

// TestVersitygwServerFaults plays the matrix on versitygw, with the real backend
// and the sandbox's users. It is a part of the rig (backend/sandbox/rig), whose
// table of proofs names the subtest of each fault.
func TestVersitygwServerFaults(t *testing.T) {
	v := newVersitygw(t)
	runMatrix(t, v, faults(), hooks{}).report(t, v, 700)
	t.Run("pages", func(t *testing.T) { runPaged(t, v) })
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
	bucket, _, _ := strings.Cut(testRoot, "/")
	_, err := v.store.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	must(t, err)
	return v
}
