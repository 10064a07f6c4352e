package backend_test

import (
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

	for name, call := range map[string]func() error{
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
	if n := len(query(t, grace, "who:ada outcome:denied action:"+event.Explain)); n != 5 {
		t.Errorf("%d queries by ada are in the log, want 5", n)
	}
}
