package demotest_test

import (
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A test starts a demo, acts as a person, and reads the audit log as an auditor.
func TestStart(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	d.Put(t, "company-reports", "quarterly/new/q4.csv", "a,b\n")
	newcomer := d.AddPerson(t, "hedy", "finance-team")
	page, err := newcomer.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "quarterly/new/"})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Name != "q4.csv" {
		t.Errorf("the folder contains %+v, %v, want q4.csv", page.Entries, err)
	}
	if events := d.Events(t, "who:hedy action:list"); len(events) != 1 {
		t.Errorf("the log has %d list events of hedy, want 1: %+v", len(events), events)
	}
}
