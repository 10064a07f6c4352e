package backend

import (
	"context"
	"errors"
	"slices"
	"strings"

	"usher/backend/api"
	"usher/backend/cursor"
	"usher/backend/grant"
	"usher/backend/object"
	"usher/backend/reader"
)

// root is a granted prefix or object below the listed folder.
type root struct {
	path   string
	object bool
}

// id names a root in a cursor. An index would name another root after a change
// of grants.
func (r root) id() string {
	if r.object {
		return "o" + r.path
	}
	return "p" + r.path
}

// before reports whether the whole root sorts before or at start.
func (r root) before(start string) bool {
	return start != "" && r.path <= start && (r.object || !strings.HasPrefix(start, r.path))
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

// walk lists the roots page by page and filters the rows. It stops at the limit,
// at the end, or after maxListCalls calls; a page can be short or empty then.
func (l *listing) walk(roots []root) error {
	i := 0
	if l.at.Event != "" {
		i = slices.IndexFunc(roots, func(r root) bool { return r.id() == l.at.Root })
		if i < 0 {
			return fail(api.BadCursor, nil)
		}
	}
	start := ""
	if l.in.Start != "" {
		start = l.in.Prefix + l.in.Start
	}
	for calls := 0; i < len(roots); {
		at := roots[i]
		if at.before(start) || at.object && l.hidden(at.path) {
			i++
			continue
		}
		if calls == maxListCalls || len(l.entries) >= l.in.Limit || l.r.b.c.Now().Sub(l.r.now) > maxListTime {
			l.more, l.at.Root = true, at.id()
			return nil
		}
		calls++
		q := object.ListQuery{
			Bucket: l.in.Bucket, Prefix: at.path, Recursive: l.in.Recursive, After: start,
			Resume: l.at.Resume, Limit: l.in.Limit - len(l.entries),
		}
		if l.match != nil { // most names do not match
			q.Limit = api.MaxList
		}
		if at.object {
			q.Limit = 1 // in byte order the object itself is first
		}
		ctx, err := l.session(q.Bucket, q.Prefix)
		if err != nil {
			return l.failed(err)
		}
		page, err := l.list(ctx, q)
		if err != nil {
			return l.failed(err)
		}
		l.add(page, at)
		if page.More {
			l.ahead(ctx, q, page.Next)
		}
		l.at.Resume = page.Next
		if !page.More || at.object {
			i, l.at.Resume = i+1, object.Resume{}
		}
	}
	return nil
}

// list returns one page of S3, as it was requested ahead or as it is now. Either has
// names alone: add decides on each of them by the current grants.
func (l *listing) list(ctx context.Context, q object.ListQuery) (object.Page, error) {
	if l.r.b.c.Pages == nil {
		return l.r.b.c.Objects.List(ctx, q)
	}
	return l.r.b.c.Pages.List(ctx, l.r.claims.Sub, q)
}

// ahead requests the next page of a download that takes whole pages with URLs. S3
// then lists it while this page is recorded and signed.
func (l *listing) ahead(ctx context.Context, q object.ListQuery, next object.Resume) {
	if l.r.b.c.Pages == nil || l.in.URLs < api.MaxPageURLs || len(l.entries) < l.in.Limit {
		return
	}
	q.Resume, q.Limit = next, l.in.Limit
	l.r.b.c.Pages.Begin(ctx, l.r.claims.Sub, q)
}

// session returns a context with the credentials for a prefix. Beside that call it
// finds the region of the bucket.
func (l *listing) session(bucket, prefix string) (context.Context, error) {
	located := make(chan error, 1)
	go func() {
		located <- safely(func() error { l.r.b.locate(l.r.ctx, []string{bucket}); return nil })
	}()
	ctx, err := l.r.reading.Folder(l.r.ctx, bucket, prefix)
	if missing := <-located; err == nil {
		err = missing
	}
	return ctx, err
}

// failed records a listing that failed in the storage.
func (l *listing) failed(err error) error {
	code, reason := storageFailure(err)
	if code == api.NotFound || code == api.ObjectArchived { // these are outcomes of single objects
		code, reason = api.StorageRefused, "the storage has no such bucket"
	}
	return l.r.failedAs(l.event, code, reason, err)
}

// before returns a hash of the person's grants and denials that decide on rows
// up to the cursor. As long as the hash is the same, no change of grants has
// added or removed a row before the cursor, and the next page may follow.
func (l *listing) before() string {
	var parts []string
	if l.in.Bucket == "" {
		for _, bucket := range l.view.Buckets() {
			if bucket <= l.at.After {
				parts = append(parts, bucket)
			}
		}
		return cursor.Hash(parts...)
	}
	position := l.in.Prefix + l.at.After
	if l.at.Root != "" {
		position = max(l.at.Root[1:], l.at.Resume.Last)
	}
	note := func(g *grant.Grant) {
		path := g.Prefix + g.Object
		if path <= position && (strings.HasPrefix(path, l.in.Prefix) || strings.HasPrefix(l.in.Prefix, path)) {
			parts = append(parts, g.Prefix, g.Object, string(g.Effect))
		}
	}
	for _, t := range l.set.Tree(l.groups, l.r.now) {
		if t.Grant.Bucket != l.in.Bucket {
			continue
		}
		note(t.Grant)
		for _, d := range t.Except {
			note(d)
		}
	}
	return cursor.Hash(parts...)
}

// storageFailure returns the code and the recorded reason of a failed storage
// call.
func storageFailure(err error) (api.Code, string) {
	switch {
	case errors.Is(err, object.ErrAbsent):
		return api.NotFound, "there is no such object"
	case errors.Is(err, object.ErrArchived):
		return api.ObjectArchived, "the object is archived"
	case errors.Is(err, reader.ErrNoSession):
		return api.StorageRefused, "no session policy covers it"
	case errors.Is(err, object.ErrDenied):
		return api.StorageUnavailable, "a policy in AWS denies the server"
	case errors.Is(err, object.ErrRefused):
		return api.StorageRefused, "the storage refused the server"
	case errors.Is(err, object.ErrSkew):
		return api.ClockSkew, "the server's clock is not the storage's"
	}
	return api.StorageUnavailable, "the storage did not answer"
}
