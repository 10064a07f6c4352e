package transfers

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Item is something that a person wants: an object, or a folder with all below.
type Item struct {
	Bucket, Key, Name safetext.Text // Key of a folder is its prefix
	Folder            bool
	Size              int64
	ETag              safetext.Text
	Modified          time.Time
}

// Bounds of the question: more than quick bytes are asked about; a folder of
// more than maxCount objects is left to the engine to walk; so many files at
// most are looked for on the disk before asking.
const (
	quick    = 1_000_000_000
	maxCount = 50_000
	maxCheck = 5_000
	listTime = 30 * time.Second
)

// Ask is the question before a download: what, how much, where to, and whether
// there is room. One file of a usual size that is not here yet starts without
// it.
type Ask struct {
	p        *Pane
	items    []Item
	todo     []int              // items still to be counted
	listed   [][]api.Entry      // what was found so far, by item
	files    []download.Request // the same, one by one
	bytes    int64
	counting bool
	more     bool // than maxCount
	checked  bool
	free     int64
	local    map[download.Presence]int
	why      string
	root     string
	field    textinput.Model
	typing   bool
	shown    bool
	gone     bool
	started  bool
	conflict download.Conflict
}

// counted is a page of a folder that is being counted.
type counted struct {
	ask  *Ask
	item int
	page api.ListResponse
	err  error
}

// String keeps a page's raw names out of any print.
func (counted) String() string { return "counted" }

// checked is what the disk says.
type checked struct {
	ask   *Ask
	root  string
	free  int64
	local []download.LocalState
}

// Wanted begins a download. It asks first where that is worth a question.
func (p *Pane) Wanted(items []Item) tea.Cmd {
	a := &Ask{p: p, items: items, root: p.Dir, free: -1, listed: make([][]api.Entry, len(items))}
	for i, it := range items {
		if it.Folder {
			a.todo = append(a.todo, i)
		} else {
			a.add(it)
		}
	}
	a.field = textinput.New()
	a.field.SetVirtualCursor(false)
	a.field.Prompt = ""
	if len(a.todo) > 0 {
		a.counting, a.shown = true, true
		return tea.Batch(pane.Send(dialog.Show{Dialog: a}), a.count(""))
	}
	if len(items) > 1 || a.bytes > quick {
		a.shown = true
		return tea.Batch(pane.Send(dialog.Show{Dialog: a}), a.check())
	}
	return a.check()
}

func (a *Ask) add(it Item) {
	a.bytes += it.Size
	a.files = append(a.files, it.request(a.root))
}

// request places an item below the root: by bucket and prefix, under names that
// are safe on every system.
func (it Item) request(root string) download.Request {
	r := download.Request{Bucket: it.Bucket.Raw(), Key: it.Key.Raw(), Folder: it.Folder}
	if !it.Folder {
		r.ETag, r.Size, r.Modified = it.ETag.Raw(), it.Size, it.Modified
	}
	return Place(root, r)
}

// requests are what the engine gets: a folder as one, with what was listed of
// it; the engine lists the rest.
func (a *Ask) requests() []download.Request {
	out := make([]download.Request, len(a.items))
	for i, it := range a.items {
		out[i] = it.request(a.root)
		out[i].Conflict = a.conflict
		out[i].Listed, out[i].ListedAll = a.listed[i], it.Folder && !slices.Contains(a.todo, i)
	}
	return out
}

// count asks for a page of the next folder.
func (a *Ask) count(cursor string) tea.Cmd {
	i, lister := a.todo[0], a.p.Lister
	it := a.items[i]
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), listTime)
		defer cancel()
		r, err := lister.List(ctx, api.ListRequest{Bucket: it.Bucket.Raw(), Prefix: it.Key.Raw(), Recursive: true, Cursor: cursor, Limit: api.MaxList})
		return counted{a, i, r, err}
	}
}

func (a *Ask) counted(m counted) tea.Cmd {
	if a.gone {
		return nil
	}
	if m.err != nil {
		a.counting, a.why = false, pane.Sentence(m.err, a.p.Server)
		return pane.Send(pane.Failed{Err: m.err})
	}
	folder := a.items[m.item]
	a.listed[m.item] = append(a.listed[m.item], m.page.Entries...)
	for _, e := range m.page.Entries {
		if strings.HasSuffix(folder.Key.Raw()+e.Name, "/") && e.Size == 0 {
			continue // it only stands for a folder
		}
		it := Item{Bucket: folder.Bucket, Key: safetext.New(folder.Key.Raw() + e.Name), Name: safetext.New(e.Name), Size: e.Size, ETag: safetext.New(e.ETag)}
		if e.Modified != nil {
			it.Modified = *e.Modified
		}
		a.add(it)
	}
	switch {
	case m.page.Cursor != "" && len(a.files) < maxCount:
		return a.count(m.page.Cursor)
	case m.page.Cursor != "":
		a.more = true
	default:
		a.todo = a.todo[1:]
	}
	if len(a.todo) > 0 && !a.more {
		return a.count("")
	}
	a.counting = false
	return a.check()
}

