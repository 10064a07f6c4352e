package event_test

import (
	"testing"
	"time"

	"usher/backend/event"
)

// A count is known if a filter can select events of it.
func TestColumns(t *testing.T) {
	for query, want := range map[string]event.Columns{
		"":                                 {Released: true, Reported: true, Denied: true},
		"who:ada since:7d":                 {Released: true, Reported: true, Denied: true},
		"action:download":                  {Released: true, Denied: true},
		"action:download action:completed": {Released: true, Reported: true, Denied: true},
		"action:completed":                 {Reported: true},
		"-action:completed":                {Released: true, Denied: true},
		"action:list":                      {Denied: true},
		"action:service-start":             {},
		"action:token-refused":             {}, // nothing was decided
		"outcome:denied":                   {Denied: true},
		"outcome:allowed":                  {Released: true, Reported: true},
		"outcome:failed":                   {Reported: true},
		"-outcome:denied":                  {Released: true, Reported: true},
		"-outcome:allowed -outcome:failed": {Denied: true},
		"grant:*reports*":                  {Released: true, Denied: true},
		"-grant:*reports*":                 {Released: true, Reported: true, Denied: true},
		"group:staff":                      {Released: true, Denied: true},
		"size:>1MB":                        {Released: true, Reported: true},
		"-size:>1MB":                       {Released: true, Reported: true, Denied: true},
	} {
		f, err := event.ParseFilter(query, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		got := event.ColumnsOf(f, []event.By{event.PerWho})
		if got.Released != want.Released || got.Reported != want.Reported || got.Denied != want.Denied {
			t.Errorf("%q: %+v, want %+v", query, got, want)
		}
	}
	c := event.ColumnsOf(event.Filter{}, []event.By{event.PerWho, event.PerGrant})
	if c.Of(event.Group{Keys: []string{"s-1", "reports"}}).Reported || !c.Of(event.Group{Keys: []string{"s-1", ""}}).Reported || !c.Of(event.Group{Keys: []string{"", "reports"}}).Denied {
		t.Error("only the reports of a group with a grant are not known")
	}
}

// Each action with a count has a word for it, and no other action.
func TestCountWords(t *testing.T) {
	for _, action := range event.Actions() {
		one, many := event.CountWords(action)
		if (one == "") != (many == "") {
			t.Errorf("%s counts %q and %q", action, one, many)
		}
	}
	for action, want := range map[string]string{
		event.Suppressed: "denials", event.Versions: "versions", event.AuditExport: "events", event.AuditReview: "events", event.Alert: "events",
		event.AuditVerify: "faults", event.TokenRefused: "requests", event.RetentionApplied: "deleted events", event.AuditGap: "refused events", event.Alarm: "objects",
		event.Download: "", "of a newer server": "",
	} {
		if _, many := event.CountWords(action); many != want {
			t.Errorf("%s counts %q, want %q", action, many, want)
		}
	}
}
