package audit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
	"usher/backend/serve"
	"usher/client/question"
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

// realLog returns the log of a file with these events.
func realLog(t *testing.T, events []event.Event) audit.Backend {
	path := filepath.Join(t.TempDir(), "audit.db")
	store, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := store.Append(t.Context(), []event.Event{event.Clean(e)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := serve.OpenCopy(path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return question.Offline{Pages: log, Now: now}
}

// An auditor answers each question with at most six keys on the page, or on a file of the browser.
func TestTwentyQuestions(t *testing.T) {
	first := newProgram(quarter)
	slices.SortStableFunc(first.book.events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	log := realLog(t, first.book.events)
	for _, q := range []struct {
		name string
		keys string
		want []string
	}{
		{"1 who touched this file", "browser: j j j w", []string{"touched:company-reports/annual/audited/2018-annual-report.pdf", "ada"}},
		{"2 all that a person did on a day", "b y j enter p", []string{"since:2026-11-22 until:2026-11-22", "who:"}},
		{"3 all denials", "1", []string{"Denied decisions by person", "alan", "416"}},
		{"4 new addresses of a person", "3", []string{"Addresses of a person", "203.0.113.9", "owl"}},
		{"5 downloads by volume", "2", []string{"Downloads by person", "20.5 GB"}},
		{"6 reads after a removal from a group", "8 enter p", []string{"who:lin", "✗ denied", "membership"}},
		{"7 used access to a folder", "b d", []string{"Events by folder", "hr/salary/2026/", "120"}},
		{"8 export as evidence", "e enter", []string{"Exported 5 events", "verified. The export is an event"}},
		{"9 whether the log was altered", "V", []string{"The log is whole.", "Every event read by the server"}},
		{"10 sessions with their end", "4", []string{"ada", "signed out"}},
		{"11 reads by admins", "9", []string{"margaret"}},
		{"12 reads by auditors", "9", []string{"ruth"}},
		{"13 refused sign-ins and tokens", "0 G k k enter", []string{"Refused tokens and device sign-ins", "10.4.18.5", " 3 "}},
		{"14 changes of grants", "8 G enter enter", []string{"Added", "1 grant", "grants file"}},
		{"15 downloads that never ended", "6", []string{"without a reported end", "band-1"}},
		{"16 more than 100 files in an hour", "5", []string{"lin", "120"}},
		{"17 addresses outside the network", "0 G k enter", []string{"outside private networks", "203.0.113.9", "192.0.2.77"}},
		{"18 names with a text", "/ s a l a enter", []string{"path:*sala*", "hr/salary/2026/band-119.xlsx", "lin"}},
		{"19 events at night", "7", []string{"Events between 19:00 and 07:00 UTC", "owl"}},
		{"20 whether the log was on all the time", "0 G enter", []string{"Starts, stops and gaps", "audit-gap", "2026-11-23 13:51"}},
	} {
		t.Run(strings.Fields(q.name)[0], func(t *testing.T) {
			keys, browser := strings.CutPrefix(q.keys, "browser: ")
			pressed := strings.Fields(keys)
			if len(pressed) > 6 {
				t.Errorf("%s: %d keys", q.name, len(pressed))
			}
			synctest.Test(t, func(t *testing.T) {
				w := newProgram(quarter)
				w.backend = log
				w.open(t, 120, 40, colorprofile.TrueColor)
				if !browser {
					w.Press("A")
				}
				w.Wait(time.Second)
				for _, k := range pressed {
					w.Press(k)
					w.Wait(time.Second)
				}
				w.Want(t, q.want...)
			})
		})
	}
}
