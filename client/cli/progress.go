package cli

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
	"usher/client/download"
	"usher/client/quantity"
)

// drawEvery is the interval between two updates of the progress lines.
const drawEvery = 200 * time.Millisecond

// draw updates the progress lines until stop is called.
func (r *report) draw(engine *download.Engine) (stop func()) {
	show, every := r.show, drawEvery
	if !r.live() {
		show, every = r.reportWaiting, waitingEvery
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	each := func(every time.Duration, show func(download.Snapshot)) {
		if every <= 0 {
			return
		}
		work.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					s := engine.Snapshot()
					r.mu.Lock()
					show(s)
					r.mu.Unlock()
				case <-ctx.Done():
					return
				}
			}
		})
	}
	each(every, show)
	each(r.interval(), r.showStats)
	return func() {
		cancel()
		work.Wait()
		if r.stats.form == progressJSON { // the last state
			r.mu.Lock()
			r.showStats(engine.Snapshot())
			r.mu.Unlock()
		}
		r.stopWatching()
	}
}

// waitingEvery is the interval between two checks for stalled downloads in a job.
const waitingEvery = 5 * time.Second

// reportWaiting prints one line when all downloads start to wait, with the reason.
func (r *report) reportWaiting(s download.Snapshot) {
	waits := waiting(s)
	if waits != r.waits && waits != "" && waits != "verifying" && !r.json {
		fmt.Fprintf(r.Err, "%s%s.\n", strings.ToUpper(waits[:1]), waits[1:])
	}
	r.waits = waits
}

// watch draws the progress of one file that is written to a pipe.
func (r *report) watch(t download.Transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := download.Snapshot{Transfers: []download.Transfer{t}, Files: 1, Bytes: max(t.Size, 0), BytesDone: t.Done, Rate: t.Rate, Left: t.Left}
	if t.State == download.Running {
		s.Running = 1
	}
	r.show(s)
}

// stopWatching removes the progress lines.
func (r *report) stopWatching() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live() {
		fmt.Fprint(r.Err, r.erase(), r.unchrome())
		r.note.end()
	}
}

// show draws the progress lines in one write, to avoid flicker. The caller holds
// mu.
func (r *report) show(s download.Snapshot) {
	width := r.width() - 1
	lines := append(fileLines(s, width), progressLine(s, width))
	if note := r.note.share(); note != "" && s.Rate == 0 && waiting(s) == "" {
		lines = append([]string{cells.Truncate(note, width, "…")}, lines...)
	}
	fmt.Fprint(r.Err, r.erase(), strings.Join(lines, "\r\n"), r.chrome(s))
	r.drawn = len(lines)
}

// erase returns the codes that remove the progress lines from the screen. The
// caller holds mu.
func (r *report) erase() string {
	n := r.drawn
	r.drawn = 0
	switch {
	case n == 0:
		return ""
	case n == 1:
		return "\r" + ansi.EraseScreenBelow
	}
	return "\r" + ansi.CursorUp(n-1) + ansi.EraseScreenBelow
}

// With several files, each large file that is in progress has its own line.
const (
	ownLine  = 8 << 20 // minimum size in bytes
	ownLines = 4       // maximum number of lines
)

// fileLines returns a line of at most width cells for each large file in
// progress. With a single file there are none: progressLine shows it.
func fileLines(s download.Snapshot, width int) (lines []string) {
	if s.Files < 2 {
		return nil
	}
	room := min(max(width-40, 12), 48)
	for _, t := range s.Transfers {
		moves := t.State == download.Running || t.State == download.Verifying
		if len(lines) == ownLines || t.Folder || !moves || t.Size <= ownLine {
			continue
		}
		name := middle(safe(path.Base(t.Key)), room)
		name += strings.Repeat(" ", room-cells.Width(name))
		line := fmt.Sprintf("%s  %3d%% of %7s", name, min(t.Done*100/t.Size, 99), quantity.Size(t.Size))
		switch {
		case t.State == download.Verifying:
			line += "  verifying"
		case t.Rate > 0:
			line += "  " + quantity.Rate(t.Rate)
		}
		lines = append(lines, cells.Truncate(line, width, "…"))
	}
	return lines
}

