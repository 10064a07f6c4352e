package tui_test

import (
	"context"
	"testing"
	"time"

	"usher/backend/api"
	"usher/session"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

// onThisMachine is a browser on this machine, over SSH, that does not come back.
type onThisMachine struct{ awaited }

func (onThisMachine) Show() signin.Shown {
	return signin.Shown{
		Address: "https://login.example.com/oauth2/authorize?client_id=2client&code_challenge=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU&code_challenge_method=S256&redirect_uri=http%3A%2F%2F127.0.0.1%3A8427%2Fcallback&response_type=code&scope=openid+email&state=Zm9vYmFyYmF6",
		Tunnel:  "ssh -N -L 8427:127.0.0.1:8427 files.example.com",
	}
}

// everyWay offers each way to sign in, in a pool with each step.
func everyWay(w *program) {
	w.deps.HasSession = false
	w.browser = awaited{make(chan struct{})}
	w.deps.Ways = []api.Way{api.WayPassword, api.WaySSO, api.WayCode}
	w.deps.Other = []signin.Way{{Way: api.WaySSO, Label: "Sign in with Example Ltd", Begin: func(context.Context, string) (signin.Browser, error) {
		return onThisMachine{w.browser}, nil
	}}}
	pool := tuitest.Pool{
		"select":   {Password: "Analytical-42", First: session.Choose},
		"mail":     {Password: "Analytical-42", First: session.NeedEmail},
		"required": {Password: "Analytical-42", First: session.NeedNewPassword, Attributes: []string{"given_name", "family_name", "phone_number", "custom:cost_center"}},
		"remember": {Password: "Analytical-42", First: session.Done, Remember: true},
	}
	w.deps.NewSignIn = func() (signin.Flow, error) { return pool.Flow(), nil }
}

// signInScenes are the stages of the sign-in page after the password, and its
// other ways.
func signInScenes() []scene {
	as := func(user, want string, names ...string) func(*testing.T, *program) {
		return func(t *testing.T, w *program) {
			signIn(user, "Analytical-42")(w)
			if len(names) > 0 {
				press(names...)(t, w)
			}
			w.Want(t, want)
		}
	}
	return []scene{
		{"sign-in-ways", everyWay, func(t *testing.T, w *program) { w.Want(t, "Forgot your password?") }},
		{"sign-in-choice", everyWay, as("select", "Choose how to continue")},
		{"sign-in-mail-code", everyWay, as("select", "by mail", "down", "enter")},
		{"sign-in-email", everyWay, as("mail", "Set up codes by mail")},
		{"sign-in-attributes", everyWay, as("required", "Choose a new password")},
		{"sign-in-attributes-last", everyWay, as("required", "save", "shift+tab")},
		{"sign-in-remember", everyWay, as("remember", "Remember this machine?")},
		{"sign-in-code-start", everyWay, func(t *testing.T, w *program) {
			press("tab", "tab", "tab", "enter")(t, w)
			w.Want(t, "Sign in with a code")
		}},
		{"sign-in-forgot", everyWay, func(t *testing.T, w *program) {
			press("shift+tab", "enter")(t, w)
			w.Want(t, "Forgot your password?")
		}},
		{"sign-in-reset", everyWay, func(t *testing.T, w *program) {
			press("shift+tab", "enter")(t, w)
			w.Type("ada")
			press("enter")(t, w)
			w.Want(t, "Set a new password")
		}},
		{"sign-in-browser", everyWay, func(t *testing.T, w *program) {
			w.Press("tab", "tab", "enter")
			w.Wait(time.Second)
			w.Want(t, "ssh -N -L")
			t.Cleanup(func() { close(w.browser.end) })
		}},
	}
}
