package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/event"
	"usher/client/question"
)

// auditQuestions is the command audit questions.
type auditQuestions struct {
	*app
	limit int // rows; 0: all
	file  auditFile
}

func (a *app) questionsCommand() *cobra.Command {
	ask := &auditQuestions{app: a}
	cmd := &cobra.Command{
		Use:   "questions [NAME|N] [QUERY]",
		Short: "List the saved questions, or answer one",
		Long: `Without arguments, list the saved questions, with the keys that they have in the browser, where the key 0 lists all. With the name or the key of a question, answer it about the events that match a QUERY; without a time these are the events of the last 30 days.

An address is new if no event of the person came from it before the range. A session without a recorded end has the time of its last event. A bulk download is of more than 100 files by one person within an hour of the clock. The end of a download is the client's report; links and previews have none, and purpose:download leaves them out. outside leaves out the private networks; -ip:NETWORK leaves out another one. usher audit reconcile shows failed passwords, from the logs of Cognito.

--file FILE answers from an export (usher audit export), which is verified first, or from a copy of a log, which is not. It needs no server, and nothing is recorded. The last 30 days of an export end with it.`,
		Example: `
usher audit questions
usher audit questions new-addresses since:2026-Q3
usher audit questions 5 who:ada since:7d
usher audit questions volume --json
usher audit questions sessions --file evidence.tar
`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return a.offer(a.terms(cmd.Context(), word))
			}
			var out []string
			for _, q := range question.All() {
				out = append(out, q.Name)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				ask.list()
				return nil
			}
			if cmd.Flags().Changed("limit") && ask.limit < 1 {
				return usagef("--limit is at least 1.")
			}
			q, ok := question.Find(args[0])
			if !ok {
				return usagef("There is no question %s. usher audit questions lists them.", safe(args[0]))
			}
			return ask.answer(cmd.Context(), q, a.query(args[1:]))
		}),
	}
	cmd.Flags().IntVar(&ask.limit, "limit", 0, "show at most this many rows")
	ask.file.flags(cmd)
	return cmd
}

// questionLine is a line of JSON output.
type questionLine struct {
	Key   string `json:"key"`
	Name  string `json:"name"`
	Title string `json:"title"`
}

func (q *auditQuestions) list() {
	var t table
	for _, x := range question.All() {
		key, cell := "", "-"
		if x.Key != 0 {
			key, cell = string(x.Key), string(x.Key)
		}
		if q.json {
			q.writeJSON(q.Out, questionLine{key, x.Name, x.Title})
		}
		t.add(cell, x.Name, x.Title)
	}
	if !q.json {
		q.writeTable(&t)
	}
}

func (q *auditQuestions) answer(ctx context.Context, ask question.Question, query string) error {
	if _, err := event.ParseFilter(query, q.Now()); err != nil {
		return filterError(query, err)
	}
	log, err := q.source(ctx, q.file)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	now := q.Now()
	if !log.upto.IsZero() {
		now = log.upto
	}
	bar := q.searchBar()
	out, err := question.Run(ctx, log, ask, query, now, func(reached *time.Time) { bar.reached(reached) })
	bar.end()
	switch {
	case errors.Is(err, question.ErrSameField):
		return usagef("%s", "This question chooses its events by itself: "+safeSentence(err)+" Leave that term out, or use usher audit by.")
	case err != nil:
		return forAuditors(err, log.group)
	}
	rows := out.Rows
	cut := q.limit > 0 && len(rows) > q.limit
	if cut {
		rows = rows[:q.limit]
	}
	t := table{widest: 60}
	t.add(ask.Columns...)
	for _, r := range rows {
		if q.json {
			q.writeJSON(q.Out, r)
			continue
		}
		cells := r.Cells()
		for i := range cells {
			cells[i] = safe(cells[i])
		}
		t.add(cells...)
	}
	switch {
	case len(rows) == 0 && !q.quiet:
		fmt.Fprintln(q.Err, "The answer has no rows in this range.")
	case len(rows) > 0 && !q.json:
		q.writeTable(&t)
	}
	q.mayMiss(out.Lag)
	if cut {
		return cutGroups(len(rows))
	}
	return nil
}
