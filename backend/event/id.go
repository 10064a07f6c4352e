package event

import (
	"bufio"
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// remembered is the number of milliseconds whose last id IDs keeps.
const remembered = 1024

// IDs returns a function that makes event ids: ULIDs, ascending within each
// millisecond of one process, also if calls for several milliseconds alternate.
// The ids of one request, which have one time, therefore share their first
// random bits. The function is safe for concurrent use. It panics if
// random fails.
func IDs(random io.Reader) func(time.Time) string {
	var mu sync.Mutex
	buffered := bufio.NewReader(random)
	sources := map[uint64]*ulid.MonotonicEntropy{}
	var order []uint64 // keys of sources, oldest first
	return func(t time.Time) string {
		mu.Lock()
		defer mu.Unlock()
		ms := ulid.Timestamp(t)
		source := sources[ms]
		if source == nil {
			if len(order) == remembered {
				delete(sources, order[0])
				order = order[1:]
			}
			source = ulid.Monotonic(buffered, 0)
			sources[ms], order = source, append(order, ms)
		}
		return ulid.MustNew(ms, source).String()
	}
}
