package backend_test

import (
	"fmt"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/audit"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// The counts of refusals of many people, which have as many times, are recorded in
// parts that every store takes.
func TestRefusalsOfManyPeopleAreRecorded(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	var log backend.Log
	_, b := rebuilt(t, w, time.Now, func(c *backend.Config) { log = c.Audit })
	const people = 2*audit.MaxTimes + 50
	ids, now := event.IDs(noise{}), time.Now()
	var held []event.Event
	for i := range people {
		at := now.Add(-time.Duration(i) * time.Millisecond)
		held = append(held, event.Event{ID: ids(at), Time: at, User: event.User{Sub: fmt.Sprintf("sub-%d", i)}, Action: event.Suppressed, Outcome: event.Denied, Count: i + 1})
	}
	b.Hold(held)
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	filter := event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.Suppressed}}}
	found, err := log.Query(t.Context(), filter, audit.Page{Limit: audit.MaxPage})
	counted := 0
	for _, e := range found.Events {
		counted += e.Count
	}
	if err != nil || len(found.Events) != people || counted != people*(people+1)/2 {
		t.Errorf("%d events with %d refusals: %v", len(found.Events), counted, err)
	}
}

// noise is a source of bytes that are not random.
type noise struct{}

func (noise) Read(p []byte) (int, error) { return len(p), nil }
