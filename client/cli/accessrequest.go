package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client"
	"usher/client/approval"
)

// requestCommands are the commands of requests for access.
func (a *app) requestCommands() []*cobra.Command {
	return []*cobra.Command{a.requestCommand(), a.requestsCommand(), a.approveCommand(), a.declineCommand()}
}

func (a *app) requestCommand() *cobra.Command {
	var reason, withdraw string
	var list bool
	cmd := &cobra.Command{
		Use: "request PATH", Short: "Request access to a path",
		Long: `Send your administrators a request for access to an object, a folder that ends in "/", or a bucket. The answer is the same for every path: it does not show whether anything is there. A request ends after 30 days without an answer, and another one for the same path replaces it. You can have 10 open requests. Each is recorded in the audit log.

With --list, show your requests and their answers. With --withdraw, take back an open one. Everyone who is signed in can run it.`,
		Example: `
usher access request company-reports/board-packs/ --reason "audit 2026"
usher access request --list
usher access request --withdraw 3f2a9c5e1b7d4086
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			switch withdraws := cmd.Flags().Changed("withdraw"); {
			case list && withdraws:
				return usagef("Use one of --list and --withdraw.")
			case (list || withdraws) && cmd.Flags().Changed("reason"):
				return usagef("Use --reason with a PATH: it is the reason of a request.")
			case list:
				if err := checkArgs(cmd, args, 0, 0, "request --list takes no other arguments."); err != nil {
					return err
				}
				return a.listAsked(cmd.Context())
			case withdraws:
				if err := checkArgs(cmd, args, 0, 0, "request --withdraw ID takes no other arguments."); err != nil {
					return err
				}
				return a.withdraw(cmd.Context(), withdraw)
			}
			if err := checkArgs(cmd, args, 1, 1, "request takes the PATH of an object, a folder or a bucket."); err != nil {
				return err
			}
			return a.askFor(cmd.Context(), args[0], reason)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "the reason, for the administrators")
	cmd.Flags().BoolVar(&list, "list", false, "show your requests and their answers")
	cmd.Flags().StringVar(&withdraw, "withdraw", "", "withdraw an open request with this `ID`, which --list shows")
	return cmd
}

func checkReason(text string) error {
	if err := approval.CheckReason(text); err != nil {
		return usagef("%s", err)
	}
	return nil
}

func checkAskID(text string) error {
	if err := approval.CheckID(text); err != nil {
		return usagef("%s", err)
	}
	return nil
}

func (a *app) withdraw(ctx context.Context, id string) error {
	if err := checkAskID(id); err != nil {
		return err
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out, err := conn.client.Withdraw(ctx, api.WithdrawRequest{Request: id})
	if err != nil {
		return instead(err, approval.NoneOwn+" List your requests with usher access request --list.")
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	fmt.Fprintln(a.Out, approval.Withdrawn(out))
	return nil
}

func (a *app) askFor(ctx context.Context, path, reason string) error {
	where, err := parsePath(path, false)
	if err != nil {
		return err
	}
	if where.IsRoot() {
		return usagef("Name a bucket, a folder or an object.")
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out, err := conn.client.Ask(ctx, api.AskRequest{Bucket: where.Bucket, Key: where.Key, Reason: reason})
	if err != nil {
		return err
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	fmt.Fprintf(a.Out, "Your administrators have the request %s for %s. It ends after %d days. Its answer: usher access request --list\n",
		safe(out.Request), safe(where.String()), out.Days)
	if note := approval.Meaning(where); note != "" {
		a.hint("%s", note)
	}
	return nil
}

func (a *app) listAsked(ctx context.Context) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out, err := conn.client.Asked(ctx)
	if err != nil {
		return err
	}
	var t table
	t.add("ID", "REQUESTED (UTC)", "STATE", "PATH", "REASON", "ANSWER")
	for _, q := range out.Requests {
		if a.json {
			a.writeJSON(a.Out, q)
			continue
		}
		t.add(safe(q.Request), q.Asked.UTC().Format("2006-01-02 15:04"), safe(q.State), safe(approval.Path(q)), safe(q.Reason), safe(q.Answer))
	}
	switch {
	case a.json:
	case len(out.Requests) == 0:
		fmt.Fprintln(a.Out, "You have no requests for access.")
	default:
		a.writeTable(&t)
	}
	return nil
}

func (a *app) requestsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "requests", Short: "List the open requests for access",
		Long: `List the open requests for access, the oldest first: the person with the current groups, the path, the reason, and the nearest grant of these groups. For members of the admins' group.

usher access approve ID and usher access decline ID answer one.`,
		Example: "\nusher access requests\nusher access requests --json | jq -r 'select(.allowed) | .request'\n",
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "requests takes no arguments."); err != nil {
				return err
			}
			return a.listAsking(cmd.Context())
		}),
	}
}

// eachAsking calls do for each open request until it returns false.
func eachAsking(ctx context.Context, c *client.Client, do func(api.Asking) bool) error {
	for in := (api.AskingRequest{}); ; {
		page, err := c.Asking(ctx, in)
		if err != nil {
			return err
		}
		for _, q := range page.Requests {
			if in.After = q.Request; !do(q) {
				return nil
			}
		}
		if !page.More || len(page.Requests) == 0 {
			return nil
		}
	}
}

func (a *app) listAsking(ctx context.Context) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	n := 0
	var t table
	t.add("ID", "REQUESTED (UTC)", "PERSON", "GROUPS", "PATH", "NEAREST GRANT", "REASON")
	err = eachAsking(ctx, conn.client, func(q api.Asking) bool {
		if n++; a.json {
			a.writeJSON(a.Out, q)
			return true
		}
		person, nearest := safe(q.User), ""
		switch {
		case q.Gone:
			person += " (gone)"
		case q.Allowed:
			nearest = "can read it now"
		case q.Nearest != nil:
			nearest = safe(q.Nearest.Text)
		}
		t.add(safe(q.Request), q.Asked.Asked.UTC().Format("2006-01-02 15:04"), person, safe(strings.Join(q.Groups, ", ")), safe(approval.Path(q.Asked)), nearest, safe(q.Reason))
		return true
	})
	switch {
	case err != nil:
		return forAdmins(err, conn.profile.Config.AdminsGroup)
	case a.json:
	case n == 0:
		fmt.Fprintln(a.Out, "There are no open requests.")
	default:
		a.writeTable(&t)
	}
	return nil
}

// approveFlags are the flags of an approval.
type approveFlags struct {
	group, until, reason string
	yes                  bool
}

func (a *app) approveCommand() *cobra.Command {
	var f approveFlags
	cmd := &cobra.Command{
		Use: "approve ID", Short: "Approve a request for access, for a time",
		Long: `Add a grant of the requested path to a group of the person, until a time. All members of the group get the access; the command names them, and changes nothing before you agree. The change is in force at once, and the audit log has the answer and the change.

Without --group, the group is that of the nearest grant, else the first one of the person. With a grants file on the server, add the printed line to the file; the command then closes the request.`,
		Example: `
usher access approve 3f2a9c5e1b7d4086
usher access approve 3f2a9c5e1b7d4086 --group auditors-ext --for 14d
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "approve takes the ID of a request: usher access requests lists them."); err != nil {
				return err
			}
			return a.approve(cmd.Context(), args[0], f)
		}),
	}
	cmd.Flags().StringVar(&f.group, "group", "", "a group of the person, for the grant")
	cmd.Flags().StringVar(&f.until, "for", approval.DefaultTime, "time until the access ends: 12h, 7d, or a date such as 2026-12-31")
	cmd.Flags().StringVar(&f.reason, "reason", "", "the reason, kept with the grant and shown to the person")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "approve without a prompt")
	return cmd
}

