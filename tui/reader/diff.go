package reader

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/preview"
	"usher/client/quantity"
	"usher/client/textdiff"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Version is one version of a file, for a comparison (*download.Look).
type Version interface {
	File
	Modified() time.Time // after Size
	Sum() string         // after Size
}

// DiffDeps is the dependencies of a comparison. All are required, except Server.
type DiffDeps struct {
	Env    *pane.Env
	On     pane.Target               // Base is the old version, Version the new one
	Open   func(pane.Target) Version // one version; it makes no call
	Server string                    // host, for sentences
}

// Diff is the page that compares two versions of a file. See NewDiff.
type Diff struct {
	DiffDeps
	finder
	gen    uint64
	cancel context.CancelFunc // of the command that reads; nil: none

	files  [2]Version     // old, new
	pair   *textdiff.Pair // used by the command that reads alone; nil: the next read opens it
	whole  bool           // the person has agreed to read both versions as a whole
	result *textdiff.Result
	sides  [2]side
	view   *textView // nil: no line is compared
	starts []int     // rows of the view in which a change begins
	change int       // in starts; -1: none is chosen yet
	note   string    // about the view
	read   counts
	wrong  safetext.Text

	w, h  int
	drawn string // "": not drawn yet
}

// side is the facts of one version.
type side struct {
	modified time.Time
	size     int64
	sum      string
}

type (
	// compared is the result of a read.
	compared struct {
		of     *Diff
		gen    uint64
		result *textdiff.Result
		sides  [2]side
		rows   diffRows
		view   *textView
		read   counts
		err    error
	}
	// agreed is the answer to the question about more bytes.
	agreed struct {
		of  *Diff
		gen uint64
	}
	// diffFound is the result of a search.
	diffFound struct {
		of *Diff
		found
	}
)

// NewDiff returns a page without a comparison. Opened begins to read.
func NewDiff(d DiffDeps) (*Diff, error) {
	if d.Env == nil || d.Open == nil {
		return nil, errors.New("reader: the environment or the versions are missing")
	}
	return &Diff{DiffDeps: d, finder: newFinder()}, nil
}

// Opened reads the versions.
func (p *Diff) Opened() tea.Cmd { return p.load() }

func (p *Diff) load() tea.Cmd {
	if p.cancel != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	p.cancel, p.wrong, p.drawn = cancel, safetext.Text{}, ""
	p.gen++
	if p.pair == nil {
		old, next := p.On, p.On
		old.Version = p.On.Base
		p.files = [2]Version{p.Open(old), p.Open(next)}
		p.pair = textdiff.NewPair(p.files[0], p.files[1])
	}
	if p.whole {
		p.pair.Allow()
	}
	gen, pair, files := p.gen, p.pair, p.files
	return func() tea.Msg {
		defer cancel()
		out := compared{of: p, gen: gen}
		out.result, out.err = pair.Compare(ctx)
		sizes := pair.Sizes()
		for i, f := range files {
			out.sides[i] = side{f.Modified(), sizes[i], f.Sum()}
			out.read.releases += f.Releases()
		}
		out.read.ranges, out.read.bytes, out.read.size = pair.Requests(), pair.Bytes(), pair.Size()
		if out.err == nil && out.result.Outcome == textdiff.Differ {
			out.rows = newDiffRows(out.result.Diff)
			out.view = newText(out.rows.text, false)
		}
		return out
	}
}

// Handle takes the page's own messages and ignores all others.
func (p *Diff) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case compared:
		if m.of == p && m.gen == p.gen {
			return p.compared(m)
		}
	case agreed:
		if m.of == p && m.gen == p.gen && p.held() {
			p.whole = true
			return p.load()
		}
	case diffFound:
		if m.of == p && m.gen == p.gen && p.view != nil {
			p.drawn = ""
			return p.take(m.found, p.view, "the comparison")
		}
	case pane.Restyled:
		p.drawn = ""
	case pane.Retry:
		if p.result == nil {
			return p.again()
		}
	case tea.PasteMsg:
		if p.finding {
			p.drawn = ""
			p.field.Take(m)
		}
	}
	return nil
}

func (p *Diff) compared(m compared) tea.Cmd {
	p.cancel, p.drawn, p.read = nil, "", m.read
	if m.err != nil {
		p.pair, p.wrong = nil, pane.Sentence(m.err, p.Server)
		return pane.Send(pane.Failed{Err: m.err, On: p.On.Text()})
	}
	p.result, p.sides, p.view, p.found = m.result, m.sides, m.view, found{}
	p.starts, p.change, p.note = m.rows.starts, -1, m.rows.note
	if !p.held() {
		p.pair = nil // its bytes are not needed any more
	}
	return pane.Send(pane.Answered{})
}

