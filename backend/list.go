package backend

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
)

const maxListCalls = 10 // S3 calls for one page

// list answers what the caller may see under a prefix. What lies on the way to
// a grant is made from grants alone; S3 is asked only inside one.
func (b *Backend) list(r *request) (any, error) {
	in, err := r.listRequest()
	if err != nil {
		return nil, err
	}
	at := cursor{
		Verb: r.verb, Sub: r.claims.Sub, Bucket: in.Bucket, Prefix: in.Prefix,
		Hash: hashOf(strconv.FormatBool(in.Recursive), in.Start),
	}
	if in.Cursor != "" {
		if at, err = b.c.Cursors.open(in.Cursor, at, r.now); err != nil {
			return nil, fail(api.BadCursor, err)
		}
	}
	who, err := r.listing()
	if err != nil {
		return nil, err
	}
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	l := listing{r: r, in: in, at: at, eyes: set.For(who.Groups, r.now), event: r.event(event.List, in.Bucket, in.Prefix)}
	l.event.Continues = at.Event
	if in.Recursive {
		l.event.Reason = "recursive"
	}
	if err := l.collect(set, who.Groups); err != nil {
		return nil, err
	}
	l.event.Outcome = event.Allowed
	if err := r.record(l.event); err != nil {
		return nil, err
	}
	return l.answer(set.Version())
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
		in.Bucket == "" && (in.Prefix != "" || in.Recursive || in.Start != "" || in.Cursor != ""),
		in.Bucket != "" && !grant.ValidBucket(in.Bucket),
		!grant.ValidPrefix(in.Prefix),
		in.Start != "" && !grant.ValidKey(in.Prefix+in.Start):
		return in, fail(api.BadRequest, errors.New("list"))
	}
	return in, nil
}

// listing is one list request being answered.
type listing struct {
	r       *request
	in      api.ListRequest
	at      cursor
	eyes    *grant.Principal
	event   event.Event
	entries []api.Entry
	more    bool
	exists  bool // something at the prefix itself: its marker, or anything below it
}

// collect finds the entries of one page.
func (l *listing) collect(set *grant.Set, groups []string) error {
	if l.in.Bucket == "" {
		for _, bucket := range l.eyes.Buckets() {
			l.entries = append(l.entries, api.Entry{Name: bucket, Kind: api.KindBucket})
		}
		return nil
	}
	view := l.eyes.Visible(l.in.Bucket, l.in.Prefix)
	if l.r.b.c.FileKeys && l.in.Prefix != "" && aliased(l.in.Prefix) {
		view = grant.View{}
	}
	if view.Grant != nil {
		l.event.Grant = view.Grant.String()
	}
	switch {
	case view.Nothing():
		l.event.Reason = "no grant reaches it"
		return l.r.deny(l.event)
	case view.Inside:
		if err := l.walk([]root{{l.in.Prefix, false}}); err != nil {
			return err
		}
		// A folder that is not there reads like one that is not granted. A
		// granted folder without objects is an empty folder.
		if len(l.entries) == 0 && !l.more && !l.exists && l.at.Event == "" && view.Grant.Prefix != l.in.Prefix {
			return l.absent()
		}
		return nil
	case l.in.Recursive:
		return l.walk(rootsBelow(set.Tree(groups, l.r.now), l.in.Bucket, l.in.Prefix))
	default:
		for _, s := range view.Next {
			if s.Name == "" || s.Name <= l.in.Start {
				continue
			}
			kind := api.KindFolder
			if s.Object {
				kind = api.KindObject
			}
			l.entries = append(l.entries, api.Entry{Name: s.Name, Kind: kind})
		}
		return nil
	}
}

func (l *listing) absent() error {
	l.event.Outcome, l.event.Reason = event.Failed, "there is no such folder"
	if err := l.r.record(l.event); err != nil {
		return err
	}
	return fail(api.NotFound, nil)
}

// root is a granted place to walk: a prefix, or one object.
type root struct {
	path   string
	object bool
}

