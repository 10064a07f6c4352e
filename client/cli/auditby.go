package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/groupsum"
	"usher/client/quantity"
	"usher/client/question"
)

// auditBy is the command audit by.
type auditBy struct {
	*app
	limit int // groups; 0: all
	order string
	file  auditFile
	s3    awsLogs
}

func (a *app) byCommand() *cobra.Command {
	by := &auditBy{app: a}
	cmd := &cobra.Command{
		Use:   "by WHAT [QUERY]",
		Short: "Count events by person, file, folder, address, session, grant, program, day or hour",
		Long: `Count the events that match a QUERY in groups: by who, file, folder, ip, session, grant, agent, day or hour, or by two of them (who,ip). The whole log is searched; each page is an event in the audit log.

FILES is the number of different files whose link was released. RELEASED has the sizes of the released files, S3 SENT the bytes in the access logs of S3, and REPORTED the bytes that clients reported as downloaded. A renewed link is counted once. The reports of clients have no grant. A column is "-", and null in JSON, if the QUERY leaves its events out: action:download has no reports, and outcome:denied no released files.

--s3 FILE adds the bytes that S3 sent: a server access log or data events of CloudTrail, in the forms of usher audit reconcile; a folder has all its files. A line counts for the release whose event id is in the signed URL. AWS delivers these logs at best effort, so a release without a line proves nothing. Without --s3 the column is "no S3 log", and null in JSON.

--file FILE counts in an export (usher audit export), which is verified first, or in a copy of a log, which is not. It needs no server, and nothing is recorded.

The order is --sort events, files, bytes, denied, last or key; by day and hour it is key. A table that --limit cuts ends with a line on stderr and exit code 1.`,
		Example: `
usher audit by who action:download since:2026-Q3
usher audit by ip who:ada since:30d
usher audit by who,hour --sort files --limit 10
usher audit by day outcome:denied --json
usher audit by who --s3 access-2026-11-28-* --s3 trail.json.gz
usher audit by who --file evidence.tar
`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				var out []string
				for _, b := range event.Bys() {
					out = append(out, string(b))
				}
				return out, cobra.ShellCompDirectiveNoFileComp
			}
			return a.offer(a.terms(cmd.Context(), word))
		},
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "by takes who, file, folder, ip, session, grant, agent, day or hour, and a QUERY."); err != nil {
				return err
			}
			if cmd.Flags().Changed("limit") && by.limit < 1 {
				return usagef("--limit is at least 1.")
			}
			return by.run(cmd.Context(), args[0], a.query(args[1:]))
		}),
	}
	cmd.Flags().IntVar(&by.limit, "limit", 0, "show at most this many groups")
	by.s3.flags(cmd, "a file or a folder of S3's access logs or of CloudTrail; - is stdin")
	by.file.flags(cmd)
	cmd.Flags().StringVar(&by.order, "sort", "", "events, files, bytes, denied, last or key")
	return cmd
}

func (b *auditBy) run(ctx context.Context, what, query string) error {
	by, err := event.ParseBy(what)
	if err != nil {
		return usagef("Count by one or two of who, file, folder, ip, session, grant, agent, day and hour, like who,ip.")
	}
	order := event.Sort(b.order)
	switch {
	case order == "" && (slices.Contains(by, event.PerDay) || slices.Contains(by, event.PerHour)):
		order = event.SortKey
	case order == "":
		order = event.SortEvents
	case !slices.Contains(event.Sorts(), order):
		return usagef("--sort is events, files, bytes, denied, last or key.")
	}
	if _, err := event.ParseFilter(query, b.Now()); err != nil {
		return filterError(query, err)
	}
	log, err := b.source(ctx, b.file)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	bar := b.searchBar()
	count, lag, err := question.By(ctx, log, by, query, bar.reached)
	bar.end()
	if err != nil {
		return forAuditors(err, log.group)
	}
	defer func() { _ = count.Close() }()
	sent, unread, err := b.s3Words(ctx, b.s3, by, query, log)
	if err != nil {
		return forAuditors(err, log.group)
	}
	groups, err := count.Groups(ctx, order)
	if err != nil {
		return err
	}
	out := &groupOutput{auditBy: b, by: by, query: query, sent: sent}
	if err := out.print(ctx, groups); err != nil {
		return err
	}
	b.mayMiss(time.Duration(lag) * time.Second)
	if err := unread.err(); err != nil {
		return err
	}
	if b.limit > 0 && groups.Len() > b.limit {
		return cutGroups(b.limit)
	}
	return nil
}

// cutGroups is the failure of a list of groups or rows that --limit cut.
func cutGroups(shown int) error {
	return &failedError{
		text: fmt.Sprintf("These are the first %s; there are more. Without --limit all are shown.", quantity.Plural(shown, "row", "rows")),
		exit: api.ExitMixed, code: "cut",
	}
}

// mayMiss notes on a terminal that the newest events can be absent.
func (a *app) mayMiss(lag time.Duration) {
	if lag > 0 && a.ErrTTY && !a.json {
		fmt.Fprintf(a.Err, "Events of the last %s may be missing.\n", quantity.Plural(int(lag.Seconds()), "second", "seconds"))
	}
}

