package reader_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/preview"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/reader"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// page is a page under test, without the root.
type page struct {
	*reader.Pane
	t    testing.TB
	keys keys.Map
	sent []tea.Msg // messages for the root
}

func newPage(t testing.TB, key string, f func() reader.File) *page {
	t.Helper()
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	env := &pane.Env{Theme: theme.New(theme.Options{Dark: true}), Keys: m, Me: &pane.Me{}}
	p, err := reader.New(reader.Deps{Env: env, On: pane.Target{Bucket: safetext.New("reports"), Key: safetext.New(key)}, Open: f, Server: "files.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return &page{Pane: p, t: t, keys: m}
}

// open returns a page that has read the beginning of its file.
func open(t testing.TB, key string, f reader.File) *page {
	t.Helper()
	return opened(t, key, func() reader.File { return f })
}

func opened(t testing.TB, key string, f func() reader.File) *page {
	t.Helper()
	p := newPage(t, key, f)
	p.run(p.Opened())
	p.screen()
	return p
}

func (p *page) run(cmd tea.Cmd) { p.sent = append(p.sent, tuitest.Drive(p.Handle, cmd)...) }

// press runs the actions of keys, or types them into the field.
func (p *page) press(names ...string) {
	p.t.Helper()
	for _, name := range names {
		k := tuitest.Key(name)
		if p.Typing() {
			p.run(p.Key(k))
		} else {
			a, ok := p.keys.Find(p.Context(), k.String())
			if !ok {
				p.t.Fatalf("%s has no action", name)
			}
			p.run(p.Do(a))
		}
		p.View(100, 24)
	}
}

// style is the styles of a theme without colors.
var style = regexp.MustCompile("\x1b\\[[01347;]*m")

func (p *page) raw(w, h int) string {
	left, right := p.Status(w)
	return style.ReplaceAllString(p.View(w, h)+"\n"+left+"\n"+right, "")
}

func (p *page) screen() string { return p.raw(100, 24) }

func (p *page) want(texts ...string) {
	p.t.Helper()
	s := p.screen()
	for _, text := range texts {
		if !strings.Contains(s, text) {
			p.t.Errorf("%q is not on the screen:\n%s", text, s)
		}
	}
}

func (p *page) not(texts ...string) {
	p.t.Helper()
	s := p.screen()
	for _, text := range texts {
		if strings.Contains(s, text) {
			p.t.Errorf("%q is on the screen:\n%s", text, s)
		}
	}
}

// said returns the last sentence for the status line.
func (p *page) said() string {
	for i := len(p.sent) - 1; i >= 0; i-- {
		if s, ok := p.sent[i].(pane.Say); ok {
			return s.Text.String()
		}
	}
	return ""
}

// asked returns the last question, nil for none.
func (p *page) asked() *dialog.Question {
	for i := len(p.sent) - 1; i >= 0; i-- {
		if s, ok := p.sent[i].(dialog.Show); ok {
			return s.Dialog.(*dialog.Question)
		}
	}
	return nil
}

// counted counts the bytes that leave a file.
type counted struct {
	reader.File
	bytes atomic.Int64
}

func (c *counted) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	raw, err := c.File.ReadRange(ctx, off, n)
	c.bytes.Add(int64(len(raw)))
	return raw, err
}

func lines(n int) []byte {
	var b strings.Builder
	for i := range n {
		b.WriteString("line ")
		if i%10 == 3 {
			b.WriteString("NEEDLE ")
		}
		b.WriteString(strings.Repeat("long ", 30) + "end\n")
	}
	return []byte(b.String())
}

// Each key of the page has its effect.
func TestKeys(t *testing.T) {
	p := open(t, "logs/build.log", tuitest.NewFile(lines(60)))
	p.want("line 1 of 60", "1 range, 9.58 kB of 9.58 kB read; recorded as preview", "text, view 1 of 2")
	p.not("  1  line", "end")
	p.press("#")
	p.want("  1  line", " 20  line")
	p.press("w")
	p.want("end", "  1  line")
	p.press("w", "#", "l", "l", "l", "l", "l")
	p.want("end")
	p.not("line long")
	p.press("h", "h", "h", "h", "h")
	p.press("/", "n", "e", "e", "d", "l", "e", "enter")
	p.want("match 1 of 6", "NEEDLE")
	p.press("n", "n")
	p.want("match 3 of 6")
	p.press("N")
	p.want("match 2 of 6")
	p.press("N", "N")
	p.want("match 6 of 6")
	p.press("n")
	p.want("match 1 of 6")
	p.press("v")
	p.want("hex, view 2 of 2", "6c 69 6e 65")
	p.not("match")
	p.press("v")
	p.want("text, view 1 of 2")
	p.press("L")
	if got := p.said(); got != "All of this file is shown." {
		t.Errorf("L is answered by %q", got)
	}
	p.press("y")
	if c, ok := p.sent[len(p.sent)-1].(pane.Copy); !ok || c.Text.String() != "reports/logs/build.log" {
		t.Errorf("y sends %v", p.sent[len(p.sent)-1])
	}
	p.press("esc")
	if _, ok := p.sent[len(p.sent)-1].(pane.Close); !ok {
		t.Errorf("esc sends %v", p.sent[len(p.sent)-1])
	}
}

// A table scrolls by columns below its head, and a tree folds.
// The key line has no key without an effect in the present view.
func TestHintsHaveAnEffect(t *testing.T) {
	for _, c := range []struct {
		key, content  string
		offer, refuse []keys.Action
	}{
		{"a.txt", "one\ntwo\n", []keys.Action{keys.NextView, keys.Filter, keys.WrapLines, keys.LineNumbers}, []keys.Action{keys.LoadMore, keys.FindNext, keys.Enter, keys.Parent}},
		{"long.txt", strings.Repeat("one ", 100) + "\ntwo\n", []keys.Action{keys.Enter}, []keys.Action{keys.Parent}},
		{"a.csv", "a,b\n1,2\n", []keys.Action{keys.NextView, keys.Filter, keys.LineNumbers}, []keys.Action{keys.LoadMore, keys.WrapLines, keys.Enter}},
		{"a.bin", "\x00\x01\x02\xff", []keys.Action{keys.Filter}, []keys.Action{keys.NextView, keys.LoadMore, keys.WrapLines, keys.LineNumbers, keys.Enter}},
		{"large.csv", strings.Repeat("a,b,c\n", 1<<20), []keys.Action{keys.LoadMore}, nil},
	} {
		p := open(t, c.key, tuitest.NewFile([]byte(c.content)))
		got := p.Hints()
		for _, a := range append(c.offer, keys.Back, keys.CopyPath, keys.Help) {
			if !slices.Contains(got, a) {
				t.Errorf("%s: %v has no %s", c.key, got, a)
			}
		}
		for _, a := range c.refuse {
			if slices.Contains(got, a) {
				t.Errorf("%s: %v has %s", c.key, got, a)
			}
			if p.Why(a).IsZero() {
				t.Errorf("%s: %s has no reason", c.key, a)
			}
		}
	}
	p := open(t, "a.csv", tuitest.NewFile([]byte("a,b\n1,2\n")))
	p.want("1 row")
	p.not("1-1 of 1", "1 rows")
}

func TestTableAndTree(t *testing.T) {
	var b strings.Builder
	b.WriteString(strings.Repeat("column,", 30) + "last\n")
	for range 50 {
		b.WriteString(strings.Repeat("value,", 30) + "here\n")
	}
	p := open(t, "a.csv", tuitest.NewFile([]byte(b.String())))
	p.want("1-22 of 50 rows, columns 1-12 of 31", "column  column")
	p.not("here")
	for range 25 {
		p.press("l")
	}
	p.press("pgdown", "pgdown", "pgdown")
	p.want("29-50 of 50 rows", "last", "here", "column")
	p.press("w")
	if got := p.said(); got != "These lines do not wrap." {
		t.Errorf("w in a table is answered by %q", got)
	}

	p = open(t, "a.json", tuitest.NewFile([]byte(`{"one": {"two": {"three": [1, 2, "deepest"]}}, "next": true}`)))
	p.not("deepest")
	p.press("j", "j", "enter", "j", "enter")
	p.want("deepest")
	p.press("h", "h", "h")
	p.not("deepest")
	p.press("/", "d", "e", "e", "p", "enter")
	p.want("deepest", "match 1 of 1")
}

// Up to 4 MiB are read by L alone, and more only after a question.
func TestQuestion(t *testing.T) {
	f := &counted{File: tuitest.NewFile([]byte(strings.Repeat("a,b,c\n", 4<<20)))}
	p := open(t, "large.csv", f)
	p.press("L", "L")
	if p.asked() != nil || f.bytes.Load() != preview.Free {
		t.Fatalf("%d bytes are read by L, question %v", f.bytes.Load(), p.asked())
	}
	p.press("L")
	q := p.asked()
	if q == nil || f.bytes.Load() != preview.Free {
		t.Fatalf("a step beyond: %d bytes, question %v", f.bytes.Load(), q)
	}
	if !strings.Contains(q.Lines[0].Text, "8,388,608 bytes") {
		t.Errorf("the question names %q", q.Lines[0].Text)
	}
	p.run(q.Choices[1].Cmd)
	if f.bytes.Load() != preview.Free {
		t.Errorf("%d bytes after the refusal", f.bytes.Load())
	}
	p.run(q.Choices[0].Cmd)
	if f.bytes.Load() != preview.Most {
		t.Errorf("%d bytes after the question", f.bytes.Load())
	}
	p.press("L")
	if f.bytes.Load() != preview.Most || p.said() != "No more of this file is read. Download it." {
		t.Errorf("%d bytes in the end: %q", f.bytes.Load(), p.said())
	}
	before := p.screen()
	p.run(q.Choices[0].Cmd) // the answer of an old question
	if p.screen() != before {
		t.Errorf("an old answer changes the page to\n%s", p.screen())
	}
}

// broken is a file with an error.
type broken struct {
	reader.File
	err error
}

func (b *broken) Size(ctx context.Context) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.File.Size(ctx)
}

