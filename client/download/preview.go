package download

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"

	"usher/backend/api"
	"usher/client/download/part"
)

// Planned is one file that a request would fetch.
type Planned struct {
	Request Request
	LocalState
	Err error // why it would fail; nil
}

// Preview plans a request as Add would, and fetches nothing: the files of a
// folder in the order of its listing, each with the local name that Add would
// give it. Local names are claimed by it: use one engine for all requests of a
// preview, and for nothing else.
func (e *Engine) Preview(ctx context.Context, r Request) iter.Seq2[Planned, error] {
	return func(yield func(Planned, error) bool) {
		segs, err := e.localPath(r)
		if err != nil {
			yield(Planned{Request: r, Err: err}, nil)
			return
		}
		if !r.Folder {
			yield(e.planned(r, segs, nil), nil)
			return
		}
		e.mu.Lock()
		segs = e.claimName(r, segs)
		e.mu.Unlock()
		var names sorter
		req := api.ListRequest{Bucket: r.Bucket, Prefix: r.Key, Recursive: true}
		for {
			page, err := e.cfg.Lister.List(ctx, req)
			if err != nil {
				yield(Planned{}, err)
				return
			}
			var ready []sorted
			for _, entry := range page.Entries {
				if !r.takes(entry) {
					continue
				}
				ready = append(ready, names.add(entry, nil)...)
			}
			if page.Cursor == "" {
				ready = append(ready, names.rest()...)
			}
			for _, found := range ready {
				c := childOf(r, found)
				if isMarker(c.Key, found.entry) {
					continue
				}
				if !yield(e.planned(c, e.below(r, segs, c), refusalOf(c, found.entry)), nil) {
					return
				}
			}
			if req.Cursor = page.Cursor; req.Cursor == "" {
				return
			}
		}
	}
}

// planned claims the name of one file and looks at its place.
func (e *Engine) planned(r Request, segs []string, barred error) Planned {
	e.mu.Lock()
	segs = e.claimName(r, segs)
	e.mu.Unlock()
	p := Planned{Request: r, LocalState: e.local(r, segs, map[string]map[string]part.Sidecar{}), Err: barred}
	if abs, err := filepath.Abs(p.Path); err == nil {
		p.Path = abs
	}
	if p.Presence == Here {
		p.Err = nil
	}
	if p.Presence == HereOther && r.Conflict == KeepBoth {
		p.Presence, p.Path = Absent, e.nextNumber(r, segs)
	}
	return p
}

// nextNumber is the path of the first "name (n)" that is free.
func (e *Engine) nextNumber(r Request, segs []string) string {
	name := segs[len(segs)-1]
	f, err := e.disk.Folder(r.Dir, segs[:len(segs)-1], false)
	if err != nil {
		return filepath.Join(append([]string{r.Dir}, segs...)...)
	}
	defer f.Release()
	for n := 1; n <= part.MaxNumber; n++ {
		if _, err := f.Lstat(part.Numbered(name, n)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				name = part.Numbered(name, n)
			}
			break
		}
	}
	return filepath.Join(f.Path(), name)
}
