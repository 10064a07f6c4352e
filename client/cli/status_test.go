package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/api"
	"usher/client"
)

// A line of progress is replaced on a terminal. Where no line may be changed, it has
// lines at intervals, and without a terminal it has none.
func TestStatusLine(t *testing.T) {
	for name, c := range map[string]struct {
		tty, lines, json, quiet bool
		want                    string
	}{
		"terminal":       {tty: true, want: "1\r\x1b[K2\r\x1b[K3\r\x1b[K4\r\x1b[K"},
		"lines":          {tty: true, lines: true, want: "3\n4\n"},
		"pipe":           {},
		"pipe and lines": {lines: true},
		"json":           {tty: true, json: true},
		"quiet":          {tty: true, lines: true, quiet: true},
	} {
		var err strings.Builder
		now := time.Unix(0, 0)
		s := statusLine{app: &app{Program: Program{Err: &err, ErrTTY: c.tty, Now: func() time.Time { return now }}, lines: c.lines, json: c.json, quiet: c.quiet}}
		for i, text := range []string{"1", "2", "3", "4"} {
			s.show(text)
			s.show(text) // nothing has changed
			now = now.Add(map[bool]time.Duration{true: time.Second, false: linesEvery}[i == 0])
		}
		s.end()
		s.end()
		if err.String() != c.want {
			t.Errorf("%s: %q, not %q", name, &err, c.want)
		}
	}
}

// The note about a repeated call is a line of its own where no line may be changed.
func TestWaitNoteAsALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term strings.Builder
		n := newWaitNote(&term, time.Now)
		n.lines = true
		(&app{note: n}).waits(client.Wait{Code: api.StorageUnavailable, For: time.Second})
		time.Sleep(quietWait)
		synctest.Wait()
		_, _ = n.Write([]byte("x\n"))
		n.end()
		if term.String() != storageWaits+"\nx\n" {
			t.Errorf("%q", term.String())
		}
	})
}

// The environment and the setting reader decide whether a terminal is painted.
func TestLinesOfATerminal(t *testing.T) {
	for env, want := range map[string]bool{"": false, "TERM=dumb": true, "TERM=xterm": false, "USHER_READER=1": true, "USHER_READER=on": true, "USHER_READER=off": false} {
		key, value, _ := strings.Cut(env, "=")
		a := &app{Program: Program{ErrTTY: true, Getenv: func(name string) string {
			if name == key {
				return value
			}
			return ""
		}}}
		a.Folders.Config = t.TempDir()
		if a.setLines(); a.paints() == want {
			t.Errorf("%q: lines %v", env, !want)
		}
		if err := os.WriteFile(filepath.Join(a.Folders.Config, settingsFile), []byte("reader: on\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if a.setLines(); a.paints() == (env != "USHER_READER=off") {
			t.Errorf("%q with reader: on: lines %v", env, !a.paints())
		}
	}
}

// Lines on a terminal are changed, and columns placed, in four files alone, which all depend on app.lines.
func TestOneWayToPaint(t *testing.T) {
	paints := regexp.MustCompile(`"\\r("\s*\+|\\x1b|%)|\\x1b\[|ansi\.(Erase|Cursor)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && paints.Match(text) {
			found[file] = true
		}
	}
	for _, file := range []string{"progress.go", "status.go", "text.go", "waiting.go"} {
		if !found[file] {
			t.Errorf("%s paints nothing: this test sees nothing", file)
		}
		delete(found, file)
	}
	if len(found) > 0 {
		t.Errorf("lines are painted in %v too", found)
	}
}
