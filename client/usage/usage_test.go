package usage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/usage"
)

func at(day int) *time.Time {
	t := time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC)
	return &t
}

func TestSum(t *testing.T) {
	var s usage.Sum
	for _, e := range []api.Entry{
		{Name: "a", Kind: api.KindObject, Size: 5, Modified: at(3), ETag: `"1"`},
		{Name: "b", Kind: api.KindObject}, // with a grant of its own: nothing is known of it
		{Name: "c", Kind: api.KindObject, Size: 9, Modified: at(1), ETag: `"2"`},
		{Name: "d", Kind: api.KindObject, Size: 9, Modified: at(9), ETag: `"3"`},
	} {
		s.Add(e.Name, e)
	}
	if s.Files != 4 || s.Unsized != 1 || s.Bytes != 23 || s.Newest.Name != "d" || s.Largest.Name != "c" || s.Largest.Size != 9 {
		t.Errorf("%+v", s)
	}
}

// Folders end in the order of their last names. Each object is in all folders above it.
func TestFolders(t *testing.T) {
	names := []string{"a-b", "a/b/1", "a/b/2", "a/c", "a/d/x/1", "b/1", "bb/1/2/3", "z"}
	slices.Sort(names)
	for depth, want := range []string{
		"",
		"bu/p/a/=4 bu/p/b/=1 bu/p/bb/=1",
		"bu/p/a/b/=2 bu/p/a/d/=1 bu/p/a/=4 bu/p/b/=1 bu/p/bb/1/=1 bu/p/bb/=1",
	} {
		var got []string
		f := usage.NewFolders(depth, func(path string, s usage.Sum) { got = append(got, fmt.Sprintf("%s=%d", path, s.Files)) })
		for _, n := range names {
			f.Add(api.Path{Bucket: "bu", Key: "p/"}, n, api.Entry{Name: n, Kind: api.KindObject, Size: 1})
		}
		f.End()
		if text := strings.Join(got, " "); text != want {
			t.Errorf("depth %d: %s, want %s", depth, text, want)
		}
	}
}
