package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

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
	p.out.mu.Lock() // transfers can still end
	defer p.out.mu.Unlock()
	path := filepath.Join(p.dest, name)
	switch {
	case p.json:
		p.out.writeJSON(p.out.Out, fetched{Path: p.from.Bucket + "/" + e.Key, Dest: path, State: "removed"})
	case !p.OutTTY && !p.quiet:
		fmt.Fprintf(p.out.Out, "%s  removed\n", p.out.near(path))
	}
}