// check looks at the disk: room, and what is there already.
func (a *Ask) check() tea.Cmd {
	a.checked = false
	p, root, reqs := a.p, a.root, a.files
	return func() tea.Msg {
		m := checked{ask: a, root: root, free: -1}
		if p.FreeSpace != nil {
			if n, err := p.FreeSpace(root); err == nil {
				m.free = n
			}
		}
		if len(reqs) <= maxCheck {
			m.local = p.Engine.Local(root, reqs)
		}
		return m
	}
}

func (a *Ask) settle(m checked) tea.Cmd {
	if a.gone || m.root != a.root {
		return nil
	}
	a.checked, a.free, a.local = true, m.free, make(map[download.Presence]int)
	for _, l := range m.local {
		a.local[l.Presence]++
	}
	if a.shown {
		return nil
	}
	if a.local[download.HereOther] == 0 && a.enough() {
		return a.start(download.Refuse)
	}
	a.shown = true
	return pane.Send(dialog.Show{Dialog: a})
}

func (a *Ask) enough() bool { return a.free < 0 || a.bytes <= a.free }

// start hands the files to the engine.
func (a *Ask) start(c download.Conflict) tea.Cmd {
	if a.started {
		return nil
	}
	a.started, a.gone, a.conflict = true, true, c
	reqs := a.requests()
	say := format.Plural(len(a.files), "download", "downloads") + " begun. t shows the queue."
	if a.counting || a.more {
		say = "Download begun; it goes on counting. t shows the queue."
	}
	if len(reqs) == 1 && (!reqs[0].Folder || len(a.files) == 0 && !a.counting) {
		_, name := cutLast(strings.TrimSuffix(reqs[0].Key, "/"))
		say = "Download begun: " + format.Middle(safetext.Line(name), 40, a.p.Env.Theme.Glyphs.Ellipsis)
	}
	return tea.Sequence(pane.Send(Begun{}), pane.Send(pane.Say{Text: say}), a.p.tell(func(e Engine) { e.Add(reqs...) }))
}

// Begun tells the browser that its marks were taken.
type Begun struct{}

// Handle is for the root: answers come through the pane.
func (a *Ask) Handle(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(tea.PasteMsg); ok && a.typing {
		a.field, _ = a.field.Update(m)
	}
	return nil
}

// Key takes every key press.
func (a *Ask) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	if a.typing {
		return false, a.typed(msg)
	}
	ready := a.checked && a.why == ""
	if a.counting && msg.String() == "enter" {
		return true, a.start(a.usual()) // what differs from what is here is left alone, and says so
	}
	switch msg.String() {
	case "esc", "q":
		a.gone = true
		return true, nil
	case "enter":
		if ready && a.enough() {
			return true, a.start(a.usual())
		}
	case "b":
		if ready && a.local[download.HereOther] > 0 {
			return true, a.start(download.KeepBoth)
		}
	case "r":
		if ready && a.local[download.HereOther] > 0 {
			return true, a.start(download.Overwrite)
		}
	case "c":
		a.typing = true
		a.field.SetValue(a.root)
		a.field.CursorEnd()
		a.field.Focus()
	}
	return false, nil
}

// usual is what enter does with a name that is taken: nothing is lost.
func (a *Ask) usual() download.Conflict {
	if a.local[download.HereOther] > 0 {
		return download.Skip
	}
	return download.Refuse
}

func (a *Ask) typed(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		a.typing = false
		return nil
	case "enter":
		a.typing = false
		dir := strings.TrimSpace(a.field.Value())
		if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || rest[0] == '/') && a.p.Home != "" {
			dir = a.p.Home + rest
		}
		if !filepath.IsAbs(dir) {
			return nil
		}
		a.root = filepath.Clean(dir)
		return a.check()
	}
	a.field, _ = a.field.Update(msg)
	return nil
}

