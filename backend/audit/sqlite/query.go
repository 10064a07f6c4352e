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

// work bounds the work for one page.
type work struct {
	rows  int           // rows of the index that are tested
	chunk int           // rows of the first chunk
	time  time.Duration // in which the chunks are expected to end
	slice time.Duration // in which one chunk is expected to end
	few   int           // rows that are cheap to sort or to scan
	look  int           // rows that are tested in the order of time before an index is chosen
}

// pageWork is the bound of a page.
func pageWork() work {
	return work{rows: 100_000, chunk: 2_000, time: 75 * time.Millisecond, slice: 20 * time.Millisecond, few: 5_000, look: 1_000}
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
	if frequent, err := sc.look(ctx, &r); err != nil || sc.ended {
		return r, err
	} else if !frequent {
		if err := s.chooseIndex(ctx, w, sc.place, page.Ascending); err != nil {
			return r, err
		}
	}
	for size := s.work.chunk; !sc.ended; {
		began := time.Now()
		if err := sc.next(ctx, size, &r); err != nil {
			return r, err
		}
		last := time.Since(began)
		left := time.Until(sc.until)
		if sc.rows >= s.work.rows || last > left { // the next one would end too late
			break
		}
		// The next chunk is larger, if it is expected to end in time.
		for n := 1; n <= 2 && time.Duration(2*n)*last < min(left, s.work.slice); n *= 2 {
			size = min(2*size, s.work.rows-sc.rows)
		}
	}
	if !sc.ended {
		r.Position, r.Reached = sc.place.String(), time.UnixMilli(sc.place.time).UTC()
	}
	return r, nil
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
	if err := s.next(ctx, s.work.look, r); err != nil || s.ended {
		return false, err
	}
	// The rows that fill the page, if the next ones are like these.
	return len(r.Events)*s.work.few >= s.page.Limit*s.rows, nil
}

// next tests a number of rows after the place that the search has reached.
func (s *search) next(ctx context.Context, rows int, r *audit.Result) error {
	bound, more, err := s.bound(ctx, s.place, rows)
	if err != nil {
		return err
	}
	full, err := s.chunk(ctx, s.place, bound, more, r)
	if s.ended = full || !more; err != nil || s.ended {
		return err
	}
	s.rows, s.place = s.rows+rows, &position{time: bound}
	return nil
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
	ended bool      // the page is full, or no more rows follow
}

// bound returns the time of the row after a number of rows of the index, and false
// if there are no more rows. A filter that is decided by its index alone has no
// bound, because each row of it is a row of the page.
func (s *search) bound(ctx context.Context, from *position, rows int) (ms int64, more bool, err error) {
	if s.decided() || s.index.name != "" && !s.index.ordered {
		return 0, false, nil
	}
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
	if from != nil {
		if from.id != "" {
			operator += "="
		}
		conditions, args = append(conditions, "e.time "+operator+" ?"), append(args, from.time)
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

// chunk adds the matching events after a position, up to all of a millisecond if
// there is a bound. It returns true if the page is full, or if its time has ended: the
// time of a record that must be expanded is not known before.
func (s *search) chunk(ctx context.Context, from *position, bound int64, bounded bool, r *audit.Result) (full bool, err error) {
	w := *s.where
	w.conditions, w.args = append([]string{}, w.conditions...), append([]any{}, w.args...)
	after, before := "<", ">="
	if s.page.Ascending {
		after, before = ">", "<="
	}
	switch {
	case from == nil:
	case from.id == "":
		w.and("e.time "+after+" ?", from.time)
	default:
		w.and("e.time "+after+"= ? AND (e.time, e.id) "+after+" (?, ?)", from.time, from.time, idKey(from.id))
	}
	if bounded {
		w.and("e.time "+before+" ?", bound)
	}
	limit := -1 // the whole chunk: the events themselves are tested
	if w.exact {
		limit = s.page.Limit - len(r.Events) + 1
	}
	err = s.each(ctx, w.sql(s.page.Ascending), append(w.args, limit), func(seq int64, canonical []byte) (bool, error) {
		late := !w.exact && time.Now().After(s.until)
		if !late && !s.probe.Passes(canonical) {
			return true, nil
		}
		e, err := event.Parse(canonical)
		if err != nil {
			return false, err
		}
		matches := w.exact || s.filter.Match(e)
		if late && !(matches && len(r.Events) == s.page.Limit) {
			if full = true; matches {
				r.Events, r.Records = append(r.Events, e), append(r.Records, seq)
			}
			r.Position, r.Reached = position{e.Time.UnixMilli(), e.ID}.String(), e.Time
			return false, nil
		}
		if !matches {
			return true, nil
		}
		if full = len(r.Events) == s.page.Limit; full {
			last := r.Events[s.page.Limit-1]
			r.Position, r.Reached = position{last.Time.UnixMilli(), last.ID}.String(), last.Time
			return false, nil
		}
		r.Events, r.Records = append(r.Events, e), append(r.Records, seq)
		return true, nil
	})
	return full, err
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
