package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
)

func (a *app) accessReviewCommand() *cobra.Command {
	return &cobra.Command{
		Use: "review [PATH]", Short: "List who may read, since which change, and the last use",
		Long: `List each person with each grant that reaches a PATH, or with all grants. For auditors, a row has the time of the change that gave the access, and the last listing, look or download below the path of the grant.

SINCE is the later one of the grant and the group. It is empty if the log has neither change: the access is older than the log. A group without members has one row without a person.`,
		Example: `
usher access review
usher access review company-reports/annual/audited/
usher access review --json | jq 'select(.last_used == null)'
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 1, "review takes the PATH of an object or a folder."); err != nil {
				return err
			}
			var where api.Path
			if len(args) > 0 {
				var err error
				if where, err = parsePath(args[0], false); err != nil {
					return err
				}
			}
			return a.accessReview(cmd.Context(), where)
		}),
	}
}

func (a *app) accessReview(ctx context.Context, where api.Path) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	t := table{widest: 60}
	t.add("PERSON", "GROUP", "PATH", "SINCE (UTC)", "LAST USED (UTC)", "GRANT")
	fromLog := true
	for in := (api.ReviewRequest{Bucket: where.Bucket, Key: where.Key}); ; {
		page, err := conn.client.Review(ctx, in)
		if err != nil {
			return forReviewers(err, conn.profile.Config)
		}
		fromLog = page.Log
		for _, r := range page.Rows {
			if a.json {
				a.writeJSON(a.Out, r)
				continue
			}
			t.add(reviewCells(r)...)
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			break
		}
	}
	if a.json {
		return nil
	}
	a.writeTable(&t)
	if !fromLog && a.ErrTTY {
		fmt.Fprintln(a.Err, "Times and last uses are from the audit log, which is for auditors.")
	}
	return nil
}

// reviewCells returns the cells of a row.
func reviewCells(r api.ReviewRow) []string {
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().Format("2006-01-02 15:04:05")
	}
	person, used := safe(r.Username), at(r.LastUsed)
	switch {
	case person == "":
		person = "(no members)"
	case !r.Enabled:
		person += " (disabled)"
	}
	if r.Denied {
		person += " (denied)"
	}
	if r.Searched != nil {
		used = "not since " + at(r.Searched)
	}
	return []string{person, safe(r.Group), safe(grantPath(r.Grant)), at(r.Since), used, grantLine(r.Grant)}
}
