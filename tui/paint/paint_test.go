package paint

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// screen is an emulated terminal that counts its writes.
type screen struct {
	*vt.Emulator
	mu     sync.Mutex
	all    strings.Builder
	writes int
}

func newScreen(w, h int) *screen { return &screen{Emulator: vt.NewEmulator(w, h)} }

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(b)
	s.writes++
	return s.Emulator.Write(b)
}

func (s *screen) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// drawn returns the bytes of one more frame.
func drawn(p *Painter, s *screen, content string, c *tea.Cursor) string {
	before := len(s.output())
	v := tea.NewView(content)
	v.Cursor = c
	p.mu.Lock()
	out := p.draw(v)
	p.mu.Unlock()
	_, _ = s.Write(out)
	return s.output()[before:]
}

// opened returns a painter whose terminal is in the alternate screen. The test draws.
func opened(w, h int, scroll bool) (*Painter, *screen) {
	s := newScreen(w, h)
	p := New(s, scroll)
	p.Close()
	p.observe(tea.WindowSizeMsg{Width: w, Height: h})
	return p, s
}

var (
	styles = []string{"", "1", "4", "7", "38;5;117", "38;2;154;165;180", "48;5;237", "38;5;253;48;2;34;57;75;1", "2;3", "9;48;5;52"}
	pieces = []string{"a", "usher-000", " ", "   ", "          ", "é", "─", "▌", "日本", "한", "✓", "0", "2026-11-20", "x"}
)

// text returns a random frame.
func text(r *rand.Rand, w, h int) []string {
	lines := make([]string, h)
	for y := range lines {
		lines[y] = row(r, w)
	}
	return lines
}

func row(r *rand.Rand, w int) string {
	var b strings.Builder
	for n := 0; r.IntN(12) > 0; {
		piece := pieces[r.IntN(len(pieces))]
		if n += ansi.StringWidth(piece); n > w {
			break
		}
		b.WriteString("\x1b[" + styles[r.IntN(len(styles))] + "m" + piece)
		if r.IntN(20) > 0 { // otherwise the next row begins with the attributes
			b.WriteString("\x1b[m")
		}
	}
	return b.String()
}

// change returns a frame that follows another: some rows differ, some moved.
func change(r *rand.Rand, lines []string, w int) []string {
	next := append([]string(nil), lines...)
	switch r.IntN(4) {
	case 0:
		return text(r, w, len(lines))
	case 1: // a block moves up or down
		top := r.IntN(len(lines) - 2)
		bottom := top + 2 + r.IntN(len(lines)-top-1)
		n := 1 + r.IntN(bottom-top-1)
		if r.IntN(2) == 0 {
			copy(next[top:bottom-n], lines[top+n:bottom])
		} else {
			copy(next[top+n:bottom], lines[top:bottom-n])
		}
	}
	for range r.IntN(4) {
		next[r.IntN(len(next))] = row(r, w)
	}
	return next
}

// The changes of many frames leave the same screen as each frame on an empty one.
func TestFramesLeaveTheSameScreen(t *testing.T) {
	frames := 300
	if testing.Short() {
		frames = 60
	}
	for _, scroll := range []bool{true, false} {
		r := rand.New(rand.NewPCG(1, 2))
		const w, h = 44, 12
		p, s := opened(w, h, scroll)
		lines := text(r, w, h)
		scrolled := 0
		for i := range frames {
			lines = change(r, lines, w)
			content := strings.Join(lines, "\n")
			out := drawn(p, s, content, nil)
			if strings.Contains(out, "\x1b[r") {
				scrolled++
			}
			q, fresh := opened(w, h, false)
			drawn(q, fresh, content, nil)
			if x, y, same := compare(s, fresh, w, h); !same {
				t.Fatalf("scroll %t, frame %d by %q: cell %d of row %d differs; the screen is\n%q\nand not\n%q", scroll, i, out, x, y, s.Render(), fresh.Render())
			}
		}
		if scroll != (scrolled > frames/20) {
			t.Errorf("scroll %t: %d of %d frames scrolled", scroll, scrolled, frames)
		}
	}
}

