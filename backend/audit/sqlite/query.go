package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// Query implements audit.Store.
func (s *Store) Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	if page.Lookup {
		return s.lookup.query(ctx, filter, page)
	}
	return s.query(ctx, filter, page)
}

// Bounds of the work for one page with terms that no column has.
const (
	pageRows  = 100_000 // rows that match the other terms
	pageChunk = 1_000
)

// query reads a page. Terms without a column are tested on the events themselves,
// so the page may end early: at the last event that was tested.
func (s reader) query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	indexed, rest := filter.Split()
	if len(rest.Terms) == 0 {
		return s.page(ctx, indexed, page)
	}
	var r audit.Result
	stop := time.Now().Add(time.Hour)
	if deadline, ok := ctx.Deadline(); ok {
		stop = time.Now().Add(time.Until(deadline) / 2)
	}
	chunk := page
	chunk.Limit = pageChunk
	for tested := 0; ; {
		part, err := s.page(ctx, indexed, chunk)
		if err != nil {
			return audit.Result{}, err
		}
		for i, e := range part.Events {
			if !rest.Match(e) {
				continue
			}
			r.Records = append(r.Records, part.Records[i])
			if r.Events = append(r.Events, e); len(r.Events) == page.Limit && (i+1 < len(part.Events) || part.Position != "") {
				r.Position = position{e.Time.UnixMilli(), e.ID}.String()
				return r, nil
			}
		}
		tested += len(part.Events)
		if part.Position == "" || tested >= pageRows || time.Now().After(stop) {
			r.Position = part.Position
			return r, nil
		}
		chunk.Position = part.Position
	}
}

// page reads a page for terms that columns have.
func (s reader) page(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	var r audit.Result
	w, err := s.where(ctx, filter)
	if err != nil {
		return r, err
	}
	if w.nothing {
		_, err := s.start(ctx, page)
		return r, err
	}
	if err := s.from(ctx, w, page); err != nil {
		return r, err
	}
	found, err := s.events(ctx, w.sql(page.Ascending), append(w.args, page.Limit+1))
	if err != nil {
		return r, err
	}
	if len(found) > page.Limit {
		found = found[:page.Limit]
		last := found[page.Limit-1].event
		r.Position = position{last.Time.UnixMilli(), last.ID}.String()
	}
	for _, f := range found {
		r.Events, r.Records = append(r.Events, f.event), append(r.Records, f.seq)
	}
	return r, nil
}

// from adds the start of the page to a search, and chooses its index.
func (s reader) from(ctx context.Context, w *where, page audit.Page) error {
	start, err := s.start(ctx, page)
	if err != nil {
		return err
	}
	if start.id == "" {
		return s.chooseIndex(ctx, w)
	}
	bound, order := "e.time <= ?", "(e.time, e.id) < (?, ?)"
	if page.Ascending {
		bound, order = "e.time >= ?", "(e.time, e.id) > (?, ?)"
		var n int // rows of a reader near the end of the log
		const query = "SELECT count(*) FROM (SELECT 1 FROM events AS e " + byTime + " WHERE e.time >= ? LIMIT ?)"
		if err := s.db.QueryRowContext(ctx, query, start.time, few+1).Scan(&n); err != nil {
			return err
		}
		if n <= few {
			w.indexes = nil
		}
	}
	w.and(bound+" AND "+order, start.time, start.time, idKey(start.id))
	return s.chooseIndex(ctx, w)
}

// start returns the position of the event before a page, or the zero position.
func (s reader) start(ctx context.Context, page audit.Page) (position, error) {
	if page.Position != "" {
		return parsePosition(page.Position)
	}
	if page.After == "" {
		return position{}, nil
	}
	p := position{id: page.After}
	err := s.db.QueryRowContext(ctx, "SELECT time FROM events WHERE id = ?", idKey(page.After)).Scan(&p.time)
	if errors.Is(err, sql.ErrNoRows) {
		err = audit.ErrBadPosition
	}
	return p, err
}

// position is the place of an event in the order of the log.
type position struct {
	time int64 // milliseconds since 1970
	id   string
}

func (p position) String() string { return strconv.FormatInt(p.time, 10) + "." + p.id }

func parsePosition(s string) (position, error) {
	t, id, ok := strings.Cut(s, ".")
	time, err := strconv.ParseInt(t, 10, 64)
	if !ok || err != nil || !idShape.MatchString(id) {
		return position{}, audit.ErrBadPosition
	}
	return position{time, id}, nil
}

// idShape matches event ids.
var idShape = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)