// held reports whether the versions are read only after a question.
func (p *Diff) held() bool { return p.result != nil && p.result.Outcome == textdiff.Held }

func (p *Diff) ask() tea.Cmd {
	return ask("Read both versions", p.result.More, p.read, agreed{p, p.gen})
}

// again reads both versions from the beginning.
func (p *Diff) again() tea.Cmd {
	if p.cancel != nil {
		return nil
	}
	p.pair, p.whole = nil, false
	return p.load()
}

// Key handles a key press in the field of the search.
func (p *Diff) Key(msg tea.KeyPressMsg) tea.Cmd {
	p.drawn = ""
	query, done := p.key(msg)
	if !done || query == "" || p.view == nil {
		return nil
	}
	gen, at, text := p.gen, p.view.name(), p.view.text
	return func() tea.Msg {
		return diffFound{p, found{gen: gen, view: at, query: query, hits: search(text, lower(query))}}
	}
}

// Do runs an action of the page's context.
func (p *Diff) Do(a keys.Action) tea.Cmd {
	if a == keys.Back || a == keys.Quit {
		return p.leave()
	}
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	p.drawn = ""
	switch a {
	case keys.NextChange:
		p.step(1)
	case keys.PrevChange:
		p.step(-1)
	case keys.Filter:
		p.open()
	case keys.LoadMore:
		return p.ask()
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: p.On.Text()})
	case keys.Reload:
		return p.again()
	default:
		if p.view == nil { // nothing moves
			return pane.Send(pane.Say{Text: safetext.New(p.unread()), Tone: pane.Warning})
		}
		p.view.do(a)
	}
	return nil
}

// unread returns the reason that there are no lines.
func (p *Diff) unread() string {
	if p.cancel != nil {
		return "The versions are being read."
	}
	return "There are no lines to compare."
}

// leave closes the page, and ends its pending request.
func (p *Diff) leave() tea.Cmd {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.gen++
	return pane.Send(pane.Close{})
}

// step moves to the next change, or to the one before; after a search, to a match.
// After the last one it begins again.
func (p *Diff) step(by int) {
	if len(p.found.hits) > 0 {
		p.jump(p.view, by)
		return
	}
	top, n := p.view.top, len(p.starts)
	if p.change >= 0 && p.starts[p.change] >= top && p.starts[p.change] < top+p.view.page {
		p.change += by
	} else { // the window has moved since
		for p.change = 0; p.change < n && p.starts[p.change] < top; {
			p.change++
		}
		if by < 0 {
			p.change--
		}
	}
	p.change = (p.change + n) % n
	p.view.show(p.starts[p.change])
}

// Why returns the reason that an action is not possible now, if it is not.
func (p *Diff) Why(a keys.Action) safetext.Text { return safetext.New(p.whyNot(a)) }

func (p *Diff) whyNot(a keys.Action) string {
	switch a {
	case keys.NextChange, keys.PrevChange, keys.Filter, keys.LoadMore, keys.WrapLines, keys.Enter, keys.Parent:
	default:
		return ""
	}
	switch {
	case p.cancel != nil:
		return p.unread()
	case a == keys.LoadMore && !p.held():
		return "There is no more to read."
	case a == keys.LoadMore:
		return ""
	case p.view == nil:
		return p.unread()
	case sideways(a):
		return whyNoSide(p.view, a)
	}
	return ""
}

// sentence describes the result, and what to do next where the lines are not compared.
func (p *Diff) sentence() string {
	switch p.result.Outcome {
	case textdiff.Same:
		return "The two versions have the same content."
	case textdiff.SameText:
		return textdiff.SameTextSentence
	case textdiff.NotText:
		return "A version is not text, so no lines are compared. The two versions differ."
	case textdiff.Unknown:
		return "A version is not text, so no lines are compared. The sizes are equal, and no checksum shows whether the contents are."
	case textdiff.TooLarge:
		return "Versions of up to " + quantity.Size(preview.Most) + " and " + quantity.Count(textdiff.MostLines) + " lines are compared here. Download both versions to compare them."
	case textdiff.Held:
		return "Both versions together have " + quantity.Size(p.read.size) + ". " + p.Env.Keys.Shown(keys.Diff, keys.LoadMore) + " reads them."
	}
	if p.result.Diff.Coarse {
		return textdiff.CoarseSentence
	}
	return ""
}
