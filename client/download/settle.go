package download

import (
	"sync"
	"time"
)

// settler makes many small files durable with one sync of their file system,
// which costs as much for one file as for a thousand: what comes in while a
// sync runs, or shortly before it, shares it.
type settler struct {
	mu    sync.Mutex
	next  map[uint64][]settling // by file system
	took  time.Duration         // the last sync
	count sync.WaitGroup
	hurry func() bool // nothing else goes on: do not wait for company
}

type settling struct {
	folder *folder
	done   func(error)
}

// Bounds of the pause in which files gather for a sync.
const (
	settleLeast = 5 * time.Millisecond
	settleMost  = time.Second
	settlePoll  = 5 * time.Millisecond
)

func newSettler(hurry func() bool) *settler {
	return &settler{next: map[uint64][]settling{}, hurry: hurry}
}

// add calls done once everything written to f's file system so far is
// durable. It takes over the caller's hold on f.
func (s *settler) add(f *folder, done func(error)) {
	id := f.fs
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

func (s *settler) run(id uint64, pause time.Duration) {
	defer s.count.Done()
	for began := time.Now(); time.Since(began) < pause && !s.hurry(); {
		time.Sleep(settlePoll)
	}
	s.mu.Lock()
	batch := s.next[id]
	delete(s.next, id)
	s.mu.Unlock()
	began := time.Now()
	err := batch[0].folder.disk.settle(batch[0].folder)
	s.mu.Lock()
	s.took = time.Since(began)
	s.mu.Unlock()
	for _, b := range batch {
		b.done(err)
		b.folder.release()
	}
}

// close waits for what is under way.
func (s *settler) close() { s.count.Wait() }
