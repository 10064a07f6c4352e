// Package transfers shows the download queue: the page of all transfers (order.go,
// row.go), the strip in the status line, the window title and the dock below the
// browser (strip.go), the sentence at the end of a batch (ended.go), and the dialog
// before a download (ask.go).
//
// The engine transfers the files. The package shows copies of its state, taken
// in the pauses of steady.go while a transfer is active. Only commands call the engine.
package transfers

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// Engine is the part of a download engine that the page uses. Its methods may
// block, so only commands call them.
type Engine interface {
	Add(...download.Request) []download.ID
	Snapshot() download.Snapshot
	Pause(download.ID)
	Resume(download.ID)
	Cancel(download.ID)
	Retry(download.ID)
	PauseAll()
	ResumeAll()
	RetryAll()
	Move(id download.ID, by int)
	// First makes a transfer precede all others; 0 ends that.
	First(download.ID)
	// SetLimit and SetParallel hold for running transfers at once: bytes a second,
	// and files; 0 is no limit.
	SetLimit(int64)
	SetParallel(int)
	SignedIn()
	// Local checks the disk for files at the destinations of requests.
	Local(dir string, reqs []download.Request) []download.LocalState
	// Unfinished returns the unfinished transfers of an earlier run. Forget drops
	// them. Keeps reports whether this process stores its own: only one process
	// owns the list.
	Unfinished() ([]download.Saved, error)
	Forget() error
	Keeps() bool
}

// Lister lists the objects below a folder.
type Lister interface {
	List(context.Context, api.ListRequest) (api.ListResponse, error)
}

// Deps is the page's dependencies. Only FreeSpace, Server and Home are optional.
type Deps struct {
	Env    *pane.Env
	Engine Engine
	Lister Lister
	Server string
	Dir    string // root of the downloads, until the person chooses another
	Home   string // shown as ~; "" shows full paths
	// FreeSpace returns the number of bytes that the person can write in dir.
	FreeSpace func(dir string) (int64, error)
}

// Pane is the page. See New.
type Pane struct {
	pane.NoField
	Deps
	list        *rows.List
	gen         uint64 // incremented by Fresh
	snap        download.Snapshot
	newest      map[pane.File]Newest
	shown       []row              // as the page shows them
	open        map[bundleKey]bool // the bundles whose transfers are shown
	sameNames   sameNames
	nameW       int         // cells of the longest name with its path
	first       download.ID // the first that waits
	spaced      bool        // there is room for empty lines
	cursorMoved bool        // the cursor was put where it is; else it is on a transfer that moves
	ticking     bool
	inFront     bool          // see Front
	ticks       time.Duration // of the present batch, while a transfer was active
	measured    time.Duration // ticks at the last change of rates over SSH
	tally       tally
	keeps       bool  // the next run will know the unfinished transfers
	due         bool  // the sentence at the end was not shown yet
	free        int64 // bytes; -1 unknown
	cols        columns
	w           int
}

// New returns the page.
func New(d Deps) (*Pane, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("transfers: no environment")
	case d.Engine == nil:
		return nil, errors.New("transfers: no engine")
	case d.Lister == nil:
		return nil, errors.New("transfers: nothing to list folders with")
	}
	p := &Pane{Deps: d, free: -1, open: make(map[bundleKey]bool)}
	p.list = rows.New(p, rows.Config{Jump: d.Env.Jump})
	p.list.Focus(true)
	return p, nil
}

// Refreshed is a message with a copy of the queue.
type Refreshed struct {
	Snapshot download.Snapshot
	gen      uint64
	newest   map[pane.File]Newest
	keeps    bool
	added    bool // the copy follows an addition to the queue
}

// String keeps raw names out of all output.
func (Refreshed) String() string { return "ticked" }

// Newest is the state of the last transfer of an object.
type Newest struct {
	ID   download.ID
	Word string // for the browser's Local column; "" if the disk shows the state
	Here bool   // the local file is complete and identical
	Left bool   // a different local file was not replaced
	Dest string // raw
}

