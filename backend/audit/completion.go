package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"usher/backend/api"
	"usher/backend/event"
)

// CompletionWindow is the time after a release in which a client can report its
// completion.
const CompletionWindow = 24 * time.Hour

// Completion is a client's report on the end of one released download. It is
// unverified.
type Completion struct {
	Event    string  // id of the release
	Outcome  string  // api.CompletedDone, CompletedFailed or CompletedCancelled
	Bytes    int64   // received
	Seconds  float64 // duration
	Verified string  // checksum algorithm, "size", or ""
}

// RecordCompletions records reports on downloads that were released to the same
// sub within CompletionWindow, each once, with possible values. It drops the
// others silently, because an error would reveal event ids of other users. A
// report of more bytes than the object has is implausible: it is recorded as
// failed, with its mark. base carries session, address, user agent and request id of the
// reporting request. A completion event names the release in Continues and
// copies its object. Its outcome is allowed for done and failed otherwise, and
// its reason is the reported outcome.
func (l *Log) RecordCompletions(ctx context.Context, user event.User, base event.Event, reports []Completion) error {
	if user.Sub == "" {
		return refused("a completion names a person")
	}
	ids := make([]string, 0, len(reports))
	first := make(map[string]Completion, len(reports))
	for _, c := range reports {
		if _, twice := first[c.Event]; !twice && c.Event != "" && c.plausible() {
			first[c.Event] = c
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
		e, c := byID[id], first[id]
		if e.Action != event.Download || e.Outcome != event.Allowed || e.User.Sub != user.Sub ||
			now.Sub(e.Time) > CompletionWindow {
			continue
		}
		batch = append(batch, l.completed(e, c, user, base, now))
	}
	return l.append(ctx, batch)
}

func (l *Log) completed(e event.Event, c Completion, user event.User, base event.Event, now time.Time) event.Event {
	outcome, implausible := event.Failed, e.Size != nil && c.Bytes > *e.Size
	if c.Outcome == api.CompletedDone && !implausible {
		outcome = event.Allowed
	}
	return l.fill(event.Event{
		Time: now, User: user, Session: base.Session, SourceIP: base.SourceIP,
		UserAgent: base.UserAgent, RequestID: base.RequestID,
		Action: event.Completed, Outcome: outcome, Reason: c.Outcome, Purpose: e.Purpose,
		Bucket: e.Bucket, Key: e.Key, Version: e.Version, ETag: e.ETag, Size: e.Size,
		Continues: e.ID, Bytes: &c.Bytes, Seconds: &c.Seconds, Verified: c.Verified, Implausible: implausible,
	})
}

// plausible reports whether the values are possible: a known outcome,
// non-negative bytes and seconds, and a short alphanumeric name in Verified.
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
