package approval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"usher/backend/api"
	"usher/backend/safetext/safetexttest"
	"usher/client/approval"
)

func ExampleUntil() {
	end, err := approval.Until(approval.DefaultTime, time.Date(2026, 11, 23, 14, 10, 0, 0, time.UTC))
	fmt.Println(end.Format(time.RFC3339), err)
	// Output: 2026-11-30T14:10:00Z <nil>
}

func TestUntil(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"2h": "2026-11-28T14:00:00Z", "7d": "2026-12-05T12:00:00Z", "90m": "2026-11-28T13:30:00Z", "2026-12-31": "2026-12-31T00:00:00Z",
		"2026-12-31T12:00:00+01:00": "2026-12-31T11:00:00Z",
		"":                          "", "-2h": "", "0s": "", "tomorrow": "", "2026-13-01": "", "2026-12-31 12:00": "", "0d": "", "-1d": "", "d": "", "999999999d": "",
	} {
		got, err := approval.Until(text, now)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %s", text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestCheckReason(t *testing.T) {
	if err := approval.CheckReason(strings.Repeat("r", api.MaxAskReason)); err != nil {
		t.Error(err)
	}
	if approval.CheckReason(strings.Repeat("r", api.MaxAskReason+1)) == nil {
		t.Error("a longer reason is accepted")
	}
	if approval.CheckReason("a\xff") == nil {
		t.Error("a reason that JSON would change is accepted")
	}
}

func TestCheckID(t *testing.T) {
	for _, id := range []string{"", "xyz", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcde\n", " 0123456789abcdef", "0123456789abcde\x1b"} {
		if err := approval.CheckID(id); err == nil || safetexttest.Leaks(err.Error()) != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := approval.CheckID("0123456789abcdef"); err != nil {
		t.Error(err)
	}
}

// A path that may be meant otherwise has a sentence.
func TestMeaning(t *testing.T) {
	for path, want := range map[string]string{
		"builds": "", "builds/": "", "builds/nightly/": "", "builds/nightly/app.zip": "", "builds/v1.2/": "",
		"builds/nightly": "one file", "builds/v1.2/nightly": "one file", "builds/*.zip": "not wildcards", "builds/a?/": "not wildcards", "builds/[a]/": "not wildcards",
	} {
		p, err := api.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := approval.Meaning(p); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// The line for a grants file is YAML with exactly the requested path and the reason,
// whatever their characters, and has no escape sequence.
func TestFileLine(t *testing.T) {
	end := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, key := range []string{"", "nightly/", "a/b.zip", `back\slash/`, `quote"}, {group: all`, "esc\x1b[2J\u202e\u009b\u2028\U000e0041/", "é: #x", `\u{1b}`} {
		q := api.Asking{Asked: api.Asked{Bucket: "builds", Key: key, Reason: "why: \"x\"\n\x1b[0m"}}
		line := approval.FileLine(q, api.AnswerRequest{Group: "finance-team", Expires: &end})
		var got []struct {
			Group, Bucket, Reason string
			Prefix, Object        *string
			Expires               time.Time
		}
		if err := yaml.Unmarshal([]byte(line), &got); err != nil || len(got) != 1 {
			t.Errorf("%q: %s: %v", key, line, err)
			continue
		}
		path, other := got[0].Prefix, got[0].Object
		if key != "" && !strings.HasSuffix(key, "/") {
			path, other = other, path
		}
		if path == nil || *path != key || other != nil || got[0].Reason != q.Reason || !got[0].Expires.Equal(end) || got[0].Group != "finance-team" {
			t.Errorf("%q: %s", key, line)
		}
		if strings.ContainsAny(line, "\x1b\n\u202e") {
			t.Errorf("%q", line)
		}
	}
}

// Every sentence about a hostile answer is safe to print.
func TestSentencesAreSafe(t *testing.T) {
	for _, x := range safetexttest.Payloads() {
		s := x.Text
		q := api.Asked{Request: s, Bucket: s, Key: s, Reason: s, Answer: s}
		out := api.AnswerResponse{User: s, Version: s, Event: s, Members: []string{s, s}, Others: 3, Problems: []api.GrantsProblem{{Problem: s, Fix: s}}}
		granted := out
		granted.Grant = &api.Grant{Text: s}
		_, wrong := approval.Until(s, time.Time{})
		all := append(approval.Problems(out), approval.Others(out), approval.Approved(q, out), approval.Approved(q, granted), approval.Declined(out),
			approval.NoRequest(s), approval.Withdrawn(api.WithdrawResponse{Bucket: s, Key: s}), fmt.Sprint(wrong))
		for _, line := range all {
			if err := safetexttest.Leaks(line); err != nil {
				t.Errorf("%s: %v", x.Name, err)
			}
		}
	}
	if safetexttest.Leaks(approval.Path(api.Asked{Bucket: "\x1b[2J"})) == nil {
		t.Error("a raw path leaks nothing: this test tests nothing")
	}
}
