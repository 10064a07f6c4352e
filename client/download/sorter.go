package download

import (
	"slices"
	"strings"

	"usher/backend/api"
)

// sorter takes the names of a recursive listing in order and decides which of
// two things with one local name gets clashMark: always the object, never the
// folder. Keys sort so that "a" comes before "a/x", with names such as "a.b"
// between them: an object is held until no folder of its name can follow. The
// held names are prefixes of one another, so there are few of them.
type sorter struct{ held []sorted }

// sorted is an entry whose local name is decided.
type sorted struct {
	entry     api.Entry
	page      *page // the page of the entry; nil: the entry has no URL
	folderToo bool  // a folder of that name is in the listing too

	conflict *Conflict // of Consider; nil: that of the folder
}

// add takes the next entry and returns those that are decided, in order.
func (s *sorter) add(entry api.Entry, from *page) (ready []sorted) {
	ready = s.release(func(folder string) bool { return entry.Name < folder }, entry.Name)
	if entry.Kind == api.KindObject && entry.Name != "" && !strings.HasSuffix(entry.Name, "/") {
		s.held = append(s.held, sorted{entry: entry, page: from})
		return ready
	}
	return append(ready, sorted{entry: entry, page: from})
}

// rest returns the objects that are still held, at the end of the listing.
func (s *sorter) rest() []sorted {
	return s.release(func(string) bool { return false }, "")
}

// release takes the objects off whose folder cannot follow any more.
func (s *sorter) release(mayFollow func(folder string) bool, next string) (ready []sorted) {
	for len(s.held) > 0 {
		last := s.held[len(s.held)-1]
		folder := last.entry.Name + "/"
		if mayFollow(folder) {
			break
		}
		s.held = s.held[:len(s.held)-1]
		last.folderToo = strings.HasPrefix(next, folder)
		ready = append(ready, last)
	}
	slices.Reverse(ready)
	return ready
}

// isMarker reports whether an entry is no file. key is the whole key.
func isMarker(key string, entry api.Entry) bool {
	return entry.Kind == api.KindFolder || api.Path{Key: key}.IsMarker(entry.Size)
}
