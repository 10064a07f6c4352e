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

// A changed record no longer matches its hash.
func ExampleVerifyChain() {
	var head event.Head
	var links []event.Link
	for _, key := range []string{"annual/a.pdf", "annual/b.pdf"} {
		link := head.Next(event.Event{Action: event.Download, Bucket: "company-reports", Key: key, Time: noon})
		head = event.Head{Seq: link.Seq, Hash: link.Hash}
		links = append(links, link)
	}
	links[1].Event.Key = "annual/c.pdf"
	report, err := event.VerifyChain(event.Head{}, nil, func(yield func(event.Link, error) bool) {
		for _, link := range links {
			if !yield(link, nil) {
				return
			}
		}
	})
	fmt.Println(report.Whole(), report.Faults, err)
	// Output: false [changed: record 2] <nil>
}
