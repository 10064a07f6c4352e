package federation_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/federation"
)

var at = time.Unix(1764345600, 0).UTC()

func allow(t testing.TB, entries ...string) *federation.Allow {
	t.Helper()
	a, err := federation.NewAllow(entries, []string{"usher-admins", "usher-auditors"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestList(t *testing.T) {
	for _, row := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"  ", nil},
		{"finance-team", []string{"finance-team"}},
		{"finance-team,engineering", []string{"engineering", "finance-team"}},
		{"finance-team, engineering ,", []string{"engineering", "finance-team"}},
		{"[finance-team,engineering]", []string{"engineering", "finance-team"}},
		{"[finance-team, engineering]", []string{"engineering", "finance-team"}},
		{"[a%2Fb,caf%C3%A9]", []string{"a/b", "café"}},
		{"[one%2Cusher-admins]", []string{"one,usher-admins"}}, // one name with a comma
		{"[]", nil},
		{"[a,%zz,b]", []string{"a", "b"}},
		{`["a","b, c","b"]`, []string{"a", "b"}}, // "b, c" has a space: no group's name
		{`["a%2Fb"]`, []string{"a%2Fb"}},         // JSON is not form-encoded
		{`[]`, nil},
		{`["a",1]`, nil},
		{"[a,[b]]", nil},
		{"[a", nil},
		{"a+b", []string{"a+b"}},
		{"[a+b]", nil}, // "a b"
		{strings.Repeat("x", 129), nil},
		{"a\x1b[2J", nil},
	} {
		if got := federation.List(row.text); !slices.Equal(got, row.want) && len(got)+len(row.want) > 0 {
			t.Errorf("List(%q) = %q, want %q", row.text, got, row.want)
		}
	}
}

func TestFormatIsParsed(t *testing.T) {
	for _, groups := range [][]string{nil, {"a"}, {"b", "a"}, {"a,b", "c]", `"d"`, "e%2Ff", "grüße"}} {
		text := federation.Format(at, groups)
		got := federation.Parse(text)
		want := slices.Sorted(slices.Values(groups))
		if !got.At.Equal(at) || !slices.Equal(got.Groups, want) {
			t.Errorf("%q reads as %v", text, got)
		}
	}
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("group-with-a-long-name-%04d", i))
	}
	text := federation.Format(at, many)
	if got := federation.Parse(text); len(text) > federation.MaxValue || !got.At.Equal(at) || len(got.Groups) < 50 {
		t.Errorf("%d bytes, %d groups", len(text), len(got.Groups))
	}
}

func TestParseWithoutAStamp(t *testing.T) {
	for _, text := range []string{"[a,b]", "a,b", `["a","b"]`} {
		if got := federation.Parse(text); !got.At.IsZero() || !slices.Equal(got.Groups, []string{"a", "b"}) {
			t.Errorf("%q reads as %v", text, got)
		}
	}
	for _, text := range []string{"0[a]", "0000[a]", "1764345600[a", "1764345600a[b]", "-5[a]", "99999999999999[a]"} {
		if got := federation.Parse(text); len(got.Groups) > 0 && !got.At.IsZero() {
			t.Errorf("%q reads as %v", text, got)
		}
	}
}

func TestAllow(t *testing.T) {
	groups := []string{"finance-team", "finance-leads", "usher-admins", "usher-auditors", "other"}
	for _, row := range []struct{ entries, want []string }{
		{nil, nil},
		{[]string{"finance-team"}, []string{"finance-team"}},
		{[]string{"finance-*"}, []string{"finance-team", "finance-leads"}},
		{[]string{"*"}, []string{"finance-team", "finance-leads", "other"}},
		{[]string{"usher-*"}, nil},
		{[]string{"*", "usher-admins"}, []string{"finance-team", "finance-leads", "usher-admins", "other"}},
	} {
		if got := allow(t, row.entries...).Filter(groups); !slices.Equal(got, row.want) {
			t.Errorf("%q allows %q, want %q", row.entries, got, row.want)
		}
	}
	for _, entry := range []string{"", "a b", "a**", "*a*", "a\n"} {
		if _, err := federation.NewAllow([]string{entry}, nil); err == nil {
			t.Errorf("the entry %q is accepted", entry)
		}
	}
}

