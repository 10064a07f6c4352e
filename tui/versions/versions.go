// Package versions is the page of the versions of one file, where the bucket keeps
// them, and the choice of two for a comparison. Each page of versions is an event in the
// audit log.
//
// The versions are read by tui/reader, and downloaded by tui/transfers.
package versions

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/browse"
	"usher/tui/copymenu"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/transfers"
)

// Backend lists versions (*client.Client).
type Backend interface {
	Versions(context.Context, api.VersionsRequest) (api.VersionsResponse, error)
}

// Deps is the input of New. All fields are required.
type Deps struct {
	Env     *pane.Env
	Backend Backend
	Server  string       // host, for sentences
	File    browse.Entry // an object
}

// Fetch is a message to the root that starts the download of a version.
type Fetch struct{ Item transfers.Item }

const callLimit = 30 * time.Second

// Page shows the versions. See New.
type Page struct {
	pane.NoField
	Deps
	list    *rows.List
	gen     uint64 // of the last request
	all     []api.ObjectVersion
	next    string // cursor
	loading bool
	loaded  bool
	err     error
	cancel  context.CancelFunc
	copying bool     // after y
	marked  []string // version IDs, at most two
	idW     int      // cells
	noteW   int      // cells of the longest note
}

// page is a page of versions.
type page struct {
	of       *Page
	gen      uint64
	first    bool // it replaces the versions
	versions *[]api.ObjectVersion
	next     string
	err      error
}

// New returns the page of a file. Opened requests the versions.
func New(d Deps) (*Page, error) {
	switch {
	case d.Env == nil:
		return nil, errors.New("versions: no environment")
	case d.Backend == nil:
		return nil, errors.New("versions: no backend")
	case d.File.Kind != api.KindObject:
		return nil, errors.New("versions: no file")
	}
	p := &Page{Deps: d}
	p.list = rows.New(source{p}, rows.Config{Jump: d.Env.Jump})
	p.list.Focus(true)
	return p, nil
}

// Opened returns the first request.
func (p *Page) Opened() tea.Cmd { return p.request("") }

// request requests a page of versions. The request before it ends, and its response
// will be dropped.
func (p *Page) request(cursor string) tea.Cmd {
	if p.cancel != nil {
		p.cancel()
	}
	p.gen++
	p.loading = true
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	p.cancel = cancel
	gen, backend, in := p.gen, p.Backend, api.VersionsRequest{Bucket: p.File.Bucket.Raw(), Key: p.File.Key.Raw(), Cursor: cursor}
	return func() tea.Msg {
		defer cancel()
		r, err := backend.Versions(ctx, in)
		return page{p, gen, cursor == "", &r.Versions, r.Cursor, err}
	}
}

// source is the rows.Source of the page.
type source struct{ p *Page }

func (s source) Len() int { return len(s.p.all) }

// Need requests the next page near the last row.
func (s source) Need(_, to int) tea.Cmd {
	if p := s.p; p.next != "" && !p.loading && to+100 >= len(p.all) {
		return p.request(p.next)
	}
	return nil
}

const (
	gutter    = 3
	timeWidth = 19
)

func (s source) Draw(i, w int, st rows.State) string {
	p, v, t := s.p, s.p.all[i], s.p.Env.Theme
	t, cursor, style := t.Row(st.Cursor, st.Focus)
	mark := t.Fill.Paint(" ")
	if slices.Contains(p.marked, v.Version) {
		mark = t.Mark.Paint(t.Glyphs.Mark)
	}
	size := quantity.Size(v.Size)
	if v.Deleted {
		size, style = "", t.Muted
	}
	id := format.End(safetext.Line(v.Version), p.idW, t.Glyphs.Ellipsis)
	line := cursor + mark + t.Fill.Paint(" ") + style.Paint(format.PadRight(p.when(v), timeWidth)+format.PadLeft(size, 1+quantity.SizeWidth)) +
		t.Muted.Paint("  "+format.PadRight(note(v), p.noteW)+"  "+id)
	return t.Pad(line, w)
}

func (p *Page) when(v api.ObjectVersion) string {
	if v.Modified == nil {
		return "-"
	}
	return format.Date(v.Modified.In(p.Env.Zone)) + " " + format.Clock(v.Modified.In(p.Env.Zone))
}

