package backend_test

import (
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/session"
)

// A bucket of another region is listed, examined and released there, with and
// without a reader role. Its host is in the configuration of the clients.
func TestBucketElsewhere(t *testing.T) {
	const region, bucket = "eu-central-1", "frank.furt"
	for _, role := range []bool{false, true} {
		w := demotest.Start(t, demo.Options{Elsewhere: region, ReaderRole: role})
		if err := w.Sandbox.Distant.CreateBucket(bucket, time.Now()); err != nil {
			t.Fatal(err)
		}
		owner := s3.NewFromConfig(aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider(w.S3AccessKey, w.S3SecretKey, "")},
			func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(w.Sandbox.Facts.Elsewhere), true })
		if _, err := owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("a/b.txt"), Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
		w.Put(t, "builds", "near.txt", "x")
		grants := "grants:\n  - {group: finance-team, bucket: " + bucket + ", prefix: a/}\n  - {group: finance-team, bucket: builds, object: near.txt}\n"
		if err := os.WriteFile(w.GrantsFile, []byte(grants), 0o600); err != nil {
			t.Fatal(err)
		}
		ada := w.AddPerson(t, "reader", "finance-team")
		var listed api.ListResponse
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			var err error
			if listed, err = ada.List(t.Context(), api.ListRequest{Bucket: bucket, Prefix: "a/"}); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
		if len(listed.Entries) != 1 {
			t.Fatalf("%+v", listed.Entries)
		}
		out, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{
			{Bucket: bucket, Key: "a/b.txt"}, {Bucket: bucket, Key: "a/b.txt", ETag: listed.Entries[0].ETag},
			{Bucket: "builds", Key: "near.txt"}, {Bucket: bucket, Key: "a/absent"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		elsewhere, here := strings.TrimPrefix(w.Sandbox.Facts.Elsewhere, "http://"), strings.TrimPrefix(w.S3Endpoint, "http://")
		for i, host := range []string{elsewhere, elsewhere, here} {
			u, err := url.Parse(out.Items[i].URL)
			if err != nil || u.Host != host || status(t, out.Items[i]) != http.StatusOK {
				t.Errorf("reader role %v, object %d: %v, host %s, want %s", role, i, err, u.Host, host)
			}
		}
		if out.Items[3].Error == nil || out.Items[3].Error.Code != api.NotFound {
			t.Errorf("%+v", out.Items[3])
		}
		config, err := session.Discover(t.Context(), w.Server)
		if err != nil || !slices.Contains(config.S3Hosts, elsewhere) || !slices.Contains(config.S3Hosts, here) || len(config.S3Hosts) != 2 {
			t.Errorf("%q, %v", config.S3Hosts, err)
		}
	}
}
