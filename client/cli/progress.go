package cli

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"usher/client/download"
	"usher/client/quantity"
)

// drawEvery is how often progress is drawn at most.
const drawEvery = 200 * time.Millisecond

// draw keeps the lines of progress up to date until the function that it
// returns is called.
func (r *report) draw(engine *download.Engine) (stop func()) {
	show, every := r.show, drawEvery
	if !r.live() {
		show, every = r.sayWaiting, sayEvery
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
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
	}()
	return func() {
		cancel()
		<-done
		r.stopWatching()
	}
}

// sayEvery is how often a job is asked whether it stands still.
const sayEvery = 5 * time.Second

// sayWaiting says once in a log that nothing moves, and why.
func (r *report) sayWaiting(s download.Snapshot) {
	waits := waiting(s)
	if waits != r.waits && waits != "" && waits != "verifying" && !r.json {
		fmt.Fprintf(r.Err, "%s%s.\n", strings.ToUpper(waits[:1]), waits[1:])
	}
	r.waits = waits
}

// watch draws the progress of one file that goes into a pipe.
func (r *report) watch(t download.Transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := download.Snapshot{Transfers: []download.Transfer{t}, Files: 1, Bytes: max(t.Size, 0), BytesDone: t.Done, Rate: t.Rate, Left: t.Left}
	if t.State == download.Running {
		s.Running = 1
	}
	r.show(s)
}

// stopWatching takes it off again.
func (r *report) stopWatching() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live() {
		fmt.Fprint(r.Err, r.erase(), r.unchrome())
	}
}

// show draws in one write, so that nothing flickers. It needs mu.
func (r *report) show(s download.Snapshot) {
	width := r.width() - 1
	lines := append(fileLines(s, width), progressLine(s, width))
	fmt.Fprint(r.Err, r.erase(), strings.Join(lines, "\r\n"), r.chrome(s))
	r.drawn = len(lines)
}

// erase gives the codes that take the lines of progress off the screen. It
// needs mu.
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

// Of many files the large ones have a line each, as long as they move.
const (
	ownLine  = 8 << 20 // bytes
	ownLines = 4
)

// fileLines are the large files under way, each in a line of at most width
// cells; none where there is one file, whose line is the whole's.
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
		name += strings.Repeat(" ", room-ansi.StringWidth(name))
		line := fmt.Sprintf("%s  %3d%% of %7s", name, min(t.Done*100/t.Size, 99), quantity.Size(t.Size))
		switch {
		case t.State == download.Verifying:
			line += "  verifying"
		case t.Rate > 0:
			line += "  " + quantity.Rate(t.Rate)
		}
		lines = append(lines, ansi.Truncate(line, width, "…"))
	}
	return lines
}

// middle cuts a text to so many cells, and keeps its beginning and its end.
func middle(s string, cells int) string {
	w := ansi.StringWidth(s)
	if w <= cells {
		return s
	}
	end := cells / 3
	return ansi.Truncate(s, cells-end, "…") + ansi.TruncateLeft(s, w-end, "")
}

func (r *report) width() int {
	if f, ok := r.Err.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// Taskbar says whether the terminal shows progress by OSC 9;4. Others take OSC 9
// for a notification, so it goes only to those that say who they are.
func Taskbar(getenv func(string) string) bool {
	switch getenv("TERM_PROGRAM") {
	case "ghostty", "WezTerm":
		return true
	}
	return getenv("WT_SESSION") != "" || getenv("ConEmuANSI") == "ON"
}

// chrome is progress around the terminal: in its title, where there is one, and
// on the taskbar.
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

// unchrome puts things back.
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
// kept on a stack. Who does not know them ignores them.
const (
	pushTitle = "\x1b[22;2t"
	popTitle  = "\x1b[23;2t"
)

// hasTitle leaves out the consoles that would print the title.
func (r *report) hasTitle() bool {
	switch r.Getenv("TERM") {
	case "", "dumb", "linux":
		return false
	}
	return true
}

// percent never says 100 before all is verified.
func percent(s download.Snapshot) int {
	if s.Bytes <= 0 {
		return 0
	}
	return int(min(float64(s.BytesDone)/float64(s.Bytes)*100, 99))
}

// progressLine is the state of all downloads in one line of at most width
// cells; the bar gives way first.
func progressLine(s download.Snapshot, width int) string {
	const cells = 20
	full := percent(s) * cells / 100
	bar := "[" + strings.Repeat("=", full) + strings.Repeat(" ", cells-full) + "] "
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
	if ansi.StringWidth(bar)+ansi.StringWidth(line) <= width {
		line = bar + line
	}
	return ansi.Truncate(line, width, "…")
}

// waiting says what everything waits for, if nothing moves.
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
