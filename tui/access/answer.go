package access

import (
	"context"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/pane"
)

// kind is the query of a view.
type kind int

const (
	who      kind = iota // the readers of a path
	why                  // the explanation of a person's access to an object
	can                  // the paths of a person
	grants               // all active grants
	requests             // the open requests for access
	reach                // one row of a list, in full; without a query
)

// answer is a response of the server, safe to display. It is immutable.
type answer struct {
	groups []group // readers of a path
	people []person
	in     []safetext.Text // why, can: the person's groups
	roots  []root          // can
	list   []grant         // grants
	wrong  []safetext.Text // grants: the faults of a newer file, which was refused
	why    *because

	requests []request // the oldest first
	more     bool      // requests: others follow
}

type group struct {
	name   safetext.Text
	whole  bool
	grants []grant
}

type person struct {
	name           safetext.Text
	whole, enabled bool
	groups         []safetext.Text
}

type root struct {
	grant
	except []grant
}

// grant is one grant. Text is its form in the audit log.
type grant struct {
	text, group, reason safetext.Text
	at                  pane.Target
	deny, object        bool
	from, until         time.Time
	early, over         bool // outside its time window at the response
}

// because is the explanation of a person's access to an object.
type because struct {
	allowed                                        bool
	allows, denies, asleep, nearest, others, would []grant
}

// fetch is a query with its dependencies, for a command.
type fetch struct {
	backend Backend
	now     func() time.Time
	kind    kind
	at      pane.Target
	user    safetext.Text
	after   string // requests: the id of the last one before
}

func (f fetch) do(ctx context.Context) (*answer, error) {
	b, out := f.backend, &answer{}
	switch f.kind {
	case who:
		r, err := b.Who(ctx, api.WhoRequest{Bucket: f.at.Bucket.Raw(), Key: f.at.Key.Raw()})
		if err != nil {
			return nil, err
		}
		now := f.now()
		for _, g := range r.Groups {
			out.groups = append(out.groups, group{safetext.New(g.Group), g.Whole, grantsOf(g.Grants, now)})
		}
		for _, p := range r.People {
			out.people = append(out.people, person{safetext.New(p.Username), p.Whole, p.Enabled, texts(p.Groups)})
		}
	case why:
		r, err := b.Explain(ctx, api.ExplainRequest{User: f.user.Raw(), Bucket: f.at.Bucket.Raw(), Key: f.at.Key.Raw()})
		if err != nil {
			return nil, err
		}
		now := f.now()
		out.in = texts(r.Groups)
		out.why = &because{
			allowed: r.Allowed, allows: grantsOf(r.Allows, now), denies: grantsOf(r.Denies, now), asleep: grantsOf(r.Asleep, now),
			nearest: grantsOf(r.Nearest, now), others: grantsOf(r.Others, now), would: grantsOf(r.Missing, now),
		}
	case can:
		r, err := b.Can(ctx, api.CanRequest{User: f.user.Raw()})
		if err != nil {
			return nil, err
		}
		now := f.now()
		out.in = texts(r.Groups)
		for _, x := range r.Roots {
			out.roots = append(out.roots, root{grantOf(x.Grant, now), grantsOf(x.Except, now)})
		}
	case grants:
		r, err := b.GrantsList(ctx)
		if err != nil {
			return nil, err
		}
		out.list = grantsOf(r.Grants, f.now())
		if r.Problem != "" {
			out.wrong = texts(strings.Split(r.Problem, "\n"))
		}
	case requests:
		r, err := b.Asking(ctx, api.AskingRequest{After: f.after})
		if err != nil {
			return nil, err
		}
		out.requests, out.more = requestsOf(r, f.now()), r.More && len(r.Requests) > 0
	}
	return out, nil
}

func grantsOf(all []api.Grant, now time.Time) []grant {
	out := make([]grant, len(all))
	for i, g := range all {
		out[i] = grantOf(g, now)
	}
	return out
}

func grantOf(g api.Grant, now time.Time) grant {
	out := grant{
		text: safetext.New(g.Text), group: safetext.New(g.Group), reason: safetext.New(g.Reason),
		at: pane.Target{Bucket: safetext.New(g.Bucket), Key: safetext.New(g.Object)}, deny: g.Effect == "deny", object: g.Prefix == nil,
	}
	if g.Prefix != nil {
		out.at.Key = safetext.New(*g.Prefix)
	}
	if g.NotBefore != nil {
		out.from, out.early = g.NotBefore.UTC(), now.Before(*g.NotBefore)
	}
	if g.Expires != nil {
		out.until, out.over = g.Expires.UTC(), !now.Before(*g.Expires)
	}
	return out
}

func texts(all []string) []safetext.Text {
	out := make([]safetext.Text, len(all))
	for i, s := range all {
		out[i] = safetext.New(s)
	}
	return out
}

// has reports whether a group is among some.
func has(groups []safetext.Text, g safetext.Text) bool {
	for _, x := range groups {
		if x.Equal(g) {
			return true
		}
	}
	return false
}

// together joins the names of groups.
func together(groups []safetext.Text) safetext.Text {
	if len(groups) == 1 {
		return groups[0]
	}
	raw := make([]string, len(groups))
	for i, g := range groups {
		raw[i] = g.Raw()
	}
	return safetext.New(strings.Join(raw, ", "))
}
