package event

import (
	"strings"
	"testing"
	"time"
)

func TestDetails(t *testing.T) {
	e := started()
	e.Action = MembershipChanged
	var b strings.Builder
	for _, d := range Details(e) {
		b.WriteString(d.Label + "=" + d.Value + "\n")
	}
	for _, want := range []string{
		"Doubt=more bytes than the object has", "Names=3", "Name hash=h", "Sign-in=sso", "Signed in=2026-11-01T08:00:00.005Z", "Before=a",
		"Groups=a, ", "Policy=5d41", "Change=+ a\n=- b", "Since=1970-01-01T00:00:01.000Z", "First=1", "Last=256", "Root=AAAA",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if got := Details(full()); len(got) != 0 {
		t.Errorf("an event without such facts: %v", got)
	}
}

func TestSummaries(t *testing.T) {
	from, until := time.Unix(0, 0), time.Unix(60, 0)
	for _, c := range []struct {
		e    Event
		want string
	}{
		{Event{Action: MembershipChanged, GroupNamesBefore: []string{"a", "b"}}, "a, b → none"},
		{Event{Action: AuditExport, Query: "who:ada"}, "query: who:ada"},
		{Event{Action: AuditReview, Query: "outcome:denied", Reason: "none"}, "query: outcome:denied"},
		{Event{Action: AuditExport}, "query: all events"},
		{Event{Action: AuditGap, From: &from, Until: &until}, "1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z"},
		{Event{Action: UncleanStop, From: &until}, "last event 1970-01-01T00:01:00.000Z"},
		{Event{Action: SessionStart, Way: WayDevice}, "device"},
		{Event{Action: List, Outcome: Allowed, Entries: 318}, "318 names"},
		{Event{Action: List, Outcome: Denied}, ""},
		{Event{Action: Completed, Implausible: true}, "implausible: more bytes than the object has"},
		{Event{Action: Download}, ""},
	} {
		if got := Summary(c.e); got != c.want {
			t.Errorf("%s: %q, want %q", c.e.Action, got, c.want)
		}
	}
}
