package tui

import (
	"context"
	"fmt"
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

// Times of the session: the interval of whoami calls while the browser is in
// use, the pause before a repeated call, and the limit of one call.
const (
	beatTime  = 25 * time.Second
	retryTime = 8 * time.Second
	callTime  = 10 * time.Second
	doubtTime = 4 * time.Second // limit of the call after all transfers fell silent
)

// state is the session in the root model.
type state struct {
	phase      phase
	contact    contact
	lost       safetext.Text // the last failure to reach the server
	wait       time.Duration // until the next call, while the server is out of reach
	activity   activity
	seq        uint64           // of the pending whoami or retry; results of earlier ones are dropped
	sub        string           // of the person whose browser state is kept
	unfinished []download.Saved // unfinished transfers of an earlier run, until the dialog about them closes
	resume     dialog.Dialog    // that dialog
	lastBeat   time.Time
	lastKey    time.Time // of the beat after the last key press or sign-in, for the idle lock
}

// Messages of the session.
type (
	beat struct{ at time.Time }
	// whoamiDone is the result of whoami; its strings are safe.
	whoamiDone struct {
		seq uint64
		me  pane.Me
		sub string
		err error
	}
	retry     struct{ seq uint64 }
	signedOut struct{ err error }
)

func (m *Model) beat() tea.Cmd {
	now := m.deps.Now
	return tea.Tick(beatTime, func(time.Time) tea.Msg { return beat{now()} })
}

// keyPressed records a key press. The first one after an idle time calls whoami.
func (m *Model) keyPressed() tea.Cmd {
	var call bool
	if m.session.activity, call = m.session.activity.key(m.session.phase); call {
		return m.whoami()
	}
	return nil
}

// whoami fetches the person, groups and grants version. The call is not audited.
func (m *Model) whoami() tea.Cmd {
	if m.session.contact == calling {
		return nil
	}
	return m.call(callTime)
}

// call calls whoami within a limit, in place of a pending or scheduled call.
func (m *Model) call(limit time.Duration) tea.Cmd {
	m.session.contact = calling
	m.session.seq++
	backend, seq := m.deps.Backend, m.session.seq
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		w, err := backend.Whoami(ctx)
		if err != nil {
			return whoamiDone{seq: seq, err: err}
		}
		return whoamiDone{seq: seq, me: describe(w), sub: w.Person.Sub}
	}
}

func describe(w api.Whoami) pane.Me {
	me := pane.Me{
		Name: safetext.New(w.Person.Username), Sub: safetext.New(w.Person.Sub), Email: safetext.New(w.Person.Email),
		Bound: w.BoundSeconds, Since: w.SessionStart, Version: w.GrantsVersion, Online: true, OpenRequests: w.OpenRequests,
	}
	groups := slices.Sorted(slices.Values(w.Groups))
	for _, g := range groups {
		me.Groups = append(me.Groups, safetext.New(g))
	}
	return me
}

// sessionMessage handles messages of the session. It returns false for all others.
func (m *Model) sessionMessage(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case beat:
		if m.idleTooLong(msg.at) {
			return tea.Batch(m.lock(), m.beat()), true
		}
		_, transfers := m.transfers.Active()
		var call bool
		if m.session.activity, call = m.session.activity.beat(m.session.phase, transfers, msg.at.Round(0).Sub(m.session.lastKey) < pollTime); call {
			return tea.Batch(m.whoami(), m.beatLog(msg.at), m.beat()), true
		}
		return tea.Batch(m.beatLog(msg.at), m.beat()), true
	case retry:
		return m.retry(msg), true
	case whoamiDone:
		return m.whoamiDone(msg), true
	case signin.Done:
		return m.signedIn(), true
	case recalled:
		return m.recalled(msg), true
	case signedOut:
		m.session = state{phase: m.session.phase.after(leftSession), seq: m.session.seq + 1}
		m.stack, m.dialogs = nil, dialogs{}
		m.personChanged()
		*m.env.Me = pane.Me{Online: true}
		m.signin.Restart(safetext.Text{})
		if msg.err != nil {
			m.signin.Restart(pane.Sentence(msg.err, m.deps.Server))
		}
		return m.transfers.Fresh(m.deps.DownloadDir), true
	case foundUnfinished:
		return m.foundUnfinished(msg), true
	case reviewUnfinished:
		return m.unfinished(true), true
	case again:
		m.session.phase = m.session.phase.after(signInChosen)
		m.signin.Restart(safetext.Text{})
	case themed:
		return m.setTheme(msg.name), true
	case disarm:
		m.armed = false
	case quitNow:
		return m.quit(), true
	case signOut:
		return m.askSignOut(), true
	default:
		return nil, false
	}
	return nil, true
}

