package reader_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/client/preview"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/pane"
	"usher/tui/reader"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// diffPage is a comparison under test, without the root.
type diffPage struct {
	*reader.Diff
	t    testing.TB
	keys keys.Map
	sent []tea.Msg // messages for the root
}

func newDiff(t testing.TB, key string, open func(version string) reader.Version) *diffPage {
	t.Helper()
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	env := &pane.Env{Theme: theme.New(theme.Options{Dark: true}), Keys: m, Me: &pane.Me{}, Zone: time.UTC}
	p, err := reader.NewDiff(reader.DiffDeps{Env: env, Server: "files.example.com",
		On:   pane.Target{Bucket: safetext.New("reports"), Key: safetext.New(key), Base: safetext.New("old-id"), Version: safetext.New("new-id")},
		Open: func(on pane.Target) reader.Version { return open(on.Version.Raw()) }})
	if err != nil {
		t.Fatal(err)
	}
	return &diffPage{Diff: p, t: t, keys: m}
}

// openDiff returns a page that has compared two texts.
func openDiff(t testing.TB, old, next string) *diffPage {
	t.Helper()
	p := newDiff(t, "logs/build.log", func(version string) reader.Version {
		return tuitest.NewFile([]byte(map[string]string{"old-id": old, "new-id": next}[version]))
	})
	p.run(p.Opened())
	p.screen()
	return p
}

func (p *diffPage) run(cmd tea.Cmd) { p.sent = append(p.sent, tuitest.Drive(p.Handle, cmd)...) }

