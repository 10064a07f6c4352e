package reader_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/client/download"
	"usher/client/preview"
	"usher/tui/pane"
	"usher/tui/reader"
)

// A page reads files of a whole usher: each release is an event with the purpose
// preview, ranges are counted, and a file outside the grants is not found.
func TestOverABackend(t *testing.T) {
	usher := demotest.Start(t, demo.Options{})
	ada := usher.SignIn(t, "ada")
	engine, err := download.New(download.Config{Releaser: ada, Lister: ada, S3Hosts: usher.Profile.Config.S3Hosts, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	const bucket, folder = "company-reports", "quarterly/preview/"
	look := func(key string) (*page, *counted) {
		f := &counted{File: engine.Look(api.ReleaseObject{Bucket: bucket, Key: key})}
		return open(t, key, f), f
	}
	previews := func(key string) []string {
		var out []string
		for _, e := range usher.Events(t, "action:download purpose:preview path:"+bucket+"/"+key) {
			out = append(out, e.User.Username+" "+e.Outcome+" "+e.Key)
		}
		return out
	}

	large := strings.Repeat("date,amount\n2026-03-14,1200\n", 300<<10) // 8.1 MiB
	usher.Put(t, bucket, folder+"large.csv", large)
	p, f := look(folder + "large.csv")
	p.want("1 range, 65.5 kB of 8.60 MB read; recorded as preview", "2026-03-14")
	p.press("L", "L", "L")
	p.want("3 ranges, 4.19 MB of")
	if p.asked() == nil || f.bytes.Load() != preview.Free {
		t.Errorf("%d bytes, question %v", f.bytes.Load(), p.asked())
	}
	if got := previews(folder + "large.csv"); fmt.Sprint(got) != "[ada allowed quarterly/preview/large.csv]" || f.Releases() != 1 {
		t.Errorf("the log has %q for %d releases", got, f.Releases())
	}

	zipped := hostileFiles(t, "plain")["a.zip"]
	usher.Put(t, bucket, folder+"big.zip", "PK\x03\x04"+strings.Repeat("x", 6<<20)+string(zipped))
	p, f = look(folder + "big.zip")
	p.want("zip archive", "plain", "dir/plain.txt")
	if f.bytes.Load() > 300<<10 {
		t.Errorf("the listing of a zip took %d bytes", f.bytes.Load())
	}
	p.want(fmt.Sprintf("%d ranges", 2))

	p, f = look("payroll/2026.csv")
	p.want("There is nothing here that you can open.")
	if f.bytes.Load() != 0 || f.Releases() != 0 {
		t.Errorf("outside the grants: %d bytes, %d releases", f.bytes.Load(), f.Releases())
	}
	failed := 0
	for _, m := range p.sent {
		if _, ok := m.(pane.Failed); ok {
			failed++
		}
	}
	if got := previews("payroll/2026.csv"); failed != 1 || fmt.Sprint(got) != "[ada denied payroll/2026.csv]" {
		t.Errorf("%d failures, the log has %q", failed, got)
	}

	usher.Put(t, bucket, folder+"empty.csv", "")
	p, _ = look(folder + "empty.csv")
	p.want("0 B of 0 B")
	if got := previews(folder + "empty.csv"); len(got) != 1 {
		t.Errorf("an empty file: the log has %q", got)
	}
}

// All ranges are of the content of the first release.
func TestChangedFile(t *testing.T) {
	usher := demotest.Start(t, demo.Options{})
	ada := usher.SignIn(t, "ada")
	engine, err := download.New(download.Config{Releaser: ada, Lister: ada, S3Hosts: usher.Profile.Config.S3Hosts, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	const bucket, key = "company-reports", "quarterly/preview/changing.log"
	usher.Put(t, bucket, key, strings.Repeat("before\n", 100<<10))
	p := opened(t, key, func() reader.File { return engine.Look(api.ReleaseObject{Bucket: bucket, Key: key}) })
	p.want("before")
	usher.Put(t, bucket, key, strings.Repeat("after.\n", 100<<10))
	p.press("L")
	p.want("before", "The file has changed on the server. ctrl+r reads it again.")
	p.press("G")
	p.not("after.")
	p.press("ctrl+r")
	p.want("after.")
}
