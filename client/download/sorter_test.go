package download

import (
	"fmt"
	"slices"
	"testing"

	"usher/backend/api"
)

// TestSorter checks that an object shares its name with a folder if the listing
// has a key below it, regardless of the names between the two.
func TestSorter(t *testing.T) {
	object := func(name string) api.Entry { return api.Entry{Name: name, Kind: api.KindObject, Size: 1} }
	for _, row := range []struct {
		name  string
		names []string
		want  []string // with "+" for an object that shares its name with a folder
	}{
		{"no folder", []string{"a", "b"}, []string{"a", "b"}},
		{"a folder next", []string{"a", "a/x"}, []string{"a+", "a/x"}},
		{"names between", []string{"a", "a b", "a.b", "a/x", "b"}, []string{"a b", "a.b", "a+", "a/x", "b"}},
		{"names between, no folder", []string{"a", "a b", "a.b", "b"}, []string{"a b", "a", "a.b", "b"}},
		{"one below the other", []string{"a", "a/b", "a/b/c"}, []string{"a+", "a/b+", "a/b/c"}},
		{"a marker", []string{"a", "a/"}, []string{"a+", "a/"}},
		{"a name with the same prefix", []string{"a", "ab/c"}, []string{"a", "ab/c"}},
		{"the folder's own object", []string{"", "a"}, []string{"", "a"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s sorter
			var all []sorted
			for _, name := range row.names {
				all = append(all, s.add(object(name), nil)...)
			}
			all = append(all, s.rest()...)
			var got []string
			for _, x := range all {
				got = append(got, x.entry.Name+map[bool]string{true: "+"}[x.folderToo])
			}
			slices.Sort(got)
			slices.Sort(row.want)
			if fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
