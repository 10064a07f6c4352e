// Package tui is the full-screen program: sign-in, the file browser, transfers
// and further pages, in one Bubble Tea model.
//
// Model is the only tea.Model. It owns size, focus, theme, the status line,
// the session and at most one dialog, and routes: a key goes to the dialog,
// else to the text field that is open, else to the page in front, else to the
// bindings that hold everywhere. Results go to their owner by type, whatever page
// has the focus. The pages are plain structs (package pane); the parts they share
// to draw with is in theme, format, rows and keys.
//
// Update and View do no I/O and read no clock: that happens in commands, and
// a test counts. Text that others wrote is a safetext.Text from the moment a
// message is made of it.
//
// The package leaves calls to client, sign-in steps and tokens to session,
// bytes to client/download, and the audit log to a page that is handed in.
package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/tui/browse"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/theme"
	"usher/tui/transfers"
)

// Least is the smallest window that the program draws in.
const (
	leastWidth  = 72
	leastHeight = 18
)

// Model is the program. See New.
type Model struct {
	deps      Deps
	env       *pane.Env
	w, h      int
	dark      theme.Options
	asked     bool // the terminal's background color is still to come
	signin    *signin.Page
	browse    *browse.Pane
	transfers *transfers.Pane
	stack     []pane.Pane // pages over the browser
	dialog    dialog.Dialog
	say       pane.Say
	session   state
	hands     uint64 // counts whom the engine works for
	armed     bool   // ctrl+c was pressed a moment ago
	leaving   bool
}

// New builds the program. It does nothing until Init.
func New(d Deps) (*Model, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	sets := d.Keys
	if sets == nil {
		sets = keys.Default()
	}
	table, err := keys.New(sets...)
	if err != nil {
		return nil, err
	}
	if d.Zone == nil {
		d.Zone = time.Local
	}
	o := theme.Options{Dark: darkAtFirst(d), ASCII: d.ASCII, Profile: colorprofile.ANSI256}
	m := &Model{deps: d, dark: o, asked: d.Theme == ""}
	m.env = &pane.Env{Theme: theme.New(o), Keys: table, Zone: d.Zone, Jump: d.SSH, Me: &pane.Me{Online: true}}
	if err := m.build(); err != nil {
		return nil, err
	}
	if d.HasSession {
		m.session.phase = m.session.phase.after(signedIn)
	}
	return m, nil
}

// build makes the pages.
func (m *Model) build() (err error) {
	d := m.deps
	m.signin, err = signin.New(signin.Deps{
		Env: m.env, New: d.NewSignIn, Store: d.SignedIn, Server: d.Server,
		Organisation: d.Organisation, Version: d.Version, User: d.User, Demo: d.Demo,
	})
	if err != nil {
		return err
	}
	m.transfers, err = transfers.New(transfers.Deps{
		Env: m.env, Engine: d.Transfers, Lister: d.Backend, Server: d.Server, Dir: d.DownloadDir, Home: d.Home,
		FreeSpace: d.FreeSpace,
	})
	if err != nil {
		return err
	}
	m.browse, err = m.newBrowser()
	return err
}

func (m *Model) newBrowser() (*browse.Pane, error) {
	d := m.deps
	return browse.New(browse.Deps{
		Env: m.env, Backend: d.Backend, Server: d.Server, Now: d.Now, Read: d.Read, Local: m.localCheck, Transfer: m.transfer,
		Touched: func() safetext.Text { return m.shut(keys.OpenAudit) },
		Explain: func() bool { return m.shut(keys.Why).IsZero() },
	})
}

// darkAtFirst guesses until the terminal answers: dark, unless COLORFGBG names
// a light background.
func darkAtFirst(d Deps) bool {
	switch d.Theme {
	case "light":
		return false
	case "dark":
		return true
	}
	bg := d.Background[strings.LastIndexByte(d.Background, ';')+1:]
	return bg != "7" && bg != "15"
}

// Init starts the calls that the first frame does not wait for.
func (m *Model) Init() tea.Cmd {
	cmds := []tea.Cmd{m.beat()}
	if m.asked {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	if m.session.phase.browsing() {
		cmds = append(cmds, m.whoami(), m.browse.Start(m.deps.Start), m.transfers.Look(), m.unfinished(false))
	}
	return tea.Batch(cmds...)
}

// Update routes a message to its owner. A question that waited for another one
// to close comes after it.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	was := m.dialog
	_, cmd := m.route(msg)
	return m, tea.Batch(cmd, m.resume(was))
}

