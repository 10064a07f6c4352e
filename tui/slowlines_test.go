package tui_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/tui"
	"usher/tui/linear"
	"usher/tui/tuitest"
)

// spoken keeps the lines of a program for a screen reader.
type spoken struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Write(b)
}

// new returns the lines since the last call.
func (s *spoken) new() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.lines.Reset()
	return strings.ReplaceAll(s.lines.String(), "\r\n", "\n")
}

// A screen reader hears of a slow listing once, after a moment, and then its result. A
// fast listing has no such line.
func TestSlowListingsInLines(t *testing.T) {
	const first, archive = "folder 1 of 33: letters-to-shareholders/\n", "file 1 of 1: 1999.pdf, 120 kB, 1 February 2026\n"
	for name, c := range map[string]struct {
		start    string
		delay    time.Duration
		keys     []string
		now, end string
	}{
		"again":           {"company-reports/annual/audited/", 5 * time.Second, []string{"ctrl+r"}, first + "Listing\n", first},
		"again, fast":     {"company-reports/annual/audited/", 500 * time.Millisecond, []string{"ctrl+r"}, first, ""},
		"a folder":        {"company-reports/annual/", 5 * time.Second, []string{"enter"}, "Folder company-reports/annual/archive.\nListing\n", "1 row\n" + archive},
		"a folder, fast":  {"company-reports/annual/", 100 * time.Millisecond, []string{"enter"}, "Folder company-reports/annual/archive. 1 row.\n" + archive, ""},
		"the last page":   {"company-reports/many/", 5 * time.Second, []string{"G"}, "file 1,000 of 1,000 and more: 0999.csv, 1 B\nListing\n", "file 2,000 of 2,000 and more: 1999.csv, 1 B\n2,500 rows\nfile 2,500 of 2,500: 2499.csv, 1 B\n"},
		"a search's page": {"company-reports/annual/audited/", 5 * time.Second, []string{"F", "c", "s", "v", "enter"}, "Search for csv in Folder company-reports/annual/audited.\nListing\n", "2 rows\nfile 1 of 2: working-papers/2024/b.csv, 100 B, 1 January 2026\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newProgram(func(w *program) { w.deps.Start, w.deps.Lines = tuitest.At(c.start), true })
				for i := range 2500 {
					w.server.Put(fmt.Sprintf("company-reports/many/%04d.csv", i), 1, "")
				}
				m, err := tui.New(w.deps)
				if err != nil {
					t.Fatal(err)
				}
				heard := &spoken{}
				w.Screen = tuitest.Open(t, 80, 24, colorprofile.NoTTY, linear.New(m, linear.NewOutput(heard)))
				w.Wait(time.Second)
				heard.new()
				w.server.Slow(c.delay)
				w.Press(c.keys...)
				w.Wait(3 * time.Second)
				if got := heard.new(); !strings.HasSuffix(got, c.now) || strings.Contains(got, "Listing") != strings.Contains(c.now, "Listing") {
					t.Errorf("after a moment: %q", got)
				}
				w.Wait(30 * time.Second)
				if got := heard.new(); got != c.end {
					t.Errorf("at the end: %q", got)
				}
			})
		})
	}
}
