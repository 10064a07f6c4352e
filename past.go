//go:build !lambda.norpc

package main

import (
	"sync"
	"time"

	"usher/client/cli"
	"usher/client/download"
	"usher/client/history"
)

// past is the histories of downloads, one for each person that signs in.
type past struct {
	b cli.Browser

	mu  sync.Mutex
	all map[string]*history.Store
}

// of returns the history of a person, by the identity.
func (p *past) of(person string) *history.Store {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.all[person]
	if s == nil {
		if p.all == nil {
			p.all = make(map[string]*history.Store)
		}
		s = history.New(p.b.Folders, p.b.Profile.Place(), person)
		p.all[person] = s
	}
	return s
}

// record returns the function that adds ended transfers of a person.
func (p *past) record(person string) func(download.Transfer) {
	s := p.of(person)
	return func(t download.Transfer) {
		if e, ok := history.Of(t, time.Now()); ok {
			s.Add(e)
		}
	}
}

// flush writes all histories. One that cannot be stored loses only itself.
func (p *past) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.all {
		_ = s.Flush()
	}
}