func (m *Model) route(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		return m, nil
	case tea.KeyPressMsg:
		return m, m.press(msg)
	case tea.PasteMsg:
		return m, m.paste(msg)
	case tea.ColorProfileMsg:
		m.dark.Profile = msg.Profile
		return m, m.restyle()
	case tea.BackgroundColorMsg:
		return m, m.background(msg.IsDark())
	case dialog.Show:
		m.dialog = msg.Dialog
		return m, nil
	case dialog.Hide:
		if m.dialog == msg.Dialog {
			m.dialog = nil
		}
		return m, nil
	case pane.Say:
		m.say = msg
		return m, nil
	case pane.Close:
		m.stack = m.stack[:max(0, len(m.stack)-1)]
		return m, nil
	case pane.Open:
		return m, m.open(msg)
	case pane.GoTo:
		m.stack = nil
		return m, m.browse.Handle(msg)
	case pane.Copy:
		return m, m.copy(msg)
	case pane.Failed:
		return m, m.failed(msg.Err)
	case pane.Answered:
		m.env.Me.Online = true
		return m, nil
	case browse.Download:
		return m, m.transfers.Wanted(items(msg.Entries))
	case transfers.Begun:
		m.browse.Unmark()
		return m, nil
	case transfers.Moved:
		return m, m.browse.Relook()
	case transfers.Ticked:
		cmd := m.transfers.Handle(msg)
		return m, tea.Batch(cmd, m.browse.Progress())
	case run:
		return m, m.act(msg.action)
	}
	if cmd, mine := m.sessionMessage(msg); mine {
		return m, cmd
	}
	return m, m.everybody(msg)
}

// everybody offers a message to each page; its owner knows it by type.
func (m *Model) everybody(msg tea.Msg) tea.Cmd {
	cmds := []tea.Cmd{m.signin.Handle(msg), m.browse.Handle(msg), m.transfers.Handle(msg)}
	for _, p := range m.stack {
		if p != pane.Pane(m.transfers) {
			cmds = append(cmds, p.Handle(msg))
		}
	}
	if m.dialog != nil {
		cmds = append(cmds, m.dialog.Handle(msg))
	}
	return tea.Batch(cmds...)
}

// front is the page that has the keys.
func (m *Model) front() pane.Pane {
	if n := len(m.stack); n > 0 {
		return m.stack[n-1]
	}
	return m.browse
}

// restyle rewrites the theme in place.
func (m *Model) restyle() tea.Cmd {
	*m.env.Theme = *theme.New(m.dark)
	return m.everybody(pane.Restyled{})
}

// background takes the terminal's answer. Only after it, over SSH, is asked
// whether frames can be synchronized, which Bubble Tea does not do there.
func (m *Model) background(dark bool) tea.Cmd {
	m.asked = false
	var sync tea.Cmd
	if m.deps.SSH {
		sync = tea.Raw(ansi.RequestModeSynchronizedOutput)
	}
	if m.leaving {
		return tea.Quit
	}
	if m.deps.Theme != "" {
		return sync
	}
	m.dark.Dark = dark
	return tea.Batch(m.restyle(), sync)
}

// setTheme is the person's choice; the terminal is not asked any more.
func (m *Model) setTheme(name string) tea.Cmd {
	m.deps.Theme = name
	m.dark.Dark = name == "dark"
	return m.restyle()
}

// open brings a page to the front.
func (m *Model) open(msg pane.Open) tea.Cmd {
	for _, p := range m.deps.Pages {
		if p.Open != msg.Page {
			continue
		}
		if why := m.shut(msg.Page); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		page, err := p.New(m.env, msg.On)
		if err != nil {
			return pane.Send(pane.Say{Text: pane.Sentence(err, m.deps.Server), Tone: pane.Bad})
		}
		m.stack = append(m.stack, page)
		if o, ok := page.(opener); ok {
			return o.Opened()
		}
		return nil
	}
	return nil
}

// shut returns the reason for which a page cannot be opened, or "".
func (m *Model) shut(a keys.Action) safetext.Text {
	for _, p := range m.deps.Pages {
		if p.Open == a {
			if m.env.Me.In(p.Group) {
				return safetext.Text{}
			}
			return safetext.New("The " + p.Name + " needs group " + p.Group.Raw() + ". Ask your administrator.")
		}
	}
	return safetext.New("There is no such page here.")
}

// has reports whether a page exists at all.
func (m *Model) has(a keys.Action) bool {
	for _, p := range m.deps.Pages {
		if p.Open == a {
			return true
		}
	}
	return false
}

func (m *Model) copy(c pane.Copy) tea.Cmd {
	m.say = pane.Say{Text: safetext.New("Sent to the clipboard: " + c.Text.Raw())}
	return tea.SetClipboard(c.Text.String())
}

func (m *Model) paste(msg tea.PasteMsg) tea.Cmd {
	switch {
	case m.dialog != nil:
		return m.dialog.Handle(msg)
	case !m.session.phase.browsing():
		return m.signin.Handle(msg)
	case m.front().Typing():
		return m.front().Handle(msg)
	}
	return nil
}
