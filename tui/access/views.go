package access

import (
	"strings"

	"charm.land/bubbles/v2/viewport"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/rows"
)

// view is a query and its response, as a list or as a sheet of text.
type view struct {
	kind kind
	at   pane.Target
	user safetext.Text // why, can: the person; for readers: the row for the cursor
	of   line          // reach: the row
	ans  *answer       // nil before the response

	problem string // the failure of the query, as a sentence
	lost    bool   // no response, or the sign-in ended: the query may be repeated
	retried bool

	lines []line
	list  *rows.List // nil for a sheet
	port  viewport.Model
	portW int // width of the sheet in port; 0: none
}

// line is a row of a list.
type line struct {
	heading string // not "": a heading, which the cursor skips
	bad     bool   // the heading is a warning
	group   *group
	person  *person
	grant   *grant
	request *request
	first   bool // the first grant of its group
	except  bool // a denial within the path on the row above
}

// named returns the identity of a row across responses.
func (l line) named() string {
	switch {
	case l.request != nil:
		return "r" + l.request.id.Raw()
	case l.person != nil:
		return "p" + l.person.name.Raw()
	case l.grant != nil:
		return "g" + l.grant.text.Raw()
	case l.group != nil:
		return "g" + l.group.name.Raw()
	}
	return ""
}

// view returns an empty view of a query.
func (p *Pane) view(k kind, at pane.Target, user safetext.Text) *view {
	v := &view{kind: k, at: at, user: user}
	if k == why || k == reach {
		v.port = viewport.New()
		return v
	}
	v.list = rows.New(source{p, v}, rows.Config{Jump: p.Env.Jump})
	v.list.Focus(true)
	return v
}

// folder reports whether the path is a folder or a bucket.
func (v *view) folder() bool {
	return v.at.Where().IsFolder()
}

// thing returns the kind of the path in words.
func (v *view) thing() string { return thing(v.at) }

func thing(at pane.Target) string {
	switch {
	case at.Key.IsZero():
		return "this bucket"
	case at.Where().IsFolder():
		return "this folder"
	}
	return "this file"
}

// current returns the row under the cursor, the zero line without one.
func (v *view) current() line {
	switch {
	case v.kind == reach:
		return v.of
	case v.list == nil:
		return line{}
	}
	if i := v.list.Cursor(); i >= 0 && i < len(v.lines) && v.lines[i].heading == "" {
		return v.lines[i]
	}
	return line{}
}

// about returns the person for a key, empty without one.
func (v *view) about() safetext.Text {
	switch l := v.current(); {
	case l.person != nil:
		return l.person.name
	case l.request != nil:
		return l.request.user
	}
	if v.kind == why || v.kind == can {
		return v.user
	}
	return safetext.Text{}
}

// fill stores a response. The cursor stays on its row if it still exists.
func (v *view) fill(a *answer) {
	again, was := v.ans != nil, v.current().named()
	v.ans, v.problem, v.lost, v.retried, v.portW = a, "", false, false, 0
	if v.list == nil {
		return
	}
	v.lines = v.lines[:0]
	switch v.kind {
	case who:
		v.whoLines()
	case can:
		for i := range a.roots {
			r := &a.roots[i]
			v.lines = append(v.lines, line{grant: &r.grant})
			for j := range r.except {
				v.lines = append(v.lines, line{grant: &r.except[j], except: true})
			}
		}
	case grants:
		v.grantLines()
	case requests:
		for i := range a.requests {
			v.lines = append(v.lines, line{request: &a.requests[i]})
		}
	}
	v.list.Changed()
	v.list.SetTop(0)
	v.list.SetCursor(v.start(again, was))
}

// start returns the row for the cursor: the one before, or the person of the query,
// or the first person.
func (v *view) start(again bool, was string) int {
	first := 0
	for i, l := range v.lines {
		switch {
		case again && was != "" && l.named() == was:
			return i
		case l.person == nil:
		case !again && l.person.name.Equal(v.user):
			return i
		case first == 0:
			first = i
		}
	}
	return first
}

