package backend_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// Margaret, an admin, gets all access reports. Ada is no admin, and gets "not
// found" for each report.
func TestAccessReports(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	margaret, ada, grace := w.SignIn(t, "margaret"), w.SignIn(t, "ada"), w.SignIn(t, "grace")

	why, err := margaret.Explain(t.Context(), api.ExplainRequest{User: "grace", Bucket: "company-reports", Key: "quarterly/q3.csv"})
	if err != nil {
		t.Fatal(err)
	}
	if why.Allowed || len(why.Nearest) != 1 || !strings.Contains(why.Nearest[0].Text, "annual/audited/") || len(why.Missing) == 0 || len(why.Others) != 1 || why.Others[0].Group != "finance-team" {
		t.Errorf("why grace cannot: %+v", why)
	}
	why, err = margaret.Explain(t.Context(), api.ExplainRequest{User: "grace", Bucket: "company-reports", Key: "annual/audited/x.csv"})
	if err != nil || !why.Allowed || why.By == nil || why.By.Group != "external-auditors" {
		t.Errorf("why grace can: %+v %v", why, err)
	}
	if _, err := margaret.Explain(t.Context(), api.ExplainRequest{User: "nobody", Bucket: "company-reports", Key: "x"}); codeOf(err) != api.NotFound {
		t.Errorf("an unknown person: %v, want not_found", err)
	}

	who, err := margaret.Who(t.Context(), api.WhoRequest{Bucket: "company-reports", Key: "annual/audited/"})
	if err != nil {
		t.Fatal(err)
	}
	var people []string
	for _, p := range who.People {
		people = append(people, p.Username)
		if !p.Enabled || !p.Whole {
			t.Errorf("%+v", p)
		}
	}
	if !slices.Equal(people, []string{"ada", "grace", "margaret"}) || len(who.Groups) != 2 {
		t.Errorf("who: %v %+v", people, who.Groups)
	}

	can, err := margaret.Can(t.Context(), api.CanRequest{User: "alan"})
	if err != nil || len(can.Roots) != 2 || can.Roots[0].Grant.Bucket != "builds" || *can.Roots[0].Grant.Prefix != "" {
		t.Errorf("can: %+v %v", can, err)
	}

	list, err := margaret.GrantsList(t.Context())
	if err != nil || len(list.Grants) != 5 || list.Problem != "" {
		t.Errorf("grants: %+v %v", list, err)
	}

	diff, err := margaret.GrantsDiff(t.Context(), api.GrantsDiffRequest{Text: `grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
  - {group: external-auditors, bucket: company-reports, prefix: annual/}
`})
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]api.PersonChange{}
	for _, c := range diff.People {
		changes[c.Username] = c
	}
	if c := changes["grace"]; !slices.Equal(c.Appears, []string{"company-reports/annual/"}) || len(c.Disappears) != 0 {
		t.Errorf("for grace: %+v", c)
	}
	if c := changes["ada"]; !slices.Equal(c.Disappears, []string{"company-reports/annual/"}) {
		t.Errorf("for ada: %+v", c)
	}
	if c := changes["alan"]; len(c.Disappears) != 2 {
		t.Errorf("for alan: %+v", c)
	}
	diff, err = margaret.GrantsDiff(t.Context(), api.GrantsDiffRequest{Text: "grants:\n  - {group: x, bucket: b, prefix: finance}\n"})
	if err != nil || len(diff.Problems) == 0 || diff.Problems[0].Line != 2 || diff.Problems[0].Fix == "" {
		t.Errorf("a bad file: %+v %v", diff, err)
	}

	// Grace, an auditor, gets the reports on access, and not those on grants.
	if out, err := grace.Explain(t.Context(), api.ExplainRequest{User: "ada", Bucket: "company-reports", Key: "quarterly/q3.csv"}); err != nil || !out.Allowed {
		t.Errorf("an auditor's explanation: %+v %v", out, err)
	}
	if out, err := grace.Who(t.Context(), api.WhoRequest{Bucket: "builds"}); err != nil || len(out.People) == 0 {
		t.Errorf("an auditor's readers: %+v %v", out, err)
	}
	if out, err := grace.Can(t.Context(), api.CanRequest{User: "alan"}); err != nil || len(out.Roots) != 2 {
		t.Errorf("an auditor's paths: %+v %v", out, err)
	}
	if n := len(query(t, grace, "who:grace outcome:allowed action:"+event.Explain)); n != 3 {
		t.Errorf("%d queries by grace are in the log, want 3", n)
	}
	if _, err := grace.GrantsList(t.Context()); codeOf(err) != api.NotFound {
		t.Errorf("an auditor lists grants: %v", err)
	}
	if _, err := grace.GrantsDiff(t.Context(), api.GrantsDiffRequest{}); codeOf(err) != api.NotFound {
		t.Errorf("an auditor compares grants: %v", err)
	}

	for name, call := range map[string]func() error{
		"review": func() error { _, err := ada.Review(t.Context(), api.ReviewRequest{}); return err },
		"request": func() error {
			_, err := ada.ExplainID(t.Context(), api.ExplainIDRequest{Request: "01KATV2M7Q4YB8ZWJ5R9C0XN3D"})
			return err
		},
		"explain": func() error {
			_, err := ada.Explain(t.Context(), api.ExplainRequest{User: "grace", Bucket: "company-reports", Key: "x"})
			return err
		},
		"who":  func() error { _, err := ada.Who(t.Context(), api.WhoRequest{Bucket: "company-reports"}); return err },
		"can":  func() error { _, err := ada.Can(t.Context(), api.CanRequest{User: "ada"}); return err },
		"list": func() error { _, err := ada.GrantsList(t.Context()); return err },
		"diff": func() error { _, err := ada.GrantsDiff(t.Context(), api.GrantsDiffRequest{}); return err },
	} {
		if err := call(); codeOf(err) != api.NotFound {
			t.Errorf("ada calls %s: %v, want not_found", name, err)
		}
	}
	if n := len(query(t, grace, "who:margaret action:"+event.Explain)); n != 8 {
		t.Errorf("%d queries by margaret are in the log, want 8", n)
	}
	if n := len(query(t, grace, "who:ada outcome:denied action:"+event.Explain)); n != 7 {
		t.Errorf("%d queries by ada are in the log, want 7", n)
	}
}

