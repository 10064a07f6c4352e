package backend

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
)

const (
	maxListCalls = 10               // S3 calls for one page
	maxListTime  = 15 * time.Second // a page ends after this time
)

// list returns the names below a prefix that the caller may see. Folders above a
// grant come from the grants alone; S3 is called only inside a grant.
func (b *Backend) list(r *request) (any, error) {
	in, err := r.listRequest()
	if err != nil {
		return nil, err
	}
	l, err := b.listing(r, in, cursor.Hash(strconv.FormatBool(in.Recursive), in.Start))
	if err != nil {
		return nil, err
	}
	if in.Recursive {
		l.event.Reason = event.Recursive
	}
	if err := l.collect(); err != nil {
		return nil, err
	}
	l.event.Outcome = event.Allowed
	if err := l.record(); err != nil {
		return nil, err
	}
	if err := l.mark(); err != nil {
		return nil, err
	}
	return l.response()
}

// listing returns the state of a list or search request. query identifies the
// rest of the query in cursors.
func (b *Backend) listing(r *request, in api.ListRequest, query string) (*listing, error) {
	at := cursor.Cursor{Verb: r.verb, Sub: r.claims.Sub, Bucket: in.Bucket, Prefix: in.Prefix, Hash: query}
	var err error
	if in.Cursor != "" {
		if at, err = b.c.Cursors.Open(in.Cursor, at, r.now); err != nil {
			return nil, fail(api.BadCursor, err)
		}
	}
	standing := r.listing
	if in.URLs > 0 {
		standing = r.releasing
	}
	person, err := standing()
	if err != nil {
		return nil, err
	}
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	if err := r.readAs(set, person); err != nil {
		return nil, err
	}
	action := event.List
	if r.verb == string(api.VerbSearch) {
		action = event.Search
	}
	l := &listing{
		r: r, in: in, at: at, set: set, groups: person.Groups, view: set.For(person.Groups, r.now),
		event: r.event(action, in.Bucket, in.Prefix),
	}
	l.event.Continues, l.event.Policy = at.Event, set.Version()
	if at.Event != "" && l.before() != at.Before {
		return nil, fail(api.BadCursor, errors.New("the grants of earlier pages changed"))
	}
	return l, nil
}

func (r *request) listRequest() (api.ListRequest, error) {
	var in api.ListRequest
	if err := r.decode(&in); err != nil {
		return in, err
	}
	if in.Limit == 0 {
		in.Limit = api.MaxList
	}
	switch {
	case in.Limit < 1 || in.Limit > api.MaxList,
		in.URLs < 0 || in.URLs > api.MaxPageURLs || in.URLs > 0 && !in.Recursive,
		in.Bucket == "" && (in.Prefix != "" || in.Recursive || in.Start != ""),
		in.Bucket != "" && !grant.ValidBucket(in.Bucket),
		!grant.ValidPrefix(in.Prefix),
		in.Start != "" && !grant.ValidKey(in.Prefix+in.Start):
		return in, fail(api.BadRequest, errors.New("list"))
	}
	return in, nil
}

// listing is the state of one list request.
type listing struct {
	r       *request
	in      api.ListRequest
	at      cursor.Cursor
	set     *grant.Set
	groups  []string
	view    *grant.Principal
	folder  grant.View // decision about the listed folder
	event   event.Event
	entries []api.Entry
	omitted int // names that are not valid keys
	more    bool
	exists  bool // the prefix has a marker, or any object below it

	match   func(name string, e api.Entry) bool // of a search; nil: all entries
	scanned int                                 // names that the caller may see
}

