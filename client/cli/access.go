package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
)

func (a *app) accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "access",
		SuggestFor: []string{"explain", "why", "can"},
		Short:      "Explain who can see which files, and request access",
		GroupID:    "log",
		Long: `Show who can see which files, and why, as the server decides it. explain, who, can and review are for members of the admins' and of the auditors' group; each query is recorded in the audit log.

Every person can request access to a path. Members of the admins' group list the requests, and approve or decline them.

A PATH is bucket/key, byte for byte; a folder ends in "/".`,
		Example: `
usher access request company-reports/board-packs/ --reason "audit 2026"
usher access explain grace company-reports/annual/2018-balance-sheet.csv
usher access who company-reports/annual/audited/
usher access can alan
usher access review company-reports/
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			return unknown(cmd, args, "a subcommand: explain, who, can, review, request, requests, approve or decline")
		}),
	}
	cmd.AddCommand(a.requestCommands()...)
	cmd.AddCommand(
		a.explainCommand(),
		a.accessReviewCommand(),
		&cobra.Command{
			Use: "who PATH", Short: "Show who can read a path",
			Long:    "List the groups and the people who can read an object, or anything in a folder.",
			Example: "\nusher access who company-reports/annual/audited/\nusher access who --json builds/ | jq -r '.people[].username'\n",
			RunE:    a.run(a.accessWho),
		},
		&cobra.Command{
			Use: "can USER", Short: "Show the paths that a person can see",
			Long:    "List the smallest set of paths that covers everything a person can see, with the denied paths below them.",
			Example: "\nusher access can alan\n",
			RunE:    a.run(a.accessCan),
		},
	)
	return cmd
}

// forReviewers replaces not_found by a sentence that names both groups.
func forReviewers(err error, config api.Config) error {
	return instead(err, fmt.Sprintf("There is no such person or request, or you may not use these commands: they are for the groups %s and %s.", safe(config.AdminsGroup), safe(config.AuditorsGroup)))
}

// forAdmins replaces not_found by a sentence that names the admins' group.
func forAdmins(err error, group string) error {
	return instead(err, fmt.Sprintf("There is no such person, or you may not use these commands: they are for the group %s.", safe(group)))
}

// instead replaces not_found by a sentence, with the request ID.
func instead(err error, text string) error {
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != api.NotFound {
		return err
	}
	if answer.RequestID != "" {
		text += " (request " + answer.RequestID + ")"
	}
	return &failedError{text: text, exit: api.ExitNotFound, cause: err}
}

// grantLine returns a grant with its reason.
func grantLine(g api.Grant) string {
	line := safe(g.Text)
	if g.Reason != "" {
		line += "  (" + safe(g.Reason) + ")"
	}
	return line
}

func (a *app) accessWho(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 1, 1, "who takes the PATH of an object or a folder."); err != nil {
		return err
	}
	where, err := parsePath(args[0], false)
	if err != nil {
		return err
	}
	if where.IsRoot() {
		return usagef("Name a bucket, a folder or an object.")
	}
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	out, err := conn.client.Who(cmd.Context(), api.WhoRequest(where))
	if err != nil {
		return forReviewers(err, conn.profile.Config)
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	if len(out.Groups) == 0 {
		fmt.Fprintln(a.Out, "No group can read anything there.")
		return nil
	}
	part := func(whole bool) string {
		if whole {
			return "all of it"
		}
		return "parts"
	}
	var t table
	t.add("GROUP", "READS", "BY")
	for _, g := range out.Groups {
		var by []string
		for _, x := range g.Grants {
			by = append(by, grantLine(x))
		}
		t.add(safe(g.Group), part(g.Whole), strings.Join(by, "; "))
	}
	a.writeTable(&t)
	fmt.Fprintln(a.Out)
	t = table{}
	t.add("PERSON", "READS", "THROUGH")
	for _, p := range out.People {
		name := safe(p.Username)
		if !p.Enabled {
			name += " (disabled)"
		}
		t.add(name, part(p.Whole), safe(strings.Join(p.Groups, ", ")))
	}
	a.writeTable(&t)
	return nil
}

func (a *app) accessCan(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 1, 1, "can takes the name of a person."); err != nil {
		return err
	}
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	out, err := conn.client.Can(cmd.Context(), api.CanRequest{User: args[0]})
	if err != nil {
		return forReviewers(err, conn.profile.Config)
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	if len(out.Roots) == 0 {
		fmt.Fprintf(a.Out, "%s can see nothing.\n", safe(out.User))
		return nil
	}
	for _, r := range out.Roots {
		fmt.Fprintf(a.Out, "%s  by %s\n", safe(grantPath(r.Grant)), grantLine(r.Grant))
		for _, e := range r.Except {
			fmt.Fprintf(a.Out, "  but not %s  by %s\n", safe(grantPath(e)), grantLine(e))
		}
	}
	return nil
}

func grantPath(g api.Grant) string {
	if g.Prefix != nil {
		return g.Bucket + "/" + *g.Prefix
	}
	return g.Bucket + "/" + g.Object
}

func (a *app) grantsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "grants",
		Short:   "Show, preview and change the grants",
		GroupID: "log",
		Long: `Show the grants in force, preview the effect of a changed file, or change them. For members of the admins' group; each query is recorded in the audit log.