func (a *app) declineCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "decline ID", Short: "Decline a request for access",
		Long:    "Close a request without giving access. The person sees the reason with usher access request --list. The audit log has the answer. For members of the admins' group.",
		Example: "\nusher access decline 3f2a9c5e1b7d4086 --reason \"use the public data\"\n",
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "decline takes the ID of a request: usher access requests lists them."); err != nil {
				return err
			}
			return a.decline(cmd.Context(), args[0], reason)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "the reason, for the person")
	return cmd
}

// forRequests replaces not_found by a sentence about requests.
func forRequests(err error, group string) error {
	return instead(err, approval.NoRequest(group)+" List the open ones with usher access requests.")
}

func (a *app) decline(ctx context.Context, id, reason string) error {
	if err := checkAskID(id); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out, err := conn.client.Answer(ctx, api.AnswerRequest{Request: id, Reason: reason})
	if err != nil {
		return forRequests(err, conn.profile.Config.AdminsGroup)
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	fmt.Fprintln(a.Out, approval.Declined(out))
	return nil
}

func (a *app) approve(ctx context.Context, id string, f approveFlags) error {
	if err := checkAskID(id); err != nil {
		return err
	}
	if err := checkReason(f.reason); err != nil {
		return err
	}
	until, err := approval.Until(f.until, a.Now())
	if err != nil {
		return usagef("%s", err)
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	admins := conn.profile.Config.AdminsGroup
	var q api.Asking
	err = eachAsking(ctx, conn.client, func(x api.Asking) bool {
		if x.Request == id {
			q = x
		}
		return x.Request != id
	})
	if err != nil {
		return forAdmins(err, admins)
	}
	if q.Request == "" {
		return forRequests(&api.Error{Code: api.NotFound}, admins)
	}
	in := api.AnswerRequest{Request: id, Approve: true, Group: cmp.Or(f.group, q.Group), Expires: &until, Reason: f.reason, Preview: true}
	preview, err := conn.client.Answer(ctx, in)
	var refused *api.Error
	switch {
	case errors.As(err, &refused) && refused.Code == api.GrantsFixed:
		return &failedError{text: approval.Fixed() + "\n" + approval.FileLine(q, in), exit: api.ExitUsage, cause: err}
	case err != nil:
		return forRequests(err, admins)
	}
	if len(preview.Problems) > 0 {
		return answerProblems(preview)
	}
	if err := a.confirmApproval(ctx, q, preview, until, f.yes); err != nil {
		return err
	}
	in.Preview = false
	out, err := conn.client.Answer(ctx, in)
	switch {
	case err != nil:
		return forRequests(err, admins)
	case len(out.Problems) > 0:
		return answerProblems(out)
	case a.json:
		a.writeJSON(a.Out, out)
	default:
		fmt.Fprintln(a.Out, approval.Approved(q.Asked, out))
	}
	return nil
}

// confirmApproval shows the grant and its group, and waits for the confirmation.
func (a *app) confirmApproval(ctx context.Context, q api.Asking, preview api.AnswerResponse, until time.Time, yes bool) error {
	if preview.Grant == nil {
		return nil // nothing is given
	}
	if !yes || a.ErrTTY {
		fmt.Fprintf(a.Err, "%s, in %s, requests %s\n", safe(q.User), safe(strings.Join(q.Groups, ", ")), safe(approval.Path(q.Asked)))
		if q.Reason != "" {
			fmt.Fprintf(a.Err, "Reason: %s\n", safe(q.Reason))
		}
		fmt.Fprintf(a.Err, "Grant: %s\nUntil: %s UTC\n", safe(preview.Grant.Text), until.UTC().Format("2006-01-02 15:04"))
		fmt.Fprintln(a.Err, approval.Others(preview))
	}
	if yes {
		return nil
	}
	if !a.InTTY {
		return usagef("There is no terminal for a prompt. If the grant above is right, add --yes.")
	}
	answer, err := a.prompt(ctx, "Approve? [y/N] ")
	if err != nil {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return usagef("Nothing was changed.")
	}
	return nil
}

func answerProblems(out api.AnswerResponse) error {
	return usagef("%s", strings.Join(approval.Problems(out), "\n"))
}
