package event

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Recursive is the reason of a listing of all objects below a prefix.
const Recursive = "recursive"

// Beginnings of the reason of a search, before its text or glob.
const (
	SearchText = "text "
	SearchGlob = "glob "
)

// SearchMatches reports whether a search for a text or a glob finds the name of an
// object below the searched prefix. Without a slash it tests the last part of the
// name only.
func SearchMatches(text, glob, name string) bool {
	if !strings.Contains(text+glob, "/") {
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	if glob != "" {
		return doublestar.MatchUnvalidated(glob, name)
	}
	return strings.Contains(strings.ToLower(name), strings.ToLower(text))
}

// touched reports whether an event is about a path, or is a listing or a search
// that disclosed the name of the path if there was such an object then. Two facts
// are not in the event: a denial below the listed prefix that hid the name, and the
// sizes and times of a search.
func touched(path string, e Event) bool {
	if e.Path() == path {
		return e.Bucket != ""
	}
	if e.Outcome != Allowed || e.Action != List && e.Action != Search || e.Bucket == "" || e.Entries == 0 {
		return false
	}
	name, below := strings.CutPrefix(path, e.Path())
	if !below || name == "" || e.Key != "" && !strings.HasSuffix(e.Key, "/") {
		return false
	}
	if e.Action == List && e.Reason != Recursive && strings.Contains(strings.TrimSuffix(name, "/"), "/") {
		return false // only the folder that has it was shown
	}
	if e.Action == Search && !found(e.Reason, name) {
		return false
	}
	return (e.EntriesLast == "" || name <= e.EntriesLast) &&
		(e.EntriesFirst == "" || e.EntriesFirst <= name || strings.HasSuffix(name, "/") && strings.HasPrefix(e.EntriesFirst, name))
}

// found reports whether the search with a reason finds a name, as far as the reason
// has its condition.
func found(reason, name string) bool {
	if text, ok := strings.CutPrefix(reason, SearchText); ok {
		return SearchMatches(text, "", name)
	}
	if glob, ok := strings.CutPrefix(reason, SearchGlob); ok {
		return SearchMatches("", glob, name)
	}
	return true
}

// Listings returns the paths of the events that a touched term can select: the path
// itself and each prefix above it.
func (t Term) Listings() []string {
	paths := []string{t.Value}
	for i, c := range []byte(t.Value) {
		if c == '/' && i+1 < len(t.Value) {
			paths = append(paths, t.Value[:i+1])
		}
	}
	return paths
}
