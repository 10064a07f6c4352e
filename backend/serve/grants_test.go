package serve_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// eventually polls until the condition holds.
func eventually(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", condition)
		}
	}
}

// healthAt returns a health page and its status.
func healthAt(t *testing.T, address string) (h api.Health, status int) {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h, res.StatusCode
}

const editedGrants = `grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
  - {group: finance-team, bucket: company-reports, prefix: made-up/}
`

func TestAChangeOfTheGrantsIsAnEvent(t *testing.T) {
	dir := t.TempDir()
	w := demotest.Start(t, demo.Options{Dir: dir})
	before, _ := healthAt(t, w.Server+"/healthz")
	if err := os.WriteFile(w.GrantsFile, []byte(editedGrants), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new grants are in force", func() bool {
		h, _ := healthAt(t, w.Server+"/healthz")
		return h.GrantsVersion != before.GrantsVersion
	})
	now, _ := healthAt(t, w.Server+"/healthz")
	found := w.Events(t, "action:grants-changed")
	if len(found) != 1 {
		t.Fatalf("%d events: %+v", len(found), found)
	}
	e := found[0]
	if e.User.Username != "grants file" || e.User.Sub != "" || e.Outcome != event.Allowed || e.GrantsBefore != before.GrantsVersion || e.GrantsVersion != now.GrantsVersion ||
		e.GrantsAdded < 1 || e.GrantsRemoved < 1 || !strings.Contains(e.Reason, "added") ||
		!slices.Contains(e.GrantsDiff, "+ allow finance-team company-reports/made-up/") || len(e.GrantsDiff) != e.GrantsAdded+e.GrantsRemoved {
		t.Errorf("the event: %+v", e)
	}
	if starts := w.Events(t, "action:service-start"); len(starts) != 1 || starts[0].GrantsVersion != before.GrantsVersion {
		t.Errorf("the start: %+v", starts)
	}

	// The file changes while usher is off.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.GrantsFile, []byte(strings.Replace(editedGrants, "made-up/", "other/", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	w = demotest.Start(t, demo.Options{Dir: dir})
	later, _ := healthAt(t, w.Server+"/healthz")
	found = w.Events(t, "action:grants-changed")
	if len(found) != 2 || found[0].GrantsBefore != now.GrantsVersion || found[0].GrantsVersion != later.GrantsVersion || !strings.Contains(found[0].Reason, "not running") ||
		!slices.Equal(found[0].GrantsDiff, []string{"- allow finance-team company-reports/made-up/", "+ allow finance-team company-reports/other/"}) || found[0].GrantsAdded != 1 || found[0].GrantsRemoved != 1 {
		t.Errorf("after the change while it was off: %+v", found)
	}

	// An unchanged file causes no event.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = demotest.Start(t, demo.Options{Dir: dir})
	if again := w.Events(t, "action:grants-changed"); len(again) != 2 {
		t.Errorf("a start without a change made an event: %+v", again[0])
	}
}

// If the change cannot be recorded, the previous grants stay in force.
func TestGrantsWithoutARecordAreNotInForce(t *testing.T) {
	r := start(t, nil)
	page := "http://" + r.address + "/healthz"
	before, _ := healthAt(t, page)
	aside := r.config.Audit + ".aside"
	if err := os.Rename(r.config.Audit, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.config.Grants, []byte(editedGrants), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal is on the health page", func() bool {
		h, _ := healthAt(t, page)
		if h.GrantsVersion != before.GrantsVersion {
			t.Fatal("the new grants are in force without a record")
		}
		return h.GrantsError != ""
	})
	if lines := r.log.lines(t, "grants file refused; the previous grants stay in force"); len(lines) != 1 || !strings.Contains(lines[0]["problem"].(string), "not recorded") {
		t.Errorf("the log has %v", lines)
	}
	if err := os.Rename(aside, r.config.Audit); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new grants are in force", func() bool {
		h, _ := healthAt(t, page)
		return h.GrantsVersion != before.GrantsVersion && h.GrantsError == ""
	})
}