// groupLine is a line of JSON output.
type groupLine struct {
	By            string    `json:"by"`
	Keys          []string  `json:"keys"`
	Name          string    `json:"name,omitempty"`
	Events        int64     `json:"events"`
	Files         *int      `json:"files"` // null like all counts whose events the query leaves out
	Releases      *int64    `json:"releases"`
	ReleasedBytes *int64    `json:"released_bytes"`
	Unsized       *int64    `json:"unsized"`
	S3            *s3Word   `json:"s3"` // null without --s3
	Reported      *int64    `json:"reported"`
	ReportedBytes *int64    `json:"reported_bytes"`
	Denied        *int64    `json:"denied"`
	First         time.Time `json:"first"`
	Last          time.Time `json:"last"`
	Filter        string    `json:"filter"` // selects the events of the group
}

// groupLineOf returns the line of a group.
func groupLineOf(columns event.Columns, by []event.By, query string, g event.Group) groupLine {
	l := groupLine{By: question.ByText(by), Keys: g.Keys, Name: g.Name, Events: g.Events, First: g.First, Last: g.Last, Filter: event.Drill(query, by, g.Keys)}
	if columns.Released {
		l.Files, l.Releases, l.ReleasedBytes, l.Unsized = &g.Files, &g.Releases, &g.ReleasedBytes, &g.Unsized
	}
	if columns.Reported {
		l.Reported, l.ReportedBytes = &g.Reported, &g.ReportedBytes
	}
	if columns.Denied {
		l.Denied = &g.Denied
	}
	return l
}

// groupOutput writes the groups of a count. They can be more than fit into memory.
type groupOutput struct {
	*auditBy
	by      []event.By
	query   string
	columns event.Columns
	sent    *s3Words
}

func (o *groupOutput) print(ctx context.Context, groups *groupsum.Groups) error {
	filter, err := event.ParseFilter(o.query, o.Now())
	if err != nil {
		return filterError(o.query, err)
	}
	o.columns = event.ColumnsOf(filter, o.by)
	if groups.Len() == 0 {
		o.noMatch()
		return nil
	}
	if o.json {
		return o.each(ctx, groups, func(g event.Group) error {
			l := groupLineOf(o.columns.Of(g), o.by, o.query, g)
			if o.columns.Released {
				l.S3 = o.sent.of(g.Keys)
			}
			o.writeJSON(o.Out, l)
			return o.unwritten()
		})
	}
	return o.table(ctx, groups)
}

// each calls do with each group, as far as the limit.
func (o *groupOutput) each(ctx context.Context, groups *groupsum.Groups, do func(event.Group) error) error {
	left := o.limit
	for g, err := range groups.All(ctx) {
		if err != nil {
			return err
		}
		if err := do(g); err != nil || left == 1 {
			return err
		}
		left--
	}
	return nil
}

// table reads the groups twice: for the widths of the columns, and for the rows.
func (o *groupOutput) table(ctx context.Context, groups *groupsum.Groups) error {
	t, out := table{widest: 60, screen: o.placing()}, bufio.NewWriter(o.Out)
	var head []string
	for _, x := range o.by {
		head = append(head, strings.ToUpper(string(x)))
	}
	head = append(head, "EVENTS", "FILES", "RELEASED", "S3 SENT", "REPORTED", "DENIED", "FIRST (UTC)", "LAST (UTC)")
	t.measure(head)
	if err := o.each(ctx, groups, func(g event.Group) error { t.measure(o.row(g)); return nil }); err != nil {
		return err
	}
	if err := t.writeRow(out, head); err != nil {
		return err
	}
	if err := o.each(ctx, groups, func(g event.Group) error { return t.writeRow(out, o.row(g)) }); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if o.sent != nil && !o.quiet {
		o.sent.note(o.app)
	}
	return nil
}

// row returns the cells of a group.
func (o *groupOutput) row(g event.Group) []string {
	var cells []string
	for i, x := range o.by {
		cells = append(cells, keyCell(x, g, i))
	}
	c := question.CellsOf(o.columns.Of(g), g)
	s3 := c.Released // "-" if the query leaves releases out
	if o.columns.Released {
		s3 = o.sent.of(g.Keys).cell()
	}
	if g.Unsized > 0 {
		c.Released += fmt.Sprintf(" + %s of unknown size", quantity.Count(g.Unsized))
	}
	return append(cells, quantity.Count(g.Events), c.Files, c.Released, s3, c.Reported, c.Denied,
		g.First.UTC().Format("2006-01-02 15:04:05"), g.Last.UTC().Format("2006-01-02 15:04:05"))
}

// noMatch states on stderr that a table is empty. JSON has no line then.
func (a *app) noMatch() {
	if !a.quiet {
		fmt.Fprintln(a.Err, "No event matches this query.")
	}
}

// keyCell returns the text of a group's property. A person has username and sub.
func keyCell(by event.By, g event.Group, i int) string {
	key := safe(g.Keys[i])
	switch {
	case key == "":
		return question.None
	case by == event.PerWho && g.Name != "":
		return safe(g.Name) + " " + key
	}
	return key
}
