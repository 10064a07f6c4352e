package event

import (
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// IDs mints ids for events (ULIDs), ascending within one process. What it gives
// is safe for concurrent use; it panics where random fails.
func IDs(random io.Reader) func(time.Time) string {
	var mu sync.Mutex
	entropy := ulid.Monotonic(random, 0)
	return func(t time.Time) string {
		mu.Lock()
		defer mu.Unlock()
		return ulid.MustNew(ulid.Timestamp(t), entropy).String()
	}
}
