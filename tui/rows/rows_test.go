package rows_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/tui/keys"
	"usher/tui/rows"
)

// plain is a source of n rows that counts its calls of Draw.
type plain struct {
	n     int
	drawn int
	days  bool // every fifth row is a heading
	tall  bool // the cursor row has three lines
}

func (p *plain) Len() int                  { return p.n }
func (p *plain) Need(from, to int) tea.Cmd { return nil }
func (p *plain) Heading(i int) bool        { return p.days && i%5 == 0 }
func (p *plain) Height(i int, s rows.State) int {
	if p.tall && s.Cursor {
		return 3
	}
	return 1
}
func (p *plain) Draw(i, w int, s rows.State) string {
	p.drawn++
	sign := " "
	if s.Cursor {
		sign = ">"
	}
	row := fmt.Sprintf("%srow %d %s", sign, i, strings.Repeat("x", 50))
	if p.Height(i, s) == 3 {
		row += "\n  why\n  keys"
	}
	return row
}

func TestFrameCostsWhatIsVisible(t *testing.T) {
	for _, n := range []int{2_000, 1_000_000} {
		src := &plain{n: n}
		l := rows.New(src, rows.Config{})
		l.Resize(40, 30)
		l.View()
		if src.drawn != 30 {
			t.Errorf("%d rows: first frame drew %d rows, want 30", n, src.drawn)
		}
		src.drawn = 0
		l.Move(keys.Down)
		l.View()
		if src.drawn > 3 {
			t.Errorf("%d rows: one step drew %d rows", n, src.drawn)
		}
		src.drawn = 0
		l.Move(keys.Last)
		l.View()
		if src.drawn > 31 || l.Cursor() != n-1 {
			t.Errorf("%d rows: G drew %d rows, cursor %d", n, src.drawn, l.Cursor())
		}
		src.drawn = 0
		l.View()
		if src.drawn != 0 {
			t.Errorf("an unchanged list drew %d rows", src.drawn)
		}
	}
}

// After any movement, resize or change of the source, the cursor is visible once,
// lines fit, and no line is unused.
func TestCursorIsAlwaysVisible(t *testing.T) {
	moves := []keys.Action{keys.Down, keys.Up, keys.HalfDown, keys.HalfUp, keys.PageDown, keys.PageUp, keys.First, keys.Last}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 90 {
		src := &plain{n: 1 + rng.IntN(60), days: round%3 == 1, tall: round%3 == 2}
		if src.days && src.n < 2 {
			src.n = 2
		}
		l := rows.New(src, rows.Config{Jump: round%2 == 0})
		l.Resize(20, 12)
		for range 60 {
			switch rng.IntN(12) {
			case 0:
				l.Resize(10+rng.IntN(30), 4+rng.IntN(20))
			case 1:
				src.n = 2 + rng.IntN(80)
				l.Changed()
			default:
				l.Move(moves[rng.IntN(len(moves))])
			}
			lines := strings.Split(l.View(), "\n")
			cursors, filled := 0, 0
			for _, line := range lines {
				if strings.HasPrefix(line, ">") {
					cursors++
				}
				if line != "" {
					filled++
				}
				if ansi.StringWidth(line) > 40 {
					t.Fatalf("line of %d cells", ansi.StringWidth(line))
				}
			}
			if cursors != 1 {
				t.Fatalf("round %d: cursor shown %d times (cursor %d, top %d of %d)\n%s", round, cursors, l.Cursor(), l.Top(), src.n, l.View())
			}
			if l.Top() > 0 && filled < len(lines) && !src.tall {
				t.Fatalf("round %d: %d of %d lines used while rows are left above", round, filled, len(lines))
			}
			if src.Heading(l.Cursor()) {
				t.Fatalf("cursor on a heading")
			}
		}
	}
}

// A jump leaves a third of the window behind the cursor, in both directions.
func TestJumpShowsTwoThirdsOfAPage(t *testing.T) {
	src := &plain{n: 100}
	l := rows.New(src, rows.Config{Jump: true})
	l.Resize(20, 10)
	for range 10 {
		l.Move(keys.Down)
	}
	if l.Cursor() != 10 || l.Top() != 7 {
		t.Errorf("cursor %d top %d, want 10 and 7", l.Cursor(), l.Top())
	}
	for range 4 {
		l.Move(keys.Up)
	}
	if from, to := l.Window(); l.Cursor() != 6 || from != 0 || to != 10 {
		t.Errorf("cursor %d in rows %d to %d, want 6 and 0 to 10", l.Cursor(), from, to)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, n := range []int{2_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := rows.New(&plain{n: n}, rows.Config{})
			l.Resize(100, 40)
			for range b.N {
				l.Move(keys.Down)
				l.View()
			}
		})
	}
}

// A click moves the cursor to the row at a line of the window, and reports a second
// one. Headings and lines without a row take none.
func TestClick(t *testing.T) {
	l := rows.New(&plain{n: 40}, rows.Config{})
	l.Resize(20, 10)
	l.SetCursor(30)
	from, _ := l.Window()
	for _, x := range []struct {
		y         int
		again, ok bool
		at        int
	}{{-1, false, false, 30}, {10, false, false, 30}, {0, false, true, from}, {0, true, true, from}, {9, false, true, from + 9}} {
		if again, ok := l.Click(x.y); again != x.again || ok != x.ok || l.Cursor() != x.at {
			t.Errorf("line %d: again %t, row %t, cursor %d; want %+v", x.y, again, ok, l.Cursor(), x)
		}
	}
	days := rows.New(&plain{n: 12, days: true}, rows.Config{})
	days.Resize(20, 12)
	if _, ok := days.Click(5); ok || days.Cursor() != 1 {
		t.Errorf("a click on a heading: row %t, cursor %d", ok, days.Cursor())
	}
	short := rows.New(&plain{n: 2}, rows.Config{})
	short.Resize(20, 12)
	if _, ok := short.Click(4); ok {
		t.Error("an empty line has a row")
	}
}