// whoamiDone handles the result of whoami. A change of groups or grants lists the
// open folder again; a different person gets a new browser.
func (m *Model) whoamiDone(msg whoamiDone) tea.Cmd {
	if msg.seq != m.session.seq {
		return nil
	}
	m.session.contact = noCall
	from := m.session.phase
	if msg.err != nil {
		if from == checking {
			m.session.phase = from.after(unconfirmed)
			m.signin.Restart(pane.Sentence(msg.err, m.deps.Server))
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
		return m.startOver()
	}
	m.session.sub = msg.sub
	switch {
	case from == opening:
		return m.checkLog()
	case from == checking:
		return tea.Batch(m.dialogs.resume(), m.transfers.SignedIn(), m.broadcast(pane.Retry{}), m.checkLog())
	case !before.Online:
		return m.broadcast(pane.Retry{})
	case from.known() && (before.Version != msg.me.Version || !sameGroups(before.Groups, msg.me.Groups)):
		return m.browse.AccessChanged()
	}
	return nil
}

// retry counts the seconds before the next whoami call, then makes it.
func (m *Model) retry(msg retry) tea.Cmd {
	if msg.seq != m.session.seq {
		return nil
	}
	away := m.session.phase.browsing() && !m.env.Me.Online
	if m.session.wait -= time.Second; away && m.session.wait > 0 {
		return m.countDown()
	}
	m.session.contact = noCall
	if away {
		return m.whoami()
	}
	return nil
}

func (m *Model) countDown() tea.Cmd {
	seq := m.session.seq
	return tea.Tick(time.Second, func(time.Time) tea.Msg { return retry{seq} })
}

// doubt calls whoami when all transfers have just lost their connections: the loss of
// the network shows before the next beat.
func (m *Model) doubt(before bool) tea.Cmd {
	if before || !m.transfers.Silent() || !m.session.phase.browsing() || !m.env.Me.Online {
		return nil
	}
	return m.call(doubtTime)
}

func sameGroups(a, b []safetext.Text) bool {
	return slices.EqualFunc(a, b, safetext.Text.Equal)
}

// startOver drops all state of the person before, for another person.
func (m *Model) startOver() tea.Cmd {
	m.stack, m.dialogs = nil, dialogs{}
	m.personChanged()
	b, err := m.newBrowser()
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Safe(err.Error()), Tone: pane.Bad})
	}
	kept := m.browse.StorePlaces()
	m.browse = b
	return tea.Batch(kept, m.transfers.Fresh(m.deps.DownloadDir), m.transfers.SignedIn(), m.unfinished(false), m.start(pane.Target{}, m.deps.Resume))
}

// signedIn handles a completed sign-in. The first one opens the browser, a later
// one returns to it.
func (m *Model) signedIn() tea.Cmd {
	m.session.activity, m.session.contact = active, noCall
	m.session.phase = m.session.phase.after(signedIn)
	if m.session.phase == checking { // the page stays hidden until the person is confirmed
		return m.whoami()
	}
	m.personChanged()
	m.env.Me.Online = true
	b, err := m.newBrowser()
	if err != nil {
		return pane.Send(pane.Say{Text: pane.Safe(err.Error()), Tone: pane.Bad})
	}
	kept := m.browse.StorePlaces()
	m.browse = b
	return tea.Batch(kept, m.whoami(), m.transfers.Fresh(m.deps.DownloadDir), m.transfers.SignedIn(), m.unfinished(false), m.start(m.deps.Start, m.deps.Resume))
}

// failed handles a failed call: an ended sign-in opens a new one, and an
// unreachable server is tried again until it responds.
func (m *Model) failed(err error) tea.Cmd {
	switch {
	case api.SignedOut(err):
		return m.ended(err)
	case api.Offline(err):
		if t := m.say.Tone; m.env.Me.Online && t != pane.Warning && t != pane.Bad {
			m.say = pane.Say{} // an earlier success does not hide the failure
		}
		m.env.Me.Online = false
		m.session.lost = pane.Sentence(err, m.deps.Server)
		if m.session.contact != noCall {
			return nil // the pending or scheduled call decides
		}
		m.session.contact, m.session.wait = retryDue, retryTime
		m.session.seq++
		return m.countDown()
	}
	return nil
}

