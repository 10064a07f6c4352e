// Package browse is the file browser: the table of one folder, the tree of
// folders, and the details of one file, side by side where there is room and
// over each other where there is not.
//
// It keeps all listings in one store that table and tree share, because
// every listing is an event in the audit log: a folder is listed once when it
// is entered, further pages only when they come near the window, and again
// only when it is entered after a minute, on ctrl+r, or when the person's
// access changed. Nothing polls.
//
// An answer carries the generation of the question. Leaving a folder cancels
// its listing, and a late answer is dropped. No method does I/O; commands do,
// with copies.
//
// Downloading, copying and opening other pages is asked of the root by
// message; the state of the local disk comes from the root (Progress, Local).
package browse

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// Backend is the part of the server that the browser uses.
type Backend interface {
	List(context.Context, api.ListRequest) (api.ListResponse, error)
	Stat(context.Context, api.StatRequest) (api.StatResponse, error)
}

// Deps is the parts of a Pane. All but Local, Transfer and Read must be set.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Server  string // host, for sentences
	Now     func() time.Time
	// Local gives a look at the download folder as it is chosen now.
	Local func() Look
	// Transfer is the last transfer of a file: its number, 0 for none, and the
	// word for its state, "" once the disk shows it. It may be nil.
	Transfer func(pane.File) (id int64, word string)
	// Read fetches the first n bytes of an object for reading on the screen.
	Read func(ctx context.Context, e Entry, n int) ([]byte, error)
	// Touched is true if there is a page for "who touched this file" that
	// the person may open; else it is a sentence with the reason.
	Touched func() safetext.Text
	// Explain is true if there is a page for "why can I see this" that the
	// person may open; without it the details name the grant. It may be nil.
	Explain func() bool
}

// Times: a listing younger than fresh is shown without asking again; a folder
// that answers within grace replaces the one before without a flicker; the
// details follow the cursor after settle.
const (
	fresh     = time.Minute
	grace     = 150 * time.Millisecond
	settle    = 120 * time.Millisecond
	listLimit = 30 * time.Second
	readBytes = 64_000
)

// part is a part of the pane that can have the keys.
type part int

const (
	inTable part = iota
	inTree
	inDetails
)

// visit is a folder with the place in it.
type visit struct {
	spot   spot
	cursor string // raw name of the row
	top    int
	want   string // a name to look for: with or without "/" at its end
	quiet  bool   // do not remember it in the history
}

// Pane is the browser. See New.
type Pane struct {
	Deps
	store map[spot]*listing
	here  visit
	asked *visit // entered, not yet shown

	gen      uint64
	cancel   context.CancelFunc
	loading  bool   // a page is on its way
	slow     bool   // for longer than grace
	pause    string // the reason for a pause within the call, in a few words
	stale    bool   // the rows on the screen could not be listed again
	problem  problem
	climbing bool // the folder above is asked for, because this one is gone

	back, ahead []visit
	marks       map[spot]Entry // by bucket and whole key
	marked      int64          // bytes of them

	focus    part
	table    *rows.List
	view     []int32 // rows of the listing, as arranged
	arr      arrangement
	arrGen   uint64
	busy     bool // a command arranges rows
	sorting  bool // after s
	field    pane.Field
	typing   use
	filter   string
	tree     tree
	details  details
	settled  uint64
	local    map[spot]Local
	looked   map[spot]int64 // the last transfer when the disk was asked
	localGen uint64
	cols     columns
	w, h     int
	reader   *reader
}

// problem is why a folder could not be shown.
type problem struct {
	err  error
	text string
}

// use of the text field.
type use int

const (
	notTyping use = iota
	filtering
	going
)

// New makes a browser that shows nothing yet; Start enters the first folder.
func New(d Deps) (*Pane, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("browse: no environment")
	case d.Backend == nil:
		return nil, errors.New("browse: no backend")
	case d.Now == nil:
		return nil, errors.New("browse: no clock")
	}
	p := &Pane{
		Deps:   d,
		store:  make(map[spot]*listing),
		marks:  make(map[spot]Entry),
		local:  make(map[spot]Local),
		looked: make(map[spot]int64),
	}
	p.field = pane.NewField(0)
	p.table = rows.New(source{p}, rows.Config{Jump: d.Env.Jump})
	p.table.Focus(true)
	p.tree.init(p)
	return p, nil
}

// Start enters the place a person named on the command line; the zero Place
// is the list of buckets.
func (p *Pane) Start(at pane.Place) tea.Cmd { return p.goTo(at) }

// goTo enters a place. A key that does not end in "/" may name a file or a
// folder: its folder is listed, and the row shows which.
func (p *Pane) goTo(at pane.Place) tea.Cmd {
	to := spot{bucket: at.Bucket.Raw(), prefix: at.Key.Raw()}
	v := visit{spot: to}
	if to.prefix != "" && to.prefix[len(to.prefix)-1] != '/' {
		up, name := spot{bucket: to.bucket, prefix: to.prefix + "/"}.parent()
		v = visit{spot: up, want: name[:len(name)-1]}
	}
	return p.enter(v)
}

