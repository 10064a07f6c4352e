package download_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usher/backend/api"
	"usher/client/download"
)

// backend releases and lists one object, whose content a test server returns.
type backend struct{ storage string }

func (b backend) Release(_ context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	var resp api.ReleaseResponse
	size := int64(len("year,sum\n"))
	for _, o := range req.Objects {
		url := b.storage + "/" + o.Bucket + "/" + o.Key + "?X-Amz-Expires=60&X-Amz-Signature=5ec4e7"
		resp.Items = append(resp.Items, api.ReleaseItem{URL: url, Life: 60, ETag: `"e1"`, Size: &size, Event: "event-1"})
	}
	return resp, nil
}

func (backend) Complete(context.Context, api.CompleteRequest) error { return nil }

func (backend) List(context.Context, api.ListRequest) (api.ListResponse, error) {
	return api.ListResponse{Entries: []api.Entry{
		{Name: "2025/report.csv", Kind: api.KindObject, Size: 9, ETag: `"e1"`},
		{Name: "2025/report.pdf", Kind: api.KindObject, Size: 9, ETag: `"e2"`},
	}}, nil
}

// An engine downloads in the background. Wait returns when no transfer can
// continue by itself.
func Example() {
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("year,sum\n"))
	}))
	defer storage.Close()
	engine, err := download.New(download.Config{
		Releaser:  backend{storage.URL},
		S3Hosts:   []string{strings.TrimPrefix(storage.URL, "http://")},
		AllowHTTP: true,
	})
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	dir, err := os.MkdirTemp("", "usher-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	engine.Add(download.Request{Bucket: "reports", Key: "2025/report.csv", Dir: dir})
	if err := engine.Wait(context.Background()); err != nil {
		panic(err)
	}
	for _, t := range engine.Snapshot().Transfers {
		fmt.Println(t.Key, t.State, t.Done, filepath.Base(t.Dest))
	}
	// Output: 2025/report.csv done 9 report.csv
}

// A pattern becomes one request for each object that it matches.
func ExampleExpand() {
	for r, err := range download.Expand(context.Background(), backend{}, "reports/**/*.csv") {
		fmt.Println(r.Bucket, r.Key, r.Size, err)
	}
	// Output: reports 2025/report.csv 9 <nil>
}
