package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/quantity"
	"usher/session"
	"usher/session/browser"
)

func groups(names []string) string {
	if len(names) == 0 {
		return "no groups"
	}
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = safe(n)
	}
	return strings.Join(shown, ", ")
}

// fewGroups returns a text that fits a line; usher whoami lists all groups.
func fewGroups(names []string) string {
	const most = 8
	if len(names) > most {
		return quantity.Count(len(names)) + " groups"
	}
	return groups(names)
}

// listOf returns names, or an empty slice for nil, which JSON would write as null.
func listOf(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

func (a *app) logoutCommand() *cobra.Command {
	var everywhere, forget bool
	cmd := &cobra.Command{
		Use:        "logout",
		SuggestFor: []string{"signout", "sign-out"},
		Short:      "Sign out",
		GroupID:    "session",
		Long: `Sign out: the server records it, the sign-in service ends the session, and this machine deletes the sign-in, even without a network.

With --json: {"signed_out","server"}; signed_out is false if you were not signed in.`,
		Example: `
usher logout

# End your sign-ins on all machines
usher logout --everywhere

# The next sign-in here needs the second factor again
usher logout --forget
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "logout takes no arguments."); err != nil {
				return err
			}
			return a.logout(cmd.Context(), everywhere, forget)
		}),
	}
	cmd.Flags().BoolVar(&everywhere, "everywhere", false, "end your sign-ins on all machines")
	cmd.Flags().BoolVar(&forget, "forget", false, "also make the sign-in service forget this machine")
	return cmd
}

func (a *app) logout(ctx context.Context, everywhere, forget bool) error {
	p, err := a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
	if err != nil {
		return err
	}
	conn, err := a.connectTo(p, p.Config.AuditLog.Key, a.transport()) // no check of the server, because no secret is typed
	if err != nil {
		return err
	}
	_, _, was := conn.session.Person()
	inBrowser := conn.session.Way() == api.WaySSO || conn.session.Way() == api.WayDevice
	ending := session.Ending{Forget: forget, Tell: func(ctx context.Context, token string) error {
		err := conn.client.Signout(ctx, token)
		if err != nil {
			a.debugf("recording the sign-out: %v", err)
		}
		return err
	}}
	if everywhere {
		ending.Tell, ending.Everywhere = nil, conn.client.SignoutEverywhere
	}
	if err := a.Folders.DropCache(cacheFile(p)); err != nil {
		return err
	}
	if err := conn.session.SignOut(ctx, ending); err != nil {
		return err
	}
	if everywhere && inBrowser {
		a.endInBrowser(p)
	}
	switch {
	case a.json:
		a.writeJSON(a.Out, logoutLine{was, p.Server})
	case !was:
		fmt.Fprintf(a.Err, "You were not signed in to %s.\n", hostOf(p))
	case everywhere:
		fmt.Fprintf(a.Err, "You are signed out of %s on all machines.\n", hostOf(p))
	default:
		fmt.Fprintf(a.Err, "You are signed out of %s.\n", hostOf(p))
	}
	return nil
}

// endInBrowser ends the sign-in of the browser at the pool's pages, which lasts
// for an hour: it opens their sign-out page, or prints its address where no
// browser of this machine is the person's.
func (a *app) endInBrowser(p session.Profile) {
	address := session.LogoutURL(p)
	if address == "" {
		return
	}
	if a.ErrTTY && !browser.Remote(a.Getenv) && browser.Real(runtime.GOOS, a.Getenv).Open(address) == nil {
		fmt.Fprintln(a.Err, "Your browser opens the sign-out page of your company sign-in.")
		return
	}
	fmt.Fprintf(a.Err, "Your browser may still be signed in to your company, for up to an hour. To end that, open:\n\n  %s\n\n", safe(address))
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:        "whoami",
		SuggestFor: []string{"me", "who"},
		Short:      "Show your user, groups and server",
		GroupID:    "session",
		Long: `Show your user name at the server, your current groups in the directory, and the time within which a revocation takes effect.

With --json: {"person","groups","grants_version","bound_seconds","session_start","server","organisation","stored"}; stored is "file", or "keyring" if the sign-in is sealed with a key in the keyring.`,
		Example: `
usher whoami
usher whoami --json
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "whoami takes no arguments."); err != nil {
				return err
			}
			return a.whoami(cmd.Context())
		}),
	}
}

// storedIn returns the place of the key of the stored sign-in.
func storedIn(s *session.Session) string {
	if s.Sealed() {
		return "keyring"
	}
	return "file"
}

func (a *app) whoami(ctx context.Context) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	who, err := conn.client.Whoami(ctx)
	if err != nil {
		return err
	}
	who.Groups = listOf(who.Groups)
	if a.json {
		a.writeJSON(a.Out, whoamiLine{who, conn.profile.Server, conn.profile.Config.Organisation, storedIn(conn.session)})
		return nil
	}
	var t table
	t.add("person", safe(who.Person.Username))
	if who.Person.Email != "" {
		t.add("email", safe(who.Person.Email))
	}
	t.add("groups", groups(who.Groups))
	if n := who.OpenRequests; n > 0 {
		t.add("requests", quantity.Plural(n, "open one", "open ones")+" for access: usher access requests")
	}
	t.add("server", fmt.Sprintf("%s (%s)", hostOf(conn.profile), safe(conn.profile.Config.Organisation)))
	t.add("since", who.SessionStart.Local().Format("2006-01-02 15:04"))
	t.add("stored", map[string]string{"file": "in a file that only you can read", "keyring": "in a file, sealed with a key in your keyring"}[storedIn(conn.session)])
	t.add("revocation", fmt.Sprintf("takes effect within %d s", who.BoundSeconds))
	a.writeTable(&t)
	return nil
}

// logoutLine is a line of JSON output.
type logoutLine struct {
	SignedOut bool   `json:"signed_out"`
	Server    string `json:"server"`
}

// whoamiLine is a line of JSON output.
type whoamiLine struct {
	api.Whoami
	Server       string `json:"server"`
	Organisation string `json:"organisation"`
	Stored       string `json:"stored"`
}
