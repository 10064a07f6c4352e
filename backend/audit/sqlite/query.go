package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"usher/backend/api/shape"
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

// query reads a page. A filter that its index does not decide is tested row by row,
// in chunks, so the page may end early: at the last row that was tested.
func (s reader) query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	var r audit.Result
	start, err := s.start(ctx, page)
	if err != nil {
		return r, err
	}
	w, err := s.where(ctx, filter)
	if err != nil || w.nothing {
		return r, err
	}
	sc := &search{reader: s, where: w, page: page, filter: filter, probe: filter.Probe(), until: time.Now().Add(s.work.time), place: start}
	if large, err := s.largerThan(ctx, s.work.few); err != nil {
		return r, err
	} else if large {
		sc.work.sure = s.work.slow
	}
	if frequent, err := sc.look(ctx, &r); err != nil || sc.ended {
		return r, err
	} else if !frequent {
		if err := s.chooseIndex(ctx, w, sc.place, page.Ascending); err != nil {
			return r, err
		}
	}
	return r, sc.read(ctx, &r)
}

// largerThan reports whether the log has more records.
func (s reader) largerThan(ctx context.Context, records int) (larger bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) > ? FROM records", records).Scan(&larger)
	return larger, err
}

// start returns the position of the event before a page, or nil.
func (s reader) start(ctx context.Context, page audit.Page) (*position, error) {
	if page.Position != "" {
		return parsePosition(page.Position)
	}
	if page.After == "" {
		return nil, nil
	}
	p := &position{id: page.After}
	err := s.db.QueryRowContext(ctx, "SELECT time FROM events WHERE id = ?", idKey(page.After)).Scan(&p.time)
	if errors.Is(err, sql.ErrNoRows) {
		err = audit.ErrBadPosition
	}
	return p, err
}

// position is the place of an event in the order of the log. Without an id it is
// the place behind all events of a millisecond, in the direction of reading.
type position struct {
	time int64 // milliseconds since 1970
	id   string
}

func (p position) String() string { return strconv.FormatInt(p.time, 10) + "." + p.id }

func parsePosition(s string) (*position, error) {
	t, id, ok := strings.Cut(s, ".")
	time, err := strconv.ParseInt(t, 10, 64)
	if !ok || err != nil || id != "" && !shape.Word(id) {
		return nil, audit.ErrBadPosition
	}
	return &position{time, id}, nil
}
