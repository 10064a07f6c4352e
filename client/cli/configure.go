package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/proof"
	"usher/session"
)

func (a *app) configureCommand() *cobra.Command {
	var yes bool
	var mode string
	cmd := &cobra.Command{
		Use:        "configure URL",
		SuggestFor: []string{"setup", "init"},
		Short:      "Trust a server",
		GroupID:    "session",
		Long: `Fetch the settings of a server, show them, and trust the server after you agree. From then on usher refuses the server if its organization, region, user pool, ways to sign in or storage changes.

URL#PIN, as the server prints it when it starts, trusts without a prompt the settings with this hash, and refuses all others.

With --keyring, the stored sign-in is sealed with a key in the keyring of the system: auto does so where a keyring is there and unlocked, always requires one, never leaves it out. usher whoami shows the result.

With --profile the server is saved under that name. The first saved server is the default. With --json: {"profile","server","config"}.`,
		Example: `
usher configure https://files.example.com

# With the pin from the server's log, no prompt
usher configure https://files.example.com#k3y5d7q2m4a6c2e4g6i2k4m6o2

# In a script, for an address that you trust
usher configure --yes --profile work https://files.example.com
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "configure takes the server's address, like https://files.example.com."); err != nil {
				return err
			}
			return a.configure(cmd.Context(), args[0], yes, mode)
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "trust the server without a prompt")
	cmd.Flags().StringVar(&mode, "keyring", "auto", "seal sign-ins with a key in the keyring: auto, always or never")
	return cmd
}

func (a *app) configure(ctx context.Context, address string, yes bool, mode string) error {
	keyring, ok := session.ParseKeyringMode(mode)
	if !ok {
		return usagef("--keyring is auto, always or never.")
	}
	address, pin, pinned := strings.Cut(address, "#")
	config, err := session.Discover(ctx, address)
	if err != nil {
		return err
	}
	if pinned && pin != config.Pin() {
		return &session.PinMismatch{Server: address, Want: safetext.New(pin), Got: config.Pin()}
	}
	p, err := session.NewProfile(a.profile, address, config)
	if err != nil {
		return err
	}
	p.Keyring = keyring
	a.introduce(p)
	if old, err := a.Folders.LoadProfile(p.Name); err == nil {
		if old.Server != p.Server {
			fmt.Fprintf(a.Err, "The profile %s was for %s until now.\n", p.Name, safe(old.Server))
		} else if err := session.CheckPinned(old.Config, p.Config); err != nil {
			fmt.Fprintln(a.Err, "These settings differ from those that you trusted. If you did not expect a change, ask your administrator.")
		}
	}
	if !yes && !pinned {
		if !a.InTTY {
			return usagef("There is no terminal for a prompt. If this is the right server, add --yes, or give its address with the pin from its log.")
		}
		answer, err := a.prompt(ctx, "Trust this server? [y/N] ")
		if err != nil {
			return err
		}
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return usagef("Nothing was saved.")
		}
	}
	if err := a.Folders.SaveProfile(p); err != nil {
		return err
	}
	kept, err := proof.Forget(a.Folders, p.Place())
	if err != nil {
		return err
	}
	if kept != "" {
		fmt.Fprintf(a.Err, "The last checkpoint of the previous audit log is now in %s.\n", safe(kept))
	}
	if a.json {
		a.writeJSON(a.Out, configureLine{p.Name, p.Server, p.Config})
		return nil
	}
	next := "usher login"
	if a.Folders.Default() != p.Name {
		next += " --profile " + p.Name
	}
	fmt.Fprintf(a.Err, "Saved as %s. Now sign in: %s\n", p.Name, next)
	return nil
}

// introduce prints the settings that the person is about to trust.
func (a *app) introduce(p session.Profile) {
	var t table
	t.add("Organization", safe(p.Config.Organisation))
	t.add("Server", safe(p.Server))
	t.add("Region", safe(p.Config.Region))
	t.add("User pool", safe(p.Config.UserPoolID))
	t.add("Downloads", safe(strings.Join(p.Config.S3Hosts, ", ")))
	label := "Sign-in"
	for _, way := range waysTexts(p.Config.Offer()) { // one a row, for narrow terminals
		t.add(label, safe(way))
		label = ""
	}
	if key := p.Config.AuditLog.Key; key != "" {
		t.add("Audit log", safe(key))
	}
	t.write(a.Err)
}

// waysTexts lists the ways to sign in.
func waysTexts(offer api.SignIn) (ways []string) {
	for _, w := range offer.Ways {
		switch w {
		case api.WayPassword:
			ways = append(ways, "user name and password")
		case api.WayCode:
			ways = append(ways, "a code by mail or SMS")
		case api.WaySSO:
			text := "company sign-in at " + offer.HostedUI
			for i, p := range offer.Providers {
				text += map[bool]string{true: ": ", false: ", "}[i == 0] + p.Label
			}
			ways = append(ways, text)
		case api.WayDevice:
			ways = append(ways, "a browser on another device")
		}
	}
	return ways
}

// configureLine is a line of JSON output.
type configureLine struct {
	Profile string     `json:"profile"`
	Server  string     `json:"server"`
	Config  api.Config `json:"config"`
}
