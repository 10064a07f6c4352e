package question_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
	"usher/client/question"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// source is a log in memory, in short pages.
type source struct {
	log     *audit.Log
	queries []string
}

func (s *source) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (out api.AuditQueryResponse, err error) {
	s.queries = append(s.queries, in.Filter)
	f, err := event.ParseFilter(in.Filter, now)
	if err != nil {
		return out, err
	}
	r, err := s.log.Query(ctx, f, audit.Page{Limit: min(in.Limit, 7), Position: in.Cursor})
	out.Events, out.Cursor, out.Reached = r.Events, r.Position, &r.Reached
	return out, err
}

func (s *source) AuditBy(ctx context.Context, in api.AuditByRequest) (out api.AuditByResponse, err error) {
	f, err := event.ParseFilter(in.Filter, now)
	if err != nil {
		return out, err
	}
	by, err := event.ParseBy(in.By)
	if err != nil {
		return out, err
	}
	r, err := s.log.Query(ctx, f, audit.Page{Limit: 11, Position: in.Cursor})
	sums := event.NewSums(by)
	for _, e := range r.Events {
		sums.Add(e)
	}
	out.Groups, out.Cursor, out.Reached = sums.Groups(event.SortKey), r.Position, &r.Reached
	return out, err
}

// newSource returns a log with events, each of which has a time.
func newSource(t *testing.T, events ...event.Event) *source {
	store := audittest.NewMemory()
	id := audittest.NewID()
	for _, e := range events {
		if e.ID == "" {
			e.ID = id(e.Time)
		}
		if err := store.Append(t.Context(), []event.Event{event.Clean(e)}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := audit.New(audit.Config{Store: store, Now: func() time.Time { return now }, NewID: id})
	if err != nil {
		t.Fatal(err)
	}
	return &source{log: log}
}

var (
	ada   = event.User{Sub: "s1", Username: "ada"}
	grace = event.User{Sub: "s2", Username: "grace"}
)

// at returns the time so many days and hours before now.
func at(days, hours int) time.Time {
	return now.Add(-time.Duration(24*days+hours) * time.Hour)
}

func size(n int64) *int64 { return &n }

func download(u event.User, when time.Time, key, ip string) event.Event {
	return event.Event{Time: when, User: u, Session: "x-" + u.Username, Action: event.Download, Outcome: event.Allowed, Bucket: "b", Key: key, Size: size(1000), SourceIP: ip}
}

// answer returns the rows of an answer as text.
func answer(t *testing.T, s *source, name, filter string) string {
	t.Helper()
	q, ok := question.Find(name)
	if !ok {
		t.Fatalf("no question %s", name)
	}
	a, err := question.Run(t.Context(), s, q, filter, now, nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var lines []string
	for _, r := range a.Rows {
		if len(r.Cells()) != len(q.Columns) {
			t.Errorf("%s: %d cells in %d columns", name, len(r.Cells()), len(q.Columns))
		}
		if r.Filter == "" && r.Who == "" {
			lines = append(lines, strings.Join(r.Cells(), "|"))
			continue
		}
		f, err := event.ParseFilter(r.Filter, now)
		if err != nil {
			t.Errorf("%s: %q: %v", name, r.Filter, err)
		} else if found, err := s.log.Query(t.Context(), f, audit.Page{Limit: 1000}); err != nil || len(found.Events) == 0 || r.Events > 0 && int64(len(found.Events)) != r.Events {
			t.Errorf("%s: %q selects %d events, the row has %d (%v)", name, r.Filter, len(found.Events), r.Events, err)
		}
		lines = append(lines, strings.Join(r.Cells(), "|"))
	}
	return strings.Join(lines, "\n")
}

func TestQuestions(t *testing.T) {
	var all []event.Event
	all = append(all, download(ada, at(40, 0), "old", "192.0.2.1"), download(ada, at(2, 0), "a", "192.0.2.1"), download(ada, at(1, 0), "a", "198.51.100.9"))
	denied := download(grace, at(3, 0), "secret", "192.0.2.2")
	denied.Outcome = event.Denied
	all = append(all, denied)
	for i := range 101 {
		all = append(all, download(grace, at(5, 0).Add(time.Duration(i)*time.Second), fmt.Sprint("f", i), "192.0.2.2"))
		if i != 50 {
			done := download(grace, at(5, 0).Add(time.Duration(i)*time.Second+time.Minute), fmt.Sprint("f", i), "192.0.2.2")
			done.Action, done.Bytes, done.Continues = event.Completed, size(900), fmt.Sprintf("R%d", i)
			all[len(all)-1].ID = fmt.Sprintf("R%d", i)
			all = append(all, done)
		}
	}
	all = append(all,
		event.Event{Time: at(5, 1), User: grace, Session: "x-grace", Action: event.SessionStart, Outcome: event.Allowed, Way: event.WaySSO, SourceIP: "192.0.2.2"},
		event.Event{Time: at(3, -1), User: grace, Session: "x-grace", Action: event.SignOut, Outcome: event.Allowed, SourceIP: "192.0.2.2"},
		event.Event{Time: at(1, 13), User: ada, Session: "x-ada", Action: event.GrantsChanged, Outcome: event.Allowed, GrantsAdded: 1, GrantsDiff: []string{"+ allow g b/"}},
		event.Event{Time: at(1, 14), User: grace, Session: "x-grace2", Action: event.AuditRead, Outcome: event.Allowed},
	)
	s := newSource(t, all...)
	for name, want := range map[string]string{
		"denials":       "grace|1|2026-11-25 12:00:00|2026-11-25 12:00:00",
		"2":             "grace|101|101 kB|90.0 kB|2026-11-25 12:00:00\nada|1|2.00 kB|0 B|2026-11-27 12:00:00",
		"new-addresses": "ada|198.51.100.9|1|2026-11-27 12:00:00|2026-11-27 12:00:00\ngrace|192.0.2.2|204|2026-11-23 11:00:00|2026-11-25 13:00:00",
		"sessions": "ada|x-ada|2026-11-26 12:00:00|2026-11-27 12:00:00|last event|||3|1\n" +
			"grace|x-grace2|2026-11-26 22:00:00|2026-11-26 22:00:00|last event|||1|0\n" +
			"grace|x-grace|2026-11-23 11:00:00|2026-11-25 13:00:00|signed out|sso|192.0.2.2|204|101",
		"bulk":     "grace|2026-11-23 12:00|101|101 kB",
		"dangling": "2026-11-27 12:00:00|ada|download|b/a|1.00 kB|198.51.100.9\n2026-11-26 12:00:00|ada|download|b/a|1.00 kB|192.0.2.1\n2026-11-23 12:00:50|grace|download|b/f50|1.00 kB|192.0.2.2",
		"night":    "ada|1|0|0|2026-11-26 23:00:00\ngrace|1|0|0|2026-11-26 22:00:00",
		"changes":  "2026-11-26 23:00:00|ada|grants-changed|+1 -0; + allow g b/",
		"readers":  "grace|1|0|2026-11-26 22:00:00|2026-11-26 22:00:00",
	} {
		if got := answer(t, s, name, ""); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
	if got := answer(t, s, "new-addresses", "since:2026-01-01 who:ada"); got != "ada|198.51.100.9|1|2026-11-27 12:00:00|2026-11-27 12:00:00\nada|192.0.2.1|2|2026-10-19 12:00:00|2026-11-26 12:00:00" {
		t.Errorf("new addresses of the whole log:\n%s", got)
	}
	if got := answer(t, s, "dangling", "since:30d -who:ada"); !strings.HasSuffix(got, "b/f50|1.00 kB|192.0.2.2") || strings.Contains(got, "ada") {
		t.Errorf("dangling, without ada:\n%s", got)
	}
}

// The service's own events have no person, and some have no address.
func TestQuestionsAboutTheService(t *testing.T) {
	lost, found := at(1, 16), at(1, 15)
	s := newSource(t,
		download(ada, at(2, 0), "a", "192.0.2.1"), download(ada, at(2, 0), "a", "10.3.0.7"),
		event.Event{Time: at(1, 17), Action: event.TokenRefused, Outcome: event.Denied, SourceIP: "10.0.0.9", Count: 4},
		event.Event{Time: at(1, 16), Action: event.TokenRefused, Outcome: event.Denied, SourceIP: "10.0.0.9", Count: 3},
		event.Event{Time: at(1, 15), Action: event.AuditGap, Outcome: event.Failed, From: &lost, Until: &found, Count: 7},
		event.Event{Time: at(1, 18), User: grace, Action: event.List, Outcome: event.Allowed, SourceIP: "fd00::7"},
		event.Event{Time: at(1, 18), User: grace, Action: event.List, Outcome: event.Allowed, SourceIP: "2001:db8::7"})
	for name, want := range map[string]string{
		"refused": "10.0.0.9|7|2|2026-11-26 19:00:00|2026-11-26 20:00:00",
		"outside": "ada|192.0.2.1|1|1|0|2026-11-26 12:00:00|2026-11-26 12:00:00\ngrace|2001:db8::7|1|0|0|2026-11-26 18:00:00|2026-11-26 18:00:00",
		"uptime":  "2026-11-26 21:00:00|audit-gap|2026-11-26 20:00:00|2026-11-26 21:00:00|7 refused records",
		"night":   "|3|0|0|2026-11-26 21:00:00",
	} {
		if got := answer(t, s, name, ""); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A renewed URL belongs to its download: the report names the newest URL.
func TestADownloadWithRenewedURLsEnds(t *testing.T) {
	first, renewed, done := download(ada, at(0, 5), "k", ""), download(ada, at(0, 4), "k", ""), download(ada, at(0, 3), "k", "")
	first.ID, renewed.ID, renewed.Continues, done.Continues, done.Action = "A1", "A2", "A1", "A2", event.Completed
	if got := answer(t, newSource(t, first, renewed, done), "dangling", ""); got != "" {
		t.Errorf("%s", got)
	}
	if got := answer(t, newSource(t, first, renewed), "dangling", ""); strings.Count(got, "\n") != 0 || got == "" {
		t.Errorf("without a report: %q", got)
	}
}

func TestQuestionsHaveKeysAndNames(t *testing.T) {
	seen := map[string]bool{}
	for i, q := range question.All() {
		key := rune('1' + i)
		if i >= 9 {
			key = 0
		}
		if q.Key != key || q.Name == "" || q.Title == "" || seen[q.Name] {
			t.Errorf("%+v", q)
		}
		seen[q.Name] = true
		if found, ok := question.Find(string(q.Key)); ok != (key != 0) || ok && found.Name != q.Name {
			t.Errorf("the key %c finds %s", q.Key, found.Name)
		}
		if found, ok := question.Find(q.Name); !ok || found.Name != q.Name {
			t.Errorf("the name %s finds %s", q.Name, found.Name)
		}
	}
	if _, ok := question.Find("x"); ok || len(seen) != 12 {
		t.Errorf("%d questions", len(seen))
	}
}

// A term that would widen a question is refused.
func TestATermOfTheQuestionsFieldIsRefused(t *testing.T) {
	q, _ := question.Find("volume")
	if _, err := question.Run(t.Context(), newSource(t), q, "action:list", now, nil); !errors.Is(err, question.ErrSameField) {
		t.Errorf("%v", err)
	}
	if _, err := question.Run(t.Context(), newSource(t), q, "nonsense", now, nil); err == nil {
		t.Error("no filter, no error")
	}
}

// Counts of short pages sum up to those of the whole log.
func TestBy(t *testing.T) {
	var all []event.Event
	for i := range 60 {
		all = append(all, download([]event.User{ada, grace}[i%2], at(0, i%9), fmt.Sprint(i%7), ""))
	}
	count, _, err := question.By(t.Context(), newSource(t, all...), []event.By{event.PerWho}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := count.List(t.Context(), event.SortKey)
	if err != nil || len(groups) != 2 || groups[0].Events != 30 || groups[0].Files != 7 || groups[0].ReleasedBytes != 30_000 || !slices.Equal(groups[0].Keys, []string{"s1"}) {
		t.Errorf("%+v", groups)
	}
}

func ExampleFind() {
	q, _ := question.Find("bulk")
	fmt.Println(string(q.Key), q.Title)
	// Output: 5 More than 100 files by one person in an hour
}

// A log without a server has the counts of one.
func TestOffline(t *testing.T) {
	denied := event.Event{Time: at(0, 2), User: ada, Action: event.Download, Outcome: event.Denied, Bucket: "b", Key: "k"}
	s := newSource(t,
		event.Event{Time: at(3, 0), User: grace, Action: event.List, Outcome: event.Allowed, Bucket: "b"},
		denied,
		event.Event{Time: at(0, 1), User: grace, Action: event.Download, Outcome: event.Allowed, Bucket: "b", Key: "k"},
		event.Event{Time: at(0, 1), User: ada, Action: event.List, Outcome: event.Allowed, Bucket: "b"})
	off := question.Offline{Pages: s, Now: func() time.Time { return now }}
	for _, by := range []string{"who", "file,who", "hour"} {
		parsed, err := event.ParseBy(by)
		if err != nil {
			t.Fatal(err)
		}
		groups := func(from question.Source) []event.Group {
			count, _, err := question.By(t.Context(), from, parsed, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			all, err := count.List(t.Context(), event.SortKey)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		if got, want := groups(off), groups(s); len(got) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("by %s: %v, want %v", by, got, want)
		}
	}
	sum, err := off.AuditSummary(t.Context(), api.AuditSummaryRequest{Hours: 24})
	if err != nil || sum.People != 2 || sum.Denied != 1 || sum.Downloads != 1 || len(sum.Hours) != 24 {
		t.Fatalf("%+v (%v)", sum, err)
	}
	for i, h := range sum.Hours {
		ago := 23 - i
		want := map[int]int{1: 2, 2: 1}[ago]
		if h.Events != want || !h.Start.Equal(now.Add(-time.Duration(ago)*time.Hour)) {
			t.Errorf("%d hours ago: %+v, want %d events", ago, h, want)
		}
	}
}
