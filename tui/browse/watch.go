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
	"usher/tui/format"
	"usher/tui/pane"
)

// A watched folder is listed every watchPeriod. Each listing is an event in the audit
// log. A folder of up to wholePages pages is listed whole; of a larger one only the
// names from the last known one on. A folder of more than mostPages pages is refused.
const (
	watchPeriod = 30 * time.Second
	wholePages  = 5
	mostPages   = 20
)

// watch is the folder whose new objects are reported. Its zero value is none.
type watch struct {
	on     location // the zero location: no folder is watched
	seq    uint64
	cancel context.CancelFunc
	takes  *selection.Selection // new objects to download; nil: none
	globs  string
	known  map[string]string // names with their ETags; nil until the first listing
	from   string            // the listing begins after this name
	pages  int               // of the last whole listing
	whole  bool              // the next listing is whole
	lists  int               // recorded listings
	fresh  map[string]bool   // names that came
	waits  bool              // for a sign-in
	fails  bool              // the last listing failed
}

// Messages of the watch.
type (
	watchDue struct{ seq uint64 }
	watched  struct {
		of      *Pane // a response to the pane of another person is dropped
		seq     uint64
		whole   bool
		pages   []*page
		lists   int
		more    bool
		left    int
		version string
		request string
		at      time.Time
		err     error
	}
)

// Arrived is a message to the root about new or changed rows of the watched folder.
type Arrived struct {
	Folder  safetext.Text
	Names   []safetext.Text
	Entries []Entry // the objects to download
}

// toggleWatch ends the watch of the open folder, or opens the field for a new one.
func (p *Pane) toggleWatch() tea.Cmd {
	if p.watch.on == p.here.location {
		lists := p.watch.lists
		p.unwatch()
		return pane.Send(pane.Say{Text: safetext.New("The folder is no longer watched. " + quantity.Plural(lists, "listing was", "listings were") + " recorded.")})
	}
	p.typeInto(watching, "")
	return nil
}

// startWatch watches the open folder, and downloads new objects that match one of the
// patterns. It returns false for invalid patterns.
func (p *Pane) startWatch(globs string) (tea.Cmd, bool) {
	var takes *selection.Selection
	if words := strings.Fields(globs); len(words) > 0 {
		rules := make([]selection.Rule, len(words))
		for i, w := range words {
			rules[i] = selection.Rule{Pattern: w, Include: true}
		}
		s, err := selection.New(rules, selection.Bounds{})
		if err != nil {
			return pane.Send(pane.Say{Text: pane.Safe("Watch: " + err.Error() + "."), Tone: pane.Bad}), false
		}
		takes, globs = s, strings.Join(words, " ")
	}
	p.unwatch()
	w := &p.watch
	w.on, w.takes, w.globs = p.here.location, takes, strings.TrimSpace(globs)
	w.whole, w.fresh = true, make(map[string]bool)
	return p.lookForNew(), true
}

// unwatch ends the watch.
func (p *Pane) unwatch() {
	if p.watch.cancel != nil {
		p.watch.cancel()
	}
	p.watch = watch{seq: p.watch.seq + 1}
	p.table.Changed()
}

// lookForNew lists the watched folder.
func (p *Pane) lookForNew() tea.Cmd {
	w := &p.watch
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	w.cancel = cancel
	w.seq++
	req := api.ListRequest{Bucket: w.on.bucket, Prefix: w.on.prefix, Limit: api.MaxList}
	if !w.whole {
		req.Start = w.from
	}
	m := watched{of: p, seq: w.seq, whole: w.whole}
	backend, now := p.Backend, p.Now
	return func() tea.Msg {
		defer cancel()
		for {
			r, err := backend.List(ctx, req)
			m.at = now()
			if err != nil {
				m.err = err
				return m
			}
			m.pages, m.version, m.request = append(m.pages, pack(r.Entries)...), r.GrantsVersion, r.RequestID
			m.left += r.Omitted
			m.lists++
			if m.more = r.Cursor != ""; !m.more || m.lists == mostPages {
				return m
			}
			req.Cursor = r.Cursor
		}
	}
}

// watched compares a listing of the watched folder with the one before.
func (p *Pane) watched(m watched) tea.Cmd {
	w := &p.watch
	if m.of != p || m.seq != w.seq {
		return nil
	}
	w.lists += m.lists
	next := after(watchPeriod, watchDue{w.seq})
	if m.err != nil {
		return p.watchFailed(m, next)
	}
	if m.whole && m.more {
		p.unwatch()
		text := "Watch: this folder has more than " + quantity.Count(mostPages*api.MaxList) + " names. Open a folder below it."
		return pane.Send(pane.Say{Text: safetext.New(text), Tone: pane.Warning})
	}
	w.fails = false
	l := &listing{location: w.on, at: m.at, version: m.version, request: m.request, left: m.left}
	l.add(m.pages, where{}, "")
	first, arrived, changed := w.known == nil, p.compare(l), false
	if m.whole {
		changed = l.n != len(w.known) || len(arrived.Names) > 0
		w.known, w.pages = make(map[string]string, l.n), m.lists
	}
	for i := range l.ids {
		w.known[l.name(i)] = l.etag(i)
	}
	w.after(l)
	if first {
		p.table.Changed()
		return tea.Batch(next, pane.Send(pane.Answered{}))
	}
	for _, name := range arrived.Names {
		w.fresh[name.Raw()] = true
	}
	var shown tea.Cmd
	if changed || len(arrived.Names) > 0 {
		shown = p.slideIn(l, m.whole)
	}
	if len(arrived.Names) == 0 {
		return tea.Batch(next, shown)
	}
	return tea.Batch(next, shown, pane.Send(arrived))
}

