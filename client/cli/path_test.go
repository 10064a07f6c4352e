package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usher/backend/api"
)

func TestParsePath(t *testing.T) {
	want := api.Path{Bucket: "builds", Key: "\x1b[2J"}
	if got, err := parsePath(`builds/\u{1b}[2J`, true); err != nil || got != want {
		t.Errorf("escaped: %+v, %v", got, err)
	}
	for text, escaped := range map[string]bool{`builds/\u{zz}`: true, "./x": false} {
		if _, err := parsePath(text, escaped); explain(err).exit != api.ExitUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// shelf is a folder that lists its names in byte order, page by page.
type shelf struct {
	entries []api.Entry
	page    int
	calls   int
}

func newShelf(objects, folders []string, page int) *shelf {
	s := &shelf{page: page}
	for _, name := range objects {
		s.entries = append(s.entries, api.Entry{Name: name, Kind: api.KindObject, ETag: `"x"`})
	}
	for _, name := range folders {
		s.entries = append(s.entries, api.Entry{Name: name + "/", Kind: api.KindFolder})
	}
	slices.SortFunc(s.entries, func(a, b api.Entry) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func (s *shelf) List(_ context.Context, req api.ListRequest) (api.ListResponse, error) {
	s.calls++
	after := req.Start
	if req.Cursor != "" {
		after = req.Cursor
	}
	var out api.ListResponse
	for _, e := range s.entries {
		if e.Name <= after && after != "" {
			continue
		}
		if len(out.Entries) == s.page {
			out.Cursor = out.Entries[len(out.Entries)-1].Name
			break
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

// find returns the same entries as a complete listing.
func TestFindAgreesWithAWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ab!~0é]{1,3}`)
		objects := rapid.SliceOfNDistinct(name, 0, 40, rapid.ID).Draw(t, "objects")
		folders := rapid.SliceOfNDistinct(name, 0, 20, rapid.ID).Draw(t, "folders")
		names := rapid.SliceOfN(name, 1, 8).Draw(t, "names")
		s := newShelf(objects, folders, rapid.IntRange(1, 7).Draw(t, "page"))
		want := map[string]string{}
		for _, n := range names {
			if slices.Contains(objects, n) {
				want[n] = n
			} else if slices.Contains(folders, n) {
				want[n] = n + "/"
			}
		}
		found, err := find(context.Background(), s, "b", "", names)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for n, e := range found {
			got[n] = e.Name
		}
		if !maps.Equal(got, want) {
			t.Fatalf("found %v, want %v", got, want)
		}
	})
}

// A lookup in a folder with a million names reads one or two pages, not a
// thousand.
func TestFindSkips(t *testing.T) {
	var objects []string
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			for c := 'a'; c <= 'z'; c++ {
				objects = append(objects, string([]rune{a, b, c}))
			}
		}
	}
	s := newShelf(objects, nil, 30)
	found, err := find(context.Background(), s, "b", "", []string{"zzz", "abc", "mno"})
	if err != nil || len(found) != 3 {
		t.Fatalf("%v, %v", found, err)
	}
	if s.calls > 6 {
		t.Errorf("%d pages were read for three names", s.calls)
	}
}
