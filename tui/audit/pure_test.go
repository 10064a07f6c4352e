package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

// counting is a log that counts its calls.
type counting struct {
	calls  int
	events []event.Event
}

func (c *counting) AuditQuery(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	c.calls++
	return api.AuditQueryResponse{Events: c.events, Cursor: "\x1b[2Jmore"}, nil
}

func (c *counting) AuditSummary(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error) {
	c.calls++
	out := api.AuditSummaryResponse{Hours: make([]api.AuditHour, 5000), People: -1, Downloads: 1 << 40, Denied: 3, Events: -4}
	for i := range out.Hours {
		out.Hours[i].Events, out.Hours[i].Denied = i*i-7, i%3*1000-1
	}
	return out, nil
}

func (c *counting) AuditBy(context.Context, api.AuditByRequest) (api.AuditByResponse, error) {
	c.calls++
	text := ""
	if len(c.events) > 0 {
		text = c.events[0].Session
	}
	return api.AuditByResponse{Groups: []event.Group{{Keys: []string{text, text}[:1], Name: text, Events: 3}}}, nil
}

// A row has the time of its first event. A filter without the later events shows the same
// time.
func TestTimeOfARowWithoutItsLaterEvents(t *testing.T) {
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	u := event.User{Sub: "s-1"}
	first := event.Event{ID: "01", Time: at, User: u, Action: event.Download, Outcome: event.Allowed, Bucket: "b", Key: "k"}
	between := event.Event{ID: "02", Time: at.Add(time.Second), User: u, Action: event.List, Outcome: event.Allowed, Bucket: "b"}
	end := event.Event{ID: "03", Time: at.Add(5 * time.Second), User: u, Action: event.Completed, Outcome: event.Allowed, Bucket: "b", Key: "k", Continues: "01"}
	rows := func(events ...event.Event) (times []string) {
		l := (&ledger{}).with(newest, api.AuditQueryResponse{Events: events})
		for _, e := range l.entries {
			times = append(times, e.at.Format("05"))
		}
		return times
	}
	if got := fmt.Sprint(rows(end, between, first)); got != "[01 00]" {
		t.Errorf("rows at %s, want the times of the first events in their order", got)
	}
	if got := fmt.Sprint(rows(between, first)); got != "[01 00]" {
		t.Errorf("without the end of the download: rows at %s", got)
	}
}

// The unit of a count depends on the action.
func TestCountHasTheUnitOfItsAction(t *testing.T) {
	for action, want := range map[string]string{
		event.Suppressed: "suppressed, 2 denials", event.AuditExport: "audit-export, 2 events", event.Versions: "versions, 2 versions",
		event.AuditVerify: "audit-verify, 2 faults", event.TokenRefused: "token-refused, 2 requests", "future": "future, count 2",
	} {
		f := factOf(event.Event{Action: action, Count: 2})
		if got := actionText(&f).String(); got != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
	}
}

