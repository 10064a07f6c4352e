package audit

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/client/question"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// An answer is a table about the events of the filter: their counts by a property, or
// a saved question. Enter shows the events of a row.

// answersMost bounds the rows of an answer.
const answersMost = 10_000

// answerLimit bounds the time of an answer, which may read the whole log.
const answerLimit = 10 * time.Minute

// answer is the view of an answer.
type answer struct {
	title   string
	columns []column1
	rows    []answerRow
	left    int // rows beyond answersMost
	list    *rows.List
	reached *atomic.Pointer[time.Time] // of the search under way
	cancel  context.CancelFunc         // nil: complete
	problem string
	again   func() tea.Cmd
}

// column1 is a column of an answer.
type column1 struct {
	title string
	right bool // aligned
}

// answerRow is a row of an answer, safe to show.
type answerRow struct {
	cells  []safetext.Text
	filter safetext.Text // of its events
	opens  string        // name of the saved question that enter answers, instead of events
}

// replied is the message with an answer.
type replied struct {
	of   *answer
	rows []answerRow // as many as answersMost
	left int         // further rows
	err  error
}

// ticked redraws the progress of a view.
type ticked struct{ of any }

// Format keeps untrusted text out of all output.
func (r replied) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%d rows", len(r.rows)) }

// Format keeps untrusted text out of all output.
func (t ticked) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "ticked") }

// tickEvery is the interval of the progress.
const tickEvery = 250 * time.Millisecond

