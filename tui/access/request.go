package access

import (
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// request is an open request for access, with the facts for its answer.
type request struct {
	id, user, reason safetext.Text
	at               pane.Target
	asked, ends      time.Time
	groups           []safetext.Text
	group            safetext.Text // proposed for the grant
	nearest          *grant
	allowed, gone    bool
	fixed            bool // the grants are a file
}

func requestsOf(r api.AskingResponse, now time.Time) []request {
	out := make([]request, len(r.Requests))
	for i, q := range r.Requests {
		out[i] = request{
			id: safetext.New(q.Request), user: safetext.New(q.User), reason: safetext.New(q.Reason),
			at:    pane.Target{Bucket: safetext.New(q.Bucket), Key: safetext.New(q.Key)},
			asked: q.Asked.Asked.UTC(), ends: q.Ends.UTC(), groups: texts(q.Groups), group: safetext.New(q.Group),
			allowed: q.Allowed, gone: q.Gone, fixed: r.Fixed,
		}
		if q.Nearest != nil {
			g := grantOf(*q.Nearest, now)
			out[i].nearest = &g
		}
	}
	return out
}

// wire returns the request as the server sent it, without the nearest grant.
func (r *request) wire() api.Asking {
	out := api.Asking{
		Asked: api.Asked{Request: r.id.Raw(), Bucket: r.at.Bucket.Raw(), Key: r.at.Key.Raw(), Reason: r.reason.Raw(), Asked: r.asked, Ends: r.ends, State: api.AskOpen},
		User:  r.user.Raw(), Gone: r.gone, Allowed: r.allowed, Group: r.group.Raw(),
	}
	for _, g := range r.groups {
		out.Groups = append(out.Groups, g.Raw())
	}
	return out
}

// next returns the id of the last request of a list that others follow, else "".
func (v *view) next() string {
	if v.kind != requests || v.ans == nil || !v.ans.more || len(v.ans.requests) == 0 {
		return ""
	}
	return v.ans.requests[len(v.ans.requests)-1].id.Raw()
}

// closed is the message that a request has its answer.
type closed struct{ id safetext.Text }

// closed removes an answered request from all views. The list needs no query.
func (p *Pane) closed(m closed) {
	if n := p.Env.Me.OpenRequests; n > 0 {
		p.Env.Me.OpenRequests = n - 1 // until the server counts again
	}
	if v := p.top(); v != nil && v.kind == reach && v.of.request != nil && v.of.request.id.Equal(m.id) {
		p.pop()
	}
	for _, v := range p.stack {
		if v.kind != requests || v.ans == nil {
			continue
		}
		left := &answer{more: v.ans.more}
		for _, r := range v.ans.requests {
			if !r.id.Equal(m.id) {
				left.requests = append(left.requests, r)
			}
		}
		at := v.list.Cursor()
		v.fill(left)
		v.list.SetCursor(min(at, max(0, len(v.lines)-1)))
	}
	p.dirty()
}

// requestRow draws a request in a list of w cells. The function cut truncates the path.
func (c *builder) requestRow(strong theme.Style, r *request, w int, cut format.Cut) {
	person, path, reason := requestW(w)
	c.name(strong, r.user, person, format.End)
	c.name(c.t.Text, r.at.Text(), path, cut)
	if reason > 0 {
		c.name(c.t.Muted, r.reason, reason, format.End)
	}
	c.painted(c.t.Muted.Paint(format.Date(r.asked)), dateW)
}

const dateW = 10

// requestW returns the columns of a list of requests. A narrow list has no reasons.
func requestW(w int) (person, path, reason int) {
	person = min(max(w/5, 12), 24)
	path = w - person - dateW - 2
	if w >= 70 {
		reason = path * 2 / 5
		path -= reason + 1
	}
	return person, max(8, path), reason
}

// requestSheet draws a request in full.
func (p *Pane) requestSheet(k *sheet, r *request) {
	t, name := k.t, r.user.String()
	switch {
	case r.gone:
		k.verdict(t.Glyphs.No, t.Bad, name+" is no longer in the user pool")
	case r.allowed:
		k.verdict(t.Glyphs.Yes, t.OK, name+" can read "+thing(r.at)+" now")
	default:
		k.verdict(t.Glyphs.No, t.Warn, name+" cannot read "+thing(r.at)+" now")
	}
	k.path(r.at)
	k.gap()
	if !r.reason.IsZero() {
		k.fact("Reason").text(r.reason)
	}
	k.fact("Requested").say(t.Text, format.DateTime(r.asked)+" UTC")
	k.fact("Ends").say(t.Text, format.DateTime(r.ends)+" UTC, without an answer")
	k.fact("In groups").texts(r.groups, "none")
	if r.nearest != nil {
		k.fact("Nearest grant").grants([]grant{*r.nearest}, true, "")
	}
	if !r.fixed {
		return
	}
	k.gap()
	for _, l := range format.Wrap("The grants of this server are a file: an approval shows the line for it.", max(8, k.w-4)) {
		k.lines = append(k.lines, "   "+t.Muted.Paint(l))
	}
}

// requestStatus draws the fact that a narrow list has no room for.
func (p *Pane) requestStatus(r *request, w int) string {
	t := p.Env.Theme
	switch {
	case r.gone:
		return t.Bad.Paint(format.End("This person is no longer in the user pool.", w, t.Glyphs.Ellipsis))
	case r.allowed:
		return t.OK.Paint(format.End("This person can read the path now.", w, t.Glyphs.Ellipsis))
	case r.reason.IsZero():
		return t.Muted.Paint(format.End("There is no reason.", w, t.Glyphs.Ellipsis))
	}
	return t.Muted.Paint("Reason  ") + pane.Name(t, t.Text, r.reason, max(0, w-8), format.End)
}
