package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/session"
	"usher/session/browser"
)

// browserLogin has the flags of a sign-in in a browser on this machine.
type browserLogin struct {
	sso, password bool
	port          int
}

// add adds the flags to the command, after those of a password.
func (b *browserLogin) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&b.sso, "sso", false, "sign in with your company account, in a browser on this machine")
	cmd.Flags().IntVar(&b.port, "port", 0, "with --sso: the port of 127.0.0.1 for the browser's return")
	cmd.Flags().BoolVar(&b.password, "password", false, "sign in with user name and password")
	cmd.MarkFlagsMutuallyExclusive("sso", "password", "password-stdin")
	cmd.MarkFlagsMutuallyExclusive("password", "port")
}

// bySSO signs a person in through a browser on this machine. The address is
// always shown: the browser can be on the other side of SSH, in another profile,
// or missing.
func (l *login) bySSO(ctx context.Context, conn connection) (session.Tokens, error) {
	in, err := session.NewBrowserSignIn(ctx, conn.profile, l.sessionOptions(), session.BrowserOptions{User: l.username, Port: l.port})
	if err != nil {
		return session.Tokens{}, err
	}
	defer in.Close()
	remote := browser.Remote(l.Getenv)
	if remote {
		fmt.Fprintf(l.Err, "This is an SSH session. On the computer with your browser, run this first and leave it running:\n\n  %s\n\n", safe(browser.Tunnel(l.Getenv, in.Port())))
	}
	fmt.Fprintf(l.Err, "Sign in with this address in your browser:\n\n  %s\n\n", safe(in.URL()))
	if !remote || l.Getenv("BROWSER") != "" {
		if err := browser.Real(runtime.GOOS, l.Getenv).Open(in.URL()); err != nil {
			l.debugf("opening a browser: %v", err)
		}
	}
	fmt.Fprintln(l.Err, "Waiting for the browser, for 5 minutes at most. Ctrl-C stops.")
	step, err := in.Wait(ctx)
	return step.Tokens, err
}

// way returns the way of the sign-in: the one of the flags, that of the last
// sign-in with the profile, or the first one of the server.
func (l *login) way(p session.Profile) api.Way {
	offer, last := p.Config.Offer(), session.LastWay(l.Folders, p)
	switch {
	case l.device:
		return api.WayDevice
	case l.sso, l.port != 0:
		return api.WaySSO
	case l.browserLogin.password, l.passwordIn, l.username != "":
		return api.WayPassword
	case l.InTTY && (last == api.WaySSO || last == api.WayDevice):
		return last
	case offer.Has(api.WayPassword), offer.Has(api.WayCode):
		return api.WayPassword
	case offer.Has(api.WayDevice) && (browser.Remote(l.Getenv) || !offer.Has(api.WaySSO)):
		return api.WayDevice
	}
	return api.WaySSO
}
