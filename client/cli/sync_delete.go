package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"usher/backend/api"
	"usher/client/download"
	localname "usher/client/download/name"
	"usher/client/ledger"
	"usher/client/quantity"
)

// gone returns the files of earlier syncs that are not on the server, and that are
// unchanged here. kept are those that have changed here.
func (p *pass) gone() (gone, kept []string) {
	for _, name := range p.candidates() {
		if p.onServer(name) {
			continue
		}
		if p.ours(name) {
			gone = append(gone, name)
		} else if p.root != nil {
			if _, err := p.root.Lstat(name); err == nil {
				kept = append(kept, name)
			}
		}
	}
	return gone, kept
}

// candidates returns the files that --delete may remove.
func (p *pass) candidates() []string { return p.known.Files() }

// clean implements --delete.
func (p *pass) clean(ctx context.Context) error {
	gone, kept := p.gone()
	for _, name := range kept {
		p.out.hint("%s  changed here, kept", safe(name))
	}
	if len(gone) == 0 {
		return nil
	}
	if !p.yes {
		fmt.Fprintf(p.Err, "These %s gone on the server:\n", quantity.Plural(len(gone), "file is", "files are"))
		for i, name := range gone {
			if i == 20 && len(gone) > 21 {
				fmt.Fprintf(p.Err, "  and %s more\n", quantity.Count(len(gone)-i))
				break
			}
			fmt.Fprintf(p.Err, "  %s\n", safe(name))
		}
		answer, err := p.prompt(ctx, fmt.Sprintf("Remove them from %s? [y/N] ", safe(p.dest)))
		if err != nil {
			return err
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			fmt.Fprintln(p.Err, "Nothing was removed.")
			return nil
		}
	}
	removed := 0
	var failed failures
	for _, name := range gone {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e, _ := p.known.Get(name)
		err := p.known.Remove(p.root, name)
		switch {
		case errors.Is(err, ledger.ErrForeign): // changed since the prompt
			p.out.hint("%s  changed here, kept", safe(name))
		case err != nil:
			failed.add(err)
		default:
			removed++
			p.removed(name, e)
		}
	}
	p.out.hint("%s removed", quantity.Plural(removed, "file was", "files were"))
	failed.total = len(gone)
	return failed.err()
}

func (p *pass) removed(name string, e ledger.Entry) {
	path := filepath.Join(p.dest, name)
	switch {
	case p.json:
		p.out.writeJSON(p.out.Out, fetched{Path: p.from.Bucket + "/" + e.Key, Dest: path, State: "removed"})
	case !p.OutTTY && !p.quiet:
		fmt.Fprintf(p.out.Out, "%s  removed\n", p.out.near(path))
	}
}

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
	marks := map[stepKind]string{isNew: "+", isChanged: "*", isConflict: "!", isUnsure: "*"}
	counts, bytes := map[stepKind]int{}, int64(0)
	there := map[string]bool{}
	show := func(mark, state, path, name string, size *int64) error {
		dest := filepath.Join(p.dest, name)
		if p.json {
			p.writeJSON(p.Out, fetched{Path: path, Dest: dest, Size: size, State: state})
		} else {
			text := "       "
			if size != nil {
				text = fmt.Sprintf("%7s", quantity.Size(*size))
			}
			fmt.Fprintf(p.Out, "%s %s  %s\n", mark, text, p.out.near(dest))
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
		if bytes += size; s.kind == isUnsure {
			s.kind = isChanged
		}
		return show(marks[s.kind], string(s.kind), t.Bucket+"/"+s.Request.Key, s.name, &size)
	})
	if err != nil {
		return err
	}
	gone, _ := p.gone()
	isGone := map[string]bool{}
	for _, name := range gone {
		isGone[name] = true
		e, _ := p.known.Get(name)
		if err := show("-", "removed", t.Bucket+"/"+e.Key, name, nil); err != nil {
			return err
		}
	}
	only := 0
	for _, name := range sortedKeys(p.local()) {
		if there[name] || isGone[name] || p.onServer(name) {
			continue
		}
		only++
		if err := show("?", "only_here", "", name, nil); err != nil {
			return err
		}
	}
	changed := counts[isChanged] + counts[isUnsure]
	p.hint("%s new, %s changed, %s the same, %s gone on the server, %s differ and not from a sync, %s only here; %s to fetch. Nothing was changed.",
		quantity.Count(counts[isNew]), quantity.Count(changed), quantity.Count(counts[isSame]), quantity.Count(len(gone)), quantity.Count(counts[isConflict]), quantity.Count(only), quantity.Size(bytes))
	return nil
}
