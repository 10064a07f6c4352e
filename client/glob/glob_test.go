package glob_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/client/glob"
)

// bucket lists keys as S3 does, in pages of two, and counts the listings.
type bucket struct {
	keys  []string
	calls []string
}

func (b *bucket) List(_ context.Context, req api.ListRequest) (out api.ListResponse, err error) {
	b.calls = append(b.calls, req.Prefix)
	slices.Sort(b.keys)
	from := cmp.Or(req.Cursor, req.Start)
	last, exists := "", false
	for _, key := range b.keys {
		name, ok := strings.CutPrefix(key, req.Prefix)
		exists = exists || ok
		folder, _, deep := strings.Cut(name, "/")
		e := api.Entry{Name: name, Kind: api.KindObject, Size: 1}
		if deep && !req.Recursive {
			e = api.Entry{Name: folder + "/", Kind: api.KindFolder}
		}
		if !ok || e.Name <= from && from != "" || e.Name == last || name == "" {
			continue
		}
		if len(out.Entries) == 2 {
			out.Cursor = last
			return out, nil
		}
		out.Entries, last = append(out.Entries, e), e.Name
	}
	if !exists {
		return out, &api.Error{Code: api.NotFound}
	}
	return out, nil
}

func find(t *testing.T, b *bucket, pattern string) string {
	t.Helper()
	b.calls = nil
	var got []string
	for m, err := range glob.Find(t.Context(), b, "lab", pattern) {
		switch {
		case errors.Is(err, &api.Error{Code: api.NotFound}):
			return "not found"
		case errors.Is(err, glob.ErrPattern):
			return "refused"
		case err != nil:
			t.Fatal(err)
		}
		got = append(got, m.Base+m.Entry.Name)
	}
	return strings.Join(got, " ")
}

func TestFind(t *testing.T) {
	b := &bucket{keys: []string{
		"a.csv", "b.txt", "d/a.csv", "d/b.txt", "d/x/a.csv", "d/x/deep/a.csv", "d/y/a.csv", "d/[1].txt", "d/1.md",
		"n/2026-01/log", "n/2026-02/log", "n/2027-01/log", "n/a[1]/log", "n/é1", "n/é2", "n/logs/a", "n/x/logs/b", "n/x/logs/c.csv",
	}}
	for pattern, want := range map[string]string{
		"*":              "a.csv b.txt d/ n/",
		"*/":             "d/ n/",
		"*.csv":          "a.csv",
		"d/*.csv":        "d/a.csv",
		"d/*":            "d/1.md d/[1].txt d/a.csv d/b.txt d/x/ d/y/",
		"d/*/a.csv":      "d/x/a.csv d/y/a.csv",
		"*/*/a.csv":      "d/x/a.csv d/y/a.csv",
		"d/**/a.csv":     "d/a.csv d/x/a.csv d/x/deep/a.csv d/y/a.csv",
		"d/**":           "d/1.md d/[1].txt d/a.csv d/b.txt d/x/a.csv d/x/deep/a.csv d/y/a.csv",
		"d/x/**/*":       "d/x/a.csv d/x/deep/a.csv",
		"n/2026-*":       "n/2026-01/ n/2026-02/",
		"n/2026-*/log":   "n/2026-01/log n/2026-02/log",
		"n/{2026,2027}*": "n/2026-01/ n/2026-02/ n/2027-01/",
		"n/202[67]-01/*": "n/2026-01/log n/2027-01/log",
		"{d/x,d/y}/*":    "d/x/a.csv d/y/a.csv",
		"n/é*":           "n/é1 n/é2",
		"n/**/logs":      "n/logs/ n/x/logs/",
		"n/**/logs/":     "n/logs/ n/x/logs/",
		"n/**/logs/*":    "n/logs/a n/x/logs/b n/x/logs/c.csv",
		// Without a match a segment is literal.
		"d/[1].txt":   "d/[1].txt",
		"n/a[1]/log":  "n/a[1]/log",
		"n/a[1]/*":    "n/a[1]/log",
		"d/[1].md":    "d/1.md",
		"d/[9].txt":   "not found",
		"d/*.none":    "not found",
		"none/*":      "not found",
		"n/a[1]/none": "not found",
		"n/[":         "refused",
	} {
		if got := find(t, b, pattern); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// A segment without ** costs one listing of each folder that matches the segments
// before it.
func TestListings(t *testing.T) {
	b := &bucket{}
	for i := range 30 {
		b.keys = append(b.keys, fmt.Sprintf("public/%02d/part", i))
	}
	b.keys = append(b.keys, "public/a.csv", "public/zz.csv", "other/a.csv")
	if got := find(t, b, "public/*.csv"); got != "public/a.csv public/zz.csv" {
		t.Error(got)
	}
	for _, prefix := range b.calls {
		if prefix != "public/" {
			t.Errorf("%s was listed", prefix)
		}
	}
	if n := len(b.calls); n != 16 { // 32 entries in pages of two
		t.Errorf("%d listings", n)
	}
	if find(t, b, "public/z*"); len(b.calls) != 16 { // from the start: before(z) is ""
		t.Errorf("%d listings of one letter", len(b.calls))
	}
	if find(t, b, "public/zz*"); len(b.calls) != 1 {
		t.Errorf("%d listings of a longer prefix", len(b.calls))
	}
}

func ExampleFind() {
	b := &bucket{keys: []string{"2026/a.csv", "2026/b.txt", "2027/c.csv"}}
	for m, err := range glob.Find(context.Background(), b, "lab", "*/*.csv") {
		fmt.Println(m.Base+m.Entry.Name, err)
	}
	// Output:
	// 2026/a.csv <nil>
	// 2027/c.csv <nil>
}
