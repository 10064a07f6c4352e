//go:build !nosandbox

package sandbox

import (
	"encoding/json"
	"os"
	"sync"

	"usher/backend/sandbox/cognito"
)

// mailbox appends the pool's mail to a file, one JSON object per line.
type mailbox struct {
	mu   sync.Mutex
	file string
}

// deliver drops mail that cannot be written. The person can request another.
func (b *mailbox) deliver(m cognito.Mail) {
	line, err := json.Marshal(m)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := os.OpenFile(b.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	_, _ = f.Write(append(line, '\n'))
}
