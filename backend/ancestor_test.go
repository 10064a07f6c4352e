package backend_test

import (
	"slices"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A recursive listing above several grants is their union: each row once, in
// order, without other names, with any page size and from any start.
func TestEverythingBelowAnAncestor(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	for _, key := range []string{"annual", "annual-2/x", "annualx", "board-packs/x", "quarterl", "quarterly", "quarterly.csv", "zz/x"} {
		w.Put(t, "company-reports", key, "not granted")
	}
	for _, key := range []string{"quarterly/\u00e9/x", "quarterly/e\u0301/x", "quarterly//x", "annual/!first", "annual/audited/deep/x"} {
		w.Put(t, "company-reports", key, "granted")
	}
	all := func(a demotest.Actor, in api.ListRequest) []string {
		t.Helper()
		in.Recursive = true
		now.Pass(5 * time.Second) // stays within the budget of listings
		rows, _, err := readAll(t, a, in, func(api.Entry) {})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	ada := w.SignIn(t, "ada")
	want := make([]string, 0, 200)
	for _, root := range []string{"annual/", "quarterly/"} {
		for _, row := range all(ada, api.ListRequest{Bucket: "company-reports", Prefix: root}) {
			want = append(want, row[:len("object ")]+root+row[len("object "):])
		}
	}
	whole := all(ada, api.ListRequest{Bucket: "company-reports"})
	if len(want) < 20 || !slices.Equal(whole, want) {
		t.Fatalf("all below the bucket:\n got %q\nwant %q", whole, want)
	}
	for _, limit := range []int{1, 2, 7, len(want) - 1, len(want), len(want) + 1} {
		if limit < 3 && testing.Short() {
			continue
		}
		pages, cursor := 0, ""
		var got []string
		for {
			out, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Recursive: true, Limit: limit, Cursor: cursor})
			if err != nil {
				t.Fatalf("page %d of %d rows: %v", pages, limit, err)
			}
			if len(out.Entries) > limit {
				t.Fatalf("a page of %d rows for a limit of %d", len(out.Entries), limit)
			}
			for _, e := range out.Entries {
				got = append(got, string(e.Kind)+" "+e.Name)
			}
			pages++
			now.Pass(100 * time.Millisecond)
			if cursor = out.Cursor; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d rows a page, %d pages: %d rows, want %d", limit, pages, len(got), len(want))
		}
	}
	// Starts: a row, between two rows, before a grant, in a grant, after the last row.
	for _, start := range []string{want[3][7:], "annual/", "annual-2", "b", "quarterly/", "quarterly/2", "zz"} {
		var rest []string
		for _, row := range want {
			if row[len("object "):] > start {
				rest = append(rest, row)
			}
		}
		for _, limit := range []int{0, 40} {
			if limit > 0 && testing.Short() {
				continue
			}
			if got := all(ada, api.ListRequest{Bucket: "company-reports", Start: start, Limit: limit}); !slices.Equal(got, rest) {
				t.Errorf("from %q, %d a page: %d rows, want %d\n got %q\nwant %q", start, limit, len(got), len(rest), got, rest)
			}
		}
	}
}
