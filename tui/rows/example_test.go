package rows_test

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/tui/keys"
	"usher/tui/rows"
)

// names is a source of one name on each row.
type names []string

func (n names) Len() int                  { return len(n) }
func (n names) Need(from, to int) tea.Cmd { return nil }
func (n names) Draw(i, w int, s rows.State) string {
	if s.Cursor {
		return "> " + n[i]
	}
	return "  " + n[i]
}

func Example() {
	l := rows.New(names{"annual/", "drafts/", "report.pdf", "tax/"}, rows.Config{})
	l.Resize(20, 2)
	l.Move(keys.Down)
	l.Move(keys.Down)
	for line := range strings.SplitSeq(l.View(), "\n") {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "  drafts/"
	// "> report.pdf"
}