// note returns the state of a version in words.
func note(v api.ObjectVersion) string {
	var out []string
	if v.Latest {
		out = append(out, "latest")
	}
	switch {
	case v.Deleted:
		out = append(out, "deleted")
	case v.Archived:
		out = append(out, "archived")
	}
	return strings.Join(out, ", ")
}

// Title returns the path for row 0.
func (p *Page) Title() []string { return []string{"Versions", p.File.Name.Distinct()} }

// Context returns the bindings of the page, or of the copy menu.
func (p *Page) Context() keys.Context {
	if p.copying {
		return keys.Copying
	}
	return keys.Versions
}

// View draws the versions, h lines of w cells.
func (p *Page) View(w, h int) string {
	t := p.Env.Theme
	p.idW = max(4, w-gutter-timeWidth-1-quantity.SizeWidth-2-p.noteW-2)
	p.list.Resize(w, h-2)
	head := t.Head("Versions of "+p.File.Name.Distinct(), p.total(), w, true)
	if len(p.all) == 0 {
		say := ""
		switch {
		case p.err != nil:
			say = pane.Sentence(p.err, p.Server).String()
		case p.loaded:
			say = "There is no version."
		}
		var lines []string
		for _, l := range format.Wrap(say, min(60, w-4)) {
			lines = append(lines, t.Text.Bold().Paint(l))
		}
		return head + "\n" + strings.Join(pane.Center(lines, w, h-1), "\n")
	}
	columns := strings.Repeat(" ", gutter) + format.PadRight("Modified", timeWidth) + format.PadLeft("Size", 1+quantity.SizeWidth) + "  " + format.PadRight("", p.noteW) + "  Version"
	return head + "\n" + t.Pad(t.Muted.Paint(format.End(columns, w, "")), w) + "\n" + p.list.View()
}

func (p *Page) total() string {
	switch {
	case p.loading && len(p.all) == 0:
		return "listing" + p.Env.Theme.Glyphs.Ellipsis
	case p.next != "":
		return quantity.Count(len(p.all)) + " and more" + p.marks()
	case len(p.all) > 0:
		return quantity.Plural(len(p.all), "version", "versions") + p.marks()
	}
	return ""
}

// marks is the number of marked versions in words.
func (p *Page) marks() string {
	if len(p.marked) == 0 {
		return ""
	}
	return ", " + quantity.Count(len(p.marked)) + " marked"
}

// Status returns an error, or a remark about a bucket that keeps no versions.
func (p *Page) Status(int) (left, right string) {
	if p.copying {
		return p.Env.Theme.Text.Paint("Copy of this version"), ""
	}
	if p.err != nil && len(p.all) > 0 { // the rows stay
		return p.Env.Theme.Bad.Paint(pane.Sentence(p.err, p.Server).String()), ""
	}
	if len(p.all) == 1 && p.all[0].Version == api.NullVersion && p.all[0].Latest {
		return p.Env.Theme.Muted.Paint("The bucket keeps no versions of this file."), ""
	}
	return "", ""
}

// Hints returns the keys for the key line.
func (p *Page) Hints() []keys.Action {
	if p.copying {
		return []keys.Action{keys.CopyVersion, keys.CopyURI, keys.CopyLink, keys.CopyCurl, keys.CopySum, keys.CopyCommand, keys.Back}
	}
	return []keys.Action{keys.Download, keys.Read, keys.Mark, keys.Compare, keys.CopyMenu, keys.Back, keys.Reload, keys.Help}
}

// Click implements pane.Clicks.
func (p *Page) Click(_, y int) (tea.Cmd, bool) {
	again, _ := p.list.Click(y - 2) // below head and columns
	return p.list.Need(), again
}

