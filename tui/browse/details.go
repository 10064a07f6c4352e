package browse

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/cells"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// details shows the properties of the row under the cursor. The listing has most of
// them. Enter on a file requests the rest, which is audited.
type details struct {
	entry  Entry
	shown  bool
	seen   time.Time // of the listing; ages are relative to it
	facts  map[location]api.StatResponse
	asking location
	why    string // a sentence if the request failed
	drawn  string // the cached lines, "" without any
	w, h   int
}

// statDone is the result of a request for the properties of a file.
type statDone struct {
	key  location
	stat api.StatResponse
	err  error
}

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// show updates the details to the row under the cursor.
func (d *details) show(p *Pane) {
	e, ok := p.at(p.table.Cursor())
	if ok == d.shown && ok && keyOf(e) == keyOf(d.entry) && e.Kind == d.entry.Kind {
		return
	}
	d.entry, d.shown, d.seen, d.why, d.drawn = e, ok, p.now().at, "", ""
}

// ask fetches the properties of a file, once.
func (p *Pane) ask(e Entry) tea.Cmd {
	p.details.show(p)
	key := keyOf(e)
	if _, have := p.details.facts[key]; have || p.details.asking == key {
		return nil
	}
	p.details.asking, p.details.why, p.details.drawn = key, "", ""
	backend := p.Backend
	return func() tea.Msg {
		ctx, cancel := contextFor(listLimit)
		defer cancel()
		s, err := backend.Stat(ctx, api.StatRequest{Bucket: key.bucket, Key: key.prefix})
		return statDone{key, s, err}
	}
}

func (p *Pane) detailed(msg tea.Msg) tea.Cmd {
	d := &p.details
	d.drawn = ""
	switch m := msg.(type) {
	case statDone:
		if d.asking == m.key {
			d.asking = location{}
		}
		if m.err != nil {
			if keyOf(d.entry) == m.key {
				d.why = pane.Sentence(m.err, p.Server).String()
			}
			return pane.Send(pane.Failed{Err: m.err})
		}
		if d.facts == nil || len(d.facts) > 1000 {
			d.facts = make(map[location]api.StatResponse)
		}
		d.facts[m.key] = m.stat
		return pane.Send(pane.Answered{})
	}
	return nil
}

