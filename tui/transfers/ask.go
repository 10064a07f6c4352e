package transfers

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/pane"
)

// Item is an object, or a folder with all objects below it.
type Item struct {
	Bucket, Key, Name safetext.Text // Key of a folder is its prefix
	Folder            bool
	Size              int64
	ETag              safetext.Text
	Modified          time.Time
	Version           string // of a file; "": its current content
	Stamp             string // in the local name, before its extension
	FolderToo         bool   // see download.Request
}

// unsized reports whether the listing has no size of an object.
func (it Item) unsized() bool { return !it.Folder && it.Size == 0 && it.ETag.Raw() == "" }

// Bounds of the dialog. A single file of more than askBytes opens it; the engine
// lists the rest of a folder of more than maxCount objects; at most maxCheck files
// are checked on the disk.
const (
	askBytes = 1_000_000_000
	maxCount = 50_000
	maxCheck = 5_000
	listTime = 30 * time.Second
)

// Confirm is the dialog before a download: items, size, destination, free space, and
// the treatment of existing local files. See count.go for the checks and askview.go
// for the view. A single file below askBytes without a local file starts without
// the dialog.
type Confirm struct {
	p        *Pane
	items    []Item
	todo     []int              // folders not counted yet
	listed   [][]api.Entry      // the listed entries, by item
	files    []download.Request // all files
	counting bool
	pause    string // the reason for a pause within the call, in a few words
	more     bool   // than maxCount files
	checked  bool
	free     int64
	local    []download.Presence // of files; nil: there are too many to look
	left     []download.Request  // the files left out, because they do not fit
	whole    *selection          // before files were left out
	why      string
	root     string
	field    pane.Field
	typing   bool
	wrong    string // the mistake in the typed folder
	x, y     int    // of the field, in the box
	shown    bool
	gone     bool
	started  bool
}

// Start starts a download, after a dialog if one is needed.
func (p *Pane) Start(items []Item) tea.Cmd {
	a := &Confirm{p: p, items: items, root: p.Dir, free: -1, listed: make([][]api.Entry, len(items))}
	for i, it := range items {
		if it.Folder {
			a.todo = append(a.todo, i)
		} else {
			a.add(it)
		}
	}
	a.field = pane.NewField(0)
	if len(a.todo) > 0 {
		a.counting, a.shown = true, true
		return tea.Batch(pane.Send(dialog.Show{Dialog: a}), a.count(""))
	}
	if len(items) > 1 || a.bytes() > askBytes {
		a.shown = true
		return tea.Batch(pane.Send(dialog.Show{Dialog: a}), a.check())
	}
	return a.check()
}

func (a *Confirm) add(it Item) { a.files = append(a.files, it.request(a.root)) }

// request returns the download request of an item, with a path below the root.
func (it Item) request(root string) download.Request {
	r := download.Request{Bucket: it.Bucket.Raw(), Key: it.Key.Raw(), Folder: it.Folder}
	if !it.Folder {
		r.ETag, r.Size, r.Modified, r.Version = it.ETag.Raw(), it.Size, it.Modified, it.Version
		r.FolderToo = it.FolderToo
	}
	if it.Stamp != "" {
		up, name := splitKey(r.Key)
		r.Dir, r.Name = Folder(root, r.Bucket, up), stamped(name, it.Stamp)
		return r
	}
	return Below(root, r)
}

// requests returns the requests for the engine. A folder is one request, with its
// listed entries; the engine lists the rest.
func (a *Confirm) requests(c download.Conflict) []download.Request {
	out := make([]download.Request, len(a.items))
	for i, it := range a.items {
		out[i] = it.request(a.root)
		out[i].Conflict = c
		if it.Version != "" {
			out[i].Size = 0 // the release has it; a size without an ETag proves nothing
		}
		if !it.Folder {
			continue
		}
		out[i].Listed, out[i].ListedAll = a.listed[i], !slices.Contains(a.todo, i)
		for _, r := range a.left {
			if name, below := strings.CutPrefix(r.Key, out[i].Key); below && r.Bucket == out[i].Bucket {
				out[i].Without = append(out[i].Without, name)
			}
		}
	}
	return out
}

// bytes returns the total of the known sizes.
func (a *Confirm) bytes() (sum int64) {
	for i := range a.files {
		sum += a.files[i].Size
	}
	return sum
}

// needed returns the number of bytes to write.
func (a *Confirm) needed() (sum int64) {
	for i := range a.files {
		if i >= len(a.local) || a.local[i] != download.Here {
			sum += a.files[i].Size
		}
	}
	return sum
}

