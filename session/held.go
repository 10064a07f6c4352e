package session

import (
	"sync"
	"time"
)

// holdLimit is the longest time for which a sign-in holds a password: the life
// of a challenge's session.
const holdLimit = 3 * time.Minute

// held is a password in bytes that can be zeroed.
type held struct {
	mu    sync.Mutex
	bytes *[]byte // a pointer, so that no fmt verb can reach the text
	timer *time.Timer
}

// keep holds a copy of a password in place of the former one.
func (h *held) keep(password []byte) {
	h.zero()
	h.mu.Lock()
	defer h.mu.Unlock()
	copied := append(make([]byte, 0, len(password)), password...)
	h.bytes = &copied
	h.timer = time.AfterFunc(holdLimit, h.zero)
}

// take returns a copy for one use, which the caller clears.
func (h *held) take() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bytes == nil {
		return nil
	}
	return append([]byte(nil), *h.bytes...)
}

func (h *held) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes == nil || len(*h.bytes) == 0
}

// zero overwrites the password.
func (h *held) zero() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if h.bytes != nil {
		clear(*h.bytes)
	}
	h.bytes = nil
}

// String keeps the password out of all output.
func (*held) String() string { return "[hidden]" }