func (p *diffPage) press(names ...string) {
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

func (p *diffPage) raw(w, h int) string {
	left, right := p.Status(w)
	return style.ReplaceAllString(p.View(w, h)+"\n"+left+"\n"+right, "")
}

func (p *diffPage) screen() string { return p.raw(100, 24) }

func (p *diffPage) want(texts ...string) {
	p.t.Helper()
	s := p.screen()
	for _, text := range texts {
		if !strings.Contains(s, text) {
			p.t.Errorf("%q is not on the screen:\n%s", text, s)
		}
	}
}

func (p *diffPage) not(texts ...string) {
	p.t.Helper()
	s := p.screen()
	for _, text := range texts {
		if strings.Contains(s, text) {
			p.t.Errorf("%q is on the screen:\n%s", text, s)
		}
	}
}

func (p *diffPage) said() string {
	for i := len(p.sent) - 1; i >= 0; i-- {
		if s, ok := p.sent[i].(pane.Say); ok {
			return s.Text.String()
		}
	}
	return ""
}

func (p *diffPage) asked() *dialog.Question {
	for i := len(p.sent) - 1; i >= 0; i-- {
		if s, ok := p.sent[i].(dialog.Show); ok {
			return s.Dialog.(*dialog.Question)
		}
	}
	return nil
}

// The place stays in the status line of each width; the read part becomes shorter.
func TestDiffPlaceInEachWidth(t *testing.T) {
	p := openDiff(t, strings.Repeat("row\n", 1000), strings.Repeat("row\n", 500)+"new\n"+strings.Repeat("row\n", 500))
	p.press("n")
	for w := 60; w <= 200; w++ {
		left, right := p.Status(w)
		if !strings.Contains(right, "change 1 of 1, line ") || format.Width(left)+2+format.Width(right) > w-2 {
			t.Fatalf("%d cells: %q, %q", w, left, right)
		}
		if w == 120 && !strings.Contains(left, "recorded as preview 2 times") {
			t.Errorf("%d cells: %q", w, left)
		}
	}
}

// Each key of the page has its effect.
func TestDiffKeys(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "row %d %s\n", i, strings.Repeat("long ", 30))
	}
	old := b.String()
	next := strings.Replace(old, "row 1 ", strings.Repeat("wide ", 60)+"beyond the edge\nrow 1 ", 1)
	for i := 0; i < 200; i += 40 {
		next = strings.Replace(next, fmt.Sprintf("row %d long", i), fmt.Sprintf("row %d LONG", i), 1)
	}
	p := openDiff(t, old, next)
	p.want("-row 0 long", "+row 0 LONG", "+wide", "@@ -1,4 +1,5 @@", "6 added, 5 removed, 5 changes", "2 ranges, ", "recorded as preview 2 times",
		"- 31.7 kB  version old-id", "+ 32.0 kB  version new-id", "line 1 of 43")
	p.not("beyond the edge", "change 1")
	p.press("n")
	p.want("change 1 of 5")
	p.press("n", "n", "n")
	p.want("change 4 of 5", "+row 120 LONG")
	p.press("n", "n")
	p.want("change 1 of 5", "-row 0 long")
	p.press("N")
	p.want("change 5 of 5", "+row 160 LONG")
	p.press("g", "w")
	p.want("beyond the edge")
	p.press("w", "g", "n") // the window has moved: the change below its first row
	p.want("change 1 of 5")
	p.press("G", "N") // and the change above it
	p.want("change 3 of 5", "+row 80 LONG")
	p.press("g", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l", "l")
	p.want("beyond the edge")
	for range 15 {
		p.press("h")
	}
	p.press("/", "0", " ", "l", "o", "n", "g", "enter")
	p.want("match 1 of 10", "-row 0 long")
	if got := p.Label(keys.NextChange); got != "next match" {
		t.Errorf("after a search n is labeled %q", got)
	}
	p.not("change 2 of 5")
	p.press("n")
	p.want("match 2 of 10", "+row 0 LONG")
	p.press("N", "N")
	p.want("match 10 of 10")
	p.press("/", "x", "enter")
	if got := p.said(); got != "Nothing in the comparison fits 0 longx." {
		t.Errorf("a search without a match: %q", got)
	}
	p.press("/", "ctrl+u", "enter", "n")
	p.want("change")
	p.press("L")
	if got := p.said(); got != "There is no more to read." {
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

// squares is a text of two lines in an order without repetition.
func squares(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString([]string{"a\n", "b\n"}[i*i/7%2])
	}
	return b.String()
}

// spaces are those at the end of a line.
var spaces = regexp.MustCompile(" +\n")

// Each outcome has its sentence, and no key without an effect.
func TestDiffOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		old, next string
		want      []string
	}{
		"same":      {"a\n", "a\n", []string{"The two versions have the same content."}},
		"mark":      {"a\n", "\xef\xbb\xbfa\n", []string{"The lines are equal. The bytes differ: another encoding, or a byte order mark."}},
		"binary":    {"a\n", "\x00\x01\x02", []string{"A version is not text, so no lines are compared. The two versions differ.", "- 2 B  CRC32 ddeaa107  version old-id", "+ 3 B  CRC32 0854897f  version new-id"}},
		"too large": {"a\n", strings.Repeat("a line\n", 2<<20), []string{"Versions of up to 12.6 MB and 400,000 lines are compared here. Download both versions to compare"}},
		"no end":    {"a\nb", "a\nb\n", []string{"-b", "\\ No newline at end of file", "+b", "1 added, 1 removed, 1 change"}},
		"CRLF":      {"a\r\nb\r\n", "a\r\nc\r\n", []string{" a\n", "-b\n", "+c\n"}},
		"LF, CRLF":  {"a\nb\n", "a\r\nb\n", []string{"-a\n", `+a\u{d}`}},
		"not UTF-8": {"caf\xe9\n", "cafe\n", []string{`-caf\xe9`, "+cafe", "Bytes that are not UTF-8 are shown as escapes."}},
		"coarse":    {strings.Repeat("a\nb\n", 3000), squares(5000), []string{"The versions differ in too many lines for a full comparison"}},
	} {
		p := openDiff(t, c.old, c.next)
		s := spaces.ReplaceAllString(p.screen(), "\n")
		for _, text := range c.want {
			if !strings.Contains(s, text) {
				t.Errorf("%s: %q is not on the screen:\n%s", name, text, s)
			}
		}
		for _, a := range p.Hints() {
			if !p.Why(a).IsZero() {
				t.Errorf("%s: the key line has %s: %s", name, a, p.Why(a))
			}
		}
		lines := strings.Contains(s, "added")
		if slices.Contains(p.Hints(), keys.NextChange) != lines || slices.Contains(p.Hints(), keys.LoadMore) {
			t.Errorf("%s: the key line has %v", name, p.Hints())
		}
		if !lines {
			p.press("n", "N", "/", "w", "l", "j", "G")
			if got := p.said(); got != "There are no lines to compare." {
				t.Errorf("%s: the keys are answered by %q", name, got)
			}
		}
	}
}