func newPane(t testing.TB, b Backend, o theme.Options) *Pane {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	env := &pane.Env{Theme: theme.New(o), Keys: table, Zone: time.FixedZone("", -5*3600), Me: &pane.Me{}}
	p, err := New(Deps{Env: env, Backend: b, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Server: "files.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a command and the commands that it batches.
func run(p *Pane, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch m := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range m {
			run(p, c)
		}
	case answered, counted, charted, replied, settles, waited:
		p.Handle(m) // the next command is not run: one page is enough
	}
}

// hostile returns an event with a payload in each text field.
func hostile(i int, s string) event.Event {
	n, x := int64(-5), 1e300
	return event.Event{
		ID: s, Time: time.Date(2026, 11, 1+i%20, 1, 2, 3, 4e6, time.UTC), User: event.User{Sub: s, Username: s, Email: s}, Session: s,
		Action: s, Purpose: s, Bucket: s, Key: s, Version: s, ETag: s, Size: &n, Outcome: s, Reason: s, Grant: s, Bytes: &n, Seconds: &x, Verified: s,
		Count: i, Bound: i, GrantsVersion: s, GrantsBefore: s, GrantsAdded: i, SourceIP: s, UserAgent: s, RequestID: s,
		Policy: s, Groups: s, GroupNames: []string{s, s}, GroupNamesBefore: []string{s}, EntriesHash: s, Way: s, GrantsDiff: []string{s, s}, Root: s, Entries: i, Implausible: true,
	}
}

func payloads() []event.Event {
	var out []event.Event
	for i, x := range safetexttest.Payloads() {
		out = append(out, hostile(i, x.Text))
	}
	long := hostile(3, strings.Repeat("財務\x1b[31m", 200))
	pathless := hostile(4, "\x1b]0;owned\a")
	pathless.Bucket, pathless.ID = "", "x"
	reported := hostile(5, "\u202e\x9b2J")
	reported.Action, reported.ID = event.Completed, "y"
	return append(out, long, pathless, reported)
}

// whole fails unless a page is h lines of at most w cells without any effect on a
// terminal.
func whole(t *testing.T, what, page string, w, h int) {
	t.Helper()
	lines := strings.Split(page, "\n")
	if len(lines) != h {
		t.Errorf("%s at %dx%d: %d lines", what, w, h, len(lines))
	}
	for y, l := range lines {
		if n := ansi.StringWidth(l); n > w {
			t.Errorf("%s at %dx%d: line %d has %d cells: %q", what, w, h, y, n, ansi.Strip(l))
		}
		if err := safetexttest.Leaks(strings.ReplaceAll(ansi.Strip(l), "\x1b", "!")); err != nil {
			t.Errorf("%s at %dx%d: line %d: %v", what, w, h, y, err)
		}
		for rest := l; ; { // ansi.Strip may remove colors only
			at := strings.IndexByte(rest, '\x1b')
			if at < 0 {
				break
			}
			end := strings.IndexByte(rest[at:], 'm')
			if end < 0 || strings.Trim(rest[at+1:at+end], "[0123456789;:") != "" {
				t.Fatalf("%s at %dx%d: line %d: %q", what, w, h, y, rest[at:])
			}
			rest = rest[at+end+1:]
		}
	}
}

func TestHostileFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []theme.Options{{Profile: colorprofile.TrueColor, Dark: true}, {Profile: colorprofile.ASCII, ASCII: true}} {
			p := newPane(t, &counting{events: payloads()}, o)
			run(p, p.Opened())
			sizes := [][2]int{{72, 15}, {110, 28}, {120, 37}, {200, 47}}
			if o.ASCII {
				sizes = [][2]int{{80, 21}}
			}
			for _, s := range sizes {
				w, h := s[0], s[1]
				p.View(w, h)
				for i := range p.lines {
					if p.entry(i) == nil || w != 120 && i%7 != 0 {
						continue // each is checked in one size, some in all
					}
					p.list.SetCursor(i)
					p.follow()
					whole(t, "log", p.View(w, h), w, h)
					p.Do(keys.Enter)
					if p.open == nil {
						t.Fatal("the event does not open")
					}
					whole(t, "event", p.View(w, h), w, h)
					for _, l := range p.open.lines(p, w) {
						whole(t, "event", l, w, 1)
					}
					for _, title := range p.Title() {
						if err := safetexttest.Leaks(title); err != nil {
							t.Error(err)
						}
					}
					p.Do(keys.Back)
				}
				for _, x := range safetexttest.Payloads() {
					p.filter = x.Text
					p.edit()
					p.field.Set("who:a path:" + x.Text + " nonsense")
					whole(t, "typing", p.View(w, h), w, h)
					p.wrong = check(p.field.Value())
					whole(t, "mistake", p.View(w, h), w, h)
					if c := p.Cursor(); c == nil || c.X < 0 || c.X >= w || c.Y != 0 {
						t.Errorf("cursor %v at %d", c, w)
					}
				}
				p.typing, p.wrong = false, nil
				p.answer = &answer{title: "Events", columns: []column1{{"WHO", false}, {"EVENTS", true}}}
				p.answer.list = rows.New(answerSource{p, p.answer}, rows.Config{})
				for _, x := range safetexttest.Payloads() {
					p.answer.rows = append(p.answer.rows, answerRow{cells: []safetext.Text{safetext.New(x.Text), safetext.New(x.Text)}})
				}
				p.answer.list.Changed()
				for range 4 {
					whole(t, "answer", p.View(w, h), w, h)
					p.answer.list.Move(keys.PageDown)
				}
				p.answer = nil
				p.export = &export{field: pane.NewField(0), problem: safetext.Line(payloads()[0].ID)}
				p.export.field.Set("/tmp/" + strings.Repeat("x", 300))
				whole(t, "export", p.View(w, h), w, h)
				p.export = nil
				for _, x := range safetexttest.Payloads() {
					p.filter = x.Text
					whole(t, "filter", p.View(w, h), w, h)
				}
				p.filter = ""
			}
		}
	})
}

// Messages and their contents print nothing raw, with any verb.
func TestMessagesPrintNothingRaw(t *testing.T) {
	b := &counting{events: payloads()}
	r, _ := b.AuditQuery(t.Context(), api.AuditQueryRequest{})
	l := (*ledger)(nil).with(newest, r)
	if len(l.facts) == 0 || len(l.entries) == 0 {
		t.Fatal("nothing to print")
	}
	q := &query{filter: safetext.New("\x1b[2J"), cursor: safetext.New("\x1b[2J")}
	for _, v := range []any{l, answered{of: q, log: l}, &answered{of: q, log: l}, counted{of: q}, waited{q}, q, l.entries, l.facts} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if err := safetexttest.Leaks(fmt.Sprintf(verb, v)); err != nil {
				t.Errorf("%s of %T: %v", verb, v, err)
			}
		}
	}
	if safetexttest.Leaks(fmt.Sprintf("%v", b.events)) == nil {
		t.Error("the events themselves leak nothing: this test tests nothing")
	}
}