// middle shortens a text to a number of cells by removing its middle.
func middle(s string, most int) string {
	w := cells.Width(s)
	if w <= most {
		return s
	}
	end := most / 3
	return cells.Truncate(s, most-end, "…") + cells.TruncateLeft(s, w-end)
}

func (r *report) width() int {
	if w := terminalWidth(r.Err); w > 0 {
		return w
	}
	return 80
}

// Taskbar reports whether the terminal shows progress by OSC 9;4. In other
// terminals OSC 9 is a notification, so only known terminals are accepted.
func Taskbar(getenv func(string) string) bool {
	switch getenv("TERM_PROGRAM") {
	case "ghostty", "WezTerm":
		return true
	}
	return getenv("WT_SESSION") != "" || getenv("ConEmuANSI") == "ON"
}

// chrome returns the codes for progress in the terminal's title and on the
// taskbar.
func (r *report) chrome(s download.Snapshot) (codes string) {
	if s.Bytes == 0 {
		return ""
	}
	if now := percent(s) + 1; now != r.title && r.hasTitle() {
		if r.title == 0 {
			codes += pushTitle
		}
		r.title = now
		codes += ansi.SetWindowTitle(fmt.Sprintf("%d%% usher get", percent(s)))
	}
	if Taskbar(r.Getenv) {
		codes += ansi.SetProgressBar(percent(s))
	}
	return codes
}

// unchrome returns the codes that restore title and taskbar.
func (r *report) unchrome() (codes string) {
	if r.title > 0 {
		codes += ansi.SetWindowTitle("") + popTitle
		r.title = 0
	}
	if Taskbar(r.Getenv) {
		codes += ansi.ResetProgressBar
	}
	return codes
}

// SPEC: xterm control sequences, window manipulation 22 and 23: the title is
// saved on a stack. Terminals without a stack ignore the codes.
const (
	pushTitle = "\x1b[22;2t"
	popTitle  = "\x1b[23;2t"
)

// hasTitle returns false for consoles that would print the title.
func (r *report) hasTitle() bool {
	switch r.Getenv("TERM") {
	case "", "dumb", "linux":
		return false
	}
	return true
}

// percent returns at most 99, because 100 means verified.
func percent(s download.Snapshot) int {
	if s.Bytes <= 0 {
		return 0
	}
	return int(min(float64(s.BytesDone)/float64(s.Bytes)*100, 99))
}

// progressLine returns the state of all downloads in one line of at most width
// cells. A narrow line has no bar.
func progressLine(s download.Snapshot, width int) string {
	const most = 20
	full := percent(s) * most / 100
	bar := "[" + strings.Repeat("=", full) + strings.Repeat(" ", most-full) + "] "
	var b strings.Builder
	fmt.Fprintf(&b, "%2d%%  %s of %s", percent(s), quantity.Size(s.BytesDone), quantity.Size(s.Bytes))
	if s.Files > 1 || s.Counting > 0 {
		fmt.Fprintf(&b, "  %s of %s", quantity.Count(s.FilesDone), quantity.Plural(s.Files, "file", "files"))
	}
	if s.Counting > 0 {
		b.WriteString(", counting")
	}
	switch waits := waiting(s); {
	case waits != "":
		b.WriteString("  " + waits)
	case s.Rate > 0:
		b.WriteString("  " + quantity.Rate(s.Rate))
		if left := quantity.Remaining(s.Left); left != "" {
			b.WriteString("  " + left + " left")
		}
	}
	line := b.String()
	if cells.Width(bar)+cells.Width(line) <= width {
		line = bar + line
	}
	return cells.Truncate(line, width, "…")
}

// waiting returns the reason for which all downloads wait, or "".
func waiting(s download.Snapshot) string {
	if s.Running > 0 {
		return ""
	}
	for _, t := range s.Transfers {
		switch t.State {
		case download.WaitingNetwork, download.WaitingSignIn:
			return t.State.String()
		case download.Verifying:
			return "verifying"
		}
	}
	return ""
}