// More than 4 MiB of both versions together are read only after a question.
func TestDiffQuestion(t *testing.T) {
	text := strings.Repeat("a line of a log\n", 1<<18) // 4 MiB
	var files []*counted
	p := newDiff(t, "large.log", func(version string) reader.Version {
		f := &counted{File: tuitest.NewFile([]byte(text + version + "\n"))}
		files = append(files, f)
		return struct {
			*counted
			facts
		}{f, facts{}}
	})
	bytes := func() int64 { return files[len(files)-2].bytes.Load() + files[len(files)-1].bytes.Load() }
	p.run(p.Opened())
	p.want("Both versions together have 8.39 MB. L reads them.", "2 ranges, 131 kB of 8.39 MB read; recorded as preview 2 times")
	if p.asked() != nil || bytes() != 2*preview.First { // no key was pressed for a question
		t.Fatalf("%d bytes are read, question %v", bytes(), p.asked())
	}
	p.press("L")
	q := p.asked()
	if q == nil || bytes() != 2*preview.First {
		t.Fatalf("%d bytes are read, question %v", bytes(), q)
	}
	if q.Title != "Read both versions" || !strings.Contains(q.Lines[0].Text, "8,257,550 bytes") {
		t.Errorf("the question is %q, %q", q.Title, q.Lines[0].Text)
	}
	p.run(q.Choices[1].Cmd)
	p.sent = nil
	p.press("L")
	if p.asked() == nil || bytes() != 2*preview.First {
		t.Fatalf("%d bytes after the refusal, question %v", bytes(), p.asked())
	}
	p.run(q.Choices[0].Cmd)
	p.want("1 added, 1 removed, 1 change", "-old-id", "+new-id")
	whole := bytes()
	if whole != int64(2*len(text)+14) {
		t.Errorf("%d bytes are read in the end", whole)
	}
	p.run(q.Choices[0].Cmd) // the answer of an old question
	if bytes() != whole {
		t.Errorf("an old answer reads %d bytes", bytes()-whole)
	}
	p.sent = nil
	p.press("ctrl+r") // the agreement was for the bytes before
	p.want("Both versions together have 8.39 MB. L reads them.")
	if len(files) != 4 || p.asked() != nil || bytes() != 2*preview.First {
		t.Errorf("ctrl+r: %d files, %d bytes, question %v", len(files), bytes(), p.asked())
	}
}

// After a read that failed, or that began again, the question can be answered again.
func TestDiffQuestionAfterAFailure(t *testing.T) {
	text := strings.Repeat("a line of a log\n", 1<<18) // 4 MiB
	var failing error
	p := newDiff(t, "large.log", func(version string) reader.Version {
		return struct {
			reader.File
			facts
		}{&unsteady{File: tuitest.NewFile([]byte(text + version + "\n")), err: &failing}, facts{}}
	})
	agree := func() {
		t.Helper()
		p.sent = nil
		p.press("L")
		q := p.asked()
		if q == nil {
			t.Fatalf("no question:\n%s", p.screen())
		}
		p.run(q.Choices[0].Cmd)
	}
	p.run(p.Opened())
	for range 2 {
		failing = errors.New("lost")
		agree()
		p.want("No answer from files.example.com.", "L reads them")
	}
	p.press("ctrl+r")
	p.want("No answer from")
	agree()
	p.want("No answer from")
	failing = nil
	agree()
	p.want("1 added, 1 removed, 1 change", "-old-id", "+new-id")
}

