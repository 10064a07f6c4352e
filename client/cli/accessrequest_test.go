package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"usher/backend/api"
)

// The line for a grants file is YAML with exactly the requested path and the reason,
// whatever their characters, and prints no escape sequence.
func TestGrantsFileLine(t *testing.T) {
	end := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, key := range []string{"", "nightly/", "a/b.zip", `back\slash/`, `quote"}, {group: all`, "esc\x1b[2J\u202e\u009b\u2028\U000e0041/", "é: #x", `\u{1b}`} {
		q := api.Asking{Asked: api.Asked{Bucket: "builds", Key: key, Reason: "why: \"x\"\n\x1b[0m"}}
		err := grantsFileLine(q, api.AnswerRequest{Group: "finance-team", Expires: &end})
		if !errors.Is(err, &api.Error{Code: api.GrantsFixed}) {
			t.Fatalf("%v", err)
		}
		head, line, _ := strings.Cut(err.Error(), "\n")
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
		if strings.ContainsAny(head+line, "\x1b\n\u202e") {
			t.Errorf("%q", err.Error())
		}
	}
}
