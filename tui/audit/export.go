package audit

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Exporter writes the events of a filter to a file, with their proof. Both functions
// are required.
type Exporter struct {
	Name func() string // proposed path of the next export
	Run  func(context.Context, Export) (Exported, error)
}

// Export is an order for an Exporter.
type Export struct {
	Filter   string // raw
	Path     string
	Complete bool // with all events of the range of the filter's times
	Progress func(Progress)
}

// Progress is the progress of an export.
type Progress struct {
	Stage       string
	Done, Total int64
	Events      int64 // that match, as far as they are counted
}

// Exported is the result of an export.
type Exported struct {
	Path             string
	Matches, Events  int64
	Size, Checkpoint int64 // bytes; events of the log
}

// export is the view of an export: its form, its progress and its result.
type export struct {
	field    pane.Field
	complete bool
	cancel   context.CancelFunc // nil: not under way
	progress *atomic.Pointer[Progress]
	done     *Exported
	problem  string
}

// exported is the message with the result of an export.
type exported struct {
	of   *export
	done Exported
	err  error
}

// Format keeps untrusted text out of all output.
func (e exported) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "exported, failed: %t", e.err != nil)
}

// namedFile is the message with the proposed path.
type namedFile struct {
	of   *export
	path string
}

// openExport opens the form.
func (p *Pane) openExport() tea.Cmd {
	x := &export{field: pane.NewField(0)}
	p.export = x
	name := p.Exporter.Name
	return func() tea.Msg { return namedFile{x, name()} }
}

// named fills the form.
func (x *export) named(path string) {
	if x.field.Value() == "" {
		x.field.Open(path)
	}
}

// typing reports whether the form is open.
func (x *export) typing() bool { return x.cancel == nil && x.done == nil }

// exportKey handles a key press in the form.
func (p *Pane) exportKey(msg tea.KeyPressMsg) tea.Cmd {
	x := p.export
	switch msg.String() {
	case "esc":
		p.export = nil
	case "tab":
		x.complete = !x.complete
	case "enter":
		return p.startExport()
	case "ctrl+u":
		x.field.Set("")
	default:
		x.field.Take(msg)
		x.problem = ""
	}
	return nil
}

// startExport begins the export.
func (p *Pane) startExport() tea.Cmd {
	x := p.export
	path := strings.TrimSpace(x.field.Value())
	if path == "" {
		x.problem = "Type the path of a new file."
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	progress := &atomic.Pointer[Progress]{}
	x.cancel, x.progress, x.problem = cancel, progress, ""
	order := Export{Filter: p.filter, Path: path, Complete: x.complete, Progress: func(now Progress) { progress.Store(&now) }}
	run := p.Exporter.Run
	return tea.Batch(after(tickEvery, ticked{x}), func() tea.Msg {
		defer cancel()
		done, err := run(ctx, order)
		return exported{x, done, err}
	})
}

// exported handles the result of an export.
func (p *Pane) exported(m exported) tea.Cmd {
	x := m.of
	x.cancel = nil
	if p.export != x {
		return nil
	}
	if m.err != nil {
		x.problem = p.sentence(m.err)
		return pane.Send(pane.Failed{Err: m.err})
	}
	x.done = &m.done
	return pane.Send(pane.Answered{})
}

// doExport runs an action while an export runs or is complete. Leaving the view
// cancels the export, which then leaves no file.
func (p *Pane) doExport(a keys.Action) tea.Cmd {
	switch a {
	case keys.Back, keys.Quit:
		x := p.export
		p.export = nil
		if x.cancel != nil {
			x.cancel()
			return pane.Send(pane.Say{Text: safetext.New("The export was canceled. There is no file of it.")})
		}
	}
	return nil
}

const exportLabel = 12

// path draws the path of the file: the part with the text cursor, or its end.
func (x *export) path(p *Pane, w int) string {
	room := max(1, w-exportLabel-2)
	if !x.typing() {
		return format.Start(x.field.Shown(), room, p.Env.Theme.Glyphs.Ellipsis)
	}
	text, _ := x.field.Visible(room)
	return text
}

// view draws the export: exactly h lines of at most w cells.
func (x *export) view(p *Pane, w, h int) string {
	t := p.Env.Theme
	label := func(s string) string { return " " + t.Muted.Paint(format.PadRight(s, exportLabel)) }
	filter := p.paint(p.filter)
	if p.filter == "" {
		filter = t.Text.Paint("all events")
	}
	whole := "no; tab adds its other events, to run the filter again"
	if x.complete {
		whole = "yes; the filter can run again on the exported events"
	}
	lines := []string{t.Head("Export the events with their proof", "", w, true), "",
		label("Filter") + filter,
		label("File") + x.path(p, w),
		label("Whole range") + t.Text.Paint(whole), ""}
	add := func(paint func(string) string, text string) {
		for _, l := range format.Wrap(text, max(20, w-4)) {
			lines = append(lines, " "+paint(l))
		}
	}
	switch {
	case x.cancel != nil:
		lines = append(lines, x.bar(p, w)...)
		add(func(s string) string { return t.Muted.Paint(s) }, "The file appears when it is complete and verified. esc cancels the export.")
	case x.done != nil:
		add(func(s string) string { return t.OK.Bold().Paint(s) }, "Exported "+quantity.Plural(x.done.Matches, "event", "events")+" of this filter.")
		add(func(s string) string { return t.Text.Paint(s) }, fmt.Sprintf("%s has %s in %s, with the checkpoint of %s and their proofs. It was verified. The export is an event of the log.",
			safetext.Line(x.done.Path), quantity.Plural(x.done.Events, "event", "events"), quantity.Size(x.done.Size), quantity.Plural(x.done.Checkpoint, "event", "events")))
	case x.problem != "":
		add(func(s string) string { return t.Bad.Paint(s) }, x.problem)
	default:
		add(func(s string) string { return t.Muted.Paint(s) },
			"One file with the events as they were hashed, a table for spreadsheets, the signed checkpoint, the proofs and a manual. usher audit verify FILE verifies it without this server.")
	}
	for i, l := range lines {
		lines[i] = t.Pad(l, w)
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return strings.Join(lines[:h], "\n")
}

// bar draws the progress.
func (x *export) bar(p *Pane, w int) []string {
	t := p.Env.Theme
	now := x.progress.Load()
	if now == nil {
		return []string{" " + t.Muted.Paint("Beginning"+t.Glyphs.Ellipsis), ""}
	}
	text := safetext.Line(now.Stage)
	share := 0.0
	if now.Total > 0 {
		share = min(1, float64(now.Done)/float64(now.Total))
		text += fmt.Sprintf("  %d%%  %s of %s", int(100*share), quantity.Count(now.Done), quantity.Plural(now.Total, "event", "events"))
	}
	if now.Events > 0 {
		text += "  " + quantity.Count(now.Events) + " match"
	}
	return []string{" " + t.Bar(max(10, min(40, w-4)), share, t.Accent), " " + t.Text.Paint(format.End(text, w-2, t.Glyphs.Ellipsis)), ""}
}

// cursor returns the position of the text cursor in the form.
func (x *export) cursor(w int) *tea.Cursor {
	if !x.typing() {
		return nil
	}
	_, at := x.field.Visible(max(1, w-exportLabel-2))
	return tea.NewCursor(1+exportLabel+at, 3)
}
