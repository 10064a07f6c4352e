// Package tui is the full-screen program: sign-in, the file browser, transfers
// and further pages, in one Bubble Tea model.
//
// Model is the tea.Model of a server; LogFile has the page of a log in a file, without
// one. Model owns the size, the focus, the theme, the status
// line, the session and the dialogs. A key press goes to the dialog in front, else
// to the open text field, else to the page in front, else to the bindings of
// keys.Everywhere. A message goes to the page that owns its type. Pages are plain
// structs (package pane) and share the packages theme, format, rows and keys.
//
// Update and View do no I/O and read no clock: commands do, and a test counts
// their calls. Untrusted text becomes a safetext.Text when a message is made.
//
// Package client makes the calls, session signs in and stores tokens, and
// client/download transfers bytes. The audit log is a page in Deps.
package tui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/browse"
	"usher/tui/compare"
	"usher/tui/copymenu"
	"usher/tui/dialog"
	"usher/tui/history"
	"usher/tui/keys"
	"usher/tui/marks"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/theme"
	"usher/tui/transfers"
	"usher/tui/versions"
)

// The smallest window that the program draws in, in cells.
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
	asked     bool // the background color of the terminal is not known yet
	signin    *signin.Page
	browse    *browse.Pane
	transfers *transfers.Pane
	stack     []pane.Pane // pages over the browser
	dialogs   dialogs
	leave     dialog.Dialog // the question before a quit or a sign-out
	typed     typed
	say       pane.Say
	session   state
	log       logState
	refusal   copymenu.Refusal // the last one of a call
	owner     uint64           // incremented when the engine may work for another person
	armed     bool             // ctrl+c was pressed within the last second
	leaving   bool
}

// New returns the program. Nothing runs until Init.
func New(d Deps) (*Model, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	sets := d.Keys
	if sets == nil {
		sets = keys.Default()
	}
	table, err := remapped(sets, d.Remap)
	if err != nil {
		return nil, err
	}
	if d.Zone == nil {
		d.Zone = time.Local
	}
	o := theme.Options{Dark: darkAtFirst(d), ASCII: d.ASCII, Profile: colorprofile.ANSI256}
	m := &Model{deps: d, dark: o, asked: d.Theme == "" && !d.Lines}
	m.env = &pane.Env{Theme: theme.New(o), Keys: table, Zone: d.Zone, Jump: d.SSH, Still: d.Still, Lines: d.Lines, Me: &pane.Me{Online: true}}
	if err := m.build(); err != nil {
		return nil, err
	}
	if d.HasSession {
		m.session.phase = m.session.phase.after(signedIn)
	}
	return m, nil
}

