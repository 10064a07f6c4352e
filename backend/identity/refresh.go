package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

func (d *Directory) refresh(ctx context.Context, c Claims, kind string, maxAge, outageAge time.Duration) error {
	if done, err := d.recent(c, kind, maxAge); done {
		return err
	}
	key := kind + "\x00" + c.Sub + "\x00" + c.membership()
	if kind == "alive" {
		key += "\x00" + c.Session
	}
	// Other requests wait for the same result: the query continues when the
	// request that started it is canceled.
	background := context.WithoutCancel(ctx)
	result := d.calls.DoChan(key, func() (any, error) {
		// The previous query may have ended after the check above.
		if done, err := d.recent(c, kind, maxAge); done {
			return nil, err
		}
		if err := d.wait(background, c, kind); err != nil {
			return nil, err
		}
		return nil, d.query(background, c, kind)
	})
	var err error
	select {
	case r := <-result:
		err = r.Err
	case <-ctx.Done():
		err = fmt.Errorf("querying the directory: %w: %w", ErrUnavailable, ctx.Err())
	}
	if err == nil || errors.Is(err, ErrRevoked) {
		return err
	}
	if since, _ := d.known(c, kind); since <= outageAge {
		return nil
	}
	return err
}

// wait spends one query of the person's share, then one of the whole budget. A
// person over the share therefore uses nothing of the whole budget.
func (d *Directory) wait(ctx context.Context, c Claims, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	d.mu.Lock()
	p := d.person(c.Sub, d.c.Now())
	own, all := p.lists, d.groups
	if kind == "alive" {
		own, all = p.alive, d.alive
	}
	d.mu.Unlock()
	for _, limiter := range []*rate.Limiter{own, all} {
		if err := limiter.WaitN(ctx, 1); err != nil {
			return fmt.Errorf("waiting for the directory: %w", ErrBusy)
		}
	}
	return nil
}

// query sends one query to the pool and caches the result. The age of the result
// counts from the start of the query.
func (d *Directory) query(ctx context.Context, c Claims, kind string) error {
	asked := d.c.Now()
	if kind == "groups" {
		groups, err := d.c.Source.Groups(ctx, c)
		d.mu.Lock()
		defer d.mu.Unlock()
		p := d.person(c.Sub, asked)
		switch {
		case err == nil:
			if len(p.groups) > maxSessions {
				clear(p.groups)
			}
			p.groups[c.membership()] = membership{asked, groups}
		case errors.Is(err, ErrRevoked):
			delete(p.groups, c.membership())
		}
		return err
	}
	profile, err := alive(ctx, d.c.Source, c)
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.person(c.Sub, asked)
	switch {
	case err == nil:
		d.keep(p, c.Session, liveness{at: asked, email: profile.Email})
	case errors.Is(err, ErrRevoked):
		d.keep(p, c.Session, liveness{ended: asked})
	}
	return err
}

// keep stores a session's liveness. It drops the session with the oldest check
// when a person has more than maxSessions. d.mu is held.
func (d *Directory) keep(p *person, session string, l liveness) {
	p.sessions[session] = l
	for len(p.sessions) > maxSessions {
		oldest := ""
		for s, have := range p.sessions {
			if s != session && (oldest == "" || have.asked().Before(p.sessions[oldest].asked())) {
				oldest = s
			}
		}
		delete(p.sessions, oldest)
	}
}

// asked returns the start of the last query about the session.
func (l liveness) asked() time.Time {
	if l.ended.After(l.at) {
		return l.ended
	}
	return l.at
}
