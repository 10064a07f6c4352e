// Package compare is the page that compares a folder with its local copy: the files
// that are new on the server, that differ, and that are only here. The comparison
// writes nothing. Each page of its listing is an event in the audit log.
//
// The states of files are decided in client/difference, and downloads are left to
// tui/transfers.
package compare

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/difference"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
	"usher/tui/transfers"
)

// Backend lists folders (*client.Client).
type Backend interface {
	List(context.Context, api.ListRequest) (api.ListResponse, error)
}

// Deps is the input of New. All fields are required.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Server  string   // host, for sentences
	Folder  api.Path // ends in "/", or is a bucket
	Root    string   // of the downloads
	// Look checks the disk for the files of requests. Only commands call it.
	Look func([]download.Request) []download.LocalState
}

// Fetch is a message to the root that starts the download of files.
type Fetch struct{ Items []transfers.Item }

const (
	callLimit = 30 * time.Second
	mostRows  = 50_000 // files that differ
)

// row is a file that is not known to be the same on both sides.
type row struct {
	kind  difference.Kind
	name  safetext.Text // below the folder
	entry api.Entry     // of the server
	// folderToo is download.Request.FolderToo.
	folderToo bool
	size      int64
	at        time.Time
}

// Page shows the comparison. See New.
type Page struct {
	pane.NoField
	Deps
	list   *rows.List
	run    *run
	rows   []row
	same   int
	counts [difference.Kinds]int
	bytes  int64 // to fetch
	left   int   // names that are not valid keys
	more   bool  // than mostRows
	done   bool
	err    error
	nameW  int // cells
}

// run is one comparison. A result of an earlier one is dropped.
type run struct {
	ctx    context.Context
	cancel context.CancelFunc
	// Only commands use the rest, one after the other.
	below download.Children
	seen  map[string]bool // names of local files that the server has
}

// found is a page of results.
type found struct {
	run    *run
	rows   *[]row
	same   int
	left   int
	cursor string
	last   bool
	err    error
}

// New returns the page. Opened starts the comparison.
func New(d Deps) (*Page, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("compare: no environment")
	case d.Backend == nil:
		return nil, errors.New("compare: no backend")
	case d.Look == nil:
		return nil, errors.New("compare: no view of the disk")
	case d.Folder.IsRoot() || d.Root == "":
		return nil, errors.New("compare: no folder")
	}
	p := &Page{Deps: d}
	p.list = rows.New(source{p}, rows.Config{Jump: d.Env.Jump})
	p.list.Focus(true)
	return p, nil
}

// Opened starts the comparison.
func (p *Page) Opened() tea.Cmd {
	p.stop()
	ctx, cancel := context.WithCancel(context.Background())
	p.run = &run{ctx: ctx, cancel: cancel, seen: make(map[string]bool)}
	p.run.below.Folder = download.Request{Bucket: p.Folder.Bucket, Key: p.Folder.Key, Folder: true}
	p.rows, p.same, p.counts, p.bytes, p.left = nil, 0, [difference.Kinds]int{}, 0, 0
	p.more, p.done, p.err = false, false, nil
	p.list.Changed()
	return p.next("")
}

func (p *Page) stop() {
	if p.run != nil {
		p.run.cancel()
	}
}

// next compares a page of the listing.
func (p *Page) next(cursor string) tea.Cmd {
	r, backend, look, folder, root := p.run, p.Backend, p.Look, p.Folder, p.Root
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(r.ctx, callLimit)
		defer cancel()
		page, err := backend.List(ctx, api.ListRequest{Bucket: folder.Bucket, Prefix: folder.Key, Recursive: true, Cursor: cursor, Limit: api.MaxList})
		out := found{run: r, rows: &[]row{}, left: page.Omitted, cursor: page.Cursor, err: err}
		if err != nil {
			return out
		}
		here, err := difference.Open(transfers.Folder(root, folder.Bucket, folder.Key))
		if err != nil {
			out.err = err
			return out
		}
		defer func() { _ = here.Close() }()
		*out.rows, out.same = judge(r.below.Page(page.Entries, page.Cursor == ""), look, here, r)
		if out.cursor == "" && len(r.seen) < mostSeen {
			*out.rows = append(*out.rows, onlyHere(r.ctx, here, r.seen)...)
		}
		out.last = out.cursor == ""
		return out
	}
}

