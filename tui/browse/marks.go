package browse

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/client/selection"
	"usher/tui/keys"
	"usher/tui/pane"
)

// ShowMarks is a message to the root that opens the page of the marks.
type ShowMarks struct{}

// Marked returns the marked entries, sorted by path.
func (p *Pane) Marked() []Entry {
	out := make([]Entry, 0, len(p.marks))
	for _, e := range p.marks {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if c := a.Bucket.Compare(b.Bucket); c != 0 {
			return c
		}
		return a.Key.Compare(b.Key)
	})
	return out
}

// MarksVersion changes with the marks.
func (p *Pane) MarksVersion() uint64 { return p.marksGen }

// RemoveMark removes the mark of an entry.
func (p *Pane) RemoveMark(e Entry) {
	if _, ok := p.marks[keyOf(e)]; ok {
		p.swap(e)
		p.table.Changed()
	}
}

// mark runs an action on marks.
func (p *Pane) mark(a keys.Action) (tea.Cmd, bool) {
	var cmd tea.Cmd
	switch a {
	case keys.Mark:
		if e, ok := p.at(p.table.Cursor()); ok && e.Kind != api.KindBucket {
			p.swap(e)
			p.table.ChangedRow(p.table.Cursor())
			p.table.Move(keys.Down)
			cmd = p.moved()
		} else if !ok {
			cmd = p.refuse(p.waits())
		}
	case keys.MarkAll, keys.SwapMark:
		for i := range p.view {
			e, _ := p.at(i)
			_, marked := p.marks[keyOf(e)]
			if e.isFile() && (a == keys.SwapMark || !marked) {
				p.swap(e)
			}
		}
		p.table.Changed()
		if l := p.now(); !l.complete() {
			cmd = pane.Send(pane.Say{Text: safetext.New("Only the " + quantity.Count(len(p.view)-p.gaps()) + " loaded rows: the folder has more. " + p.Env.Keys.Shown(keys.Browser, keys.Last) + " loads all."), Tone: pane.Warning})
		}
	case keys.Unmark:
		p.Unmark()
	case keys.MarkBy, keys.UnmarkBy:
		p.typeInto(map[keys.Action]use{keys.MarkBy: marking, keys.UnmarkBy: unmarking}[a], "")
	case keys.Range:
		cmd = p.startRange()
	case keys.Marks:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning}), true
		}
		return pane.Send(ShowMarks{}), true
	default:
		return nil, false
	}
	return cmd, true
}

func (p *Pane) swap(e Entry) {
	p.marksGen++
	if old, ok := p.marks[keyOf(e)]; ok {
		delete(p.marks, keyOf(e))
		p.marked -= old.Size
		return
	}
	p.marks[keyOf(e)] = e
	p.marked += e.Size
}

// Unmark removes all marks.
func (p *Pane) Unmark() {
	p.marksGen++
	clear(p.marks)
	p.marked = 0
	p.table.Changed()
}

// chosen returns the marked entries, sorted by path, or the entry under the cursor.
func (p *Pane) chosen() []Entry {
	if len(p.marks) == 0 {
		if e, ok := p.at(p.table.Cursor()); ok {
			return []Entry{e}
		}
		return nil
	}
	return p.Marked()
}

// picking is a pattern for marks. It is applied when all rows of the folder are loaded.
type picking struct {
	gen     uint64
	text    string
	on      bool // mark, not unmark
	folders bool // the pattern ends in "/"
	takes   func(Entry) bool
}

// markBy marks or unmarks the rows that match a typed pattern. The text stays in the
// field if it is not a pattern.
func (p *Pane) markBy(text string, on bool) tea.Cmd {
	if _, err := takes(text, time.Unix(0, 0)); err != nil { // the command has the clock
		return pane.Send(pane.Say{Text: safetext.New("Pattern: " + err.Error() + "."), Tone: pane.Bad})
	}
	p.typing = notTyping
	gen, now, zone := p.gen, p.Now, p.Env.Zone
	return func() tea.Msg {
		match, err := takes(text, now().In(zone))
		if err != nil {
			return pane.Say{Text: safetext.New("Pattern: " + err.Error() + "."), Tone: pane.Bad}
		}
		return picking{gen, text, on, strings.HasSuffix(strings.TrimSpace(text), "/"), match}
	}
}

// takes compiles a pattern in the language of searches (selection.ParseQuery). Names
// are compared as in a filter: an accent or upper case counts if the pattern has one.
func takes(text string, now time.Time) (func(Entry) bool, error) {
	in, err := selection.ParseQuery(text, now)
	if err != nil {
		return nil, err
	}
	by := foldingOf(in.Glob + in.Text)
	bounds := selection.Bounds{Max: in.Size.Max}
	if in.Size.Min != nil {
		bounds.Min = *in.Size.Min
	}
	if in.Modified.From != nil {
		bounds.Newer = *in.Modified.From
	}
	if in.Modified.Until != nil {
		bounds.Older = *in.Modified.Until
	}
	var rules []selection.Rule
	if in.Glob != "" {
		rules = append(rules, selection.Rule{Pattern: by.fold(in.Glob), Include: true})
	}
	chosen, err := selection.New(rules, bounds)
	if err != nil {
		return nil, err
	}
	part := by.fold(in.Text)
	return func(e Entry) bool {
		name := by.fold(e.Name.Raw())
		entry := api.Entry{Kind: e.Kind, Size: e.Size, ETag: e.ETag.Raw()}
		if !e.Modified.IsZero() {
			entry.Modified = &e.Modified
		}
		return chosen.Takes(name, entry) && strings.Contains(name, part)
	}, nil
}

