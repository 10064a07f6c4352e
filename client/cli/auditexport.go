package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/evidence"
	"usher/client/quantity"
)

func (a *app) exportCommand() *cobra.Command {
	var file string
	var complete bool
	cmd := &cobra.Command{
		Use:   "export [QUERY]",
		Short: "Export events as evidence, with their proof",
		Long: `Export the events that match a QUERY of usher audit to one new file, for auditors: a tar archive with the events as they are in the log, a table for spreadsheets, the checkpoint of the log with its signatures, the grants that decided, and the proof that the events are in the log. Its README.txt has a check with Python and openssl alone; usher audit verify FILE is the same check and more.

The log records the export, with its query and its number of events, before the first event is sent. That record is the last event of the file.

The file proves that its events are in the log. With --complete it has all events of the query's times, so a reader can run the query again: no event was left out.

The file appears when it is complete and verified. An interrupted export leaves none, and no file is replaced. With --json: {"file","query","matches","events","bytes","checkpoint","event"}.`,
		Example: `
usher audit export who:ada since:2026-Q3 -o ada-2026-Q3.tar
usher audit export --complete since:2026-10 until:2026-10 -o october.tar
usher audit verify october.tar --key audit.key.pub
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if file == "" {
				file = evidence.Name(a.Now())
			}
			return a.export(cmd.Context(), a.query(args), file, complete)
		}),
	}
	cmd.Flags().VarP(newFile{textFlag{&file, "file"}}, "output", "o", "the new file (usher-audit-TIME.tar)")
	cmd.Flags().BoolVar(&complete, "complete", false, "add all events of the range, so that the query can be run again")
	_ = cmd.MarkFlagFilename("output", "tar")
	return cmd
}

func (a *app) export(ctx context.Context, query, file string, complete bool) error {
	if _, err := event.ParseFilter(query, a.Now()); err != nil {
		return filterError(query, err)
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	bar := a.stageBar()
	done, err := evidence.Export(ctx, evidence.Config{
		Server: conn.client, Key: conn.profile.Config.AuditLog.Key, Query: query, Complete: complete, Path: file, Progress: bar.show,
	})
	bar.end()
	if err != nil {
		return forAuditors(err, conn.profile.Config.AuditorsGroup)
	}
	if a.json {
		a.writeJSON(a.Out, exportLine{done.Path, done.Query, done.Matches, done.Events, done.Size, done.Checkpoint, done.Event})
		return nil
	}
	fmt.Fprintf(a.Out, "%s has %s, proved by the checkpoint of %s\n", safe(done.Path), quantity.Plural(int(done.Matches), "event", "events"),
		quantity.Plural(int(done.Checkpoint), "event", "events"))
	return nil
}

// exportLine is the JSON form of an export.
type exportLine struct {
	File       string `json:"file"`
	Query      string `json:"query"` // with absolute times
	Matches    int64  `json:"matches"`
	Events     int64  `json:"events"` // in the file: matches, the record of the export, and with --complete all others of the range
	Bytes      int64  `json:"bytes"`
	Checkpoint int64  `json:"checkpoint"` // number of events of the log
	Event      string `json:"event"`      // id of the record of the export
}

// stageBar draws the progress of an export or a review on a terminal.
type stageBar struct{ line statusLine }

func (a *app) stageBar() *stageBar { return &stageBar{statusLine{app: a}} }

func (b *stageBar) show(p evidence.Progress) {
	b.draw(p.Stage.String(), p.Done, p.Total, p.Events)
}

func (b *stageBar) draw(stage string, done, total, events int64) {
	line := fmt.Sprintf("%s  %s", stage, quantity.Plural(int(events), "event", "events"))
	if total > 0 {
		line = bar(done, total) + "  " + line
	}
	b.line.show(line)
}

// end clears the line.
func (b *stageBar) end() { b.line.end() }

func (a *app) reviewCommand() *cobra.Command {
	var finding string
	cmd := &cobra.Command{
		Use:   "review [QUERY]",
		Short: "Record the finding of a review of the audit log",
		Long: `Record that you reviewed the events that match a QUERY of usher audit, with your finding. The event audit-review has your name, the query with absolute times, the number of matching events, the range of records, and the checkpoint of the log. It can be compared with an export of the same query at any later time.

Reviews that the server's configuration requires are in usher audit reviews. With --json: {"event","query","count","first_record","last_record","records","root","stage","done","total"}.`,
		Example: `
usher audit review outcome:denied since:7d --finding "typing errors"
usher audit action:audit-review
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(finding) == "" || len(finding) > api.MaxFinding || strings.ContainsFunc(finding, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return usagef("Give your finding in one line of at most %d bytes: --finding TEXT.", api.MaxFinding)
			}
			return a.review(cmd.Context(), a.query(args), finding)
		}),
	}
	cmd.Flags().StringVar(&finding, "finding", "", "the result of the review, in one line")
	return cmd
}

func (a *app) review(ctx context.Context, query, finding string) error {
	if _, err := event.ParseFilter(query, a.Now()); err != nil {
		return filterError(query, err)
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	bar := a.stageBar()
	defer bar.end()
	for req := (api.AuditReviewRequest{Filter: query, Finding: finding}); ; {
		answer, err := conn.client.AuditReview(ctx, req)
		if err != nil {
			return forAuditors(err, conn.profile.Config.AuditorsGroup)
		}
		if req.Cursor = answer.Cursor; answer.Stage == api.StageCounting {
			bar.draw(evidence.Counting.String(), answer.Done, answer.Total, answer.Count)
			continue
		}
		bar.end()
		if a.json {
			a.writeJSON(a.Out, answer)
			return nil
		}
		fmt.Fprintf(a.Out, "Recorded: %s %s, in the log of %s\n", quantity.Plural(int(answer.Count), "event matches", "events match"),
			orAll(safe(answer.Query)), quantity.Plural(int(answer.Records), "event", "events"))
		return nil
	}
}

func orAll(query string) string {
	if query == "" {
		return "(all events)"
	}
	return query
}

func (a *app) reviewsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reviews",
		Short: "Show the reviews that the server's configuration requires",
		Long: `Show the required reviews of the audit log, with the last one of each and the day on which the next one is due. A review counts if usher audit review had the same QUERY, apart from its times.

The exit code is 1 if a review is overdue. Each line of --json is one review.`,
		Example: `
usher audit reviews
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "reviews takes no arguments: usher audit reviews."); err != nil {
				return err
			}
			return a.reviews(cmd.Context())
		}),
	}
}

