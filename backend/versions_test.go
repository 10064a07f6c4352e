package backend_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/sandbox/s3"
)

// body is the content of an object in memory.
type body string

func (b body) Size() int64 { return int64(len(b)) }
func (b body) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(b)).ReadAt(p, off)
}

// versionsOf returns all versions of an object, over all pages.
func versionsOf(t *testing.T, a demotest.Actor, bucket, key string) (all []api.ObjectVersion, err error) {
	t.Helper()
	in := api.VersionsRequest{Bucket: bucket, Key: key}
	for {
		page, err := a.Versions(t.Context(), in)
		if err != nil {
			return all, err
		}
		all = append(all, page.Versions...)
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return all, nil
		}
	}
}

func releaseVersion(t *testing.T, a demotest.Actor, o api.ReleaseObject) api.ReleaseItem {
	t.Helper()
	out, err := a.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{o}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Items[0]
}

// A person sees and fetches the versions of granted objects, and of no other: the
// grants decide on the name, the URL is for exactly one version, and each step is
// an event.
func TestVersions(t *testing.T) {
	w := demotest.Start(t, demo.Options{ReaderRole: true})
	w.Put(t, "company-reports", "quarterly/v.txt", "before versions")
	w.Put(t, "company-reports", "board-packs/v.txt", "not granted")
	if err := w.Sandbox.Objects.EnableVersions("company-reports"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two!"} {
		w.Put(t, "company-reports", "quarterly/v.txt", text)
		w.Put(t, "company-reports", "quarterly/v.txt.more", text)
	}
	w.Put(t, "company-reports", "board-packs/v.txt", "not granted")
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")

	all, err := versionsOf(t, ada, "company-reports", "quarterly/v.txt")
	if err != nil || len(all) != 3 || !all[0].Latest || all[1].Latest || all[0].Size != 4 || all[1].Size != 3 || all[2].Version != api.NullVersion {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, want := range []string{"two!", "one", "before versions"} {
		item := releaseVersion(t, ada, api.ReleaseObject{Bucket: "company-reports", Key: "quarterly/v.txt", Version: all[i].Version})
		u, err := url.Parse(item.URL)
		if err != nil || u.Query().Get("versionId") != all[i].Version || item.Version != all[i].Version {
			t.Errorf("version %d: %q in the URL, %q in the answer, %v", i, u.Query().Get("versionId"), item.Version, err)
		}
		if code, text := get(t, item, func(*http.Request) {}); code != http.StatusOK || text != want {
			t.Errorf("version %d: %d %q, want %q", i, code, text, want)
		}
		moved := item
		moved.URL = strings.Replace(item.URL, url.QueryEscape(all[i].Version), all[(i+1)%3].Version, 1)
		if code := status(t, moved); code != http.StatusForbidden {
			t.Errorf("the URL of version %d with another version: %d", i, code)
		}
		events := query(t, grace, "id:"+item.Event)
		if len(events) != 1 || events[0].Version != all[i].Version || events[0].Outcome != event.Allowed {
			t.Errorf("version %d is recorded as %+v", i, events)
		}
		facts, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: "quarterly/v.txt", Version: all[i].Version})
		if err != nil || facts.Size != int64(len(want)) || facts.Version != all[i].Version {
			t.Errorf("stat of version %d: %+v, %v", i, facts, err)
		}
	}

	// Without a grant there are no versions, and the storage is not asked.
	if _, err := versionsOf(t, ada, "company-reports", "board-packs/v.txt"); codeOf(err) != api.NotFound {
		t.Errorf("versions without a grant: %v", err)
	}
	if item := releaseVersion(t, ada, api.ReleaseObject{Bucket: "company-reports", Key: "board-packs/v.txt", Version: all[0].Version}); item.URL != "" || item.Error == nil || item.Error.Code != api.NotFound {
		t.Errorf("a version without a grant: %+v", item.Error)
	}
	if _, err := versionsOf(t, ada, "company-reports", "quarterly/none"); codeOf(err) != api.NotFound {
		t.Errorf("versions of an absent object: %v", err)
	}
	events := query(t, grace, "action:versions who:ada")
	for _, want := range []event.Event{
		{Key: "quarterly/v.txt", Outcome: event.Allowed, Count: 3}, {Key: "board-packs/v.txt", Outcome: event.Denied, Reason: "no grant allows it"},
		{Key: "quarterly/none", Outcome: event.Failed, Reason: "there is no such object"},
	} {
		if !slices.ContainsFunc(events, func(e event.Event) bool {
			return e.Key == want.Key && e.Outcome == want.Outcome && e.Count == want.Count && e.Reason == want.Reason
		}) {
			t.Errorf("no event %+v", want)
		}
	}
}

