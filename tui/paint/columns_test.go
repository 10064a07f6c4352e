package paint

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"usher/client/cells"
)

// uncertain are names whose width differs between terminals, and some others.
var uncertain = []string{
	"report.csv", "mañana.csv", "東京-気温.csv", "서울-기온.csv", "погода-Київ.csv", "दोस्त", "मौसम-रिपोर्ट.csv", "আবহাওয়া.csv", "வானிலை.csv", "อากาศ นำ้.csv", "ការធ្វើ.csv",
	"👩🏽🔬 notes.md", "👨\u200d👩\u200d👧.png", "❤\ufe0f.txt", "🇯🇵🇩🇪.csv", "1\ufe0f\u20e3.txt", "e\u0301te\u0301", "የአየር ሁኔታ", "ཨོཾ་མ་ཎི.txt", "\u1112\u1161\u11ab.txt", "a\u0897b", "🫨🪿.csv", "𠀀𠀁.csv",
}

// byRune is a terminal that measures code points: it has one after the other.
type byRune struct{ to io.Writer }

func (w byRune) Write(p []byte) (int, error) {
	for _, r := range string(p) {
		if _, err := io.WriteString(w.to, string(r)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

const (
	columns  = 60
	nameEnds = 28
)

// rows draws names in a column, a line, and their sizes. One row is selected.
func rows(names []string, selected int) string {
	var rows []string
	for i, name := range names {
		name = cells.Truncate(name, nameEnds-3, "…")
		row := " " + name + strings.Repeat(" ", nameEnds-1-cells.Width(name))
		if i == selected {
			row = "\x1b[44m" + row + "\x1b[m"
		}
		rows = append(rows, row+"│ "+fmt.Sprintf("%5d B", i))
	}
	return strings.Join(rows, "\n")
}

// The column after each name is in its place, in terminals with either measure, with
// and without mode 2027, while rows change one by one.
func TestColumnsAreInPlace(t *testing.T) {
	const height = 8
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	for _, kind := range []string{"code points", "characters", "mode 2027"} {
		t.Run(kind, func(t *testing.T) {
			p, _ := opened(columns, height, true)
			term := vt.NewEmulator(columns, height)
			var out io.Writer = term
			switch kind {
			case "code points":
				out = byRune{term}
			case "mode 2027":
				p.observe(tea.ModeReportMsg{Mode: ansi.ModeUnicodeCore, Value: ansi.ModeReset})
			}
			random := rand.New(rand.NewPCG(7, 7))
			drawn := slices.Repeat(uncertain, 2)
			for range rounds {
				switch random.IntN(3) {
				case 0: // other names
					random.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
				case 1: // one line up
					drawn = append(drawn[1:], drawn[0])
				}
				selected := random.IntN(height)
				_, _ = out.Write(p.draw(tea.NewView(rows(drawn[:height], selected))))
				for y := range height {
					inPlace(t, term, y, drawn[y], y == selected)
				}
			}
		})
	}
}

// inPlace fails unless the columns after a name are in place, and its background ends
// where they begin.
func inPlace(t *testing.T, term *vt.Emulator, y int, name string, selected bool) {
	t.Helper()
	var text strings.Builder
	for x := nameEnds; x < columns; x++ {
		if c := term.CellAt(x, y); c != nil {
			text.WriteString(c.Content)
		}
	}
	if got, want := strings.TrimSpace(text.String()), fmt.Sprintf("│ %5d B", y); got != want {
		t.Fatalf("row %d with %q: %q is at column %d, not %q", y, name, got, nameEnds, want)
	}
	for x := range nameEnds {
		if c := term.CellAt(x, y); c != nil && c.Width > 0 && (c.Style.Bg != nil) != selected {
			t.Fatalf("row %d with %q: the background of cell %d", y, name, x)
		}
	}
}