// build creates the pages.
func (m *Model) build() (err error) {
	d := m.deps
	m.signin, err = signin.New(signin.Deps{
		Env: m.env, New: d.NewSignIn, Store: d.SignedIn, Server: d.Server,
		Organisation: d.Organisation, Version: d.Version, User: d.User, Demo: d.Demo,
		Service: d.Service, Ways: d.Ways, Other: d.Other, First: d.FirstWay,
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
	if past := d.History; past != nil {
		m.deps.Pages = append(slices.Clone(d.Pages), Page{Open: keys.OldOnes, Name: "history", New: func(env *pane.Env, _ pane.Target) (pane.Pane, error) {
			return history.New(env, past)
		}})
	}
	m.browse, err = m.newBrowser()
	return err
}

func (m *Model) newBrowser() (*browse.Pane, error) {
	d := m.deps
	return browse.New(browse.Deps{
		Env: m.env, Backend: d.Backend, Server: d.Server, Home: d.Home, Now: d.Now, Local: m.localCheck, Transfer: m.transfer,
		Reads:   func() bool { return m.hasPage(keys.Read) },
		Touched: func() safetext.Text { return m.whyClosed(keys.OpenAudit) },
		Explain: func() bool { return m.whyClosed(keys.Why).IsZero() }, Requests: d.Requests != nil,
	})
}

// darkAtFirst is the guess until the terminal responds: dark, unless COLORFGBG
// names a light background.
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

// Init returns the first calls. The first frame does not wait for them.
func (m *Model) Init() tea.Cmd {
	cmds := []tea.Cmd{m.beat()}
	if m.asked {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	if m.session.phase.browsing() {
		cmds = append(cmds, m.whoami(), m.start(m.deps.Start, m.deps.Resume), m.transfers.Look(), m.unfinished(false))
	}
	return tea.Batch(cmds...)
}

// Update routes a message to its owner. It then opens the dialog about unfinished
// transfers, if no other dialog is open.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	return m, tea.Batch(m.typed.update(msg, m), m.resume())
}

func (m *Model) message(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		return nil
	case tea.ColorProfileMsg:
		m.dark.Profile = depth(msg.Profile, m.deps.SSH)
		return m.restyle()
	case tea.BackgroundColorMsg:
		return m.background(msg.IsDark())
	case dialog.Show:
		m.show(msg.Dialog)
		return nil
	case dialog.Hide:
		m.dialogs.hide(msg.Dialog)
		return nil
	case pane.Say:
		m.say = msg
		return nil
	case pane.Close:
		m.stack = m.stack[:max(0, len(m.stack)-1)]
		return nil
	case pane.Open:
		return m.open(msg)
	case pane.GoTo, pane.Typed:
		m.stack = nil
		return m.browse.Handle(msg)
	case pane.Copy:
		return m.copy(msg)
	case copymenu.Request:
		return m.copyOf(msg)
	case copymenu.Result:
		return m.copied(msg)
	case pane.Failed:
		m.noteRefusal(msg)
		return m.failed(msg.Err)
	case pane.Answered:
		m.env.Me.Online = true
		return nil
	case browse.ShowVersions:
		return m.showVersions(msg.File)
	case browse.Compare:
		return m.compare(msg.Folder)
	case compare.Fetch:
		return m.transfers.Start(msg.Items)
	case versions.Fetch:
		return m.transfers.Start([]transfers.Item{msg.Item})
	case browse.RequestAccess:
		return m.requestAccess(msg)
	case browse.ShowMarks:
		m.stack = append(m.stack, marks.New(m.env, m.browse))
		return nil
	case marks.OpenSets:
		m.stack = append(m.stack, marks.NewSets(m.env, m.browse))
		return nil
	case browse.Download:
		return m.transfers.Start(items(msg.Entries))
	case browse.Arrived:
		return m.arrived(msg)
	case transfers.Ended:
		return m.signal(msg.Text)
	case transfers.Started:
		m.browse.Unmark()
		return nil
	case transfers.FolderChanged:
		return m.browse.RecheckLocal()
	case transfers.Refreshed:
		silent := m.transfers.Silent()
		m.transfers.Front(m.front() == pane.Pane(m.transfers))
		cmd := m.transfers.Handle(msg)
		return tea.Batch(cmd, m.browse.Progress(), m.doubt(silent))
	case run:
		return m.act(msg.action)
	case logChecked:
		return m.logChecked(msg)
	}
	if cmd, mine := m.sessionMessage(msg); mine {
		return cmd
	}
	return m.broadcast(msg)
}

// broadcast passes a message to each page. Its owner recognizes it by type.
func (m *Model) broadcast(msg tea.Msg) tea.Cmd {
	cmds := []tea.Cmd{m.signin.Handle(msg), m.browse.Handle(msg), m.transfers.Handle(msg)}
	for _, p := range m.stack {
		if p != pane.Pane(m.transfers) {
			cmds = append(cmds, p.Handle(msg))
		}
	}
	cmds = append(cmds, m.dialogs.handle(msg))
	return tea.Batch(cmds...)
}

// show opens a dialog over the others. None of them covers a sign-in: it opens after it.
func (m *Model) show(d dialog.Dialog) {
	if m.session.phase.interrupted() {
		m.dialogs.keep(d)
		return
	}
	m.dialogs.show(d)
}

// front is the page in front, which handles the keys.
func (m *Model) front() pane.Pane {
	if n := len(m.stack); n > 0 {
		return m.stack[n-1]
	}
	return m.browse
}

// restyle updates the theme in place.
func (m *Model) restyle() tea.Cmd {
	*m.env.Theme = *theme.New(m.dark)
	return m.broadcast(pane.Restyled{})
}

// depth returns the colors to use: over SSH at most 256, because each change of a color
// then has half the bytes.
func depth(p colorprofile.Profile, ssh bool) colorprofile.Profile {
	if ssh {
		return min(p, colorprofile.ANSI256)
	}
	return p
}

// background handles the response of the terminal. Over SSH it then queries the
// support of synchronized frames, which Bubble Tea does not do there.
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

// setTheme applies the person's choice. It replaces the terminal's.
func (m *Model) setTheme(name string) tea.Cmd {
	m.deps.Theme = name
	m.dark.Dark = name == "dark"
	keep := m.deps.SaveTheme
	if keep == nil {
		return m.restyle()
	}
	return tea.Batch(m.restyle(), func() tea.Msg {
		if err := keep(name); err != nil {
			return pane.Say{Text: pane.Safe("The theme is not kept: " + err.Error()), Tone: pane.Warning}
		}
		return nil
	})
}

// open brings a page to the front.
func (m *Model) open(msg pane.Open) tea.Cmd {
	for _, p := range m.deps.Pages {
		if p.Open != msg.Page {
			continue
		}
		if why := m.whyClosed(msg.Page); !why.IsZero() {
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
	return pane.Send(pane.Say{Text: m.whyClosed(msg.Page), Tone: pane.Warning})
}

// compare opens the comparison of a folder with its local copy.
func (m *Model) compare(folder api.Path) tea.Cmd {
	page, err := compare.New(compare.Deps{Env: m.env, Backend: m.deps.Backend, Server: m.deps.Server, Folder: folder, Root: m.transfers.Dir, Look: m.transfers.Local()})
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Safe(err.Error()), Tone: pane.Bad})
	}
	m.stack = append(m.stack, page)
	return page.Opened()
}

