package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// hostileServer returns one text in every field.
type hostileServer struct{ s string }

func (w hostileServer) grant(deny bool) api.Grant {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	g := api.Grant{Group: w.s, Bucket: w.s, Prefix: &w.s, Effect: "allow", Reason: w.s, Text: w.s, NotBefore: &at, Expires: &at}
	if deny {
		g.Effect, g.Prefix, g.Object, g.Expires = "deny", nil, w.s, nil
	}
	return g
}

func (w hostileServer) grants() []api.Grant { return []api.Grant{w.grant(false), w.grant(true)} }

func (w hostileServer) Explain(context.Context, api.ExplainRequest) (api.ExplainResponse, error) {
	g := w.grants()
	return api.ExplainResponse{User: w.s, Groups: []string{w.s, w.s}, Allows: g, Denies: g, Asleep: g, Nearest: g, Others: g, Missing: g}, nil
}

func (w hostileServer) Who(context.Context, api.WhoRequest) (api.WhoResponse, error) {
	return api.WhoResponse{
		Groups: []api.GroupAccess{{Group: w.s, Grants: w.grants()}, {Group: w.s + "2", Whole: true}},
		People: []api.PersonAccess{{Username: w.s, Groups: []string{w.s, w.s + "2"}}, {Username: w.s + "2", Enabled: true, Whole: true}},
	}, nil
}

func (w hostileServer) Can(context.Context, api.CanRequest) (api.CanResponse, error) {
	return api.CanResponse{User: w.s, Groups: []string{w.s}, Roots: []api.Root{{Grant: w.grant(false), Except: w.grants()}}}, nil
}

func (w hostileServer) GrantsList(context.Context) (api.GrantsListResponse, error) {
	return api.GrantsListResponse{Version: w.s, Grants: w.grants(), Problem: strings.Repeat(w.s+"\n", 9)}, nil
}

func (w hostileServer) Asking(context.Context, api.AskingRequest) (api.AskingResponse, error) {
	g := w.grant(false)
	q := api.Asking{
		Asked: api.Asked{Request: w.s, Bucket: w.s, Key: w.s, Reason: w.s, State: api.AskOpen, Answer: w.s},
		User:  w.s, Groups: []string{w.s, w.s + "2"}, Nearest: &g, Group: w.s,
	}
	gone, allowed, folder := q, q, q
	gone.Request, gone.Gone, gone.Groups = w.s+"1", true, nil
	allowed.Request, allowed.Allowed, allowed.Reason = w.s+"2", true, ""
	folder.Request, folder.Key = w.s+"3", w.s+"/"
	return api.AskingResponse{Requests: []api.Asking{q, gone, allowed, folder}, More: true}, nil
}

func (w hostileServer) Answer(context.Context, api.AnswerRequest) (api.AnswerResponse, error) {
	g := w.grant(false)
	return api.AnswerResponse{User: w.s, State: w.s, Grant: &g, Members: []string{w.s, w.s}, Others: 2, Version: w.s, Event: w.s}, nil
}

func newPane(t testing.TB, b Backend, o theme.Options) *Pane {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	env := &pane.Env{Theme: theme.New(o), Keys: table, Zone: time.UTC, Me: &pane.Me{}}
	p, err := New(Deps{Env: env, Backend: b, Now: func() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }, Server: "files.example.com", Group: safetext.New("usher-admins")})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// show sends a query and handles its response.