// after sets the name after which the next listing of a large folder begins: the last
// but one, so that a response without names means that the folder has changed.
func (w *watch) after(l *listing) {
	w.whole = w.pages <= wholePages
	last := ""
	for i := range l.ids {
		if last != "" {
			w.from = last
		}
		last = l.name(i)
	}
}

// watchFailed handles a listing without a response, or a refusal.
func (p *Pane) watchFailed(m watched, next tea.Cmd) tea.Cmd {
	w := &p.watch
	report := pane.Send(pane.Failed{Err: m.err, On: w.on.text()})
	switch {
	case pane.Code(m.err) == api.NotFound && !m.whole:
		w.whole = true
		return p.lookForNew()
	case pane.Code(m.err) == api.NotFound:
		name := w.on.name()
		p.unwatch()
		return tea.Batch(report, pane.Send(pane.Say{Tone: pane.Warning,
			Text: safetext.New(name + " is no longer watched: it was removed, or your access to it ended.")}))
	case api.SignedOut(m.err):
		w.waits = true
		return report
	}
	w.fails = true
	return tea.Batch(report, next)
}

// compare returns the rows that are new, or whose content has changed.
func (p *Pane) compare(l *listing) Arrived {
	w := &p.watch
	out := Arrived{Folder: w.on.text()}
	for i := range l.ids {
		name, etag := l.name(i), l.etag(i)
		if old, ok := w.known[name]; ok && (old == etag || etag == "") || w.known == nil {
			continue
		}
		e := l.entry(i)
		out.Names = append(out.Names, e.Name)
		if w.takes != nil && e.isFile() && w.takes.Takes(name, api.Entry{Name: name, Kind: api.KindObject, Size: e.Size, Modified: &e.Modified}) {
			out.Entries = append(out.Entries, e)
		}
	}
	return out
}

// slideIn shows the new rows of the watched folder. The cursor stays on its row.
func (p *Pane) slideIn(l *listing, whole bool) tea.Cmd {
	old := p.store[l.location]
	if !whole {
		if old == nil || !old.complete() {
			return nil // the next visit lists it
		}
		merged := &listing{location: l.location, at: l.at, version: l.version, request: l.request, left: old.left}
		var pages []*page
		for i := range old.pagesInOrder() {
			pages = append(pages, old.pages[i])
		}
		if l.n > 0 {
			pages = append(upTo(pages, l.first(0)), l.pages...)
		}
		merged.add(pages, where{}, "")
		l = merged
	}
	open := p.asked == nil && p.here.location == l.location
	if open && p.loading {
		return nil // a listing of the same folder is on its way
	}
	p.tree.stale = true
	if !open {
		p.store[l.location] = l
		return nil
	}
	clear(p.looked)
	p.savePosition()
	p.store[l.location] = l
	p.view = nil
	return p.arrange()
}

// watchSigned resumes the watch after a sign-in.
func (p *Pane) watchSigned() tea.Cmd {
	if !p.watch.waits {
		return nil
	}
	p.watch.waits = false
	return p.lookForNew()
}

// watchNote returns the state of the watch, longest form first; nil without one.
func (p *Pane) watchNote() []string {
	w := &p.watch
	if w.on == (location{}) {
		return nil
	}
	what := "watching"
	if w.on != p.here.location {
		what += " " + safetext.New(strings.TrimSuffix(w.on.name(), "/")).Distinct()
	}
	every := " every " + quantity.Remaining(watchPeriod)
	switch {
	case w.waits:
		every = ": waiting for your sign-in"
	case w.fails:
		every = ": no answer, next try within " + quantity.Remaining(watchPeriod)
	}
	long, scope, fetch := "", "", ""
	if w.lists > 0 {
		long = ", " + quantity.Plural(w.lists, "listing", "listings") + " recorded"
	}
	if w.pages > wholePages {
		scope = ", names after " + format.Middle(safetext.Line(w.from), 24, p.Env.Theme.Glyphs.Ellipsis)
	}
	if w.globs != "" {
		fetch = ", downloads " + safetext.Line(w.globs)
	}
	return []string{what + every + long + scope + fetch, what + every + long + fetch, what + every + long, what + every, "watching"}
}