// A key before the first answer names the reading, and a log without an event names that.
func TestKeyBeforeTheFirstAnswer(t *testing.T) {
	p := newPane(t, &counting{}, theme.Options{})
	p.Opened()
	if why := p.Why(keys.Enter).String(); !strings.Contains(why, "still being read") {
		t.Errorf("before the answer: %q", why)
	}
	if head := p.View(120, 37); strings.Contains(head, "newest first") {
		t.Errorf("an order of events before the first one:\n%s", head)
	}
	p.Handle(answered{of: p.asked, log: (*ledger)(nil).with(newest, api.AuditQueryResponse{})})
	if why := p.Why(keys.Enter).String(); why != "There is no event here." {
		t.Errorf("after the answer: %q", why)
	}
}

// While the events of a new filter are read, a key for an event does not take one of the
// filter before, and their number and order are not shown.
func TestKeyBeforeTheEventsOfAFilter(t *testing.T) {
	p := newPane(t, &counting{}, theme.Options{})
	p.Opened()
	full := (*ledger)(nil).with(newest, api.AuditQueryResponse{Events: payloads()})
	p.Handle(answered{of: p.asked, log: full})
	if why := p.Why(keys.Enter).String(); why != "" || !strings.Contains(p.View(120, 37), "newest first") {
		t.Fatalf("a row of the first events: %q", why)
	}
	p.use("who:ada")
	if why := p.Why(keys.Enter).String(); !strings.Contains(why, "still being read") {
		t.Errorf("a row of the filter before: %q", why)
	}
	if head := p.View(120, 37); strings.Contains(head, "newest first") || strings.Contains(head, " events") {
		t.Errorf("the number and the order of the filter before:\n%s", head)
	}
	p.Handle(answered{of: p.asked, log: full})
	if why := p.Why(keys.Enter).String(); why != "" {
		t.Errorf("a row of the filter: %q", why)
	}
	p.ask(newest, false) // ctrl+r: the rows stay
	if why := p.Why(keys.Enter).String(); why != "" {
		t.Errorf("a row while the same filter is read again: %q", why)
	}
}

// Update and View make no calls, and an unchanged state has an unchanged frame.
func TestNoCallsInUpdateOrView(t *testing.T) {
	b := &counting{events: payloads()}
	p := newPane(t, b, theme.Options{Profile: colorprofile.TrueColor})
	cmd := p.Opened()
	for _, c := range keys.Default() {
		for _, x := range c.Bindings {
			p.Do(x.Action)
			p.Why(x.Action)
		}
	}
	p.Do(keys.Filter)
	for _, k := range []tea.Key{{Code: 'w', Text: "w"}, {Code: tea.KeyTab}, {Code: tea.KeyUp}, {Code: tea.KeyEnter}, {Code: tea.KeyEscape}} {
		p.Key(tea.KeyPressMsg(k))
	}
	for _, m := range []tea.Msg{pane.Restyled{}, pane.Retry{}, tea.PasteMsg{Content: "who:ada"}, waited{p.asked}, answered{of: p.asked, err: errors.New("x")}, settles{p.settled}} {
		p.Handle(m)
	}
	for range 3 {
		if one, two := p.View(120, 37), p.View(120, 37); one != two {
			t.Error("two frames of one state differ")
		}
		p.Status(120)
		p.Hints()
	}
	if b.calls != 0 {
		t.Errorf("%d calls without a command", b.calls)
	}
	for _, c := range cmd().(tea.BatchMsg)[1:] { // the negative control: the counts
		c()
	}
	if b.calls != 1 {
		t.Errorf("%d calls by one command", b.calls)
	}
}

func TestChartNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0  ", 5: "5  ", 12: "12 ", 123: "99+", 40_000: "99+"} {
		if got := digits(n, 3); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if level(1, 1_000_000, 16) != 1 || level(0, 5, 16) != 0 || level(5, 5, 16) != 16 || level(3, 0, 16) != 0 {
		t.Error("a column has the wrong height")
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Deps{}); err == nil {
		t.Error("no environment")
	}
	if _, err := New(Deps{Env: &pane.Env{Theme: theme.New(theme.Options{})}}); err == nil {
		t.Error("no backend")
	}
}

// Repeated events of a further page are dropped.
func TestLedgerLeavesTwinsOut(t *testing.T) {
	one := (*ledger)(nil).with(newest, api.AuditQueryResponse{Events: payloads()[:3], Cursor: "a"})
	two := one.with(older, api.AuditQueryResponse{Events: payloads()[1:5], Cursor: "b"})
	if len(one.facts) != 3 || len(two.facts) != 5 || two.older.cursor != "b" || one.older.cursor != "a" {
		t.Errorf("%d and %d events", len(one.facts), len(two.facts))
	}
}

func BenchmarkView(b *testing.B) {
	for _, n := range []int{200, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var events []event.Event
			for i := range n {
				events = append(events, event.Event{ID: fmt.Sprint(i), Time: time.Unix(int64(i), 0), Action: event.Stat, Bucket: "b", Key: fmt.Sprint(i)})
			}
			p := newPane(b, &counting{}, theme.Options{Profile: colorprofile.TrueColor})
			p.show((*ledger)(nil).with(newest, api.AuditQueryResponse{Events: events}))
			for b.Loop() {
				p.Do(keys.Down)
				p.View(120, 37)
			}
		})
	}
}