type spaced struct {
	dir  string
	free int64
}

// look copies the queue. Only commands call it.
func look(e Engine, gen uint64, added bool) tea.Msg {
	s := e.Snapshot()
	return Refreshed{Snapshot: s, gen: gen, newest: index(s), keeps: e.Keeps(), added: added}
}

// index returns the last transfer of each object.
func index(s download.Snapshot) map[pane.File]Newest {
	out := make(map[pane.File]Newest, len(s.Transfers))
	for i := range s.Transfers {
		t := &s.Transfers[i]
		f := pane.File{Bucket: t.Bucket, Key: t.Key}
		if t.Folder || t.ID < out[f].ID {
			continue
		}
		out[f] = Newest{ID: t.ID, Word: Short(*t), Dest: t.Dest,
			Here: t.State == download.Done || t.State == download.Skipped && !t.Differs, Left: t.State == download.Skipped && t.Differs}
	}
	return out
}

// Look copies the queue. While a transfer is active, further copies follow.
func (p *Pane) Look() tea.Cmd {
	e, gen := p.Engine, p.gen
	return func() tea.Msg { return look(e, gen, false) }
}

// Opened returns the command for a page that comes to the front. The cursor moves to
// the first row.
func (p *Pane) Opened() tea.Cmd {
	p.cursorMoved = false
	p.toFirst()
	return tea.Batch(p.Look(), p.space())
}

// Fresh drops the copy of the queue and the chosen folder, for another person.
func (p *Pane) Fresh(dir string) tea.Cmd {
	p.gen++
	p.Dir, p.free = dir, -1
	p.snap, p.newest, p.tally, p.due, p.cursorMoved = download.Snapshot{}, nil, tally{}, false, false
	p.ticks, p.measured = 0, 0
	clear(p.open)
	p.arrange(spot{})
	return tea.Batch(p.Look(), p.space())
}

func (p *Pane) space() tea.Cmd {
	if p.FreeSpace == nil {
		return nil
	}
	free, dir := p.FreeSpace, p.Dir
	return func() tea.Msg {
		n, err := free(dir)
		if err != nil {
			n = -1
		}
		return spaced{dir, n}
	}
}

// Handle handles the page's messages.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case Refreshed:
		return p.refreshed(m)
	case tickDue:
		p.ticking = false
		p.ticks += p.pause()
		return p.Look()
	case spaced:
		if m.dir == p.Dir {
			p.free = m.free
		}
	case counted:
		return m.ask.counted(m)
	case countPaused:
		m.ask.pause = m.say
		return m.ask.nextPause(m.pauses)
	case checked:
		return m.ask.settle(m)
	case pane.Retry:
		return p.wake()
	case pane.Restyled:
		p.list.Changed()
	}
	return nil
}

type tickDue struct{}

