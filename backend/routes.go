package backend

import (
	"fmt"

	"usher/backend/api"
	"usher/backend/budget"
	"usher/backend/event"
)

// route holds the parts of a verb. Each part is required.
type route struct {
	verb   api.Verb
	limit  int64       // greatest size of the body, in bytes
	spends budget.Kind // the person's rate that each request spends
	check  freshness   // freshness of the live check before the body is read
	action string      // audit action of a refused request
	serve  func(r *request) (any, error)
}

// freshness is the purpose of a live check. It bounds the check's age.
type freshness uint8

const (
	unchecked    freshness = iota
	forListing             // names are shown
	forReleasing           // a URL is signed
)

// table returns the routes of all verbs.
func (b *Backend) table() []route {
	return []route{
		{api.VerbWhoami, api.MaxBody, budget.Requests, forReleasing, event.SessionStart, b.whoami},
		{api.VerbList, api.MaxBody, budget.Lists, forListing, event.List, b.list},
		{api.VerbSearch, api.MaxBody, budget.Lists, forListing, event.Search, b.search},
		{api.VerbStat, api.MaxBody, budget.Objects, forListing, event.Stat, b.stat},
		{api.VerbVersions, api.MaxBody, budget.Lists, forListing, event.Versions, b.versions},
		{api.VerbRelease, api.MaxReleaseBody, budget.Objects, forReleasing, event.Download, b.release},
		// The log accepts event.Completed only once for each accepted report, so
		// refusals are recorded as Download.
		{api.VerbComplete, api.MaxReleaseBody, budget.Reports, forListing, event.Download, b.complete},
		{api.VerbSignout, api.MaxBody, budget.Requests, forListing, event.SignOut, b.signout},
		{api.VerbSignoutAll, api.MaxBody, budget.Requests, forReleasing, event.SignOutAll, b.signoutEverywhere},
		{api.VerbDeviceDone, api.MaxBody, budget.Requests, forListing, event.SessionStart, b.deviceDone},
		{api.VerbAuditQuery, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditQuery},
		{api.VerbAuditBy, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditBy},
		{api.VerbAuditSummary, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditSummary},
		{api.VerbAuditPolicy, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditPolicy},
		// A checkpoint discloses a number of events and no content, so only refusals are
		// recorded: an event for each checkpoint would grow the log by its own proofs.
		{api.VerbCheckpoint, api.MaxBody, budget.Requests, forListing, event.AuditRead, b.checkpoint},
		// The log has event.AuditExport only for an export, so refusals are recorded as
		// AuditRead.
		{api.VerbAuditExport, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditExport},
		{api.VerbAuditReview, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditReview},
		{api.VerbAuditReviews, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditReviews},
		{api.VerbVerified, api.MaxBody, budget.Lists, forListing, event.AuditRead, b.auditVerified},
		{api.VerbExplain, api.MaxBody, budget.Lists, forListing, event.Explain, b.explain},
		{api.VerbWho, api.MaxBody, budget.Lists, forListing, event.Explain, b.who},
		{api.VerbCan, api.MaxBody, budget.Lists, forListing, event.Explain, b.can},
		{api.VerbExplainRequest, api.MaxBody, budget.Lists, forListing, event.Explain, b.explainRequest},
		{api.VerbReview, api.MaxBody, budget.Lists, forListing, event.Explain, b.review},
		{api.VerbAsk, api.MaxBody, budget.Lists, forListing, event.AccessRequested, b.ask},
		{api.VerbAsked, api.MaxBody, budget.Lists, forListing, event.AccessRequested, b.asked},
		{api.VerbWithdraw, api.MaxBody, budget.Lists, forListing, event.AccessWithdrawn, b.withdraw},
		// The log has event.AccessAnswered only for an answer, so refusals are recorded as
		// Explain.
		{api.VerbAsking, api.MaxBody, budget.Lists, forListing, event.Explain, b.asking},
		{api.VerbAnswer, api.MaxBody, budget.Lists, forReleasing, event.Explain, b.answer},
		{api.VerbGrantsList, api.MaxBody, budget.Lists, forListing, event.Explain, b.grantsList},
		{api.VerbGrantsDiff, api.MaxDiffBody, budget.Lists, forListing, event.Explain, b.grantsDiff},
		// The log has event.GrantsChanged only for a change, so refusals are recorded
		// as Explain.
		{api.VerbGrantsApply, api.MaxApplyBody, budget.Lists, forReleasing, event.Explain, b.grantsApply},
		{api.VerbGrantsEdit, api.MaxDiffBody, budget.Lists, forReleasing, event.Explain, b.grantsEdit},
	}
}

// index returns the routes by path. It refuses a route with a missing part: no
// verb can be added without a limit, a budget, a live check or an audit action.
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
			return nil, fmt.Errorf("backend: two routes for %q", w.verb)
		}
		byPath[w.verb.Path()] = w
	}
	return byPath, nil
}
