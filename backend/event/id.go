package event

import (
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// IDs returns a function that makes event ids: ULIDs, ascending within one
// process. The function is safe for concurrent use. It panics if random fails.
func IDs(random io.Reader) func(time.Time) string {
	var mu sync.Mutex
	entropy := ulid.Monotonic(random, 0)
	return func(t time.Time) string {
		mu.Lock()
		defer mu.Unlock()
		return ulid.MustNew(ulid.Timestamp(t), entropy).String()
	}
}
