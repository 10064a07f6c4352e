package serve

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// A review counts for its subject, in any order of its terms and with any times. A
// review that is not repeated in time is overdue; a new log has time for the first one.
func TestReviewsAreDue(t *testing.T) {
	begin := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	now := begin
	log, err := audit.New(audit.Config{Store: audittest.NewMemory(), Now: func() time.Time { return now }, NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	record := func(e event.Event) {
		t.Helper()
		if err := log.Record(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newReviews(Config{Reviews: []Review{{"denials", "outcome:denied action:download since:7d", 7}, {"exports", "action:audit-export", 90}}}, log, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	overdue := func() (names []string) {
		t.Helper()
		all, err := r.Reviews(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Overdue {
				names = append(names, one.Name)
			}
		}
		return names
	}
	record(event.Event{Action: event.ServiceStart, Outcome: event.Allowed})
	for _, step := range []struct {
		day   int
		query string // "": none
		late  int    // number of overdue reviews, before the review
	}{
		{0, "", 0}, {6, "", 0}, {8, "outcome:denied", 1}, {8, "action:download outcome:denied since:2026-10-01", 1},
		{8, "", 0}, {16, "", 1}, {100, "", 2}, {100, "action:audit-export", 2}, {100, "", 1},
	} {
		now = begin.AddDate(0, 0, step.day)
		if late := overdue(); len(late) != step.late {
			t.Errorf("day %d: overdue are %v, want %d", step.day, late, step.late)
		}
		if step.query != "" {
			record(event.Event{Action: event.AuditReview, Outcome: event.Allowed, Query: step.query, User: event.User{Username: "grace"}})
		}
	}
}
