// Package transfers is the queue of downloads on the screen: the page with
// every transfer (order.go has the order, row.go the look), the
// strip for the status line and the title (strip.go), the dock below a tall
// browser, the sentence at the end (ended.go), and the question before a
// download (ask.go).
//
// The engine does the work; this package shows copies of its state, taken
// four times a second while something moves and not at all when nothing does.
// Everything that is asked of the engine is asked from a command.
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

// Engine is the part of a download engine that the page uses. Its methods may wait, so
// they are called from commands only.
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
	SignedIn()
	// Local looks at the disk: the files at the destinations of requests.
	Local(dir string, reqs []download.Request) []download.LocalState
	// Unfinished is the transfers that an earlier run left, Forget drops them. Keeps is false
	// where another process keeps that list: then this run leaves none.
	Unfinished() ([]download.Saved, error)
	Forget() error
	Keeps() bool
}

// Lister lists the objects below a folder.
type Lister interface {
	List(context.Context, api.ListRequest) (api.ListResponse, error)
}

// Deps is the parts of the page; all must be set but FreeSpace.
type Deps struct {
	Env    *pane.Env
	Engine Engine
	Lister Lister
	Server string
	Dir    string // downloads go below it, until another folder is chosen
	Home   string // shown as ~; "" shows whole paths
	// FreeSpace is the bytes that a person may still write near dir.
	FreeSpace func(dir string) (int64, error)
}

const tick = 250 * time.Millisecond

// Pane is the page. See New.
type Pane struct {
	Deps
	list    *rows.List
	gen     uint64 // counts the engine's hands, see Fresh
	snap    download.Snapshot
	newest  map[pane.File]Newest
	shown   []int // of snap.Transfers, as the page shows them; gap: an empty line
	twins   twins
	first   download.ID // the first that waits
	spaced  bool        // there is room for empty lines
	stays   bool        // the cursor was put where it is; else it is on a transfer that moves
	ticking bool
	tally   tally
	keeps   bool  // the next run will know the unfinished transfers
	due     bool  // the sentence at the end is still to come
	free    int64 // bytes; -1 unknown
	cols    columns
	w       int
}

// New makes the page.
func New(d Deps) (*Pane, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("transfers: no environment")
	case d.Engine == nil:
		return nil, errors.New("transfers: no engine")
	case d.Lister == nil:
		return nil, errors.New("transfers: nothing to list folders with")
	}
	p := &Pane{Deps: d, free: -1}
	p.list = rows.New(p, rows.Config{Jump: d.Env.Jump})
	p.list.Focus(true)
	return p, nil
}

// Ticked is a copy of the queue.
type Ticked struct {
	Snapshot download.Snapshot
	gen      uint64
	newest   map[pane.File]Newest
	keeps    bool
	added    bool // it was taken right after something was put into the queue
}

// String keeps raw names out of any print.
func (Ticked) String() string { return "ticked" }

// Newest is the state of the last transfer of an object.
type Newest struct {
	ID   download.ID
	Word string // for the browser's Local column; "" once the disk shows it
	Here bool   // it came, or was here and the same
	Left bool   // a different file is here, and stayed
	Dest string // raw
}

type spaced struct {
	dir  string
	free int64
}

// look copies the queue. Commands call it.
func look(e Engine, gen uint64, added bool) tea.Msg {
	s := e.Snapshot()
	return Ticked{Snapshot: s, gen: gen, newest: index(s), keeps: e.Keeps(), added: added}
}

// index finds the last transfer of each object: an older one that failed means
// nothing of a newer one.
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

// Look takes a copy of the queue now; while something moves, further ones
// follow by themselves.
func (p *Pane) Look() tea.Cmd {
	e, gen := p.Engine, p.gen
	return func() tea.Msg { return look(e, gen, false) }
}

// Opened is called when the page comes to the front: it opens on a transfer that moves.
func (p *Pane) Opened() tea.Cmd {
	p.stays = false
	p.toFirst()
	return tea.Batch(p.Look(), p.space())
}

// Fresh forgets the queue that is on the screen, and the folder that was chosen:
// the engine works for another person now.
func (p *Pane) Fresh(dir string) tea.Cmd {
	p.gen++
	p.Dir, p.free = dir, -1
	p.snap, p.newest, p.tally, p.due, p.stays = download.Snapshot{}, nil, tally{}, false, false
	p.arrange(0)
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

// Handle takes the page's messages.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case Ticked:
		return p.ticked(m)
	case again:
		p.ticking = false
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
	case pane.Restyled:
		p.list.Changed()
	}
	return nil
}