func (v *view) whoLines() {
	a := v.ans
	if len(a.groups) == 0 && len(a.people) == 0 {
		return
	}
	v.lines = append(v.lines, line{heading: "Groups"})
	for i := range a.groups {
		g := &a.groups[i]
		if len(g.grants) == 0 {
			v.lines = append(v.lines, line{group: g, first: true})
		}
		for j := range g.grants {
			v.lines = append(v.lines, line{group: g, grant: &g.grants[j], first: j == 0})
		}
	}
	if len(a.people) == 0 {
		v.lines = append(v.lines, line{heading: "No person in these groups can read it."})
		return
	}
	v.lines = append(v.lines, line{heading: "People"})
	for i := range a.people {
		v.lines = append(v.lines, line{person: &a.people[i]})
	}
}

// wrongMost is the largest number of displayed faults of a refused grants file.
const wrongMost = 6

func (v *view) grantLines() {
	a := v.ans
	if len(a.wrong) > 0 {
		v.lines = append(v.lines, line{heading: "A newer grants file was refused. These grants are still in force:", bad: true})
		for _, x := range a.wrong[:min(len(a.wrong), wrongMost)] {
			if s := x.String(); s != "" {
				v.lines = append(v.lines, line{heading: s, bad: true})
			}
		}
	}
	for i := range a.list {
		v.lines = append(v.lines, line{grant: &a.list[i]})
	}
}

// missing reports whether the person of the view is not among the readers.
func (v *view) missing() bool {
	if v.kind != who || v.user.IsZero() || v.ans == nil {
		return false
	}
	for i := range v.ans.people {
		if v.ans.people[i].name.Equal(v.user) {
			return false
		}
	}
	return true
}

// Title returns the path for row 0.
func (p *Pane) Title() []string {
	v := p.top()
	switch {
	case v == nil:
		return []string{"Access"}
	case v.kind == can:
		return []string{"Access", v.user.String()}
	case v.kind == grants:
		return []string{"Access", "Grants"}
	case v.kind == requests || v.of.request != nil:
		return []string{"Access", "Requests"}
	}
	parts := []string{"Access", v.at.Bucket.String()}
	for _, s := range strings.Split(strings.TrimSuffix(v.at.Key.Raw(), "/"), "/") {
		if v.at.Key.IsZero() {
			break
		}
		parts = append(parts, safetext.Line(s))
	}
	return parts
}

// headline returns the head of a view: the query, and the size of the response.
func (p *Pane) headline(v *view) (title, note string) {
	name := format.End(v.user.String(), 32, p.Env.Theme.Glyphs.Ellipsis)
	switch v.kind {
	case who:
		title = "Who can read " + v.thing()
		if a := v.ans; a != nil {
			note = quantity.Plural(len(a.groups), "group", "groups") + ", " + quantity.Plural(len(a.people), "person", "people")
		}
	case can:
		title = "What " + name + " can see"
		if v.ans != nil {
			note = quantity.Plural(len(v.ans.roots), "path", "paths")
		}
	case grants:
		title = "All grants"
		if v.ans != nil {
			note = quantity.Plural(len(v.ans.list), "grant", "grants")
		}
	case requests:
		title = "Open requests for access"
		if a := v.ans; a != nil {
			note = quantity.Plural(len(a.requests), "request", "requests")
			if a.more {
				note += " and more"
			}
		}
	case why:
		if v.user.Equal(p.Env.Me.Name) {
			name = "you"
		}
		title = "Why " + name + " can or cannot"
		if v.ans != nil && v.ans.why.allowed {
			title = "Why " + name + " can"
		} else if v.ans != nil {
			title = "Why " + name + " cannot"
		}
	case reach:
		title = p.rowTitle(v, v.of)
	}
	if p.asked != nil && p.slow && p.asked.view == v {
		note = "loading" + p.Env.Theme.Glyphs.Ellipsis
	}
	return title, note
}

// rowTitle returns the head of the explanation of a row.
func (p *Pane) rowTitle(v *view, l line) string {
	cut := func(x safetext.Text) string { return format.End(x.String(), 32, p.Env.Theme.Glyphs.Ellipsis) }
	switch {
	case l.request != nil:
		return "Request of " + cut(l.request.user)
	case l.person != nil && !l.person.enabled:
		return cut(l.person.name) + " is disabled"
	case l.person != nil:
		return "Why " + cut(l.person.name) + " can"
	case l.group != nil:
		return "Why " + cut(l.group.name) + " can"
	case l.grant == nil:
		return ""
	case l.grant.deny:
		return "This deny grant"
	}
	return "This grant"
}
