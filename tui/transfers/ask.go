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

// Item is something that a person wants: an object, or a folder with all below.
type Item struct {
	Bucket, Key, Name safetext.Text // Key of a folder is its prefix
	Folder            bool
	Size              int64
	ETag              safetext.Text
	Modified          time.Time
}

// unsized reports that the listing did not tell an object's size.
func (it Item) unsized() bool { return !it.Folder && it.Size == 0 && it.ETag.Raw() == "" }

// Bounds of the question: more than quick bytes are asked about; a folder of
// more than maxCount objects is left to the engine to walk; so many files at
// most are looked for on the disk before asking.
const (
	quick    = 1_000_000_000
	maxCount = 50_000
	maxCheck = 5_000
	listTime = 30 * time.Second
)

// Ask is the question before a download: its items, its size, its destination, whether
// there is room, and the treatment of files that are here (count.go finds out,
// askview.go draws it). One file of a usual size that is not here yet starts
// without it.
type Ask struct {
	p        *Pane
	items    []Item
	todo     []int              // items still to be counted
	listed   [][]api.Entry      // the entries found so far, by item
	files    []download.Request // the same, one by one
	counting bool
	pause    string // the reason for a pause within the call, in a few words
	more     bool   // than maxCount
	checked  bool
	free     int64
	local    []download.Presence // of files; nil: there are too many to look
	left     []download.Request  // the files left out, because they do not fit
	whole    *wanted             // before something was left out
	why      string
	root     string
	field    pane.Field
	typing   bool
	wrong    string // the reason for which the typed text is no folder
	x, y     int    // of the field, in the box
	shown    bool
	gone     bool
	started  bool
}

// Wanted begins a download, after a question where one is needed.
func (p *Pane) Wanted(items []Item) tea.Cmd {
	a := &Ask{p: p, items: items, root: p.Dir, free: -1, listed: make([][]api.Entry, len(items))}
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
	if len(items) > 1 || a.bytes() > quick {
		a.shown = true
		return tea.Batch(pane.Send(dialog.Show{Dialog: a}), a.check())
	}
	return a.check()
}

func (a *Ask) add(it Item) { a.files = append(a.files, it.request(a.root)) }

// request places an item below the root: by bucket and prefix, under names that
// are safe on every system.
func (it Item) request(root string) download.Request {
	r := download.Request{Bucket: it.Bucket.Raw(), Key: it.Key.Raw(), Folder: it.Folder}
	if !it.Folder {
		r.ETag, r.Size, r.Modified = it.ETag.Raw(), it.Size, it.Modified
	}
	return Place(root, r)
}

// requests are for the engine: a folder as one, with the listed part of
// it; the engine lists the rest.
func (a *Ask) requests(c download.Conflict) []download.Request {
	out := make([]download.Request, len(a.items))
	for i, it := range a.items {
		out[i] = it.request(a.root)
		out[i].Conflict = c
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

// bytes is the size of all files, as far as it is known.
func (a *Ask) bytes() (sum int64) {
	for i := range a.files {
		sum += a.files[i].Size
	}
	return sum
}

// needed is the bytes that are still to be written.
func (a *Ask) needed() (sum int64) {
	for i := range a.files {
		if i >= len(a.local) || a.local[i] != download.Here {
			sum += a.files[i].Size
		}
	}
	return sum
}

func (a *Ask) enough() bool { return a.free < 0 || a.needed() <= a.free }

// here counts the files that the disk said p of.
func (a *Ask) here(p download.Presence) (n int) {
	for _, l := range a.local {
		if l == p {
			n++
		}
	}
	return n
}

// taken reports whether a name is taken by a file that may differ, as far as
// anybody looked.
func (a *Ask) taken() bool {
	return a.here(download.HereMaybe)+a.here(download.HereOther) > 0 || a.checked && a.local == nil && len(a.files) > 0
}

// start hands the files to the engine.
func (a *Ask) start(c download.Conflict) tea.Cmd {
	if a.started {
		return nil
	}
	a.started, a.gone = true, true
	reqs := a.requests(c)
	say := safetext.New(quantity.Plural(len(a.files), "download", "downloads") + " started. t shows the queue.")
	if a.counting || a.more {
		say = safetext.New("Download started; counting continues. t shows the queue.")
	}
	if len(reqs) == 1 && (!reqs[0].Folder || len(a.files) == 0 && !a.counting) {
		name := api.Path{Bucket: reqs[0].Bucket, Key: reqs[0].Key}.Base()
		if !safetext.New(name).Escaped() { // a cut must not go through an escape
			name = format.Middle(name, 40, a.p.Env.Theme.Glyphs.Ellipsis)
		}
		say = safetext.New("Download started: " + name)
	}
	return tea.Sequence(pane.Send(Begun{}), pane.Send(pane.Say{Text: say}), a.p.put(func(e Engine) { e.Add(reqs...) }))
}

// Begun is the message to the browser that its marks were taken.
type Begun struct{}

// Handle takes a paste; answers come through the pane.
func (a *Ask) Handle(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(tea.PasteMsg); ok && a.typing {
		a.field.Take(m)
		a.wrong = ""
	}
	return nil
}

// Key takes every key press.
func (a *Ask) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
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

// way is a key that starts the download, and the treatment of a taken name: the key
// line and the keys are the same list.
type way struct {
	key, label string
	start      bool
	conflict   download.Conflict
}

func (a *Ask) ways() []way {
	// A file that differs stays as it is, and its row shows that: nothing is lost.
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
		return []way{enter, {"b", "keep both", true, download.KeepBoth}, {"r", "replace", true, download.Overwrite}}
	}
	return []way{enter}
}

func (a *Ask) choices() [][2]string {
	if a.typing {
		return [][2]string{{"enter", "use this folder"}, {"esc", "back"}}
	}
	var out [][2]string
	for _, w := range a.ways() {
		out = append(out, [2]string{w.key, w.label})
	}
	return append(out, [2]string{"c", "change folder"}, [2]string{"esc", "cancel"})
}
