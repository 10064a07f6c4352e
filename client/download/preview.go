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
	IsFolder bool  // a folder with a marker
	Err      error // why it would fail; nil
}

// Preview plans a request as Add would, and fetches nothing: the files of a
// folder in the order of its listing, each with the local name that Add would
// give it, and the error that its attempt would return before a release. A folder
// with a marker is in the result only if it has an error. Preview claims local names:
// use one engine for all requests of a preview, and for nothing else.
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
		children := Children{Folder: r}
		req := api.ListRequest{Bucket: r.Bucket, Prefix: r.Key, Recursive: true}
		for {
			page, err := e.cfg.Lister.List(ctx, req)
			if err != nil {
				yield(Planned{}, err)
				return
			}
			for _, found := range e.considered(r, segs, children.page(page.Entries, page.Cursor == "")) {
				c := childOf(r, found)
				below := e.below(r, segs, c)
				var p Planned
				if isMarker(c.Key, found.entry) {
					if p = e.plannedFolder(c, below[:len(below)-1]); p.Err == nil {
						continue
					}
				} else {
					p = e.planned(c, below, refusalOf(c, found.entry))
				}
				if !yield(p, nil) {
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
func (e *Engine) planned(r Request, segs []string, refused error) Planned {
	e.mu.Lock()
	segs = e.claimName(r, segs)
	e.mu.Unlock()
	p := Planned{Request: r, LocalState: e.local(r, segs, map[string]map[string]part.Sidecar{})}
	_, err := e.plan(order{target: targetOf(r, segs), refused: refused})
	p.Err = mapped(err, p.Path, false)
	if abs, err := filepath.Abs(p.Path); err == nil {
		p.Path = abs
	}
	if p.Presence == HereOther && r.Conflict == KeepBoth {
		p.Presence, p.Path = Absent, e.nextNumber(r, segs)
	}
	return p
}

// plannedFolder looks at the place of a folder that has a marker.
func (e *Engine) plannedFolder(r Request, segs []string) Planned {
	p := Planned{Request: r, LocalState: LocalState{Path: filepath.Join(append([]string{r.Dir}, segs...)...)}, IsFolder: true}
	f, err := e.disk.Folder(r.Dir, segs, false)
	if absent := (*part.AbsentError)(nil); errors.As(err, &absent) {
		p.Path = absent.Path
	} else if err == nil {
		p.Path = f.Path()
		f.Release()
	} else if !errors.Is(err, fs.ErrNotExist) {
		p.Err = mapped(err, "", false)
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
