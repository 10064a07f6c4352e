package cli

import (
	"context"
	"slices"
	"strings"

	"usher/backend/api"
	"usher/client/download"
)

// plan turns targets into requests as listings arrive. Plain paths are looked
// up first: the listing shows whether a path is a file or a folder, and its ETag
// saves a small file another lookup. A path without a listing entry is requested
// too, so that the refusal is the server's and is recorded; listed is false then.
func (g *get) plan(ctx context.Context, from lister, targets []target, add func(r download.Request, listed bool)) error {
	if g.version.id != "" && len(targets) > 0 { // the listing shows the current version only
		add(g.request(targets[0].Path, api.Entry{}, true), true)
		return nil
	}
	found, err := g.lookUp(ctx, from, targets)
	if err != nil {
		return err
	}
	folder := func(t target) bool { return !t.pattern && (t.IsFolder() || found[t.Path].Kind == api.KindFolder) }
	// Folders first: a folder has priority over a file of the same local name.
	sorted := append(slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !folder(t) }),
		slices.DeleteFunc(slices.Clone(targets), folder)...)
	for _, t := range sorted {
		switch e := found[t.Path]; {
		case t.pattern:
			if err := g.planPattern(ctx, from, t.Path, add); err != nil {
				return err
			}
		case !folder(t) && e.Kind != "" && !g.chosen.Takes(t.Base(), e):
		default:
			add(g.request(t.Path, e, len(targets) == 1), e.Kind != "")
		}
	}
	return nil
}

// planPattern adds the matches of a pattern.
func (g *get) planPattern(ctx context.Context, from lister, t api.Path, add func(r download.Request, listed bool)) error {
	for r, err := range download.Expand(ctx, from, t.String()) {
		if err != nil {
			return err
		}
		name := r.Key
		if r.Base != nil {
			name = strings.TrimPrefix(r.Key, *r.Base)
		}
		if e := entryOf(r); !r.Folder && !g.chosen.Takes(name, e) {
			continue
		}
		r.Dir, _ = g.destination(false)
		add(g.settle(r, name), true)
	}
	return nil
}

// entryOf returns the entry of the listing from which a request was made.
func entryOf(r download.Request) api.Entry {
	e := api.Entry{Kind: api.KindObject, Size: r.Size, ETag: r.ETag}
	if !r.Modified.IsZero() {
		e.Modified = &r.Modified
	}
	return e
}

// settle adds the choices of the flags. Names of a folder's files are selected by
// lead and the name in the folder.
func (g *get) settle(r download.Request, lead string) download.Request {
	r.Conflict, r.Checksum, r.Names = g.conflict(), g.checksum, g.form()
	if r.Folder && !g.chosen.Empty() {
		r.Takes = func(name string, e api.Entry) bool { return g.chosen.Takes(lead+name, e) }
	}
	switch {
	case g.base == nil:
	case g.base.IsRoot():
		r.Base, r.Whole = nil, true
	default:
		r.Base = &g.base.Key
	}
	return r
}

func (g *get) lookUp(ctx context.Context, from lister, targets []target) (map[api.Path]api.Entry, error) {
	names := map[api.Path][]string{} // by folder
	for _, t := range targets {
		if !t.IsFolder() && !t.pattern {
			names[t.Parent()] = append(names[t.Parent()], t.Base())
		}
	}
	found := map[api.Path]api.Entry{}
	for folder, wanted := range names {
		entries, err := find(ctx, uncounted(from), folder.Bucket, folder.Key, wanted)
		if err != nil {
			return nil, err
		}
		for name, e := range entries {
			found[folder.Join(name)] = e
		}
	}
	return found, nil
}

func (g *get) request(t api.Path, e api.Entry, alone bool) download.Request {
	r := download.Request{Bucket: t.Bucket, Key: t.Key, Version: g.version.id}
	switch {
	case t.IsFolder():
		r.Folder = true
	case e.Kind == api.KindFolder:
		r.Key, r.Folder = t.Key+"/", true
	case e.ETag != "":
		r.ETag, r.Size, r.Mark = e.ETag, e.Size, e.Mark
		if e.Modified != nil {
			r.Modified = *e.Modified
		}
	}
	r.Dir, r.Name = g.destination(alone && !r.Folder && g.base == nil)
	return g.settle(r, "")
}
