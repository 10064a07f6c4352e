package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// plainTable is a table of the same events with an index for each column. It answers a
// question with the means of SQL: an index, or a condition on a column or on the JSON
// text of the event.
type plainTable struct{ db *sql.DB }

// plainTime bounds the answer of a plain table, which tests all events for a filter
// without matches.
const plainTime = 10 * time.Second

// plainMost is the number of events of a table that is built for a benchmark: a larger
// one takes an hour.
const plainMost = 1_000_000

// benchTable returns a plain table of the first n events of audittest.Many, if there is
// one or if it can be built soon.
func benchTable(tb testing.TB, n int) (p plainTable, ok bool) {
	if _, err := os.Stat(filepath.Join(benchDir(tb), fmt.Sprintf("plain-%d", n))); err != nil && n > plainMost {
		return p, false
	}
	p, err := openPlainTable(benchFile(tb, n, "plain", "plain.db", func(path string) error { return buildTable(tb, path, n) }))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.db.Close() })
	return p, true
}

func openPlainTable(path string) (plainTable, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	return plainTable{db}, err
}

// buildTable writes the events into a plain table, which gets its indexes afterwards.
func buildTable(tb testing.TB, path string, n int) (err error) {
	p, err := openPlainTable(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.db.Close()) }()
	if _, err := p.db.ExecContext(tb.Context(), "CREATE TABLE log (id TEXT, time INTEGER, who TEXT, action TEXT, outcome TEXT, bucket TEXT, path TEXT, session TEXT, ip TEXT, request TEXT, event TEXT)"); err != nil {
		return err
	}
	for some := range benchEvents(n) {
		if err := p.append(tb, some); err != nil {
			return err
		}
	}
	return p.index(tb)
}

func (p plainTable) append(tb testing.TB, events []event.Event) error {
	tx, err := p.db.BeginTx(tb.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, e := range events {
		if _, err := tx.ExecContext(tb.Context(), "INSERT INTO log VALUES (?,?,?,?,?,?,?,?,?,?,?)", e.ID, e.Time.UnixMilli(), e.User.Username, e.Action, e.Outcome, e.Bucket, e.Path(), e.Session, e.SourceIP, e.RequestID, string(event.Canonical(e))); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (p plainTable) index(tb testing.TB) error {
	_, err := p.db.ExecContext(tb.Context(), "CREATE UNIQUE INDEX log_id ON log (id); CREATE INDEX log_time ON log (time)")
	for _, column := range []string{"who", "action", "outcome", "bucket", "path", "session", "ip", "request"} {
		if err == nil {
			_, err = p.db.ExecContext(tb.Context(), fmt.Sprintf("CREATE INDEX log_%[1]s ON log (%[1]s, time)", column))
		}
	}
	return err
}

// beside returns the shortest times for the newest page of a filter with at most one
// term, in the log and in the plain table. It reads them in turn, because other programs
// share the machine, and compares their events.
func (p plainTable) beside(b *testing.B, s *Store, f event.Filter) (log, table time.Duration) {
	where, args := plainWhere(b, f)
	shorter := func(least *time.Duration, began time.Time) {
		if took := time.Since(began); *least == 0 || took < *least {
			*least = took
		}
	}
	for began := time.Now(); time.Since(began) < time.Second; {
		start := time.Now()
		r, err := s.Query(b.Context(), f, audit.Page{Limit: 200})
		if err != nil {
			b.Fatal(err)
		}
		shorter(&log, start)
		start = time.Now()
		ids, err := p.page(b.Context(), where, args)
		shorter(&table, start)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			b.Fatal(err)
		}
		got := idsOf(r.Events)
		// A page of the log that has ended early has the first of these events.
		if whole := len(got) == 200 || r.Position == ""; len(got) > len(ids) || !slices.Equal(got, ids[:len(got)]) || whole && len(got) != len(ids) {
			b.Fatalf("%d events of the log differ from %d of the plain table", len(got), len(ids))
		}
	}
	return log, table
}

func idsOf(events []event.Event) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}

// page returns the ids of the newest events, which it parses as the log does.
func (p plainTable) page(ctx context.Context, where string, args []any) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, plainTime)
	defer cancel()
	rows, err := p.db.QueryContext(ctx, "SELECT event FROM log WHERE "+where+" ORDER BY time DESC LIMIT 200", args...)
	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var raw sql.RawBytes
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		e, err := event.Parse(raw)
		if err != nil {
			return nil, err
		}
		ids = append(ids, e.ID)
	}
	if err := rows.Err(); err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	return ids, nil
}

