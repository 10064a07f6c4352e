package cli

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"usher/backend/api"
	"usher/client/download"
	localname "usher/client/download/name"
	"usher/client/quantity"
)

// local returns the files below DIR, without the unfinished parts of downloads.
func (p *pass) local() map[string]fs.FileInfo {
	all := map[string]fs.FileInfo{}
	if p.root == nil {
		return all
	}
	_ = fs.WalkDir(p.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || localname.HasFoldPrefix(d.Name(), localname.PartMark) {
			return nil
		}
		if info, err := d.Info(); err == nil {
			all[filepath.FromSlash(path)] = info
		}
		return nil
	})
	return all
}

// difference implements --dry-run.
func (p *pass) difference(ctx context.Context, engine *download.Engine, t api.Path) error {
	marks := map[stepKind]string{isNew: "+", isChanged: "*", isConflict: "!", isUnsure: "*", isFailed: "!"}
	counts, bytes := map[stepKind]int{}, int64(0)
	there := map[string]bool{}
	show := func(mark, state, path, name string, size *int64, cause error) error {
		line, note := fetched{Path: path, Dest: filepath.Join(p.dest, name), Size: size, State: state}, ""
		if cause != nil {
			f := explain(cause)
			line.Error, note = &f, "  ("+f.line+")"
		}
		if p.json {
			p.writeJSON(p.Out, line)
		} else {
			text := "       "
			if size != nil {
				text = fmt.Sprintf("%7s", quantity.Size(*size))
			}
			fmt.Fprintf(p.Out, "%s %s  %s%s\n", mark, text, p.out.near(line.Dest), note)
		}
		return p.unwritten()
	}
	err := p.steps(ctx, engine, t, func(s step) error {
		there[s.name] = true
		counts[s.kind]++
		if s.kind == isSame {
			return nil
		}
		size := s.Request.Size
		switch s.kind {
		case isFailed, isConflict:
			if s.Err = choices(s.Err); s.Err != nil {
				p.out.fail(s.Err)
			}
		case isUnsure:
			s.kind = isChanged
			fallthrough
		default:
			s.Err = nil
			bytes += size
		}
		return show(marks[s.kind], string(s.kind), t.Bucket+"/"+s.Request.Key, s.name, &size, s.Err)
	})
	for _, name := range sortedKeys(p.later) {
		if r := p.later[name]; err == nil {
			there[name] = true
			counts[isNew]++
			bytes += r.Size
			err = show(marks[isNew], string(isNew), t.Bucket+"/"+r.Key, name, &r.Size, nil)
		}
	}
	if err != nil {
		return err
	}
	gone, _ := p.gone()
	isGone := map[string]bool{}
	for _, name := range gone {
		isGone[name] = true
		e, _ := p.known.Get(name)
		if err := show("-", "removed", t.Bucket+"/"+e.Key, name, nil, nil); err != nil {
			return err
		}
	}
	only := 0
	for _, name := range sortedKeys(p.local()) {
		if there[name] || isGone[name] || p.onServer(name) {
			continue
		}
		only++
		if err := show("?", "only_here", "", name, nil, nil); err != nil {
			return err
		}
	}
	changed := counts[isChanged] + counts[isUnsure]
	p.hint("%s new, %s changed, %s the same, %s gone on the server, %s differ and not from a sync, %s only here; %s to fetch. Nothing was changed.",
		quantity.Count(counts[isNew]), quantity.Count(changed), quantity.Count(counts[isSame]+p.out.same), quantity.Count(len(gone)), quantity.Count(counts[isConflict]), quantity.Count(only), quantity.Size(bytes))
	p.out.failures.planned, p.out.failures.total = true, counts[isNew]+changed+counts[isSame]+p.out.same+counts[isConflict]+counts[isFailed]
	return p.out.failures.err() // the run would end with this exit code
}