// judge compares the objects of a page with the local files.
func judge(files []download.Child, look func([]download.Request) []download.LocalState, here *difference.Copy, r *run) (out []row, same int) {
	reqs := make([]download.Request, len(files))
	for i, f := range files {
		reqs[i] = f.Request
	}
	for i, l := range look(reqs) {
		if name, ok := here.Name(l.Path); ok {
			r.seen[name] = true
		}
		facts := difference.Facts{Presence: l.Presence, Err: files[i].Err}
		if l.Presence == download.Here {
			facts.Err = nil
		}
		kind := facts.Kind()
		if kind == difference.Same {
			same++
			continue
		}
		e := files[i].Entry
		out = append(out, row{kind: kind, name: safetext.New(e.Name), entry: e, size: e.Size, at: files[i].Request.Modified, folderToo: files[i].Request.FolderToo})
	}
	return out, same
}

// source is the rows.Source of the page.
type source struct{ p *Page }

func (s source) Len() int { return len(s.p.rows) }

func (s source) Need(int, int) tea.Cmd { return nil }

const (
	gutter    = 3
	wordWidth = 9
	timeWidth = 16
)

func (s source) Draw(i, w int, st rows.State) string {
	p, r, t := s.p, s.p.rows[i], s.p.Env.Theme
	mark := " "
	if st.Cursor {
		t = t.On(theme.Cursor(st.Focus))
		mark = t.Accent.Paint(t.Glyphs.Cursor)
	}
	name := t.Text
	if st.Cursor {
		name = name.Bold()
	}
	word := map[difference.Kind]theme.Style{difference.New: t.OK, difference.Differs: t.Warn, difference.Unchecked: t.Muted, difference.Failed: t.Bad, difference.OnlyHere: t.Muted}[r.kind]
	size, at := quantity.Size(r.size), ""
	if r.kind != difference.OnlyHere && r.entry.Unsized() {
		size = ""
	}
	if !r.at.IsZero() {
		at = format.DateTime(r.at.In(p.Env.Zone))
	}
	cut := format.Row{At: i, N: len(p.rows), Name: func(j int) string { return p.rows[j].name.Distinct() }}.Apart
	line := mark + t.Fill.Paint("  ") + t.Pad(word.Paint(r.kind.String()), wordWidth) + t.Fill.Paint("  ") +
		t.Pad(pane.Name(t, name, r.name, p.nameW, cut), p.nameW) +
		t.Muted.Paint(format.PadLeft(size, 1+quantity.SizeWidth)+"  "+format.PadRight(at, timeWidth))
	return t.Pad(line, w)
}

// Title returns the path for row 0.
func (p *Page) Title() []string {
	return []string{"Compare", safetext.New(p.Folder.String()).Distinct()}
}

// Context returns the bindings of the page.
func (p *Page) Context() keys.Context { return keys.Compared }

// View draws the comparison, h lines of w cells.
func (p *Page) View(w, h int) string {
	t := p.Env.Theme
	p.nameW = max(4, w-gutter-wordWidth-2-1-quantity.SizeWidth-2-timeWidth-1)
	p.list.Resize(w, h-2)
	head := t.Head("Compared with the local copy", p.total(), w, true)
	if len(p.rows) == 0 {
		say := ""
		switch {
		case p.err != nil:
			say = pane.Sentence(p.err, p.Server).String()
		case p.done:
			say = "Both sides are the same: " + quantity.Plural(p.same, "file", "files") + "."
		}
		var lines []string
		for _, l := range format.Wrap(say, min(60, w-4)) {
			lines = append(lines, t.Text.Bold().Paint(l))
		}
		return head + "\n" + strings.Join(pane.Center(lines, w, h-1), "\n")
	}
	columns := strings.Repeat(" ", gutter) + format.PadRight("State", wordWidth) + "  " + format.PadRight("Name", p.nameW) +
		format.PadLeft("Size", 1+quantity.SizeWidth) + "  " + format.PadRight("Modified", timeWidth)
	return head + "\n" + t.Pad(t.Muted.Paint(columns), w) + "\n" + p.list.View()
}

