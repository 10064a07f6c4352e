package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
)

func (a *app) explainCommand() *cobra.Command {
	var request string
	cmd := &cobra.Command{
		Use: "explain USER PATH", Short: "Show why a person can or cannot read an object",
		Long: `Show the grant that allows a person to read an object, the grant that denies it, or the grants that would allow it.

With --request, show the recorded decisions of a request, and the decision that the server would make now. A person who was refused has the id of the request from the error message. Admins see the refused and failed decisions, auditors all.`,
		Example: `
usher access explain grace company-reports/annual/2018-balance-sheet.csv
usher access explain --request 01KATV2M7Q4YB8ZWJ5R9C0XN3D
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if request != "" {
				if err := checkArgs(cmd, args, 0, 0, "explain --request takes no other arguments."); err != nil {
					return err
				}
				return a.explainPast(cmd.Context(), request)
			}
			if err := checkArgs(cmd, args, 2, 2, "explain takes the name of a person and the PATH of an object, or --request ID."); err != nil {
				return err
			}
			return a.accessExplain(cmd.Context(), args[0], args[1])
		}),
	}
	cmd.Flags().StringVar(&request, "request", "", "explain the request with this id")
	return cmd
}

func (a *app) accessExplain(ctx context.Context, user, path string) error {
	where, err := parsePath(path, false)
	if err != nil {
		return err
	}
	if where.IsFolder() {
		return usagef("%s is a folder. Name an object, or use usher access who %s", safe(path), shellQuote(path))
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out, err := conn.client.Explain(ctx, api.ExplainRequest{User: user, Bucket: where.Bucket, Key: where.Key})
	if err != nil {
		return forReviewers(err, conn.profile.Config)
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	a.printExplanation(out, where.String())
	return nil
}

// printExplanation prints the decision of now about an object.
func (a *app) printExplanation(out api.ExplainResponse, path string) {
	verdict := "cannot read"
	if out.Allowed {
		verdict = "can read"
	}
	fmt.Fprintf(a.Out, "%s %s %s.\n", safe(out.User), verdict, safe(path))
	groups := "no group"
	if len(out.Groups) > 0 {
		groups = safe(strings.Join(out.Groups, ", "))
	}
	fmt.Fprintf(a.Out, "In %s.\n", groups)
	list := func(title string, grants []api.Grant) {
		if len(grants) == 0 {
			return
		}
		fmt.Fprintln(a.Out, title)
		for _, g := range grants {
			fmt.Fprintln(a.Out, "  "+grantLine(g))
		}
	}
	list("These grants allow it:", out.Allows)
	list("These grants deny it, and a denial wins:", out.Denies)
	list("These grants are not valid now:", out.Asleep)
	if !out.Allowed {
		list("The other grants of these groups in this bucket:", out.Nearest)
		list("Groups that can read it:", out.Others)
		list("One of these grants would allow it:", out.Missing)
	}
}

// explainPast shows the recorded decisions of a request.
func (a *app) explainPast(ctx context.Context, request string) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out, err := conn.client.ExplainID(ctx, api.ExplainIDRequest{Request: request})
	if err != nil {
		return forReviewers(err, conn.profile.Config)
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	for _, d := range out.Decisions {
		path := safe(d.Bucket + "/" + d.Key)
		line := fmt.Sprintf("%s UTC  %s  %s  %s  %s", d.Time.UTC().Format("2006-01-02 15:04:05.000"), safe(d.User), safe(d.Action), safe(d.Outcome), path)
		if d.Reason != "" {
			line += ": " + safe(d.Reason)
		}
		if d.Grant != "" {
			line += "  by " + safe(d.Grant)
		}
		fmt.Fprintln(a.Out, line)
		if d.Now == nil {
			continue
		}
		var changed []string
		if d.GroupsChanged {
			changed = append(changed, "the groups of the person")
		}
		if d.GrantsChanged {
			changed = append(changed, "the grants")
		}
		if len(changed) > 0 {
			fmt.Fprintf(a.Out, "Since then %s have changed.\n", strings.Join(changed, " and "))
		}
		fmt.Fprint(a.Out, "Now: ")
		a.printExplanation(*d.Now, d.Bucket+"/"+d.Key)
	}
	return nil
}
