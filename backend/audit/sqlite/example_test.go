package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// A log is opened by one server; package audit adds deadlines and retries.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "usher-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqlite.Open(sqlite.Config{Path: filepath.Join(dir, "audit.db")})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	e := event.Clean(event.Event{
		ID: "01", Time: time.Unix(1_800_000_000, 0), Action: event.List, Outcome: event.Allowed,
		User: event.User{Sub: "s-1", Username: "ada"}, Bucket: "company-reports", Key: "annual/",
	})
	if err := store.Append(context.Background(), []event.Event{e}); err != nil {
		panic(err)
	}
	page, err := store.Query(context.Background(), event.Filter{}, audit.Page{Limit: 10})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(page.Events), page.Events[0].Path())
	// Output: 1 company-reports/annual/
}
