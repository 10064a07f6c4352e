package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Checked is the result of a verification of the log from this machine. Its texts
// are safe.
type Checked struct {
	Events  int64     // of the latest checkpoint
	Root    string    // of its tree, in hexadecimal
	Key     string    // name of the key that signed it
	At      time.Time // of the check
	Before  int64     // events of the checkpoint that this machine had; 0: none
	Since   time.Time // of that checkpoint
	Witness Witnessed
	Server  *ServerCheck // the server's last verification of its whole log; nil: not known

	// Of a log that does not continue the one that this machine knows.
	Finding  safetext.Text // a sentence; the zero Text: the log continues
	Expected int64         // number of events that the log must contain
	Proof    safetext.Text // file with both signed checkpoints
}

// Witnessed is the last checkpoint that the witnesses confirmed.
type Witnessed struct {
	Policy bool // the log has witnesses
	Events int64
	At     time.Time // zero: none yet
}

// ServerCheck is a verification by the server, from the log itself.
type ServerCheck struct {
	At    time.Time
	Whole bool
	Text  safetext.Text
	Event string // id of the event with it, raw
}

// VerifyDeps is the dependencies of the page. All are required.
type VerifyDeps struct {
	Env   *pane.Env
	Check func(context.Context) (Checked, error)                  // one verification
	Save  func(context.Context, Checked) (path string, err error) // a report in a new file
	// Compare compares the log with a kept checkpoint or export.
	Compare func(ctx context.Context, path string) (Compared, error)
	Server  string // host, for sentences
}

// Verify is the page V of the log: whether the log is whole, as far as this machine
// can tell. It checks when it opens and on r, and nothing polls.
type Verify struct {
	VerifyDeps
	asking bool
	seq    uint64
	result *Checked
	wrong  safetext.Text

	choosing     bool // the field for the file is open
	field        pane.Field
	comparing    bool
	compareSeq   uint64
	compared     *Compared
	compareWrong safetext.Text
	at           int // the chosen finding
	w            int
}

// themeCursor is the style of the chosen finding.
var themeCursor = theme.Cursor(true)

type (
	checked struct {
		seq    uint64
		result Checked
		err    error
	}
	saved struct {
		path string
		err  error
	}
)

// NewVerify returns a page without a result. Opened begins the check.
func NewVerify(d VerifyDeps) (*Verify, error) {
	if d.Env == nil || d.Check == nil || d.Save == nil || d.Compare == nil {
		return nil, errors.New("audit: the environment, the check, the report or the comparison is missing")
	}
	return &Verify{VerifyDeps: d, field: pane.NewField(0)}, nil
}

// Opened begins the check.
func (p *Verify) Opened() tea.Cmd { return p.ask() }

func (p *Verify) ask() tea.Cmd {
	if p.asking {
		return nil
	}
	p.asking, p.wrong = true, safetext.Text{}
	p.seq++
	seq, check := p.seq, p.Check
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		r, err := check(ctx)
		return checked{seq, r, err}
	}
}

// Handle takes the page's own messages and ignores all others.
func (p *Verify) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case checked:
		if m.seq != p.seq {
			return nil
		}
		p.asking = false
		if m.err != nil {
			p.wrong = pane.Sentence(m.err, p.Server)
			return pane.Send(pane.Failed{Err: m.err})
		}
		p.result = &m.result
		return pane.Send(pane.Answered{})
	case comparison:
		return p.comparison(m)
	case tea.PasteMsg:
		if p.choosing {
			p.field.Take(m)
		}
	case saved:
		if m.err != nil {
			return pane.Send(pane.Say{Text: safetext.New("The report was not saved: " + m.err.Error()), Tone: pane.Bad})
		}
		return pane.Send(pane.Say{Text: safetext.New("Saved as " + m.path)})
	}
	return nil
}

// Do runs an action of the page's context.
func (p *Verify) Do(a keys.Action) tea.Cmd {
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	switch a {
	case keys.Reload, keys.VerifyAgain:
		return p.ask()
	case keys.SaveReport:
		result, save := *p.result, p.Save
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(context.Background(), askLimit)
			defer cancel()
			path, err := save(ctx, result)
			return saved{path, err}
		}
	case keys.CompareCopy:
		p.choosing = true
		p.field.Open("")
	case keys.Enter:
		return p.openFinding()
	case keys.Down:
		p.at = min(p.at+1, max(0, len(p.findings())-1))
	case keys.Up:
		p.at = max(p.at-1, 0)
	case keys.Back, keys.Quit:
		return pane.Send(pane.Close{})
	}
	return nil
}

