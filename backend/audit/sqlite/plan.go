package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"usher/backend/event"
)

// where is the WHERE clause of a filter. The SQL text consists of constants in
// this file; values from the filter are bound parameters.
type where struct {
	conditions []string
	args       []any
	exact      bool // the conditions are the whole filter
	nothing    bool // no event can match

	period     string // the part of the conditions on times
	periodArgs []any
	fields     int // number of other fields with terms

	indexes   []index // usable for this filter
	index     index   // the chosen one; without a name, the order of time
	indexedBy string  // its INDEXED BY clause
}

// index is an index of the events table and its part of the condition.
type index struct {
	name, condition string
	args            []any
	ordered         bool // its rows are in the order of time
	whole           bool // the condition has all terms of its field
}

// decided reports whether every row of the chosen index in the period matches.
func (w *where) decided() bool {
	return w.exact && (w.fields == 0 || w.fields == 1 && w.index.whole && w.index.ordered)
}

func (w *where) and(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

// at adds a condition on the time, which the index has too.
func (w *where) at(condition string, args ...any) {
	w.and(condition, args...)
	if w.period != "" {
		w.period += " AND "
	}
	w.period, w.periodArgs = w.period+condition, append(w.periodArgs, args...)
}

func (w *where) clone() *where {
	c := *w
	c.conditions, c.args, c.periodArgs = slices.Clone(w.conditions), slices.Clone(w.args), slices.Clone(w.periodArgs)
	return &c
}

// sql returns the query for seq and event, and its parameters but for the last one: the
// limit. Indexes are in the order of time; SQLite sorts the few events of one
// millisecond by id. The search is a materialized subquery, which SQLite finishes before
// the first row: the driver can interrupt a query only until then.
func (w *where) sql(ascending bool) (query string, args []any) {
	order := "%[1]s.time DESC, %[1]s.id DESC"
	if ascending {
		order = "%[1]s.time, %[1]s.id"
	}
	condition := ""
	if len(w.conditions) > 0 {
		condition = "WHERE " + strings.Join(w.conditions, " AND ")
	}
	from, args := w.from()
	return fmt.Sprintf(`WITH page AS MATERIALIZED (
		SELECT e.seq AS seq, e.time AS time, e.id AS id FROM %s %s ORDER BY %s LIMIT ?
	) SELECT page.seq, r.event FROM page CROSS JOIN records AS r ON r.seq = page.seq ORDER BY %s`,
		from, condition, fmt.Sprintf(order, "e"), fmt.Sprintf(order, "page")), append(args, w.args...)
}

// from returns the rows e that are tested. If the index does not decide the filter, its
// rows are first found in the other indexes too: a row of the table is longer than one
// of an index, so most of them are not in memory.
func (w *where) from() (from string, args []any) {
	if w.index.name == "" || w.decided() {
		return "events AS e " + w.indexedBy, nil
	}
	add := func(x index, condition string, more ...any) string {
		args = append(append(args, x.args...), more...)
		return "(SELECT e.time AS time, e.seq AS seq FROM events AS e INDEXED BY " + x.name + " WHERE " + condition + ")"
	}
	chosen := w.index.condition
	if w.period != "" {
		chosen += " AND " + w.period
	}
	from = add(w.index, chosen, w.periodArgs...) + " AS i CROSS JOIN "
	for n, x := range w.indexes {
		if x.ordered && x.name != w.index.name {
			from += fmt.Sprintf("%[1]s AS i%[2]d ON i%[2]d.time = i.time AND i%[2]d.seq = i.seq CROSS JOIN ", add(x, x.condition), n)
		}
	}
	return from + "events AS e " + byTime + " ON e.time = i.time AND e.seq = i.seq", args
}

// where translates a filter. The conditions of terms that the columns do not decide
// select more events than the terms. audittest compares the result with
// event.Filter.Match.
func (s reader) where(ctx context.Context, filter event.Filter) (*where, error) {
	_, rest := filter.Split()
	w := &where{exact: true}
	for _, t := range rest.Terms { // hours and addresses are columns of this log
		w.exact = w.exact && (t.Field == event.ByHours || t.Field == event.ByIP)
	}
	for _, field := range event.Fields() {
		var some, none []event.Term // alternatives, and negated terms
		for _, t := range filter.Terms {
			switch {
			case t.Field != field:
			case t.Not:
				none = append(none, t)
			default:
				some = append(some, t)
			}
		}
		if field != event.BySince && field != event.ByUntil && len(some)+len(none) > 0 {
			w.fields++
		}
		had := len(w.indexes)
		if err := s.field(ctx, w, field, some, none); err != nil {
			return nil, err
		}
		if len(w.indexes) == had+1 {
			w.indexes[had].whole = len(none) == 0 && w.indexes[had].ordered
		}
	}
	return w, nil
}

func (s reader) field(ctx context.Context, w *where, field event.Field, some, none []event.Term) error {
	switch field {
	case event.BySince, event.ByUntil:
		op := "e.time >= ?"
		if field == event.ByUntil {
			op = "e.time < ?"
		}
		for _, t := range some {
			w.at(op, t.Time.UnixMilli())
		}
	case event.ByWho:
		people, err := s.people(ctx, some)
		if err != nil {
			return err
		}
		w.nothing = w.nothing || len(some) > 0 && len(people) == 0
		w.equal("e.person", "events_person", people)
		others, err := s.people(ctx, none)
		if err != nil {
			return err
		}
		w.differ("e.person", others)
	case event.ByPath:
		w.paths(some, none)
	case event.ByTouched:
		w.listings(some)
	case event.ByHours:
		w.hours(some, none)
	case event.ByIP:
		return s.addresses(ctx, w, some, none)
	case event.ByGroup, event.ByGrant, event.ByPurpose, event.ByAgent, event.BySize: // no column
	case event.ByAction, event.ByOutcome:
		return s.rare(ctx, w, field, values(some), values(none))
	default:
		column, index := columnOf(field)
		w.equal(column, index, values(some))
		w.differ(column, values(none))
		if field == event.ByBucket && len(some) == 1 && some[0].Value != "" { // a bucket is a prefix of the object index
			const condition = "e.object >= ? AND e.object < ?"
			low, high := []byte(some[0].Value+"/"), []byte(some[0].Value+"0")
			w.and(condition, low, high)
			w.indexes = append(w.indexes, rangeOf("events_object", condition, low, high))
		}
	}
	return nil
}

// rare adds terms of an action or an outcome. Their indexes have rare values only,
// so a query for a frequent value is a scan in the order of time.
func (s reader) rare(ctx context.Context, w *where, field event.Field, some, none []any) error {
	column, name := columnOf(field)
	frequent, condition := frequentOf(field)
	isFrequent := func(v any) bool { return slices.Contains(frequent, v) }
	others := len(some) == 0 && len(none) > 0 // all values except none
	for _, v := range frequent {
		if others && !slices.Contains(none, v) {
			w.differ(column, none)
			return nil
		}
	}
	if others {
		rest, err := s.otherValues(ctx, column, name, condition, none)
		if err != nil {
			return err
		}
		w.nothing = w.nothing || len(rest) == 0
		some, none = rest, nil
	}
	if slices.ContainsFunc(some, isFrequent) {
		name = ""
	}
	w.equal(column, name, some)
	if len(some) > 0 && name != "" {
		w.and(condition)
		last := &w.indexes[len(w.indexes)-1]
		last.condition += " AND " + condition
	}
	w.differ(column, none)
	return nil
}

// frequentOf returns the values that the partial index of a field leaves out, and
// the condition of that index (see rareIndexes).
func frequentOf(f event.Field) (values []any, condition string) {
	if f == event.ByAction {
		return []any{event.Download, event.Completed}, "e.action <> 'download' AND e.action <> 'completed'"
	}
	return []any{event.Allowed}, "e.outcome <> 'allowed'"
}

// columnOf returns the column of a field and its index.
func columnOf(f event.Field) (column, index string) {
	switch f {
	case event.ByAction:
		return "e.action", "events_action"
	case event.ByOutcome:
		return "e.outcome", "events_outcome"
	case event.ByBucket:
		return "e.bucket", ""
	case event.BySession:
		return "e.session", "events_session"
	case event.ByIP:
		return "e.ip", "events_ip"
	case event.ByID:
		return "e.id", "events_id"
	default: // ByRequest
		return "e.request", "events_request"
	}
}

// values returns the values of terms, as the index has them.
func values(terms []event.Term) []any {
	var vs []any
	for _, t := range terms {
		switch t.Field {
		case event.ByID, event.ByRequest:
			vs = append(vs, idKey(t.Value))
		case event.BySession:
			vs = append(vs, sessionKey(t.Value))
		case event.ByIP:
			vs = append(vs, ipKey(t.Value))
		default:
			vs = append(vs, t.Value)
		}
	}
	return vs
}

func rangeOf(name, condition string, args ...any) index {
	return index{name: name, condition: condition, args: args}
}

func (w *where) equal(column, name string, vs []any) {
	if len(vs) == 0 {
		return
	}
	condition := column + " IN (" + placeholders(len(vs)) + ")"
	if len(vs) == 1 {
		condition = column + " = ?" // SQLite returns these rows in the index's order
	}
	w.and(condition, vs...)
	if name != "" {
		w.indexes = append(w.indexes, index{name: name, condition: condition, args: vs, ordered: len(vs) == 1})
	}
}

func (w *where) differ(column string, vs []any) {
	if len(vs) > 0 {
		w.and(column+" NOT IN ("+placeholders(len(vs))+")", vs...)
	}
}

// people returns the numbers of the persons in event.ByWho terms.
func (s reader) people(ctx context.Context, terms []event.Term) ([]any, error) {
	if len(terms) == 0 {
		return nil, nil
	}
	vs := values(terms)
	rows, err := s.db.QueryContext(ctx, "SELECT person FROM people WHERE sub IN ("+placeholders(len(vs))+") OR username IN ("+placeholders(len(vs))+")", append(vs, vs...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var people []any
	for rows.Next() {
		var p int64
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, rows.Err()
}

// byTime is the index that needs no term: the primary key.
const byTime = "INDEXED BY sqlite_autoindex_events_1"

// chooseIndex selects the index for a page. SQLite's own statistics are
// averages, but searches are for exceptions: most outcomes are allowed, and
// auditors search for the denied ones. So chooseIndex counts the rows of each
// index, up to work.few. It selects the index with the fewest rows, which are then
// sorted. If every index has many rows, it selects one in the order of time,
// which is scanned until the page is full. The same is true near the end of the log.
func (s reader) chooseIndex(ctx context.Context, w *where, start *position, ascending bool) error {
	w.index, w.indexedBy = index{}, byTime
	if start != nil && ascending {
		const query = "SELECT count(*) FROM (SELECT 1 FROM events AS e " + byTime + " WHERE e.time >= ? LIMIT ?)"
		if n, err := s.number(ctx, query, start.time, s.work.few+1); err != nil || n <= s.work.few {
			return err
		}
	}
	best, least := index{}, s.work.few+1
	if len(w.indexes) == 1 && w.indexes[0].ordered {
		best = w.indexes[0]
	} else {
		for _, x := range w.indexes {
			n, err := s.count(ctx, x, s.work.few+1)
			if err != nil {
				return err
			}
			if n < least || n == least && x.ordered && !best.ordered {
				best, least = x, n
			}
		}
	}
	if least <= s.work.few || best.ordered {
		w.index, w.indexedBy = best, "INDEXED BY "+best.name
	}
	return nil
}

// count returns the number of rows of an index, up to a bound, which is also the result
// if the count takes too long.
func (s reader) count(ctx context.Context, x index, most int) (int, error) {
	query := "SELECT count(*) FROM (SELECT 1 FROM events AS e INDEXED BY " + x.name + " WHERE " + x.condition + " LIMIT ?)"
	limited, cancel := context.WithTimeout(ctx, s.work.most)
	defer cancel()
	n, err := s.number(limited, query, append(x.args[:len(x.args):len(x.args)], most)...)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return most, nil
	}
	return n, err
}

// number runs a query for one number.
func (s reader) number(ctx context.Context, query string, args ...any) (n int, err error) {
	err = s.db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}

// otherValues returns the distinct values in a partial index except those in not.
// It turns -outcome:allowed into outcome:denied or outcome:failed, which can use
// the index. Each value costs one lookup, so the column must have few.
func (s reader) otherValues(ctx context.Context, column, name, condition string, not []any) ([]any, error) {
	var rest []any
	query := "SELECT min(" + column + ") FROM events AS e INDEXED BY " + name + " WHERE " + condition
	var args []any
	for {
		var v sql.NullString
		if err := s.db.QueryRowContext(ctx, query, args...).Scan(&v); err != nil {
			return nil, err
		}
		if !v.Valid {
			return rest, nil
		}
		if !slices.Contains(not, any(v.String)) {
			rest = append(rest, v.String)
		}
		if args == nil {
			query += " AND " + column + " > ?"
		}
		args = []any{v.String}
	}
}

// placeholders returns n bound parameters, separated by commas.
func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }
