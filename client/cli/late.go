package cli

import (
	"io"
	"sync"
	"time"
)

// late passes on what is written to it at most lateness later: the lines of a
// thousand small files are a few writes then, and a reader notices nothing.
type late struct {
	to io.Writer

	mu    sync.Mutex
	held  []byte
	timer *time.Timer // runs while something is held
}

const (
	lateness = 100 * time.Millisecond
	lateMost = 32 << 10 // bytes
)

// Write never fails; what the other end does with it shows nowhere, as with
// every line about progress.
func (l *late) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = append(l.held, p...)
	switch {
	case len(l.held) >= lateMost:
		l.pass()
	case l.timer == nil:
		l.timer = time.AfterFunc(lateness, l.flush)
	}
	return len(p), nil
}

func (l *late) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass()
}

// pass needs mu.
func (l *late) pass() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.held) > 0 {
		_, _ = l.to.Write(l.held)
		l.held = l.held[:0]
	}
}
