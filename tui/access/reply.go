package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/approval"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/pane"
)

// stage is the state of a reply.
type stage int

const (
	typing     stage = iota // the fields are open
	checking                // the preview of an approval is pending
	confirming              // the grant and its readers are shown
	sending                 // the answer is pending
	filing                  // the grants are a file: its line is shown
)

// waits reports whether a call is pending.
func (s stage) waits() bool { return s == checking || s == sending }

// part is a row of the form of a reply.
type part int

const (
	timePart part = iota
	groupPart
	reasonPart
)

// reply is the dialog of an answer to a request: an approval with its time and group, or
// a refusal. The server checks an approval before it is confirmed, and decides both.
type reply struct {
	backend Backend
	now     func() time.Time // only commands call it
	server  string
	admins  safetext.Text

	request  *request
	approve  bool
	ellipsis string
	parts    []part
	focus    int // in parts
	time     pane.Field
	reason   pane.Field
	group    int // in request.groups

	stage  stage
	cancel context.CancelFunc // of the pending call
	order  api.AnswerRequest  // checked, for the confirmation
	facts  []dialog.Line      // of the confirmation, or the line for the file
	line   safetext.Text      // for a grants file
	wrong  []string
	lost   string // the sentence of an ended sign-in or a lost network
	x, y   int    // of the text cursor in the box
}

// Messages to a reply from its own commands.
type (
	checked struct {
		of    *reply
		order api.AnswerRequest
		out   api.AnswerResponse
		line  string // for a grants file
		err   error
	}
	replied struct {
		of  *reply
		out api.AnswerResponse
		err error
	}
)

// Format keeps untrusted text out of all output.
func (c checked) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "checked, failed: %t", c.err != nil)
}

// Format keeps untrusted text out of all output.
func (r replied) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "replied, failed: %t", r.err != nil)
}

func newReply(p *Pane, r *request, approve bool) *reply {
	d := &reply{
		backend: p.Backend, now: p.Now, server: p.Server, admins: p.Group,
		request: r, approve: approve, ellipsis: p.Env.Theme.Glyphs.Ellipsis, time: pane.NewField(0), reason: pane.NewField(api.MaxAskReason), parts: []part{reasonPart},
	}
	if approve {
		d.parts = []part{timePart, groupPart, reasonPart}
	}
	d.time.Open(approval.DefaultTime)
	d.reason.Open("")
	for i, g := range r.groups {
		if g.Equal(r.group) {
			d.group = i
		}
	}
	return d
}

// to is the one transition between stages.
func (d *reply) to(s stage) {
	if d.stage.waits() {
		d.cancel = nil
	}
	d.stage, d.wrong = s, nil
}

// field returns the text field with the cursor, nil on the group.
func (d *reply) field() *pane.Field {
	switch d.parts[d.focus] {
	case timePart:
		return &d.time
	case reasonPart:
		return &d.reason
	}
	return nil
}

// Key handles a key press. Nothing changes during a call.
func (d *reply) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	key := msg.String()
	switch {
	case key == "esc":
		return d.leave()
	case d.stage.waits():
	case d.stage == filing:
		if key == "y" {
			return true, pane.Send(pane.Copy{Text: d.line})
		}
		return key == "enter", nil
	case d.stage == confirming:
		if key == "y" {
			return false, d.send(d.order)
		}
	case key == "tab" || key == "down":
		d.focus = (d.focus + 1) % len(d.parts)
	case key == "shift+tab" || key == "up":
		d.focus = (d.focus + len(d.parts) - 1) % len(d.parts)
	case key == "enter" && d.approve:
		return false, d.check()
	case key == "enter":
		return false, d.decline()
	case d.field() == nil:
		d.turn(key)
	default:
		d.field().Take(msg)
		d.wrong = nil
	}
	return false, nil
}

// turn chooses another group of the person.
func (d *reply) turn(key string) {
	n := len(d.request.groups)
	switch {
	case n == 0:
	case key == "right" || key == "space":
		d.group = (d.group + 1) % n
	case key == "left":
		d.group = (d.group + n - 1) % n
	}
	d.wrong = nil
}

// leave cancels a call and closes the dialog, or returns from the confirmation to the
// fields.
func (d *reply) leave() (bool, tea.Cmd) {
	if d.cancel != nil {
		d.cancel()
	}
	switch d.stage {
	case confirming:
		d.to(typing)
		return false, nil
	case sending:
		const say = "The answer may be in force. Refresh the list to see it."
		return true, pane.Send(pane.Say{Text: safetext.New(say), Tone: pane.Warning})
	}
	return true, nil
}

// begin starts a call.
func (d *reply) begin(s stage) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	d.to(s)
	d.cancel = cancel
	return ctx
}

