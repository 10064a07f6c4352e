package access

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/client/approval"
	"usher/tui/dialog"
	"usher/tui/pane"
	"usher/tui/theme"
)

// replies drives an approval of the first request, and calls look at each stage.
func replies(t *testing.T, p *Pane, look func(stage string, d *reply)) {
	t.Helper()
	v := show(t, p, requests, pane.Target{}, safetext.Text{})
	for _, approve := range []bool{true, false} {
		for i := range v.lines {
			d := newReply(p, v.lines[i].request, approve)
			look("fields", d)
			d.reason.Set(strings.Repeat("r", 300))
			for range d.parts {
				d.Key(tea.KeyPressMsg(tea.Key{Code: tea.KeyTab}))
				look("fields", d)
			}
			_, cmd := d.Key(tea.KeyPressMsg(tea.Key{Code: tea.KeyEnter}))
			look("call", d)
			d.Handle(cmd())
			look("after", d)
			d.stage, d.cancel = checking, nil
			d.Handle(checked{of: d, line: approval.FileLine(d.request.wire(), api.AnswerRequest{Group: d.chosen().Raw(), Expires: &time.Time{}})})
			look("file", d)
			d.stage = checking
			d.Handle(checked{of: d, out: api.AnswerResponse{Problems: []api.GrantsProblem{{Problem: d.request.user.Raw(), Fix: d.request.user.Raw()}}}})
			look("problem", d)
			d.stage = sending
			d.Handle(replied{of: d, err: &api.Error{Code: api.NotFound, Message: d.request.user.Raw()}})
			look("failed", d)
		}
	}
}

// No text of a request or an answer has an effect on the terminal in any stage of a
// reply, and the words for screen readers have none.
func TestHostileTextsInReplies(t *testing.T) {
	stages := 0
	for i, s := range payloads() {
		o := theme.Options{Profile: colorprofile.TrueColor, Dark: true}
		if i%2 == 0 {
			o = theme.Options{Profile: colorprofile.ASCII, ASCII: true}
		}
		p := newPane(t, hostileServer{s}, o)
		replies(t, p, func(stage string, d *reply) {
			stages++
			w := []int{72, 80, 120}[stages%3]
			box := d.View(p.Env.Theme, w, 24)
			whole(t, stage, box, min(dialog.Width, w-4), strings.Count(box, "\n")+1)
			said := d.Words()
			for _, text := range append(said.Text, said.Title, said.State, said.Keys, said.Row.Text, said.Field.Value) {
				if err := safetexttest.Leaks(text); err != nil {
					t.Errorf("%s: %v", stage, err)
				}
			}
			if c := d.Cursor(); c != nil && (c.X < 3 || c.X >= w || c.Y < 1) {
				t.Errorf("%s: cursor %v", stage, c)
			}
		})
	}
	if stages < 46*4*2*7 {
		t.Errorf("only %d stages were checked", stages)
	}
}

// A message of a reply prints nothing raw, and the same state has the same frame.
func TestRepliesPrintNothingRaw(t *testing.T) {
	const s = "\x1b]0;owned\a\u202e"
	p := newPane(t, hostileServer{s}, theme.Options{})
	replies(t, p, func(_ string, d *reply) {
		if one, two := d.View(p.Env.Theme, 80, 24), d.View(p.Env.Theme, 80, 24); one != two {
			t.Error("two frames differ")
		}
		out, _ := p.Backend.Answer(t.Context(), api.AnswerRequest{})
		for _, x := range []any{checked{of: d, out: out, line: s}, replied{of: d, out: out}, closed{d.request.id}, d.request.user} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				if err := safetexttest.Leaks(fmt.Sprintf(verb, x)); err != nil {
					t.Errorf("%s of %T: %v", verb, x, err)
				}
			}
		}
	})
}

// The clock and the server are used by commands alone.
func TestRepliesUseNoServerInUpdate(t *testing.T) {
	calls := 0
	p := newPane(t, counting{hostileServer{"x"}, &calls}, theme.Options{})
	p.Now = func() time.Time { calls++; return time.Time{} }
	v := p.view(requests, pane.Target{}, safetext.Text{})
	v.fill(&answer{requests: make([]request, 3)})
	p.push(v)
	d := newReply(p, v.lines[0].request, true)
	for _, code := range []rune{tea.KeyTab, tea.KeyRight, tea.KeyTab, 'x', tea.KeyEnter} {
		d.Key(tea.KeyPressMsg(tea.Key{Code: code, Text: strings.Trim(string(code), "\t\r")}))
		d.View(p.Env.Theme, 80, 24)
		d.Words()
	}
	if calls != 0 || d.stage != checking {
		t.Fatalf("%d calls, stage %d", calls, d.stage)
	}
	_, cmd := newReply(p, v.lines[0].request, true).Key(tea.KeyPressMsg(tea.Key{Code: tea.KeyEnter}))
	if cmd(); calls != 2 {
		t.Errorf("one command made %d calls, want one of the clock and one of the server", calls)
	}
}

// counting counts the answers.
type counting struct {
	hostileServer
	calls *int
}

func (c counting) Answer(ctx context.Context, in api.AnswerRequest) (api.AnswerResponse, error) {
	*c.calls++
	return c.hostileServer.Answer(ctx, in)
}
