package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// lines is the program that prints lines, with the output that was read so far.
type lines struct {
	*terminal
	read int
}

// hears waits for a text in the output after the last one.
func (l *lines) hears(texts ...string) {
	l.t.Helper()
	for _, text := range texts {
		l.until(`"`+text+`"`, func(string) bool {
			l.raw.Lock()
			defer l.raw.Unlock()
			i := strings.Index(string(l.raw.b[l.read:]), text)
			if i < 0 {
				return false
			}
			l.read += i + len(text)
			return true
		})
	}
}

// output is all output so far.
func (s *terminal) output() string {
	s.raw.Lock()
	defer s.raw.Unlock()
	return string(s.raw.b)
}

// restored reports whether the terminal is as a new one is.
func restored(t testing.TB, s *terminal) bool {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = master.Close(), slave.Close() }()
	fresh, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	now, err := term.GetState(int(s.pty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(fresh, now)
}

// A screen reader gets lines: no escape sequence, one line for a move, and no password.
func TestLinesForAScreenReader(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	password := ""
	for _, p := range w.People {
		if p.Username == "ada" {
			password = p.Password
		}
	}
	for _, mode := range []struct{ name, env string }{{"TERM=dumb", "TERM=dumb"}, {"USHER_READER=1", "USHER_READER=1"}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			cmd, _ := usher(t, w)
			cmd.Env = append(cmd.Env, mode.env)
			l := &lines{terminal: start(t, cmd, 80, 24)}
			l.hears("User, text field.", "Keys: enter sign in")
			l.keys("ada", "enter")
			l.hears("User: ada\r\n", "Password, text field, letters are not shown.\r\n")
			l.keys(password, "enter")
			l.hears("Folder company-reports.", "2 rows", "folder 1 of ") // the only bucket opens
			l.keys("j")
			l.hears("\r\n", "folder 2 of ", "\r\n")
			l.keys("?")
			l.hears("Keys in the file browser.", "Move: ", "Keys: / find a key, esc close.")
			l.keys("esc")
			l.hears("Folder company-reports.")
			l.keys("/", "a", "enter")
			l.hears("Filter, text field.", "Filter: a\r\n", "2 of 2 rows with the filter a\r\n")
			l.keys("esc")
			l.hears("2 rows\r\n")
			l.goTo()
			l.keys("company-reports/annual/audited/restated/why.md", "enter")
			l.hears("Go to: company-reports/annual/audited/restated/why.md", "Folder company-reports/annual/audited/restated.", ": why.md, ")
			l.keys("v")
			l.hears("Contents of company-reports/annual/audited/restated/why.md.", "Keys: ")
			l.keys("esc")
			l.hears("file ")
			l.keys("d")
			l.hears(" verified.")
			l.keys("ctrl+c")
			if code := l.quits(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			out := l.output()
			if !strings.HasSuffix(out, "usher has ended.\r\n") {
				t.Errorf("it ends with %q", out[max(0, len(out)-200):])
			}
			if i := strings.IndexByte(out, 0x1b); i >= 0 {
				t.Errorf("an escape sequence: %q", out[i:min(len(out), i+40)])
			}
			if strings.Contains(out, password) {
				t.Error("the password was printed")
			}
			if !restored(t, l.terminal) {
				t.Error("the terminal is not restored")
			}
		})
	}
}

// goTo opens the field for a path.
func (l *lines) goTo() {
	l.t.Helper()
	l.keys("ctrl+g")
	l.hears("Go to, text field.")
}

// A program whose terminal is gone ends, also under nohup.
func TestEndsWithItsTerminal(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	for _, mode := range []string{"TERM=xterm-256color", "TERM=dumb"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cmd, _ := usher(t, w)
			cmd.Args = []string{"sh", "-c", `trap "" HUP; exec "$0"`, cmd.Path}
			cmd.Path = "/bin/sh"
			cmd.Env = append(cmd.Env, mode)
			f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
			if err != nil {
				t.Fatal(err)
			}
			seen := make([]byte, 64<<10)
			for text := ""; !strings.Contains(text, "Password") && !strings.Contains(text, "User, text"); {
				n, err := f.Read(seen)
				if err != nil {
					t.Fatalf("no sign-in: %v\n%s", err, text)
				}
				text += string(seen[:n])
			}
			_ = f.Close()
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-ended:
			case <-time.After(patience):
				_ = cmd.Process.Kill()
				t.Error("it outlives its terminal")
			}
		})
	}
}
