// Package reader is the page that shows a file without a download: a table, a tree, a
// text, a picture or bytes, made by client/preview from a few ranges of the file.
//
// The page opens with one release, which the server records as a preview. It shows the
// number of its ranges, bytes and releases. More than preview.Free bytes are fetched
// only after a question that names the number, and that opens only on a key press. The
// same holds for Diff, the page that compares two versions of a file, with one release
// of each.
//
// Methods do no I/O: one command at a time reads. All texts of a file are escaped where
// they are drawn (segment.go).
package reader

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
)

// File is a file that is read by ranges (*download.Look). Each release is an event of
// the audit log.
type File interface {
	preview.Source
	Size(context.Context) (int64, error)
	Releases() int
}

// Deps is the page's dependencies. All are required, except Server.
type Deps struct {
	Env    *pane.Env
	On     pane.Target
	Open   func() File // the file as it is now; it makes no call
	Server string      // host, for sentences
}

// openLimit is the longest time of one step.
const openLimit = 30 * time.Second

// Pane is the page. See New.
type Pane struct {
	Deps
	gen    uint64
	cancel context.CancelFunc // of the command that reads; nil: none

	file   File            // nil: the next read opens it
	ranges *preview.Ranges // used by the command that reads alone
	doc    *preview.Doc
	views  []view
	at     int // in views
	read   counts
	wrong  safetext.Text

	finder

	w, h  int
	drawn string // "": not drawn yet
}

// counts is the fetched part of a file.
type counts struct {
	ranges, releases int
	bytes, size      int64
}

// sentence describes the fetched part. It is empty before the first release.
func (c counts) sentence() string {
	if c.releases == 0 {
		return ""
	}
	times := ""
	if c.releases > 1 {
		times = fmt.Sprintf(" %d times", c.releases)
	}
	return fmt.Sprintf("%s, %s of %s read; recorded as preview%s", quantity.Plural(c.ranges, "range", "ranges"),
		quantity.Size(c.bytes), quantity.Size(c.size), times)
}

// forms returns the sentence, its part about the read ranges, and the read bytes.
func (c counts) forms() []string {
	if c.releases == 0 {
		return nil
	}
	long := c.sentence()
	short, _, _ := strings.Cut(long, ";")
	return []string{long, short, quantity.Size(c.bytes) + " read"}
}

type (
	// loaded is the result of a step.
	loaded struct {
		gen    uint64
		ranges *preview.Ranges
		doc    *preview.Doc
		views  []view
		read   counts
		err    error
	}
	// confirmed is the answer to the question about more bytes.
	confirmed struct{ gen uint64 }
)

// New returns a page without contents. Opened begins to read.
func New(d Deps) (*Pane, error) {
	if d.Env == nil || d.Open == nil {
		return nil, errors.New("reader: the environment or the file is missing")
	}
	return &Pane{Deps: d, finder: newFinder()}, nil
}

// Opened reads the beginning of the file.
func (p *Pane) Opened() tea.Cmd { return p.load(preview.First, 0) }

// load reads the file up to want, with a budget of at least allow bytes.
func (p *Pane) load(want, allow int64) tea.Cmd {
	if p.cancel != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	p.cancel, p.wrong, p.drawn = cancel, safetext.Text{}, ""
	p.gen++
	if p.file == nil {
		p.file, p.ranges = p.Open(), nil
	}
	gen, ranges, file, on := p.gen, p.ranges, p.file, p.On
	return func() tea.Msg {
		defer cancel()
		out := loaded{gen: gen, ranges: ranges}
		if out.ranges == nil {
			size, err := file.Size(ctx)
			if err != nil {
				out.err = err
				return out
			}
			out.ranges = preview.NewRanges(file, size)
		}
		if allow > 0 {
			out.ranges.Allow(allow)
		}
		out.doc, out.err = preview.Open(ctx, out.ranges, on.Key.Raw(), want)
		r := out.ranges
		out.read = counts{ranges: r.Requests(), releases: file.Releases(), bytes: r.Bytes(), size: r.Size()}
		if out.err == nil {
			out.views = newViews(out.doc)
		}
		return out
	}
}

// Handle takes the page's own messages and ignores all others.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case loaded:
		return p.loaded(m)
	case confirmed:
		if m.gen == p.gen && p.doc != nil {
			return p.load(p.doc.Next, p.read.bytes+p.doc.More)
		}
	case found:
		return p.foundSome(m)
	case pane.Restyled:
		p.drawn = ""
	case pane.Retry:
		if p.doc == nil {
			return p.Opened()
		}
	case tea.PasteMsg:
		if p.finding {
			p.field.Take(m)
		}
	}
	return nil
}

