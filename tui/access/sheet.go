package access

import (
	"strings"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// sheet is an explanation in numbered steps, at most w cells wide. Long texts are
// wrapped.
type sheet struct {
	t     *theme.Theme
	w     int
	step  int
	lines []string
}

const labelW = 18 // number, label and a space

func (k *sheet) room() int { return max(8, k.w-labelW-1) }

func (k *sheet) gap() {
	if n := len(k.lines); n > 0 && k.lines[n-1] != "" {
		k.lines = append(k.lines, "")
	}
}

// verdict adds the result as a sentence, before the reasons.
func (k *sheet) verdict(sign string, s theme.Style, text string) {
	for i, l := range format.Wrap(text, max(8, k.w-4)) {
		if i > 0 {
			sign = " "
		}
		k.lines = append(k.lines, " "+s.Bold().Paint(sign+" "+l))
	}
}

// path adds a path in full, below the verdict.
func (k *sheet) path(at pane.Target) {
	for _, l := range pane.Wrap(k.t, k.t.Text, at.Text(), max(8, k.w-4)) {
		k.lines = append(k.lines, "   "+l)
	}
}

// begin starts a step. Its lines are beside its label.
func (k *sheet) begin(label string) *entry {
	k.gap()
	k.step++
	return &entry{k, k.t.Accent.Bold().Paint(format.PadRight(" "+quantity.Count(k.step), 4)) + k.t.Muted.Paint(format.PadRight(label, labelW-4))}
}

// fact starts a line without a number.
func (k *sheet) fact(label string) *entry {
	return &entry{k, k.t.Muted.Paint(format.PadRight(" "+label, labelW))}
}

// entry is a label with values beside it.
type entry struct {
	k    *sheet
	left string // of the next line
}

func (e *entry) line(painted string) {
	e.k.lines = append(e.k.lines, e.left+painted)
	e.left = strings.Repeat(" ", labelW)
}

func (e *entry) say(s theme.Style, text string) {
	for _, l := range format.Wrap(text, e.k.room()) {
		e.line(s.Paint(l))
	}
}

func (e *entry) text(x safetext.Text) {
	for _, l := range pane.Wrap(e.k.t, e.k.t.Text, x, e.k.room()) {
		e.line(l)
	}
}

func (e *entry) texts(all []safetext.Text, none string) {
	if len(all) == 0 {
		e.say(e.k.t.Text, none)
	}
	for _, x := range all {
		e.text(x)
	}
}

// grants adds grants, with their groups if groups is true.
func (e *entry) grants(all []grant, groups bool, none string) {
	if len(all) == 0 {
		e.say(e.k.t.Text, none)
	}
	t := e.k.t
	for i := range all {
		g := &all[i]
		word := effect(t, g)
		for j, l := range pane.Wrap(t, t.Text, g.at.Text(), max(8, e.k.room()-effectW)) {
			if j > 0 {
				word = "     "
			}
			e.line(word + " " + l)
		}
		when := g.long()
		if groups {
			to := "to " + g.group.Raw()
			if when != "" && !g.early && !g.over {
				to, when = to+", "+when, ""
			}
			for _, l := range pane.Wrap(t, t.Muted, safetext.New(to), e.k.room()) {
				e.line(l)
			}
		}
		if when != "" {
			style := t.Muted
			if g.early || g.over {
				style = t.Warn
			}
			e.say(style, when)
		}
		for _, l := range pane.Wrap(t, t.Muted, g.reason, e.k.room()) {
			e.line(l)
		}
	}
}

// explained draws the server's explanation of a person's access to a file.
func (p *Pane) explained(v *view, w int) []string {
	k, a, t := &sheet{t: p.Env.Theme, w: w}, v.ans.why, p.Env.Theme
	name := v.user.String() + " "
	if v.user.Equal(p.Env.Me.Name) {
		name = "You "
	}
	if a.allowed {
		k.verdict(t.Glyphs.Yes, t.OK, name+"can read "+v.thing())
	} else {
		k.verdict(t.Glyphs.No, t.Bad, name+"cannot read "+v.thing())
	}
	k.path(v.at)
	k.begin("In groups").texts(v.ans.in, "none")
	switch {
	case len(a.allows) > 0:
		k.begin("Allowed by").grants(a.allows, true, "")
	default:
		k.begin("Allowed by").say(t.Text, "no grant of these groups")
	}
	if len(a.denies) > 0 {
		e := k.begin("Denied by")
		e.grants(a.denies, true, "")
		e.say(t.Muted, "A deny grant overrides every allow grant.")
	} else {
		k.begin("Denied by").say(t.Text, "no grant of these groups")
	}
	if len(a.asleep) > 0 {
		k.begin("Not in force").grants(a.asleep, true, "")
	}
	if a.allowed {
		return k.lines
	}
	if len(a.nearest) > 0 {
		k.begin("Nearby grants").grants(a.nearest, true, "")
	}
	if len(a.others) > 0 {
		k.begin("Other groups").grants(a.others, true, "")
	}
	if len(a.would) > 0 {
		label := "Missing grant"
		if len(a.would) > 1 {
			label = "One of these"
		}
		e := k.begin(label)
		e.grants(a.would, true, "")
		if len(a.would) > 1 {
			e.say(t.Muted, "would allow it. None exists.")
		} else {
			e.say(t.Muted, "It does not exist.")
		}
	}
	return k.lines
}

// reached draws the part of the response about one row.
func (p *Pane) reached(v *view, l line, w int) []string {
	k := &sheet{t: p.Env.Theme, w: w}
	switch {
	case l.request != nil:
		p.requestSheet(k, l.request)
	case l.person != nil:
		p.personSheet(k, v, l.person)
	case l.group != nil:
		p.groupSheet(k, v, l.group)
	case l.grant != nil:
		p.grantSheet(k, l.grant)
	}
	return k.lines
}

func (p *Pane) personSheet(k *sheet, v *view, who *person) {
	t, name := k.t, who.name.String()
	whole := who.whole || !v.folder()
	switch {
	case !who.enabled:
		k.verdict(t.Glyphs.No, t.Bad, name+" is disabled and can read nothing until enabled again")
	case !v.folder():
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read "+v.thing())
	case whole:
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read all of "+v.thing())
	default:
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read parts of "+v.thing())
	}
	k.path(v.at)
	k.begin("Through").texts(who.groups, "no single group")
	var allows, denies []grant
	for _, g := range v.ans.groups {
		if !has(who.groups, g.name) {
			continue
		}
		for _, x := range g.grants {
			if x.deny {
				denies = append(denies, x)
			} else {
				allows = append(allows, x)
			}
		}
	}
	k.begin("Allowed by").grants(allows, len(who.groups) > 1, "no grant is listed here")
	e := k.begin("Denied by")
	switch {
	case whole:
		e.say(t.Text, "no grant of this person's groups")
	case len(denies) > 0:
		e.grants(denies, len(who.groups) > 1, "")
		e.say(t.Muted, "Other groups of this person may deny more. "+p.Env.Keys.Shown(keys.Access, keys.CanSee)+" shows the result.")
	default:
		e.say(t.Text, "no grant of these groups")
		e.say(t.Muted, "Other groups of this person may deny something. "+p.Env.Keys.Shown(keys.Access, keys.CanSee)+" shows the result.")
	}
}

func (p *Pane) groupSheet(k *sheet, v *view, g *group) {
	t, name := k.t, g.name.String()
	switch {
	case !v.folder():
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read "+v.thing())
	case g.whole:
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read all of "+v.thing())
	default:
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read parts of "+v.thing())
	}
	k.path(v.at)
	k.begin("By").grants(g.grants, false, "no grant is listed here")
	var in []safetext.Text
	for i := range v.ans.people {
		if x := &v.ans.people[i]; has(x.groups, g.name) {
			in = append(in, x.name)
		}
	}
	k.begin("People").texts(in, "no member can read this")
	k.gap()
	for _, l := range format.Wrap("A deny grant of another group may take away some of this.", max(8, k.w-4)) {
		k.lines = append(k.lines, "   "+t.Muted.Paint(l))
	}
}

func (p *Pane) grantSheet(k *sheet, g *grant) {
	t := k.t
	what := "a folder and all below"
	switch {
	case g.object:
		what = "one file"
	case g.at.Key.IsZero():
		what = "the whole bucket"
	}
	if g.deny {
		k.verdict(t.Glyphs.No, t.Bad, "Denies "+what)
	} else {
		k.verdict(t.Glyphs.Yes, t.OK, "Allows "+what)
	}
	k.path(g.at)
	k.gap()
	k.fact("Group").text(g.group)
	if when := g.long(); when != "" {
		k.fact("Time").say(t.Text, when)
	}
	if !g.reason.IsZero() {
		k.fact("Reason").text(g.reason)
	}
	k.gap()
	k.fact("In the log").text(g.text)
}
