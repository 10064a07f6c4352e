package audit_test

import (
	"context"
	"fmt"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// A release is recorded before its URL is signed: the receipt is the proof.
func ExampleLog_RecordReleases() {
	log, err := audit.New(audit.Config{Store: audittest.NewMemory(), Now: time.Now, NewID: audittest.NewID()})
	if err != nil {
		panic(err)
	}
	receipts, err := log.RecordReleases(context.Background(), []audit.Release{{
		Event: event.Event{
			User:   event.User{Sub: "s-1", Username: "ada"},
			Bucket: "company-reports", Key: "annual/2026.pdf", ETag: `"abc"`,
		},
		CheckedAt: time.Now(),
	}})
	if err != nil {
		panic(err)
	}
	fmt.Println(receipts[0].Valid(), receipts[0].Bucket(), receipts[0].Key())
	// Output: true company-reports annual/2026.pdf
}