// unsteady fails while there is an error.
type unsteady struct {
	reader.File
	err *error
}

func (u *unsteady) Size(ctx context.Context) (int64, error) {
	if *u.err != nil {
		return 0, *u.err
	}
	return u.File.Size(ctx)
}

func (u *unsteady) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	if *u.err != nil {
		return nil, *u.err
	}
	return u.File.ReadRange(ctx, off, n)
}

// Keys that come before the versions are answered by a sentence.
func TestDiffKeysBeforeTheLines(t *testing.T) {
	p := newDiff(t, "a.txt", func(string) reader.Version { return tuitest.NewFile([]byte("a\n")) })
	cmd := p.Opened()
	for _, key := range []string{"j", "G", "pgdown", "n", "l", "/", "w", "L"} {
		p.sent = nil
		p.press(key)
		if got := p.said(); got != "The versions are being read." {
			t.Errorf("%s is answered by %q", key, got)
		}
	}
	p.run(cmd)
	p.want("same content")
}

// The keys to scroll to a side are offered, by the key line and the help, only while there is
// something on that side.
func TestSidesOfAComparison(t *testing.T) {
	offered := func(p interface {
		Hints() []keys.Action
		Omits(keys.Action) bool
		Why(keys.Action) safetext.Text
	}, a keys.Action) bool {
		t.Helper()
		is := slices.Contains(p.Hints(), a)
		if is == p.Omits(a) || is != p.Why(a).IsZero() {
			t.Errorf("%s: in the key line %v, left out of the help %v, %q", a, is, p.Omits(a), p.Why(a))
		}
		return is
	}
	sides := func(right, left bool, p interface {
		Hints() []keys.Action
		Omits(keys.Action) bool
		Why(keys.Action) safetext.Text
	}) {
		t.Helper()
		if got := [2]bool{offered(p, keys.Enter), offered(p, keys.Parent)}; got != [2]bool{right, left} {
			t.Errorf("right and left are %v, want %v, %v", got, right, left)
		}
	}
	short := openDiff(t, "a\n"+strings.Repeat("x", 97), "b\n"+strings.Repeat("x", 97)) // 98 cells with the sign: all
	sides(false, false, short)
	short.press("l")
	if got := short.said(); got != "The whole width is on the screen." {
		t.Errorf("l is answered by %q", got)
	}
	for name, line := range map[string]string{"ASCII": strings.Repeat("x", 98), "wide": strings.Repeat("中", 49), "tabs": strings.Repeat("\t", 25), "escapes": strings.Repeat("\x1b", 17), "backslashes": strings.Repeat(`\x41`, 20)} {
		p := openDiff(t, "a\n"+line+"\n", "b\n"+line+"\n")
		sides(true, false, p)
		p.press("l")
		sides(false, true, p)
		p.press("l")
		if got := p.said(); got != "There is nothing to the right." {
			t.Errorf("%s: l is answered by %q", name, got)
		}
		p.press("h")
		sides(true, false, p)
		p.press("h")
		if got := p.said(); got != "There is nothing to the left." {
			t.Errorf("%s: h is answered by %q", name, got)
		}
		p.press("w")
		sides(false, false, p)
	}
	long := openDiff(t, "a\n"+strings.Repeat("x", 120)+"\n", "b\n"+strings.Repeat("x", 120)+"\n")
	long.View(200, 24)
	sides(false, false, long)
	long.View(100, 24)
	sides(true, false, long)
	file := open(t, "a.txt", tuitest.NewFile([]byte(strings.Repeat("x", 98)+"\n")))
	sides(false, false, file)
	file = open(t, "a.txt", tuitest.NewFile([]byte(strings.Repeat("x", 99)+"\n")))
	sides(true, false, file)
	file.press("l")
	sides(false, true, file)
	table := open(t, "a.csv", tuitest.NewFile([]byte(strings.Repeat("column,", 30)+"last\n"+strings.Repeat("v,", 30)+"v\n")))
	sides(true, false, table)
	table.press("l")
	sides(true, true, table)
	for range 30 {
		table.press("l")
	}
	sides(false, true, table)
}

