package dynamo_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/dynamo"
	"usher/backend/event"
)

// A store records an event, and finds it at once.
func Example() {
	store, err := dynamo.New(dynamo.Config{DB: newFake(), Log: logTable, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	e := event.Clean(event.Event{
		ID: event.IDs(rand.Reader)(now), Time: now, Action: event.List, Outcome: event.Allowed,
		User: event.User{Sub: "ada"}, Bucket: "company-reports", Key: "annual/",
	})
	if err := store.Append(context.Background(), []event.Event{e}); err != nil {
		fmt.Println(err)
		return
	}
	filter := event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: "ada"}}}
	found, err := store.Query(context.Background(), filter, audit.Page{Limit: 10})
	fmt.Println(len(found.Events), err)
	// Output: 1 <nil>
}
