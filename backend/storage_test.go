package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/object"
	"usher/backend/object/objecttest"
	"usher/backend/sandbox"
)

// onFake starts usher on a storage with faulty responses. Alan may read all of
// builds, and grace annual/audited/ in company-reports.
func onFake(t *testing.T) (*demotest.Demo, *objecttest.Storage, *accessLog) {
	t.Helper()
	fake, log := objecttest.New(t), &accessLog{}
	return demotest.StartOn(t, func(*sandbox.Sandbox) demotest.Storage {
		return demotest.Storage{Endpoint: fake.URL, Log: log}
	}), fake, log
}

// holding returns the lines that contain a text.
func (l *accessLog) holding(text string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

func entries(t *testing.T, a demotest.Actor, in api.ListRequest) (out []api.Entry) {
	t.Helper()
	for {
		page, err := a.List(t.Context(), in)
		if err != nil {
			t.Fatalf("listing %s/%s: %v", in.Bucket, in.Prefix, err)
		}
		out = append(out, page.Entries...)
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return out
		}
	}
}

// Every listed object can be looked up, released and fetched: with the ETag of the
// listing and without, as a download and as a link.
func TestListedObjectsCanBeReleased(t *testing.T) {
	w, fake, _ := onFake(t)
	alan := w.SignIn(t, "alan")
	body := func(key string) string { return "content of " + key }
	put := func(key string, o objecttest.Object) {
		o.Body = body(key)
		fake.Put("builds", key, o)
	}
	for i, etag := range []string{
		`"abc"`, `abc`, `W/"abc"`, `""`, `"a b"`, `"é"`, " \"abc\" ", `"a"b"`, `"` + strings.Repeat("x", 300) + `"`, "0123456789abcdef0123456789abcdef", `"abc-3"`,
	} {
		put(fmt.Sprintf("p/etag-%02d", i), objecttest.Object{ETag: etag})
	}
	for _, key := range []string{
		"p/plain", "p/a b+c%2F&<>'\"", "p/ü/é", "p/./x", "p/../y", "p//z", "p/\x1b[2J", "p/\u202egpj", "p/new\nline", "p/%41", "p/" + strings.Repeat("n", 1000),
		"p/bytes/", "p/bytes/below", "p/\U0010FFFF", "p/~", "p/+", "p/*",
	} {
		put(key, objecttest.Object{})
	}
	fake.Put("builds", "p/marker/", objecttest.Object{})
	put("p/date", objecttest.Object{Modified: "no date"})
	put("p/size", objecttest.Object{Size: "-1"})
	put("p/frozen", objecttest.Object{Class: "GLACIER"})
	put("p/thawed", objecttest.Object{Class: "GLACIER", Restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2027 00:00:00 GMT"`})
	put("p/nul\x00", objecttest.Object{})
	put("p/\xff", objecttest.Object{})

	rows := entries(t, alan, api.ListRequest{Bucket: "builds", Prefix: "p/", Recursive: true, Limit: 7})
	fetched := 0
	for _, e := range rows {
		if e.Kind != api.KindObject {
			continue
		}
		key := "p/" + e.Name
		if _, err := alan.Stat(t.Context(), api.StatRequest{Bucket: "builds", Key: key}); err != nil {
			t.Errorf("stat of %q: %v", key, err)
		}
		for _, in := range []api.ReleaseRequest{
			{Objects: []api.ReleaseObject{{Bucket: "builds", Key: key, ETag: e.ETag}}},
			{Objects: []api.ReleaseObject{{Bucket: "builds", Key: key}}},
			{Objects: []api.ReleaseObject{{Bucket: "builds", Key: key, ETag: e.ETag}}, Purpose: api.PurposeLink},
		} {
			out, err := alan.Release(t.Context(), in)
			if err != nil {
				t.Fatalf("releasing %q (%q): %v", key, e.ETag, err)
			}
			item := out.Items[0]
			if e.Archived {
				if item.Error == nil && in.Objects[0].ETag == "" || item.Error != nil && item.Error.Code != api.ObjectArchived {
					t.Errorf("releasing %q, which is archived: %+v", key, item.Error)
				}
				continue
			}
			if item.Error != nil {
				t.Errorf("releasing %q (%q, %s): %v", key, e.ETag, in.Purpose, item.Error)
				continue
			}
			if status, got := get(t, item, nil); status != http.StatusOK || got != body(key) {
				t.Errorf("fetching %q (%q, %s): %d %q", key, e.ETag, in.Purpose, status, got)
			}
			fetched++
		}
	}
	if want := 11 + 17 + 4; len(rows) != want+1 || fetched != 3*(want-1) {
		t.Errorf("%d rows, %d fetched", len(rows), fetched)
	}
}

// Names outside the requested prefix reach no client. One line in the server's
// log has the cause.
func TestForeignNames(t *testing.T) {
	w, fake, log := onFake(t)
	grace := w.SignIn(t, "grace")
	fake.Put("company-reports", "annual/audited/letter.pdf", objecttest.Object{Body: "letter"})
	fake.SetHooks(func(l *objecttest.Listing) {
		l.Rows = append(l.Rows, objecttest.Row{Name: "annual/audited-drafts/salaries.csv", Size: "100"},
			objecttest.Row{Name: "annual/", Folder: true}, l.Rows[0])
	}, nil, nil)
	for range 3 {
		for _, recursive := range []bool{false, true} {
			rows := entries(t, grace, api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/", Recursive: recursive})
			if len(rows) != 1 || rows[0].Name != "letter.pdf" {
				t.Errorf("recursive %t: %+v", recursive, rows)
			}
		}
	}
	if n := len(log.holding("outside the prefix")); n != 1 {
		t.Errorf("%d lines for one cause", n)
	}
}

// extraRows adds rows to each listing, after the checks of package object.
type extraRows struct {
	backend.Objects
	rows []object.Row
}

func (u extraRows) List(ctx context.Context, q object.ListQuery) (object.Page, error) {
	p, err := u.Objects.List(ctx, q)
	p.Rows = append(p.Rows, u.rows...)
	return p, err
}

// The evaluator decides on every name of a listing, even if the whole folder is
// granted.
func TestEvaluatorDecidesOnEveryName(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/audited/letter.pdf", "letter")
	grace := w.SignIn(t, "grace")
	server, _ := rebuilt(t, w, newStopped().Now, func(c *backend.Config) {
		c.Objects = extraRows{c.Objects, []object.Row{{Name: "annual/audited-drafts/salaries.csv"}, {Name: "board/", Folder: true}}}
	})
	for _, recursive := range []bool{false, true} {
		for _, e := range entries(t, at(t, grace, server), api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/", Recursive: recursive}) {
			if strings.Contains(e.Name, "salaries") || strings.Contains(e.Name, "board") {
				t.Errorf("recursive %t: %q is shown", recursive, e.Name)
			}
		}
	}
}

// The object of a link is checked, even with an ETag: it must exist, be the listed
// version, and not be archived.
func TestLinkObjectIsChecked(t *testing.T) {
	w, fake, _ := onFake(t)
	alan := w.SignIn(t, "alan")
	fake.Put("builds", "ok", objecttest.Object{Body: "x", ETag: `"e"`})
	fake.Put("builds", "frozen", objecttest.Object{Body: "x", ETag: `"e"`, Class: "DEEP_ARCHIVE"})
	for _, c := range []struct {
		key, etag string
		want      api.Code
	}{
		{"ok", `"e"`, ""}, {"ok", "", ""}, {"ok", `"other"`, api.ObjectChanged}, {"gone", `"e"`, api.NotFound}, {"gone", "", api.NotFound},
		{"frozen", `"e"`, api.ObjectArchived}, {"frozen", "", api.ObjectArchived},
	} {
		out, err := alan.Release(t.Context(), api.ReleaseRequest{Purpose: api.PurposeLink, Objects: []api.ReleaseObject{{Bucket: "builds", Key: c.key, ETag: c.etag}}})
		if err != nil {
			t.Fatal(err)
		}
		got := api.Code("")
		if e := out.Items[0].Error; e != nil {
			got = e.Code
		}
		if got != c.want || (got == "") != (out.Items[0].URL != "") {
			t.Errorf("a link of %s %s: %q, want %q", c.key, c.etag, got, c.want)
		}
	}
}

// No page exceeds the limit, even if its rows come from grants alone.
func TestLimitHoldsEverywhere(t *testing.T) {
	w, _, _ := onFake(t)
	var grants strings.Builder
	grants.WriteString("grants:\n")
	for i := range 60 {
		fmt.Fprintf(&grants, "  - {group: engineering, bucket: builds, prefix: way/%02d/}\n", i)
		fmt.Fprintf(&grants, "  - {group: engineering, bucket: bucket-%02d, prefix: \"\"}\n", i)
	}
	if err := os.WriteFile(w.GrantsFile, []byte(grants.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	alan := w.SignIn(t, "alan")
	until(t, "the new grants are active", func() bool { return len(entries(t, alan, api.ListRequest{})) == 61 })
	for _, in := range []api.ListRequest{{}, {Bucket: "builds", Prefix: "way/"}, {Bucket: "builds", Prefix: "way/", Start: "09/"}} {
		want := map[string]int{"": 61, "builds": 60}[in.Bucket]
		if in.Start != "" {
			want = 50
		}
		in.Limit = 10
		var names []string
		for {
			page, err := alan.List(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Entries) > 10 {
				t.Errorf("%d rows for a limit of 10", len(page.Entries))
			}
			for _, e := range page.Entries {
				names = append(names, e.Name)
			}
			if in.Cursor = page.Cursor; in.Cursor == "" {
				break
			}
		}
		if len(names) != want || !slices.IsSorted(names) || len(slices.Compact(names)) != want {
			t.Errorf("%s/%s: %d rows, want %d", in.Bucket, in.Prefix, len(names), want)
		}
	}
}

// Names that are not valid keys are counted, but only in folders that the caller
// may read: the number is the same whether such names exist elsewhere.
func TestOmittedNamesAreCounted(t *testing.T) {
	w, fake, _ := onFake(t)
	for _, key := range []string{
		"annual/audited/bad\x00", "annual/audited/\xff", "annual/audited/sub/bad\x00/x", "annual/audited/sub/ok",
		"annual/bad\x00", "annual/other/\xff", "bad\x00/x", "annual/audited\x00/x",
	} {
		fake.Put("company-reports", key, objecttest.Object{Body: "x"})
	}
	fake.Put("builds", "only/\x00", objecttest.Object{Body: "x"})
	fake.Put("builds", "valid/ok", objecttest.Object{Body: "x"})
	grace, alan := w.SignIn(t, "grace"), w.SignIn(t, "alan")
	for _, row := range []struct {
		actor demotest.Actor
		in    api.ListRequest
		want  int
	}{
		{grace, api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/", Recursive: true}, 3},
		{grace, api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/", Recursive: true, Limit: 1}, 3},
		{grace, api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/"}, 2},
		{grace, api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/sub/"}, 1},
		{grace, api.ListRequest{Bucket: "company-reports", Prefix: "annual/"}, 0},
		{grace, api.ListRequest{Bucket: "company-reports", Recursive: true}, 3},
		{alan, api.ListRequest{Bucket: "builds", Prefix: "only/"}, 1},
		{alan, api.ListRequest{Bucket: "builds", Prefix: "valid/"}, 0},
	} {
		sum := 0
		for in := row.in; ; {
			page, err := row.actor.List(t.Context(), in)
			if err != nil {
				t.Fatalf("%+v: %v", row.in, err)
			}
			sum += page.Omitted
			if in.Cursor = page.Cursor; in.Cursor == "" {
				break
			}
		}
		if sum != row.want {
			t.Errorf("%+v: %d names omitted, want %d", row.in, sum, row.want)
		}
	}
}
