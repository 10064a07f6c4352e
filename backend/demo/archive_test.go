package demo_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A listing and a release both report an archived object, until it is restored.
func TestArchivedObjectUntilRestored(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	ada, bucket, key := d.SignIn(t, "ada"), "company-reports", "quarterly/ar/frozen.txt"
	_, err := d.S3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("frozen"),
		StorageClass: types.StorageClassGlacier})
	if err != nil {
		t.Fatal(err)
	}
	wantArchived(t, ada, bucket, key, true)
	_, err = d.S3().RestoreObject(t.Context(), &s3.RestoreObjectInput{Bucket: &bucket, Key: &key, RestoreRequest: &types.RestoreRequest{
		Days: aws.Int32(1), GlacierJobParameters: &types.GlacierJobParameters{Tier: types.TierExpedited}}})
	if err != nil {
		t.Fatal(err)
	}
	wantArchived(t, ada, bucket, key, false)
}

func wantArchived(t *testing.T, person demotest.Actor, bucket, key string, want bool) {
	t.Helper()
	page, err := person.List(t.Context(), api.ListRequest{Bucket: bucket, Prefix: "quarterly/ar/"})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Archived != want {
		t.Errorf("listed: %+v, %v, want archived %t", page.Entries, err, want)
	}
	out, err := person.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: bucket, Key: key}}})
	if err != nil || len(out.Items) != 1 {
		t.Fatalf("released: %+v, %v", out, err)
	}
	refused := out.Items[0].Error != nil && out.Items[0].Error.Code == api.ObjectArchived
	if refused != want {
		t.Errorf("released: %+v, want archived %t", out.Items[0], want)
	}
}
