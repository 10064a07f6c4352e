// Package transfers is the queue of downloads on the screen: the page with
// every transfer, the strip for the status line, the dock below a tall
// browser, and the question before a download (ask.go).
//
// The engine does the work; this package shows copies of its state, taken
// four times a second while something moves and not at all when nothing does.
// Everything that is asked of the engine is asked from a command.
package transfers

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// Engine is what the page asks of a download engine. Its methods may wait, so
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
	// Local looks at the disk: what lies where requests would land.
	Local(dir string, reqs []download.Request) []download.LocalState
	// Unfinished is what an earlier run left, Forget drops it.
	Unfinished() ([]download.Saved, error)
	Forget() error
}

// Lister counts what lies below a folder.
type Lister interface {
	List(context.Context, api.ListRequest) (api.ListResponse, error)
}

// Deps is what the page needs; all must be set but FreeSpace.
type Deps struct {
	Env    *pane.Env
	Engine Engine
	Lister Lister
	Server string
	Dir    string // downloads go below it
	Home   string // shown as ~; "" shows whole paths
	// FreeSpace is the bytes that a person may still write near dir.
	FreeSpace func(dir string) (int64, error)
}

const tick = 250 * time.Millisecond

// Pane is the page. See New.
type Pane struct {
	Deps
	list    *rows.List
	snap    download.Snapshot
	shown   []int // of snap.Transfers
	ticking bool
	active  bool
	free    int64 // bytes; -1 unknown
	begun   batch
	cols    columns
	w       int
}

// batch is the files that ended since the queue was last at rest.
type batch struct{ done, failed int }

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

// Ticked is a copy of the queue. The root hands it on to the browser.
type Ticked struct{ Snapshot download.Snapshot }

type spaced struct{ free int64 }

// Look takes a copy of the queue now; while something moves, further ones
// follow by themselves.
func (p *Pane) Look() tea.Cmd {
	e := p.Engine
	return func() tea.Msg { return Ticked{e.Snapshot()} }
}

// Opened is asked when the page comes to the front.
func (p *Pane) Opened() tea.Cmd { return tea.Batch(p.Look(), p.space()) }

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
		return spaced{n}
	}
}

// Handle takes the page's messages.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case Ticked:
		return p.ticked(m.Snapshot)
	case again:
		p.ticking = false
		return p.Look()
	case spaced:
		p.free = m.free
	case counted:
		return m.ask.counted(m)
	case checked:
		return m.ask.settle(m)
	case pane.Restyled:
		p.list.Changed()
	}
	return nil
}

type again struct{}

func (p *Pane) ticked(s download.Snapshot) tea.Cmd {
	was := p.active
	at := p.current()
	p.snap = s
	p.active = moving(s)
	p.shown = p.shown[:0]
	for i, t := range s.Transfers {
		// A folder stands for its files, but for those that need a look.
		if t.Parent == 0 || t.State == download.Failed || t.State == download.Denied || t.State == download.Running {
			p.shown = append(p.shown, i)
		}
	}
	p.list.Changed()
	for i, n := range p.shown {
		if at != nil && s.Transfers[n].ID == at.ID {
			p.list.SetCursor(i)
		}
	}
	var cmds []tea.Cmd
	if p.active && !p.ticking {
		p.ticking = true
		cmds = append(cmds, tea.Tick(tick, func(time.Time) tea.Msg { return again{} }))
	}
	if p.active && !was {
		p.begun = batch{s.FilesDone, s.FilesFailed}
	}
	if was && !p.active {
		cmds = append(cmds, p.ended(s), p.space())
	}
	return tea.Batch(cmds...)
}

// moving reports whether the queue will change by itself.
func moving(s download.Snapshot) bool {
	for _, t := range s.Transfers {
		if !t.State.Finished() && t.State != download.Paused {
			return true
		}
	}
	return false
}

// ended is the sentence when the queue comes to rest.
func (p *Pane) ended(s download.Snapshot) tea.Cmd {
	done, failed := s.FilesDone-p.begun.done, s.FilesFailed-p.begun.failed
	bytes, checked := int64(0), true
	for _, t := range s.Transfers {
		if t.State == download.Done && !t.Folder {
			bytes += t.Size
			checked = checked && t.Verified != "" && t.Verified != "size"
		}
	}
	switch {
	case failed > 0:
		return pane.Send(pane.Say{Tone: pane.Warning, Text: fmt.Sprintf("%s of %s did not arrive. t shows why.",
			format.Plural(failed, "file", "files"), format.Count(done+failed))})
	case done > 0:
		say := format.Plural(done, "file", "files") + ", " + format.Size(bytes)
		if checked {
			say += ", verified"
		}
		return pane.Send(pane.Say{Tone: pane.Good, Text: say + "."})
	}
	return nil
}

