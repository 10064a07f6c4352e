package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/quantity"
)

func (a *app) auditCommand() *cobra.Command {
	var limit int
	var noFold bool
	cmd := &cobra.Command{
		Use:     "audit [QUERY]",
		Short:   "Show who did what",
		GroupID: "log",
		Long: `Show the audit log, newest first, to members of the auditors' group: who listed, fetched or was denied what, when and from where. Times are UTC. Pages of one listing, and the links and the end of one download, are one row; --no-fold shows each event.

A QUERY is made of terms. Terms of one field are alternatives, different fields all have to fit, and "-" in front means "but not":
  who:NAME  action:NAME  outcome:allowed|denied|failed  bucket:NAME  path:PREFIX  path:=PATH
  session:ID  ip:ADDRESS  id:EVENT  request:ID  since:TIME  until:TIME
A time is a day (2026-11-01), an instant (2026-11-01T10:00) or an age (30m, 24h, 7d).

With --json each line is one event, never folded.`,
		Example: `
usher audit
usher audit who:ada action:download since:2026-11-01
usher audit 'path:="company-reports/annual/letter to all.pdf"'

# What was refused today, for another program
usher audit --json outcome:denied since:24h
`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return terms(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usagef("--limit is at least 1.")
			}
			return a.audit(cmd.Context(), strings.Join(args, " "), limit, noFold)
		}),
	}
	cmd.AddCommand(a.backupCommand())
	cmd.Flags().IntVar(&limit, "limit", 200, "read at most this many events")
	cmd.Flags().BoolVar(&noFold, "no-fold", false, "show each event")
	return cmd
}

// terms is what a shell may complete a query with.
func terms() []string {
	var out []string
	for _, f := range event.Fields() {
		switch f {
		case event.ByAction:
			for _, a := range event.Actions() {
				out = append(out, "action:"+a)
			}
		case event.ByOutcome:
			for _, o := range event.Outcomes() {
				out = append(out, "outcome:"+o)
			}
		default:
			out = append(out, string(f)+":")
		}
	}
	return out
}

func (a *app) audit(ctx context.Context, query string, limit int, noFold bool) error {
	if _, err := event.ParseFilter(query, a.Now()); err != nil {
		return filterError(query, err)
	}
	at, err := a.connect(ctx)
	if err != nil {
		return err
	}
	var events []event.Event
	req := api.AuditQueryRequest{Filter: query}
	for len(events) < limit {
		req.Limit = min(limit-len(events), api.MaxAuditPage)
		page, err := at.client.AuditQuery(ctx, req)
		if err != nil {
			return forAuditors(err, at.profile.Config.AuditorsGroup)
		}
		if a.json {
			for _, e := range page.Events {
				a.writeJSON(a.Out, e)
			}
		}
		events = append(events, page.Events...)
		if req.Cursor = page.Cursor; req.Cursor == "" {
			break
		}
	}
	if a.json {
		return nil
	}
	if len(events) == 0 && a.ErrTTY {
		fmt.Fprintln(a.Err, "No event fits this query.")
	}
	a.printEvents(events, noFold)
	if req.Cursor != "" && a.ErrTTY {
		fmt.Fprintf(a.Err, "These are the newest %s. --limit shows more.\n", quantity.Plural(len(events), "event", "events"))
	}
	return nil
}

// forAuditors says whom the log is for, where the server says that it is not
// there.
func forAuditors(err error, group string) error {
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != api.NotFound {
		return err
	}
	text := fmt.Sprintf("There is no audit log that you can open. It is for the group %s; ask your administrator.", safe(group))
	if answer.RequestID != "" {
		text += " (request " + answer.RequestID + ")"
	}
	return &failedError{text: text, exit: api.ExitNotFound, cause: err}
}

func (a *app) printEvents(events []event.Event, noFold bool) {
	if len(events) == 0 {
		return
	}
	rows := make([]event.Row, 0, len(events))
	if noFold {
		for _, e := range events {
			rows = append(rows, event.Row{Event: e, Last: e.Time, Events: 1, Outcome: e.Outcome})
		}
	} else {
		rows = event.Fold(events)
	}
	var t table
	t.add("TIME (UTC)", "WHO", "ACTION", "OUTCOME", "PATH", "FROM")
	for _, r := range rows {
		e := r.Event
		t.add(e.Time.UTC().Format("2006-01-02 15:04:05.000"), safe(e.User.Username), action(r), outcome(r), subject(e), safe(e.SourceIP))
	}
	t.write(a.Out)
}

// subject is the path that an event is about, or the change of the grants.
func subject(e event.Event) string {
	if e.Action == event.GrantsChanged {
		return safe(e.Reason)
	}
	return safe(e.Path())
}

// action says for what a link was asked where it was not to download.
func action(r event.Row) string {
	e := r.Event
	s := safe(e.Action)
	if e.Action == event.Download && e.Purpose != "" && e.Purpose != api.PurposeDownload {
		s += " (" + safe(e.Purpose) + ")"
	}
	if e.Count > 1 {
		s += " ×" + quantity.Count(e.Count)
	}
	return s
}

// outcome adds the client's word on how a download ended, marked as such.
func outcome(r event.Row) string {
	s := safe(r.Outcome) // the worst of the row's
	if c := r.Completed; c != nil && r.Event.Action == event.Download {
		s += ", reported " + safe(c.Reason)
	}
	if r.Event.Action == event.Completed {
		s = "reported " + safe(r.Event.Reason)
	}
	return s
}

// filterError puts a caret under the word that is wrong, and says what could
// stand there.
func filterError(query string, err error) error {
	var wrong *event.FilterError
	if !errors.As(err, &wrong) {
		return err
	}
	from := min(max(wrong.Offset, 0), len(query))
	to := min(from+max(wrong.Length, 0), len(query))
	lead, word := safe(query[:from]), safe(query[from:to])
	text := fmt.Sprintf("%s\n  %s%s%s\n  %s%s", wrong.Problem, lead, word, safe(query[to:]),
		strings.Repeat(" ", ansi.StringWidth(lead)), strings.Repeat("^", max(ansi.StringWidth(word), 1)))
	if len(wrong.Possible) > 0 {
		text += "\nPossible: " + safe(strings.Join(wrong.Possible, ", "))
	}
	return &usageError{text: text}
}
