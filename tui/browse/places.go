package browse

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/places"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// storeAfter is the time from a change of the places to its storage.
const storeAfter = 2 * time.Second

// mostSpots is the largest number of folders whose position is kept.
const mostSpots = 1000

// mostFar is the largest number of pages that are loaded for the row with the cursor
// of an earlier visit.
const mostFar = 20

// spot is the position in a folder that was left.
type spot struct {
	row string // raw name of the row with the cursor
	top int
}

// memory is the places of the person: the loaded ones, with the changes of this run.
type memory struct {
	state  places.State
	spots  map[location]spot
	save   func(places.Change) error // nil: nothing is stored
	change places.Change             // not stored yet
	timed  bool                      // storeNow is due
	failed bool                      // the person knows that places cannot be stored
}

// Messages of the memory.
type (
	storeNow   struct{}
	placesKept struct{ err error }
)

// Recall sets the places of an earlier run, before Start or Resume. Changes go to
// save, which only commands call.
func (p *Pane) Recall(s places.State, save func(places.Change) error) {
	m := &p.memory
	m.state, m.save = s, save
	for _, f := range s.Folders {
		if f.Row != "" {
			m.spots[locationOf(f.Path)] = spot{row: f.Row}
		}
	}
	p.arr.by = by{orderOf(s.Order.By), s.Order.Reverse}
	p.arr.then = by{orderOf(s.Order.Then), s.Order.ThenReverse}
	if p.arr.by.order == byName || p.arr.then.order == byName || p.arr.then.order == p.arr.by.order {
		p.arr.then = by{}
	}
	p.arr.hidden = s.Order.Hidden
	p.shares = s.Widths
}

// Resume enters the last folder of an earlier run. If it is not there any more, the
// list of buckets opens. Without one it is Begin.
func (p *Pane) Resume() tea.Cmd {
	p.started = true
	if p.asked != nil { // a path that was typed before has precedence
		return nil
	}
	if p.memory.state.Last == "" {
		return p.Begin()
	}
	return p.enter(visit{location: locationOf(p.memory.state.Last), resumed: true})
}

// Keep stores the changes that are not stored yet. It is for the end of the program,
// when no command runs any more.
func (p *Pane) Keep() error {
	p.leaveSpot()
	c, save := p.memory.take(p.Now())
	if save == nil {
		return nil
	}
	return save(c)
}

// orderWords are the names of orders in the stored places.
var orderWords = [...]string{byName: "name", bySize: "size", byModified: "modified", byKind: "kind", byLocal: "local"}

// orderOf returns the order of a name, by name for any other text.
func orderOf(word string) order { return max(byName, order(slices.Index(orderWords[:], word))) }

func locationOf(path string) location {
	at, _ := api.ParsePath(path) // an invalid path is the list of buckets
	return location{bucket: at.Bucket, prefix: at.Key}
}

// path returns the path of a folder, raw.
func (s location) path() string { return api.Path{Bucket: s.bucket, Key: s.prefix}.String() }

// visited records that a folder has opened.
func (p *Pane) visited(at location) tea.Cmd {
	if at.query != "" {
		return nil
	}
	path := at.path()
	c := places.Change{Last: &path}
	if path != "" {
		c.Folders = []places.Folder{{Path: path, Row: p.memory.spots[at].row, Visits: 1, At: p.now().at}}
	}
	return p.remember(c)
}

// leaveSpot records the position in the open folder.
func (p *Pane) leaveSpot() {
	p.savePosition()
	at, s := p.here.location, spot{p.here.cursor, p.here.top}
	m := &p.memory
	if at.query != "" || s.row == "" || m.spots[at] == s {
		return
	}
	if len(m.spots) >= mostSpots {
		clear(m.spots)
	}
	m.spots[at] = s
	if path := at.path(); path != "" {
		m.add(places.Change{Folders: []places.Folder{{Path: path, Row: s.row, At: p.now().at}}})
	}
}

// remember adds a change to the places. A command stores it soon, with those that
// follow until then.
func (p *Pane) remember(c places.Change) tea.Cmd {
	m := &p.memory
	m.add(c)
	if m.timed || m.save == nil {
		return nil
	}
	m.timed = true
	return after(storeAfter, storeNow{})
}

// StorePlaces returns the command that stores the changes.
func (p *Pane) StorePlaces() tea.Cmd {
	p.memory.timed = false
	p.leaveSpot()
	now := p.Now // only the command may read the clock
	c, save := p.memory.take(time.Time{})
	if save == nil {
		return nil
	}
	return func() tea.Msg { return placesKept{save(dated(c, now()))} }
}

// placesKept shows the reason that places cannot be stored, once.
func (p *Pane) placesKept(err error) tea.Cmd {
	if err == nil || p.memory.failed {
		return nil
	}
	p.memory.failed = true
	return pane.Send(pane.Say{Text: safetext.New("Your places are not kept: " + err.Error()), Tone: pane.Warning})
}

