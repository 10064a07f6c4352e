package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/browse"
	"usher/tui/dialog"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/transfers"
)

// Times of the session: the interval of whoami calls while
// the browser is used, and how soon again when it did not answer.
const (
	beatTime  = 25 * time.Second
	retryTime = 8 * time.Second
	callTime  = 10 * time.Second
)

// state is the session as the root knows it.
type state struct {
	phase     phase
	contact   contact
	attention attention
	seq       uint64             // of the whoami or retry under way; answers to earlier ones are dropped
	sub       string             // of the person whose place is kept
	undone    []download.Request // unfinished transfers of an earlier run, until the question about them was answered
	resume    dialog.Dialog      // that question
}

// Messages of the session.
type (
	beat struct{}
	// iam is the server's answer; the strings were made safe with it.
	iam struct {
		seq uint64
		me  pane.Me
		sub string
		err error
	}
	retry     struct{ seq uint64 }
	signedOut struct{ err error }
)

func (m *Model) beat() tea.Cmd {
	return tea.Tick(beatTime, func(time.Time) tea.Msg { return beat{} })
}

// used notes a key press; after a rest it calls whoami at once.
func (m *Model) used() tea.Cmd {
	var asks bool
	if m.session.attention, asks = m.session.attention.key(m.session.phase); asks {
		return m.whoami()
	}
	return nil
}

// whoami requests the person, groups and grants version. It is not an event in the log.
func (m *Model) whoami() tea.Cmd {
	if m.session.contact == asking {
		return nil
	}
	m.session.contact = asking
	m.session.seq++
	backend, seq := m.deps.Backend, m.session.seq
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		w, err := backend.Whoami(ctx)
		if err != nil {
			return iam{seq: seq, err: err}
		}
		return iam{seq: seq, me: describe(w), sub: w.Person.Sub}
	}
}

func describe(w api.Whoami) pane.Me {
	me := pane.Me{
		Name: safetext.New(w.Person.Username), Email: safetext.New(w.Person.Email),
		Bound: w.BoundSeconds, Since: w.SessionStart, Version: w.GrantsVersion, Online: true,
	}
	groups := slices.Sorted(slices.Values(w.Groups))
	for _, g := range groups {
		me.Groups = append(me.Groups, safetext.New(g))
	}
	return me
}

// sessionMessage takes the root's own messages; false leaves one to the pages.
func (m *Model) sessionMessage(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case beat:
		_, transfers := m.transfers.Active()
		var asks bool
		if m.session.attention, asks = m.session.attention.beat(m.session.phase, transfers); asks {
			return tea.Batch(m.whoami(), m.beat()), true
		}
		return m.beat(), true
	case retry:
		return m.retry(msg), true
	case iam:
		return m.iam(msg), true
	case signin.Done:
		return m.signedIn(), true
	case signedOut:
		m.session = state{phase: m.session.phase.after(leftSession), seq: m.session.seq + 1}
		m.stack, m.dialog = nil, nil
		m.otherHands()
		*m.env.Me = pane.Me{Online: true}
		m.signin.Again(safetext.Text{})
		if msg.err != nil {
			m.signin.Again(pane.Sentence(msg.err, m.deps.Server))
		}
		return m.transfers.Fresh(m.deps.DownloadDir), true
	case left:
		return m.left(msg), true
	case recall:
		return m.unfinished(true), true
	case again:
		m.session.phase = m.session.phase.after(answered)
		m.signin.Again(safetext.Text{})
	case themed:
		return m.setTheme(msg.name), true
	case disarm:
		m.armed = false
	case quitNow:
		return m.quit(), true
	default:
		return nil, false
	}
	return nil, true
}

// iam takes the answer of whoami. Changed groups or grants list the open
// folder again; another person than before gets a fresh browser.
func (m *Model) iam(msg iam) tea.Cmd {
	if msg.seq != m.session.seq {
		return nil
	}
	m.session.contact = quiet
	from := m.session.phase
	if msg.err != nil {
		if from == checking {
			m.session.phase = from.after(unconfirmed)
			m.signin.Again(pane.Sentence(msg.err, m.deps.Server))
			return nil
		}
		return m.failed(msg.err)
	}
	if from == out {
		return nil
	}
	m.session.phase = from.after(confirmed)
	before := *m.env.Me
	*m.env.Me = msg.me
	if m.session.sub != "" && m.session.sub != msg.sub {
		m.session.sub = msg.sub
		return m.fresh()
	}
	m.session.sub = msg.sub
	switch {
	case from == checking:
		return tea.Batch(m.transfers.SignedIn(), m.everybody(pane.Retry{}))
	case !before.Online:
		return m.everybody(pane.Retry{})
	case from.known() && (before.Version != msg.me.Version || !sameGroups(before.Groups, msg.me.Groups)):
		return m.browse.AccessChanged()
	}
	return nil
}

// retry calls whoami again after a call without an answer.
func (m *Model) retry(msg retry) tea.Cmd {
	if msg.seq != m.session.seq {
		return nil
	}
	m.session.contact = quiet
	if m.session.phase.browsing() && !m.env.Me.Online {
		return m.whoami()
	}
	return nil
}