// facts are the facts of a version without any.
type facts struct{}

func (facts) Modified() time.Time { return time.Time{} }
func (facts) Sum() string         { return "" }

// An error has a sentence, and the page reads again after it.
func TestDiffFailure(t *testing.T) {
	f := &broken{File: tuitest.NewFile([]byte("a\n")), err: errors.New("\x1b[2Jlost")}
	p := newDiff(t, "a.csv", func(version string) reader.Version {
		if version == "old-id" {
			return struct {
				reader.File
				facts
			}{f, facts{}}
		}
		return tuitest.NewFile([]byte("b\n"))
	})
	p.run(p.Opened())
	p.want("No answer from files.example.com.")
	for _, key := range []string{"n", "/", "w", "l"} {
		p.press(key)
		if got := p.said(); got != "There are no lines to compare." {
			t.Errorf("%s is answered by %q", key, got)
		}
	}
	f.err = nil
	p.run(p.Handle(pane.Retry{}))
	p.want("1 added, 1 removed", "-a", "+b")
	f.err = errors.New("lost")
	p.press("ctrl+r")
	p.want("No answer from", "-a") // the comparison stays
	if _, err := reader.NewDiff(reader.DiffDeps{Env: &pane.Env{}}); err == nil {
		t.Error("a page without versions")
	}
}

// The result of a read that was left is dropped.
func TestDiffLeaving(t *testing.T) {
	var ended [2]context.Context // the versions are read at once
	opened := 0
	p := newDiff(t, "a.txt", func(string) reader.Version {
		opened++
		return struct {
			reader.File
			facts
		}{watched{tuitest.NewFile([]byte("a\n")), &ended[opened-1]}, facts{}}
	})
	cmd := p.Opened()
	p.want("Reading", "Each version is recorded in the audit log.")
	p.press("q")
	p.run(cmd)
	p.not("same content")
	for _, ctx := range ended {
		if ctx != nil && ctx.Err() == nil {
			t.Error("a request goes on")
		}
	}
	if ended == [2]context.Context{} {
		t.Error("no version was requested")
	}
}

// watched keeps the context of a call.
type watched struct {
	reader.File
	ctx *context.Context
}

func (w watched) Size(ctx context.Context) (int64, error) {
	*w.ctx = ctx
	return w.File.Size(ctx)
}

// No text of a version acts on the terminal, and no line is wider than the page.
func TestComparisonsAreSafe(t *testing.T) {
	drawn := 0
	for _, x := range safetexttest.Payloads() {
		p := openDiff(t, "a\n"+x.Text+"\nc\n"+strings.Repeat("d\n", 20)+x.Text, "a\nb\n"+strings.Repeat("d\n", 20)+"x"+x.Text+"\n"+x.Text)
		for _, key := range []string{"n", "w", "l", "/"} {
			p.press(key)
			for _, size := range [][2]int{{80, 20}, {40, 12}, {200, 40}} {
				drawn++
				view := style.ReplaceAllString(p.View(size[0], size[1]), "")
				for _, l := range strings.Split(view, "\n") {
					if err := safetexttest.Leaks(l); err != nil {
						t.Errorf("%s at %v: %v in %q", x.Name, size, err, l)
					}
				}
				if n := strings.Count(view, "\n") + 1; n != size[1] {
					t.Errorf("%s at %v: %d lines", x.Name, size, n)
				}
			}
		}
		w := p.Words()
		for _, l := range slices.Concat(w.Info, w.Text, w.Lines.Text, []string{w.Title, w.Place, w.Row.Text}) {
			if err := safetexttest.Leaks(l); err != nil {
				t.Errorf("%s in words: %v in %q", x.Name, err, l)
			}
		}
	}
	if drawn < 500 {
		t.Errorf("only %d views", drawn)
	}
}

