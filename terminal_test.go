package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"usher/backend/demo/demotest"
)

// terminal is the real program in a pty, with an emulator for its screen.
type terminal struct {
	t       testing.TB
	pty     *os.File
	screen  *vt.SafeEmulator
	cmd     *exec.Cmd
	program string // the path of usher
	pid     func() (int, error)
	tmux    func(...string) *exec.Cmd // a command to the tmux around the program; nil without one
	exited  chan error
	done    chan struct{} // closed after the end of cmd
	bytes   atomic.Int64
	draw    sync.Mutex // SafeEmulator locks its writes, but not String
	raw     struct {
		sync.Mutex
		b []byte
	}
}

// open starts `usher ARGS` in an empty home. It returns the folder of the
// downloads too.
func open(t testing.TB, w *demotest.Demo, cols, rows int, args ...string) (*terminal, string) {
	t.Helper()
	cmd, downloads := usher(t, w, args...)
	return start(t, cmd, cols, rows), downloads
}

// usher is the command of open, without a start.
func usher(t testing.TB, w *demotest.Demo, args ...string) (*exec.Cmd, string) {
	t.Helper()
	program, err := exec.LookPath("usher") // the test binary under that name (testscript.Main)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_STATE_HOME=" + filepath.Join(home, "state"),
		"TERM=xterm-256color", "LANG=C.UTF-8", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(),
		"COLORTERM=truecolor", "SSH_TTY=" + os.Getenv("SSH_TTY"),
	}
	if w != nil {
		cmd.Env = append(cmd.Env, "USHER_SERVER="+w.Server)
	}
	return cmd, filepath.Join(home, "usher")
}

// reopen starts the program again in the same home, without arguments.
func (s *terminal) reopen(cols, rows int) *terminal {
	s.t.Helper()
	cmd := exec.Command(s.program)
	cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
	return start(s.t, cmd, cols, rows)
}

func start(t testing.TB, cmd *exec.Cmd, cols, rows int) *terminal {
	t.Helper()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)})
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{t: t, pty: f, screen: vt.NewSafeEmulator(cols, rows), cmd: cmd, program: cmd.Path, exited: make(chan error, 1), done: make(chan struct{})}
	s.pid = func() (int, error) { return cmd.Process.Pid, nil }
	go func() { // the terminal's answers to queries
		_, _ = io.Copy(f, s.screen)
	}()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := f.Read(buf)
			s.bytes.Add(int64(n))
			s.raw.Lock()
			s.raw.b = append(s.raw.b, buf[:n]...)
			s.raw.Unlock()
			s.draw.Lock()
			_, _ = s.screen.Write(buf[:n])
			s.draw.Unlock()
			if err != nil {
				s.exited <- cmd.Wait()
				close(s.done)
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = f.Close()
		select { // before the folders of the test are removed
		case <-s.done:
		case <-time.After(patience):
			t.Error("the program did not end after its kill")
		}
	})
	return s
}

// patience is the time limit of a state of the screen, which only a hang exceeds: machines
// can be slow.
const patience = 2 * time.Minute

// text returns the current text of the screen.
func (s *terminal) text() string {
	s.draw.Lock()
	defer s.draw.Unlock()
	return s.screen.String()
}

// until polls the screen until ok returns true. After the time limit the test
// fails with the screen.
func (s *terminal) until(what string, ok func(screen string) bool) {
	s.t.Helper()
	s.within(patience, what, ok)
}

// within is until with another time limit.
func (s *terminal) within(limit time.Duration, what string, ok func(screen string) bool) {
	s.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); <-time.After(25 * time.Millisecond) {
		if ok(s.text()) {
			return
		}
	}
	s.raw.Lock()
	defer s.raw.Unlock()
	if i := strings.Index(string(s.raw.b), "panic"); i >= 0 {
		s.t.Errorf("%.3000s", s.raw.b[max(0, i-500):])
	}
	s.t.Fatalf("the screen never showed %s:\n%s", what, s.text())
}

func (s *terminal) shows(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		s.until(`"`+text+`"`, func(screen string) bool { return strings.Contains(screen, text) })
	}
}

// resize changes the screen before the program can draw for the new size.
func (s *terminal) resize(columns, rows int) {
	s.draw.Lock()
	defer s.draw.Unlock()
	s.screen.Resize(columns, rows)
	_ = pty.Setsize(s.pty, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)})
}

func (s *terminal) hides(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		s.until(`no "`+text+`"`, func(screen string) bool { return !strings.Contains(screen, text) })
	}
}

func (s *terminal) keys(keys ...string) {
	s.t.Helper()
	names := map[string]string{"enter": "\r", "tab": "\t", "esc": "\x1b", "space": " ", "down": "\x1b[B", "up": "\x1b[A", "ctrl+c": "\x03", "ctrl+r": "\x12", "ctrl+g": "\x07"}
	for _, k := range keys {
		if named, ok := names[k]; ok {
			k = named
		}
		if _, err := io.WriteString(s.pty, k); err != nil {
			s.t.Fatal(err)
		}
	}
}

// quits waits for the end of the program and returns its exit code.
func (s *terminal) quits() int {
	s.t.Helper()
	select {
	case <-s.exited:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		s.t.Fatalf("it does not end:\n%s", s.text())
		return -1
	}
}

func (s *terminal) signIn(w *demotest.Demo, name string) {
	s.t.Helper()
	s.shows("Sign in", "Password")
	for _, p := range w.People {
		if p.Username == name {
			s.keys(name, "tab", p.Password, "enter")
		}
	}
	s.shows("● " + name)
}

// goTo opens a path with the browser's prompt.
func (s *terminal) goTo(path string) {
	s.t.Helper()
	s.keys("ctrl+g")
	s.shows("go to:")
	s.keys(path, "enter")
}

var codeHint = regexp.MustCompile(`the code now is (\d{6})`)

func demoCode(s *terminal) string {
	s.t.Helper()
	if m := codeHint.FindStringSubmatch(s.text()); m != nil {
		return m[1]
	}
	s.t.Fatalf("the screen shows no code:\n%s", s.text())
	return ""
}

// address returns the first address on the screen. It is longer than a row.
func (s *terminal) address() (all string) {
	for line := range strings.Lines(s.text()) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "http://") || all != "" && line != "":
			all += line
		case all != "":
			return all
		}
	}
	return all
}

func passwordOf(t testing.TB, w *demotest.Demo, username string) string {
	t.Helper()
	for _, p := range w.People {
		if p.Username == username {
			return p.Password
		}
	}
	t.Fatalf("there is no %s", username)
	return ""
}
