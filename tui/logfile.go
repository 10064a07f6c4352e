package tui

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/tui/audit"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/help"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// LogFileDeps is the dependencies of the page of a log in a file. Log, Name, Verify and
// Now are required.
type LogFileDeps struct {
	Log    audit.Backend
	Name   string // of the file
	Filter string // of the first events
	// Verify verifies the file, and returns its first fault, or a text about the whole
	// file. It can take minutes.
	Verify func(context.Context) (fault, text string)
	// Sent returns the word of S3 about groups of events. Optional.
	Sent func(ctx context.Context, by []event.By, filter string) (func(keys []string) string, error)
	Now  func() time.Time // the end of the log's last hours

	Theme      string              // "dark", "light", or "" to query the terminal
	Background string              // COLORFGBG
	ASCII, SSH bool                // as in Deps
	Still      bool                // as in Deps
	Mouse      bool                // as in Deps
	Lines      bool                // as in Deps
	Remap      map[string][]string // as in Deps
	Zone       *time.Location      // optional; of local times
}

// Terminal returns d with the properties of a terminal, by its environment.
func (d LogFileDeps) Terminal(getenv func(string) string, theme string, s Screen) LogFileDeps {
	d.Theme, d.Background, d.ASCII = theme, getenv("COLORFGBG"), ascii(getenv, s.Glyphs)
	d.Still, d.Mouse, d.Lines, d.Remap = s.Still, s.Mouse, s.Lines, s.Keys
	d.SSH = getenv("SSH_TTY") != "" || getenv("SSH_CONNECTION") != ""
	return d
}

// LogFile is a program with one page: the audit log of a file. It has no server, no
// sign-in and no transfers.
type LogFile struct {
	deps    LogFileDeps
	env     *pane.Env
	page    *audit.Pane
	w, h    int
	dark    theme.Options
	dialogs dialogs
	typed   typed
	say     pane.Say
	last    keys.Action // of the last key
}

// NewLogFile returns the program. Nothing runs until Init.
func NewLogFile(d LogFileDeps) (*LogFile, error) {
	if d.Log == nil || d.Name == "" || d.Verify == nil || d.Now == nil {
		return nil, errors.New("opening a log: the log, its name, the verification or the clock is missing")
	}
	table, err := remapped(keys.Default(), d.Remap)
	if err != nil {
		return nil, err
	}
	if d.Zone == nil {
		d.Zone = time.Local
	}
	o := theme.Options{Dark: darkAtFirst(Deps{Theme: d.Theme, Background: d.Background}), ASCII: d.ASCII, Profile: colorprofile.ANSI256}
	m := &LogFile{deps: d, dark: o}
	m.env = &pane.Env{Theme: theme.New(o), Keys: table, Zone: d.Zone, Jump: d.SSH, Still: d.Still, Me: &pane.Me{Online: true}}
	m.page, err = audit.New(audit.Deps{
		Env: m.env, Backend: d.Log, Now: d.Now, Standing: d.standing, Sent: d.Sent, File: true,
		On: pane.Target{Filter: safetext.New(d.Filter)},
	})
	return m, err
}

// standing verifies the file for the head of the page.
func (d LogFileDeps) standing(ctx context.Context) (audit.Standing, error) {
	fault, text := d.Verify(ctx)
	return audit.Standing{Finding: safetext.New(fault), Text: safetext.New(text)}, nil
}

// Init requests the first events. The first frame does not wait for them.
func (m *LogFile) Init() tea.Cmd {
	if m.deps.Theme == "" {
		return tea.Batch(m.page.Opened(), tea.RequestBackgroundColor)
	}
	return m.page.Opened()
}

// Update handles the terminal and the keys, and passes all other messages on.
func (m *LogFile) Update(msg tea.Msg) (tea.Model, tea.Cmd) { return m, m.typed.update(msg, m) }

func (m *LogFile) message(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.ColorProfileMsg:
		m.dark.Profile = depth(msg.Profile, m.deps.SSH)
		return m.restyle()
	case tea.BackgroundColorMsg:
		if m.deps.Theme == "" {
			m.dark.Dark = msg.IsDark()
			return m.restyle()
		}
	case pane.Say:
		m.say = msg
	case pane.Copy:
		m.say = pane.Say{Text: safetext.New(copyLead(m.deps.Lines) + msg.Text.Raw())}
		return tea.SetClipboard(msg.Text.String())
	case pane.Close: // esc goes back, and never quits
		if m.last == keys.Quit {
			return tea.Quit
		}
		m.say = pane.Say{Text: safetext.New("This is the only page. " + m.env.Keys.Shown(m.page.Context(), keys.Quit) + " ends usher.")}
	case dialog.Show:
		m.dialogs.show(msg.Dialog)
	case dialog.Hide:
		m.dialogs.hide(msg.Dialog)
	case run:
		return m.act(msg.action)
	default:
		return tea.Batch(m.page.Handle(msg), m.dialogs.handle(msg))
	}
	return nil
}

