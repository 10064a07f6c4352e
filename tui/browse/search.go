package browse

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/client/selection"
	"usher/tui/pane"
)

// search is the state of a search in its listing. The server answers in pages, and
// each page has its number of names.
type search struct {
	request api.SearchRequest // of all pages: an age counts from the first one
	scanned int
	stopped bool
}

func (s *search) add(page search) {
	s.request = page.request
	s.scanned += page.scanned
}

// search begins the typed search below the open folder. The text stays in the field
// if it is not a search.
func (p *Pane) search(text string) tea.Cmd {
	if _, err := selection.ParseQuery(text, time.Unix(0, 0)); err != nil { // the command has the clock
		return pane.Send(pane.Say{Text: safetext.New("Search: " + err.Error() + "."), Tone: pane.Bad})
	}
	at := p.here.location
	at.query = strings.TrimSpace(text)
	p.typing = notTyping
	delete(p.store, at)
	return p.enter(visit{location: at})
}

// find returns the command for one page of a search.
func (p *Pane) find(ctx context.Context, at location, from where, pauses pane.Pauses) tea.Cmd {
	gen, backend, now, zone := p.gen, p.Backend, p.Now, p.Env.Zone
	var in api.SearchRequest
	if l := p.store[at]; from.cursor != "" && l != nil {
		in = l.found.request
	}
	return func() tea.Msg {
		defer pauses.Done()
		m := listed{gen: gen, location: at, where: from, at: now()}
		if from == (where{}) {
			if in, m.err = selection.ParseQuery(at.query, m.at.In(zone)); m.err != nil {
				return m
			}
			in.Bucket, in.Prefix = at.bucket, at.prefix
		}
		m.found.request, in.Cursor = in, from.cursor
		r, err := backend.Search(ctx, in)
		if m.err = err; err == nil {
			m.pages, m.next, m.version, m.found.scanned, m.left = pack(r.Entries), r.Cursor, r.GrantsVersion, r.Scanned, r.Omitted
		}
		return m
	}
}

// searching reports whether pages of a search are pending.
func (p *Pane) searching() bool {
	at := p.here.location
	if p.asked != nil {
		at = p.asked.location
	}
	return p.loading && at.query != ""
}

// stopSearch ends a search. Its results so far stay.
func (p *Pane) stopSearch() tea.Cmd {
	p.stop()
	l := p.now()
	if l.location.query == "" {
		return nil // the folder before is still on the screen
	}
	if !l.loaded() {
		return p.leave()
	}
	l.end()
	l.found.stopped = true
	p.picking = nil
	return p.arrange()
}

// results returns the visible files of a search.
func (p *Pane) results() []Entry {
	out := make([]Entry, 0, len(p.view))
	for i := range p.view {
		if e, ok := p.at(i); ok {
			out = append(out, e)
		}
	}
	return out
}

// searchNote returns the progress of a search.
func (p *Pane) searchNote(l *listing) string {
	found := quantity.Count(l.n) + " found"
	if len(p.view) != l.n {
		found = quantity.Count(len(p.view)) + " of " + found
	}
	of := " in " + quantity.Plural(l.found.scanned, "name", "names")
	switch {
	case l.capped:
		return "the first " + found
	case l.found.stopped:
		return "stopped, " + found + of
	case !l.complete():
		return "searching" + p.Env.Theme.Glyphs.Ellipsis + " " + found + of
	}
	return found + of
}

// nothingFound returns the reason of an empty result.
func (p *Pane) nothingFound(l *listing) string {
	if l.found.stopped {
		return "Nothing matches in the first " + quantity.Plural(l.found.scanned, "name", "names") + "."
	}
	return "Nothing matches \"" + safetext.Line(l.location.query) + "\" in " + quantity.Plural(l.found.scanned, "name", "names") + "."
}
