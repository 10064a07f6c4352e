package session_test

import (
	"testing"

	"usher/backend/api"
	"usher/session"
)

// The address ends the browser's sign-in for each client of the pool's pages.
func TestLogoutURL(t *testing.T) {
	const page = "https://sign-in.example.com"
	for name, c := range map[string]struct {
		clients  api.Clients
		hostedUI string
		want     string
	}{
		"both clients":    {api.Clients{Native: "n", SSO: "s", Device: "d"}, page, page + "/logout?client_id=s&logout_uri=https%3A%2F%2Ffiles.example.com%2Fsigned-out"},
		"device alone":    {api.Clients{Native: "n", Device: "d"}, page, page + "/logout?client_id=d&logout_uri=https%3A%2F%2Ffiles.example.com%2Fsigned-out"},
		"passwords alone": {api.Clients{Native: "n"}, page, ""},
		"no pages":        {api.Clients{Native: "n", SSO: "s"}, "", ""},
	} {
		p := session.Profile{Server: "https://files.example.com", Config: api.Config{SignIn: api.SignIn{
			Ways: []api.Way{api.WayDevice}, Clients: c.clients, HostedUI: c.hostedUI,
		}}}
		if got := session.LogoutURL(p); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
