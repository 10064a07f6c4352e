package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/approval"
	"usher/client/quantity"
)

// editCommands are the commands that change the grants.
func (a *app) editCommands() []*cobra.Command {
	return []*cobra.Command{a.applyCommand(), a.addGrantCommand(), a.removeGrantCommand()}
}

func (a *app) applyCommand() *cobra.Command {
	var before string
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Put the grants of a file in force",
		Long: `Replace all grants by those of a file. The change is in force at once, and its audit event names you and both versions. If the file has an error, nothing changes.

If the version in force is not the one that you compared with (--before, shown by usher grants diff and usher grants list --json), nothing changes and the exit code is 5. Without --before it is compared with the version at the start of the command. The file - is stdin. For servers with grants in DynamoDB.

With --json: {"before","version","added","removed","event"}.`,
		Example: `
usher grants diff new.yaml
usher grants apply new.yaml
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error { return a.applyGrants(cmd, args, before) }),
	}
	cmd.Flags().StringVar(&before, "before", "", "the version that you compared with")
	return cmd
}

func (a *app) applyGrants(cmd *cobra.Command, args []string, before string) error {
	if err := checkArgs(cmd, args, 1, 1, "apply takes the name of a grants file, or - for stdin."); err != nil {
		return err
	}
	text, err := await(cmd.Context(), func() (string, error) { return a.readGrants(args[0], maxGrantsFile) })
	if err != nil {
		return err
	}
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	if before == "" {
		now, err := conn.client.GrantsList(cmd.Context())
		if err != nil {
			return forAdmins(err, conn.profile.Config.AdminsGroup)
		}
		before = now.Version
	}
	out, err := conn.client.GrantsApply(cmd.Context(), before, []byte(text))
	if err != nil {
		return forAdmins(err, conn.profile.Config.AdminsGroup)
	}
	return a.changed(out, args[0])
}

// grantFlags are the flags of a single grant.
type grantFlags struct {
	deny, breakGlass bool
	expires, reason  string
}

func (a *app) addGrantCommand() *cobra.Command {
	var f grantFlags
	cmd := &cobra.Command{
		Use: "add GROUP PATH", Short: "Add one grant",
		Long: `Add a grant of a group. PATH is a bucket, a folder that ends in "/", or one object. The change is in force at once, and its audit event names you.

--break-glass gives emergency access: it needs --expires within 24 hours and --reason, ends by itself, and raises an alarm event in the audit log. For servers with grants in DynamoDB.`,
		Example: `
usher grants add finance-team company-reports/annual/
usher grants add ops builds/ --break-glass --expires 2h --reason outage
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error { return a.addGrant(cmd, args, f) }),
	}
	cmd.Flags().BoolVar(&f.deny, "deny", false, "the grant denies")
	cmd.Flags().StringVar(&f.expires, "expires", "", "end of the grant: 2h, 7d, 2026-12-31 or 2026-12-31T12:00:00Z")
	cmd.Flags().StringVar(&f.reason, "reason", "", "the reason, kept with the grant")
	cmd.Flags().BoolVar(&f.breakGlass, "break-glass", false, "emergency access, which raises an alarm event")
	return cmd
}

// grant returns the grant of a command's arguments.
func (a *app) grant(args []string, f grantFlags) (api.Grant, error) {
	where, err := parsePath(args[1], false)
	if err != nil {
		return api.Grant{}, err
	}
	if where.IsRoot() {
		return api.Grant{}, usagef("A grant needs a bucket: usher grants add GROUP BUCKET/FOLDER/")
	}
	g := api.Grant{Group: args[0], Bucket: where.Bucket, Effect: "allow", Reason: f.reason}
	if f.deny {
		g.Effect = "deny"
	}
	if where.Key == "" || strings.HasSuffix(where.Key, "/") {
		g.Prefix = &where.Key
	} else {
		g.Object = where.Key
	}
	if f.expires == "" {
		return g, nil
	}
	end, err := approval.Until(f.expires, a.Now())
	if err != nil {
		return api.Grant{}, usagef("%s", err)
	}
	g.Expires = &end
	return g, nil
}

func (a *app) addGrant(cmd *cobra.Command, args []string, f grantFlags) error {
	if err := checkArgs(cmd, args, 2, 2, "add takes a group and a path: usher grants add GROUP PATH."); err != nil {
		return err
	}
	g, err := a.grant(args, f)
	if err != nil {
		return err
	}
	return a.edit(cmd, api.GrantsEditRequest{Add: []api.Grant{g}, BreakGlass: f.breakGlass})
}

func (a *app) removeGrantCommand() *cobra.Command {
	var f grantFlags
	cmd := &cobra.Command{
		Use: "remove GROUP PATH", Short: "Remove the grants of a group for a path",
		Long:    `Remove the grants of a group with exactly this path, whatever their times. With --deny, remove denials. The change is in force at once, and its audit event names you. For servers with grants in DynamoDB.`,
		Example: "\nusher grants remove finance-team company-reports/annual/\n",
		RunE:    a.run(func(cmd *cobra.Command, args []string) error { return a.removeGrants(cmd, args, f) }),
	}
	cmd.Flags().BoolVar(&f.deny, "deny", false, "remove denials")
	return cmd
}

func (a *app) removeGrants(cmd *cobra.Command, args []string, f grantFlags) error {
	if err := checkArgs(cmd, args, 2, 2, "remove takes a group and a path: usher grants remove GROUP PATH."); err != nil {
		return err
	}
	want, err := a.grant(args, f)
	if err != nil {
		return err
	}
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	now, err := conn.client.GrantsList(cmd.Context())
	if err != nil {
		return forAdmins(err, conn.profile.Config.AdminsGroup)
	}
	var found []api.Grant
	for _, g := range now.Grants {
		if g.Group == want.Group && grantPath(g) == grantPath(want) && g.Effect == want.Effect && (g.Prefix == nil) == (want.Prefix == nil) {
			found = append(found, g)
		}
	}
	if len(found) == 0 {
		return &failedError{text: "There is no such grant. List them with usher grants list.", exit: api.ExitNotFound}
	}
	return a.edit(cmd, api.GrantsEditRequest{Remove: found})
}

func (a *app) edit(cmd *cobra.Command, in api.GrantsEditRequest) error {
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	out, err := conn.client.GrantsEdit(cmd.Context(), in)
	if err != nil {
		return forAdmins(err, conn.profile.Config.AdminsGroup)
	}
	return a.changed(out, "")
}

// changed prints the outcome of a change.
func (a *app) changed(out api.GrantsChangeResponse, file string) error {
	if a.json {
		a.writeJSON(a.Out, out)
	}
	if len(out.Problems) > 0 {
		var lines []string
		for _, p := range out.Problems {
			line := safe(p.Problem) + "; " + safe(p.Fix)
			if file != "" {
				line = fmt.Sprintf("%s:%d:%d: %s", safe(file), p.Line, p.Column, line)
			}
			lines = append(lines, line)
		}
		return usagef("%s", "Nothing was changed.\n"+strings.Join(lines, "\n"))
	}
	switch {
	case a.json:
	case out.Before == out.Version:
		fmt.Fprintln(a.Out, "These grants are in force already.")
	default:
		fmt.Fprintf(a.Out, "%s added, %d removed, in force now (version %s, event %s).\n", quantity.Plural(out.Added, "grant", "grants"), out.Removed, safe(out.Version), safe(out.Event))
	}
	return nil
}