// Why returns the reason that an action is not possible now, if it is not.
func (p *Verify) Why(a keys.Action) safetext.Text {
	switch {
	case a == keys.SaveReport && p.result == nil:
		return safetext.New("There is no result yet.")
	case a == keys.Enter && len(p.findings()) == 0:
		return safetext.New("There is no finding with an event.")
	}
	return safetext.Text{}
}

// Title returns the path for row 0.
func (p *Verify) Title() []string { return []string{"Audit log", "Verify"} }

// Context returns the bindings of the page.
func (p *Verify) Context() keys.Context { return keys.Proof }

// Hints returns the keys for the key line.
func (p *Verify) Hints() []keys.Action {
	if p.choosing {
		return nil
	}
	all := []keys.Action{keys.SaveReport, keys.CompareCopy, keys.VerifyAgain}
	if len(p.findings()) > 0 {
		all = append(all, keys.Enter)
	}
	return append(all, keys.Back, keys.Help)
}

// Status is empty: the page has everything itself.
func (p *Verify) Status(int) (left, right string) { return "", "" }

// Typing is true while the file of a copy is typed.
func (p *Verify) Typing() bool { return p.choosing }

// Key handles a key press in the field for the file.
func (p *Verify) Key(msg tea.KeyPressMsg) tea.Cmd { return p.compareKey(msg) }

// Cursor returns the position of the text cursor.
func (p *Verify) Cursor() *tea.Cursor {
	if !p.choosing {
		return nil
	}
	_, at := p.field.Visible(p.w - len(fileLabel) - 1)
	return tea.NewCursor(len(fileLabel)+at, 2)
}

