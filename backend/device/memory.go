package device

import (
	"context"
	"sync"
	"time"
)

// Memory is the store of a single instance. A restart loses its requests; the
// opened sessions are in the audit log too.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex
	requests map[string]Request
	users    map[string]string // id by user code
	counts   map[string]int    // of the minute
	minute   time.Time
	sessions map[string]time.Time
}

// NewMemory returns an empty store.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{
		now: now, requests: map[string]Request{}, users: map[string]string{},
		counts: map[string]int{}, sessions: map[string]time.Time{},
	}
}

// Insert implements Store.
func (m *Memory) Insert(_ context.Context, r Request, limits Limits) (Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	total, owner := 0, 0
	for _, have := range m.requests {
		if have.Finished() || !m.now().Before(have.Expires) {
			continue
		}
		total++
		if have.Owner == r.Owner {
			owner++
		}
	}
	if total >= limits.Total || owner >= limits.Owner {
		return r, ErrFull
	}
	if _, taken := m.users[r.User]; taken {
		return r, ErrTaken
	}
	if _, taken := m.requests[r.ID]; taken {
		return r, ErrTaken
	}
	r.Version = 1
	m.requests[r.ID], m.users[r.User] = r, r.ID
	return r, nil
}

// sweep removes requests Keep after their end. m.mu is held.
func (m *Memory) sweep() {
	for id, r := range m.requests {
		if !m.now().Before(r.Expires.Add(Keep)) {
			delete(m.requests, id)
			delete(m.users, r.User)
		}
	}
}

// Find implements Store.
func (m *Memory) Find(_ context.Context, id string) (Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	r, ok := m.requests[id]
	if !ok {
		return r, ErrAbsent
	}
	return r, nil
}

// ByUser implements Store.
func (m *Memory) ByUser(ctx context.Context, user string) (Request, error) {
	m.mu.Lock()
	id, ok := m.users[user]
	m.mu.Unlock()
	if !ok {
		return Request{}, ErrAbsent
	}
	return m.Find(ctx, id)
}

// Replace implements Store.
func (m *Memory) Replace(_ context.Context, r Request) (Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	switch have, ok := m.requests[r.ID]; {
	case !ok:
		return r, ErrAbsent
	case have.Version != r.Version:
		return r, ErrStale
	}
	r.Version++
	m.requests[r.ID] = r
	return r, nil
}

// Count implements Store.
func (m *Memory) Count(_ context.Context, name string, minute time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !minute.Equal(m.minute) {
		clear(m.counts)
		m.minute = minute
	}
	m.counts[name]++
	return m.counts[name], nil
}

// Open implements Store.
func (m *Memory) Open(_ context.Context, session string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s, end := range m.sessions {
		if !m.now().Before(end) {
			delete(m.sessions, s)
		}
	}
	m.sessions[session] = until
	return nil
}

// Opened implements Store.
func (m *Memory) Opened(_ context.Context, session string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now().Before(m.sessions[session]), nil
}