// check requests the preview of the approval. A server with a grants file refuses it: then
// the line for the file is made.
func (d *reply) check() tea.Cmd {
	if err := approval.CheckReason(d.reason.Value()); err != nil {
		d.wrong = []string{err.Error()}
		return nil
	}
	ctx := d.begin(checking)
	cancel, q, now, backend := d.cancel, d.request.wire(), d.now, d.backend
	end := d.time.Value()
	in := api.AnswerRequest{Request: q.Request, Approve: true, Group: d.chosen().Raw(), Reason: d.reason.Value(), Preview: true}
	return func() tea.Msg {
		defer cancel()
		until, err := approval.Until(strings.TrimSpace(end), now())
		if err != nil {
			return checked{of: d, err: err}
		}
		in.Expires = &until
		out, err := backend.Answer(ctx, in)
		if pane.Code(err) == api.GrantsFixed {
			return checked{of: d, line: approval.FileLine(q, in)}
		}
		in.Preview = false
		return checked{d, in, out, "", err}
	}
}

func (d *reply) decline() tea.Cmd {
	if err := approval.CheckReason(d.reason.Value()); err != nil {
		d.wrong = []string{err.Error()}
		return nil
	}
	return d.send(api.AnswerRequest{Request: d.request.id.Raw(), Reason: d.reason.Value()})
}

func (d *reply) send(in api.AnswerRequest) tea.Cmd {
	ctx := d.begin(sending)
	cancel, backend := d.cancel, d.backend
	return func() tea.Msg {
		defer cancel()
		out, err := backend.Answer(ctx, in)
		return replied{d, out, err}
	}
}

// chosen returns the group of the grant.
func (d *reply) chosen() safetext.Text {
	if d.group < len(d.request.groups) {
		return d.request.groups[d.group]
	}
	return d.request.group
}

// Handle handles the results of calls, and pasted text.
func (d *reply) Handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		if f := d.field(); d.stage == typing && f != nil {
			f.Take(msg)
			d.wrong = nil
		}
	case pane.Retry:
		if slices.Equal(d.wrong, []string{d.lost}) {
			d.wrong = nil
		}
	case checked:
		if msg.of == d && d.stage == checking {
			return d.checked(msg)
		}
	case replied:
		if msg.of == d && d.stage == sending {
			return d.replied(msg)
		}
	}
	return nil
}

func (d *reply) checked(msg checked) tea.Cmd {
	switch {
	case msg.err != nil:
		return d.failed(msg.err)
	case msg.line != "":
		d.to(filing)
		d.line = safetext.New(msg.line)
		d.facts = []dialog.Line{{Text: approval.Fixed()}, {}, {Text: strings.TrimSpace(msg.line)}}
		return pane.Send(pane.Answered{})
	case len(msg.out.Problems) > 0:
		d.to(typing)
		d.wrong = approval.Problems(msg.out)
		return pane.Send(pane.Answered{})
	}
	d.to(confirming)
	d.order = msg.order
	d.facts = d.confirmation(msg)
	return pane.Send(pane.Answered{})
}

// confirmation names the grant, its end and the other people with the access.
func (d *reply) confirmation(msg checked) []dialog.Line {
	if msg.out.Grant == nil {
		return []dialog.Line{{Text: safetext.Line(msg.out.User) + " can read it already. The approval only closes the request."}}
	}
	return []dialog.Line{
		{Label: "Grant", Text: dialog.Excerpt(safetext.Line(msg.out.Grant.Text), d.ellipsis)},
		{Label: "Until", Text: format.DateTime(msg.order.Expires.UTC()) + " UTC"},
		{}, {Text: dialog.Excerpt(approval.Others(msg.out), d.ellipsis), Tone: dialog.Warning},
	}
}

func (d *reply) replied(msg replied) tea.Cmd {
	say := approval.Declined(msg.out)
	switch {
	case msg.err != nil:
		return d.failed(msg.err)
	case len(msg.out.Problems) > 0:
		d.to(typing)
		d.wrong = approval.Problems(msg.out)
		return pane.Send(pane.Answered{})
	case d.approve:
		say = approval.Approved(d.request.wire().Asked, msg.out)
	}
	return tea.Sequence(pane.Send(dialog.Hide{Dialog: d}), pane.Send(closed{d.request.id}), pane.Send(pane.Answered{}),
		pane.Send(pane.Say{Text: pane.Safe(say), Tone: pane.Good}))
}

// failed shows the sentence of an error beside the fields.
func (d *reply) failed(err error) tea.Cmd {
	d.to(typing)
	if mistake, ok := err.(approval.Mistake); ok {
		d.wrong = []string{mistake.Error()}
		return nil
	}
	if pane.Code(err) == api.NotFound {
		d.wrong = []string{approval.NoRequest(d.admins.Raw()) + " Refresh the list."}
	} else {
		d.wrong = []string{pane.Sentence(err, d.server).String()}
		if api.SignedOut(err) || api.Offline(err) {
			d.lost = d.wrong[0]
		}
	}
	return pane.Send(pane.Failed{Err: err})
}
