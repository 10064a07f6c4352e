// Package browse is the file browser: the table of one folder, the tree of folders,
// and the details of one file, side by side in a wide window.
//
// Every listing is an event in the audit log, so table and tree share one store of
// listings. A folder is listed when it is entered, and again only when it is
// entered after a minute, on ctrl+r, or after a change of the person's access.
// Further pages are requested only when the window comes near them. Only a watched
// folder is listed at intervals (watch.go).
//
// A response has the generation of its request. Leaving a folder cancels its
// listing, and a late response is dropped. Methods do no I/O; commands do, on
// copies.
//
// Messages to the root start downloads, copy texts and open other pages. The root
// provides the state of the local disk (Progress, Local).
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
	Search(context.Context, api.SearchRequest) (api.SearchResponse, error)
}

// Deps is the pane's dependencies. Env, Backend and Now are required.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Server  string // host, for sentences
	Home    string // shown as ~; "" shows full paths
	Now     func() time.Time
	// Local returns a check of the present download folder. It may be nil.
	Local func() LocalCheck
	// Transfer returns the last transfer of a file: its ID, 0 for none, and the
	// word for its state, "" if the disk shows it. It may be nil.
	Transfer func(pane.File) (id int64, word string)
	// Reads reports whether there is a page for the contents of a file. It may be nil.
	Reads func() bool
	// Touched returns the reason that the person cannot open the audit log of a
	// file, or the zero Text. It may be nil: there is no audit log.
	Touched func() safetext.Text
	// Explain reports whether the person can open an explanation of their access
	// to a file. Otherwise the details show the grant. It may be nil.
	Explain func() bool
	// Requests is true if the person can send requests for access: empty folders and
	// absent paths have the key.
	Requests bool
}

// Times: a listing younger than fresh is not requested again; a folder listed
// within grace appears without an empty table before it; the details follow the
// cursor after settle; presses of a key with less than repeat between them are those
// of a key that is held down.
const (
	fresh     = time.Minute
	grace     = 150 * time.Millisecond
	moment    = time.Second // before a screen reader announces a listing
	settle    = 120 * time.Millisecond
	repeat    = 40 * time.Millisecond
	listLimit = 30 * time.Second
)

// part is a part of the pane that can have the focus.
type part int

const (
	inTable part = iota
	inTree
	inDetails
)

// visit is a folder, with the position in it.
type visit struct {
	location location
	cursor   string // raw name of the row
	top      int
	want     string // a name to find, with or without "/" at its end
	quiet    bool   // not added to the history
	resumed  bool   // the last folder of an earlier run
	far      string // raw name of the row of an earlier visit, until its page is loaded
}

// Pane is the browser. See New.
type Pane struct {
	Deps
	store map[location]*listing
	here  visit
	asked *visit // entered, not shown yet

	gen     uint64
	cancel  context.CancelFunc
	loading bool   // a call is pending
	slow    bool   // for longer than grace
	long    bool   // for longer than moment
	pause   string // the reason for a pause within the call, in a few words
	stale   bool   // the rows on the screen could not be listed again
	problem problem
	closing bool // the parent is being listed, because the folder is gone

	back, ahead []visit
	marks       map[location]Entry // by bucket and whole key
	marked      int64              // bytes of them
	marksGen    uint64             // incremented with each change of them
	picking     *picking           // a pattern that waits for rows
	span        *span              // a range that is not marked yet

	focus     part
	table     *rows.List
	view      []int32 // rows of the listing, as arranged
	arr       arrangement
	arrGen    uint64
	landed    bool   // a jump has found its row: it goes near the top of the window
	grew      bool   // rows were added meanwhile
	busy      bool   // a command arranges rows
	sorting   bool   // after s
	copying   bool   // after y
	toEnd     bool   // the cursor goes to the last row of the folder, when it is loaded
	jumping   string // the name of a jump, until its rows are loaded
	wanted    string // the typed path, until its folder has opened
	missed    string // the path that was not found, raw, if the person opened nothing after it
	sole      int    // levels for which the only folder opens by itself
	started   bool   // the places are known, and the first folder was entered
	proposals proposals
	memory    memory

	loadingSet string // the name of the set of marks that is requested

	field    pane.Field
	typing   use
	filter   string
	tree     tree
	details  details
	watch    watch
	settled  uint64
	press    press
	local    map[location]Local
	looked   map[location]int64 // the last transfer when the disk was asked
	localGen uint64
	localDue bool // all files are to be checked on this machine
	sizes    map[location]*count
	counting int       // running counts
	clock    time.Time // when the cursor last settled
	cols     columns
	shares   shares // chosen widths
	w, h     int
}

// problem is the reason that a folder could not be listed.
type problem struct {
	err  error
	text string
}

