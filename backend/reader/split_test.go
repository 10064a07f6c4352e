package reader_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/grant"
	"usher/backend/object"
	"usher/backend/reader"
)

// many returns n grants whose policy is too large, and an object of each.
func many(n int, prefix string) (grants []grant.Grant, objects []reader.Object) {
	for i := range n {
		p := fmt.Sprintf("%s%04d/", prefix, i)
		grants = append(grants, grant.Grant{Group: "red", Bucket: "builds", Prefix: p})
		objects = append(objects, reader.Object{Bucket: "builds", Key: p + "x"})
	}
	return grants, objects
}

// A policy that is too large is split into at most ten. Objects without a session
// have no credentials.
func TestSplitPolicies(t *testing.T) {
	long := strings.Repeat("long-name-of-a-folder/", 15) // 330 characters: four in a policy
	for name, c := range map[string]struct {
		packed        func(string) int
		grants        int
		prefix        string
		request, left int // objects
		calls         int
	}{
		"one policy":            {nil, 10, "p", 10, 0, 1},
		"grants of the request": {nil, 400, "p", 3, 0, 1},
		"several policies":      {nil, 400, "p", 100, 0, 3},
		"the limit of calls":    {nil, 60, long, 60, 40, 10},
		"packed too large":      {func(p string) int { return len(p) / 10 }, 20, "p", 20, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.packed)
			grants, objects := many(c.grants, c.prefix)
			r := w.reading(t, ada, grants)
			left, err := r.Prepare(t.Context(), objects[:c.request])
			if err != nil || len(left) != c.left {
				t.Errorf("%d objects are left of %d: %v", len(left), c.request, err)
			}
			calls := w.STS.Calls()
			if len(calls) > reader.MaxCalls || len(calls) != c.calls {
				t.Errorf("%d calls, want %d", len(calls), c.calls)
			}
			for _, o := range objects[:c.request] {
				ctx := r.Object(t.Context(), o.Bucket, o.Key)
				_, err := object.ContextCredentials{}.Retrieve(ctx)
				if without := errors.Is(err, object.ErrCredentials); without != contains(left, o) {
					t.Errorf("%v: %v", o, err)
				}
				if err == nil && w.fetch(t, ctx, object.ContextCredentials{}, o.Bucket, o.Key) == http.StatusForbidden && exists(w, t, o, ctx) {
					t.Errorf("%v is refused by its own session", o)
				}
			}
			again := w.reading(t, ada, grants)
			before := len(w.STS.Calls())
			if _, err := again.Prepare(t.Context(), objects[:c.request]); err != nil || c.left == 0 && len(w.STS.Calls()) != before {
				t.Errorf("the same request again: %d calls, %v", len(w.STS.Calls())-before, err)
			}
		})
	}
}

func contains(all []reader.Object, o reader.Object) bool {
	for _, have := range all {
		if have == o {
			return true
		}
	}
	return false
}

// exists writes the object and fetches it again.
func exists(w *world, t *testing.T, o reader.Object, ctx context.Context) bool {
	w.put(t, o.Bucket, o.Key)
	return w.fetch(t, ctx, object.ContextCredentials{}, o.Bucket, o.Key) == http.StatusForbidden
}

// A grant with too many denials gets policies of the objects themselves.
func TestManyDenials(t *testing.T) {
	w := newWorld(t, nil)
	grants := []grant.Grant{{Group: "red", Bucket: "builds", Prefix: "all/"}}
	for i := range 100 {
		grants = append(grants, grant.Grant{Group: "red", Bucket: "builds", Prefix: fmt.Sprintf("all/private%03d/", i), Effect: grant.Deny})
	}
	r := w.reading(t, ada, grants)
	objects := []reader.Object{{Bucket: "builds", Key: "all/a"}, {Bucket: "builds", Key: "all/*"}}
	left, err := r.Prepare(t.Context(), objects)
	if err != nil || len(left) > 0 {
		t.Fatal(err, left)
	}
	for _, key := range []string{"all/a", "all/*", "all/b", "all/private001/x"} {
		w.put(t, "builds", key)
	}
	ctx := r.Object(t.Context(), "builds", "all/a")
	for key, want := range map[string]int{"all/a": 200, "all/*": 200, "all/b": 403, "all/private001/x": 403} {
		if got := w.fetch(t, ctx, object.ContextCredentials{}, "builds", key); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
	folder, err := r.Folder(t.Context(), "builds", "all/sub/")
	if err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]bool{"all/sub/": true, "all/sub/a/": true, "all/other/": false, "": false} {
		client := s3.NewFromConfig(aws.Config{Region: w.Region}, func(o *s3.Options) {
			o.BaseEndpoint, o.UsePathStyle, o.Credentials = aws.String(w.S3Endpoint), true, object.ContextCredentials{}
		})
		_, err := client.ListObjectsV2(folder, &s3.ListObjectsV2Input{Bucket: aws.String("builds"), Prefix: aws.String(prefix)})
		if (err == nil) != want {
			t.Errorf("listing %q: %v", prefix, err)
		}
	}
}
