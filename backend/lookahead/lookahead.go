// Package lookahead lists the next page of a folder in the storage while the server
// decides, records and signs the present one.
//
// A page that is kept ahead holds names of the storage and no decision. It is for the
// person whose request began it, and for a short time. The caller decides about every
// name when it uses the page: with the grants and the live check of that moment.
//
// The package leaves decisions, events and the meaning of a query to its caller.
package lookahead

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"usher/backend/object"
)

// Source lists one page.
type Source interface {
	List(ctx context.Context, q object.ListQuery) (object.Page, error)
}

// Bounds of the pages that are kept. A page has at most 1,000 names.
const (
	most = 32 // pages, in total
	each = 2  // pages of one person
)

// Config has the parts of Pages. All must be set.
type Config struct {
	Source Source
	Keep   time.Duration // greatest age of a page at its use, from the begin of its request
	Now    func() time.Time
}

// Pages are the pages that are requested ahead. The methods may be called from any
// goroutine.
type Pages struct {
	c Config

	mu    sync.Mutex
	ahead map[key]*page
}

// key identifies a page: another person, or another query, never gets it.
type key struct {
	person string
	query  object.ListQuery
}

func keyOf(person string, q object.ListQuery) key { return key{person: person, query: q} }

type page struct {
	begun time.Time
	ready chan struct{} // closed when the fields below are set
	page  object.Page
	err   error
}

// New returns Pages without a page.
func New(c Config) (*Pages, error) {
	if c.Source == nil || c.Keep <= 0 || c.Now == nil {
		return nil, errors.New("lookahead: Config needs Source, Keep and Now")
	}
	return &Pages{c: c, ahead: map[key]*page{}}, nil
}

// Begin requests a page for a person, and does not wait for it. The request outlives
// ctx and has its values. It does nothing where enough pages are kept.
func (p *Pages) Begin(ctx context.Context, person string, q object.ListQuery) {
	k, next := keyOf(person, q), &page{begun: p.c.Now(), ready: make(chan struct{})}
	if !p.keep(k, next) {
		return
	}
	go func() {
		defer close(next.ready)
		next.page, next.err = p.list(context.WithoutCancel(ctx), q)
	}()
}

// keep adds a page, after it has dropped those that are too old.
func (p *Pages) keep(k key, next *page) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	others := 0
	for have, old := range p.ahead {
		switch {
		case p.old(old):
			delete(p.ahead, have)
		case have.person == k.person:
			others++
		}
	}
	if p.ahead[k] != nil || others >= each || len(p.ahead) >= most {
		return false
	}
	p.ahead[k] = next
	return true
}

func (p *Pages) old(x *page) bool {
	age := p.c.Now().Sub(x.begun)
	return age > p.c.Keep || age < 0
}

// list is Source.List. A panic is an error: a bug ends one page, not the server.
func (p *Pages) list(ctx context.Context, q object.ListQuery) (got object.Page, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return p.c.Source.List(ctx, q)
}

// List returns the page of a query, once, if it was begun ahead for this person, and
// else requests it. A page that failed, or is too old, is requested again.
func (p *Pages) List(ctx context.Context, person string, q object.ListQuery) (object.Page, error) {
	p.mu.Lock()
	k := keyOf(person, q)
	got := p.ahead[k]
	delete(p.ahead, k)
	p.mu.Unlock()
	if got != nil && !p.old(got) {
		select {
		case <-got.ready:
			if got.err == nil && !p.old(got) {
				return got.page, nil
			}
		case <-ctx.Done():
		}
	}
	return p.c.Source.List(ctx, q)
}