type again struct{}

// ticked takes a copy of the queue.
func (p *Pane) ticked(m Ticked) tea.Cmd {
	if m.gen != p.gen {
		return nil // of the person before
	}
	was, at := p.tally.active, p.under()
	p.snap, p.newest, p.tally, p.keeps = m.Snapshot, m.newest, tallied(&m.Snapshot), m.keeps
	p.arrange(at)
	p.due = p.due || p.tally.open() || m.added
	var cmds []tea.Cmd
	if p.tally.active && !p.ticking {
		p.ticking = true
		cmds = append(cmds, tea.Tick(tick, func(time.Time) tea.Msg { return again{} }))
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

// Snapshot is the copy on the screen.
func (p *Pane) Snapshot() download.Snapshot { return p.snap }

// Newest is the state of the last transfer of each object.
func (p *Pane) Newest() map[pane.File]Newest { return p.newest }

// Local gives a function for commands that returns the state of objects in the
// folder that downloads go to now. A transfer may have compared a file that
// the disk alone cannot tell apart.
func (p *Pane) Local() func([]download.Request) []download.LocalState {
	engine, root, newest := p.Engine, p.Dir, p.newest
	return func(reqs []download.Request) []download.LocalState {
		for i, r := range reqs {
			reqs[i] = Place(root, r)
		}
		out := engine.Local(root, reqs)
		for i, r := range reqs {
			n := newest[pane.File{Bucket: r.Bucket, Key: r.Key}]
			unsized := r.Size == 0 && r.ETag == "" // the listing gave no facts
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

// Active reports whether something moves, and how many files.
func (p *Pane) Active() (int, bool) { return p.snap.Running, p.tally.active }

// Open reports whether something is unfinished, paused or not.
func (p *Pane) Open() bool { return p.tally.open() }

// Keeps reports whether the next run will know the unfinished transfers.
func (p *Pane) Keeps() bool { return p.keeps }

// current is the transfer under the cursor.
func (p *Pane) current() *download.Transfer {
	i := p.list.Cursor()
	if i < 0 || i >= len(p.shown) || p.shown[i] == gap {
		return nil
	}
	return &p.snap.Transfers[p.shown[i]]
}

// tell calls the engine, then looks at the queue.
func (p *Pane) tell(do func(Engine)) tea.Cmd {
	e, gen := p.Engine, p.gen
	return func() tea.Msg {
		do(e)
		return look(e, gen, false)
	}
}

// put is tell for actions whose completion is announced.
func (p *Pane) put(do func(Engine)) tea.Cmd {
	e, gen := p.Engine, p.gen
	return func() tea.Msg {
		do(e)
		return look(e, gen, true)
	}
}

// SignedIn lets transfers go on that waited for a sign-in.
func (p *Pane) SignedIn() tea.Cmd { return p.tell(func(e Engine) { e.SignedIn() }) }

// GoOn adds the unfinished transfers of an earlier run.
func (p *Pane) GoOn(reqs []download.Request) tea.Cmd {
	return p.put(func(e Engine) { e.Add(reqs...) })
}

// Forget drops it; the parts stay on the disk.
func (p *Pane) Forget() tea.Cmd {
	e, server := p.Engine, p.Server
	return func() tea.Msg {
		if err := e.Forget(); err != nil {
			return pane.Say{Text: pane.Sentence(err, server), Tone: pane.Warning}
		}
		return nil
	}
}

// Where is the download folder as it is shown.
func (p *Pane) Where() string { return p.short(p.Dir) }

// Title is the place for row 0.
func (p *Pane) Title() []string { return []string{"Transfers"} }

// Context of the page's keys.
func (p *Pane) Context() keys.Context { return keys.Transfers }

// Typing is false: the page has no text field.
func (p *Pane) Typing() bool { return false }

// Key is not asked for, as Typing is false.
func (p *Pane) Key(tea.KeyPressMsg) tea.Cmd { return nil }

// Cursor is nil.
func (p *Pane) Cursor() *tea.Cursor { return nil }

var (
	_ pane.Pane   = (*Pane)(nil)
	_ pane.Labels = (*Pane)(nil)
)