// Snapshot is the copy on the screen.
func (p *Pane) Snapshot() download.Snapshot { return p.snap }

// Active reports whether something moves, and how many files.
func (p *Pane) Active() (int, bool) { return p.snap.Running, p.active }

// current is the transfer under the cursor.
func (p *Pane) current() *download.Transfer {
	i := p.list.Cursor()
	if i < 0 || i >= len(p.shown) {
		return nil
	}
	return &p.snap.Transfers[p.shown[i]]
}

// tell asks the engine for something, then looks at the queue.
func (p *Pane) tell(do func(Engine)) tea.Cmd {
	e := p.Engine
	return func() tea.Msg {
		do(e)
		return Ticked{e.Snapshot()}
	}
}

// SignedIn lets transfers go on that waited for a sign-in.
func (p *Pane) SignedIn() tea.Cmd { return p.tell(func(e Engine) { e.SignedIn() }) }

// GoOn adds what an earlier run left undone.
func (p *Pane) GoOn(reqs []download.Request) tea.Cmd {
	return p.tell(func(e Engine) { e.Add(reqs...) })
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

// Do answers an action.
func (p *Pane) Do(a keys.Action) tea.Cmd {
	if p.list.Move(a) {
		return nil
	}
	switch a {
	case keys.Back, keys.Quit:
		return pane.Send(pane.Close{})
	case keys.PauseAll:
		if p.active {
			return p.tell(Engine.PauseAll)
		}
		return p.tell(Engine.ResumeAll)
	case keys.AgainAll:
		return p.tell(Engine.RetryAll)
	case keys.Reload:
		return p.Opened()
	}
	if why := p.Why(a); why != "" {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	t := p.current()
	if t == nil {
		return nil
	}
	id := t.ID
	switch a {
	case keys.Pause:
		if t.State == download.Paused {
			return p.tell(func(e Engine) { e.Resume(id) })
		}
		return p.tell(func(e Engine) { e.Pause(id) })
	case keys.Again:
		return p.tell(func(e Engine) { e.Retry(id) })
	case keys.Remove:
		return p.tell(func(e Engine) { e.Cancel(id) })
	case keys.Later:
		return p.tell(func(e Engine) { e.Move(id, 1) })
	case keys.Sooner:
		return p.tell(func(e Engine) { e.Move(id, -1) })
	case keys.Folder:
		return pane.Send(pane.Copy{Text: safetext.New(t.Dest)})
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: safetext.New(t.Bucket + "/" + t.Key)})
	}
	return nil
}

// Why says why an action is not possible now.
func (p *Pane) Why(a keys.Action) string {
	t := p.current()
	switch a {
	case keys.Pause, keys.Again, keys.Remove, keys.Later, keys.Sooner, keys.Folder, keys.CopyPath:
		if t == nil {
			return "There is no transfer here."
		}
	}
	switch a {
	case keys.Pause:
		if t.State.Finished() {
			return "Pause: this transfer is over."
		}
	case keys.Again:
		if t.State != download.Failed && t.State != download.Denied && t.State != download.Cancelled && t.State != download.WaitingNetwork {
			return "Try again: this transfer did not fail."
		}
	case keys.Folder:
		if t.Dest == "" {
			return "Its place is not known yet."
		}
	}
	return ""
}

// Title is the place for row 0.
func (p *Pane) Title() []string { return []string{"Transfers"} }

// Context of the page's keys.
func (p *Pane) Context() keys.Context { return keys.Transfers }

// Hints for the key line.
func (p *Pane) Hints() []keys.Action {
	h := []keys.Action{keys.Pause, keys.Again, keys.Remove, keys.PauseAll}
	if p.w >= 110 {
		h = append(h, keys.Later, keys.Folder)
	}
	return append(h, keys.CopyPath, keys.Back, keys.Help)
}

// Typing is false: the page has no text field.
func (p *Pane) Typing() bool { return false }

// Key is not asked for, as Typing is false.
func (p *Pane) Key(tea.KeyPressMsg) tea.Cmd { return nil }

// Cursor is nil.
func (p *Pane) Cursor() *tea.Cursor { return nil }

var _ pane.Pane = (*Pane)(nil)