func (a *app) reviews(ctx context.Context) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	answer, err := conn.client.AuditReviews(ctx, api.AuditReviewsRequest{})
	if err != nil {
		return forAuditors(err, conn.profile.Config.AuditorsGroup)
	}
	overdue := 0
	t := table{widest: 48}
	t.add("REVIEW", "EVERY", "LAST (UTC)", "BY", "DUE (UTC)", "QUERY")
	for _, r := range answer.Reviews {
		last, due := "never", r.Due.UTC().Format("2006-01-02")
		if r.Last != nil {
			last = r.Last.UTC().Format("2006-01-02")
		}
		if r.Overdue {
			overdue++
			due += " overdue"
		}
		if a.json {
			a.writeJSON(a.Out, r)
			continue
		}
		t.add(safe(r.Name), quantity.Plural(r.EveryDays, "day", "days"), last, safe(r.By), due, safe(r.Query))
	}
	switch {
	case len(answer.Reviews) == 0 && !a.json:
		fmt.Fprintln(a.Err, "The server's configuration requires no reviews.")
	case !a.json:
		a.writeTable(&t)
	}
	if overdue > 0 {
		return &failedError{text: quantity.Plural(overdue, "review is", "reviews are") + " overdue.", exit: api.ExitMixed, code: "overdue"}
	}
	return nil
}
