package granttest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/backend/grant"
	"usher/backend/grant/granttest"
)

// memory is a conforming store. Each of its faults violates one requirement.
type memory struct {
	mu      sync.Mutex
	content []grant.Grant // the source
	present bool
	broken  bool

	set     *grant.Set
	problem error
	faults  faults
}

type faults struct {
	change        func(grant.Grant) (grant.Grant, bool) // changes or drops grants
	opensAnyway   bool
	stale         bool // never reads again
	empties       bool // uses an empty set after a problem
	fails         bool // Current fails after a problem
	silent        bool // reports no problem
	sticky        bool // reports a problem forever
	ignoresCancel bool // ignores the context
	halves        bool // applies half of a change
	countsReads   bool // returns another version for each read
	reads         int
	slow          bool // applies a change after two seconds
	putAt, clock  time.Time
}

func (m *memory) fixture() granttest.Fixture {
	locked := func(f func()) error { m.mu.Lock(); defer m.mu.Unlock(); f(); return nil }
	return granttest.Fixture{
		Open: func() (granttest.Store, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.set, m.problem = nil, nil
			m.load()
			if m.problem != nil && !m.faults.opensAnyway {
				return nil, m.problem
			}
			if m.set == nil {
				m.set, _ = grant.NewSet(nil)
			}
			return m, nil
		},
		Put: func(g []grant.Grant) error {
			return locked(func() {
				m.content, m.present, m.broken, m.faults.putAt = slices.Clone(g), true, false, m.faults.clock
			})
		},
		Break:   func() error { return locked(func() { m.broken = true }) },
		Vanish:  func() error { return locked(func() { m.present = false }) },
		Advance: func(d time.Duration) { locked(func() { m.faults.clock = m.faults.clock.Add(d) }) },
	}
}

func (m *memory) load() {
	if m.broken || !m.present {
		m.problem = errors.New("cannot be read")
		if m.faults.empties {
			m.set, _ = grant.NewSet(nil)
		}
		return
	}
	content := m.content
	if m.faults.halves && m.set != nil && m.faults.reads%2 == 0 {
		content = content[:len(content)/2]
	}
	var all []grant.Grant
	for _, g := range content {
		keep := true
		if m.faults.change != nil {
			g, keep = m.faults.change(g)
		}
		if keep {
			all = append(all, g)
		}
	}
	if m.faults.countsReads && len(all) > 0 {
		all[0].Reason += time.Duration(m.faults.reads).String()
	}
	if set, err := grant.NewSet(all); err == nil {
		m.set = set
	}
	if !m.faults.sticky {
		m.problem = nil
	}
}

func (m *memory) Current(ctx context.Context) (*grant.Set, error) {
	if err := ctx.Err(); err != nil && !m.faults.ignoresCancel {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.reads++
	if !m.faults.stale && !(m.faults.slow && m.faults.clock.Sub(m.faults.putAt) < 2*time.Second) {
		m.load()
	}
	if m.faults.fails && m.problem != nil {
		return nil, m.problem
	}
	return m.set, nil
}

func (m *memory) Problem() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.faults.silent {
		return nil
	}
	m.load()
	return m.problem
}

func check(f faults) []error {
	return granttest.Check(func() (granttest.Fixture, error) {
		m := &memory{faults: f}
		return m.fixture(), nil
	})
}

func TestMemory(t *testing.T) {
	for _, err := range check(faults{}) {
		t.Error(err)
	}
}

func TestControls(t *testing.T) {
	on := func(change func(*grant.Grant)) faults {
		return faults{change: func(g grant.Grant) (grant.Grant, bool) { change(&g); return g, true }}
	}
	broken := map[string]faults{
		"forgets expiry":          on(func(g *grant.Grant) { g.Expires = time.Time{} }),
		"forgets not_before":      on(func(g *grant.Grant) { g.NotBefore = time.Time{} }),
		"keeps seconds only":      on(func(g *grant.Grant) { g.Expires = g.Expires.Truncate(time.Second) }),
		"reads a deny as allow":   on(func(g *grant.Grant) { g.Effect = grant.Allow }),
		"forgets reasons":         on(func(g *grant.Grant) { g.Reason = "" }),
		"trims reasons":           on(func(g *grant.Grant) { g.Reason = "r" }),
		"widens objects":          on(func(g *grant.Grant) { g.Object = "" }),
		"drops denials":           {change: func(g grant.Grant) (grant.Grant, bool) { return g, g.Effect != grant.Deny }},
		"opens any source":        {opensAnyway: true},
		"never reads again":       {stale: true},
		"drops all after a fault": {empties: true},
		"fails after a fault":     {fails: true},
		"reports no problem":      {silent: true},
		"keeps an old problem":    {sticky: true},
		"ignores the context":     {ignoresCancel: true},
		"applies half a change":   {halves: true},
		"counts its reads":        {countsReads: true},
		"needs two seconds":       {slow: true},
	}
	killed := 0
	for name, f := range broken {
		if len(check(f)) == 0 {
			t.Errorf("a store that %s passed the suite", name)
			continue
		}
		killed++
	}
	t.Logf("controls killed %d/%d", killed, len(broken))
}
