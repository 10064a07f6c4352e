package backend

import (
	"fmt"

	"usher/backend/api"
	"usher/backend/budget"
	"usher/backend/event"
)

// route is all that a verb needs. Each part is required.
type route struct {
	verb   api.Verb
	limit  int64       // bytes of body
	spends budget.Kind // of the person's rates, by each request
	check  freshness   // of the live check before anything else
	action string      // of its refused events
	serve  func(r *request) (any, error)
}

// freshness is the use of a live check, which decides how old it may be.
type freshness uint8

const (
	unchecked    freshness = iota
	forListing             // names are shown
	forReleasing           // a URL is signed
)

// table is the table of verbs.
func (b *Backend) table() []route {
	return []route{
		{api.VerbWhoami, api.MaxBody, budget.Requests, forListing, event.SessionStart, b.whoami},
		{api.VerbList, api.MaxBody, budget.Lists, forListing, event.List, b.list},
		{api.VerbStat, api.MaxBody, budget.Objects, forListing, event.Stat, b.stat},
		{api.VerbRelease, api.MaxReleaseBody, budget.Objects, forReleasing, event.Download, b.release},
		// The log takes event.Completed for reports that were accepted, and only once each.
		{api.VerbComplete, api.MaxBody, budget.Reports, forListing, event.Download, b.complete},
		{api.VerbSignout, api.MaxBody, budget.Requests, forListing, event.SignOut, b.signout},
		{api.VerbAuditQuery, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditQuery},
		{api.VerbAuditSummary, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditSummary},
		{api.VerbExplain, api.MaxBody, budget.Lists, forListing, event.Explain, b.explain},
		{api.VerbWho, api.MaxBody, budget.Lists, forListing, event.Explain, b.who},
		{api.VerbCan, api.MaxBody, budget.Lists, forListing, event.Explain, b.can},
		{api.VerbGrantsList, api.MaxBody, budget.Lists, forListing, event.Explain, b.grantsList},
		{api.VerbGrantsDiff, api.MaxDiffBody, budget.Lists, forListing, event.Explain, b.grantsDiff},
	}
}

// index finds routes by their path. A route without a limit, a budget, a live
// check or an audit action is refused, so that no verb can be added without.
func index(routes []route) (map[string]route, error) {
	byPath := make(map[string]route, len(routes))
	for _, w := range routes {
		missing := ""
		switch {
		case w.verb == "":
			missing = "verb"
		case w.limit <= 0:
			missing = "body limit"
		case w.spends == budget.None:
			missing = "budget"
		case w.check == unchecked:
			missing = "live check"
		case w.action == "":
			missing = "audit action"
		case w.serve == nil:
			missing = "handler"
		}
		if missing != "" {
			return nil, fmt.Errorf("backend: the route %q has no %s", w.verb, missing)
		}
		if _, taken := byPath[w.verb.Path()]; taken {
			return nil, fmt.Errorf("backend: the route %q is there twice", w.verb)
		}
		byPath[w.verb.Path()] = w
	}
	return byPath, nil
}
