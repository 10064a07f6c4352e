package cli

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"usher/backend/api"
	"usher/client/difference"
	"usher/client/download"
	"usher/client/quantity"
)

// wording is the mark and the state of a kind in the output of --dry-run.
type wording struct{ mark, state string }

// stateOf returns the name of a kind in JSON.
func stateOf(k difference.Kind) string { return strings.ReplaceAll(k.String(), " ", "_") }

// wordings returns the output of each kind that has a line.
func wordings() map[difference.Kind]wording {
	marks := map[difference.Kind]string{difference.New: "+", difference.Changed: "*", difference.Unchecked: "*", difference.Differs: "!", difference.Failed: "!", difference.OnlyHere: "?"}
	out := make(map[difference.Kind]wording)
	for k, mark := range marks {
		out[k] = wording{mark, stateOf(k)}
	}
	return out
}

// difference implements --dry-run.
func (p *pass) difference(ctx context.Context, engine *download.Engine, t api.Path) error {
	words := wordings()
	counts, bytes := map[difference.Kind]int{}, int64(0)
	there := map[string]bool{}
	show := func(word wording, path, name string, size *int64, cause error) error {
		line, note := fetched{Path: path, Dest: filepath.Join(p.dest, name), Size: size, State: word.state}, ""
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
			fmt.Fprintf(p.Out, "%s %s  %s%s\n", word.mark, text, p.out.near(line.Dest), note)
		}
		return p.unwritten()
	}
	err := p.steps(ctx, engine, t, func(s step) error {
		there[s.name] = true
		counts[s.kind]++
		if s.kind == difference.Same {
			return nil
		}
		size := s.Request.Size
		switch s.kind {
		case difference.Failed, difference.Differs:
			if s.Err = choices(s.Err); s.Err != nil {
				p.out.fail(s.Err)
			}
		default:
			s.Err = nil
			bytes += size
		}
		return show(words[s.kind], t.Bucket+"/"+s.Request.Key, s.name, &size, s.Err)
	})
	for _, name := range sortedKeys(p.later) {
		if r := p.later[name]; err == nil {
			there[name] = true
			counts[difference.New]++
			bytes += r.Size
			err = show(words[difference.New], t.Bucket+"/"+r.Key, name, &r.Size, nil)
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
		if err := show(wording{"-", "removed"}, t.Bucket+"/"+e.Key, name, nil, nil); err != nil {
			return err
		}
	}
	only := 0
	for _, name := range sortedKeys(maps.Collect(p.copy.Files(ctx))) {
		if there[name] || isGone[name] || p.onServer(name) {
			continue
		}
		only++
		if err := show(words[difference.OnlyHere], "", name, nil, nil); err != nil {
			return err
		}
	}
	unchecked := ""
	if n := counts[difference.Unchecked]; n > 0 {
		unchecked = fmt.Sprintf(" %s unchecked,", quantity.Count(n))
	}
	p.hint("%s new, %s changed,%s %s the same, %s gone on the server, %s differ and not from a sync, %s only here; %s to fetch. Nothing was changed.",
		quantity.Count(counts[difference.New]), quantity.Count(counts[difference.Changed]), unchecked, quantity.Count(counts[difference.Same]+p.out.same), quantity.Count(len(gone)), quantity.Count(counts[difference.Differs]), quantity.Count(only), quantity.Size(bytes))
	p.out.failures.planned, p.out.failures.total = true, p.out.same
	for _, n := range counts {
		p.out.failures.total += n
	}
	return p.out.failures.err() // the run would end with this exit code
}
