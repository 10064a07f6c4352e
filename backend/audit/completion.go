package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"usher/backend/api"
	"usher/backend/event"
)

// CompletionWindow is how long after a release its end can be reported.
const CompletionWindow = 24 * time.Hour

// Completion is a client's word on how one released download ended. It is a
// report, never proof.
type Completion struct {
	Event    string  // the id of the release
	Outcome  string  // api.CompletedDone, CompletedFailed or CompletedCancelled
	Bytes    int64   // that arrived
	Seconds  float64 // that it took
	Verified string  // what was checked: an algorithm, "size", or ""
}

// RecordCompletions records the reports that can be true: of downloads
// released to the same sub within CompletionWindow, each once, with values
// that make sense. The others are dropped without a word, so that the answer
// does not tell one's own events from those of others. base carries session,
// address, user agent and request id of the reporting request. A completed
// event continues the release it reports on and has its object; its outcome
// is allowed for done and failed otherwise, its reason the client's word.
func (l *Log) RecordCompletions(ctx context.Context, who event.User, base event.Event, reports []Completion) error {
	if who.Sub == "" {
		return refused("a completion names a person")
	}
	ids := make([]string, 0, len(reports))
	asked := make(map[string]Completion, len(reports))
	for _, c := range reports {
		if _, twice := asked[c.Event]; !twice && c.Event != "" && c.plausible() {
			asked[c.Event] = c
			ids = append(ids, c.Event)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	released, err := l.Get(ctx, ids...)
	if err != nil {
		return fmt.Errorf("looking up releases: %w: %w", ErrNotDurable, err)
	}
	byID := make(map[string]event.Event, len(released))
	for _, e := range released {
		byID[e.ID] = e
	}
	now := l.now()
	var batch []event.Event
	for _, id := range ids {
		e, c := byID[id], asked[id]
		if e.Action != event.Download || e.Outcome != event.Allowed || e.User.Sub != who.Sub ||
			now.Sub(e.Time) > CompletionWindow || e.Size != nil && c.Bytes > *e.Size {
			continue
		}
		batch = append(batch, l.completed(e, c, who, base, now))
	}
	return l.append(ctx, batch)
}

func (l *Log) completed(e event.Event, c Completion, who event.User, base event.Event, now time.Time) event.Event {
	outcome := event.Failed
	if c.Outcome == api.CompletedDone {
		outcome = event.Allowed
	}
	return l.fill(event.Event{
		Time: now, User: who, Session: base.Session, SourceIP: base.SourceIP,
		UserAgent: base.UserAgent, RequestID: base.RequestID,
		Action: event.Completed, Outcome: outcome, Reason: c.Outcome, Purpose: e.Purpose,
		Bucket: e.Bucket, Key: e.Key, Version: e.Version, ETag: e.ETag, Size: e.Size,
		Continues: e.ID, Bytes: &c.Bytes, Seconds: &c.Seconds, Verified: c.Verified,
	})
}

// plausible holds a report's values to what can be: known words, bytes and
// seconds that are counts, what was verified a short plain name.
func (c Completion) plausible() bool {
	switch c.Outcome {
	case api.CompletedDone, api.CompletedFailed, api.CompletedCancelled:
	default:
		return false
	}
	if c.Bytes < 0 || c.Bytes > 1<<53 || math.IsNaN(c.Seconds) || c.Seconds < 0 || c.Seconds > CompletionWindow.Seconds() {
		return false
	}
	if len(c.Verified) > 32 {
		return false
	}
	for _, r := range c.Verified {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}
