package download

import "usher/backend/api"

// Child is a file of a folder, as a listing has it, and its request.
type Child struct {
	Request Request
	Entry   api.Entry
	Err     error // why no request for it can succeed; nil
}

// Children are the files of a folder, from the pages of its recursive listing. An
// object with the name of a folder gets a request for its other local name (see
// Request.FolderToo), so it is returned when no folder of its name can follow.
type Children struct {
	Folder Request
	names  sorter
}

// Page returns the files that are decided after one more page, in the order of the
// listing, without the markers of folders.
func (c *Children) Page(entries []api.Entry, last bool) (out []Child) {
	for _, found := range c.page(entries, last) {
		if r := childOf(c.Folder, found); !isMarker(r.Key, found.entry) {
			out = append(out, Child{r, found.entry, refusalOf(r, found.entry)})
		}
	}
	return out
}

// page returns the entries that are decided after one more page.
func (c *Children) page(entries []api.Entry, last bool) (ready []sorted) {
	for _, entry := range entries {
		if c.Folder.takes(entry) {
			ready = append(ready, c.names.add(entry, nil)...)
		}
	}
	if last {
		ready = append(ready, c.names.rest()...)
	}
	return ready
}
