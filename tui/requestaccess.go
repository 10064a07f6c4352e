package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/approval"
	"usher/tui/browse"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/linear"
	"usher/tui/pane"
	"usher/tui/theme"
)

// requestLimit is the time limit of one request for access.
const requestLimit = 30 * time.Second

// requestAccess opens the dialog of a request for access.
func (m *Model) requestAccess(msg browse.RequestAccess) tea.Cmd {
	if m.deps.Requests == nil {
		return pane.Send(pane.Say{Text: safetext.New("Requests for access are not possible here."), Tone: pane.Warning})
	}
	a := newAccessRequest(m.env, m.deps.Server, m.deps.Requests, msg)
	m.show(a)
	return a.look()
}

// accessRequest is the dialog of a request for access: the path and the reason. It shows
// the person's earlier request for the same path, and withdraws an open one.
type accessRequest struct {
	env      *pane.Env
	server   string
	requests Requests

	given        string // the raw path, of which a field may not have all characters
	shown        string // the path in the field at first
	open         bool   // the person sees the content of the given path
	path, reason pane.Field
	second       bool // the reason is typed
	wrong        string
	lost         string             // the sentence of an ended sign-in or a lost network
	pending      string             // the name of the pending call; "": none
	cancel       context.CancelFunc // of the pending call
	x, y         int                // of the text cursor in the box

	earlier []earlierRequest
	stop    context.CancelFunc // of the call for them
}

// earlierRequest is a request of the person.
type earlierRequest struct {
	at             api.Path // raw
	id             safetext.Text
	reason, answer safetext.Text
	state          string // one of api.AskOpen, api.AskApproved, api.AskDeclined
	asked          time.Time
}

// Messages to the dialog from its own commands.
type (
	requested struct {
		of  *accessRequest
		out api.AskResponse
		err error
	}
	withdrawn struct {
		of  *accessRequest
		out api.WithdrawResponse
		err error
	}
	lookedUp struct {
		of  *accessRequest
		all []earlierRequest
		err error
	}
)

// Format keeps untrusted text out of all output.
func (r requested) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "requested, failed: %t", r.err != nil)
}

// Format keeps untrusted text out of all output.
func (w withdrawn) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "withdrawn, failed: %t", w.err != nil)
}

// Format keeps untrusted text out of all output.
func (l lookedUp) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "earlier requests, failed: %t", l.err != nil)
}

func newAccessRequest(env *pane.Env, server string, requests Requests, to browse.RequestAccess) *accessRequest {
	a := &accessRequest{env: env, server: server, requests: requests, given: to.Path, open: to.Open, path: pane.NewField(0), reason: pane.NewField(api.MaxAskReason)}
	a.path.Open(to.Path)
	a.reason.Open("")
	a.shown, a.second = a.path.Value(), to.Path != "" && !to.Open
	return a
}

// look requests the earlier requests of the person. The dialog does not wait for them,
// and works without.
func (a *accessRequest) look() tea.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	a.stop = cancel
	asked := a.requests.Asked
	return func() tea.Msg {
		defer cancel()
		out, err := asked(ctx)
		m := lookedUp{of: a, err: err}
		for _, q := range out.Requests {
			m.all = append(m.all, earlierRequest{
				at: api.Path{Bucket: q.Bucket, Key: q.Key}, id: safetext.New(q.Request), reason: safetext.New(q.Reason), answer: safetext.New(q.Answer),
				state: q.State, asked: q.Asked,
			})
		}
		return m
	}
}

// same returns the earlier request for the path in the field, nil without one.
func (a *accessRequest) same() *earlierRequest {
	where, err := api.ParsePath(a.typed())
	if err != nil {
		return nil
	}
	for i := range a.earlier {
		if a.earlier[i].at == where {
			return &a.earlier[i]
		}
	}
	return nil
}

// typed returns the path of the field, raw.
func (a *accessRequest) typed() string {
	if text := a.path.Value(); text != a.shown {
		return text
	}
	return a.given
}

// field returns the field with the text cursor.
func (a *accessRequest) field() *pane.Field {
	if a.second {
		return &a.reason
	}
	return &a.path
}

// Key handles a key press. The fields do not change during the call.
func (a *accessRequest) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	switch key := msg.String(); {
	case key == "esc":
		return true, a.leave()
	case a.pending != "":
		return false, nil
	case key == withdrawKey:
		return false, a.withdraw()
	case key == "tab", key == "shift+tab", key == "up", key == "down":
		a.second = !a.second
	case key == "enter" && !a.second:
		a.second = true
	case key == "enter":
		return false, a.send()
	default:
		a.field().Take(msg)
		a.wrong = ""
	}
	return false, nil
}

// leave ends all calls. A pending one may have had its effect.
func (a *accessRequest) leave() tea.Cmd {
	a.stop()
	if a.cancel == nil {
		return nil
	}
	a.cancel()
	const say = "The server may have done this already. usher access request --list shows your requests, and so does this dialog."
	return pane.Send(pane.Say{Text: safetext.New(say), Tone: pane.Warning})
}

// send sends the request, or shows the mistake in it.
func (a *accessRequest) send() tea.Cmd {
	where, err := api.ParsePath(a.typed())
	switch {
	case err != nil:
		a.wrong, a.second = pane.Sentence(err, a.server).String(), false
		return nil
	case where.IsRoot():
		a.wrong, a.second = "Name a bucket, a folder or a file.", false
		return nil
	}
	if err := approval.CheckReason(a.reason.Value()); err != nil {
		a.wrong = err.Error()
		return nil
	}
	ctx, cancel := a.begin("Sending")
	ask, in := a.requests.Ask, api.AskRequest{Bucket: where.Bucket, Key: where.Key, Reason: a.reason.Value()}
	return func() tea.Msg {
		defer cancel()
		out, err := ask(ctx, in)
		return requested{a, out, err}
	}
}

// begin starts a call.
func (a *accessRequest) begin(name string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	a.pending, a.cancel, a.wrong = name, cancel, ""
	return ctx, cancel
}

// withdrawKey is a key without an effect in a text field.
const withdrawKey = "ctrl+x"

// withdraw withdraws the open request for the path in the field.
func (a *accessRequest) withdraw() tea.Cmd {
	q := a.same()
	if q == nil || q.state != api.AskOpen {
		a.wrong = "You have no open request for this path."
		return nil
	}
	ctx, cancel := a.begin("Withdrawing")
	call, in := a.requests.Withdraw, api.WithdrawRequest{Request: q.id.Raw()}
	return func() tea.Msg {
		defer cancel()
		out, err := call(ctx, in)
		return withdrawn{a, out, err}
	}
}

// done handles the end of a call: its error, or its sentence after which the dialog
// closes. Until then no key sends a second request.
func (a *accessRequest) done(err error, say string) tea.Cmd {
	a.cancel = nil
	if err != nil {
		a.pending = ""
		a.wrong = pane.Sentence(err, a.server).String()
		if api.SignedOut(err) || api.Offline(err) {
			a.lost = a.wrong
		}
		return pane.Send(pane.Failed{Err: err})
	}
	return tea.Sequence(pane.Send(dialog.Hide{Dialog: a}), pane.Send(pane.Answered{}), pane.Send(pane.Say{Text: pane.Safe(say), Tone: pane.Good}))
}

// Handle handles the answer and pasted text.
func (a *accessRequest) Handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		if a.pending == "" {
			a.field().Take(msg)
			a.wrong = ""
		}
	case requested:
		if msg.of == a {
			return a.done(msg.err, fmt.Sprintf("The request is sent. Its answer: usher access request --list. It ends after %d days without one.", msg.out.Days))
		}
	case withdrawn:
		if msg.of == a {
			cmd := a.done(msg.err, approval.Withdrawn(msg.out))
			if pane.Code(msg.err) == api.NotFound {
				a.wrong = approval.NoneOwn
			}
			return cmd
		}
	case pane.Retry:
		if a.wrong == a.lost {
			a.wrong = ""
		}
	case lookedUp:
		if msg.of == a && msg.err == nil { // without them, the dialog has only fields
			a.earlier = msg.all
		}
	}
	return nil
}

