package download

import (
	"fmt"
	"sync"

	"usher/backend/api"
)

// PerUser has one Engine at a time: that of the signed-in person. Each person has
// a queue of their own, so that the requests of one person are never fetched, nor
// recorded, under the name of the next one. Its methods are those of the Engine.
type PerUser struct {
	open func(owner string) (*Engine, error)

	mu     sync.RWMutex
	owner  string
	engine *Engine
	closed bool
}

// NewPerUser opens the first owner's engine. An owner is any text that identifies
// a person; "" is nobody.
func NewPerUser(owner string, open func(owner string) (*Engine, error)) (*PerUser, error) {
	e, err := open(owner)
	if err != nil {
		return nil, err
	}
	return &PerUser{open: open, owner: owner, engine: e}, nil
}

// SwitchTo stops the transfers of the present owner, keeps their parts and
// their queue, and opens the next one's. To the same owner it does nothing.
func (p *PerUser) SwitchTo(owner string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if owner == p.owner || p.closed {
		return nil
	}
	if err := p.engine.Close(); err != nil {
		return fmt.Errorf("keeping the queue: %w", err)
	}
	e, err := p.open(owner)
	if err != nil {
		return fmt.Errorf("opening the queue: %w", err)
	}
	p.owner, p.engine = owner, e
	return nil
}

func (p *PerUser) now() *Engine {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.engine
}

// Close ends the engine; see Engine.Close.
func (p *PerUser) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.engine.Close()
}

// The rest is Engine's.

func (p *PerUser) Add(reqs ...Request) []ID     { return p.now().Add(reqs...) }
func (p *PerUser) Snapshot() Snapshot           { return p.now().Snapshot() }
func (p *PerUser) Pause(id ID)                  { p.now().Pause(id) }
func (p *PerUser) Resume(id ID)                 { p.now().Resume(id) }
func (p *PerUser) Cancel(id ID)                 { p.now().Cancel(id) }
func (p *PerUser) Retry(id ID)                  { p.now().Retry(id) }
func (p *PerUser) PauseAll()                    { p.now().PauseAll() }
func (p *PerUser) ResumeAll()                   { p.now().ResumeAll() }
func (p *PerUser) RetryAll()                    { p.now().RetryAll() }
func (p *PerUser) Move(id ID, delta int)        { p.now().Move(id, delta) }
func (p *PerUser) First(id ID)                  { p.now().First(id) }
func (p *PerUser) SetLimit(bytes int64)         { p.now().SetLimit(bytes) }
func (p *PerUser) SetParallel(files int)        { p.now().SetParallel(files) }
func (p *PerUser) SignedIn()                    { p.now().SignedIn() }
func (p *PerUser) Unfinished() ([]Saved, error) { return p.now().Unfinished() }
func (p *PerUser) Forget() error                { return p.now().Forget() }
func (p *PerUser) Keeps() bool                  { return p.now().Keeps() }

func (p *PerUser) Local(dir string, reqs []Request) []LocalState { return p.now().Local(dir, reqs) }

// Look returns a Look of the present owner's engine.
func (p *PerUser) Look(obj api.ReleaseObject) *Look { return p.now().Look(obj) }
