package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"usher/backend/api"
	"usher/client/difference"
	"usher/client/download"
	localname "usher/client/download/name"
)

// consider prepares the download of one entry. It leaves out a file of a sync that is
// the same on both sides, and one that waits for the removal of a folder. A dry run
// calls it too, and then it changes nothing.
func (p *pass) consider(r *download.Request, path string) bool {
	if strings.HasSuffix(r.Key, "/") { // the folder of a file in it
		path = filepath.Join(path, "x")
		p.room(path)
		p.make(path)
		return true
	}
	name, known := p.onBoth(r.Key)
	if !known || r.FolderToo {
		name = path
	}
	switch facts := p.facts(download.Planned{Request: *r}, name, false); {
	case facts.Kept():
		p.out.addSame()
		return false
	case facts.Ours:
		r.Conflict = download.Overwrite
	}
	p.room(path)
	p.make(name)
	if p.remove && !r.FolderToo && p.root != nil && p.known.Clears(p.root, path) {
		late := *r
		late.Base = &p.from.Key
		p.later[path] = late
		return false
	}
	return true
}

// room removes a file of an earlier sync that has the name of a folder above path, and
// with --overwrite any other file there. A dry run notes the file as freed.
func (p *pass) room(path string) {
	if p.root == nil {
		return
	}
	segs := strings.Split(path, string(filepath.Separator))
	for i := 1; i < len(segs); i++ {
		name := filepath.Join(segs[:i]...)
		info, err := p.root.Lstat(name)
		if err == nil && info.IsDir() {
			continue
		}
		switch ours := p.ours(name); {
		case err != nil || !ours && (!p.overwrite || !info.Mode().IsRegular()):
		case p.dryRun:
			p.freed[name] = true
		case !ours:
			_ = p.root.Remove(name) // a failure is that of the download
		default:
			e, _ := p.known.Get(name)
			if p.known.Remove(p.root, name) == nil {
				p.removed(name, e)
			}
		}
		return
	}
}

// replacing returns the name that a planned file or folder has in the run, and whether
// the run replaces a file by its folder. The plan has another name for that folder.
func (p *pass) replacing(path string) (string, bool) {
	for dir := path; dir != "."; dir = filepath.Dir(dir) {
		if file := strings.TrimSuffix(dir, localname.ClashMark); p.freed[file] {
			return file + path[len(dir):], true
		}
	}
	return path, false
}

// followLater downloads the files whose name a folder had until --delete removed it.
func (p *pass) followLater(ctx context.Context) error {
	engine, err := p.engine()
	if err != nil {
		return err
	}
	var requests []download.Request
	for _, name := range sortedKeys(p.later) {
		p.known.RemoveEmpty(p.root, name)
		requests = append(requests, p.later[name])
	}
	return p.transfer(ctx, engine, requests...)
}

// step is the work for one file of the server.
type step struct {
	download.Planned
	name string // below DIR
	kind difference.Kind
}

// steps compares the server with DIR, in the order of the listing, by the decisions of
// a run. Files for which consider returns false have no step.
func (p *pass) steps(ctx context.Context, engine *download.Engine, t api.Path, visit func(step) error) error {
	for plan, err := range engine.Preview(ctx, p.folder(t)) {
		if err != nil {
			return err
		}
		name, ok := p.copy.Name(plan.Path)
		if !ok {
			return fmt.Errorf("planning a sync: %s is not below its folder", safe(plan.Path))
		}
		if known, ok := p.onBoth(plan.Request.Key); ok {
			name = known
		}
		name, freed := p.replacing(name)
		if plan.IsFolder && freed {
			continue
		}
		if err := visit(step{plan, name, p.facts(plan, name, freed).Kind()}); err != nil {
			return err
		}
	}
	return nil
}

// facts returns the state of one file.
func (p *pass) facts(plan download.Planned, name string, freed bool) difference.Facts {
	return difference.Facts{Presence: plan.Presence, Err: plan.Err, Freed: freed,
		Ours: p.ours(name), Current: p.current(name, plan.Request), Content: p.checksum}
}

// notFolder returns the error for a PATH that is not found as a folder: a file has
// another command.
func (s *syncing) notFolder(ctx context.Context, from lister, path string, notFound error) error {
	t, err := parsePath(path, s.paths.escaped)
	if err != nil {
		return notFound
	}
	found, err := find(ctx, from, t.Bucket, t.Parent().Key, []string{t.Base()})
	if err != nil || found[t.Base()].Kind != api.KindObject {
		return notFound
	}
	return usagef("sync takes a folder, and %s is a file. To download it: usher get %s -o DIR", safe(t.String()), shellQuote(path))
}