func (m *LogFile) restyle() tea.Cmd {
	*m.env.Theme = *theme.New(m.dark)
	return m.page.Handle(pane.Restyled{})
}

func (m *LogFile) small() bool { return m.w < leastWidth || m.h < leastHeight }

// press routes a key press: to the dialog, the text field, or a binding.
func (m *LogFile) press(msg tea.KeyPressMsg) tea.Cmd {
	key, cmd := msg.String(), ofTerminal(m.env, msg)
	switch {
	case key == "ctrl+c", m.small() && key == "q":
		return tea.Quit
	case cmd != nil:
		return cmd
	case m.small():
		return nil
	case m.dialogs.front() != nil:
		return m.dialogs.press(msg)
	}
	m.say = pane.Say{}
	if m.page.Typing() {
		return m.page.Key(msg)
	}
	a, ok := m.env.Keys.Find(m.page.Context(), key)
	if !ok && m.page.Context() == keys.Grouping { // any other key closes the menu, and acts
		closed := m.page.Do(keys.Back)
		if a, ok = m.env.Keys.Find(m.page.Context(), key); ok {
			return tea.Batch(closed, m.act(a))
		}
		return closed
	}
	if !ok {
		return nil
	}
	return m.act(a)
}

func (m *LogFile) act(a keys.Action) tea.Cmd {
	m.last = a
	switch a {
	case keys.Help:
		m.dialogs.show(help.NewKeys("Keys in "+where(m.page), m.env.Keys, m.page.Context(), elsewhere))
	case keys.Palette:
		m.dialogs.show(m.palette())
	case keys.Suspend:
		return tea.Suspend
	case keys.Redraw:
		return tea.ClearScreen
	case keys.Quit:
		return m.page.Do(keys.Back)
	default:
		if !elsewhere(a) {
			return m.page.Do(a)
		}
	}
	return nil
}

// elsewhere reports whether an action belongs to a page that needs a server.
func elsewhere(a keys.Action) bool {
	switch a {
	case keys.OpenTransfers, keys.OpenAudit, keys.OpenAccess, keys.Session:
		return true
	}
	return false
}

// palette lists the commands of the page.
func (m *LogFile) palette() dialog.Dialog {
	var all []help.Command
	for _, b := range m.env.Keys.All(m.page.Context()) {
		if b.Long != "" && !elsewhere(b.Action) {
			all = append(all, help.Command{Name: b.Long, Key: b.Shown(), Run: pane.Send(run{b.Action}), Off: m.page.Why(b.Action)})
		}
	}
	return help.NewPalette(all, help.Path{})
}

// View draws the whole window.
func (m *LogFile) View() tea.View {
	v := tea.NewView("")
	v.AltScreen, v.WindowTitle = true, "usher"
	switch {
	case m.w == 0:
		return v
	case m.small():
		v.Content = tooSmall(m.env.Theme, m.w, m.h, nil)
		return v
	}
	t, w := m.env.Theme, m.w-2
	name := t.Muted.Paint(format.Middle(line(m.deps.Name), max(8, w/2), t.Glyphs.Ellipsis))
	top := t.Accent.Bold().Paint("usher") + "  " + place(t, m.page.Title(), w-len("usher  ")-2-format.Width(line(m.deps.Name)))
	body := m.page.View(m.w, m.h-3)
	left, right := m.page.Status(m.w)
	if !m.say.Text.IsZero() {
		left = pane.Name(t, m.say.Tone.Style(t), m.say.Text, w, format.End)
	}
	v.Content = strings.Join([]string{
		" " + format.Ends(top, name, w, t.Glyphs.Ellipsis) + " ", body,
		" " + format.Ends(left, right, w, t.Glyphs.Ellipsis) + " ", " " + keyLine(m.env, m.page, w, elsewhere),
	}, "\n")
	if v.Cursor = m.page.Cursor(); v.Cursor != nil {
		v.Cursor.Y++
	}
	if d := m.dialogs.front(); d != nil {
		over(&v, t, d, m.w, m.h)
	}
	terminal(&v, m.deps.Still, m.deps.Mouse)
	return v
}