// View draws exactly h lines of at most w cells.
func (p *Verify) View(w, h int) string {
	t := p.Env.Theme
	note := ""
	if p.result != nil {
		note = p.instant(p.result.At)
	}
	p.w = w
	lines := []string{t.Head("Verify the log", note, w, true)}
	if c := p.comparisonLines(w); len(c) > 0 {
		lines = append(append(lines, c...), "")
	} else {
		lines = append(lines, "")
	}
	lines = append(lines, p.findingLines(w, min(8, h/3))...)
	switch {
	case p.result == nil && !p.wrong.IsZero():
		lines = append(lines, wrapped(p.wrong.String(), w, func(s string) string { return t.Bad.Paint(s) })...)
	case p.result == nil:
		lines = append(lines, "   "+t.Muted.Paint("Verifying the log"+t.Glyphs.Ellipsis))
	default:
		lines = append(lines, p.verdict(w)...)
		if !p.wrong.IsZero() {
			lines = append(lines, "")
			lines = append(lines, wrapped(p.wrong.String(), w, func(s string) string { return t.Warn.Paint(s) })...)
		}
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	for i, l := range lines {
		lines[i] = t.Pad(l, w)
	}
	return strings.Join(lines[:h], "\n")
}

// instant returns a time in the zone of the page.
func (p *Verify) instant(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

func wrapped(text string, w int, paint func(string) string) (lines []string) {
	for _, l := range format.Wrap(text, max(20, w-6)) {
		lines = append(lines, "   "+paint(l))
	}
	return lines
}

// verdict draws the result: a sentence, the single checks, and the next steps.
func (p *Verify) verdict(w int) []string {
	t, r := p.Env.Theme, p.result
	plain := func(s string) string { return t.Text.Paint(s) }
	muted := func(s string) string { return t.Muted.Paint(s) }
	whole := p.whole()
	var lines []string
	if whole {
		lines = append(lines, " "+t.OK.Paint(t.Glyphs.Yes)+" "+t.OK.Bold().Paint("The log is whole.")+" "+
			t.Text.Paint(quantity.Plural(int(r.Events), "event", "events")+"."), "")
	} else {
		lines = append(lines, " "+t.Bad.Paint(t.Glyphs.No)+" "+t.Bad.Bold().Paint("The log is not whole.")+" "+t.Text.Paint("Do not rely on it until this is explained."), "")
	}
	for _, c := range p.checks() {
		mark, style := t.Glyphs.Yes, t.OK
		switch c.state {
		case failed:
			mark, style = t.Glyphs.No, t.Bad
		case unknown:
			mark, style = t.Glyphs.Waiting, t.Muted
		}
		label := format.PadRight(c.label, 34)
		line := " " + style.Paint(mark) + " " + t.Text.Paint(label)
		note := t.Muted
		if c.state == failed {
			note = t.Bad
		}
		lines = append(lines, line+note.Paint(format.End(c.note, max(10, w-40), t.Glyphs.Ellipsis)))
	}
	lines = append(lines, "")
	if !r.Finding.IsZero() {
		lines = append(lines, wrapped(r.Finding.String(), w, func(s string) string { return t.Bad.Paint(s) })...)
		lines = append(lines, "", t.Head("What to do", "", w, false))
		for i, step := range []string{
			"Press " + p.Env.Keys.Shown(keys.Proof, keys.SaveReport) + " to save this report. It has the checkpoint that the server shows.",
			"Send it, with the file of both checkpoints, to your security team.",
			"Compare the log with a backup: usher audit verify FILE --checkpoint FILE.",
		} {
			lines = append(lines, " "+t.Accent.Bold().Paint(fmt.Sprint(i+1))+"  "+t.Text.Paint(format.End(step, max(10, w-6), t.Glyphs.Ellipsis)))
		}
		return lines
	}
	if whole {
		lines = append(lines, wrapped("The server signed the number of its events and the root of their tree, and proved that the log contains every event of the last checkpoint of this machine.", w, plain)...)
		lines = append(lines, "")
		lines = append(lines, wrapped(p.rest(), w, muted)...)
	}
	return lines
}

// whole reports whether no check and no comparison has a finding.
func (p *Verify) whole() bool {
	r, c := p.result, p.compared
	return r.Finding.IsZero() && (r.Server == nil || r.Server.Whole) && (c == nil || c.Finding.IsZero() && len(c.Differences) == 0)
}

// rest names the part of the log that rests on the server alone.
func (p *Verify) rest() string {
	r := p.result
	switch {
	case !r.Witness.Policy:
		return "The log has no witnesses: a change of events that no machine has a checkpoint of is not found from here. usher audit verify reads the log itself."
	case r.Witness.At.IsZero():
		return "No witness has confirmed the log yet."
	case r.Witness.Events < r.Events:
		return fmt.Sprintf("Only the server confirms the %s after the last confirmation by the witnesses.", quantity.Plural(int(r.Events-r.Witness.Events), "event", "events"))
	}
	return "The witnesses confirmed every event."
}

// state of one check.
type state uint8

const (
	passed state = iota
	failed
	unknown
)

type check1 struct {
	state       state
	label, note string
}

// checks returns the single checks in a fixed order.
func (p *Verify) checks() []check1 {
	r := p.result
	signed := check1{passed, "Checkpoint signed", "key " + r.Key}
	before := check1{passed, "Contains the checkpoint before", fmt.Sprintf("%s of %s", quantity.Plural(int(r.Before), "event", "events"), p.instant(r.Since))}
	if r.Before == 0 {
		before = check1{unknown, before.label, "the first check of this machine"}
	}
	if !r.Finding.IsZero() {
		before.state, before.note = failed, fmt.Sprintf("%s are expected", quantity.Plural(int(r.Expected), "event", "events"))
	}
	witness := check1{unknown, "Confirmed by witnesses", "the log has none"}
	switch {
	case r.Witness.Policy && r.Witness.At.IsZero():
		witness.note = "not yet"
	case r.Witness.Policy:
		witness = check1{passed, witness.label, fmt.Sprintf("%s at %s", quantity.Plural(int(r.Witness.Events), "event", "events"), p.instant(r.Witness.At))}
	}
	server := check1{unknown, "Every event read by the server", "not in the last events of the log"}
	if s := r.Server; s != nil {
		server.state, server.note = passed, p.instant(s.At)+": "+s.Text.String()
		if !s.Whole {
			server.state = failed
		}
	}
	return []check1{signed, before, witness, server}
}

// Report returns the report of a result as text.
func (c Checked) Report(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Verification of the audit log of %s at %s\n\nevents %d\nroot   %s\nkey    %s\n", safetext.Line(host), c.At.UTC().Format(time.RFC3339), c.Events, c.Root, c.Key)
	if c.Before > 0 {
		fmt.Fprintf(&b, "contains the checkpoint of %d events of %s\n", c.Before, c.Since.UTC().Format(time.RFC3339))
	}
	if !c.Witness.At.IsZero() {
		fmt.Fprintf(&b, "confirmed by the witnesses: %d events at %s\n", c.Witness.Events, c.Witness.At.UTC().Format(time.RFC3339))
	}
	if c.Server != nil {
		fmt.Fprintf(&b, "verified by the server at %s: %s\n", c.Server.At.UTC().Format(time.RFC3339), c.Server.Text)
	}
	if !c.Finding.IsZero() {
		fmt.Fprintf(&b, "\nFINDING\n%s\nexpected events: %d\nfile with both checkpoints: %s\n", c.Finding, c.Expected, c.Proof)
	}
	return b.String()
}

var _ pane.Pane = (*Verify)(nil)
