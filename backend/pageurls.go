package backend

import (
	"slices"

	"usher/backend/api"
	"usher/backend/budget"
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
	objects, entries := l.releasable()
	n := l.r.b.rates.SpendUpTo(l.r.claims.Sub, budget.Objects, len(objects))
	if n == 0 {
		return l.r.record(l.event)
	}
	l.r.now = l.r.b.c.Now() // the calls to S3 can take seconds
	// Events of one instant are one item in DynamoDB, at half the price.
	l.event.ID, l.event.Time = l.r.b.c.NewID(l.r.now), l.r.now
	all, err := l.r.b.issue(l.r, &batch{objects: objects[:n], purpose: api.PurposeDownload, others: []event.Event{l.event}})
	if err != nil {
		return err
	}
	lost := map[int]bool{}
	for i := range all {
		switch at := entries[i]; all[i].refused {
		case "":
			item := all[i].item()
			l.entries[at].Release = &item
		case api.NotFound:
			lost[at] = true
		}
	}
	l.drop(lost)
	return nil
}

// drop removes entries that were denied after they were listed.
func (l *listing) drop(lost map[int]bool) {
	if len(lost) == 0 {
		return
	}
	i := -1
	l.entries = slices.DeleteFunc(l.entries, func(api.Entry) bool { i++; return lost[i] })
}

// releasable returns the objects of the page that get a URL, in the page's order,
// and their entries' indices. An object without an ETag needs a HEAD, and a large
// one needs the facts of a HEAD: their clients send a release.
func (l *listing) releasable() (objects []api.ReleaseObject, entries []int) {
	if l.in.URLs == 0 {
		return nil, nil
	}
	size := 0
	for _, e := range l.entries {
		size += entrySize + quoted(e.Name)
	}
	for i, e := range l.entries {
		if len(objects) == l.in.URLs {
			break
		}
		if e.Kind != api.KindObject || e.Archived || e.ETag == "" || e.Size > api.SmallObject {
			continue
		}
		key := l.in.Prefix + e.Name
		if size += urlSize + escaped(key); size > maxPage {
			break
		}
		objects = append(objects, api.ReleaseObject{Bucket: l.in.Bucket, Key: key, ETag: e.ETag})
		entries = append(entries, i)
	}
	return objects, entries
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
