package tui

import (
	"context"
	"slices"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
	"usher/session/browser"
	"usher/tui/signin"
)

// browserWays returns the server's ways to sign in with a browser. Over SSH the
// browser is on another machine, so the way for another device is first.
func browserWays(w Environment) []signin.Way {
	offer := w.Profile.Config.Offer()
	var ways []signin.Way
	if offer.Has(api.WaySSO) {
		ways = append(ways, companyWay(w, offer))
	}
	if offer.Has(api.WayDevice) {
		ways = append(ways, signin.Way{Way: api.WayDevice, Label: "Sign in with a browser on another device", Begin: func(ctx context.Context, _ string) (signin.Browser, error) {
			in, err := session.NewDeviceSignIn(ctx, w.Profile, session.Options{Now: w.Now, Random: w.Random})
			if err != nil {
				return nil, err
			}
			return otherDevice{in}, nil
		}})
	}
	if browser.Remote(w.Getenv) {
		slices.Reverse(ways)
	}
	return ways
}

// otherDevice is a sign-in in a browser on another device.
type otherDevice struct{ *session.DeviceSignIn }

// Show implements signin.Browser.
func (d otherDevice) Show() signin.Shown {
	return signin.Shown{Address: d.Address(), Code: d.UserCode(), QR: d.QR()}
}

// companyWay is the way with a browser on this machine.
func companyWay(w Environment, offer api.SignIn) signin.Way {
	label := "Sign in with your browser"
	if len(offer.Providers) == 1 {
		label = "Sign in with " + safetext.New(offer.Providers[0].Label).String()
	}
	return signin.Way{Way: api.WaySSO, Label: label, Begin: func(ctx context.Context, user string) (signin.Browser, error) {
		in, err := session.NewBrowserSignIn(ctx, w.Profile, session.Options{Now: w.Now, Random: w.Random}, session.BrowserOptions{User: user})
		if err != nil {
			return nil, err
		}
		remote := browser.Remote(w.Getenv)
		if w.OpenURL != nil && (!remote || w.Getenv("BROWSER") != "") {
			_ = w.OpenURL(in.URL()) // the page shows the address in any case
		}
		return openBrowser{in, w.Getenv}, nil
	}}
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

// Number implements signin.Browser. The browser of this machine shows no number.
func (openBrowser) Number(context.Context, string) (session.Step, error) {
	return session.Step{}, session.ErrStartAgain
}