// total returns the progress, or the number of bytes to fetch.
func (p *Page) total() string {
	switch n := quantity.Count(p.same + len(p.rows)); {
	case p.err != nil:
		return "not complete"
	case !p.done:
		return "comparing" + p.Env.Theme.Glyphs.Ellipsis + " " + n
	case p.more:
		return "the first " + quantity.Count(mostRows)
	case p.bytes > 0:
		return quantity.Size(p.bytes) + " to fetch"
	}
	return ""
}

// Status returns the numbers of files by state.
func (p *Page) Status(int) (left, right string) {
	t := p.Env.Theme
	if p.err != nil && len(p.rows) > 0 {
		return t.Warn.Paint(pane.Sentence(p.err, p.Server).String()), ""
	}
	parts := []string{quantity.Count(p.same) + " same"}
	for k, n := range p.counts {
		if n > 0 {
			parts = append(parts, quantity.Count(n)+" "+difference.Kind(k).String())
		}
	}
	if p.left > 0 {
		parts = append(parts, pane.LeftOut(p.left))
	}
	return t.Text.Paint(strings.Join(parts, ", ")), ""
}

// Hints returns the keys for the key line.
func (p *Page) Hints() []keys.Action {
	if len(p.rows) == 0 {
		return []keys.Action{keys.Reload, keys.Back, keys.Help}
	}
	return []keys.Action{keys.Download, keys.Enter, keys.Reload, keys.Back, keys.Help}
}

// Click implements pane.Clicks.
func (p *Page) Click(_, y int) (tea.Cmd, bool) {
	again, _ := p.list.Click(y - 2) // below head and columns
	return nil, again
}

// Do runs an action.
func (p *Page) Do(a keys.Action) tea.Cmd {
	if p.list.Move(a) {
		return nil
	}
	switch a {
	case keys.Back, keys.Parent:
		p.stop()
		return pane.Send(pane.Close{})
	case keys.Reload:
		return p.Opened()
	case keys.Download:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		return pane.Send(Fetch{p.items()})
	case keys.Enter:
		if i := p.list.Cursor(); i >= 0 && p.rows[i].kind != difference.OnlyHere {
			return pane.Send(pane.GoTo{Target: pane.At(p.Folder.Join(p.rows[i].entry.Name))})
		}
	}
	return nil
}

// items returns the files that the local copy does not have.
func (p *Page) items() []transfers.Item {
	var out []transfers.Item
	for _, r := range p.rows {
		if r.kind == difference.OnlyHere || r.kind == difference.Failed {
			continue
		}
		at := pane.At(p.Folder.Join(r.entry.Name))
		out = append(out, transfers.Item{Bucket: at.Bucket, Key: at.Key, Name: r.name, Size: r.size, ETag: safetext.New(r.entry.ETag), Modified: r.at, FolderToo: r.folderToo})
	}
	return out
}

// Why returns the reason that an action is not possible now.
func (p *Page) Why(a keys.Action) safetext.Text {
	switch fetch := p.counts[difference.New] + p.counts[difference.Differs] + p.counts[difference.Unchecked]; {
	case a != keys.Download:
	case !p.done:
		return safetext.New("Download: wait for the end of the comparison.")
	case fetch == 0:
		return safetext.New("Download: the local copy has all files of the folder.")
	}
	return safetext.Text{}
}

// Handle adds a page of results.
func (p *Page) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case found:
		if m.run != p.run {
			return nil
		}
		return p.found(m)
	case pane.Restyled:
		p.list.Changed()
	case pane.Retry:
		if p.err != nil {
			return p.Opened()
		}
	}
	return nil
}

func (p *Page) found(m found) tea.Cmd {
	if p.err = m.err; m.err != nil {
		return pane.Send(pane.Failed{Err: m.err, On: safetext.New(p.Folder.String())})
	}
	p.same += m.same
	p.left += m.left
	for _, r := range *m.rows {
		if len(p.rows) == mostRows {
			p.more = true
			break
		}
		p.counts[r.kind]++
		if r.kind == difference.New || r.kind == difference.Differs {
			p.bytes += r.size
		}
		p.rows = append(p.rows, r)
	}
	p.list.Changed()
	if p.done = m.last || p.more; p.done {
		return pane.Send(pane.Answered{})
	}
	return p.next(m.cursor)
}

var _ pane.Pane = (*Page)(nil)
