package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/client"
)

const (
	slowCall  = 3 * time.Second  // after which a call to the sign-in service has a note
	quietWait = 2 * time.Second  // a shorter wait has no note
	noteLife  = 10 * time.Second // of a note after its pause, while the call is repeated
)

// waitNote is stderr of a terminal. While a call is repeated, it has a line with
// the reason. Any other output, to stderr or through before, removes the line.
// Progress lines show the note themselves. With lines, the note stays as a line.
type waitNote struct {
	to    io.Writer
	now   func() time.Time
	lines bool // no line is changed

	mu     sync.Mutex
	since  time.Time // the last output, or the start
	until  time.Time // the end of the note
	text   string    // "": no call is repeated
	shown  bool
	shared bool // progress lines show the note
	timer  *time.Timer
	screen func(text string) // shows the note while a screen is open; nil: none is
	kept   []byte            // output for after the screen
}

// mostKept is the most bytes of output that are kept for after a screen.
const mostKept = 64 << 10

func newWaitNote(to io.Writer, now func() time.Time) *waitNote {
	return &waitNote{to: to, now: now, since: now()}
}

// Write removes the note and writes p.
func (n *waitNote) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.shared {
		n.remove()
	}
	if n.screen != nil {
		n.kept = append(n.kept, p[:min(len(p), mostKept-len(n.kept))]...)
		return len(p), nil
	}
	return n.to.Write(p)
}

// hold keeps all output until release, because a screen is open. The screen shows the
// note by show; "" removes the note. It does nothing without a terminal.
func (n *waitNote) hold(show func(text string)) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remove()
	n.screen = show
}

// release writes the kept output.
func (n *waitNote) release() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remove()
	n.screen = nil
	_, _ = n.to.Write(n.kept)
	n.kept = nil
}

// Fd returns the descriptor of the terminal.
func (n *waitNote) Fd() uintptr {
	if f, ok := n.to.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// report receives a pause of the client.
func (n *waitNote) report(w client.Wait) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	n.text, n.until = waitSentence(w.Code), now.Add(w.For+noteLife)
	if !n.shared && n.timer == nil {
		n.timer = time.AfterFunc(max(0, quietWait-now.Sub(n.since)), n.show)
	}
}

func waitSentence(code api.Code) string {
	switch code {
	case api.RateLimited:
		return "The server is busy. usher waits and tries again."
	case api.StorageUnavailable:
		return "The storage does not answer the server. usher waits and tries again."
	}
	return "The server can't answer now. usher waits and tries again."
}

// waiting shows a note about a call to the sign-in service that takes long, until
// done. Other output removes the note.
func (n *waitNote) waiting(host string) (done func()) {
	if n == nil {
		return func() {}
	}
	timer := time.AfterFunc(slowCall, func() {
		n.mu.Lock()
		if n.text == "" && !n.shared {
			n.text, n.until = waitingFor(host), n.now().Add(noteLife)
		}
		n.mu.Unlock()
		n.show()
	})
	return func() {
		timer.Stop()
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.text == waitingFor(host) {
			n.remove()
		}
	}
}

func waitingFor(host string) string {
	return "Waiting for the sign-in service at " + safe(host) + ". Ctrl-C stops it."
}

func (n *waitNote) show() {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.text == "" || n.shared || n.shown:
	case n.screen != nil:
		n.screen(n.text)
		n.shown = true
	case n.lines:
		_, _ = fmt.Fprintln(n.to, n.text)
		n.shown = true
	default:
		_, _ = fmt.Fprint(n.to, n.text)
		n.shown = true
	}
}

// remove erases the note. The caller holds mu.
func (n *waitNote) remove() {
	if n.timer != nil {
		n.timer.Stop()
		n.timer = nil
	}
	switch {
	case n.shown && n.screen != nil:
		n.screen("")
	case n.shown && !n.lines:
		_, _ = fmt.Fprint(n.to, "\r"+ansi.EraseLineRight)
	}
	n.text, n.shown, n.since = "", false, n.now()
}

// end removes the note before other output. It does nothing without a terminal.
func (n *waitNote) end() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remove()
	n.shared = false
}

// share returns the note for progress lines, which replace the line of its own.
func (n *waitNote) share() string {
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	if !n.shared {
		text := n.text
		n.remove()
		n.shared, n.text = true, text
	}
	if n.text == "" || now.After(n.until) {
		n.text, n.since = "", now
		return ""
	}
	if now.Sub(n.since) < quietWait {
		return ""
	}
	return n.text
}