// showVersions opens the versions of a file.
func (m *Model) showVersions(file browse.Entry) tea.Cmd {
	page, err := versions.New(versions.Deps{Env: m.env, Backend: m.deps.Backend, Server: m.deps.Server, File: file})
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Safe(err.Error()), Tone: pane.Bad})
	}
	m.stack = append(m.stack, page)
	return page.Opened()
}

// whyClosed returns the reason that a page cannot be opened, the zero Text if it can.
func (m *Model) whyClosed(a keys.Action) safetext.Text {
	for _, p := range m.deps.Pages {
		if p.Open == a {
			if m.env.Me.In(p.Group) || !p.Or.IsZero() && m.env.Me.In(p.Or) {
				return safetext.Text{}
			}
			if m.env.Me.Name.IsZero() {
				return safetext.New("The server has not sent your groups yet. Press the key again in a moment.")
			}
			group := p.Group.Raw()
			if !p.Or.IsZero() {
				group += " or " + p.Or.Raw()
			}
			return safetext.New("The " + p.Name + " needs group " + group + ". Ask your administrator.")
		}
	}
	if a == keys.OldOnes {
		return safetext.New("No history is kept in this run.")
	}
	return safetext.New("There is no such page here.")
}

// hasPage reports whether a page exists.
func (m *Model) hasPage(a keys.Action) bool {
	for _, p := range m.deps.Pages {
		if p.Open == a {
			return true
		}
	}
	return false
}

func (m *Model) copy(c pane.Copy) tea.Cmd {
	m.say = pane.Say{Text: safetext.New(m.copyLead() + c.Text.Raw())}
	return tea.SetClipboard(c.Text.String())
}

func (m *Model) paste(msg tea.PasteMsg) tea.Cmd {
	switch d := m.dialogs.front(); {
	case d != nil:
		return d.Handle(msg)
	case !m.session.phase.browsing():
		return m.signin.Handle(msg)
	case m.front().Typing():
		return m.front().Handle(msg)
	}
	return nil
}