// plainWhere returns the condition of a filter with at most one term.
func plainWhere(tb testing.TB, f event.Filter) (where string, args []any) {
	if len(f.Terms) == 0 {
		return "1", nil
	}
	t := f.Terms[0]
	where, args = plainTerm(t)
	if where == "" {
		tb.Fatalf("the plain table has no condition for %s", f)
	}
	if t.Not {
		where = "NOT coalesce(" + where + ", 0)"
	}
	return where, args
}

func plainTerm(t event.Term) (where string, args []any) {
	equal := map[event.Field]string{event.ByWho: "who", event.ByAction: "action", event.ByOutcome: "outcome", event.ByBucket: "bucket", event.BySession: "session", event.ByIP: "ip", event.ByRequest: "request", event.ByID: "id"}
	pattern := strings.Contains(t.Value, "*")
	switch {
	case t.Field == event.BySince:
		return "time >= ?", []any{t.Time.UnixMilli()}
	case t.Field == event.ByUntil:
		return "time < ?", []any{t.Time.UnixMilli()}
	case t.Field == event.ByIP && strings.Contains(t.Value, "/"):
		return plainNetwork(netip.MustParsePrefix(t.Value))
	case equal[t.Field] != "":
		return equal[t.Field] + " = ?", []any{t.Value}
	case t.Field == event.ByPath && t.Exact:
		return "path = ?", []any{t.Value}
	case t.Field == event.ByPath && pattern:
		return "path GLOB ?", []any{t.Value}
	case t.Field == event.ByPath:
		return "path >= ? AND path < ?", []any{t.Value, t.Value + "\U0010ffff"}
	case t.Field == event.ByTouched:
		return plainTouched(t)
	case t.Field == event.ByHours:
		from, until, _ := strings.Cut(t.Value, "-")
		operator := "AND"
		if from > until {
			operator = "OR"
		}
		return "(time / 3600000 % 24 >= CAST(? AS INTEGER) " + operator + " time / 3600000 % 24 < CAST(? AS INTEGER))", []any{from, until}
	}
	return plainMember(t, pattern)
}

// plainMember returns the condition of a term that only the JSON text decides.
func plainMember(t event.Term, pattern bool) (where string, args []any) {
	switch t.Field {
	case event.ByGroup:
		return `(json_extract(event, '$.grant') GLOB ? OR EXISTS (SELECT 1 FROM json_each(event, '$.group_names') WHERE value = ?)
			OR EXISTS (SELECT 1 FROM json_each(event, '$.group_names_before') WHERE value = ?))`, []any{"* " + t.Value + " *", t.Value, t.Value}
	case event.ByGrant:
		if pattern {
			return "json_extract(event, '$.grant') GLOB ?", []any{t.Value}
		}
		return "json_extract(event, '$.grant') = ?", []any{t.Value}
	case event.ByPurpose:
		where = "json_extract(event, '$.purpose') = ?"
		if t.Value == event.PurposeDownload {
			where = "(" + where + " OR action = 'download' AND json_extract(event, '$.purpose') IS NULL)"
		}
		return where, []any{t.Value}
	case event.ByAgent:
		if !pattern && !t.Exact {
			t.Value += "*"
		}
		if t.Exact {
			return "json_extract(event, '$.user_agent') = ?", []any{t.Value}
		}
		return "json_extract(event, '$.user_agent') GLOB ?", []any{t.Value}
	case event.BySize:
		operator := strings.TrimRight(t.Value, "0123456789")
		if operator == "" {
			operator = "="
		}
		return "json_extract(event, '$.size') " + operator + " CAST(? AS INTEGER)", []any{strings.TrimLeft(t.Value, "<>=")}
	}
	return "", nil
}

// plainNetwork returns the condition of a network of IPv4: a range of texts if it ends
// between two numbers, otherwise its addresses.
func plainNetwork(n netip.Prefix) (where string, args []any) {
	if n.Bits()%8 == 0 {
		texts := strings.SplitAfter(n.Addr().String(), ".")
		low := strings.Join(texts[:n.Bits()/8], "")
		return "(ip >= ? AND ip < ?)", []any{low, strings.TrimSuffix(low, ".") + "/"}
	}
	for a := n.Addr(); n.Contains(a); a = a.Next() {
		args = append(args, a.String())
	}
	return "ip IN (" + placeholders(len(args)) + ")", args
}

// plainTouched returns the condition of a touched term, for listings of one page.
func plainTouched(t event.Term) (where string, args []any) {
	paths := t.Listings()
	for _, p := range paths {
		args = append(args, p)
	}
	folder := t.Value[:strings.LastIndexByte(strings.TrimSuffix(t.Value, "/"), '/')+1]
	return "path IN (" + placeholders(len(paths)) + `) AND (path = ? OR outcome = 'allowed' AND action = 'list' AND json_extract(event, '$.entries') > 0
		AND (path = ? OR json_extract(event, '$.reason') = 'recursive'))`, append(args, t.Value, folder)
}