const requestText = "Your administrators see your name and groups, the path and the reason. The request is recorded in the audit log."

// openText is the note about a folder with content that the person sees. There may be
// more in it, so it can be requested too.
const openText = "You can already open this folder; a request is for a path that you cannot open."

// choices are the keys and their effects.
func (a *accessRequest) choices() [][2]string {
	enter := "next"
	if a.second {
		enter = "send"
	}
	keys := [][2]string{{"enter", enter}, {"tab", "path or reason"}}
	if q := a.same(); q != nil && q.state == api.AskOpen {
		keys = append(keys, [2]string{withdrawKey, "withdraw the open one"})
	}
	return append(keys, [2]string{"esc", "cancel"})
}

// earlierText describes the earlier request for the path in the field, "" without one.
func (a *accessRequest) earlierText() string {
	q := a.same()
	if q == nil {
		return ""
	}
	day := format.Date(q.asked.In(a.env.Zone))
	with := func(text string, x safetext.Text) string {
		if x.IsZero() {
			return text + "."
		}
		return text + ": " + dialog.Excerpt(x.Distinct(), a.env.Theme.Glyphs.Ellipsis)
	}
	switch q.state {
	case api.AskOpen:
		return with("Your request of "+day+" for this path is open, and a new one replaces it", q.reason)
	case api.AskApproved:
		return with("Your request of "+day+" for this path was approved", q.answer)
	case api.AskDeclined:
		return with("Your request of "+day+" for this path was declined", q.answer)
	}
	return ""
}

// notes are the sentences about the path in the field.
func (a *accessRequest) notes() (all []string) {
	if a.open && a.typed() == a.given {
		all = append(all, openText)
	}
	if earlier := a.earlierText(); earlier != "" {
		all = append(all, earlier)
	}
	if where, err := api.ParsePath(a.typed()); err == nil {
		if meaning := approval.Meaning(where); meaning != "" {
			all = append(all, meaning)
		}
	}
	return all
}

// View draws the box.
func (a *accessRequest) View(t *theme.Theme, w, _ int) string {
	bw := min(dialog.Width, w-4)
	p, inner := t.On(theme.Panel), bw-6
	text := []dialog.Line{{Text: requestText}, {}}
	for _, note := range a.notes() {
		text = append(text, dialog.Line{Text: note, Tone: dialog.Warning}, dialog.Line{})
	}
	lines := append([]string{""}, dialog.Draw(p, text, inner)...)
	for i, f := range []*pane.Field{&a.path, &a.reason} {
		name, at := []string{"Path", "Reason"}[i], 1+len(lines)
		line, x := dialog.FieldLine(p, name, 8, f, f == a.field(), inner)
		if f == a.field() {
			a.x, a.y = 3+x, at
		}
		lines = append(lines, line)
	}
	switch {
	case a.pending != "":
		lines = append(lines, "", p.Muted.Paint(a.pending+p.Glyphs.Ellipsis))
	case a.wrong != "":
		lines = append(lines, "")
		lines = append(lines, dialog.Draw(p, []dialog.Line{{Text: a.wrong, Tone: dialog.Bad}}, inner)...)
	}
	lines = append(append(lines, ""), p.KeyRows(inner, a.choices()...)...)
	return t.Box("Request access", lines, bw)
}

// Cursor returns the position of the text cursor.
func (a *accessRequest) Cursor() *tea.Cursor {
	if a.pending != "" {
		return nil
	}
	return tea.NewCursor(a.x, a.y)
}

// Words describes the dialog.
func (a *accessRequest) Words() linear.Words {
	w := linear.Words{Title: "Request access", Text: []string{requestText}, State: a.wrong, Keys: linear.Hints(a.choices())}
	w.Text = append(w.Text, a.notes()...)
	if a.pending != "" {
		w.State = a.pending
		return w
	}
	w.Field = linear.Field{Label: "Path", Value: a.path.Shown()}
	if a.second {
		w.Text = append(w.Text, "Path: "+a.path.Shown())
		w.Field = linear.Field{Label: "Reason", Value: a.reason.Shown()}
	}
	return w
}
