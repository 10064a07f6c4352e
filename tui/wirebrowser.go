package tui

import (
	"context"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
	"usher/session/browser"
	"usher/tui/signin"
)

// browserWays returns the ways to sign in with a browser on this machine.
func browserWays(w Environment) []signin.Way {
	offer := w.Profile.Config.Offer()
	if !offer.Has(api.WaySSO) {
		return nil
	}
	label := "Sign in with your browser"
	if len(offer.Providers) == 1 {
		label = "Sign in with " + safetext.New(offer.Providers[0].Label).String()
	}
	return []signin.Way{{Label: label, Begin: func(ctx context.Context, user string) (signin.Browser, error) {
		in, err := session.NewBrowserSignIn(ctx, w.Profile, session.Options{Now: w.Now, Random: w.Random}, session.BrowserOptions{User: user})
		if err != nil {
			return nil, err
		}
		remote := browser.Remote(w.Getenv)
		if w.OpenURL != nil && (!remote || w.Getenv("BROWSER") != "") {
			_ = w.OpenURL(in.URL()) // the page shows the address in any case
		}
		return openBrowser{in, w.Getenv}, nil
	}}}
}

// openBrowser is a sign-in in a browser that was opened.
type openBrowser struct {
	*session.BrowserSignIn
	getenv func(string) string
}

// Show implements signin.Browser.
func (b openBrowser) Show() signin.Shown {
	shown := signin.Shown{Address: b.URL()}
	if browser.Remote(b.getenv) {
		shown.Tunnel = browser.Tunnel(b.getenv, b.Port())
	}
	return shown
}
