package cli

import (
	"io"
	"sync"
	"time"
)

// delayed is a buffered writer that flushes after at most maxDelay: the lines of
// a thousand small files become a few writes, without a visible delay.
type delayed struct {
	to io.Writer

	mu     sync.Mutex
	buffer []byte
	timer  *time.Timer // runs while the buffer is not empty
}

const (
	maxDelay    = 100 * time.Millisecond
	maxBuffered = 32 << 10 // bytes
)

// Write never fails. Errors of the underlying writer are ignored, as for all
// progress output.
func (l *delayed) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer = append(l.buffer, p...)
	switch {
	case len(l.buffer) >= maxBuffered:
		l.pass()
	case l.timer == nil:
		l.timer = time.AfterFunc(maxDelay, l.flush)
	}
	return len(p), nil
}

func (l *delayed) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass()
}

// pass writes the buffer. The caller holds mu.
func (l *delayed) pass() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.buffer) > 0 {
		_, _ = l.to.Write(l.buffer)
		l.buffer = l.buffer[:0]
	}
}