// Place is the folder shown.
func (p *Pane) Place() pane.Place {
	return pane.Place{Bucket: safetext.New(p.here.spot.bucket), Key: safetext.New(p.here.spot.prefix)}
}

// enter goes to a folder: from the store if it was listed a moment ago, else
// by listing it. The rows on the screen stay until the answer or the end of grace.
func (p *Pane) enter(v visit) tea.Cmd {
	p.keepPlace()
	p.stop()
	p.filter, p.typing, p.reader = "", notTyping, nil
	p.asked = &v
	gen := p.gen
	if l, ok := p.store[v.spot]; ok && len(l.pages) > 0 && l.version == p.Env.Me.Version {
		at, now := l.at, p.Now // the command decides: only it may read the clock
		return func() tea.Msg { return known{gen: gen, old: now().Sub(at) >= fresh} }
	}
	return tea.Batch(p.list(v.spot, ""), after(grace, waited{gen}))
}

// stop cancels all calls that are under way; their answers will be dropped.
func (p *Pane) stop() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.gen++
	p.loading, p.slow, p.pause, p.asked, p.climbing = false, false, "", nil, false
}

// keepPlace remembers the row of the folder that is being left.
func (p *Pane) keepPlace() {
	if e, ok := p.at(p.table.Cursor()); ok {
		p.here.cursor = e.Name.Raw()
	}
	p.here.top = p.table.Top()
}

// Messages to the pane from its own commands. Each carries the generation.
type (
	// Listed is a page of a folder.
	listed struct {
		gen     uint64
		spot    spot
		first   bool
		page    *page
		next    string
		version string
		at      time.Time
		err     error
	}
	known struct {
		gen uint64
		old bool
	}
	// paused is a pause within a listing.
	paused struct {
		gen    uint64
		say    string
		pauses pane.Pauses
	}
	waited  struct{ gen uint64 }
	settles struct{ seq uint64 }
	// arranged is a view that was too large to sort between two frames.
	arranged struct {
		gen  uint64
		view []int32
	}
)

// Handle takes the pane's own messages and ignores all others.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case listed:
		return p.listed(m)
	case known:
		if m.gen != p.gen || p.asked == nil {
			return nil
		}
		cmd := p.show(*p.asked)
		if m.old {
			return tea.Batch(cmd, p.again())
		}
		return tea.Batch(cmd, p.seek())
	case paused:
		if m.gen == p.gen && p.loading {
			p.pause = m.say
		}
		return nextPause(m.gen, m.pauses)
	case waited:
		if m.gen == p.gen {
			p.slow = true
			if p.asked != nil {
				return p.show(*p.asked)
			}
			p.dirty()
		}
	case arranged:
		if m.gen == p.arrGen {
			p.busy = false
			p.setView(m.view)
			return p.moved()
		}
	case settles:
		if m.seq == p.settled {
			p.details.show(p)
		}
	case localed:
		p.localed(m)
	case stated, contents:
		return p.detailed(msg)
	case pane.Restyled:
		p.dirty()
	case pane.Retry:
		return p.again()
	case pane.GoTo:
		return p.goTo(m.Place)
	case tea.PasteMsg:
		if p.typing != notTyping {
			p.field.Take(m)
			return p.typed()
		}
	}
	return nil
}

// now is the listing on the screen; never nil.
func (p *Pane) now() *listing {
	if l, ok := p.store[p.here.spot]; ok {
		return l
	}
	return &listing{spot: p.here.spot}
}

// name is the last part of the place.
func (s spot) name() string {
	if s.prefix == "" {
		return s.bucket
	}
	_, name := s.parent()
	return name
}

// at is the entry on row i of the table.
func (p *Pane) at(i int) (Entry, bool) {
	if i < 0 || i >= len(p.view) {
		return Entry{}, false
	}
	return p.now().entry(p.view[i]), true
}

func keyOf(e Entry) spot { return spot{bucket: e.Bucket.Raw(), prefix: e.Key.Raw()} }

// dirty drops the drawn lines.
func (p *Pane) dirty() {
	p.table.Changed()
	p.tree.list.Changed()
	p.details.drawn = ""
}

// moved follows a movement of the cursor: the next page if it comes near, and
// the details once the keys rest.
func (p *Pane) moved() tea.Cmd {
	p.settled++
	return tea.Batch(p.table.Need(), after(settle, settles{p.settled}))
}

// Typing is true while a name or a filter is being typed.
func (p *Pane) Typing() bool { return p.typing != notTyping || p.reader.typing() }

// Context is the bindings of the part that has the keys.
func (p *Pane) Context() keys.Context {
	switch {
	case p.reader != nil:
		return keys.Reader
	case p.sorting:
		return keys.Sort
	case p.focus == inTree:
		return keys.Tree
	case p.focus == inDetails:
		return keys.Details
	}
	return keys.Browser
}
