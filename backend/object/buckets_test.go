package object_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/audit"
	"usher/backend/object"
)

// The region of a bucket is looked up once, again a minute after a failure, and
// changed when S3 names another one.
func TestBuckets(t *testing.T) {
	var home atomic.Value // region of all buckets; "": S3 does not name one
	home.Store("eu-west-1")
	var lookups, calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		region := home.Load().(string)
		if region != "" {
			w.Header().Set("X-Amz-Bucket-Region", region)
		}
		switch {
		case r.Method == http.MethodHead && strings.Count(r.URL.Path, "/") == 1:
			lookups.Add(1)
			w.WriteHeader(http.StatusForbidden)
		case region != "" && !strings.Contains(r.Header.Get("Authorization"), "/"+region+"/s3/"):
			calls.Add(1)
			w.WriteHeader(http.StatusMovedPermanently)
		default:
			calls.Add(1)
			w.Header().Set("Content-Length", "1")
		}
	}))
	defer server.Close()
	connect := func(region string) *s3.Client {
		return s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(server.URL), UsePathStyle: true, RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
			})})
	}
	now := time.Now()
	b, err := object.NewBuckets(object.BucketsConfig{
		Home: "us-east-1", Lookup: connect("us-east-1"), Now: func() time.Time { return now },
		Connect: func(region string) (object.S3, object.Place, error) {
			return connect(region), object.Place{Region: region, Endpoint: "https://s3." + region + ".example.com"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	place := func(bucket string) string {
		t.Helper()
		p, err := b.Place(t.Context(), bucket)
		if err != nil {
			t.Fatal(err)
		}
		return p.Region
	}
	head := func(bucket string) {
		t.Helper()
		if _, err := b.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}); err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		if place("one") != "eu-west-1" {
			t.Error("another region")
		}
		head("one")
	}
	if lookups.Load() != 1 || calls.Load() != 3 {
		t.Errorf("%d lookups and %d calls", lookups.Load(), calls.Load())
	}
	hosts, err := b.Hosts(t.Context(), []string{"one"})
	if want := []string{"s3.eu-west-1.example.com", "s3.us-east-1.example.com"}; err != nil || !slices.Equal(hosts, want) {
		t.Errorf("%q, %v", hosts, err)
	}
	home.Store("eu-central-1") // the bucket was deleted and made again
	head("one")
	if place("one") != "eu-central-1" || calls.Load() != 5 || lookups.Load() != 1 {
		t.Errorf("%s after %d calls and %d lookups", place("one"), calls.Load(), lookups.Load())
	}
	home.Store("")
	for range 3 {
		if place("two") != "us-east-1" {
			t.Error("an unknown bucket is not at home")
		}
	}
	if lookups.Load() != 2 {
		t.Errorf("%d lookups of an unknown bucket", lookups.Load()-1)
	}
	now = now.Add(2 * time.Minute)
	home.Store("eu-west-1")
	if place("two") != "eu-west-1" || lookups.Load() != 3 {
		t.Errorf("%s, %d lookups", place("two"), lookups.Load())
	}
	home.Store("evil.example.com/") // no host is made of it
	if place("three") != "us-east-1" {
		t.Error(place("three"))
	}
}

// The certificate of S3 covers one label before its host, so the name of a bucket
// with a dot is in the path.
func TestDottedBuckets(t *testing.T) {
	for bucket, want := range map[string]string{
		"company.reports": "https://s3.eu-central-1.amazonaws.com/company.reports/", "reports": "https://reports.s3.eu-central-1.amazonaws.com/",
	} {
		signed, err := signer(t, noon, pair()).Sign(t.Context(), receipt(t, func(r *audit.Release) { r.Event.Bucket = bucket }))
		if err != nil || !strings.HasPrefix(signed.Reveal(), want) {
			t.Errorf("%s: %s, %v", bucket, signed.Reveal(), err)
		}
	}
}

// Without credentials in the context there are none.
func TestContextCredentials(t *testing.T) {
	if c, err := (object.ContextCredentials{}).Retrieve(t.Context()); !errors.Is(err, object.ErrCredentials) || c.HasKeys() {
		t.Errorf("%v, %v", c.HasKeys(), err)
	}
	given := aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "secret", SessionToken: "token"}
	if c, err := (object.ContextCredentials{}).Retrieve(object.WithCredentials(t.Context(), given)); err != nil || c != given {
		t.Errorf("%v", err)
	}
}