func sameGroups(a, b []safetext.Text) bool {
	return slices.EqualFunc(a, b, safetext.Text.Equal)
}

// fresh begins again for another person: nothing of the one before stays.
func (m *Model) fresh() tea.Cmd {
	m.stack, m.dialog = nil, nil
	m.otherHands()
	b, err := m.newBrowser()
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Safe(err.Error()), Tone: pane.Bad})
	}
	m.browse = b
	return tea.Batch(m.transfers.Fresh(m.deps.DownloadDir), m.transfers.SignedIn(), m.unfinished(false), m.browse.Start(pane.Place{}))
}

// signedIn follows a sign-in: the first one opens the browser, a later one
// goes on where it was.
func (m *Model) signedIn() tea.Cmd {
	m.session.attention, m.session.contact = active, quiet
	m.session.phase = m.session.phase.after(signedIn)
	if m.session.phase == checking { // the page stays hidden until it is sure whose it is
		return m.whoami()
	}
	m.otherHands()
	m.env.Me.Online = true
	b, err := m.newBrowser()
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Safe(err.Error()), Tone: pane.Bad})
	}
	m.browse = b
	return tea.Batch(m.whoami(), m.transfers.Fresh(m.deps.DownloadDir), m.transfers.SignedIn(), m.unfinished(false), m.browse.Start(m.deps.Start))
}

// failed looks at a call that failed: an ended sign-in needs a new one, a
// lost network is tried again until it answers.
func (m *Model) failed(err error) tea.Cmd {
	switch {
	case api.SignedOut(err):
		return m.ended(err)
	case api.Offline(err):
		m.env.Me.Online = false
		if m.session.contact != quiet {
			return nil // the answer, or the call that is due, decides
		}
		m.session.contact = retrying
		m.session.seq++
		seq := m.session.seq
		return tea.Tick(retryTime, func(time.Time) tea.Msg { return retry{seq} })
	}
	return nil
}

// ended keeps place, marks and queue, and opens the dialog for a new sign-in.
func (m *Model) ended(err error) tea.Cmd {
	from := m.session.phase
	m.session.phase = from.after(refused)
	switch {
	case m.session.phase == from:
		return nil
	case m.session.phase != expired:
		m.signin.Again(pane.Sentence(err, m.deps.Server))
		return nil
	}
	why := api.Lookup(api.TokenExpired).Sentence
	if code := pane.Code(err); code != "" {
		why = api.Lookup(code).Sentence
	}
	lines := []dialog.Line{
		{Text: why + " This folder and your marks are kept."},
	}
	if n := m.waitingTransfers(); n > 0 {
		lines = append(lines, dialog.Line{}, dialog.Line{Tone: dialog.Warning,
			Text: m.env.Theme.Glyphs.Paused + " " + quantity.Plural(n, "download is waiting and resumes automatically.", "downloads are waiting and resume automatically.")})
	}
	lines = append(lines, dialog.Line{}, dialog.Line{Label: "Person", Text: m.env.Me.Name.String()})
	ask := &dialog.Ask{Title: "Your sign-in has ended", Firm: true, Lines: lines, Choices: []dialog.Choice{
		{Keys: []string{"enter"}, Label: "sign in", Cmd: pane.Send(again{})},
		{Keys: []string{"q"}, Label: "quit", Cmd: pane.Send(quitNow{})},
	}}
	m.dialog = ask
	return ask.WithGrace()
}

// again opens the sign-in over the page.
type again struct{}

func (m *Model) waitingTransfers() int {
	n := 0
	for _, t := range m.transfers.Snapshot().Transfers {
		if !t.Folder && !t.State.Finished() {
			n++
		}
	}
	return n
}

// signOut ends the session here and at the server.
func (m *Model) signOut() tea.Cmd {
	out := m.deps.SignOut
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		return signedOut{out(ctx)}
	}
}

// items turns rows of the browser into wishes of the queue.
func items(entries []browse.Entry) []transfers.Item {
	out := make([]transfers.Item, len(entries))
	for i, e := range entries {
		out[i] = transfers.Item{Bucket: e.Bucket, Key: e.Key, Name: e.Name, Folder: e.Kind != api.KindObject, Size: e.Size, ETag: e.ETag, Modified: e.Modified}
	}
	return out
}

// transfer is the last transfer of a file, for the browser's Local column.
func (m *Model) transfer(f pane.File) (id int64, word string) {
	n := m.transfers.Newest()[f]
	return int64(n.ID), n.Word
}

// localCheck is a look for files of the browser in the folder that downloads go
// to now.
func (m *Model) localCheck() browse.Look {
	look := m.transfers.Local()
	return func(_ context.Context, files []browse.Entry) []browse.Local {
		reqs := make([]download.Request, len(files))
		for i, f := range files {
			reqs[i] = download.Request{Bucket: f.Bucket.Raw(), Key: f.Key.Raw(), ETag: f.ETag.Raw(), Size: f.Size, Modified: f.Modified}
		}
		out := make([]browse.Local, len(files))
		for i, l := range look(reqs) {
			out[i] = browse.Local{Presence: l.Presence, Percent: l.Percent, Path: safetext.New(l.Path)}
		}
		return out
	}
}
