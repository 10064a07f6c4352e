package backend_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// logRequests returns a request for each verb that reads the log or adds to it. An
// auditor gets an answer to each.
func logRequests(t *testing.T, w *demotest.Demo) map[api.Verb]any {
	t.Helper()
	policy := w.Events(t, "action:service-start")[0].GrantsVersion
	return map[api.Verb]any{
		api.VerbAuditQuery:   api.AuditQueryRequest{Filter: "who:ada"},
		api.VerbAuditBy:      api.AuditByRequest{By: "who", Filter: "who:ada"},
		api.VerbAuditSummary: api.AuditSummaryRequest{Hours: 1},
		api.VerbAuditPolicy:  api.AuditPolicyRequest{Version: policy},
		api.VerbAuditExport:  api.AuditExportRequest{Filter: "who:ada"},
		api.VerbAuditReview:  api.AuditReviewRequest{Filter: "who:ada", Finding: "fine"},
		api.VerbAuditReviews: api.AuditReviewsRequest{},
		api.VerbVerified:     api.AuditVerifiedRequest{Of: "log", Root: strings.Repeat("A", 43) + "="},
		api.VerbCheckpoint:   api.CheckpointRequest{},
	}
}

// Every verb of the log is for auditors: an admin and a person with grants get "not
// found", the same one as for a verb that does not exist, and each attempt is an event.
// The verbs are those of the routes whose audit action is a read of the log, so a new
// verb is red here until it has a request.
func TestTheLogIsForAuditorsOnly(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	people := map[string]demotest.Actor{"margaret": w.SignIn(t, "margaret"), "ada": w.SignIn(t, "ada")}
	grace := w.SignIn(t, "grace")
	requests := logRequests(t, w)
	// Every signed-in person gets checkpoints: a client that keeps them finds a log that
	// was written again. A checkpoint has a number of events and a hash.
	shared := []api.Verb{api.VerbCheckpoint}
	refused := 0
	for verb, action := range backend.Routes() {
		if ofLog := strings.HasPrefix(string(verb), "audit/"); ofLog != (action == event.AuditRead) {
			t.Errorf("the route %s has the audit action %s", verb, action)
		}
		if action != event.AuditRead {
			continue
		}
		in, ok := requests[verb]
		if !ok {
			t.Errorf("no request for %s", verb)
			continue
		}
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, answer := raw(t, w, grace, string(verb), string(body)); status != http.StatusOK {
			t.Errorf("the auditor's %s: %d %s", verb, status, answer)
		}
		if slices.Contains(shared, verb) {
			continue
		}
		refused++
		for name, who := range people {
			_, _, unknown := raw(t, w, who, "audit/unknown", string(body))
			if status, _, answer := raw(t, w, who, string(verb), string(body)); status != http.StatusNotFound || answer != unknown {
				t.Errorf("%s gets %s: %d %s, want %s", name, verb, status, answer, unknown)
			}
		}
	}
	for name := range people {
		events := query(t, grace, "outcome:denied action:audit-read who:"+name)
		if len(events) != refused || refused == 0 {
			t.Errorf("%d refusals of %s are in the log, want %d", len(events), name, refused)
		}
		for _, e := range events {
			if e.Reason != "not in the auditors' group" {
				t.Errorf("the reason of a refusal of %s: %q", name, e.Reason)
			}
		}
	}
}
