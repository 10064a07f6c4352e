package sqlite

import (
	"os"
	"strconv"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// questionSize returns the number of events of BenchmarkQuestions.
func questionSize(b *testing.B) int {
	if text := os.Getenv("USHER_BENCH_EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return n
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

// BenchmarkQuestions reads up to 10 pages of 200 events for each filter. ms-max is the
// slowest page. For a single term, x-plain is the ratio of the first page to that of a
// plain table with an index for each column (see plainTable). If plain SQLite does not
// answer within plainTime, x-plain is an upper bound.
func BenchmarkQuestions(b *testing.B) {
	n := questionSize(b)
	s := openTest(b, benchLog(b, n))
	p, plain := benchTable(b, n)
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
				for i := range 10 {
					began := time.Now()
					r, err := s.Query(b.Context(), f, page)
					if err != nil {
						b.Fatal(err)
					}
					took := time.Since(began)
					slowest = max(slowest, took)
					if i == 0 {
						first = took
					}
					pages++
					if page.Position = r.Position; page.Position == "" {
						break
					}
				}
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-max")
			b.ReportMetric(float64(pages)/float64(b.N), "pages")
			if plain && len(f.Terms) <= 1 {
				log, table := p.beside(b, s, f)
				first = min(first, log)
				b.ReportMetric(float64(first)/float64(table), "x-plain")
			}
			b.ReportMetric(float64(first.Microseconds())/1000, "ms-first")
		})
	}
}