// New returns an empty browser. Start enters the first folder.
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
		store:  make(map[location]*listing),
		marks:  make(map[location]Entry),
		local:  make(map[location]Local),
		looked: make(map[location]int64),
		sizes:  make(map[location]*count),
		memory: memory{spots: make(map[location]spot)},
	}
	p.field = pane.NewField(0)
	p.table = rows.New(source{p}, rows.Config{}) // see moving
	p.table.Focus(true)
	p.tree.init(p)
	return p, nil
}

// goTo opens a target. A key without "/" at its end may be a file or a folder: the
// listing of its parent shows which.
func (p *Pane) goTo(at pane.Target) tea.Cmd {
	to := location{bucket: at.Bucket.Raw(), prefix: at.Key.Raw()}
	v := visit{location: to}
	if to.prefix != "" && to.prefix[len(to.prefix)-1] != '/' {
		up, name := location{bucket: to.bucket, prefix: to.prefix + "/"}.parent()
		v = visit{location: up, want: name[:len(name)-1]}
	}
	return p.enter(v)
}

// Target returns the open folder.
func (p *Pane) Target() pane.Target {
	return pane.Target{Bucket: safetext.New(p.here.location.bucket), Key: safetext.New(p.here.location.prefix)}
}

// enter opens a folder, from the store or by a new listing. The rows on the screen
// stay until the response or the end of grace. An open field stays: a folder can open
// while the person types.
func (p *Pane) enter(v visit) tea.Cmd {
	p.leaveSpot()
	p.stop()
	p.missed = ""
	if s, ok := p.memory.spots[v.location]; ok && v.cursor == "" && v.want == "" {
		v.cursor, v.top, v.far = s.row, s.top, s.row
	}
	if p.typing != filtering {
		p.filter = ""
	}
	p.asked = &v
	gen := p.gen
	if l, ok := p.store[v.location]; ok && l.loaded() && l.version == p.Env.Me.Version {
		at, now := l.at, p.Now // only the command may read the clock
		return func() tea.Msg { return cacheHit{gen: gen, old: now().Sub(at) >= fresh} }
	}
	return tea.Batch(p.list(v.location, where{}), p.patience())
}

// stop cancels all pending calls. Their responses will be dropped.
func (p *Pane) stop() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.gen++
	p.loading, p.slow, p.long, p.pause, p.asked, p.closing = false, false, false, "", nil, false
	p.toEnd, p.wanted, p.jumping, p.picking, p.span, p.sole = false, "", "", nil, nil, 0
}

// savePosition stores the cursor and window of the open folder.
func (p *Pane) savePosition() {
	if e, ok := p.at(p.table.Cursor()); ok {
		p.here.cursor, p.here.top = e.Name.Raw(), p.table.Top()
	}
}

// now returns the listing on the screen, never nil.
func (p *Pane) now() *listing {
	if l, ok := p.store[p.here.location]; ok {
		return l
	}
	return &listing{location: p.here.location}
}

// name returns the last part of the path.
func (s location) name() string {
	if s.prefix == "" {
		return s.bucket
	}
	_, name := s.parent()
	return name
}

// at returns the entry on row i of the table.
func (p *Pane) at(i int) (Entry, bool) {
	if i < 0 || i >= len(p.view) || p.view[i] < 0 {
		return Entry{}, false
	}
	return p.now().entry(p.view[i]), true
}

func keyOf(e Entry) location { return location{bucket: e.Bucket.Raw(), prefix: e.Key.Raw()} }

// dirty drops the drawn lines.
func (p *Pane) dirty() {
	p.table.Changed()
	p.tree.list.Changed()
	p.details.drawn = ""
}

// moved follows a movement of the cursor. It requests the next page near the end,
// and updates the details after settle.
func (p *Pane) moved() tea.Cmd {
	p.settled++
	seq := p.settled
	return tea.Batch(p.table.Need(), tea.Tick(settle, func(now time.Time) tea.Msg { return settleDone{seq, now} }))
}

// press is the last press of a key that moves the cursor of the table.
type press struct {
	n      uint64
	recent bool // less than repeat ago
}

// moving begins a movement of the table. A table alone in the window scrolls by the
// terminal's scroll region. Beside other parts each scrolled line repaints it: over
// SSH, and while a key is held down, it jumps.
func (p *Pane) moving() tea.Cmd {
	p.table.Jump = p.beside(inTree) && (p.Env.Jump || p.press.recent)
	p.press = press{n: p.press.n + 1, recent: true}
	return after(repeat, released{p.press.n})
}

// Context returns the bindings of the part with the focus.
func (p *Pane) Context() keys.Context {
	switch {
	case p.sorting:
		return keys.Sort
	case p.copying:
		return keys.Copying
	case p.focus == inTree:
		return keys.Tree
	case p.focus == inDetails:
		return keys.Details
	}
	return keys.Browser
}