// wake ends the pauses of transfers that wait for the network.
func (p *Pane) wake() tea.Cmd {
	var ids []download.ID
	for i := range p.snap.Transfers {
		if t := &p.snap.Transfers[i]; t.State == download.WaitingNetwork {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return p.call(func(e Engine) {
		for _, id := range ids {
			e.Retry(id)
		}
	})
}

// refreshed handles a copy of the queue.
func (p *Pane) refreshed(m Refreshed) tea.Cmd {
	if m.gen != p.gen {
		return nil // of the person before
	}
	was, at := p.tally.active, p.under()
	p.steady(&m.Snapshot)
	p.snap, p.newest, p.tally, p.keeps = m.Snapshot, m.newest, tallied(&m.Snapshot), m.keeps
	p.arrange(at)
	p.due = p.due || p.tally.open() || m.added
	var cmds []tea.Cmd
	if p.tally.active && !p.ticking {
		p.ticking = true
		cmds = append(cmds, tea.Tick(p.pause(), func(time.Time) tea.Msg { return tickDue{} }))
	}
	if p.due && !p.tally.open() {
		p.due = false
		cmds = append(cmds, p.ended())
	}
	if was && !p.tally.active || m.added {
		cmds = append(cmds, p.space())
	}
	return tea.Batch(cmds...)
}

// Snapshot returns the present copy of the queue.
func (p *Pane) Snapshot() download.Snapshot { return p.snap }

// Newest returns the state of the last transfer of each object.
func (p *Pane) Newest() map[pane.File]Newest { return p.newest }

// Local returns a function for commands that checks objects in the present download
// folder. It adds the result of comparisons by transfers, which the disk alone does
// not show.
func (p *Pane) Local() func([]download.Request) []download.LocalState {
	engine, root, newest := p.Engine, p.Dir, p.newest
	return func(reqs []download.Request) []download.LocalState {
		for i, r := range reqs {
			reqs[i] = Below(root, r)
		}
		out := engine.Local(root, reqs)
		for i, r := range reqs {
			n := newest[pane.File{Bucket: r.Bucket, Key: r.Key}]
			unsized := r.Size == 0 && r.ETag == "" // the listing has no properties
			switch {
			case out[i].Presence != download.HereMaybe || n.Dest != out[i].Path:
			case n.Left:
				out[i].Presence = download.HereOther
			case n.Here && unsized:
				out[i].Presence = download.Here
			}
		}
		return out
	}
}

// Active returns the number of running files, and whether any transfer is active.
func (p *Pane) Active() (int, bool) { return p.snap.Running, p.tally.active }

// Silent reports whether no active transfer receives data.
func (p *Pane) Silent() bool { return p.tally.silent }

// Open reports whether there are unfinished transfers, paused ones included.
func (p *Pane) Open() bool { return p.tally.open() }

// Keeps reports whether unfinished transfers are stored for the next run.
func (p *Pane) Keeps() bool { return p.keeps }

// current returns the transfer under the cursor, nil for none.
func (p *Pane) current() *download.Transfer {
	i := p.list.Cursor()
	if i < 0 || i >= len(p.shown) {
		return nil
	}
	return p.transfer(i)
}

// transfer returns the transfer of row i, nil for a row of another kind.
func (p *Pane) transfer(i int) *download.Transfer {
	if r := p.shown[i]; r.kind == fileRow {
		return &p.snap.Transfers[r.at]
	}
	return nil
}

// call calls the engine, then copies the queue.
func (p *Pane) call(do func(Engine)) tea.Cmd {
	e, gen := p.Engine, p.gen
	return func() tea.Msg {
		do(e)
		return look(e, gen, false)
	}
}

// callAnnounced is call for actions whose completion is announced.
func (p *Pane) callAnnounced(do func(Engine)) tea.Cmd {
	e, gen := p.Engine, p.gen
	return func() tea.Msg {
		do(e)
		return look(e, gen, true)
	}
}

// SignedIn resumes transfers that wait for a sign-in.
func (p *Pane) SignedIn() tea.Cmd { return p.call(func(e Engine) { e.SignedIn() }) }

// ResumeEarlier adds the unfinished transfers of an earlier run.
func (p *Pane) ResumeEarlier(reqs []download.Request) tea.Cmd {
	return p.callAnnounced(func(e Engine) { e.Add(reqs...) })
}

// Forget drops the unfinished transfers of an earlier run, and deletes their partial
// files.
func (p *Pane) Forget() tea.Cmd {
	e, server := p.Engine, p.Server
	return func() tea.Msg {
		if err := e.Forget(); err != nil {
			return pane.Say{Text: pane.Sentence(err, server), Tone: pane.Warning}
		}
		return nil
	}
}

// Where returns the download folder for display.
func (p *Pane) Where() string { return p.short(p.Dir) }

// Title returns the path for row 0.
func (p *Pane) Title() []string { return []string{"Transfers"} }

// Context returns the bindings of the page.
func (p *Pane) Context() keys.Context { return keys.Transfers }

var (
	_ pane.Pane   = (*Pane)(nil)
	_ pane.Labels = (*Pane)(nil)
)
