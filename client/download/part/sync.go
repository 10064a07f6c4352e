package part

import (
	"sync"
	"time"
)

// Syncer makes many small files durable with one sync of their file system,
// which costs as much for one file as for a thousand: files that come while a
// sync runs, or shortly before it, share the next one.
type Syncer struct {
	mu    sync.Mutex
	next  map[uint64][]settling // by file system
	took  time.Duration         // the last sync
	count sync.WaitGroup
	hurry func() bool // nothing else goes on: do not wait for company
}

type settling struct {
	folder *Folder
	done   func(error)
}

// Bounds of the pause in which files gather for a sync.
const (
	settleLeast = 5 * time.Millisecond
	settleMost  = time.Second
	settlePoll  = 5 * time.Millisecond
)

// NewSyncer returns a syncer. If hurry returns true, a sync does not wait for more
// files.
func NewSyncer(hurry func() bool) *Syncer {
	return &Syncer{next: map[uint64][]settling{}, hurry: hurry}
}

// Sync calls done once everything written to f's file system so far is
// durable. It releases f afterwards.
func (s *Syncer) Sync(f *Folder, done func(error)) {
	id := f.system
	s.mu.Lock()
	first := len(s.next[id]) == 0
	s.next[id] = append(s.next[id], settling{f, done})
	pause := min(max(2*s.took, settleLeast), settleMost)
	if first {
		s.count.Add(1)
	}
	s.mu.Unlock()
	if first {
		go s.run(id, pause)
	}
}

func (s *Syncer) run(id uint64, pause time.Duration) {
	defer s.count.Done()
	for began := time.Now(); time.Since(began) < pause && !s.hurry(); {
		time.Sleep(settlePoll)
	}
	s.mu.Lock()
	batch := s.next[id]
	delete(s.next, id)
	s.mu.Unlock()
	began := time.Now()
	err := batch[0].folder.disk.options.SyncAll(batch[0].folder)
	s.mu.Lock()
	s.took = time.Since(began)
	s.mu.Unlock()
	for _, b := range batch {
		b.done(err)
		b.folder.Release()
	}
}

// Close waits for the syncs that are under way.
func (s *Syncer) Close() { s.count.Wait() }