// view draws the details, h lines of w cells without the head.
func (d *details) view(p *Pane, w, h int) string {
	if d.drawn != "" && d.w == w && d.h == h {
		return d.drawn
	}
	d.w, d.h = w, h
	lines := d.lines(p, w-1)
	if len(lines) > h {
		lines = lines[:h]
	}
	for i, l := range lines {
		lines[i] = " " + cells.Truncate(l, w-1, "")
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	d.drawn = strings.Join(lines, "\n")
	return d.drawn
}

func (d *details) lines(p *Pane, w int) []string {
	t := p.Env.Theme
	if !d.shown {
		return nil
	}
	e := d.entry
	lines := nameLines(t, e.Name, w, 4)
	for _, remark := range e.Name.Remarks() {
		for _, l := range format.Wrap(remark, w) {
			lines = append(lines, t.Warn.Paint(l))
		}
	}
	if e.Kind != api.KindObject {
		lines = append(lines, t.Muted.Paint(kindOfEntry(e)), "", t.Text.Bold().Paint(p.Env.Keys.Shown(keys.Browser, keys.Enter))+t.Muted.Paint(" open"),
			t.Text.Bold().Paint("d")+t.Muted.Paint("     download all below"))
		if p.sizeOf(e) != nil {
			lines = append(lines, "")
		}
		return append(lines, p.sizeLines(e, w)...)
	}
	lines = append(lines, t.Muted.Paint(long(e)), "")
	pair := func(label, value string) {
		lines = append(lines, t.Muted.Paint(format.PadRight(label, 10))+value)
	}
	text := func(s string) string { return t.Text.Paint(format.End(s, max(1, w-10), t.Glyphs.Ellipsis)) }
	whole := func(label, value string) {
		for _, l := range format.Wrap(value, max(1, w-10)) {
			pair(label, t.Text.Paint(l))
			label = ""
		}
	}
	f, have := d.facts[keyOf(e)]
	size := e.Size
	if e.Unsized() && have {
		size = f.Size
	}
	if e.Unsized() && !have {
		pair("Size", t.Muted.Paint("not listed"))
	} else {
		pair("Size", text(quantity.Size(size)))
	}
	if size >= 1000 {
		pair("", t.Muted.Paint(quantity.Count(size)+" bytes"))
	}
	if !e.Modified.IsZero() {
		at := e.Modified.In(p.Env.Zone)
		pair("Modified", text(format.DateTime(at)))
		pair("", t.Muted.Paint(format.Zone(at)+", "+format.Ago(e.Modified, d.seen)))
	}
	if have {
		d.factLines(p, f, pair, whole)
	}
	if e.Archived {
		lines = append(lines, "", t.Warn.Paint("Archived: restore it before"), t.Warn.Paint("you download it."))
	}
	lines = append(lines, p.localLines(e, w)...)
	if have && f.Grant != "" {
		lines = append(lines, "", t.Muted.Paint("Allowed by"))
		for _, l := range format.Wrap(safetext.Line(f.Grant), w) {
			lines = append(lines, t.Text.Paint(l))
		}
	}
	lines = append(lines, "", t.Muted.Paint("Contents"))
	if d.why != "" {
		for _, l := range format.Wrap(d.why, w) {
			lines = append(lines, t.Warn.Paint(l))
		}
	}
	for _, l := range format.Wrap("Not read yet. Each read is recorded in the audit log.", w) {
		lines = append(lines, t.Text.Paint(l))
	}
	lines = append(lines, t.Text.Bold().Paint(p.Env.Keys.Shown(keys.Details, keys.Read))+t.Muted.Paint(" read it"))
	if more := "checksum, version, grant"; !have && d.asking != keyOf(e) {
		if e.Unsized() {
			more = "size, checksum, version"
		}
		lines = append(lines, t.Text.Bold().Paint(p.Env.Keys.Shown(keys.Browser, keys.Enter))+t.Muted.Paint(" "+more))
	}
	return lines
}

// factLines adds the requested properties, each as a whole: whole wraps a value.
func (d *details) factLines(p *Pane, f api.StatResponse, pair, whole func(label, value string)) {
	t := p.Env.Theme
	if f.Checksum != nil {
		label := strings.ToLower(safetext.Line(f.Checksum.Algorithm))
		whole(format.End(label, 9, t.Glyphs.Ellipsis), safetext.Line(f.Checksum.Value))
		if f.Checksum.Type == "COMPOSITE" {
			pair("", t.Muted.Paint("composite, by parts"))
		}
	} else {
		pair("Checksum", t.Muted.Paint("none stored"))
	}
	whole("ETag", strings.Trim(safetext.Line(f.ETag), `"`))
	if f.Version != "" {
		whole("Version", safetext.Line(f.Version))
	}
	if f.ContentType != "" {
		whole("Type", safetext.Line(f.ContentType))
	}
	if f.Parts != nil {
		whole("Parts", quantity.Plural(f.Parts.Count, "part", "parts"))
	}
}

// nameLines draws a name on up to most lines. The table truncates long names.
func nameLines(t *theme.Theme, name safetext.Text, w, most int) []string {
	s := name.Distinct()
	var lines []string
	for len(lines) < most-1 && format.Width(s) > w {
		head := cells.Truncate(s, w, "")
		if head == "" {
			break
		}
		if n := breakAt(head, s); n > len(head)/2 {
			head = head[:n]
		}
		lines = append(lines, t.Text.Bold().Paint(head))
		s = s[len(head):]
	}
	return append(lines, t.Text.Bold().Paint(format.Middle(s, w, t.Glyphs.Ellipsis)))
}

// breakAt returns the length of the start of a name, at most that of head, after which
// a new line splits neither a word nor the extension; 0 if there is none.
func breakAt(head, name string) int {
	n := strings.LastIndexAny(head, " -_/") + 1
	if dot := strings.LastIndexByte(name, '.'); dot <= len(head) {
		n = max(n, dot)
	}
	return n
}

// long returns the kind of a file in words.
func long(e Entry) string {
	switch k := kindOf(e.Name.Raw()); k {
	case "PDF", "Word", "Excel":
		return k + " document"
	case "file":
		return "file"
	default:
		return k + " file"
	}
}