// A deleted object keeps its versions. A version that is none, and the version of a
// delete marker, are not found.
func TestVersionsOfADeletedObject(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	if err := w.Sandbox.Objects.EnableVersions("company-reports"); err != nil {
		t.Fatal(err)
	}
	bucket, key := "company-reports", "quarterly/gone.txt"
	w.Put(t, bucket, key, "kept")
	if _, err := w.S3().DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	ada := w.SignIn(t, "ada")
	all, err := versionsOf(t, ada, bucket, key)
	if err != nil || len(all) != 2 || !all[0].Deleted || !all[0].Latest || all[1].Deleted {
		t.Fatalf("%+v, %v", all, err)
	}
	if item := releaseVersion(t, ada, api.ReleaseObject{Bucket: bucket, Key: key}); item.Error == nil || item.Error.Code != api.NotFound {
		t.Errorf("the deleted object: %+v", item)
	}
	kept := releaseVersion(t, ada, api.ReleaseObject{Bucket: bucket, Key: key, Version: all[1].Version})
	if code, text := get(t, kept, func(*http.Request) {}); code != http.StatusOK || text != "kept" {
		t.Errorf("the version before the deletion: %d %q", code, text)
	}
	for name, version := range map[string]string{"a delete marker": all[0].Version, "no version id": "short", "another version id": strings.Repeat("v", 32)} {
		item := releaseVersion(t, ada, api.ReleaseObject{Bucket: bucket, Key: key, Version: version})
		if item.URL != "" || item.Error == nil || item.Error.Code != api.NotFound {
			t.Errorf("%s: %+v", name, item)
		}
	}
	for _, version := range []string{"a b", "ü", strings.Repeat("v", api.MaxVersion+1)} {
		if _, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: bucket, Key: key, Version: version}}}); codeOf(err) != api.BadRequest {
			t.Errorf("a version of %d bytes: %v", len(version), err)
		}
	}
	// A download of one version does not continue as that of another one.
	w.Put(t, bucket, key, "again")
	all, err = versionsOf(t, ada, bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	item := releaseVersion(t, ada, api.ReleaseObject{Bucket: bucket, Key: key, Version: all[0].Version, Continues: kept.Event})
	if item.Error == nil || item.Error.Code != api.BadRequest {
		t.Errorf("a download continues as another version: %+v", item.Error)
	}
}

// The pages of versions end, and a cursor is for its person and object only.
func TestVersionPages(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	objects := w.Sandbox.Objects
	if err := objects.EnableVersions("company-reports"); err != nil {
		t.Fatal(err)
	}
	const n = api.MaxList + 5
	for i := range n {
		if err := objects.PutContent("company-reports", "quarterly/many.txt", s3.Object{Content: body(fmt.Sprint(i)), Modified: time.Unix(int64(i)+1e9, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	all, err := versionsOf(t, ada, "company-reports", "quarterly/many.txt")
	seen := map[string]bool{}
	for _, v := range all {
		seen[v.Version] = true
	}
	if err != nil || len(all) != n || len(seen) != n || !slices.IsSortedFunc(all, func(a, b api.ObjectVersion) int { return b.Modified.Compare(*a.Modified) }) {
		t.Errorf("%d versions, %d of them different, %v", len(all), len(seen), err)
	}
	first, err := ada.Versions(t.Context(), api.VersionsRequest{Bucket: "company-reports", Key: "quarterly/many.txt"})
	if err != nil || len(first.Versions) != api.MaxList || first.Cursor == "" {
		t.Fatalf("%d versions, %v", len(first.Versions), err)
	}
	for name, in := range map[string]api.VersionsRequest{
		"another object": {Bucket: "company-reports", Key: "quarterly/v.txt", Cursor: first.Cursor},
		"no cursor":      {Bucket: "company-reports", Key: "quarterly/many.txt", Cursor: "x"},
	} {
		if _, err := ada.Versions(t.Context(), in); codeOf(err) != api.BadCursor {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := grace.Versions(t.Context(), api.VersionsRequest{Bucket: "company-reports", Key: "quarterly/many.txt", Cursor: first.Cursor}); codeOf(err) != api.BadCursor {
		t.Errorf("another person's cursor: %v", err)
	}
	chain := query(t, grace, "action:versions outcome:allowed who:ada")
	if len(chain) != 3 || chain[1].Continues != chain[2].ID {
		t.Errorf("%d events, the second continues %q", len(chain), chain[1].Continues)
	}
}