// pick applies a pattern, or loads further rows for it.
func (p *Pane) pick() tea.Cmd {
	if l := p.now(); !l.complete() || p.busy {
		return p.more()
	}
	by := *p.picking
	p.picking = nil
	n := 0
	for i := range p.view {
		e, ok := p.at(i)
		if !ok || e.Kind == api.KindBucket || e.isFile() == by.folders || !by.takes(e) {
			continue
		}
		if _, marked := p.marks[keyOf(e)]; marked != by.on {
			p.swap(e)
		}
		n++
	}
	p.table.Changed()
	marked := "Nothing is marked."
	if k := len(p.marks); k > 0 {
		marked = quantity.Count(k) + " marked, " + quantity.Size(p.marked) + "."
	}
	said := pane.Say{Text: safetext.New(quantity.Plural(n, "row matches", "rows match") + " " + by.text + ". " + marked)}
	if n == 0 {
		said = pane.Say{Text: safetext.New("No row matches " + by.text + "."), Tone: pane.Warning}
	}
	return pane.Send(said)
}

// span is a range of rows from its first row to the cursor.
type span struct {
	name string // raw, of the first row
	at   int    // the index of that row
}

func (p *Pane) startRange() tea.Cmd {
	e, ok := p.at(p.table.Cursor())
	if !ok || e.Kind == api.KindBucket {
		return pane.Send(pane.Say{Text: safetext.New("Mark a range: move to a file or a folder."), Tone: pane.Warning})
	}
	p.span = &span{e.Name.Raw(), p.table.Cursor()}
	p.table.Changed()
	return nil
}

// inSpan reports whether visible row i is in the range.
func (p *Pane) inSpan(i int) bool {
	if p.span == nil {
		return false
	}
	at := p.table.Cursor()
	return min(at, p.span.at) <= i && i <= max(at, p.span.at)
}

// findSpan finds the first row of the range among other rows. Without it the range
// ends.
func (p *Pane) findSpan() {
	if p.span == nil {
		return
	}
	p.span.at = p.now().indexIn(p.view, p.span.name)
	if p.span.at < 0 {
		p.span = nil
	}
}

// endSpan ends the range for an action that is no movement. It reports whether the
// action has no other effect.
func (p *Pane) endSpan(a keys.Action) bool {
	switch a {
	case keys.Back:
		p.span = nil
	case keys.Range, keys.Mark:
		p.markSpan()
	case keys.Download, keys.CopyMenu, keys.CopySum, keys.Marks, keys.MarkBy, keys.UnmarkBy:
		p.markSpan()
		p.table.Changed()
		return false
	default:
		p.span = nil
		p.table.Changed()
		return false
	}
	p.table.Changed()
	return true
}

// markSpan marks the rows of the range. If all are marked, it unmarks them.
func (p *Pane) markSpan() {
	var all []Entry
	marked := 0
	for i := range p.view {
		if e, ok := p.at(i); ok && p.inSpan(i) {
			all = append(all, e)
			if _, is := p.marks[keyOf(e)]; is {
				marked++
			}
		}
	}
	p.span = nil
	for _, e := range all {
		if _, is := p.marks[keyOf(e)]; !is || marked == len(all) {
			p.swap(e)
		}
	}
}

// spanLine draws the left end of the status line during a range.
func (p *Pane) spanLine() string {
	at := p.table.Cursor()
	n, without := 0, ""
	for _, r := range p.view[min(at, p.span.at) : max(at, p.span.at)+1] {
		if r >= 0 {
			n++
		} else {
			without = ", without names that are not loaded"
		}
	}
	return p.Env.Theme.Mark.Bold().Paint("Range of " + quantity.Plural(n, "row", "rows") + without)
}

// marksLine draws the left end of the status line.
func (p *Pane) marksLine() string {
	if len(p.marks) == 0 {
		return ""
	}
	t := p.Env.Theme
	elsewhere := 0
	for k := range p.marks {
		if up, _ := k.folder(); up != p.here.location {
			elsewhere++
		}
	}
	s := t.Mark.Bold().Paint(quantity.Count(len(p.marks)) + " marked")
	if elsewhere > 0 && p.here.location.query == "" {
		s += t.Muted.Paint(" (" + quantity.Count(elsewhere) + " elsewhere)")
	}
	if p.marked > 0 {
		s += t.Muted.Paint(", " + quantity.Size(p.marked))
	}
	return s
}
