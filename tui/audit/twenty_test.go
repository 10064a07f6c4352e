package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/event"
	"usher/tui/audit"
)

// quarter adds the events that the questions of an auditor are about.
func quarter(w *program) {
	b := w.book
	lin := b.person("lin", "10.4.18.40", now().Add(-90*time.Minute))
	lin.record(0, event.Event{Action: event.SessionStart, GroupNames: []string{"hr"}, Groups: event.HashGroups([]string{"hr"})})
	for i := range 120 {
		lin.record(time.Second, event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: "hr", Key: fmt.Sprintf("salary/2026/band-%03d.xlsx", i), Size: ptr(int64(1_000_000))})
	}
	lin.record(time.Second, event.Event{Action: event.MembershipChanged, GroupNamesBefore: []string{"hr"}, GroupNames: []string{"staff"}, Groups: event.HashGroups([]string{"staff"})})
	lin.denied(time.Second, "hr", "salary/2026/band-000.xlsx")
	night := b.person("owl", "203.0.113.9", time.Date(2026, 11, 22, 23, 5, 0, 0, time.UTC))
	night.record(0, event.Event{Action: event.SessionStart})
	night.record(time.Minute, event.Event{Action: event.Stat, Bucket: "builds", Key: "nightly/a.tar.gz"})
	admin := b.person("margaret", "10.4.18.3", now().Add(-20*time.Minute))
	admin.record(0, event.Event{Action: event.Explain, Reason: "who company-reports/"})
	other := b.person("ruth", "10.4.18.5", now().Add(-19*time.Minute))
	other.record(0, event.Event{Action: event.AuditRead, Reason: "outcome:denied"})
	other.record(time.Second, event.Event{Action: event.TokenRefused, Count: 3})
	other.record(time.Second, event.Event{Action: event.AuditGap, Count: 7})
	w.exporter = &audit.Exporter{Name: func() string { return "/home/grace/usher-audit.tar" }, Run: func(_ context.Context, x audit.Export) (audit.Exported, error) {
		return audit.Exported{Path: x.Path, Matches: 5, Events: 6, Size: 1000, Checkpoint: 100}, nil
	}}
}

// An auditor answers each question with at most six steps: a key, or a typed filter.
func TestTwentyQuestions(t *testing.T) {
	type question struct {
		name  string
		steps []string // a key; a text of several letters that begins with ":" is typed
		want  []string
	}
	for _, q := range []question{
		{"1 who touched this file", []string{"j", "j", "j", "w"}, []string{"touched:company-reports/annual/audited/2018-annual-report.pdf", "ada"}},
		{"2 all that a person did on a day", []string{"A", "b", "y", "j", "enter", "p"}, []string{"since:2026-11-22 until:2026-11-22", "who:"}},
		{"3 all denials", []string{"A", "1"}, []string{"Denied decisions by person", "alan", "416"}},
		{"4 new addresses of a person", []string{"A", "3"}, []string{"Addresses of a person", "203.0.113.9", "owl"}},
		{"5 downloads by volume", []string{"A", "2"}, []string{"Downloads by person", "20.5 GB"}},
		{"6 reads after a removal from a group", []string{"A", "8", "enter", "p"}, []string{"who:lin", "✗ denied", "membership"}},
		{"7 used access to a folder", []string{"A", "b", "d"}, []string{"Events by folder", "hr/salary/2026/", "120"}},
		{"8 export as evidence", []string{"A", "e", "enter"}, []string{"Exported 5 events", "verified. The export is an event"}},
		{"9 whether the log was altered", []string{"A", "V"}, []string{"The log is whole.", "Every event read by the server"}},
		{"10 sessions with their end", []string{"A", "4"}, []string{"s-ada7q4k", "signed out"}},
		{"11 reads by admins", []string{"A", "9"}, []string{"margaret"}},
		{"12 reads by auditors", []string{"A", "9"}, []string{"ruth"}},
		{"13 refused sign-ins and tokens", []string{"A", "/", ":action:token-refused", "enter"}, []string{"token-refused", "ruth"}},
		{"14 changes of grants", []string{"A", "8", "G", "enter", "enter"}, []string{"Added", "1 grant", "grants file"}},
		{"15 downloads that never ended", []string{"A", "6"}, []string{"without a reported end", "band-1"}},
		{"16 more than 100 files in an hour", []string{"A", "5"}, []string{"lin", "120"}},
		{"17 addresses outside the network", []string{"A", "/", ":-ip:10.0.0.0/8", "enter", "b", "i"}, []string{"203.0.113.9", "192.0.2.77"}},
		{"18 names with a text", []string{"A", "/", ":path:*salar*", "enter"}, []string{"hr/salary/2026/band-119.xlsx", "lin"}},
		{"19 events at night", []string{"A", "7"}, []string{"Events between 19:00 and 07:00 UTC", "owl"}},
		{"20 whether the log was on all the time", []string{"A", "/", ":action:audit-gap action:unclean-stop", "enter"}, []string{"audit-gap"}},
	} {
		t.Run(strings.Fields(q.name)[0], func(t *testing.T) {
			if len(q.steps) > 6 {
				t.Errorf("%s: %d steps", q.name, len(q.steps))
			}
			synctest.Test(t, func(t *testing.T) {
				w := newProgram(quarter)
				w.open(t, 120, 40, colorprofile.TrueColor)
				for _, s := range q.steps {
					if text, typed := strings.CutPrefix(s, ":"); typed && text != "" {
						w.Type(text)
					} else {
						w.Press(s)
					}
					w.Wait(time.Second)
				}
				w.Want(t, q.want...)
			})
		})
	}
}