func show(t testing.TB, p *Pane, k kind, at pane.Target, user safetext.Text) *view {
	t.Helper()
	v := p.view(k, at, user)
	p.ask(v)
	ans, err := fetch{p.Backend, p.Now, k, at, user, ""}.do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Handle(answered{of: p.asked, ans: ans})
	return v
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

func payloads() []string {
	out := []string{strings.Repeat("財務\x1b[31m", 200), strings.Repeat("e\u0301", 600), ""}
	for _, x := range safetexttest.Payloads() {
		out = append(out, x.Text)
	}
	return out
}

func TestHostileTextsInEveryView(t *testing.T) {
	views := 0
	colors, mono := theme.Options{Profile: colorprofile.TrueColor, Dark: true}, theme.Options{Profile: colorprofile.ASCII, ASCII: true}
	narrow, wide := [][2]int{{72, 15}, {80, 21}, {109, 20}}, [][2]int{{110, 15}, {120, 30}, {200, 18}}
	for i, s := range payloads() {
		text := safetext.New(s)
		at := []pane.Target{{Bucket: text}, {Bucket: text, Key: safetext.New(s + "/")}, {Bucket: text, Key: safetext.New(s + "x")}}[i/3%3]
		o := colors
		if i%2 == 0 {
			o = mono
		}
		p := newPane(t, hostileServer{s}, o)
		for _, k := range []kind{who, why, can, grants, requests} {
			v := show(t, p, k, at, text)
			for _, size := range [][2]int{narrow[i%3], wide[i%3]} {
				look(t, p, v, size[0], size[1])
				views++
			}
		}
	}
	if views < 10*46 {
		t.Errorf("only %d views were checked", views)
	}
}

// look checks all rows of a view, and each row in full.
func look(t *testing.T, p *Pane, v *view, w, h int) {
	t.Helper()
	whole(t, "view", p.View(w, h), w, h)
	for _, title := range p.Title() {
		if err := safetexttest.Leaks(title); err != nil {
			t.Error(err)
		}
	}
	for i := range v.lines {
		v.list.SetCursor(i)
		whole(t, "row", p.View(w, h), w, h)
		left, right := p.Status(w)
		whole(t, "status", left+right, 1<<20, 1)
		for _, a := range []keys.Action{keys.CanSee, keys.CopyPath, keys.Grants} {
			if err := safetexttest.Leaks(p.Why(a).String()); err != nil {
				t.Error(err)
			}
		}
		if l := v.current(); (v.kind == who || v.kind == requests) && l.heading == "" {
			full := p.view(reach, v.at, safetext.Text{})
			full.of, full.ans = l, v.ans
			p.push(full)
			whole(t, "full", p.View(w, h), w, h)
			for _, x := range p.reached(full, l, w) {
				whole(t, "sheet", x, w, 1)
			}
			p.pop()
		}
	}
	p.typing = true
	p.field.Set(v.at.Bucket.Raw() + "/" + v.at.Key.Raw())
	whole(t, "typing", p.View(w, h), w, h)
	if c := p.Cursor(); c == nil || c.X < 0 || c.X >= w || c.Y != 0 {
		t.Errorf("cursor %v at %d", c, w)
	}
	p.typing = false
}

// Messages and their contents print nothing raw, with any verb.
func TestMessagesPrintNothingRaw(t *testing.T) {
	const s = "\x1b]0;owned\a\u202e"
	p := newPane(t, hostileServer{s}, theme.Options{})
	text := safetext.New(s)
	for _, k := range []kind{who, why, can, grants, requests} {
		v := show(t, p, k, pane.Target{Bucket: text, Key: text}, text)
		m := answered{of: &query{view: v}, ans: v.ans, err: &api.Error{Code: api.NotFound, Message: s}}
		for _, x := range []any{v.ans, *v.ans, m, &m, m.of, fetch{p.Backend, p.Now, k, v.at, text, ""}.at, waited{m.of}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				if err := safetexttest.Leaks(fmt.Sprintf(verb, x)); err != nil {
					t.Errorf("%s of %T: %v", verb, x, err)
				}
			}
		}
	}
	r, _ := hostileServer{s}.Who(t.Context(), api.WhoRequest{})
	if safetexttest.Leaks(fmt.Sprintf("%v", r)) == nil {
		t.Error("the answer itself leaks nothing: this test tests nothing")
	}
}

func TestSameStateSameFrame(t *testing.T) {
	p := newPane(t, hostileServer{"x"}, theme.Options{Profile: colorprofile.TrueColor})
	at := pane.Target{Bucket: safetext.New("b"), Key: safetext.New("k/")}
	for _, k := range []kind{who, why, can, grants, requests} {
		show(t, p, k, at, safetext.New("x"))
		one := p.View(120, 37)
		if two := p.View(120, 37); one != two {
			t.Errorf("two frames of view %d differ", k)
		}
		p.Env.Theme = theme.New(theme.Options{ASCII: true})
		p.Handle(pane.Restyled{})
		if p.View(120, 37) == one {
			t.Errorf("view %d keeps the old theme", k)
		}
		p.Env.Theme = theme.New(theme.Options{Profile: colorprofile.TrueColor})
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"ada":                         "2  ada",
		"  ada ":                      "2  ada",
		"builds/":                     "0 builds/ ",
		"builds/a b/c.txt ":           "0 builds/a b/c.txt  ",
		"builds//x/../y":              "0 builds//x/../y ",
		"ada builds/x":                "1 builds/x ada",
		"ada  builds/a b":             "1 builds/a b ada",
		"ada builds/x/":               "0 builds/x/ ada",
		"ada builds/":                 "0 builds/ ada",
		"/":                           "A path begins with its bucket: bucket/key.",
		"ada /builds/x":               "1 builds/x ada",
		"ada s3://builds/x":           "1 builds/x ada",
		"arn:aws:s3:::builds/x/":      "0 builds/x/ ",
		"ada ./x":                     "It names a file on this machine. A path is bucket/key.",
		"two words":                   "A path has a slash: bucket/key. A user name has no space.",
		"ada grace builds/x":          "Type one person and one path, with a space between them.",
		"ada@example.com builds/x/y/": "0 builds/x/y/ ada@example.com",
	} {
		k, at, user, wrong := parse(text)
		got := fmt.Sprintf("%d %s %s", k, at.Path(), user.Raw())
		if wrong != "" {
			got = wrong
		}
		if got != want {
			t.Errorf("%q reads as %q, want %q", text, got, want)
		}
	}
}