// shows reports whether the cursor is on the row of a name.
func (p *Pane) shows(name string) bool {
	e, ok := p.at(p.table.Cursor())
	return ok && e.Name.Raw() == name
}

// add applies a change to the state, and keeps it for the file.
func (m *memory) add(c places.Change) {
	m.state = m.state.After(c)
	if m.save == nil {
		return
	}
	to := &m.change
	if c.Last != nil {
		to.Last = c.Last
	}
	if c.Order != nil {
		to.Order = c.Order
	}
	if c.Widths != nil {
		to.Widths = c.Widths
	}
	for _, f := range c.Folders {
		if i := slices.IndexFunc(to.Folders, func(o places.Folder) bool { return o.Path == f.Path }); i >= 0 {
			f.Visits += to.Folders[i].Visits
			to.Folders = slices.Delete(to.Folders, i, i+1)
		}
		to.Folders = append(to.Folders, f)
	}
	for mark, path := range c.Bookmarks {
		if to.Bookmarks == nil {
			to.Bookmarks = make(map[string]string)
		}
		to.Bookmarks[mark] = path
	}
	to.Filters = append(to.Filters, c.Filters...)
	for name, paths := range c.Sets {
		if to.Sets == nil {
			to.Sets = make(map[string][]string)
		}
		to.Sets[name] = paths
	}
}

// take returns the changes that are not stored yet, and the function that stores
// them; nil if there is nothing to store.
func (m *memory) take(now time.Time) (places.Change, func(places.Change) error) {
	c := m.change
	m.change = places.Change{}
	if m.save == nil || c.IsZero() {
		return places.Change{}, nil
	}
	return dated(c, now), m.save
}

// dated gives a time to the folders of a change that have none.
func dated(c places.Change, now time.Time) places.Change {
	for i := range c.Folders {
		if c.Folders[i].At.IsZero() {
			c.Folders[i].At = now
		}
	}
	return c
}

// bookmark sets a bookmark of the open folder, or removes it if it is set.
func (p *Pane) bookmark(mark string) tea.Cmd {
	path := p.here.location.path()
	switch before := p.memory.state.Bookmarks[mark]; {
	case before == path:
		say := pane.Say{Text: safetext.New("Bookmark " + mark + " is removed.")}
		return tea.Batch(p.remember(places.Change{Bookmarks: map[string]string{mark: ""}}), pane.Send(say))
	default:
		text := "Bookmark " + mark + " is " + path + "."
		if before != "" {
			text += " It was " + before + "."
		}
		return tea.Batch(p.remember(places.Change{Bookmarks: map[string]string{mark: path}}), pane.Send(pane.Say{Text: safetext.New(text), Tone: pane.Good}))
	}
}

// letter handles the key press after m or '.
func (p *Pane) letter(key string) tea.Cmd {
	u := p.typing
	p.typing = notTyping
	p.dirty()
	switch path := p.memory.state.Bookmarks[key]; {
	case key == "esc":
		return nil
	case !places.ValidMark(key):
		return pane.Send(pane.Say{Text: safetext.New("A bookmark is a letter from a to z or a digit."), Tone: pane.Warning})
	case u == bookmarking:
		return p.bookmark(key)
	case path == "" && !p.started:
		return pane.Send(pane.Say{Text: safetext.New("Your bookmarks are not loaded yet. Press the keys again in a moment."), Tone: pane.Warning})
	case path == "":
		return pane.Send(pane.Say{Text: safetext.New("There is no bookmark " + key + ". The key " + p.Env.Keys.Shown(keys.Browser, keys.SetMark) + " sets one for the open folder."), Tone: pane.Warning})
	default:
		return p.enter(visit{location: locationOf(path)})
	}
}

// bookmarksView draws the bookmarks, h lines of w cells.
func (p *Pane) bookmarksView(w, h int) []string {
	t, all := p.Env.Theme, p.memory.state.Bookmarks
	lines := []string{t.Muted.Paint("   Folder")}
	if len(all) == 0 {
		for _, l := range format.Wrap("There are no bookmarks. The key "+p.Env.Keys.Shown(keys.Browser, keys.SetMark)+" and a letter set one for the open folder.", w-6) {
			lines = append(lines, "   "+t.Text.Paint(l))
		}
	}
	marks := make([]string, 0, len(all))
	for mark := range all {
		marks = append(marks, mark)
	}
	slices.Sort(marks)
	for i, mark := range marks {
		if left := len(marks) - i; len(lines) == h-1 && left > 1 {
			lines = append(lines, "   "+t.Muted.Paint(quantity.Count(left)+" more: their letters work too"))
			break
		}
		apart := format.Row{At: i, N: len(marks), Name: func(j int) string { return safetext.New(all[marks[j]]).Distinct() }}.Start
		lines = append(lines, " "+t.Text.Bold().Paint(mark)+" "+pane.Name(t, t.Accent, safetext.New(all[mark]), w-4, apart))
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return lines[:max(0, h)]
}
