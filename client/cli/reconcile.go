package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/audit/reconcile"
	"usher/client/quantity"
)

// reconcileRun is the command "audit reconcile".
type reconcileRun struct {
	*app
	life   int // seconds
	roles  []string
	others []string
}

// maxURLSeconds is the maximum life of a released URL.
const maxURLSeconds = 900

// listed is the number of rows of each kind in a table.
const listed = 20

func (a *app) reconcileCommand() *cobra.Command {
	run := &reconcileRun{app: a}
	cmd := &cobra.Command{
		Use:   "reconcile FILE...",
		Short: "Compare the audit log with the logs that AWS writes",
		Long: `Compare the audit log with AWS's own logs of the same reads. A FILE is a server access log of S3 (text, or JSON of CloudWatch Logs), data events of CloudTrail, or Cognito's sign-ins in CloudTrail, compressed with gzip or not; - is stdin. Of a folder, all files in it and below it are read. Files may overlap and may be in any order.

The result has the releases with a line in these logs and the bytes that S3 sent for each, releases without a line, and reads without a release. A read without a release is an alarm: usher did not release the object to that requester. A release without a line proves nothing: AWS delivers its logs at best effort, within hours.

A line belongs to a release by the event id in its signed URL, which must be of the same object, within the URL's life, by the server's own role, and of the person's own session of it. The server names its role. --role adds one, by its ARN: a role before a change, or that of another server. Addresses that differ are a hint: a proxy has such an effect too.

Only a GET of an object can belong to a release. A copy, a torrent or a selection (S3 Select) is always an alarm. Two lines of one request are one read if they agree, and an alarm if they differ. Lines that are not compared are counted by operation; an operation that this version does not know could be a read, so the exit code is 1.

Programs that may read the buckets without usher, such as a backup, are named with --other, by the ARN of their role session; * matches any text.

The exit code is 5 if there is an alarm, and 1 if a line was not understood. With --json: {"from","until","lines","doubles","other","fetched","bytes","no_line_seen","alarms","failed_sign_ins","requester_checked","signers","requester_unnamed","not_compared","not_understood"}.`,
		Example: `
usher audit reconcile access-2026-11-28-*
usher audit reconcile --other 'arn:aws:sts::*/backup/*' trail.json.gz
usher audit reconcile --role arn:aws:iam::111122223333:role/before logs
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "Name the log files: usher audit reconcile FILE..."); err != nil {
				return err
			}
			if run.life < 1 || run.life > maxURLSeconds {
				return usagef("--url-seconds is 1 to %d.", maxURLSeconds)
			}
			return run.run(cmd.Context(), args)
		}),
	}
	cmd.Flags().IntVar(&run.life, "url-seconds", maxURLSeconds, "life of a released URL in seconds: url_seconds of the server's configuration")
	cmd.Flags().StringArrayVar(&run.roles, "role", nil, "ARN of a role or user that signs URLs, beside the server's own")
	cmd.Flags().StringArrayVar(&run.roles, "reader-role", nil, "name of a role that signs URLs")
	_ = cmd.Flags().MarkDeprecated("reader-role", "use --role ARN, which compares the account too")
	cmd.Flags().StringArrayVar(&run.others, "other", nil, "ARN of a requester that may read without usher")
	return cmd
}

func (r *reconcileRun) run(ctx context.Context, files []string) error {
	compare, err := reconcile.New(reconcile.Config{Life: time.Duration(r.life) * time.Second, Others: r.other})
	if err != nil {
		return err
	}
	unread, err := r.readLogs(ctx, files, compare)
	if err != nil {
		return err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	known, err := signers(ctx, conn.client.AuditSummary, r.roles)
	if err != nil {
		return forAuditors(err, conn.profile.Config.AuditorsGroup)
	}
	report, err := compare.Compare(known, releases(ctx, conn.client.AuditQuery, compare, ""))
	if err != nil {
		return forAuditors(err, conn.profile.Config.AuditorsGroup)
	}
	r.noteRequesters(report)
	if r.json {
		r.writeJSON(r.Out, reconcileLine{report, unread})
	} else {
		r.print(report, unread)
	}
	switch {
	case len(report.Alarms) > 0:
		return &failedError{exit: api.ExitIntegrity, code: "unrecorded_read", text: fmt.Sprintf(
			"%s no release. Find the requester in IAM, and remove its access to the bucket: only usher's role reads it.", quantity.Plural(len(report.Alarms), "read has", "reads have"))}
	case report.UnknownLines() > 0:
		return unknownOperations(report)
	}
	return unread.err()
}

// noteRequesters states which lines had no check of their requester.
func (a *app) noteRequesters(report reconcile.Report) {
	if !report.RequesterChecked && report.Lines > 0 {
		fmt.Fprintln(a.Err, "The requester of the lines was not checked: the server does not name its role. Name it with --role ARN.")
	}
	if report.Unnamed > 0 {
		fmt.Fprintf(a.Err, "%s only the account of the requester, which is the server's.\n", quantity.Plural(report.Unnamed, "line has", "lines have"))
	}
}

// reconcileLine is the JSON form of a comparison.
type reconcileLine struct {
	reconcile.Report
	Unread *unreadLines `json:"not_understood"`
}

// other reports whether a requester may read without usher.
func (r *reconcileRun) other(requester string) bool {
	return slices.ContainsFunc(r.others, func(pattern string) bool {
		anything := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
		ok, err := regexp.MatchString("^"+anything+"$", requester)
		return ok && err == nil
	})
}

func (r *reconcileRun) print(report reconcile.Report, unread *unreadLines) {
	if report.Lines == 0 {
		fmt.Fprintln(r.Out, "These files have no line of a request.")
	} else {
		fmt.Fprintf(r.Out, "Logs from %s to %s (UTC): %s, %d of them twice.\n", clock(report.From), clock(report.Until),
			quantity.Plural(report.Lines+report.Doubles, "line", "lines"), report.Doubles)
	}
	fmt.Fprintf(r.Out, "Fetched                %s, %s\n", quantity.Plural(len(report.Fetched), "release", "releases"), quantity.Size(report.Bytes))
	fmt.Fprintf(r.Out, "No line seen           %s\n", quantity.Plural(len(report.Unseen), "release", "releases"))
	fmt.Fprintf(r.Out, "Read without an event  %s\n", quantity.Plural(len(report.Alarms), "read", "reads"))
	if report.Other > 0 {
		fmt.Fprintf(r.Out, "Reads of --other       %d\n", report.Other)
	}
	if n := report.UnknownLines(); n > 0 {
		fmt.Fprintf(r.Out, "Unknown operations     %s\n", quantity.Plural(n, "line", "lines"))
	}
	if unread.Count > 0 {
		fmt.Fprintf(r.Out, "Not understood         %s\n", quantity.Plural(unread.Count, "line", "lines"))
	}
	r.section("Reads without an event", []string{"TIME (UTC)", "REASON", "PATH", "FROM", "REQUESTER", "LINE"}, len(report.Alarms), func(i int) []string {
		l := report.Alarms[i].Line
		return []string{clock(l.Time), string(report.Alarms[i].Reason), safe(l.Bucket + "/" + l.Key), safe(l.Address), safe(l.Requester), safe(l.Source)}
	})
	var moved []reconcile.Fetched
	for _, f := range report.Fetched {
		if len(f.Others) > 0 {
			moved = append(moved, f)
		}
	}
	r.section("Fetched from another address than the request's (a hint)", []string{"TIME (UTC)", "WHO", "PATH", "REQUEST", "FETCH"}, len(moved), func(i int) []string {
		f := moved[i]
		return []string{clock(f.Released), safe(f.User), safe(f.Path), safe(f.Address), safe(f.Others[0])}
	})
	r.section("Releases without a line (AWS's logs may be late or incomplete)", []string{"TIME (UTC)", "WHO", "PATH"}, len(report.Unseen), func(i int) []string {
		u := report.Unseen[i]
		return []string{clock(u.Released), safe(u.User), safe(u.Path)}
	})
	r.section("Failed sign-ins", []string{"TIME (UTC)", "USER", "CALL", "ERROR", "FROM"}, len(report.SignIns), func(i int) []string {
		s := report.SignIns[i]
		return []string{clock(s.Time), safe(s.User), safe(s.Operation), safe(s.Error), safe(s.Address)}
	})
	r.section("Lines that were not compared, by operation", []string{"OPERATION", "REASON", "LINES", "OF OTHER REQUESTERS"}, len(report.NotCompared), func(i int) []string {
		o := report.NotCompared[i]
		others := "not known"
		if report.RequesterChecked && o.Class != reconcile.Others {
			others = quantity.Count(o.Strangers)
		}
		return []string{safe(o.Operation), string(o.Class), quantity.Count(o.Lines), others}
	})
	r.section("Lines that were not understood", []string{"LINE"}, unread.Count, func(i int) []string { return []string{safe(unread.First[i])} })
}

// section prints the first rows of a table.
func (r *reconcileRun) section(title string, head []string, n int, row func(int) []string) {
	if n == 0 {
		return
	}
	fmt.Fprintf(r.Out, "\n%s\n", title)
	t := table{widest: 48}
	t.add(head...)
	for i := range min(n, listed) {
		t.add(row(i)...)
	}
	r.writeTable(&t)
	if n > listed {
		fmt.Fprintf(r.Out, "and %d more: --json has all\n", n-listed)
	}
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