// compare returns the first cell that looks different.
func compare(a, b *screen, w, h int) (x, y int, same bool) {
	for y := range h {
		la, lb := uv.NewLine(w), uv.NewLine(w)
		for x := range w {
			la[x], lb[x] = *a.CellAt(x, y), *b.CellAt(x, y)
		}
		strip(la)
		strip(lb)
		if x, _ := differ(la, lb); x >= 0 {
			return x, y, false
		}
	}
	return 0, 0, true
}

// A frame writes nothing for a screen that is right, and no cell that has not changed.
func TestUnchangedCellsAreNotWritten(t *testing.T) {
	p, s := opened(40, 4, true)
	content := "one\n\x1b[1mtwo   three four five six\x1b[m\n" + strings.Repeat("x", 40) + "\nend"
	drawn(p, s, content, nil)
	if out := drawn(p, s, content, nil); out != "" {
		t.Errorf("%q for an unchanged frame", out)
	}
	out := drawn(p, s, strings.Replace(strings.Replace(content, "two", "Two", 1), "six", "siX", 1), nil)
	if want := "\x1b[2;1H\x1b[1mT\x1b[23CX\x1b[m"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	if out := drawn(p, s, strings.Replace(content, "one", "\x1b[1mone\x1b[m", 1), nil); !strings.Contains(out, "one") {
		t.Errorf("%q: an attribute changed", out)
	}
}

// An absolute column follows a word whose width terminals dispute.
func TestColumnsAfterDisputedCharacters(t *testing.T) {
	const line = "मौसम.csv    12 kB"
	p, s := opened(40, 2, true)
	out := drawn(p, s, line, nil)
	if !strings.HasSuffix(out, "मौसम.csv    \x1b[1;13H12 kB\x1b[?7h") || strings.Count(s.Render(), "kB") != 1 {
		t.Errorf("no columns in %q", out)
	}
}

// The text cursor is hidden while a frame is drawn, is in its place after it, and has
// the terminal's shape after the end.
func TestTextCursor(t *testing.T) {
	p, s := opened(20, 3, true)
	c := tea.NewCursor(3, 1)
	c.Blink = false
	if out := drawn(p, s, "a\nb", c); !strings.HasSuffix(out, "\x1b[2;4H\x1b[2 q\x1b[?25h") {
		t.Errorf("the first frame is %q", out)
	}
	if out := drawn(p, s, "a\nc", c); out != "\x1b[?25l\x1b[2;1Hc\x1b[2;4H\x1b[?25h" {
		t.Errorf("the second frame is %q", out)
	}
	c.X = 4
	if out := drawn(p, s, "a\nc", c); out != "\x1b[2;5H" {
		t.Errorf("a move is %q", out)
	}
	if out := drawn(p, s, "a\nc", nil); out != "\x1b[?25l" {
		t.Errorf("the end of a field is %q", out)
	}
	_, _ = p.Write([]byte(ansi.ResetModeAltScreenSaveCursor))
	if !strings.HasSuffix(s.output(), "\x1b[0 q"+ansi.ResetModeAltScreenSaveCursor) {
		t.Errorf("the end is %q", s.output())
	}
}

// counter is a model that counts the presses of keys.
type counter struct{ n int }

func (c counter) Init() tea.Cmd { return nil }
func (c counter) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	if _, ok := m.(tea.KeyPressMsg); ok {
		c.n++
	}
	return c, nil
}

func (c counter) View() tea.View {
	v := tea.NewView(fmt.Sprint("pressed ", c.n))
	v.AltScreen = true
	return v
}

// running plays a program in a synctest bubble.
func running(t *testing.T, f func(*tea.Program, *screen)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(30, 3)
		p := New(s, true)
		program := p.Program(counter{}, tea.WithInput(nil), tea.WithWindowSize(30, 3), tea.WithEnvironment([]string{"TERM=xterm", "SSH_TTY=x"}), tea.WithoutSignalHandler())
		done := make(chan error)
		go func() { _, err := program.Run(); done <- err }()
		time.Sleep(time.Second)
		synctest.Wait()
		f(program, s)
		program.Quit()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.Close()
		if got := s.output(); !strings.Contains(got[strings.LastIndex(got, "pressed"):], ansi.ResetModeAltScreenSaveCursor) {
			t.Errorf("output after the end of the alternate screen: %q", got)
		}
	})
}

