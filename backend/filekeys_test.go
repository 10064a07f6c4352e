package backend_test

import (
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A storage that keeps objects as files could open another file for a name with
// dot segments or empty segments: such names do not exist there. In S3 they are
// plain names.
func TestFileKeys(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	odd := []string{"annual/audited/../t.csv", "annual/audited//t.csv", "annual/audited/./t.csv"}
	for _, key := range append(odd, "annual/audited/t.csv", "annual/audited/..t.csv") {
		w.Put(t, "company-reports", key, "x")
	}
	grace := w.SignIn(t, "grace")
	for _, files := range []bool{true, false} {
		server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.FileKeys = files })
		reader := at(t, grace, server)
		for _, key := range odd {
			want := api.Code("")
			if files {
				want = api.NotFound
			}
			if _, err := releaseOne(t.Context(), reader, "company-reports", key); codeOf(err) != want {
				t.Errorf("file keys %v: %q: %v, want %q", files, key, err, want)
			}
			if _, err := reader.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: key}); codeOf(err) != want {
				t.Errorf("file keys %v: stat %q: %v, want %q", files, key, err, want)
			}
		}
		if _, err := reader.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/../"}); (codeOf(err) == api.NotFound) != files {
			t.Errorf("file keys %v: listing: %v", files, err)
		}
		for _, key := range []string{"annual/audited/t.csv", "annual/audited/..t.csv"} {
			if _, err := releaseOne(t.Context(), reader, "company-reports", key); err != nil {
				t.Errorf("file keys %v: %q: %v", files, key, err)
			}
		}
	}
}
