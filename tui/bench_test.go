package tui_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/tui"
	"usher/tui/tuitest"
)

func many(n int) func(*program) {
	return func(w *program) {
		w.server.PerPage = n
		for i := range n {
			w.server.Put(fmt.Sprintf("builds/nightly/2026/usher-%06d-linux-amd64.tar.gz", i), int64(i)*1237, "2026-11-20 03:00")
		}
		w.deps.SSH = true
		w.deps.Start = tuitest.At("builds/nightly/2026/")
	}
}

// bytesPerKey moves the cursor down and returns the mean number of bytes to the
// terminal for a key press, including the update of the details.
func bytesPerKey(t *testing.T, width, height, moves int, ssh bool, every time.Duration) float64 {
	var mean float64
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(many(2000))
		var env []string
		if w.deps.SSH = ssh; ssh {
			env = []string{"SSH_TTY=/dev/pts/1"}
		}
		w.open(t, width, height, colorprofile.TrueColor, env...)
		w.Wait(time.Second)
		before := w.Bytes()
		for range moves {
			w.Press("j")
			w.Wait(every - 20*time.Millisecond) // Press waits too
		}
		w.Wait(time.Second)
		mean = float64(w.Bytes()-before) / float64(moves)
		idle := w.Bytes()
		w.Wait(20 * time.Second)
		if n := w.Bytes() - idle; n != 0 {
			t.Errorf("%d bytes at rest", n)
		}
	})
	return mean
}

// A cursor movement stays within a budget of bytes, also at the edges of the window:
// over SSH, and while a key is held down.
func TestBytesPerKey(t *testing.T) {
	if slow {
		t.Skip("not under the race detector")
	}
	for _, c := range []struct {
		w, h  int
		ssh   bool
		every time.Duration
		most  float64
	}{
		{80, 24, true, 20 * time.Millisecond, 200}, {120, 40, true, 20 * time.Millisecond, 300}, {200, 50, true, 20 * time.Millisecond, 400},
		{120, 40, true, 320 * time.Millisecond, 400}, {80, 24, false, 33 * time.Millisecond, 250}, {120, 40, false, 33 * time.Millisecond, 400},
	} {
		mean := bytesPerKey(t, c.w, c.h, 200, c.ssh, c.every)
		t.Logf("%dx%d, SSH %t, a key every %v: %.0f bytes a key", c.w, c.h, c.ssh, c.every, mean)
		if mean > c.most {
			t.Errorf("%dx%d, SSH %t, a key every %v: %.0f bytes a key, want at most %.0f", c.w, c.h, c.ssh, c.every, mean, c.most)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	for _, n := range []int{2_000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := loaded(b, n)
			b.ReportAllocs()
			for b.Loop() {
				m.Update(tuitest.Key("j"))
				m.View()
			}
		})
	}
}

// loaded is a browser with n rows at 200x50, its commands run by hand.
func loaded(tb testing.TB, n int) tea.Model {
	w := newProgram(many(n))
	m, err := tui.New(w.deps)
	if err != nil {
		tb.Fatal(err)
	}
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 50})
	m.Update(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
	pump(m, m.Init())
	return m
}

// pump runs commands and the commands that follow, but no timers.
func pump(m tea.Model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	select {
	case msg := <-done:
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				pump(m, c)
			}
			return
		}
		if msg != nil {
			_, next := m.Update(msg)
			pump(m, next)
		}
	case <-time.After(400 * time.Millisecond):
	}
}

// The time of a key press does not depend on the number of rows.
func TestManyRowsCostWhatIsVisible(t *testing.T) {
	if slow {
		t.Skip("not under the race detector")
	}
	cost := func(n int) time.Duration {
		m := loaded(t, n)
		best := time.Hour
		for range 200 {
			at := time.Now()
			m.Update(tuitest.Key("j"))
			m.View()
			best = min(best, time.Since(at))
		}
		return best
	}
	few, lots := cost(2_000), cost(60_000)
	t.Logf("a key and its frame: %v at 2,000 rows, %v at 60,000", few, lots)
	if lots > 10*few+5*time.Millisecond {
		t.Errorf("a key costs %v at 60,000 rows and %v at 2,000", lots, few)
	}
}