// Every code of the table has a sentence, and no message of a response is displayed.
func TestSentences(t *testing.T) {
	p := newPane(t, hostileServer{"x"}, theme.Options{})
	for _, f := range api.Failures() {
		err := fmt.Errorf("asking: %w", &api.Error{Code: f.Code, Message: "SECRET", RequestID: "r-1"})
		s := p.sentence(err, p.view(who, pane.Target{}, safetext.Text{}))
		if s == "" || strings.Contains(s, "SECRET") {
			t.Errorf("%s reads %q", f.Code, s)
		}
		if f.Code != api.NotFound && f.Code != api.TooLarge && !strings.Contains(s, f.Sentence) {
			t.Errorf("%s reads %q, the table says %q", f.Code, s, f.Sentence)
		}
	}
}

// A query without a response is repeated once for each key press. A refused query is
// not repeated.
func TestAskedAgainOnce(t *testing.T) {
	p := newPane(t, hostileServer{"x"}, theme.Options{})
	p.Opened()
	lost, refused := tuitest.ErrNetwork, &api.Error{Code: api.NotFound}
	for i, c := range []struct {
		err  error
		key  keys.Action
		asks bool
	}{{lost, "", true}, {lost, "", false}, {lost, keys.Reload, true}, {lost, "", false}, {refused, keys.Reload, false}} {
		if c.key != "" {
			p.Do(c.key)
		}
		if p.asked != nil {
			p.Handle(answered{of: p.asked, err: c.err})
		}
		if got := p.Handle(pane.Retry{}) != nil; got != c.asks {
			t.Errorf("step %d: asked again %v", i, got)
		}
	}
}

func TestGrantsOutOfTheirTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	for _, c := range []struct {
		from, until *time.Time
		early, over bool
	}{
		{nil, nil, false, false}, {&before, &after, false, false}, {&after, nil, true, false}, {nil, &before, false, true},
		{&now, nil, false, false}, {nil, &now, false, true},
	} {
		if g := grantOf(api.Grant{NotBefore: c.from, Expires: c.until}, now); g.early != c.early || g.over != c.over {
			t.Errorf("%v to %v: early %v, over %v", c.from, c.until, g.early, g.over)
		}
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	env, now := &pane.Env{Theme: theme.New(theme.Options{}), Me: &pane.Me{}}, func() time.Time { return time.Time{} }
	for name, d := range map[string]Deps{
		"environment": {Backend: hostileServer{}, Now: now}, "backend": {Env: env, Now: now}, "clock": {Env: env, Backend: hostileServer{}},
		"object": {Env: env, Backend: hostileServer{}, Now: now, Mine: true, On: pane.Target{Bucket: safetext.New("b")}},
	} {
		if _, err := New(d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := New(Deps{Env: env, Backend: hostileServer{}, Now: now}); err != nil {
		t.Error(err)
	}
}

// No key of any context makes the page panic, in any state.
func TestEveryKeyInEveryState(t *testing.T) {
	states := map[string]func(*Pane){
		"nothing asked": func(*Pane) {},
		"waiting":       func(p *Pane) { p.Opened() },
		"failed":        func(p *Pane) { p.Opened(); p.Handle(answered{of: p.asked, err: errors.New("x")}) },
		"empty":         func(p *Pane) { p.Opened(); p.Handle(answered{of: p.asked, ans: &answer{}}) },
	}
	for name, enter := range states {
		for _, s := range keys.Default() {
			for _, b := range s.Bindings {
				p := newPane(t, hostileServer{"x"}, theme.Options{})
				enter(p)
				p.Do(b.Action)
				whole(t, name+" "+string(b.Action), p.View(80, 21), 80, 21)
				p.Key(tea.KeyPressMsg(tea.Key{Code: tea.KeyEscape}))
				p.Status(80)
				p.Hints()
				p.Cursor()
			}
		}
	}
}

func BenchmarkView(b *testing.B) {
	for _, n := range []int{200, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newPane(b, hostileServer{}, theme.Options{Profile: colorprofile.TrueColor})
			p.Opened()
			ans := &answer{list: make([]grant, n)}
			for i := range ans.list {
				ans.list[i] = grantOf(api.Grant{Group: "g", Bucket: "b", Object: fmt.Sprint(i), Effect: "allow"}, time.Time{})
			}
			p.Handle(answered{of: p.asked, ans: ans})
			for b.Loop() {
				p.Do(keys.Down)
				p.View(120, 37)
			}
		})
	}
}
