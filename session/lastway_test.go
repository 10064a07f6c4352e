package session_test

import (
	"testing"

	"usher/backend/api"
	"usher/session"
)

// The way of the last sign-in is remembered for each profile, as long as the
// server offers it.
func TestLastWay(t *testing.T) {
	r, _ := newBrowserRig(t, nil)
	if w := session.LastWay(r.folders, r.profile()); w != "" {
		t.Errorf("before a sign-in: %q", w)
	}
	r.signedInByBrowser("ada")
	if w := session.LastWay(r.folders, r.profile()); w != api.WaySSO {
		t.Errorf("after a sign-in in a browser: %q", w)
	}
	other := r.profile()
	other.Name = "other"
	if w := session.LastWay(r.folders, other); w != "" {
		t.Errorf("of another profile: %q", w)
	}
	other = r.profile()
	other.Config.SignIn.Ways = []api.Way{api.WayPassword}
	if w := session.LastWay(r.folders, other); w != "" {
		t.Errorf("of a server without that way: %q", w)
	}
}