func rootsBelow(tree []grant.Root, bucket, prefix string) []root {
	var roots []root
	for _, t := range tree {
		switch g := t.Grant; {
		case g.Bucket != bucket:
		case g.Object != "" && strings.HasPrefix(g.Object, prefix):
			roots = append(roots, root{g.Object, true})
		case g.Object == "" && strings.HasPrefix(g.Prefix, prefix):
			roots = append(roots, root{g.Prefix, false})
		}
	}
	slices.SortFunc(roots, func(a, b root) int { return strings.Compare(a.path, b.path) })
	return roots
}

// walk asks S3 for page after page, filters, and stops at the limit, at the
// end, or after maxListCalls calls: a page may then be short or empty.
func (l *listing) walk(roots []root) error {
	for calls := 0; l.at.Root < len(roots); calls++ {
		if calls == maxListCalls || len(l.entries) >= l.in.Limit {
			l.more = true
			return nil
		}
		at := roots[l.at.Root]
		q := object.ListQuery{
			Bucket: l.in.Bucket, Prefix: at.path, Recursive: l.in.Recursive,
			Token: l.at.Token, Limit: l.in.Limit - len(l.entries),
		}
		if at.object {
			q.Limit = 1 // in byte order the object itself comes first
		}
		if l.in.Start != "" {
			q.After = l.in.Prefix + l.in.Start
		}
		page, err := l.r.b.c.Objects.List(l.r.ctx, q)
		if err != nil {
			l.event.Outcome, l.event.Reason = event.Failed, "the storage did not answer"
			if rerr := l.r.record(l.event); rerr != nil {
				return rerr
			}
			return fail(api.StorageUnavailable, err)
		}
		l.take(page, at)
		l.at.Token = page.Next
		if page.Next == "" || at.object {
			l.at.Root, l.at.Token = l.at.Root+1, ""
		}
	}
	return nil
}

// take keeps what the caller may see of one S3 page, in byte order.
func (l *listing) take(page object.Page, at root) {
	all := l.eyes.Folder(l.in.Bucket, l.in.Prefix) == grant.All
	from := len(l.entries)
	for _, o := range page.Objects {
		name := strings.TrimPrefix(o.Key, l.in.Prefix)
		marker := strings.HasSuffix(o.Key, "/") && o.Size == 0
		switch {
		case at.object && o.Key != at.path:
			continue
		case !all && !l.eyes.Decide(l.in.Bucket, o.Key).Allowed:
			continue
		case name == "": // the folder's own marker
			l.exists = true
			continue
		}
		l.exists = true
		if marker {
			l.entries = append(l.entries, api.Entry{Name: name, Kind: api.KindFolder})
			continue
		}
		modified := o.Modified
		l.entries = append(l.entries, api.Entry{
			Name: name, Kind: api.KindObject, Size: o.Size, Modified: &modified, ETag: o.ETag, Archived: o.Archived,
		})
	}
	for _, f := range page.Folders {
		if all || l.eyes.Folder(l.in.Bucket, f) != grant.None {
			l.exists = true
			l.entries = append(l.entries, api.Entry{Name: strings.TrimPrefix(f, l.in.Prefix), Kind: api.KindFolder})
		}
	}
	slices.SortStableFunc(l.entries[from:], func(a, b api.Entry) int { return strings.Compare(a.Name, b.Name) })
}

func (l *listing) answer(version string) (any, error) {
	out := api.ListResponse{Entries: l.entries, Event: l.event.ID, GrantsVersion: version}
	if out.Entries == nil {
		out.Entries = []api.Entry{}
	}
	if l.more {
		l.at.Event, l.at.Expires = first(l.event), l.r.now.Add(cursorLife)
		sealed, err := l.r.b.c.Cursors.seal(l.at)
		if err != nil {
			return nil, fail(api.Internal, err)
		}
		out.Cursor = sealed
	}
	return out, nil
}
