package audit

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/event"
	"usher/tui/keys"
	"usher/tui/theme"
)

// vocabulary returns an event of each action, and of each purpose of a release.
func vocabulary() (events []event.Event, names []string) {
	add := func(action, purpose, name string) {
		at := time.Date(2026, 11, 2, 9, 0, 0, 118e6, time.UTC).Add(-time.Duration(len(events)) * time.Second)
		events = append(events, event.Event{
			ID: fmt.Sprintf("%03d", 900-len(events)), Time: at, User: event.User{Sub: "s-1", Username: "margaret"},
			Action: action, Purpose: purpose, Outcome: event.Allowed, Bucket: "company-reports", Key: "annual/audited/report.pdf",
		})
		names = append(names, name)
	}
	for _, action := range event.Actions() {
		add(action, "", action)
	}
	for _, purpose := range []string{event.PurposePreview, event.PurposeLink} {
		add(event.Download, purpose, event.Download+" "+purpose)
	}
	return events, names
}

// No window is too narrow for the whole name of an action.
func TestActionsAreWhole(t *testing.T) {
	events, names := vocabulary()
	synctest.Test(t, func(t *testing.T) {
		p := newPane(t, &counting{events: events}, theme.Options{Profile: colorprofile.ASCII})
		run(p, p.Opened())
		for _, w := range []int{72, 80, 100, 109, 110, 120, 169, 170, 200} {
			page := ansi.Strip(p.View(w, 120))
			lines := strings.Split(page, "\n")
			for _, name := range names {
				found := 0
				for _, l := range lines {
					if strings.Contains(l, " margaret ") && strings.Contains(l, " "+name+" ") && strings.Contains(l, "report.pdf") {
						found++
					}
				}
				if want := strings.Count(strings.Join(names, "\n")+"\n", name+"\n"); found < want {
					t.Errorf("%d cells: %d rows have the whole action %q\n%s", w, found, name, page)
				}
			}
		}
	})
}

// The head of the times names their zone, and a wide window has milliseconds.
func TestTimesOfTheRows(t *testing.T) {
	events, _ := vocabulary()
	synctest.Test(t, func(t *testing.T) {
		p := newPane(t, &counting{events: events}, theme.Options{Profile: colorprofile.ASCII})
		run(p, p.Opened())
		for _, x := range []struct {
			w           int
			local       bool
			head, first string
		}{
			{80, false, "  UTC    ↓ Who", "09:00:00 margaret"},
			{80, true, "  Local  ↓ Who", "04:00:00 margaret"},
			{120, false, "  Time (UTC) ↓  Who", "09:00:00.118  margaret"},
			{120, true, "  Local time ↓  Who", "04:00:00.118  margaret"},
		} {
			if p.local != x.local {
				p.Do(keys.Zone)
			}
			if page := ansi.Strip(p.View(x.w, 60)); !strings.Contains(page, x.head) || !strings.Contains(page, x.first) {
				t.Errorf("%d cells, local %t: want %q and %q\n%s", x.w, x.local, x.head, x.first, page)
			}
		}
	})
}
