package backend_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

func prefix(group, bucket, prefix string) api.Grant {
	return api.Grant{Group: group, Bucket: bucket, Prefix: &prefix, Effect: "allow"}
}

// Admins change the grants through any server, and each change is in force on all
// servers with the next request.
func TestChangesOfGrants(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 3})
	ctx := t.Context()
	f.Put(t, "builds", "secret/a.txt", "content")
	admin, ada := f.SignIn(t, "margaret"), f.SignIn(t, "ada")
	visible := func(want bool) {
		t.Helper()
		for range 8 {
			_, err := releaseOne(ctx, ada, "builds", "secret/a.txt")
			if (err == nil) != want || err != nil && codeOf(err) != api.NotFound {
				t.Errorf("ada opens the object: %v, want %v", err, want)
			}
		}
	}
	visible(false)
	list, err := admin.GrantsList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := list.Version
	out, err := admin.GrantsEdit(ctx, api.GrantsEditRequest{Add: []api.Grant{prefix("finance-team", "builds", "secret/")}})
	if err != nil || out.Added != 1 || out.Removed != 0 || out.Event == "" || out.Before != before {
		t.Fatalf("%+v, %v", out, err)
	}
	visible(true)
	if again, err := admin.GrantsEdit(ctx, api.GrantsEditRequest{Add: []api.Grant{prefix("finance-team", "builds", "secret/")}}); err != nil || again.Event != "" || again.Version != out.Version {
		t.Errorf("a repetition: %+v, %v", again, err)
	}
	removed, err := admin.GrantsEdit(ctx, api.GrantsEditRequest{Remove: []api.Grant{prefix("finance-team", "builds", "secret/")}})
	if err != nil || removed.Removed != 1 || removed.Version != before {
		t.Errorf("%+v, %v", removed, err)
	}
	visible(false)
	if _, err := admin.GrantsApply(ctx, out.Version, []byte("grants: []\n")); codeOf(err) != api.GrantsConflict {
		t.Errorf("a file compared with an old version: %v", err)
	}
	if bad, err := admin.GrantsApply(ctx, before, []byte("grants: [{group: a}]\n")); err != nil || len(bad.Problems) == 0 || bad.Version != "" {
		t.Errorf("a bad file: %+v, %v", bad, err)
	}
	for _, change := range []func() error{
		func() error { _, err := ada.GrantsApply(ctx, before, []byte("grants: []\n")); return err },
		func() error {
			_, err := ada.GrantsEdit(ctx, api.GrantsEditRequest{Add: []api.Grant{prefix("finance-team", "builds", "secret/")}})
			return err
		},
	} {
		if err := change(); codeOf(err) != api.NotFound {
			t.Errorf("a change by a person who is no admin: %v", err)
		}
	}
	visible(false)
	events := f.Events(t, "action:grants-changed")
	if len(events) != 3 { // the demo's grants, and the two edits
		t.Fatalf("%d events", len(events))
	}
	for _, e := range events[:2] {
		if e.User.Username != "margaret" || e.GrantsBefore == "" || e.GrantsVersion == "" || e.GrantsAdded+e.GrantsRemoved != 1 {
			t.Errorf("%+v", e)
		}
	}
	if denied := f.Events(t, "action:explain outcome:denied"); len(denied) != 2 || !strings.Contains(denied[0].Reason, "not in the admins' group") {
		t.Errorf("%d recorded refusals", len(denied))
	}
}

// Emergency access ends by itself and raises an alarm.
func TestBreakGlass(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 2})
	ctx := t.Context()
	f.Put(t, "builds", "secret/a.txt", "content")
	admin, ada := f.SignIn(t, "margaret"), f.SignIn(t, "ada")
	emergency := func(life time.Duration, reason string) (api.GrantsChangeResponse, error) {
		g := prefix("finance-team", "builds", "secret/")
		g.Reason = reason
		if life != 0 {
			end := time.Now().Add(life).Truncate(time.Millisecond)
			g.Expires = &end
		}
		return admin.GrantsEdit(ctx, api.GrantsEditRequest{Add: []api.Grant{g}, BreakGlass: true})
	}
	for name, try := range map[string]func() (api.GrantsChangeResponse, error){
		"without an end":    func() (api.GrantsChangeResponse, error) { return emergency(0, "incident") },
		"longer than a day": func() (api.GrantsChangeResponse, error) { return emergency(25*time.Hour, "incident") },
		"expired":           func() (api.GrantsChangeResponse, error) { return emergency(-time.Second, "incident") },
		"without a reason":  func() (api.GrantsChangeResponse, error) { return emergency(time.Hour, "") },
		"without any grants": func() (api.GrantsChangeResponse, error) {
			return admin.GrantsEdit(ctx, api.GrantsEditRequest{BreakGlass: true})
		},
	} {
		if out, err := try(); err != nil || len(out.Problems) == 0 || out.Version != "" {
			t.Errorf("emergency access %s: %+v, %v", name, out, err)
		}
	}
	if _, err := releaseOne(ctx, ada, "builds", "secret/a.txt"); codeOf(err) != api.NotFound {
		t.Errorf("before: %v", err)
	}
	end := time.Now().Add(6 * time.Second)
	if out, err := emergency(6*time.Second, "incident 4711"); err != nil || out.Event == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := releaseOne(ctx, ada, "builds", "secret/a.txt"); err != nil && time.Now().Before(end) {
		t.Errorf("during the emergency: %v", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		began := time.Now()
		_, err := releaseOne(ctx, ada, "builds", "secret/a.txt")
		if codeOf(err) == api.NotFound {
			break
		}
		if began.After(end) {
			t.Fatalf("after its end: %v", err)
		}
		if began.After(deadline) {
			t.Fatal("the access does not end")
		}
		time.Sleep(100 * time.Millisecond)
	}
	alarms := f.Events(t, "action:alarm")
	if len(alarms) != 1 || alarms[0].User.Username != "margaret" || alarms[0].Reason != "break-glass: incident 4711" || alarms[0].Bucket != "builds" || alarms[0].Outcome != event.Allowed {
		t.Errorf("%+v", alarms)
	}
}

// Of several concurrent changes by admins, one succeeds.
func TestAdminsAtOnce(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 3})
	ctx := t.Context()
	admin := f.SignIn(t, "margaret")
	list, err := admin.GrantsList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	succeeded := 0
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			out, err := admin.GrantsApply(ctx, list.Version, []byte("grants: [{group: g"+string(rune('a'+i))+", bucket: builds, prefix: \"\"}]\n"))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && out.Event != "":
				succeeded++
			case codeOf(err) != api.GrantsConflict:
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
	all.Wait()
	if events := f.Events(t, "action:grants-changed"); succeeded != 1 || len(events) != 2 {
		t.Errorf("%d changes and %d events", succeeded, len(events)-1)
	}
}

// A server with a grants file refuses changes.
func TestGrantsInAFileAreFixed(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	admin := w.SignIn(t, "margaret")
	_, err := admin.GrantsApply(t.Context(), "", []byte("grants: []\n"))
	var known *api.Error
	if !errors.As(err, &known) || known.Code != api.GrantsFixed {
		t.Errorf("%v", err)
	}
	if _, err := admin.GrantsEdit(t.Context(), api.GrantsEditRequest{Add: []api.Grant{prefix("g", "builds", "")}}); codeOf(err) != api.GrantsFixed {
		t.Errorf("%v", err)
	}
}
