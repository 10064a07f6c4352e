package budget

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrFull is the error of Take when no slot became free in time.
var ErrFull = errors.New("no slot is free")

// SlotLimits bounds concurrent work in total, and for each owner. An owner is a
// person or an address.
type SlotLimits struct {
	Total int
	Each  []int         // one limit for each argument of Take
	Wait  time.Duration // longest wait for a slot
}

// Slots bounds concurrent work. An owner at its own limit waits for its own
// slots, and the free slots stay open to others.
type Slots struct {
	limits SlotLimits

	mu      sync.Mutex
	used    int
	by      []map[string]int // slots in use, by owner
	queued  []map[string]int // waiting, by owner
	waiting []*waiter        // in order of arrival
}

type waiter struct {
	owners []string
	ready  chan struct{} // closed with mu held, when the waiter has a slot
}

// NewSlots returns slots that are all free.
func NewSlots(limits SlotLimits) *Slots {
	s := &Slots{limits: limits}
	for range limits.Each {
		s.by, s.queued = append(s.by, map[string]int{}), append(s.queued, map[string]int{})
	}
	return s
}

// Take waits for a slot for these owners, one for each limit. It fails with
// ErrFull after limits.Wait, when the context ends, or at once when an owner has
// as many waiting requests as slots.
func (s *Slots) Take(ctx context.Context, owners ...string) (release func(), err error) {
	if len(owners) != len(s.limits.Each) {
		return nil, errors.New("slots: one owner for each limit is needed")
	}
	release = sync.OnceFunc(func() { s.leave(owners) })
	s.mu.Lock()
	if s.fits(owners) {
		s.take(owners)
		s.mu.Unlock()
		return release, nil
	}
	for i, o := range owners {
		if s.queued[i][o] >= s.limits.Each[i] {
			s.mu.Unlock()
			return nil, ErrFull
		}
	}
	w := &waiter{owners, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	add(s.queued, owners, 1)
	s.mu.Unlock()
	timer := time.NewTimer(s.limits.Wait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return release, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	if s.giveUp(w) {
		return nil, ErrFull
	}
	return release, nil
}

// InUse returns the number of slots in use.
func (s *Slots) InUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// giveUp removes a waiter from the queue. It returns false if the waiter got a
// slot meanwhile.
func (s *Slots) giveUp(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, w)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	add(s.queued, w.owners, -1)
	return true
}

func (s *Slots) fits(owners []string) bool {
	if s.used >= s.limits.Total {
		return false
	}
	for i, o := range owners {
		if s.by[i][o] >= s.limits.Each[i] {
			return false
		}
	}
	return true
}

func (s *Slots) take(owners []string) {
	s.used++
	add(s.by, owners, 1)
}

// leave frees a slot. Free slots go to the waiters that fit, in order of arrival.
func (s *Slots) leave(owners []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	add(s.by, owners, -1)
	s.waiting = slices.DeleteFunc(s.waiting, func(w *waiter) bool {
		if !s.fits(w.owners) {
			return false
		}
		s.take(w.owners)
		add(s.queued, w.owners, -1)
		close(w.ready)
		return true
	})
}

func add(counts []map[string]int, owners []string, n int) {
	for i, o := range owners {
		if counts[i][o] += n; counts[i][o] == 0 {
			delete(counts[i], o)
		}
	}
}
