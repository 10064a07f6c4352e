package vault_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
	"usher/backend/vault"
)

const (
	region = "eu-central-1"
	key    = "AKIAUSHERVAULT000001"
	secret = "not-a-secret-but-long-enough"
)

func open(t *testing.T, bucket, prefix string) *vault.Vault {
	t.Helper()
	web := httptest.NewServer(storage(t))
	t.Cleanup(web.Close)
	v, err := vault.New(vault.Config{Bucket: bucket, Prefix: prefix, S3: awss3.New(awss3.Options{
		Region: region, BaseEndpoint: aws.String(web.URL), UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// An object is created once, and replaced only by a writer with the tag of its
// last content.
func TestConditions(t *testing.T) {
	v := open(t, "vault", "seal/")
	if _, err := v.Get(t.Context(), "a"); !errors.Is(err, tiles.ErrMissing) {
		t.Errorf("an absent object: %v", err)
	}
	if err := v.Create(t.Context(), "a", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := v.Create(t.Context(), "a", []byte("two")); !errors.Is(err, sealer.ErrExists) {
		t.Errorf("a second creation: %v", err)
	}
	data, tag, err := v.Tagged(t.Context(), "a")
	if err != nil || string(data) != "one" || tag == "" {
		t.Fatalf("%q, %q, %v", data, tag, err)
	}
	if err := v.Replace(t.Context(), "a", []byte("two"), ""); !errors.Is(err, sealer.ErrExists) {
		t.Errorf("a replacement of an absent object: %v", err)
	}
	if err := v.Replace(t.Context(), "a", []byte("two"), tag); err != nil {
		t.Fatal(err)
	}
	if err := v.Replace(t.Context(), "a", []byte("three"), tag); !errors.Is(err, sealer.ErrExists) {
		t.Errorf("a replacement with an old tag: %v", err)
	}
	if err := v.Replace(t.Context(), "b", []byte("new"), tag); !errors.Is(err, sealer.ErrExists) {
		t.Errorf("a replacement of an object that is gone: %v", err)
	}
	if data, err := v.Get(t.Context(), "a"); err != nil || string(data) != "two" {
		t.Errorf("%q, %v", data, err)
	}
}

// The names of checkpoints come in order and without the prefix.
func TestNames(t *testing.T) {
	v := open(t, "vault", "seal/")
	for _, size := range []int64{256, 3, 1000} {
		if err := v.Create(t.Context(), tiles.CheckpointOf(size), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Create(t.Context(), tiles.Checkpoint, []byte("x")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, err := range v.Names(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if len(got) != 3 || got[0] != tiles.CheckpointOf(3) || got[2] != tiles.CheckpointOf(1000) {
		t.Errorf("%q", got)
	}
}

// A missing bucket is no missing object: a log must not begin again.
func TestAMissingBucket(t *testing.T) {
	v := open(t, "other", "")
	if _, err := v.Get(t.Context(), "a"); err == nil || errors.Is(err, tiles.ErrMissing) {
		t.Errorf("the error is %v", err)
	}
	if err := v.Create(t.Context(), "a", nil); err == nil || errors.Is(err, sealer.ErrExists) {
		t.Errorf("the error is %v", err)
	}
	if _, err := vault.New(vault.Config{Bucket: "x"}); err == nil {
		t.Error("a vault without S3 was made")
	}
}
