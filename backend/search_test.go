package backend_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// searchAll returns the matches of all pages, the names scanned, and the pages.
func searchAll(t *testing.T, a demotest.Actor, in api.SearchRequest) (found []string, scanned, pages int, err error) {
	t.Helper()
	for {
		out, err := a.Search(t.Context(), in)
		if err != nil {
			return found, scanned, pages, err
		}
		for _, e := range out.Entries {
			found = append(found, e.Name)
		}
		scanned, pages = scanned+out.Scanned, pages+1
		if in.Cursor = out.Cursor; in.Cursor == "" {
			return found, scanned, pages, nil
		}
	}
}

// A search finds the names of a recursive listing that match, and no other; it is
// recorded; and a page costs at most 10 calls to S3.
func TestSearch(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	for i := range 10_500 { // more names than 10 pages of S3
		w.Put(t, "company-reports", fmt.Sprintf("quarterly/many/%05d.csv", i), "x")
	}
	w.Put(t, "company-reports", "quarterly/many/zz/Report-Final.PDF", strings.Repeat("x", 2000))
	w.Put(t, "company-reports", "board-packs/report-final.pdf", "not granted")
	ada := w.SignIn(t, "ada")
	size := func(n int64) api.SizeRange { return api.SizeRange{Min: &n} }
	for name, row := range map[string]struct {
		in   api.SearchRequest
		want []string
	}{
		"text in any case":       {api.SearchRequest{Prefix: "quarterly/many/", Text: "report-f"}, []string{"zz/Report-Final.PDF"}},
		"text of the last part":  {api.SearchRequest{Prefix: "quarterly/many/", Text: "zz"}, nil},
		"text with a slash":      {api.SearchRequest{Prefix: "quarterly/many/", Text: "zz/rep"}, []string{"zz/Report-Final.PDF"}},
		"glob of the last part":  {api.SearchRequest{Prefix: "quarterly/many/", Glob: "*.PDF"}, []string{"zz/Report-Final.PDF"}},
		"glob with a slash":      {api.SearchRequest{Prefix: "quarterly/many/", Glob: "z*/*"}, []string{"zz/Report-Final.PDF"}},
		"glob and size":          {api.SearchRequest{Prefix: "quarterly/many/", Glob: "*", Size: size(2000)}, []string{"zz/Report-Final.PDF"}},
		"size alone, too large":  {api.SearchRequest{Prefix: "quarterly/many/", Size: size(2001)}, nil},
		"no name without grants": {api.SearchRequest{Text: "report-final"}, []string{"quarterly/many/zz/Report-Final.PDF"}},
	} {
		row.in.Bucket = "company-reports"
		got, scanned, pages, err := searchAll(t, ada, row.in)
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, row.want)
		}
		if pages < 2 || scanned < 10_500 {
			t.Errorf("%s: %d pages, %d names scanned", name, pages, scanned)
		}
	}
	first, err := ada.Search(t.Context(), api.SearchRequest{Bucket: "company-reports", Prefix: "quarterly/many/", Text: "no such name"})
	if err != nil || first.Scanned != 10_000 || first.Cursor == "" {
		t.Errorf("the first page scans %d names, %v", first.Scanned, err)
	}
	if _, err := ada.Search(t.Context(), api.SearchRequest{Bucket: "company-reports", Prefix: "quarterly/many/", Text: "another", Cursor: first.Cursor}); codeOf(err) != api.BadCursor {
		t.Errorf("a cursor of another query: %v", err)
	}
	if _, err := ada.Search(t.Context(), api.SearchRequest{Bucket: "company-reports", Prefix: "board-packs/", Text: "report"}); !errors.Is(err, &api.Error{Code: api.NotFound}) {
		t.Errorf("without a grant: %v", err)
	}
	grace := w.SignIn(t, "grace")
	events := query(t, grace, "action:search who:ada")
	denied := slices.ContainsFunc(events, func(e event.Event) bool { return e.Outcome == event.Denied && e.Key == "board-packs/" })
	read := slices.ContainsFunc(events, func(e event.Event) bool {
		return e.Outcome == event.Allowed && e.Key == "quarterly/many/" && e.Reason == "text report-f"
	})
	if !denied || !read || len(events) < 18 {
		t.Errorf("%d events of searches: denied %v, read %v", len(events), denied, read)
	}
}
