package browse_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/client/places"
	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// unstarted returns a browser before its first folder.
func unstarted(t *testing.T) *browser {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{server: tuitest.Reports(tuitest.NewServer("ada", "finance-team"))}
	b.Pane, err = browse.New(browse.Deps{
		Env:     &pane.Env{Theme: theme.New(theme.Options{Dark: true, Profile: colorprofile.TrueColor}), Keys: table, Zone: time.UTC, Me: &pane.Me{Version: "1", Online: true}},
		Backend: b.server, Server: "files.example.com", Now: tuitest.Epoch, Reads: func() bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.View(120, 30)
	return b
}

func (b *browser) drive(cmd tea.Cmd) { b.sent = append(b.sent, tuitest.Drive(b.Handle, cmd)...) }

func (b *browser) head() string { return strings.Split(ansi.Strip(b.View(120, 30)), "\n")[0] }

// saidLast returns the last sentence for the status line.
func (b *browser) saidLast() string {
	for i := len(b.sent) - 1; i >= 0; i-- {
		if s, ok := b.sent[i].(pane.Say); ok {
			return s.Text.String()
		}
	}
	return ""
}

// goTo types a path and enter. The returned command has not run yet.
func (b *browser) goTo(path string) tea.Cmd {
	b.do(keys.GoTo)
	b.write(path)
	return b.Key(tea.KeyPressMsg{Code: tea.KeyEnter})
}

// Keys that come before the rows are answered by a sentence.
func TestKeysBeforeTheRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := unstarted(t)
		for _, started := range []bool{false, true} {
			var listing tea.Cmd
			if started {
				listing = b.Start(tuitest.At("company-reports/annual/"))
			}
			for _, a := range []keys.Action{keys.Down, keys.PageDown, keys.First, keys.Enter, keys.Mark, keys.Download, keys.Read, keys.OpenVersions} {
				if b.do(a); b.saidLast() != "The folder is being listed." {
					t.Errorf("started %v: %s is answered by %q", started, a, b.saidLast())
				}
			}
			b.do(keys.ToMark)
			b.sent = nil
			b.drive(b.Key(tea.KeyPressMsg{Code: 'a', Text: "a"}))
			if got := b.saidLast(); strings.Contains(got, "not loaded yet") == started {
				t.Errorf("started %v: a bookmark is answered by %q", started, got)
			}
			b.drive(listing)
		}
		if b.do(keys.Down); b.saidLast() != "" {
			t.Errorf("with rows: %q", b.saidLast())
		}
	})
}

// A field that is open when the first folder opens stays open, and a path that was typed
// before has precedence.
func TestPathBeforeTheFirstFolder(t *testing.T) {
	for name, begin := range map[string]func(*browser) tea.Cmd{
		"a named path": func(b *browser) tea.Cmd { return b.Start(tuitest.At("company-reports/annual/")) },
		"the last folder": func(b *browser) tea.Cmd {
			b.Recall(places.State{Last: "company-reports/annual/"}, nil)
			return b.Resume()
		},
		"the buckets": func(b *browser) tea.Cmd { return b.Resume() },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := unstarted(t)
			b.do(keys.GoTo)
			b.write("company-reports/annual/")
			b.drive(begin(b))
			b.write("audited/")
			if !b.Typing() || !strings.Contains(b.head(), "go to: company-reports/annual/audited/") {
				t.Fatalf("%s: typing %v, %q", name, b.Typing(), b.head())
			}
			b.drive(b.Key(tea.KeyPressMsg{Code: tea.KeyEnter}))
			if got := b.Target().Path(); got != "company-reports/annual/audited/" {
				t.Errorf("%s: a path that is typed during the start opens %q", name, got)
			}
			b = unstarted(t)
			typed := b.goTo("company-reports/annual/audited/")
			b.drive(begin(b))
			b.drive(typed)
			if got := b.Target().Path(); got != "company-reports/annual/audited/" {
				t.Errorf("%s: a path that is typed before the start opens %q", name, got)
			}
		})
	}
}

// A folder that opens, or that is not there, while the person types leaves the field.
func TestFieldStaysWhileAFolderOpens(t *testing.T) {
	for path, want := range map[string]string{"company-reports/annual/audited": "company-reports/annual/audited/", "company-reports/nothing/": "company-reports/annual/"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBrowser(t, "company-reports/annual/")
			opening := b.goTo(path)
			b.do(keys.Filter)
			b.write("20")
			b.drive(opening)
			b.write("2")
			if !b.Typing() || !strings.Contains(b.head(), "/ 202 ") || b.Target().Path() != want {
				t.Errorf("%s: typing %v, %q in %s", path, b.Typing(), b.head(), b.Target().Path())
			}
		})
	}
}

// Bookmarks that have no room are counted.
func TestManyBookmarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n, want := range map[int]string{28: "", 29: "2 more", 36: "9 more"} {
			marks := make(map[string]string)
			for _, c := range "0123456789abcdefghijklmnopqrstuvwxyz"[:n] {
				marks[string(c)] = "company-reports/annual/"
			}
			b := unstarted(t)
			b.Recall(places.State{Bookmarks: marks}, nil)
			b.drive(b.Start(tuitest.At("company-reports/")))
			b.do(keys.ToMark)
			view := ansi.Strip(b.View(100, 30))
			if strings.Contains(view, " more") != (want != "") || !strings.Contains(view, want) || strings.Count(view, "\n") != 29 {
				t.Errorf("%d bookmarks:\n%s", n, view)
			}
		}
	})
}