// A screen reader gets the signs as words.
func TestDiffWords(t *testing.T) {
	p := openDiff(t, "a\nb\n\nc\n", "a\nB\n\n\nc\n")
	w := p.Words()
	if got := fmt.Sprint(w.Lines.Text); got != "[@@ -1,4 +1,5 @@ a removed: b added: B added: blank blank c]" && got != "[@@ -1,4 +1,5 @@ a removed: b added: B blank added: blank c]" {
		t.Errorf("the lines are %s", got)
	}
	if w.Title != "Comparison of two versions of reports/logs/build.log" || !slices.Contains(w.Info, "2 added, 1 removed, 1 change") && !slices.Contains(w.Info, "2 added, 1 removed, 2 changes") || w.Place == "" {
		t.Errorf("%+v", w)
	}
	p.press("/", "a")
	if f := p.Words().Field; f != (linear.Field{Label: "Find", Value: "a"}) {
		t.Errorf("%+v", f)
	}
}

// A change in the same window is announced with its kind: no new line shows it.
func TestDiffWordsOfAChange(t *testing.T) {
	p := openDiff(t, "a\nb\nc\nd\ne\nf\ng\n", "a\nB\nc\nd\ne\nf\ng\nh\n")
	p.View(80, 20)
	if row := p.Words().Row; row != (linear.Row{}) {
		t.Errorf("before the first change: %+v", row)
	}
	for _, want := range []linear.Row{
		{ID: "change 1 of 2", Text: "change 1 of 2, removed: b"},
		{ID: "change 2 of 2", Text: "change 2 of 2, added: h"},
		{ID: "change 1 of 2", Text: "change 1 of 2, removed: b"},
	} {
		p.press("n")
		if row := p.Words().Row; row != want {
			t.Errorf("%+v, not %+v", row, want)
		}
	}
}

// Each version is one release of a whole usher, with the purpose preview and its ID; a
// version outside the grants is not found.
func TestDiffOverABackend(t *testing.T) {
	usher, ada, engine := backend(t)
	const bucket, key = "company-reports", "quarterly/preview/kept.txt"
	if err := usher.Sandbox.Objects.EnableVersions(bucket); err != nil {
		t.Fatal(err)
	}
	usher.Put(t, bucket, key, "same\nthe first text\n")
	usher.Put(t, bucket, key, "same\nthe second text\n")
	all, err := ada.Versions(t.Context(), api.VersionsRequest{Bucket: bucket, Key: key})
	if err != nil || len(all.Versions) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	compare := func(key string) *diffPage {
		ids := map[string]string{"old-id": all.Versions[1].Version, "new-id": all.Versions[0].Version}
		p := newDiff(t, key, func(version string) reader.Version {
			return engine.Look(api.ReleaseObject{Bucket: bucket, Key: key, Version: ids[version]})
		})
		p.run(p.Opened())
		return p
	}
	p := compare(key)
	p.want("- 20", "-the first text", "+the second text", "1 added, 1 removed, 1 change", "2 ranges, 41 B of 41 B read; recorded as preview 2 times")
	for _, v := range all.Versions {
		found := 0
		for _, e := range usher.Events(t, "action:download purpose:preview path:"+bucket+"/"+key) {
			if e.Version == v.Version && e.User.Username == "ada" && e.Outcome == "allowed" {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d events for version %s", found, v.Version)
		}
		if day := v.Modified.UTC().Format("2006-01-02 15:04:05"); !strings.Contains(p.screen(), day) {
			t.Errorf("%s is not on the screen:\n%s", day, p.screen())
		}
	}
	usher.Put(t, bucket, key, "\x00\x01\x02")
	if all, err = ada.Versions(t.Context(), api.VersionsRequest{Bucket: bucket, Key: key}); err != nil {
		t.Fatal(err)
	}
	compare(key).want("A version is not text", "+ 20", "3 B  CRC64NVME ")
	compare("payroll/2026.csv").want("There is nothing here that you can open.")
}
