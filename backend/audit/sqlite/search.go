package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// work bounds the work for one page.
type work struct {
	rows  int           // rows of the index that are tested
	chunk int           // rows of the first chunk
	least int           // rows of a chunk that is not interrupted
	sure  int           // rows that are tested in any time, for a log of few rows
	slow  int           // the same for a larger log, of which each row can be two reads of the disk
	time  time.Duration // in which the chunks are expected to end
	slice time.Duration // in which one chunk is expected to end
	most  time.Duration // after which the query of a chunk is interrupted
	few   int           // rows that are cheap to sort or to scan
	look  int           // rows that are tested in the order of time before an index is chosen
	soon  int           // rows that are tested in this order rather than an index
}

// pageWork is the bound of a page. Rows that are not in memory are slow by a factor of
// 100, so the first chunk is small.
func pageWork() work {
	return work{
		rows: 100_000, chunk: 256, least: 16, sure: 512, slow: 128, few: 20_000, look: 1_000, soon: 5_000,
		time: 75 * time.Millisecond, slice: 20 * time.Millisecond, most: 40 * time.Millisecond,
	}
}

// search reads one page in chunks.
type search struct {
	reader
	*where
	page   audit.Page
	filter event.Filter
	probe  event.Probe
	until  time.Time // the end of the work

	rows  int       // tested
	place *position // reached; nil: none
	moved bool      // the place is behind that of the page
	ended bool      // the page is full, its time has ended, or no more rows follow
}

// read tests chunks until the page ends.
func (s *search) read(ctx context.Context, r *audit.Result) error {
	for size, last := s.work.chunk, time.Duration(0); !s.ended && s.rows < s.work.rows && !s.over(time.Now().Add(last)); {
		began := time.Now()
		tested, err := s.next(ctx, size, r)
		if err != nil {
			return err
		}
		last = time.Since(began)
		// The next chunk is larger, if it is expected to end in time.
		size = tested
		for n := 1; n <= 2 && time.Duration(2*n)*last < min(time.Until(s.until), s.work.slice); n *= 2 {
			size = min(2*size, max(s.work.rows-s.rows, 1))
		}
	}
	if !s.ended {
		r.Position, r.Reached = s.place.String(), time.UnixMilli(s.place.time).UTC()
	}
	return nil
}

// over reports whether the page ends if the next step ends at an instant: not before
// its first rows, which are the whole log of a new server.
func (s *search) over(at time.Time) bool {
	return s.moved && s.rows >= s.work.sure && at.After(s.until)
}

// look tests the first rows in the order of time, if the filter has an index and
// this index is not the order of the page. It reports whether matching events are so
// frequent that this order fills the page soon: the rows of an index do not have to
// be counted then.
func (s *search) look(ctx context.Context, r *audit.Result) (frequent bool, err error) {
	if len(s.indexes) == 0 || len(s.indexes) == 1 && s.indexes[0].ordered {
		return false, nil
	}
	for _, x := range s.indexes {
		if n, err := s.count(ctx, x, s.page.Limit); err != nil || n < s.page.Limit {
			return false, err // a rare value
		}
	}
	s.indexedBy = byTime
	if _, err := s.next(ctx, s.work.look, r); err != nil || s.ended {
		return false, err
	}
	// The rows that fill the page, if the next ones are like these.
	return len(r.Events)*s.work.soon >= s.page.Limit*s.rows, nil
}

// next tests a number of rows after the place that the search has reached. A chunk that
// takes too long is tried again with fewer rows, because each of them can be a read of
// the disk. next returns the number that it has tested.
func (s *search) next(ctx context.Context, rows int, r *audit.Result) (int, error) {
	for before := *r; ; {
		done, err := s.try(ctx, rows, r)
		if done || err != nil {
			return rows, err
		}
		if *r, s.ended = before, false; s.over(time.Now()) {
			return rows, nil
		}
		rows = max(rows/8, min(rows, s.work.least))
	}
}

