package cli

import (
	"context"
	"errors"
	"strings"

	"usher/backend/api"
	"usher/client/glob"
	"usher/client/selection"
)

// found is an object, a folder or a bucket to which a PATH leads.
type found struct {
	at    api.Path // the folder of the PATH; the root if there is none
	entry api.Entry
}

// path returns the whole path.
func (f found) path() api.Path {
	if f.at.IsRoot() {
		bucket, key, _ := strings.Cut(f.entry.Name, "/")
		return api.Path{Bucket: bucket, Key: key}
	}
	return f.at.Join(f.entry.Name)
}

// object reports whether it is an object, not the marker of a folder.
func (f found) object() bool {
	return f.entry.Kind == api.KindObject && !f.path().IsMarker(f.entry.Size)
}

// objects finds the entries of PATHs. Only its pages are in memory.
type objects struct {
	from      lister
	stat      stater // the size and time of an entry that a listing has without
	sel       *selection.Selection
	recursive bool         // every object below, without folders
	paged     func() error // called after each page; nil: nothing
}

// each visits the entries of a PATH: of a folder its content, of a pattern its
// matches, of an object itself.
func (o *objects) each(ctx context.Context, t target, visit func(found) error) error {
	give := func(f found) error {
		if o.sel.Facts() && f.entry.Unsized() {
			facts, err := o.stat.Stat(ctx, statOf(f.path()))
			if err != nil {
				return err
			}
			f.entry.Size, f.entry.ETag, f.entry.Modified = facts.Size, facts.ETag, &facts.Modified
		}
		if !o.sel.Takes(f.entry.Name, f.entry) {
			return nil
		}
		return visit(f)
	}
	switch {
	case t.IsRoot():
		return o.root(ctx, give)
	case t.pattern:
		return o.pattern(ctx, t.Path, give)
	case !t.IsFolder():
		name := t.Base()
		in, err := find(ctx, uncounted(o.from), t.Bucket, t.Parent().Key, []string{name})
		if err != nil {
			return err
		}
		if e, ok := in[name]; ok && e.Kind == api.KindObject {
			return give(found{t.Parent(), e})
		}
		t.Key += "/"
	}
	return o.below(ctx, t.Path, "", give)
}

func (o *objects) root(ctx context.Context, give func(found) error) error {
	var buckets []api.Entry
	err := pages(ctx, o.from, api.ListRequest{}, func(entries []api.Entry) error {
		buckets = append(buckets, entries...)
		return nil
	})
	for _, b := range buckets {
		if err != nil {
			return err
		}
		if o.recursive {
			err = o.below(ctx, api.Path{Bucket: b.Name}, "", func(f found) error {
				f.at, f.entry.Name = api.Path{}, b.Name+"/"+f.entry.Name
				return give(f)
			})
		} else {
			err = give(found{api.Path{}, b})
		}
	}
	return err
}

func (o *objects) pattern(ctx context.Context, t api.Path, give func(found) error) error {
	for m, err := range glob.Find(ctx, o.from, t.Bucket, t.Key) {
		at := api.Path{Bucket: t.Bucket, Key: m.Base}
		switch {
		case errors.Is(err, glob.ErrPattern):
			return usagef("%s can't be read as a path (%s). A literal wildcard has a backslash before it.", safe(t.String()), err.Error())
		case err != nil:
			return err
		case o.recursive && m.Entry.Kind == api.KindFolder:
			err = o.below(ctx, at, m.Entry.Name, give)
		default:
			err = give(found{at, m.Entry})
		}
		if err != nil {
			return err
		}
	}
	return o.endPage()
}

// below visits the entries of the folder at/lead. Their names begin with lead.
func (o *objects) below(ctx context.Context, at api.Path, lead string, give func(found) error) error {
	flat := o.sel.Flat() && lead == "" // a listing without subfolders has all names
	req := api.ListRequest{Bucket: at.Bucket, Prefix: at.Key + lead, Recursive: o.recursive && !flat}
	return pages(ctx, o.from, req, func(entries []api.Entry) error {
		for _, e := range entries {
			if o.recursive && e.Kind == api.KindFolder { // a marker, or a subfolder that is too deep
				continue
			}
			e.Name = lead + e.Name
			if err := give(found{at, e}); err != nil {
				return err
			}
		}
		return o.endPage()
	})
}

func (o *objects) endPage() error {
	if o.paged == nil {
		return nil
	}
	return o.paged()
}

// eachPath runs a command for each PATH. With several, a failure is one line on
// stderr, and the others still run. The result has their common exit code.
func (a *app) eachPath(ctx context.Context, targets []target, run func(target) error) error {
	if len(targets) == 1 {
		return run(targets[0])
	}
	all := failures{total: len(targets), noun: "path"}
	for _, t := range targets {
		err := run(t)
		if err == nil {
			continue
		}
		if ctx.Err() != nil || a.unwritten() != nil || api.SignedOut(err) {
			return err
		}
		all.add(err)
		a.failLine(t.String(), err)
	}
	return all.err()
}

// failLine prints the failure of one PATH of several.
func (a *app) failLine(path string, err error) {
	f := explain(err)
	if a.jsonErrors() {
		a.writeJSON(a.Err, pathFailure{path, f})
		return
	}
	line := f.line
	if !strings.Contains(line, safe(path)) {
		line = safe(path) + ": " + line
	}
	a.message("%s", line)
}

// pathFailure is a line of stderr with --json: the failure of one PATH of several.
type pathFailure struct {
	Path  string  `json:"path"`
	Error failure `json:"error"`
}
