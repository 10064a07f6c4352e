package sqlite

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// Pages that end after a few rows find the same events.
func TestSuiteInShortPages(t *testing.T) {
	audittest.Run(t, func() audit.Store {
		s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
		s.work = work{rows: 40, chunk: 3, least: 1, time: time.Hour, slice: time.Hour, most: time.Hour, few: 2, look: 2, soon: 2}
		s.lookup.work = s.work
		return s
	})
}

// Chunks that are interrupted, and tried again with fewer rows, find the same events.
func TestSuiteWithInterruptions(t *testing.T) {
	audittest.Run(t, func() audit.Store {
		s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
		s.work = work{rows: 400, chunk: 200, least: 50, time: time.Hour, slice: time.Hour, most: 200 * time.Microsecond, few: 20, look: 20, soon: 10}
		s.lookup.work = s.work
		return s
	})
}

// Networks and hours select the events of event.Filter.Match: with addresses of both
// versions in the range of bytes of a network, and with times before 1970. Without an
// address that is a text, an index decides a network.
func TestNetworksAndHours(t *testing.T) {
	addresses := []string{"", "10.0.0.0", "10.255.255.255", "11.0.0.0", "a00::1", "a00:203::", "aff:ffff::1", "b00::"}
	for _, odd := range []string{"", "::ffff:10.1.2.3", "fe80::1%eth0", "a text"} {
		s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
		all := samples(0, 72)
		for i := range all {
			all[i].Time = time.Date(1969, 12, 30+i/48, i/2, 59*(i%2), 59*(i%2), 999e6, time.UTC)
			all[i].SourceIP = addresses[i%len(addresses)]
		}
		all[7].SourceIP = odd
		if err := s.Append(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"ip:10.0.0.0/8", "ip:a00::/8", "ip:10.0.0.0/8 ip:11.0.0.0", "ip:10.0.0.0/31 ip:b00::/16", "-ip:10.0.0.0/8", "-ip:a00::/8 -ip:10.255.255.255", "ip:0.0.0.0/0", "ip:::/0",
			"hours:00-01", "hours:23-24", "hours:19-07", "-hours:19-07", "hours:05-06 hours:22-02", "hours:01-00", "ip:10.0.0.0/8 hours:03-20",
		} {
			filter, err := event.ParseFilter(text, sample(0).Time)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(e event.Event) bool { return !filter.Match(e) })
			r, err := s.Query(t.Context(), filter, audit.Page{Limit: 100, Ascending: true})
			if err != nil || r.Position != "" || !slices.EqualFunc(r.Events, want, func(a, b event.Event) bool { return a.ID == b.ID }) {
				t.Errorf("%s with %q: %d events, want %d (%v)", text, odd, len(r.Events), len(want), err)
			}
		}
		w, err := s.where(t.Context(), event.Filter{Terms: []event.Term{{Field: event.ByIP, Value: "10.0.0.0/8"}}})
		if known := odd == ""; err != nil || w.exact != known || (len(w.indexes) == 1) != known {
			t.Errorf("%q: decided %v by %d indexes (%v)", odd, w.exact, len(w.indexes), err)
		}
	}
}

// A page whose time has ended at its first row goes on behind that row, so all pages
// together have the same events as one page.
func TestAPageEndsWithItsTime(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	if err := s.Append(t.Context(), samples(0, 40)); err != nil {
		t.Fatal(err)
	}
	whole := s.work
	whole.time = time.Hour
	ended := work{rows: 40, chunk: 10, least: 10, few: 5, look: 5, soon: 5} // no time at all
	for _, text := range []string{"agent:*linux*", "agent:curl", "path:*report-1*", "bucket:company-reports size:>1", "path:company-reports/annual/1 agent:usher", "bucket:company-reports", "-ip:10.4.18.0/28"} {
		filter, err := event.ParseFilter(text, sample(40).Time)
		if err != nil {
			t.Fatal(err)
		}
		for _, ascending := range []bool{false, true} {
			s.work = whole
			want, err := s.Query(t.Context(), filter, audit.Page{Limit: 100, Ascending: ascending})
			if err != nil || want.Position != "" {
				t.Fatal(want.Position, err)
			}
			s.work = ended
			var got []event.Event
			page, pages := audit.Page{Limit: 3, Ascending: ascending}, 1
			for ; ; pages++ {
				r, err := s.Query(t.Context(), filter, page)
				if err != nil || pages > 100 {
					t.Fatalf("%s: %d pages (%v)", text, pages, err)
				}
				got = append(got, r.Events...)
				if page.Position = r.Position; page.Position == "" {
					break
				}
			}
			if !reflect.DeepEqual(got, want.Events) || strings.HasPrefix(text, "agent") && pages < 40 {
				t.Errorf("%s: %d events in %d pages, want %d", text, len(got), pages, len(want.Events))
			}
		}
	}
}

// A page ends after its work, with the place that it has reached.
func TestAPageIsBounded(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	if err := s.Append(t.Context(), samples(0, 500)); err != nil {
		t.Fatal(err)
	}
	s.work = work{rows: 100, chunk: 10, least: 10, time: time.Hour, slice: time.Hour, most: time.Hour, few: 20, look: 5, soon: 20}
	for _, text := range []string{
		"-action:download -session:session-1 outcome:allowed", "path:*nothing*", "agent:curl", "action:completed", "-ip:10.4.0.0/16", "hours:03-04",
		"who:person-1 who:person-2 who:person-3 agent:curl", "bucket:company-reports size:>1", "path:company-reports/annual/ action:completed",
	} {
		filter, err := event.ParseFilter(text, sample(500).Time)
		if err != nil {
			t.Fatal(err)
		}
		for _, ascending := range []bool{false, true} {
			page, pages := audit.Page{Limit: 10, Ascending: ascending}, 0
			var reached time.Time
			for ; ; pages++ {
				r, err := s.Query(t.Context(), filter, page)
				if err != nil || len(r.Events) > 0 {
					t.Fatalf("%s: %d events, %v", text, len(r.Events), err)
				}
				if page.Position = r.Position; page.Position == "" {
					break
				}
				if !reached.IsZero() && (r.Reached.After(reached) != ascending || r.Reached.Equal(reached)) {
					t.Errorf("%s: reached %v after %v", text, r.Reached, reached)
				}
				reached = r.Reached
			}
			if pages < 1 || pages > 5 {
				t.Errorf("%s: %d pages of at most 100 rows, of 500", text, pages+1)
			}
		}
	}
	// An index decides these filters, so no page ends early.
	for _, text := range []string{"", "who:person-1", "ip:10.4.18.7", "session:session-3", "who:person-1 since:2026-11-01", "who:nobody", "outcome:denied", "until:2026-10-01", "ip:198.51.100.0/24"} {
		filter, err := event.ParseFilter(text, sample(500).Time)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Query(t.Context(), filter, audit.Page{Limit: 500})
		if err != nil || r.Position != "" {
			t.Errorf("%s: %d events, then %q (%v)", text, len(r.Events), r.Position, err)
		}
	}
}