// The id of a refused request explains the refusal, to an admin and to an auditor. Only
// the auditor gets the decisions that were allowed.
func TestExplainARequest(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	margaret, ada, grace := w.SignIn(t, "margaret"), w.SignIn(t, "ada"), w.SignIn(t, "grace")
	_, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "builds", Key: "README.md"})
	var answer *api.Error
	if !errors.As(err, &answer) || answer.RequestID == "" {
		t.Fatalf("a refusal without an id: %v", err)
	}
	for name, who := range map[string]demotest.Actor{"an admin": margaret, "an auditor": grace} {
		out, err := who.ExplainID(t.Context(), api.ExplainIDRequest{Request: answer.RequestID})
		if err != nil || len(out.Decisions) != 1 {
			t.Fatalf("%s: %+v %v", name, out, err)
		}
		d := out.Decisions[0]
		if d.User != "ada" || d.Outcome != event.Denied || d.Bucket != "builds" || d.Reason == "" || d.Now == nil || d.Now.Allowed || len(d.Now.Others) == 0 || d.GroupsChanged || d.GrantsChanged {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if _, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: "quarterly/README.md"}); err != nil {
		t.Fatal(err)
	}
	allowed := query(t, grace, "who:ada action:stat outcome:allowed")
	if len(allowed) != 1 {
		t.Fatalf("%d allowed events", len(allowed))
	}
	if _, err := margaret.ExplainID(t.Context(), api.ExplainIDRequest{Request: allowed[0].RequestID}); codeOf(err) != api.NotFound {
		t.Errorf("an admin gets an allowed request: %v", err)
	}
	if out, err := grace.ExplainID(t.Context(), api.ExplainIDRequest{Request: allowed[0].RequestID}); err != nil || out.Decisions[0].Outcome != event.Allowed {
		t.Errorf("an auditor and an allowed request: %+v %v", out, err)
	}
	read := query(t, grace, "who:grace action:audit-read")
	if _, err := grace.ExplainID(t.Context(), api.ExplainIDRequest{Request: read[0].RequestID}); codeOf(err) != api.NotFound {
		t.Errorf("a reading of the log is no decision: %v", err)
	}
}

// A review has each person with each grant. Its facts from the log are for auditors.
func TestReview(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	margaret, ada, grace := w.SignIn(t, "margaret"), w.SignIn(t, "ada"), w.SignIn(t, "grace")
	if _, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: "quarterly/README.md"}); err != nil {
		t.Fatal(err)
	}
	used := query(t, grace, "who:ada action:stat")[0]
	find := func(rows []api.ReviewRow, person, path string) (found []api.ReviewRow) {
		for _, r := range rows {
			if r.Username == person && r.Grant.Prefix != nil && r.Grant.Bucket+"/"+*r.Grant.Prefix == path {
				found = append(found, r)
			}
		}
		return found
	}
	out, err := grace.Review(t.Context(), api.ReviewRequest{})
	if err != nil || !out.Log {
		t.Fatalf("%+v %v", out, err)
	}
	for cursor := out.Cursor; cursor != ""; { // a page ends in time, on a slow machine earlier
		next, err := grace.Review(t.Context(), api.ReviewRequest{Cursor: cursor})
		if err != nil || next.Cursor == cursor {
			t.Fatalf("%+v %v", next, err)
		}
		out.Rows, cursor = append(out.Rows, next.Rows...), next.Cursor
	}
	rows := find(out.Rows, "ada", "company-reports/quarterly/")
	if len(rows) != 1 || rows[0].Group != "finance-team" || rows[0].LastUsed == nil || !rows[0].LastUsed.Equal(used.Time) || rows[0].LastEvent != used.ID || rows[0].Denied || !rows[0].Enabled {
		t.Errorf("ada: %+v", rows)
	}
	if rows := find(out.Rows, "alan", "builds/"); len(rows) != 1 || rows[0].LastUsed != nil || rows[0].Searched != nil {
		t.Errorf("alan: %+v", rows)
	}
	part, err := grace.Review(t.Context(), api.ReviewRequest{Bucket: "builds"})
	if err != nil || len(part.Rows) == 0 || len(find(part.Rows, "ada", "company-reports/quarterly/")) != 0 {
		t.Errorf("of a bucket: %+v %v", part, err)
	}
	out, err = margaret.Review(t.Context(), api.ReviewRequest{})
	if err != nil || out.Log {
		t.Fatalf("%+v %v", out, err)
	}
	for _, r := range out.Rows {
		if r.LastUsed != nil || r.Since != nil || r.LastEvent != "" || r.SinceEvent != "" || r.Searched != nil {
			t.Errorf("an admin gets a fact of the log: %+v", r)
		}
	}
	if rows := find(out.Rows, "ada", "company-reports/quarterly/"); len(rows) != 1 {
		t.Errorf("an admin's review: %+v", rows)
	}
}
