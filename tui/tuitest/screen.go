package tuitest

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"usher/tui/paint"
)

// Screen is a program on an emulated terminal. Use it in a synctest.Test.
type Screen struct {
	W, H    int
	painter *paint.Painter
	program *tea.Program
	term    *vt.SafeEmulator
	bytes   atomic.Int64
	mu      sync.Mutex
	log     io.Writer // mu
	masked  *regexp.Regexp
	done    chan error
	stop    sync.Once
}

// Open starts a model on a terminal of w by h cells.
func Open(t testing.TB, w, h int, profile colorprofile.Profile, m tea.Model, env ...string) *Screen {
	t.Helper()
	s := &Screen{W: w, H: h, term: vt.NewSafeEmulator(w, h), done: make(chan error, 1)}
	go func() { _, _ = io.Copy(io.Discard, s.term) }()
	// Without a terminal as its input, Bubble Tea ends lines with a bare line feed.
	// Mode 20 makes the emulator add the carriage return of a tty.
	_, _ = s.term.Write([]byte("\x1b[20h"))
	s.painter = paint.New(s, true)
	s.program = s.painter.Program(m, tea.WithInput(nil), tea.WithWindowSize(w, h), tea.WithColorProfile(profile),
		tea.WithEnvironment(append([]string{"TERM=xterm-256color"}, env...)), tea.WithoutSignalHandler())
	go func() { _, err := s.program.Run(); s.done <- err }()
	t.Cleanup(func() {
		s.Stop()
		_ = s.term.Close()
		time.Sleep(5 * time.Minute) // pending timers end
	})
	s.Wait(time.Second)
	return s
}

// Stop ends the program without its knowledge, and waits for its end.
func (s *Screen) Stop() { s.stop.Do(func() { s.program.Kill(); <-s.done; s.painter.Close() }) }

// Write writes to the terminal. The program calls it.
func (s *Screen) Write(p []byte) (int, error) {
	s.bytes.Add(int64(len(p)))
	s.mu.Lock()
	if s.log != nil {
		_, _ = s.log.Write(p)
	}
	s.mu.Unlock()
	return s.term.Write(p)
}

// Log copies all further output to w.
func (s *Screen) Log(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = w
}

// Bytes returns the number of bytes written to the terminal.
func (s *Screen) Bytes() int64 { return s.bytes.Load() }

// Wait advances the time and waits until all goroutines are blocked.
func (s *Screen) Wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Send sends messages to the program, one directly after the other.
func (s *Screen) Send(all ...tea.Msg) {
	for _, m := range all {
		s.program.Send(m)
	}
	s.Wait(20 * time.Millisecond)
}

// Press presses keys by their names: "enter", "ctrl+r", "j".
func (s *Screen) Press(names ...string) {
	for _, n := range names {
		s.Send(Key(n))
	}
}

// Type types letters.
func (s *Screen) Type(text string) {
	for _, r := range text {
		s.Press(string(r))
	}
}

// Key returns the key press of a name.
func Key(name string) tea.KeyPressMsg {
	k := tea.Key{}
	rest := name
	for {
		if r, ok := strings.CutPrefix(rest, "ctrl+"); ok {
			k.Mod, rest = k.Mod|tea.ModCtrl, r
			continue
		}
		if r, ok := strings.CutPrefix(rest, "shift+"); ok {
			k.Mod, rest = k.Mod|tea.ModShift, r
			continue
		}
		break
	}
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp,
		"home": tea.KeyHome, "end": tea.KeyEnd, "space": tea.KeySpace}
	if code, ok := named[rest]; ok {
		k.Code = code
		if rest == "space" {
			k.Text = " "
		}
		return tea.KeyPressMsg(k)
	}
	r := []rune(rest)
	k.Code = r[0]
	if k.Mod == 0 {
		k.Text = rest
	}
	return tea.KeyPressMsg(k)
}

// Text returns the screen as lines without trailing spaces.
func (s *Screen) Text() string {
	lines := strings.Split(ansi.Strip(s.term.Render()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// Want fails the test unless every text is on the screen.
func (s *Screen) Want(t testing.TB, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if !strings.Contains(s.Text(), x) {
			t.Fatalf("the screen does not show %q:\n%s", x, s.Text())
		}
	}
}

// Not fails the test if a text is on the screen.
func (s *Screen) Not(t testing.TB, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if strings.Contains(s.Text(), x) {
			t.Fatalf("the screen shows %q:\n%s", x, s.Text())
		}
	}
}

// Mask makes the digits that a pattern matches "#" in golden screens. Use it for a
// number that each new feature changes, such as the number of all commands.
func (s *Screen) Mask(pattern *regexp.Regexp) { s.masked = pattern }

// golden compares the screen with a file, or writes the file.
func (s *Screen) golden(t testing.TB, path string, update bool) {
	t.Helper()
	got := s.Text()
	for y, l := range strings.Split(got, "\n") {
		if n := ansi.StringWidth(l); n > s.W {
			t.Errorf("line %d has %d cells of %d", y, n, s.W)
		}
	}
	if s.masked != nil {
		got = s.masked.ReplaceAllStringFunc(got, func(found string) string { return digit.ReplaceAllString(found, "#") })
	}
	if update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update shows it as a diff)\n%s", path, diff(string(want), got))
	}
}

var digit = regexp.MustCompile("[0-9]")

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for i := range max(len(w), len(g)) {
		x, y := "", ""
		if i < len(w) {
			x = w[i]
		}
		if i < len(g) {
			y = g[i]
		}
		if x != y {
			fmt.Fprintf(&b, "%2d want %s\n   got  %s\n", i, x, y)
		}
	}
	return b.String()
}

// Resize changes the size of the terminal.
func (s *Screen) Resize(w, h int) {
	s.W, s.H = w, h
	s.term.Resize(w, h)
	s.Send(tea.WindowSizeMsg{Width: w, Height: h})
	s.Wait(100 * time.Millisecond)
}
