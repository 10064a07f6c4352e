package reader_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/client/download"
	"usher/client/download/ticket"
	"usher/client/link"
	"usher/client/preview"
	"usher/tui/pane"
	"usher/tui/reader"
)

// backend starts a whole usher, with ada and an engine for her downloads.
func backend(t *testing.T) (usher *demotest.Demo, ada demotest.Actor, engine *download.Engine) {
	t.Helper()
	usher = demotest.Start(t, demo.Options{})
	ada = usher.SignIn(t, "ada")
	engine, err := download.New(download.Config{Releaser: ada, Lister: ada, S3Hosts: usher.Profile.Config.S3Hosts, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return usher, ada, engine
}

// A page reads files of a whole usher: each release is an event with the purpose
// preview, ranges are counted, and a file outside the grants is not found.
func TestOverABackend(t *testing.T) {
	usher, _, engine := backend(t)
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
	usher, _, engine := backend(t)
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

// A version is read by its ID, and its link is for it. Both are events of their own.
func TestVersionOverABackend(t *testing.T) {
	usher, ada, engine := backend(t)
	const bucket, key = "company-reports", "quarterly/preview/kept.txt"
	if err := usher.Sandbox.Objects.EnableVersions(bucket); err != nil {
		t.Fatal(err)
	}
	usher.Put(t, bucket, key, "the first text")
	usher.Put(t, bucket, key, "the second text")
	all, err := ada.Versions(t.Context(), api.VersionsRequest{Bucket: bucket, Key: key})
	if err != nil || len(all.Versions) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	check, err := ticket.New(ticket.Config{Hosts: usher.Profile.Config.S3Hosts, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	maker, err := link.New(link.Config{Server: ada, Check: check, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"the second text", "the first text"} {
		id := all.Versions[i].Version
		p := open(t, key, engine.Look(api.ReleaseObject{Bucket: bucket, Key: key, Version: id}))
		p.want(want)
		made, err := maker.Make(t.Context(), link.Object{Path: api.Path{Bucket: bucket, Key: key}, Version: id})
		if err != nil || made[0].Err != nil {
			t.Fatal(err, made[0].Err)
		}
		if got := demotest.Get(t, api.ReleaseItem{URL: made[0].URL()}, nil); string(got.Body) != want {
			t.Errorf("the link returns %q, want %q", got.Body, want)
		}
		for purpose, n := range map[string]int{"preview": 1, "link": 1} {
			found := 0
			for _, e := range usher.Events(t, "action:download purpose:"+purpose+" path:"+bucket+"/"+key) {
				if e.Version == id {
					found++
				}
			}
			if found != n {
				t.Errorf("%d events with the purpose %s for version %s", found, purpose, id)
			}
		}
	}
}
