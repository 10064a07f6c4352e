package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/browse"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/linear"
	"usher/tui/pane"
	"usher/tui/theme"
)

// requestLimit is the time limit of one request for access.
const requestLimit = 30 * time.Second

// requestAccess opens the dialog of a request for access: for the typed path, else for
// the last path that was not found, else for the open folder.
func (m *Model) requestAccess(msg browse.RequestAccess) tea.Cmd {
	if m.deps.Ask == nil {
		return pane.Send(pane.Say{Text: safetext.New("Requests for access are not possible here."), Tone: pane.Warning})
	}
	path := msg.Typed
	if path == "" {
		path = m.missed
	}
	if path == "" {
		path = msg.Open.Path()
	}
	m.dialog = newAccessRequest(m.env, m.deps.Server, m.deps.Ask, path)
	return nil
}

// accessRequest is the dialog of a request for access: the path and the reason.
type accessRequest struct {
	env    *pane.Env
	server string
	ask    func(context.Context, api.AskRequest) (api.AskResponse, error)

	given        string // the raw path, of which a field may not have all characters
	shown        string // the path in the field at first
	path, reason pane.Field
	second       bool // the reason is typed
	wrong        string
	cancel       context.CancelFunc // of the pending call; nil: none
	x, y         int                // of the text cursor in the box
}

// requested is the answer to a request.
type requested struct {
	of  *accessRequest
	out api.AskResponse
	err error
}

// Format keeps untrusted text out of all output.
func (r requested) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "requested, failed: %t", r.err != nil)
}

func newAccessRequest(env *pane.Env, server string, ask func(context.Context, api.AskRequest) (api.AskResponse, error), path string) *accessRequest {
	a := &accessRequest{env: env, server: server, ask: ask, given: path, path: pane.NewField(0), reason: pane.NewField(api.MaxAskReason)}
	a.path.Open(path)
	a.reason.Open("")
	a.shown, a.second = a.path.Value(), path != ""
	return a
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
		if a.cancel != nil {
			a.cancel()
		}
		return true, nil
	case a.cancel != nil:
		return false, nil
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

// send sends the request, or shows the mistake in it.
func (a *accessRequest) send() tea.Cmd {
	text := a.path.Value()
	if text == a.shown {
		text = a.given
	}
	where, err := api.ParsePath(text)
	switch {
	case err != nil:
		a.wrong, a.second = pane.Sentence(err, a.server).String(), false
		return nil
	case where.IsRoot():
		a.wrong, a.second = "Name a bucket, a folder or a file.", false
		return nil
	case len(a.reason.Value()) > api.MaxAskReason:
		a.wrong = fmt.Sprintf("The reason is too long: at most %d bytes.", api.MaxAskReason)
		return nil
	}
	a.wrong = ""
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	a.cancel = cancel
	ask, in := a.ask, api.AskRequest{Bucket: where.Bucket, Key: where.Key, Reason: a.reason.Value()}
	return func() tea.Msg {
		defer cancel()
		out, err := ask(ctx, in)
		return requested{a, out, err}
	}
}

// Handle handles the answer and pasted text.
func (a *accessRequest) Handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		if a.cancel == nil {
			a.field().Take(msg)
			a.wrong = ""
		}
	case requested:
		if msg.of != a {
			return nil
		}
		a.cancel = nil
		if msg.err != nil {
			a.wrong = pane.Sentence(msg.err, a.server).String()
			return pane.Send(pane.Failed{Err: msg.err})
		}
		say := fmt.Sprintf("The request is sent. Its answer: usher access request --list. It ends after %d days without one.", msg.out.Days)
		return tea.Sequence(pane.Send(dialog.Hide{Dialog: a}), pane.Send(pane.Answered{}), pane.Send(pane.Say{Text: safetext.New(say), Tone: pane.Good}))
	}
	return nil
}

const requestText = "Your administrators see your name and groups, the path and the reason. The request is recorded in the audit log."

// choices are the keys and their effects.
func (a *accessRequest) choices() [][2]string {
	enter := "next"
	if a.second {
		enter = "send"
	}
	return [][2]string{{"enter", enter}, {"tab", "path or reason"}, {"esc", "cancel"}}
}

// View draws the box.
func (a *accessRequest) View(t *theme.Theme, w, _ int) string {
	bw := min(dialog.Width, w-4)
	p, inner := t.On(theme.Panel), bw-6
	lines := append([]string{""}, dialog.Draw(p, []dialog.Line{{Text: requestText}, {}}, inner)...)
	for i, f := range []*pane.Field{&a.path, &a.reason} {
		name := []string{"Path", "Reason"}[i]
		if f == a.field() {
			a.y = 1 + len(lines)
		}
		lines = append(lines, a.fieldLine(p, name, f, inner))
	}
	switch {
	case a.cancel != nil:
		lines = append(lines, "", p.Muted.Paint("Sending"+p.Glyphs.Ellipsis))
	case a.wrong != "":
		lines = append(lines, "")
		lines = append(lines, dialog.Draw(p, []dialog.Line{{Text: a.wrong, Tone: dialog.Bad}}, inner)...)
	}
	lines = append(append(lines, ""), p.KeyRows(inner, a.choices()...)...)
	return t.Box("Request access", lines, bw)
}

// fieldLine draws a field, and stores the column of the text cursor.
func (a *accessRequest) fieldLine(p *theme.Theme, name string, f *pane.Field, w int) string {
	const label = 8
	before, after := safetext.Line(f.Before()), safetext.Line(f.After())
	room, style := w-label-1, p.Muted
	before = format.Start(before, room, p.Glyphs.Ellipsis)
	after = format.End(after, room-format.Width(before), p.Glyphs.Ellipsis)
	if f == a.field() {
		a.x, style = 3+label+format.Width(before), p.Accent.Bold()
	}
	return style.Paint(format.PadRight(name, label)) + p.Text.Underline().Paint(format.PadRight(before+after, w-label))
}

// Cursor returns the position of the text cursor.
func (a *accessRequest) Cursor() *tea.Cursor {
	if a.cancel != nil {
		return nil
	}
	return tea.NewCursor(a.x, a.y)
}

// Words describes the dialog.
func (a *accessRequest) Words() linear.Words {
	w := linear.Words{Title: "Request access", Text: []string{requestText}, State: a.wrong, Keys: linear.Hints(a.choices())}
	if a.cancel != nil {
		w.State = "Sending"
		return w
	}
	w.Field = linear.Field{Label: "Path", Value: a.path.Shown()}
	if a.second {
		w.Text = append(w.Text, "Path: "+a.path.Shown())
		w.Field = linear.Field{Label: "Reason", Value: a.reason.Shown()}
	}
	return w
}