func (p *Pane) loaded(m loaded) tea.Cmd {
	if m.gen != p.gen {
		return nil
	}
	p.cancel, p.drawn, p.ranges = nil, "", m.ranges
	if m.ranges != nil {
		p.read = m.read
	}
	if m.err != nil {
		p.wrong = pane.Sentence(m.err, p.Server)
		if changed(m.err) {
			p.wrong = safetext.New("The file has changed on the server. " + p.Env.Keys.Shown(keys.Preview, keys.Reload) + " reads it again.")
		}
		return pane.Send(pane.Failed{Err: m.err})
	}
	p.keep(m.views)
	p.doc = m.doc
	p.found = found{}
	return pane.Send(pane.Answered{})
}

// changed reports whether a file has other content than in its first release.
func changed(err error) bool {
	var e *api.Error
	return errors.Is(err, download.ErrChanged) || errors.As(err, &e) && e.Code == api.ObjectChanged
}

// keep replaces the views, and keeps the chosen one and its place.
func (p *Pane) keep(views []view) {
	name := ""
	if len(p.views) > 0 {
		name = p.views[p.at].name()
	}
	before := p.views
	p.views, p.at = views, 0
	for i, v := range views {
		for _, old := range before {
			if old.name() == v.name() {
				v.place(old)
			}
		}
		if v.name() == name {
			p.at = i
		}
	}
}

// Do runs an action of the page's context.
func (p *Pane) Do(a keys.Action) tea.Cmd {
	if a == keys.Back || a == keys.Quit {
		return p.leave()
	}
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	p.drawn = ""
	switch a {
	case keys.NextView:
		p.at = (p.at + 1) % len(p.views)
		p.found = found{}
	case keys.LoadMore:
		return p.more()
	case keys.Filter:
		p.open()
	case keys.FindNext:
		p.jump(p.now(), 1)
	case keys.FindPrevious:
		p.jump(p.now(), -1)
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: p.On.Text()})
	case keys.Reload:
		return p.again()
	case keys.Enter, keys.Parent, keys.WrapLines, keys.LineNumbers:
		p.now().do(a)
	default:
		if p.doc == nil { // nothing moves
			return pane.Send(pane.Say{Text: safetext.New(notRead), Tone: pane.Warning})
		}
		p.now().do(a)
	}
	return nil
}

const notRead = "Nothing is read yet."

// leave closes the page, and ends its pending request.
func (p *Pane) leave() tea.Cmd {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.gen++
	return pane.Send(pane.Close{})
}

// again reads the file, as it is now, from its beginning.
func (p *Pane) again() tea.Cmd {
	if p.cancel != nil {
		return nil
	}
	p.file = nil
	return p.Opened()
}

// more reads the next step. The person confirms a step beyond the free bytes.
func (p *Pane) more() tea.Cmd {
	total := p.read.bytes + p.doc.More
	if total <= preview.Free {
		return p.load(p.doc.Next, 0)
	}
	return ask("Read more of this file", p.doc.More, p.read, confirmed{p.gen})
}

// ask shows the question about more bytes than preview.Free.
func ask(title string, more int64, read counts, yes tea.Msg) tea.Cmd {
	return pane.Send(dialog.Show{Dialog: &dialog.Question{
		Title: title,
		Lines: []dialog.Line{
			{Label: "More", Text: quantity.Size(more) + ", " + quantity.Count(more) + " bytes"},
			{Label: "So far", Text: quantity.Size(read.bytes) + " of " + quantity.Size(read.size)},
			{Label: "At most", Text: quantity.Size(preview.Most) + " of a file"},
		},
		Choices: []dialog.Choice{
			{Keys: []string{"enter"}, Label: "read", Cmd: pane.Send(yes)},
			{Keys: []string{"esc", "q"}, Label: "cancel"},
		},
	}})
}

// Why returns the reason that an action is not possible now, if it is not.
func (p *Pane) Why(a keys.Action) safetext.Text {
	return safetext.New(p.whyNot(a))
}

func (p *Pane) whyNot(a keys.Action) string {
	switch a {
	case keys.NextView, keys.LoadMore, keys.Filter, keys.FindNext, keys.FindPrevious, keys.WrapLines, keys.LineNumbers, keys.Enter, keys.Parent:
	default:
		return ""
	}
	switch {
	case p.doc == nil:
		return notRead
	case a == keys.NextView && len(p.views) < 2:
		return "This file has no other view."
	case a == keys.LoadMore && p.cancel != nil:
		return "A part of the file is being read."
	case a == keys.LoadMore && p.doc.Next == 0 && p.read.bytes < p.read.size:
		return "No more of this file is read. Download it."
	case a == keys.LoadMore && p.doc.Next == 0:
		return "All of this file is shown."
	case a == keys.Filter && !p.now().searchable():
		return "There is no text to find here."
	case (a == keys.FindNext || a == keys.FindPrevious) && len(p.found.hits) == 0:
		return "Find a text first: /"
	case a == keys.WrapLines && !p.now().offers(a):
		return "These lines do not wrap."
	case a == keys.LineNumbers && !p.now().offers(a):
		return "This view has no line numbers."
	case sideways(a):
		return whyNoSide(p.now(), a)
	}
	return ""
}

// now returns the view on the screen. There is one when a document is.
func (p *Pane) now() view { return p.views[p.at] }