// try tests a number of rows. It returns false if this was interrupted.
func (s *search) try(ctx context.Context, rows int, r *audit.Result) (done bool, err error) {
	limited, stop := ctx, func() bool { return false }
	if rows > s.work.least {
		var cancel context.CancelFunc
		limited, cancel = context.WithCancel(ctx)
		defer cancel()
		timer := time.AfterFunc(s.work.most, cancel)
		defer timer.Stop()
		stop = timer.Stop
	}
	err = s.chunk(limited, rows, stop, r)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return true, err
}

// bound returns the time of the row after a number of rows of the index, and false
// if there are no more rows. It reads the index alone.
func (s *search) bound(ctx context.Context, rows int) (ms int64, more bool, err error) {
	var conditions []string
	var args []any
	for _, c := range []struct {
		text string
		args []any
	}{{s.index.condition, s.index.args}, {s.period, s.periodArgs}} {
		if c.text != "" {
			conditions, args = append(conditions, c.text), append(args, c.args...)
		}
	}
	operator, order := "<", "DESC"
	if s.page.Ascending {
		operator, order = ">", "ASC"
	}
	if s.place != nil {
		if s.place.id != "" {
			operator += "="
		}
		conditions, args = append(conditions, "e.time "+operator+" ?"), append(args, s.place.time)
	}
	query := "SELECT e.time FROM events AS e " + s.indexedBy
	if len(conditions) > 0 {
		query += " WHERE " + strings.Join(conditions, " AND ")
	}
	err = s.db.QueryRowContext(ctx, query+" ORDER BY e.time "+order+" LIMIT 1 OFFSET ?", append(args, rows)...).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return ms, err == nil, err
}

// chunk tests a number of rows after the place: up to all of a millisecond, if the index
// does not decide the filter. found is called when the search of the rows has ended.
func (s *search) chunk(ctx context.Context, rows int, found func() bool, r *audit.Result) error {
	w := s.where.clone()
	after, before := "<", ">="
	if s.page.Ascending {
		after, before = ">", "<="
	}
	switch {
	case s.place == nil:
	case s.place.id == "":
		w.at("e.time "+after+" ?", s.place.time)
	default:
		w.at("e.time "+after+"= ?", s.place.time)
		w.and("(e.time, e.id) "+after+" (?, ?)", s.place.time, idKey(s.place.id))
	}
	limit := -1 // the whole chunk: the events themselves are tested
	if w.exact {
		limit = s.page.Limit - len(r.Events) + 1
	}
	end, more := position{}, true
	if w.decided() { // each row is an event of the page
		limit = min(limit, rows)
	} else {
		var err error
		if end.time, more, err = s.bound(ctx, rows); err != nil {
			return err
		}
		if more {
			w.at("e.time "+before+" ?", end.time)
		}
	}
	read := 0
	query, args := w.sql(s.page.Ascending)
	err := s.each(ctx, query, append(args, limit), func(seq int64, canonical []byte) (bool, error) {
		if read++; read == 1 {
			found()
		}
		return s.test(seq, canonical, r)
	})
	if err != nil || s.ended {
		return err
	}
	if w.decided() {
		more = read == limit
		if more {
			last := r.Events[len(r.Events)-1]
			end = position{last.Time.UnixMilli(), last.ID}
		}
	}
	if s.place, s.moved, s.ended = &end, true, !more; !w.decided() {
		s.rows += rows
	}
	return nil
}

// test adds an event that matches. It returns false if the page is full, or if its time
// has ended: the time of a record that must be read and expanded is not known before.
func (s *search) test(seq int64, canonical []byte, r *audit.Result) (more bool, err error) {
	late := !s.exact && time.Now().After(s.until)
	if !late && !s.exact && !s.probe.Passes(canonical) {
		return true, nil
	}
	e, err := event.Parse(canonical)
	if err != nil {
		return false, err
	}
	matches, last := s.exact || s.filter.Match(e), e
	full := len(r.Events) == s.page.Limit
	switch {
	case matches && full:
		last = r.Events[s.page.Limit-1]
	case matches:
		r.Events, r.Records = append(r.Events, e), append(r.Records, seq)
	}
	if s.ended = late || matches && full; s.ended {
		r.Position, r.Reached = position{last.Time.UnixMilli(), last.ID}.String(), last.Time
	}
	return !s.ended, nil
}
