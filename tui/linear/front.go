package linear

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Program is a model that describes itself.
type Program interface {
	tea.Model
	Scene() Scene
}

// The window that pages are arranged for, in cells. Nothing is drawn in it: it is wide,
// so that no text is cut, and its height is the length of a page down.
const (
	Width  = 400
	Height = 42
)

const (
	quiet   = 400 * time.Millisecond // after the last letter, before results of a text field
	patient = 300 * time.Millisecond // after a key without an effect, before the row again
)

// Front is the tea.Model of a program in lines.
type Front struct {
	program Program
	out     *Output
	last    Scene
	begun   bool
	key     uint64          // number of keys
	lines   uint64          // number of announced lines
	open    bool            // no line was printed since the last key
	typing  bool            // letters are typed: announcements wait
	quarter int             // of the downloads
	heard   map[string]bool // keys that were announced
}

// pause is the end of quiet or patient after a key.
type pause struct{ key uint64 }

// New returns a front that prints to out.
func New(p Program, out *Output) *Front {
	return &Front{program: p, out: out, heard: make(map[string]bool)}
}

// Init begins the program.
func (f *Front) Init() tea.Cmd {
	f.out.add("usher, in lines for a screen reader. ctrl+l repeats the last line, ? lists the keys, ctrl+c quits.")
	return tea.Batch(f.program.Init(), f.out.flush)
}

// View is empty: all output is lines.
func (f *Front) View() tea.View { return tea.NewView("") }

// Update passes a message on, and prints the changes.
func (f *Front) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if p, ok := msg.(pause); ok {
		return f, f.paused(p)
	}
	if _, ok := msg.(tea.WindowSizeMsg); ok {
		msg = tea.WindowSizeMsg{Width: Width, Height: Height}
	}
	if f.typing { // the typed text, for the line at its end
		if now := f.program.Scene().Field; now.Label == f.last.Field.Label {
			f.last.Field = now
		}
	}
	_, cmd := f.program.Update(msg)
	f.program.View() // pages arrange their lists when they are drawn
	var wait tea.Cmd
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		f.key++
		f.open, f.typing = true, f.last.Field.Label != "" && isText(msg)
		wait = f.wait()
	case tea.PasteMsg:
		f.key++
		f.open, f.typing = true, f.last.Field.Label != ""
		wait = f.wait()
	case tea.ResumeMsg:
		f.repeat()
	}
	f.announce()
	if !f.open {
		wait = nil
	}
	return f, tea.Batch(cmd, wait, f.out.flush)
}

// isText reports whether a key changes the text of a field.
func isText(k tea.KeyPressMsg) bool {
	return k.Text != "" || slices.Contains([]string{"backspace", "delete", "ctrl+u", "ctrl+w", "ctrl+k"}, k.String())
}

func (f *Front) wait() tea.Cmd {
	d, n := patient, f.key
	if f.typing {
		d = quiet
	}
	return tea.Tick(d, func(time.Time) tea.Msg { return pause{n} })
}

// paused announces the results of typed letters, or repeats the row after a key
// without an effect.
func (f *Front) paused(p pause) tea.Cmd {
	if p.key != f.key {
		return nil
	}
	typed := f.typing
	f.typing = false
	f.announce()
	if f.open && !typed {
		f.repeat()
	}
	return f.out.flush
}

// repeat prints the row again, else the title.
func (f *Front) repeat() {
	switch s := f.last; {
	case s.Field.Label != "":
		f.line(s.Field.opened())
	case s.Row.Text != "":
		f.line(s.Row.Text)
	default:
		f.line(s.opened())
	}
}

// opened announces a page.
func (s Scene) opened() string { return sentences(s.Title, s.State, Join(Join(s.Info...), s.Place)) }

func (f *Front) line(s string) {
	if s != "" {
		f.out.add(s)
		f.open = false
		f.lines++
	}
}

// announce prints the changes since the last scene.
func (f *Front) announce() {
	if f.typing {
		return
	}
	was, now := f.last, f.program.Scene()
	f.last = now
	turned := now.Title != was.Title || !f.begun
	ended := was.State != "" && now.State == "" && !turned // a call, which an earlier key has made
	answer := f.open || turned || ended                    // the changes may be the effect of a key
	f.begun = true
	before := f.lines
	for _, a := range now.Alerts {
		if !slices.Contains(was.Alerts, a) {
			f.line(a)
		}
	}
	f.progress(was.Progress, now.Progress)
	f.field(was.Field, now.Field)
	if turned {
		f.line(now.opened())
		was.Text, was.Lines, was.Row = nil, Lines{}, Row{}
	} else {
		if now.State != was.State {
			f.line(now.State)
		}
		if answer || len(was.Info) == 0 { // the first Info can follow a title that was announced during a call
			f.line(Join(added(was.Info, now.Info)...))
		}
	}
	for _, l := range added(was.Text, now.Text) {
		f.line(l)
	}
	for i, l := range now.Lines.Text {
		if j := i + now.Lines.From - was.Lines.From; j < 0 || j >= len(was.Lines.Text) || was.Lines.Text[j] != l {
			f.line(l)
		}
	}
	if now.Say != was.Say {
		f.line(now.Say)
	}
	if now.Row.ID != was.Row.ID || answer && now.Row.Text != was.Row.Text {
		f.line(now.Row.Text)
	}
	if now.Field.Label != was.Field.Label {
		f.line(now.Field.opened())
	}
	f.keys(was, now, answer)
	if ended && f.lines == before {
		f.repeat()
	}
}

// added returns the texts that are not among those before.
func added(was, now []string) []string {
	var out []string
	for _, s := range now {
		if !slices.Contains(was, s) {
			out = append(out, s)
		}
	}
	return out
}

// keys announces the keys of a page once, and the choices of a dialog or menu each time.
func (f *Front) keys(was, now Scene, answer bool) {
	if now.Keys == "" || !answer || now.Keys == was.Keys && now.Page == was.Page && now.Dialog == was.Dialog || f.heard[now.Keys] && !now.Choice {
		return
	}
	f.heard[now.Keys] = true
	f.line("Keys: " + now.Keys + ".")
}

// field prints the value of a field that was closed, or that a key completed.
func (f *Front) field(was, now Field) {
	switch {
	case was.Label == "" || was.Hidden:
	case now.Label == was.Label && now.Value != was.Value && f.last.Row.ID == "":
		if f.open && now.Value != "" {
			f.line(now.Label + ": " + now.Value)
		}
	case now.Label != was.Label && was.Value != "":
		f.line(was.Label + ": " + was.Value)
	}
}

// opened announces the beginning of a field.
func (f Field) opened() string {
	switch {
	case f.Label == "":
		return ""
	case f.Hidden:
		return f.Label + ", text field, letters are not shown."
	case f.Value != "":
		return f.Label + ", text field: " + f.Value
	}
	return f.Label + ", text field."
}

// progress prints the start of downloads, each quarter of them, and the reason of a halt.
func (f *Front) progress(was, now Progress) {
	switch quarter := now.Percent / 25; {
	case !now.Active:
		f.quarter = 0
		return
	case !was.Active:
		f.quarter = quarter
		f.line("Downloading: " + now.Text + ".")
	case quarter > f.quarter:
		f.quarter = quarter
		f.line(Join(percent(25*quarter), now.Text) + ".")
	}
	if now.Held != was.Held && now.Held != "" {
		f.line("Downloads: " + now.Held + ".")
	}
}
