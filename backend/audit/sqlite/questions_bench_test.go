package sqlite

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// questionSize returns the number of events of BenchmarkQuestions.
func questionSize() int {
	if os.Getenv("USHER_SOAK") != "" {
		return 10_000_000
	}
	return 1_000_000
}

// pageFilters are the filters of BenchmarkQuestions: each kind of term alone, and
// combinations that no index decides.
func pageFilters() []string {
	return []string{
		"", "who:person.007", "who:nobody", "action:list", "action:download", "action:completed", "action:sign-out", "outcome:allowed", "outcome:denied", "outcome:failed",
		"bucket:company-reports", "bucket:none", "path:company-reports/dept-07/", "path:company-reports/dept-07/2026/03/", "path:=company-reports/dept-07/2026/03/report-000007.csv", "path:none/",
		"path:*report-00000*", "path:*salary*", "path:company-reports/*/03/*", "touched:company-reports/dept-07/2026/03/report-000007.csv", "touched:company-reports/none",
		"session:" + event.SessionName("7"), "session:none", "ip:192.0.2.7", "ip:192.0.2.0/28", "ip:10.0.0.0/8", "-ip:192.0.2.0/24", "id:01KATV2M7Q4YB8ZWJ5R9C0XN3D", "request:01KATV2M7Q4YB8ZWJ5R9C0XN3D",
		"group:group-07", "group:none", "grant:*dept-07*", "grant:none", "purpose:download", "purpose:link", "agent:usher", "agent:curl", "agent:*python*", "agent:=none",
		"size:>4MB", "size:>1TB", "size:0", "hours:03-04", "hours:19-07", "since:2026-10-01", "until:2026-08-02", "since:2026-08-10 until:2026-08-10",
		"who:person.007 outcome:denied", "who:person.007 outcome:failed", "who:person.007 path:*none*", "ip:192.0.2.7 outcome:failed", "outcome:denied action:download path:company-reports/dept-01/",
		"-action:download -action:completed -action:list", "-outcome:allowed -who:person.007", "-action:list -who:person.001 -who:person.002 outcome:failed", "action:completed outcome:failed",
		"-action:download -outcome:denied -ip:192.0.2.7 -session:none -path:none/ -bucket:none -id:x -request:x -who:x hours:03-04 size:>1TB",
		"action:download path:company-reports/dept-49/ until:2026-08-03", "who:person.001 who:person.002 who:person.003 agent:curl", "path:company-reports/dept-07/ action:stat size:>1TB", "group:group-07 hours:00-01 purpose:link",
	}
}

// BenchmarkQuestions reads up to 20 pages of 200 events for each filter. ms-max is the
// slowest page. For a single term, x-plain is the ratio of the first page to that of a
// plain table with an index for each column.
func BenchmarkQuestions(b *testing.B) {
	n := questionSize()
	s := openTest(b, filepath.Join(b.TempDir(), "audit.db"))
	p := newPlainTable(b)
	var some []event.Event
	for e := range audittest.Many("policy", n) {
		if some = append(some, e); len(some) < audit.MaxTimes {
			continue
		}
		if err := s.Append(b.Context(), some); err != nil {
			b.Fatal(err)
		}
		p.append(b, some)
		some = some[:0]
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, text := range pageFilters() {
		f, err := event.ParseFilter(text, now)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			var slowest, first time.Duration
			pages := 0
			for b.Loop() {
				page := audit.Page{Limit: 200}
				for i := range 20 {
					began := time.Now()
					r, err := s.Query(b.Context(), f, page)
					if err != nil {
						b.Fatal(err)
					}
					took := time.Since(began)
					slowest = max(slowest, took)
					if i == 0 {
						first = shortest(b, s, f)
					}
					pages++
					if page.Position = r.Position; page.Position == "" {
						break
					}
				}
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-max")
			b.ReportMetric(float64(first.Microseconds())/1000, "ms-first")
			b.ReportMetric(float64(pages)/float64(b.N), "pages")
			if took, ok := p.page(b, f); ok {
				b.ReportMetric(float64(first)/float64(took), "x-plain")
			}
		})
	}
}

// shortest returns the shortest of five times for the newest page of a filter.
func shortest(b *testing.B, s *Store, f event.Filter) (least time.Duration) {
	for range 5 {
		began := time.Now()
		if _, err := s.Query(b.Context(), f, audit.Page{Limit: 200}); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(began); least == 0 || took < least {
			least = took
		}
	}
	return least
}

// plainTable is a table of the same events with an index for each column.
type plainTable struct{ db *sql.DB }

func newPlainTable(b *testing.B) plainTable {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "plain.db")+"?_pragma=journal_mode(WAL)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(b.Context(), `CREATE TABLE log (id TEXT PRIMARY KEY, time INTEGER, who TEXT, action TEXT, outcome TEXT, bucket TEXT, path TEXT, session TEXT, ip TEXT, request TEXT, event BLOB);
		CREATE INDEX log_time ON log (time); CREATE INDEX log_who ON log (who, time); CREATE INDEX log_action ON log (action, time); CREATE INDEX log_outcome ON log (outcome, time);
		CREATE INDEX log_bucket ON log (bucket, time); CREATE INDEX log_path ON log (path, time); CREATE INDEX log_session ON log (session, time); CREATE INDEX log_ip ON log (ip, time); CREATE INDEX log_request ON log (request, time)`)
	if err != nil {
		b.Fatal(err)
	}
	return plainTable{db}
}

func (p plainTable) append(b *testing.B, events []event.Event) {
	tx, err := p.db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range events {
		if _, err := tx.ExecContext(b.Context(), "INSERT INTO log VALUES (?,?,?,?,?,?,?,?,?,?,?)", e.ID, e.Time.UnixMilli(), e.User.Username, e.Action, e.Outcome, e.Bucket, e.Path(), e.Session, e.SourceIP, e.RequestID, event.Canonical(e)); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// page returns the shortest of five times for the newest page of a filter with a single
// term that a column decides.
func (p plainTable) page(b *testing.B, f event.Filter) (least time.Duration, ok bool) {
	column := map[event.Field]string{event.ByWho: "who", event.ByAction: "action", event.ByOutcome: "outcome", event.ByBucket: "bucket", event.BySession: "session", event.ByIP: "ip", event.ByRequest: "request", event.ByID: "id"}
	where, args := "", []any{}
	if len(f.Terms) > 1 {
		return 0, false
	}
	for _, t := range f.Terms {
		name, known := column[t.Field]
		if _, rest := f.Split(); t.Not || !known || len(rest.Terms) > 0 {
			return 0, false
		}
		where, args = fmt.Sprintf(" WHERE %s = ?", name), append(args, t.Value)
	}
	for range 5 {
		began := time.Now()
		rows, err := p.db.QueryContext(b.Context(), "SELECT event FROM log"+where+" ORDER BY time DESC LIMIT 200", args...)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			var raw sql.RawBytes
			if err := rows.Scan(&raw); err != nil {
				b.Fatal(err)
			}
			if _, err := event.Parse(raw); err != nil {
				b.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(began); least == 0 || took < least {
			least = took
		}
	}
	return least, true
}