// An error has a sentence, and the page reads again after it.
func TestFailure(t *testing.T) {
	f := &broken{File: tuitest.NewFile([]byte("a,b\n1,2\n")), err: errors.New("\x1b[2Jlost")}
	p := open(t, "a.csv", f)
	p.want("No answer from files.example.com.")
	for _, key := range []string{"v", "/", "n", "L", "w", "#", "l", "h"} {
		p.press(key)
		if got := p.said(); got != "Nothing is read yet." {
			t.Errorf("%s is answered by %q", key, got)
		}
	}
	f.err = nil
	p.run(p.Handle(pane.Retry{}))
	p.want("CSV table", "1 range")
	f.err = errors.New("lost")
	p.press("ctrl+r")
	p.want("No answer from", "CSV table") // the contents stay
}

// The result of a read that was left is dropped.
func TestLeaving(t *testing.T) {
	p := newPage(t, "a.csv", func() reader.File { return tuitest.NewFile([]byte("a,b\n1,2\n")) })
	cmd := p.Opened()
	p.want("Reading")
	p.press("q")
	p.run(cmd)
	p.not("CSV")
}

func TestRefusals(t *testing.T) {
	for _, d := range []reader.Deps{{Env: &pane.Env{}}, {Open: func() reader.File { return tuitest.NewFile(nil) }}} {
		if _, err := reader.New(d); err == nil {
			t.Errorf("%+v has a page", d)
		}
	}
}
