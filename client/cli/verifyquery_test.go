package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/event"
)

// A server that leaves an event out, changes one or invents one is found; events
// after the verified ones are no difference.
func TestTheServersAnswerIsCompared(t *testing.T) {
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	var log []event.Event
	for i := range 60 {
		log = append(log, event.Clean(event.Event{ID: fmt.Sprintf("01JD%04d", i), Time: at.Add(time.Duration(i) * time.Minute), Action: event.List,
			Outcome: []string{event.Allowed, event.Denied}[i%2], User: event.User{Username: "ada"}}))
	}
	run := func(answer []event.Event) (int, []string) {
		t.Helper()
		q, err := newQueryCheck("outcome:denied", at)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range log {
			q.take(int64(i+1), e)
		}
		n, wrong, err := q.compare(t.Context(), func(_ context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error) {
			from := 0
			if in.Cursor != "" {
				from = len(in.Cursor)
			}
			to := min(len(answer), from+7)
			out := api.AuditQueryResponse{Events: answer[from:to]}
			if to < len(answer) {
				out.Cursor = strings.Repeat("x", to)
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, wrong
	}
	denied := slices.DeleteFunc(slices.Clone(log), func(e event.Event) bool { return e.Outcome != event.Denied })
	changed := slices.Clone(denied)
	changed[3].User.Username = "alan"
	invented := log[0]
	invented.ID = "01JE0000"
	later := invented
	later.Time = at.Add(2 * time.Hour)
	for name, c := range map[string]struct {
		answer []event.Event
		wrong  []string
	}{
		"true":         {denied, nil},
		"with newer":   {append([]event.Event{later}, denied...), nil},
		"one left out": {slices.Delete(slices.Clone(denied), 3, 4), []string{"query: record 8: the server leaves it out"}},
		"one changed":  {changed, []string{"query: record 8: the server shows another event"}},
		"one invented": {append([]event.Event{invented}, denied...), []string{"query: the server shows an event that is not in the log: 01JE0000"}},
		"two left out": {denied[2:], []string{"query: record 2: the server leaves it out", "query: record 4: the server leaves it out"}},
	} {
		if n, wrong := run(c.answer); n != 30 || !slices.Equal(wrong, c.wrong) {
			t.Errorf("%s: %d, %q", name, n, wrong)
		}
	}
}