// Do runs an action.
func (p *Page) Do(a keys.Action) tea.Cmd {
	if p.list.Move(a) {
		if len(p.all) == 0 {
			return pane.Send(pane.Say{Text: safetext.New(p.none()), Tone: pane.Warning})
		}
		return p.list.Need()
	}
	switch a {
	case keys.Back, keys.Parent:
		if p.copying {
			p.copying = false
			return nil
		}
		if p.cancel != nil {
			p.cancel()
		}
		return pane.Send(pane.Close{})
	case keys.Reload:
		return p.request("") // the rows and the marks stay until the response
	case keys.Download, keys.Enter:
		if why := p.Why(keys.Download); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		return pane.Send(Fetch{p.item(p.all[p.list.Cursor()])})
	case keys.Read:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		return pane.Send(pane.Open{Page: keys.Read, On: pane.Target{Bucket: p.File.Bucket, Key: p.File.Key, Version: safetext.New(id(p.all[p.list.Cursor()]))}})
	case keys.Mark:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		p.mark(p.all[p.list.Cursor()].Version)
		p.list.Changed()
		p.list.Move(keys.Down)
		return p.list.Need()
	case keys.Compare:
		return p.compare()
	case keys.CopyMenu:
		if p.list.Cursor() < 0 {
			return pane.Send(pane.Say{Text: safetext.New(p.none()), Tone: pane.Warning})
		}
		p.copying = true
	case keys.CopyPath, keys.CopyURI, keys.CopyLink, keys.CopyCurl, keys.CopySum, keys.CopyCommand, keys.CopyVersion, keys.CopyAdmin:
		p.copying = false
		if why := copymenu.Why(a, p.copied()); why != "" {
			return pane.Send(pane.Say{Text: safetext.New(why), Tone: pane.Warning})
		}
		return pane.Send(copymenu.Request{Action: a, Files: p.copied()})
	}
	return nil
}

// id returns the ID of a version for requests. The one version of a bucket that keeps
// none is the current content.
func id(v api.ObjectVersion) string {
	if v.Version == api.NullVersion && v.Latest {
		return ""
	}
	return v.Version
}

// copied returns the version under the cursor, for the copy menu.
func (p *Page) copied() []copymenu.File {
	i := p.list.Cursor()
	if i < 0 {
		return nil
	}
	return []copymenu.File{{Bucket: p.File.Bucket, Key: p.File.Key, Version: id(p.all[i]), Empty: p.all[i].Deleted}}
}

// item returns the download of a version. An earlier version has its time in the local
// name, so that it is saved beside the latest one.
func (p *Page) item(v api.ObjectVersion) transfers.Item {
	it := transfers.Item{Bucket: p.File.Bucket, Key: p.File.Key, Name: p.File.Name, Size: v.Size}
	if v.Modified != nil {
		it.Modified = *v.Modified
	}
	if v.Latest {
		it.ETag = safetext.New(v.ETag)
	} else {
		it.Version = v.Version
		it.Stamp = "(version " + v.Version[:min(8, len(v.Version))] + ")"
		if v.Modified != nil {
			it.Stamp = "(" + v.Modified.In(p.Env.Zone).Format("2006-01-02 15.04.05") + ")"
		}
	}
	return it
}

// Why returns the reason that an action is not possible now.
func (p *Page) Why(a keys.Action) safetext.Text {
	i := p.list.Cursor()
	reads := a == keys.Download || a == keys.Read
	switch {
	case a == keys.Compare && !p.copying:
		return safetext.New(p.whyNoPair())
	case a == keys.Mark && i >= 0:
		return safetext.New(p.whyNoMark(p.all[i]))
	case p.copying || a == keys.CopyMenu && i >= 0:
		return safetext.New(copymenu.Why(a, p.copied()))
	case !reads && a != keys.CopyMenu && a != keys.Mark:
	case i < 0:
		return safetext.New(p.none())
	case reads && p.all[i].Deleted:
		return safetext.New("This version is a deletion: it has no content.")
	case reads && p.all[i].Archived:
		return safetext.New(api.Lookup(api.ObjectArchived).Sentence)
	}
	return safetext.Text{}
}

// Handle adds a page of versions.
func (p *Page) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case page:
		if m.of != p || m.gen != p.gen {
			return nil
		}
		p.loading = false
		if p.err = m.err; m.err != nil {
			if m.first && pane.Code(m.err) == api.NotFound { // no row of a file without access stays
				p.all, p.next, p.marked = nil, "", nil
				p.changed()
			}
			return pane.Send(pane.Failed{Err: m.err, On: pane.Target{Bucket: p.File.Bucket, Key: p.File.Key}.Text()})
		}
		p.next, p.loaded = m.next, true
		if m.first {
			p.replace(*m.versions)
		} else {
			p.all = append(p.all, *m.versions...)
		}
		p.changed()
		return tea.Batch(p.list.Need(), pane.Send(pane.Answered{}), p.unmarkAbsent())
	case pane.Restyled:
		p.list.Changed()
	case pane.Retry:
		if p.err != nil {
			return p.Do(keys.Reload)
		}
	}
	return nil
}

var _ pane.Pane = (*Page)(nil)
