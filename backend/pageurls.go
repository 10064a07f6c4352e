package backend

import (
	"slices"

	"usher/backend/api"
	"usher/backend/budget"
	"usher/backend/cursor"
	"usher/backend/event"
)

// Bounds of a page with URLs in JSON. AWS Lambda returns at most 6 MB.
// SPEC: AWS Lambda developer guide, "Lambda quotas", invocation payload.
const (
	maxPage   = 5 << 20 // bytes of a page
	entrySize = 256     // bytes of an entry without its name
	urlSize   = 3 << 10 // bytes of a release without the key: session tokens have up to 2 KiB
)

// record makes the listing's event durable. For a page with URLs it releases the
// page's small objects in the same durable write.
func (l *listing) record() error {
	objects, sizes, entries := l.releasable()
	n := l.r.b.rates.SpendUpTo(l.r.claims.Sub, budget.Objects, len(objects))
	if n == 0 {
		l.disclose(nil)
		return l.r.record(l.event)
	}
	l.r.now = l.r.b.c.Now() // the calls to S3 can take seconds
	l.restamp()
	lost := map[int]bool{}
	all, err := l.r.b.issue(l.r, &batch{
		objects: objects[:n], sizes: sizes, purpose: api.PurposeDownload,
		beside: func(all []candidate) event.Event {
			refused(all, entries, lost)
			l.disclose(lost)
			return l.event
		},
	})
	if err != nil {
		return err
	}
	refused(all, entries, lost) // a repeated decision can refuse more
	for i := range all {
		if at := entries[i]; all[i].refused == "" && !lost[at] {
			item := all[i].item()
			l.entries[at].Release = &item
		}
	}
	l.entries = l.without(lost)
	return nil
}

// refused adds the entries of denied objects to lost.
func refused(all []candidate, entries []int, lost map[int]bool) {
	for i := range all {
		if all[i].refused == api.NotFound {
			lost[entries[i]] = true
		}
	}
}

// restamp moves the listing's event to the instant of its releases, if the decision
// about the folder is the same at that instant. Events of one instant are one item
// in DynamoDB, at half the price.
func (l *listing) restamp() {
	again := l.set.For(l.groups, l.r.now).Visible(l.in.Bucket, l.in.Prefix)
	if again.Grant == l.folder.Grant && again.Nothing() == l.folder.Nothing() {
		l.event.ID, l.event.Time = l.r.b.c.NewID(l.r.now), l.r.now
	}
}

// disclose stores the number of the page's names and their hash in its event, and
// their range if the page is a part of the listing.
func (l *listing) disclose(lost map[int]bool) {
	shown := l.without(lost)
	names := make([]string, len(shown))
	for i, e := range shown {
		names[i] = e.Name
	}
	l.event.Entries, l.event.EntriesHash = len(names), event.HashNames(names)
	if part := l.more || l.at.Event != "" || l.in.Start != ""; part && len(names) > 0 {
		l.event.EntriesFirst, l.event.EntriesLast = slices.Min(names), slices.Max(names)
	}
}

// without returns the entries of the page without those that were denied after
// they were listed.
func (l *listing) without(lost map[int]bool) []api.Entry {
	if len(lost) == 0 {
		return l.entries
	}
	var rest []api.Entry
	for i, e := range l.entries {
		if !lost[i] {
			rest = append(rest, e)
		}
	}
	return rest
}

// mark adds marks to the small objects of a recursive listing that have no URL. A
// single file that a person picks costs a HEAD instead, as large ones do in any
// case: that is cheaper than a mark for each row on the screen.
func (l *listing) mark() error {
	if !l.in.Recursive {
		return nil
	}
	var marks cursor.Marks
	for i := range l.entries {
		e := &l.entries[i]
		if e.Kind != api.KindObject || e.Release != nil || e.Archived || e.ETag == "" || e.Modified == nil || e.Size > api.SmallObject {
			continue
		}
		if marks == nil {
			var err error
			if marks, err = l.r.b.c.Cursors.Marks(l.r.now); err != nil {
				return fail(api.Internal, err)
			}
		}
		e.Mark = marks.Mark(l.in.Bucket, l.in.Prefix+e.Name, e.ETag, e.Size)
	}
	return nil
}

// listedSizes stores the sizes that the request proves with marks. The other
// objects need a HEAD.
func (r *request) listedSizes(all []candidate) error {
	var marks cursor.Marks
	for i := range all {
		c := &all[i]
		if c.refused != "" || c.in.Mark == "" || c.event.Size != nil {
			continue
		}
		if marks == nil {
			var err error
			if marks, err = r.b.c.Cursors.Marks(r.now); err != nil {
				return fail(api.Internal, err)
			}
		}
		if size, ok := marks.Size(c.in.Mark, c.in.Bucket, c.in.Key, c.in.ETag); ok {
			c.event.Size = &size
		}
	}
	return nil
}

// releasable returns the objects of the page that get a URL, in the page's order,
// their sizes, and their entries' indices. An object without an ETag or a size
// needs a HEAD, and a large one needs the facts of a HEAD: their clients send a
// release.
func (l *listing) releasable() (objects []api.ReleaseObject, sizes []int64, entries []int) {
	if l.in.URLs == 0 {
		return nil, nil, nil
	}
	size := 0
	for _, e := range l.entries {
		size += entrySize + quoted(e.Name)
	}
	for i, e := range l.entries {
		if len(objects) == l.in.URLs {
			break
		}
		if e.Kind != api.KindObject || e.Archived || e.ETag == "" || e.Modified == nil || e.Size > api.SmallObject {
			continue
		}
		key := l.in.Prefix + e.Name
		if size += urlSize + escaped(key); size > maxPage {
			break
		}
		objects = append(objects, api.ReleaseObject{Bucket: l.in.Bucket, Key: key, ETag: e.ETag})
		sizes, entries = append(sizes, e.Size), append(entries, i)
	}
	return objects, sizes, entries
}

// quoted returns an upper bound of a string's size in JSON.
func quoted(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x7f:
			n += 5 // \u0000
		case c == 0xe2: // U+2028 and U+2029
			n += 3
		}
	}
	return n
}

// escaped returns an upper bound of a key's size in the path of a URL.
func escaped(key string) int {
	n := len(key)
	for i := range len(key) {
		if c := key[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '/' {
			n += 2 // %00
		}
	}
	return n
}
