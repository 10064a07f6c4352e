package event_test

import (
	"fmt"
	"time"

	"usher/backend/event"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ExampleParseFilter() {
	filter, err := event.ParseFilter("bucket:builds -outcome:allowed since:24h", noon)
	fmt.Println(filter, err)
	fmt.Println(filter.Match(event.Event{Bucket: "builds", Outcome: event.Denied, Time: noon}))
	_, err = event.ParseFilter("outcome:refused", noon)
	fmt.Println(err)
	// Output:
	// bucket:builds -outcome:allowed since:2026-11-22T12:00:00.000Z <nil>
	// true
	// filter: at byte 8: There is no such outcome. Possible: allowed, denied, failed.
}
