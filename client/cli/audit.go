package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/cells"
	"usher/client/quantity"
)

// auditShow is the audit command.
type auditShow struct {
	*app
	limit  int // events; 0: all
	noFold bool
	full   bool    // on the full-screen page
	s3     awsLogs // for that page
	file   auditFile
}

// auditBlock is the number of events of a table that are folded and aligned
// together. A longer table needs no more memory.
const auditBlock = 10_000

func (a *app) auditCommand() *cobra.Command {
	show := &auditShow{app: a}
	var all bool
	cmd := &cobra.Command{
		Use:        "audit [QUERY]",
		SuggestFor: []string{"log"},
		Short:      "Show the audit log",
		GroupID:    "log",
		Long: `Show the audit log, newest first, to members of the auditors' group: each listing, download and denial with its user, path, time and address. Times are UTC. Pages of one listing, and the links and the end of one download, are one row; --no-fold shows each event.

The whole log is searched. With --limit N the command ends after the newest N events; if more match, a line on stderr states it and the exit code is 1.

A QUERY is a list of terms. Terms of one field are alternatives; terms of different fields must all match; "-" in front of a term excludes its matches:
  who:NAME  group:NAME  ip:ADDRESS|NETWORK  agent:PREFIX  agent:=TEXT
  bucket:NAME  path:PREFIX  path:=PATH  path:*TEXT*  touched:PATH  size:>100MB
  action:NAME  outcome:allowed|denied|failed  purpose:download|preview|link
  grant:TEXT  session:ID  request:ID  id:EVENT
  since:TIME  until:TIME  hours:19-07
touched:PATH finds the events of a file and the listings and searches that showed its name. A value with spaces is in quotes: 'path:="b/q3 2026.csv"'. A time is a day (2026-11-01, today, yesterday), a month (2026-10), a quarter (2026-Q3), a year, an instant (2026-11-01T10:00) or an age (30m, 24h, 7d). Times and hours are UTC, or of a zone that follows (+01:00). In path, grant and agent * matches any text.

--file FILE searches an export (usher audit export), which is verified first, or a copy of a log, which is not. It needs no server, and nothing is recorded. With --screen the file opens on the full-screen page of the audit log, which shows the result of its verification.

Each line of --json is one event, never folded.`,
		Example: `
usher audit
usher audit who:ada action:download since:7d
usher audit path:=company-reports/annual/2018-balance-sheet.csv
usher audit 'path:*balance*' hours:19-07 since:yesterday
usher audit -who:ada -outcome:allowed since:2026-Q3
usher audit touched:company-reports/annual/2018-balance-sheet.csv
usher audit --file evidence.tar outcome:denied
usher audit --file evidence.tar --screen

# The denials of the last day, for another program
usher audit --json outcome:denied since:24h
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			switch limited := cmd.Flags().Changed("limit"); {
			case limited && all:
				return usagef("Use only one of --limit and --all.")
			case limited && show.limit < 1:
				return usagef("--limit is at least 1.")
			case show.full:
				if err := show.screenFlags(limited || all || show.noFold); err != nil {
					return err
				}
				query := a.query(args)
				if _, err := event.ParseFilter(query, a.Now()); err != nil {
					return filterError(query, err)
				}
				return show.screen(cmd.Context(), query)
			case len(show.s3.files)+len(show.s3.roles) > 0:
				return usagef("--s3 is for --screen. usher audit by --s3 counts without it.")
			}
			return show.run(cmd.Context(), a.query(args))
		}),
	}
	cmd.AddCommand(a.byCommand(), a.questionsCommand(), a.exportCommand(), a.reviewCommand(), a.reviewsCommand(), a.checkpointCommand(), a.verifyCommand(), a.policyCommand(), a.reconcileCommand(), a.backupCommand(), a.restartCommand(), a.witnessCommand(), a.reindexCommand())
	cmd.Flags().IntVar(&show.limit, "limit", 0, "show at most this many events")
	cmd.Flags().BoolVar(&all, "all", false, "show every event (the default)")
	cmd.Flags().BoolVar(&show.noFold, "no-fold", false, "show each event")
	cmd.Flags().BoolVar(&show.full, "screen", false, "with --file: open the file on the full-screen page")
	show.s3.flags(cmd, "with --screen: a file or a folder of S3's access logs, for its counts")
	show.file.flags(cmd)
	return cmd
}

// screenFlags checks the flags of the full-screen page.
func (s *auditShow) screenFlags(others bool) error {
	switch {
	case s.file.path == "":
		return usagef("--screen is for --file. The log of the server opens with A in the browser.")
	case others || s.json:
		return usagef("--screen does not go with --limit, --all, --no-fold and --json.")
	case slices.Contains(s.s3.files, "-"):
		return usagef("--screen needs stdin for its keys, so --s3 is a file or a folder.")
	case !s.InTTY || !s.OutTTY:
		return usagef("The full-screen page needs a terminal. Without --screen, this command prints the events.")
	}
	return nil
}

func (s *auditShow) run(ctx context.Context, query string) error {
	if _, err := event.ParseFilter(query, s.Now()); err != nil {
		return filterError(query, err)
	}
	log, err := s.source(ctx, s.file)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	bar := s.searchBar()
	out := &auditTable{auditShow: s, bar: bar}
	defer bar.end()
	shown, cut, lag := 0, false, 0
	req := api.AuditQueryRequest{Filter: query, Limit: api.MaxAuditPage}
	for !cut {
		if s.limit > 0 { // with one more event than shown, to detect a cut
			req.Limit = min(s.limit-shown+1, api.MaxAuditPage)
		}
		page, err := log.AuditQuery(ctx, req)
		if err != nil {
			return forAuditors(err, log.group)
		}
		lag = max(lag, page.LagSeconds)
		if cut = s.limit > 0 && shown+len(page.Events) > s.limit; cut {
			page.Events = page.Events[:s.limit-shown]
		}
		shown += len(page.Events)
		out.add(page.Events)
		if err := s.unwritten(); err != nil {
			return err
		}
		if req.Cursor = page.Cursor; req.Cursor == "" {
			break
		}
		bar.reached(page.Reached)
	}
	bar.end()
	out.flush()
	if shown == 0 {
		s.noMatch()
	}
	s.mayMiss(time.Duration(lag) * time.Second)
	if cut {
		return &failedError{
			text: fmt.Sprintf("These are the newest %s that match; more do. Without --limit all are shown.", quantity.Plural(shown, "event", "events")),
			exit: api.ExitMixed, code: "cut",
		}
	}
	return nil
}

// forAuditors replaces not_found by a sentence that names the auditors' group.
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

// auditTable writes events as they arrive: lines of JSON, or a table in blocks.
type auditTable struct {
	*auditShow
	bar    *searchBar
	kept   []event.Event
	widths []int // of the first block; nil before it
}

func (t *auditTable) add(events []event.Event) {
	if t.json {
		for _, e := range events {
			t.writeJSON(t.Out, e)
		}
		return
	}
	if t.kept = append(t.kept, events...); len(t.kept) >= auditBlock {
		t.flush()
	}
}

// flush writes the kept events in the order of the time that their row shows.
func (t *auditTable) flush() {
	if len(t.kept) == 0 {
		return
	}
	t.bar.end()
	rows := make([]event.Row, 0, len(t.kept))
	if t.noFold {
		for _, e := range t.kept {
			rows = append(rows, event.Row{Event: e, Last: e.Time, Events: 1, Outcome: e.Outcome})
		}
	} else {
		rows = event.Fold(t.kept)
		slices.SortStableFunc(rows, func(a, b event.Row) int { return event.Compare(b.Event, a.Event) })
	}
	out := table{widest: 48, widths: t.widths} // a longer path widens its row only
	if t.widths == nil {
		out.add("TIME (UTC)", "WHO", "ACTION", "OUTCOME", "PATH", "FROM", "REASON")
	}
	for _, r := range rows {
		e := r.Event
		out.add(e.Time.UTC().Format("2006-01-02 15:04:05.000"), safe(e.User.Username), action(r), outcome(r), subject(e), safe(e.SourceIP), reason(e))
	}
	t.writeTable(&out)
	t.widths, t.kept = out.widths, nil
}

// subject returns the path of an event, or the change of the grants.
func subject(e event.Event) string {
	if e.Action == event.GrantsChanged {
		return safe(e.Reason)
	}
	return safe(e.Path())
}

// reason returns the server's reason, if no other column has it, and the facts of
// the action.
func reason(e event.Event) string {
	text := event.Summary(e)
	if e.Action != event.GrantsChanged && e.Action != event.Completed && e.Reason != "" {
		if text != "" {
			text = "; " + text
		}
		text = e.Reason + text
	}
	return safe(text)
}

// action adds the purpose of a release that was not a download.
func action(r event.Row) string {
	e := r.Event
	s := safe(e.Action)
	if e.Action == event.Download && e.Purpose != "" && e.Purpose != api.PurposeDownload {
		s += " (" + safe(e.Purpose) + ")"
	}
	switch one, many := event.CountWords(e.Action); {
	case e.Count == 0:
	case one != "":
		s += " (" + quantity.Plural(e.Count, one, many) + ")"
	case e.Count > 1: // an action of a newer server
		s += " ×" + quantity.Count(e.Count)
	}
	return s
}

// outcome adds the result that the client reported, marked as reported.
func outcome(r event.Row) string {
	s := safe(r.Outcome) // the worst outcome in the row
	if c := r.Completed; c != nil && r.Event.Action == event.Download {
		s += ", reported " + safe(c.Reason)
	}
	if r.Event.Action == event.Completed {
		s = "reported " + safe(r.Event.Reason)
	}
	return s
}

// filterError puts carets under the wrong word and lists the possible words.
func filterError(query string, err error) error {
	var wrong *event.FilterError
	if !errors.As(err, &wrong) {
		return err
	}
	from := min(max(wrong.Offset, 0), len(query))
	to := min(from+max(wrong.Length, 0), len(query))
	lead, word := safe(query[:from]), safe(query[from:to])
	text := fmt.Sprintf("%s\n  %s%s%s\n  %s%s", wrong.Problem, lead, word, safe(query[to:]),
		strings.Repeat(" ", cells.Width(lead)), strings.Repeat("^", max(cells.Width(word), 1)))
	if len(wrong.Possible) > 0 {
		text += "\nPossible: " + safe(strings.Join(wrong.Possible, ", "))
	}
	return &usageError{text: text}
}