// View draws the box.
func (a *Ask) View(t *theme.Theme, w, h int) string {
	bw := min(dialog.Width, w-4)
	p, inner := t.On(theme.Panel), bw-6
	n := len(a.files)
	title := "Download " + format.Plural(n, "file", "files")
	if a.more {
		title = fmt.Sprintf("Download more than %s files", format.Count(maxCount))
	}
	lines := []string{""}
	room := max(3, h-20)
	for i, it := range a.items {
		if i == room && len(a.items) > room+1 {
			lines = append(lines, p.Muted.Paint("and "+format.Count(len(a.items)-room)+" more"))
			break
		}
		size := format.Size(it.Size)
		if it.Folder {
			size = "all below"
		}
		name := pane.Name(p, p.Text, it.Name, inner-12, format.Middle)
		lines = append(lines, p.Pad(name, inner-10)+p.Muted.Paint(format.PadLeft(size, 10)))
	}
	lines = append(lines, p.Rule.Paint(strings.Repeat(p.Glyphs.Light, inner)))
	total := format.Size(a.bytes)
	switch {
	case a.counting:
		total = "counting" + p.Glyphs.Ellipsis + " " + format.Count(n) + ", " + total
	case a.more:
		total = "more than " + total
	}
	lines = append(lines, p.Pad(p.Text.Paint("Together"), inner-len([]rune(total)))+p.Text.Bold().Paint(total), "")
	lines = append(lines, a.facts(p, inner)...)
	lines = append(lines, "", p.Keys(inner, a.choices()...))
	return t.Box(title, lines, bw)
}

// facts is where to, how much room, and what happens.
func (a *Ask) facts(p *theme.Theme, w int) []string {
	const label = 12
	var out []string
	add := func(name, text string, s theme.Style) {
		for i, part := range format.Wrap(text, w-label) {
			if i > 0 {
				name = ""
			}
			out = append(out, p.Muted.Paint(format.PadRight(name, label))+s.Paint(part))
		}
	}
	if a.typing {
		out = append(out, p.Accent.Bold().Paint(format.PadRight("To", label))+p.Text.Underline().Paint(format.PadRight(format.Start(safetext.Line(a.field.Value()), w-label-1, p.Glyphs.Ellipsis), w-label)))
	} else {
		out = append(out, p.Muted.Paint(format.PadRight("To", label))+p.Text.Paint(format.Start(a.p.short(a.dir()), w-label, p.Glyphs.Ellipsis)))
	}
	switch {
	case !a.enough():
		add("Free space", fmt.Sprintf("%s needed, %s free. c chooses another folder.", format.Size(a.bytes), format.Size(a.free)), p.Bad)
	case a.free >= 0:
		add("Free space", format.Size(a.free), p.Text)
	}
	if n := a.local[download.Here]; n > 0 {
		add("Here", format.Plural(n, "file is", "files are")+" here already and the same; not fetched again", p.Text)
	}
	if n := a.local[download.HereMaybe]; n > 0 {
		add("Here", format.Plural(n, "file of that size is", "files of that size are")+" here; compared first", p.Text)
	}
	if n := a.local[download.HerePartial]; n > 0 {
		add("Begun", format.Plural(n, "file goes", "files go")+" on from what was kept", p.Text)
	}
	if n := a.local[download.HereOther]; n > 0 {
		add("Here", format.Plural(n, "file is", "files are")+" here and differ; enter skips them", p.Warn)
	}
	if a.why != "" {
		add("Stopped", a.why, p.Warn)
		return out
	}
	add("On arrival", "each file is checked against its checksum", p.Text)
	switch n := len(a.files); {
	case a.counting || a.more:
		add("Recorded", "each download, in the audit log", p.Text)
	case n == 0:
		add("Empty", "there is no file in it; the folder itself is made here", p.Text)
	default:
		add("Recorded", format.Plural(n, "download", "downloads")+", in the audit log", p.Text)
	}
	return out
}

// dir is the folder of all the files, or the root if they have several.
func (a *Ask) dir() string {
	dir := ""
	for i, it := range a.items {
		up, _ := cutLast(strings.TrimSuffix(it.Key.Raw(), "/"))
		d := Folder(a.root, it.Bucket.Raw(), up)
		if i > 0 && d != dir {
			return a.root
		}
		dir = d
	}
	return dir
}

func (a *Ask) choices() [][2]string {
	if a.typing {
		return [][2]string{{"enter", "use this folder"}, {"esc", "back"}}
	}
	out := [][2]string{}
	switch {
	case a.why != "" || !a.enough():
	case a.counting:
		out = append(out, [2]string{"enter", "download now"})
	case !a.checked:
		out = append(out, [2]string{"", "one moment" + a.p.Env.Theme.Glyphs.Ellipsis})
	default:
		out = append(out, [2]string{"enter", "download"})
	}
	if a.local[download.HereOther] > 0 && a.checked {
		out = append(out, [2]string{"b", "keep both"}, [2]string{"r", "replace"})
	}
	return append(out, [2]string{"c", "change folder"}, [2]string{"esc", "cancel"})
}

// Cursor is at the end of the folder that is typed.
func (a *Ask) Cursor() *tea.Cursor { return nil }