func (a *Confirm) enough() bool { return a.free < 0 || a.needed() <= a.free }

// here returns the number of files with presence p.
func (a *Confirm) here(p download.Presence) (n int) {
	for _, l := range a.local {
		if l == p {
			n++
		}
	}
	return n
}

// taken reports whether a local file may be in the way. Unchecked files may be.
func (a *Confirm) taken() bool {
	return a.here(download.HereMaybe)+a.here(download.HereOther) > 0 || a.checked && a.local == nil && len(a.files) > 0
}

// idle reports whether a download that replaces nothing would download nothing: each
// file is here already, identical or different.
func (a *Confirm) idle() bool {
	return a.checked && !a.more && len(a.files) > 0 && len(a.local) == len(a.files) &&
		a.here(download.Here)+a.here(download.HereOther) == len(a.files)
}

// start adds the files to the engine.
func (a *Confirm) start(c download.Conflict) tea.Cmd {
	if a.started {
		return nil
	}
	a.started, a.gone = true, true
	reqs := a.requests(c)
	say := safetext.New(quantity.Plural(len(a.files), "download", "downloads") + " started. " + a.p.queueKey() + " shows the queue.")
	if a.counting || a.more {
		say = safetext.New("Download started; counting continues. " + a.p.queueKey() + " shows the queue.")
	}
	if len(reqs) == 1 && (!reqs[0].Folder || len(a.files) == 0 && !a.counting) {
		name := api.Path{Bucket: reqs[0].Bucket, Key: reqs[0].Key}.Base()
		if !safetext.New(name).Escaped() { // a cut must not go through an escape
			name = format.Middle(name, 40, a.p.Env.Theme.Glyphs.Ellipsis)
		}
		say = safetext.New("Download started: " + name)
	}
	return tea.Sequence(pane.Send(Started{}), pane.Send(pane.Say{Text: say}), a.p.callAnnounced(func(e Engine) { e.Add(reqs...) }))
}

// Fetch starts downloads without a dialog. A different local file is not replaced.
func (p *Pane) Fetch(items []Item) tea.Cmd {
	reqs := make([]download.Request, len(items))
	for i, it := range items {
		reqs[i] = it.request(p.Dir)
		reqs[i].Conflict = download.Leave
	}
	return p.callAnnounced(func(e Engine) { e.Add(reqs...) })
}

// Started is the message to the browser that the marked files were added.
type Started struct{}

// Handle handles a paste. Results come through the pane.
func (a *Confirm) Handle(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(tea.PasteMsg); ok && a.typing {
		a.field.Take(m)
		a.wrong = ""
	}
	return nil
}

// Key handles every key press.
func (a *Confirm) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	if a.typing {
		return false, a.typed(msg)
	}
	switch key := msg.String(); key {
	case "esc", "q":
		a.gone = true
		return true, nil
	case "c":
		a.typeFolder()
	default:
		for _, w := range a.ways() {
			if w.key == key && w.start {
				return true, a.start(w.conflict)
			} else if w.key == key && w.key != "" {
				a.leaveOut()
			}
		}
	}
	return false, nil
}

// way is a key that starts the download, and its treatment of existing local files.
// The key line has the same list.
type way struct {
	key, label string
	start      bool
	conflict   download.Conflict
}

func (a *Confirm) ways() []way {
	// A different local file is not replaced, and the row of the transfer shows that.
	enter := way{"enter", "download", true, download.Leave}
	switch {
	case a.why != "":
		return nil
	case a.counting:
		enter.label = "download now"
		return []way{enter}
	case !a.checked:
		return []way{{label: "one moment" + a.p.Env.Theme.Glyphs.Ellipsis}}
	case !a.enough() && !a.more:
		if len(a.files) == 0 {
			return nil
		}
		return []way{{key: "l", label: "skip files that do not fit"}}
	case len(a.files) == 0 && len(a.left) > 0:
		return nil
	case a.taken():
		other := []way{{"b", "keep both", true, download.KeepBoth}, {"r", "replace", true, download.Overwrite}}
		if a.idle() {
			return other
		}
		return append([]way{enter}, other...)
	case a.idle():
		return nil
	}
	return []way{enter}
}

func (a *Confirm) choices() [][2]string {
	if a.typing {
		return [][2]string{{"enter", "use this folder"}, {"esc", "back"}}
	}
	var out [][2]string
	for _, w := range a.ways() {
		out = append(out, [2]string{w.key, w.label})
	}
	return append(out, [2]string{"c", "change folder"}, [2]string{"esc", "cancel"})
}