// events are those of the Cognito developer guide, with the groups of the row.
func TestInbound(t *testing.T) {
	step := federation.Inbound{Claim: "groups", Attribute: "custom:groups", Allow: allow(t, "finance-*")}
	for name, row := range map[string]struct{ attributes, want string }{
		"SAML list":        {`{"samlResponse":{"email":"j@example.com","groups":"[finance-team,Domain+Admins,usher-admins]"}}`, "1764345600[finance-team]"},
		"OIDC array":       {`{"idToken":{"sub":"1","email":"j@example.com","groups":["finance-team","x"]},"userInfo":{"email":"old@example.com"}}`, "1764345600[finance-team]"},
		"comma list":       {`{"userInfo":{"email":"j@example.com","groups":"finance-team,finance-leads"}}`, "1764345600[finance-leads,finance-team]"},
		"no claim":         {`{"idToken":{"sub":"1","email":"j@example.com"}}`, "1764345600[]"},
		"null":             {`{"idToken":{"email":"j@example.com","groups":null}}`, "1764345600[]"},
		"empty":            {`{"samlResponse":{"email":"j@example.com","groups":""}}`, "1764345600[]"},
		"nothing at all":   {`{}`, "1764345600[]"},
		"a forged stamp":   {`{"samlResponse":{"email":"j@example.com","groups":"9999999999[finance-team]","custom:groups":"9999999999[finance-team]"}}`, "1764345600[]"},
		"the token's wins": {`{"idToken":{"groups":"[]","email":"j@example.com"},"userInfo":{"groups":"finance-team"}}`, "1764345600[]"},
	} {
		event := `{"version":"1","userPoolId":"eu-central-1_x","request":{"providerName":"Company","providerType":"OIDC","attributes":` + row.attributes + `},"response":{"userAttributesToMap":{}}}`
		out, err := step.Handle([]byte(event), at)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var answer struct {
			Version  string
			Request  json.RawMessage
			Response struct {
				Mapped map[string]string `json:"userAttributesToMap"`
			}
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(err)
		}
		m := answer.Response.Mapped
		if m["custom:groups"] != row.want || m["groups"] != "" || answer.Version != "1" || len(answer.Request) == 0 {
			t.Errorf("%s: %s", name, out)
		}
		if strings.Contains(row.attributes, "j@example.com") && m["email"] != "j@example.com" {
			t.Errorf("%s: the mail address is %q", name, m["email"])
		}
	}
	for _, event := range []string{``, `[]`, `{}`, `{"request":{}}`, `{"request":{"attributes":{"idToken":[]}}}`} {
		if out, err := step.Handle([]byte(event), at); err == nil {
			t.Errorf("the event %q is answered with %s", event, out)
		}
	}
}

func TestInboundLeavesOutLongValues(t *testing.T) {
	step := federation.Inbound{Claim: "groups", Attribute: "custom:groups", Allow: allow(t, "*")}
	got, err := step.Attributes(map[string]any{"bio": strings.Repeat("x", 3000), "flag": true, "nested": map[string]any{}}, at)
	if err != nil || len(got) != 2 || got["flag"] != "true" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := (federation.Inbound{}).Attributes(nil, at); err == nil {
		t.Error("a step without its parts runs")
	}
}

// Each parsed name is a group's name, whatever the text is, and a formatted value
// reads as the same groups.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"[a,b%2Fc]", `["a"]`, "a,b", "1764345600[a]", "[a%2Cb]", "%", "[%]", "[[", "12[12[a]]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := federation.Parse(s)
		if !slices.IsSorted(v.Groups) {
			t.Errorf("%q: %q is not sorted", s, v.Groups)
		}
		for _, g := range v.Groups {
			if g == "" || strings.ContainsAny(g, " \n\x1b\x00") {
				t.Errorf("%q has the group %q", s, g)
			}
			// No group is made of the parts of an encoded one.
			if !strings.Contains(s, "%") && !strings.Contains(s, `\`) && !strings.Contains(s, g) {
				t.Errorf("%q has the group %q", s, g)
			}
		}
		again := federation.Parse(federation.Format(at, v.Groups))
		if len(url.QueryEscape(strings.Join(v.Groups, ","))) < federation.MaxValue-20 && !slices.Equal(again.Groups, v.Groups) {
			t.Errorf("%q becomes %q", v.Groups, again.Groups)
		}
	})
}

func ExampleParse() {
	v := federation.Parse("1764345600[finance-team,a%2Fb]")
	fmt.Println(v.At, v.Groups)
	// Output: 2025-11-28 16:00:00 +0000 UTC [a/b finance-team]
}