// begin shows an answer that run computes: its rows, at most answersMost, and the number
// of further ones. The function runs in a command.
func (p *Pane) begin(a *answer, run func(context.Context, question.Progress) (found []answerRow, left int, err error)) tea.Cmd {
	p.endAnswer()
	for i := range a.columns {
		a.columns[i].title = heading(a.columns[i].title)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	reached := &atomic.Pointer[time.Time]{}
	a.cancel, a.reached = cancel, reached
	a.list = rows.New(answerSource{p, a}, rows.Config{Jump: p.Env.Jump})
	a.list.Focus(true)
	p.answer = a
	return tea.Batch(after(tickEvery, ticked{a}), func() tea.Msg {
		defer cancel()
		found, left, err := run(ctx, func(at *time.Time) { reached.Store(at) })
		return replied{a, found, left, err}
	})
}

// endAnswer closes the answer, and cancels it.
func (p *Pane) endAnswer() {
	if p.answer != nil && p.answer.cancel != nil {
		p.answer.cancel()
	}
	p.answer, p.grouping = nil, false
}

// replied handles an answer.
func (p *Pane) replied(m replied) tea.Cmd {
	a := m.of
	if p.answer != a {
		return nil
	}
	a.cancel = nil
	if m.err != nil {
		a.problem = p.answerSentence(m.err)
		return pane.Send(pane.Failed{Err: m.err})
	}
	a.rows, a.left = m.rows, m.left
	a.list.Changed()
	a.list.SetCursor(0)
	return pane.Send(pane.Answered{})
}

// answerSentence returns the text of an error for the person.
func (p *Pane) answerSentence(err error) string {
	if field, ok := strings.CutPrefix(err.Error(), question.ErrSameField.Error()+": "); ok {
		return "This question chooses " + safetext.Line(field) + ": itself. Remove that term from the filter."
	}
	return p.sentence(err)
}

// byOf returns the property of a key in the menu of b.
func byOf(a keys.Action) (event.By, bool) {
	switch a {
	case keys.GroupWho:
		return event.PerWho, true
	case keys.GroupFile:
		return event.PerFile, true
	case keys.GroupFolder:
		return event.PerFolder, true
	case keys.GroupIP:
		return event.PerIP, true
	case keys.GroupSession:
		return event.PerSession, true
	case keys.GroupGrant:
		return event.PerGrant, true
	case keys.GroupAgent:
		return event.PerAgent, true
	case keys.GroupDay:
		return event.PerDay, true
	case keys.GroupHour:
		return event.PerHour, true
	}
	return "", false
}

// heading returns the name of a column of a command as a head of a table on the screen.
func heading(column string) string {
	if column == "IP" || column == "" {
		return column
	}
	name, unit, found := strings.Cut(column, " (")
	name = name[:1] + strings.ToLower(name[1:])
	if found {
		name += " (" + unit
	}
	return name
}

// opens reports whether the row under the cursor is a saved question.
func (a *answer) opens() bool {
	i := a.list.Cursor()
	return i >= 0 && i < len(a.rows) && a.rows[i].opens != ""
}

// groupBy counts the events of the filter by a property.
func (p *Pane) groupBy(by event.By) tea.Cmd {
	a := &answer{title: "Events by " + string(by), columns: []column1{
		{strings.ToUpper(string(by)), false}, {"EVENTS", true}, {"FILES", true}, {"RELEASED", true}, {"S3 SENT", true}, {"REPORTED", true}, {"DENIED", true}, {"FIRST (UTC)", false}, {"LAST (UTC)", false}}}
	filter, backend, sent, now := p.filter, p.Backend, p.Sent, p.Now
	a.again = func() tea.Cmd { return p.groupBy(by) }
	return p.begin(a, func(ctx context.Context, progress question.Progress) ([]answerRow, int, error) {
		count, _, err := question.By(ctx, backend, []event.By{by}, filter, progress)
		if err != nil {
			return nil, 0, err
		}
		defer func() { _ = count.Close() }()
		word := func([]string) string { return "no log" }
		if sent != nil {
			if word, err = sent(ctx, []event.By{by}, filter); err != nil {
				return nil, 0, err
			}
		}
		selected, err := event.ParseFilter(filter, now())
		if err != nil {
			return nil, 0, err
		}
		groups, err := count.Groups(ctx, event.SortEvents)
		if err != nil {
			return nil, 0, err
		}
		columns := event.ColumnsOf(selected, []event.By{by})
		var out []answerRow
		for g, err := range groups.All(ctx) {
			if err != nil {
				return nil, 0, err
			}
			if len(out) == answersMost {
				break
			}
			cells := question.CellsOf(columns.Of(g), g)
			bytes := cells.Released // "-" if the filter leaves releases out
			if columns.Released {
				bytes = word(g.Keys)
			}
			out = append(out, groupRow(by, g, filter, cells, bytes))
		}
		return out, groups.Len() - len(out), nil
	})
}

// groupRow returns the row of a group, with the bytes that S3 sent by its own logs.
func groupRow(by event.By, g event.Group, filter string, c question.Cells, sent string) answerRow {
	name := g.Keys[0]
	if by == event.PerWho && g.Name != "" {
		name = g.Name
	}
	if name == "" {
		name = question.None
	}
	stamp := func(t time.Time) safetext.Text { return safetext.New(t.UTC().Format("2006-01-02 15:04:05")) }
	r := answerRow{cells: []safetext.Text{
		safetext.New(name), safetext.New(quantity.Count(g.Events)), safetext.New(c.Files), safetext.New(c.Released),
		safetext.New(sent), safetext.New(c.Reported), safetext.New(c.Denied), stamp(g.First), stamp(g.Last),
	}}
	r.filter = safetext.New(event.Drill(filter, []event.By{by}, g.Keys))
	return r
}

// savedOf returns the saved question of a key.
func savedOf(a keys.Action) (question.Question, bool) {
	switch a {
	case keys.Question1, keys.Question2, keys.Question3, keys.Question4, keys.Question5, keys.Question6, keys.Question7, keys.Question8, keys.Question9:
		return question.Find(string(a[len(a)-1:]))
	}
	return question.Question{}, false
}

// listQuestions shows the saved questions. Enter answers the one under the cursor.
func (p *Pane) listQuestions() tea.Cmd {
	a := &answer{title: "Saved questions", columns: []column1{{"KEY", false}, {"NAME", false}, {"QUESTION", false}}}
	a.again = p.listQuestions
	return p.begin(a, func(context.Context, question.Progress) ([]answerRow, int, error) {
		var out []answerRow
		for _, q := range question.All() {
			key := ""
			if q.Key != 0 {
				key = string(q.Key)
			}
			out = append(out, answerRow{cells: []safetext.Text{safetext.New(key), safetext.New(q.Name), safetext.New(q.Title)}, opens: q.Name})
		}
		return out, 0, nil
	})
}

// askSaved runs a saved question about the events of the filter.
func (p *Pane) askSaved(q question.Question) tea.Cmd {
	a := &answer{title: q.Title}
	for _, c := range q.Columns {
		right := map[string]bool{"EVENTS": true, "FILES": true, "RELEASED": true, "REPORTED": true, "DENIED": true, "SIZE": true, "REFUSED": true}[c]
		a.columns = append(a.columns, column1{c, right})
	}
	filter, backend, now := p.filter, p.Backend, p.Now
	a.again = func() tea.Cmd { return p.askSaved(q) }
	return p.begin(a, func(ctx context.Context, progress question.Progress) ([]answerRow, int, error) {
		found, err := question.Run(ctx, backend, q, filter, now(), progress)
		if err != nil {
			return nil, 0, err
		}
		shown := found.Rows[:min(len(found.Rows), answersMost)]
		out := make([]answerRow, 0, len(shown))
		for _, r := range shown {
			row := answerRow{filter: safetext.New(r.Filter)}
			for _, c := range r.Cells() {
				row.cells = append(row.cells, safetext.New(c))
			}
			out = append(out, row)
		}
		return out, len(found.Rows) - len(shown), nil
	})
}

// doAnswer runs an action of the view of an answer.
func (p *Pane) doAnswer(a keys.Action) tea.Cmd {
	v := p.answer
	switch a {
	case keys.Back, keys.Quit, keys.Parent:
		p.endAnswer()
		return nil
	case keys.Enter:
		return p.drillDown()
	case keys.GroupBy:
		p.grouping = true
		return nil
	case keys.Reload:
		return v.again()
	}
	v.list.Move(a)
	return nil
}

// drillDown shows the events of the row under the cursor. esc returns to the answer.
func (p *Pane) drillDown() tea.Cmd {
	v := p.answer
	row := v.rows[v.list.Cursor()]
	if q, ok := question.Find(row.opens); ok {
		return p.askSaved(q)
	}
	to := row.filter.Raw()
	p.back = append(p.back, step{p.filter, v})
	p.answer = nil
	return p.use(to)
}

// why returns the reason that enter is not possible now.
func (a *answer) why() safetext.Text {
	switch {
	case len(a.rows) == 0:
		return safetext.New("There is no row here.")
	case a.rows[a.list.Cursor()].filter.IsZero() && a.rows[a.list.Cursor()].opens == "":
		return safetext.New("No filter selects exactly the events of this row.")
	}
	return safetext.Text{}
}
