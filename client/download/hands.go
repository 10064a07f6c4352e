package download

import (
	"context"
	"fmt"
	"sync"
)

// Hands is an engine that changes hands. Each person has a queue of their own:
// the requests of one person are never fetched, nor recorded, under the name of the
// next one. Its methods are those of the present owner's Engine.
type Hands struct {
	open func(owner string) (*Engine, error)

	mu     sync.RWMutex
	owner  string
	engine *Engine
	closed bool
}

// NewHands opens the first owner's engine. An owner is any text that identifies
// a person; "" is nobody.
func NewHands(owner string, open func(owner string) (*Engine, error)) (*Hands, error) {
	e, err := open(owner)
	if err != nil {
		return nil, err
	}
	return &Hands{open: open, owner: owner, engine: e}, nil
}

// HandOver stops the transfers of the present owner, keeps their parts and
// their queue, and opens the next one's. To the same owner it does nothing.
func (h *Hands) HandOver(owner string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if owner == h.owner || h.closed {
		return nil
	}
	if err := h.engine.Close(); err != nil {
		return fmt.Errorf("keeping the queue: %w", err)
	}
	e, err := h.open(owner)
	if err != nil {
		return fmt.Errorf("opening the queue: %w", err)
	}
	h.owner, h.engine = owner, e
	return nil
}

func (h *Hands) now() *Engine {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.engine
}

// Close ends the engine; see Engine.Close.
func (h *Hands) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return h.engine.Close()
}

// The rest is Engine's.

func (h *Hands) Add(reqs ...Request) []ID     { return h.now().Add(reqs...) }
func (h *Hands) Snapshot() Snapshot           { return h.now().Snapshot() }
func (h *Hands) Pause(id ID)                  { h.now().Pause(id) }
func (h *Hands) Resume(id ID)                 { h.now().Resume(id) }
func (h *Hands) Cancel(id ID)                 { h.now().Cancel(id) }
func (h *Hands) Retry(id ID)                  { h.now().Retry(id) }
func (h *Hands) PauseAll()                    { h.now().PauseAll() }
func (h *Hands) ResumeAll()                   { h.now().ResumeAll() }
func (h *Hands) RetryAll()                    { h.now().RetryAll() }
func (h *Hands) Move(id ID, delta int)        { h.now().Move(id, delta) }
func (h *Hands) SignedIn()                    { h.now().SignedIn() }
func (h *Hands) Unfinished() ([]Saved, error) { return h.now().Unfinished() }
func (h *Hands) Forget() error                { return h.now().Forget() }
func (h *Hands) Keeps() bool                  { return h.now().Keeps() }

func (h *Hands) Local(dir string, reqs []Request) []LocalState { return h.now().Local(dir, reqs) }

func (h *Hands) Peek(ctx context.Context, bucket, key string, n int) ([]byte, error) {
	return h.now().Peek(ctx, bucket, key, n)
}