// ended opens the dialog for a new sign-in. Folder, marks, queue and open dialogs are
// kept.
func (m *Model) ended(err error) tea.Cmd {
	from := m.session.phase
	m.session.phase = from.after(refused)
	switch {
	case m.session.phase == from:
		return nil
	case m.session.phase != expired:
		m.signin.Restart(pane.Sentence(err, m.deps.Server))
		return nil
	}
	why := api.Lookup(api.TokenExpired).Sentence
	if code := pane.Code(err); code != "" {
		why = api.Lookup(code).Sentence
	}
	return m.askSignIn(why)
}

// askSignIn opens the dialog for a new sign-in, with the reason.
func (m *Model) askSignIn(why string) tea.Cmd {
	lines := []dialog.Line{
		{Text: why + " This folder and your marks are kept."},
	}
	lines = append(lines, m.unfinishedLines()...)
	lines = append(lines, dialog.Line{}, dialog.Line{Label: "Person", Text: m.env.Me.Name.String()})
	ask := &dialog.Question{Title: "Your sign-in has ended", Firm: true, Lines: lines, Choices: []dialog.Choice{
		{Keys: []string{"enter"}, Label: "sign in", Cmd: pane.Send(again{})},
		{Keys: []string{"q"}, Label: "quit", Cmd: pane.Send(quitNow{})},
	}}
	m.dialogs.interrupt()
	m.dialogs.show(ask)
	return ask.WithGrace()
}

// idleTooLong reports whether the browser was without a key press for the time
// after which the organization requires the sign-in again. The wall clock counts:
// the monotonic one stops while the machine sleeps. A sleep as long as the limit
// counts as idle, also if a key was pressed after it.
func (m *Model) idleTooLong(now time.Time) bool {
	now = now.Round(0) // without the monotonic clock
	s, limit := &m.session, time.Duration(m.deps.IdleMinutes)*time.Minute
	if s.lastBeat.IsZero() || s.activity == active && (limit <= 0 || now.Sub(s.lastBeat) < limit) {
		s.lastKey = now
	}
	s.lastBeat = now
	return limit > 0 && s.phase == open && now.Sub(s.lastKey) >= limit
}

// lock ends the session on this machine and at the server, and opens the sign-in
// over the page. Folder, marks and queue are kept, and transfers wait.
func (m *Model) lock() tea.Cmd {
	m.session.phase = m.session.phase.after(refused)
	why := fmt.Sprintf("No key was pressed for %s, so your organization requires your sign-in again.",
		quantity.Plural(m.deps.IdleMinutes, "minute", "minutes"))
	end := m.deps.Lock
	return tea.Batch(m.askSignIn(why), func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		_ = end(ctx) // the tokens are gone here; the calls are best effort
		return locked{}
	})
}

// locked is the message after a lock. It has no effect.
type locked struct{}

// again is the message that opens the sign-in over the page.
type again struct{}

// unfinishedLines returns the lines of the dialog about the unfinished transfers.
func (m *Model) unfinishedLines() (lines []dialog.Line) {
	running, waiting := 0, 0
	for _, t := range m.transfers.Snapshot().Transfers {
		switch {
		case t.Folder || t.State.Finished():
		case t.State == download.Running || t.State == download.Verifying:
			running++
		default:
			waiting++
		}
	}
	g := m.env.Theme.Glyphs
	if running > 0 {
		lines = append(lines, dialog.Line{Text: g.Down + " " + quantity.Plural(running, "running download resumes automatically if its link expires.", "running downloads resume automatically if their links expire.")})
	}
	if waiting > 0 {
		lines = append(lines, dialog.Line{Tone: dialog.Warning,
			Text: g.Paused + " " + quantity.Plural(waiting, "download is waiting and resumes automatically.", "downloads are waiting and resume automatically.")})
	}
	if len(lines) > 0 {
		return append([]dialog.Line{{}}, lines...)
	}
	return nil
}

// signOut ends the session on this machine and at the server.
func (m *Model) signOut() tea.Cmd {
	out := m.deps.SignOut
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		return signedOut{out(ctx)}
	}
}

// items converts rows of the browser to items of the queue.
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
func (m *Model) localCheck() browse.LocalCheck {
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