A grant gives a group one prefix that ends in "/", one object, or with prefix "" a whole bucket. effect: deny always wins.`,
		Example: `
usher grants list
usher grants diff new.yaml
usher grants apply new.yaml
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			return unknown(cmd, args, "a subcommand: list, diff, apply, add or remove")
		}),
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "Show the grants in force",
			Long:    "Show the grants in force. If a newer file was refused, show its errors.",
			Example: "\nusher grants list\n",
			RunE:    a.run(a.listGrants),
		},
		&cobra.Command{
			Use: "diff FILE", Short: "Show the changes that a grants file would make",
			Long:    "Send a grants file to the server and show the paths that would appear and disappear for each person. Nothing is changed. If the file has an error, show its line and the fix; the exit code is 64. The file - is stdin.",
			Example: "\nusher grants diff new.yaml\n",
			RunE:    a.run(a.diffGrants),
		},
	)
	cmd.AddCommand(a.editCommands()...)
	return cmd
}

func (a *app) listGrants(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 0, 0, "list takes no arguments."); err != nil {
		return err
	}
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	out, err := conn.client.GrantsList(cmd.Context())
	if err != nil {
		return forAdmins(err, conn.profile.Config.AdminsGroup)
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	a.grantTable(out.Grants)
	if out.Problem != "" {
		fmt.Fprintf(a.Err, "A newer file was refused; these grants are still in force:\n%s\n", strings.ReplaceAll(safe(out.Problem), `\u{a}`, "\n"))
	}
	return nil
}

// grantTable prints grants.
func (a *app) grantTable(all []api.Grant) {
	var t table
	t.add("GROUP", "EFFECT", "PATH", "FROM", "UNTIL", "REASON")
	for _, g := range all {
		from, until := "", ""
		if g.NotBefore != nil {
			from = g.NotBefore.UTC().Format("2006-01-02 15:04")
		}
		if g.Expires != nil {
			until = g.Expires.UTC().Format("2006-01-02 15:04")
		}
		t.add(safe(g.Group), safe(g.Effect), safe(grantPath(g)), from, until, safe(g.Reason))
	}
	a.writeTable(&t)
}

// diffGrants sends the text as JSON, which may need two bytes for one byte.
func (a *app) diffGrants(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 1, 1, "diff takes the name of a grants file, or - for stdin."); err != nil {
		return err
	}
	text, err := await(cmd.Context(), func() (string, error) { return a.readGrants(args[0], api.MaxDiffBody/2) })
	if err != nil {
		return err
	}
	conn, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	out, err := conn.client.GrantsDiff(cmd.Context(), api.GrantsDiffRequest{Text: text})
	if err != nil {
		return forAdmins(err, conn.profile.Config.AdminsGroup)
	}
	if a.json {
		a.writeJSON(a.Out, out)
	}
	if len(out.Problems) > 0 {
		var lines []string
		for _, p := range out.Problems {
			lines = append(lines, fmt.Sprintf("%s:%d:%d: %s; %s", safe(args[0]), p.Line, p.Column, safe(p.Problem), safe(p.Fix)))
		}
		return usagef("%s", "This file would be refused.\n"+strings.Join(lines, "\n"))
	}
	if a.json {
		return nil
	}
	for _, g := range out.Added {
		fmt.Fprintln(a.Out, "+ "+grantLine(g))
	}
	for _, g := range out.Removed {
		fmt.Fprintln(a.Out, "- "+grantLine(g))
	}
	if len(out.People) == 0 {
		fmt.Fprintln(a.Out, "No person's access would change.")
		return nil
	}
	for _, p := range out.People {
		fmt.Fprintln(a.Out, safe(p.Username))
		for _, path := range p.Appears {
			fmt.Fprintln(a.Out, "  appears     "+safe(path))
		}
		for _, path := range p.Disappears {
			fmt.Fprintln(a.Out, "  disappears  "+safe(path))
		}
	}
	return nil
}

// maxGrantsFile is the limit of the server for a grants file that is sent
// compressed, in bytes.
const maxGrantsFile = 32 << 20

// readGrants reads a grants file of at most most bytes.
func (a *app) readGrants(name string, most int) (string, error) {
	in, err := openInput(name, a.In)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	raw, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	if err != nil {
		return "", &failedError{text: fmt.Sprintf("Can't read %s.", safe(name)), exit: api.ExitDisk, cause: err}
	}
	if len(raw) > most {
		return "", usagef("%s is too large: at most %d kB.", safe(name), most/1000)
	}
	return string(raw), nil
}