// The frame of a key after a quiet time is drawn at once, and frames of keys in quick
// succession at intervals.
func TestFirstFrameIsImmediate(t *testing.T) {
	running(t, func(p *tea.Program, s *screen) {
		for i := range 5 {
			p.Send("a message that changes nothing on the screen")
			synctest.Wait()
			p.Send(tea.KeyPressMsg{Code: 'j'})
			synctest.Wait() // no time passes
			if want := fmt.Sprint("pressed ", i+1); !strings.Contains(s.Render(), want) {
				t.Errorf("the screen shows %q before any time has passed, want %q", s.Render(), want)
			}
			time.Sleep(time.Second)
		}
		before := s.writes
		for range 100 {
			p.Send(tea.KeyPressMsg{Code: 'j'})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n, most := s.writes-before, int(100*time.Millisecond/Interval)+2; n > most || !strings.Contains(s.Render(), "pressed 105") {
			t.Errorf("%d frames in 100 ms, want at most %d; the last is %q", n, most, s.Render())
		}
		before = s.writes
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := s.writes - before; n != 0 {
			t.Errorf("%d writes at rest", n)
		}
	})
}

// The first frame is on the screen before any time has passed. Bubble Tea enters the
// alternate screen later, at its first tick, and neither enters nor erases it again.
func TestFirstFrameWaitsForNoTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(30, 3)
		p := New(s, true)
		defer p.Close()
		program := p.Program(counter{}, tea.WithInput(nil), tea.WithWindowSize(30, 3), tea.WithEnvironment([]string{"TERM=xterm", "SSH_TTY=x"}), tea.WithoutSignalHandler())
		done := make(chan error)
		go func() { _, err := program.Run(); done <- err }()
		synctest.Wait()
		if got := s.Render(); !strings.Contains(got, "pressed 0") {
			t.Errorf("the screen shows %q", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.Render(); !strings.Contains(got, "pressed 0") {
			t.Errorf("the screen shows %q after the first tick", got)
		}
		program.Quit()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for sequence, name := range map[string]string{ansi.SetModeAltScreenSaveCursor: "entered", ansi.EraseEntireScreen: "erased", ansi.ResetModeAltScreenSaveCursor: "left"} {
			if n := strings.Count(s.output(), sequence); n != 1 {
				t.Errorf("the alternate screen was %s %d times", name, n)
			}
		}
	})
}

// A program that ends before the first tick of Bubble Tea leaves the alternate screen.
// No frame is drawn before the colors of the terminal are known.
func TestCloseLeavesTheAlternateScreen(t *testing.T) {
	s := newScreen(30, 3)
	p := New(s, true)
	p.observe(tea.WindowSizeMsg{Width: 30, Height: 3})
	p.show(counter{}.View())
	if got := s.output(); got != "" {
		t.Errorf("output without colors: %q", got)
	}
	p.observe(tea.ColorProfileMsg{Profile: colorprofile.ANSI})
	p.show(counter{}.View())
	if got := s.output(); !strings.HasPrefix(got, ansi.SetModeAltScreenSaveCursor) || !strings.Contains(got, "pressed 0") {
		t.Errorf("the first frame is %q", got)
	}
	p.Close()
	if got := s.output(); !strings.HasSuffix(got, ansi.ResetModeAltScreenSaveCursor+ansi.SetModeTextCursorEnable) {
		t.Errorf("after the end: %q", got)
	}
}

// The screen is drawn again after it was erased and after a change of its size.
func TestErasedScreenIsDrawnAgain(t *testing.T) {
	running(t, func(p *tea.Program, s *screen) {
		for _, m := range []tea.Msg{tea.ClearScreen(), tea.WindowSizeMsg{Width: 25, Height: 3}} {
			_, _ = s.Write([]byte("\x1b[1;1Hrubbish    "))
			p.Send(m)
			time.Sleep(time.Second)
			synctest.Wait()
			if got := s.Render(); !strings.Contains(got, "pressed 0") || strings.Contains(got, "rubbish") {
				t.Errorf("the screen shows %q after %T", got, m)
			}
		}
	})
}