// collect gathers the entries of one page.
func (l *listing) collect() error {
	if l.in.Bucket == "" {
		var buckets []api.Entry
		for _, bucket := range l.view.Buckets() {
			buckets = append(buckets, api.Entry{Name: bucket, Kind: api.KindBucket})
		}
		l.page(buckets)
		return nil
	}
	l.folder = l.view.Visible(l.in.Bucket, l.in.Prefix)
	if l.hidden(l.in.Prefix) {
		l.folder, l.event.Policy = grant.View{}, ""
	}
	folder := l.folder
	if folder.Grant != nil {
		l.event.Grant = folder.Grant.String()
	}
	switch {
	case folder.Nothing():
		l.event.Reason = "no grant reaches it"
		return l.r.deny(l.event)
	case folder.Inside:
		if err := l.walk([]root{{l.in.Prefix, false}}); err != nil {
			return err
		}
		// An absent folder has the response of a folder without a grant. A folder
		// with its own grant exists even without objects.
		if len(l.entries) == 0 && !l.more && !l.exists && l.at.Event == "" && folder.Grant.Prefix != l.in.Prefix {
			return l.absent()
		}
		return nil
	case l.in.Recursive:
		return l.walk(rootsBelow(l.set.Tree(l.groups, l.r.now), l.in.Bucket, l.in.Prefix))
	default:
		var steps []api.Entry
		for _, s := range folder.Next {
			kind := api.KindFolder
			if s.Object {
				kind = api.KindObject
			}
			if s.Name > l.in.Start || l.in.Start == "" {
				steps = append(steps, api.Entry{Name: s.Name, Kind: kind})
			}
		}
		l.page(steps)
		return nil
	}
}

// hidden reports whether a storage that keeps objects as files could open
// another object for this name.
func (l *listing) hidden(name string) bool {
	return l.r.b.c.FileKeys && name != "" && aliased(name)
}

func (l *listing) absent() error {
	l.event.Outcome, l.event.Reason = event.Failed, "there is no such folder"
	if err := l.r.record(l.event); err != nil {
		return err
	}
	return fail(api.NotFound, nil)
}

// page appends the names that come from grants alone, after those of the previous
// page and up to the limit. The names are sorted.
func (l *listing) page(all []api.Entry) {
	for _, e := range all {
		switch {
		case l.at.Event != "" && e.Name <= l.at.After:
		case len(l.entries) == l.in.Limit:
			l.more, l.at.After = true, l.entries[l.in.Limit-1].Name
			return
		default:
			l.entries = append(l.entries, e)
		}
	}
}

// add appends the rows of one S3 page that the caller may see. The evaluator
// decides on every name, even if the whole folder is granted.
func (l *listing) add(page object.Page, at root) {
	for _, folder := range page.Omitted {
		if !at.object && !l.hidden(folder) && l.view.Visible(l.in.Bucket, folder).Inside {
			l.omitted, l.exists = l.omitted+1, true
		}
	}
	for _, row := range page.Rows {
		name := strings.TrimPrefix(row.Name, l.in.Prefix)
		switch {
		case at.object && (row.Folder || row.Name != at.path), l.hidden(row.Name):
			continue
		case row.Folder && l.view.Folder(l.in.Bucket, row.Name) == grant.None:
			continue
		case !row.Folder && !l.view.Decide(l.in.Bucket, row.Name).Allowed:
			continue
		}
		l.exists = true
		switch {
		case row.Marker() && name == "": // the marker of the listed folder
		case row.Marker():
			l.take(api.Entry{Name: name, Kind: api.KindFolder})
		default:
			e := api.Entry{Name: name, Kind: api.KindObject, Size: row.Size, ETag: row.ETag, Archived: row.Archived}
			if row.Sized && !row.Modified.IsZero() { // an entry with a date has a size
				e.Modified = &row.Modified
			}
			l.take(e)
		}
	}
}

// take appends an entry that the caller may see, if it matches the search.
func (l *listing) take(e api.Entry) {
	l.scanned++
	if l.match == nil || l.match(e.Name, e) {
		l.entries = append(l.entries, e)
	}
}

func (l *listing) response() (api.ListResponse, error) {
	out := api.ListResponse{Entries: l.entries, Event: l.event.ID, GrantsVersion: l.set.Version(), Omitted: l.omitted}
	if out.Entries == nil {
		out.Entries = []api.Entry{}
	}
	if l.more {
		l.at.Before = l.before()
		l.at.Event, l.at.Expires = first(l.event), l.r.now.Add(cursor.Life)
		sealed, err := l.r.b.c.Cursors.Seal(l.at)
		if err != nil {
			return out, fail(api.Internal, err)
		}
		out.Cursor = sealed
	}
	return out, nil
}
