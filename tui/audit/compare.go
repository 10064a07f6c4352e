package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Compared is the comparison of the log with a kept copy: a checkpoint, or an export.
// Its texts are safe.
type Compared struct {
	Path        string
	Kind        string // "checkpoint", "export"
	Events      int64  // that the copy proves
	Read        int    // events of the copy that were compared one by one
	Finding     safetext.Text
	Differences []Difference // the first ones
	More        int          // differences beyond those
}

// Difference is an event that differs between the copy and the log.
type Difference struct {
	Text  safetext.Text
	Event string // id, raw
}

// finding is a line of the page that enter opens.
type finding struct {
	text  safetext.Text
	event string // id, raw
}

// findings returns the lines with an event: the server's own verification, if it
// failed, and the differences from a copy.
func (p *Verify) findings() (all []finding) {
	if r := p.result; r != nil && r.Server != nil && !r.Server.Whole && r.Server.Event != "" {
		all = append(all, finding{r.Server.Text, r.Server.Event})
	}
	if p.compared != nil {
		for _, d := range p.compared.Differences {
			all = append(all, finding{d.Text, d.Event})
		}
	}
	return all
}

// compared is the message with a comparison.
type comparison struct {
	seq    uint64
	result Compared
	err    error
}

// compareLimit bounds the time of a comparison.
const compareLimit = 10 * time.Minute

// compareKey handles a key press in the field for the file.
func (p *Verify) compareKey(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		p.choosing = false
	case "enter":
		path := strings.TrimSpace(p.field.Value())
		if path == "" {
			return nil
		}
		p.choosing = false
		p.field.Keep()
		return p.compareWith(path)
	case "up", "down":
		p.field.Recall(msg.String() == "up")
	default:
		p.field.Take(msg)
	}
	return nil
}

// compareWith compares the log with a file.
func (p *Verify) compareWith(path string) tea.Cmd {
	p.comparing, p.compared, p.compareWrong, p.at = true, nil, safetext.Text{}, 0
	p.compareSeq++
	seq, compare := p.compareSeq, p.Compare
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), compareLimit)
		defer cancel()
		r, err := compare(ctx, path)
		return comparison{seq, r, err}
	}
}

func (p *Verify) comparison(m comparison) tea.Cmd {
	if m.seq != p.compareSeq {
		return nil
	}
	p.comparing = false
	if m.err != nil {
		p.compareWrong = pane.Sentence(m.err, p.Server)
		return pane.Send(pane.Failed{Err: m.err})
	}
	p.compared = &m.result
	return pane.Send(pane.Answered{})
}

// openFinding opens the event of the chosen finding in the log.
func (p *Verify) openFinding() tea.Cmd {
	f := p.findings()[p.at]
	return pane.Send(pane.Open{Page: keys.OpenAudit, On: pane.Target{Filter: safetext.New("id:" + f.event)}})
}

const fileLabel = " File  "

// comparisonLines draws the comparison.
func (p *Verify) comparisonLines(w int) []string {
	t := p.Env.Theme
	var lines []string
	switch {
	case p.choosing:
		file, _ := p.field.Visible(w - len(fileLabel) - 1)
		lines = append(lines, t.Head("Compare with a kept copy", "", w, false),
			t.Muted.Paint(fileLabel)+t.Text.Paint(file),
			" "+t.Muted.Paint(format.End("A checkpoint (usher audit checkpoint -o FILE) or an export (key "+p.Env.Keys.Shown(keys.Audit, keys.SaveLog)+" of the log).", w-2, t.Glyphs.Ellipsis)))
	case p.comparing:
		lines = append(lines, t.Head("Compare with a kept copy", "", w, false), "   "+t.Muted.Paint("Comparing"+t.Glyphs.Ellipsis))
	case !p.compareWrong.IsZero():
		lines = append(lines, t.Head("Compare with a kept copy", "", w, false))
		lines = append(lines, wrapped(p.compareWrong.String(), w, func(s string) string { return t.Bad.Paint(s) })...)
	case p.compared != nil:
		lines = append(lines, p.verdictOfCopy(w)...)
	}
	return lines
}

// verdictOfCopy draws the result of a comparison.
func (p *Verify) verdictOfCopy(w int) []string {
	t, c := p.Env.Theme, p.compared
	lines := []string{t.Head("Compared with the "+c.Kind, format.Start(safetext.Line(c.Path), max(10, w/2), t.Glyphs.Ellipsis), w, false)}
	switch {
	case !c.Finding.IsZero():
		lines = append(lines, " "+t.Bad.Paint(t.Glyphs.No)+" "+t.Bad.Bold().Paint(format.End(c.Finding.String(), w-4, t.Glyphs.Ellipsis)))
	case len(c.Differences) > 0:
		lines = append(lines, " "+t.Bad.Paint(t.Glyphs.No)+" "+t.Bad.Bold().Paint("The server shows other events than the copy."))
	default:
		text := "The log contains all " + quantity.Plural(c.Events, "event", "events") + " of the copy's checkpoint, unchanged."
		lines = append(lines, " "+t.OK.Paint(t.Glyphs.Yes)+" "+t.OK.Bold().Paint(format.End(text, w-4, t.Glyphs.Ellipsis)))
		if c.Read > 0 {
			lines = append(lines, "   "+t.Text.Paint(format.End(quantity.Plural(c.Read, "event", "events")+" of the export were compared one by one: the server shows the same.", w-4, t.Glyphs.Ellipsis)))
		}
	}
	return lines
}

// findingLines draws the findings, at most h lines of them.
func (p *Verify) findingLines(w, h int) []string {
	t, all := p.Env.Theme, p.findings()
	if len(all) == 0 || h < 2 {
		return nil
	}
	p.at = min(p.at, len(all)-1)
	note := fmt.Sprintf("%d of %d", p.at+1, len(all))
	if p.compared != nil && p.compared.More > 0 {
		note += fmt.Sprintf(", and %d more", p.compared.More)
	}
	lines := []string{t.Head("Findings", note, w, false)}
	from := max(0, min(p.at-(h-1)/2, len(all)-(h-1)))
	for i := from; i < len(all) && len(lines) < h; i++ {
		x, sign := t, t.Fill.Paint("  ")
		if i == p.at {
			x = t.On(themeCursor)
			sign = x.Accent.Paint(x.Glyphs.Cursor) + x.Fill.Paint(" ")
		}
		lines = append(lines, x.Pad(sign+pane.Name(x, x.Bad, all[i].text, w-4, format.End), w))
	}
	return append(lines, "")
}
