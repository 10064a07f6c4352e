package selection_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/selection"
)

// rules parses "+pattern" and "-pattern".
func rules(texts ...string) (all []selection.Rule) {
	for _, t := range texts {
		all = append(all, selection.Rule{Pattern: t[1:], Include: t[0] == '+'})
	}
	return all
}

func object(size int64, modified time.Time) api.Entry {
	return api.Entry{Kind: api.KindObject, Size: size, Modified: &modified, ETag: `"e"`}
}

func TestNames(t *testing.T) {
	for _, row := range []struct {
		rules       []selection.Rule
		takes, left string // separated by spaces
	}{
		{nil, "a a/b", ""},
		{rules("+*.csv"), "a.csv x/a.csv", "a.txt x/csv"},
		{rules("-*.log"), "a.csv x/y", "a.log x/a.log a.log/below"},
		{rules("-*.log", "+keep.log"), "keep.log x/keep.log a", "a.log"},
		{rules("+keep.log", "-*.log"), "", "keep.log a.log a"},
		{rules("-*", "+*.csv"), "a.csv x/a.csv", "a"},
		{rules("+*.csv", "-tmp/"), "a.csv x/a.csv", "tmp/a.csv x/tmp/y/a.csv"},
		{rules("-tmp/"), "tmp xtmp/a", "tmp/a x/tmp/a"},
		{rules("-/a"), "x/a", "a a/b"},
		{rules("-a/b"), "x/a/b", "a/b a/b/c"},
		{rules("-a/**"), "a b", "a/b a/b/c"},
		{rules("-**/b"), "a", "b a/b a/b/c"},
		{rules("-a/**/b"), "a/x", "a/b a/x/b a/x/y/b"},
		{rules("+*.{csv,tsv}"), "a.csv b.tsv", "a.txt"},
		{rules(`+\*`), "* x/*", "a"},
		{rules("+[!a]"), "b", "a"},
	} {
		s, err := selection.New(row.rules, selection.Bounds{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(row.takes) {
			if !s.Takes(name, object(1, time.Time{})) {
				t.Errorf("%v leaves %s", row.rules, name)
			}
		}
		for _, name := range strings.Fields(row.left) {
			if s.Takes(name, object(1, time.Time{})) {
				t.Errorf("%v takes %s", row.rules, name)
			}
		}
	}
	for _, bad := range []string{"[", "", "/", "{a"} {
		if _, err := selection.New(rules("+"+bad), selection.Bounds{}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestBounds(t *testing.T) {
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	ten := int64(10)
	for _, row := range []struct {
		b    selection.Bounds
		name string
		e    api.Entry
		want bool
	}{
		{selection.Bounds{Min: 10}, "a", object(10, day), true},
		{selection.Bounds{Min: 10}, "a", object(9, day), false},
		{selection.Bounds{Max: &ten}, "a", object(10, day), true},
		{selection.Bounds{Max: &ten}, "a", object(11, day), false},
		{selection.Bounds{Newer: day}, "a", object(1, day), true},
		{selection.Bounds{Newer: day}, "a", object(1, day.Add(-1)), false},
		{selection.Bounds{Older: day}, "a", object(1, day), false},
		{selection.Bounds{Older: day}, "a", object(1, day.Add(-1)), true},
		{selection.Bounds{Newer: day}, "a", api.Entry{Kind: api.KindObject}, false},
		{selection.Bounds{Min: 1}, "a/", api.Entry{Kind: api.KindFolder}, false},
		{selection.Bounds{Depth: 1}, "a", object(1, day), true},
		{selection.Bounds{Depth: 1}, "a/", api.Entry{Kind: api.KindFolder}, true},
		{selection.Bounds{Depth: 1}, "a/b", object(1, day), false},
		{selection.Bounds{Depth: 2}, "a/b", object(1, day), true},
	} {
		s, err := selection.New(nil, row.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Takes(row.name, row.e); got != row.want {
			t.Errorf("%+v, %s: %v", row.b, row.name, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 8, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"7d": now.AddDate(0, 0, -7), "1w": now.AddDate(0, 0, -7), "90m": now.Add(-90 * time.Minute), "1h30m": now.Add(-90 * time.Minute),
		"1.5d": now.Add(-36 * time.Hour), "2026-11-01": now.AddDate(0, 0, -7).Add(-12 * time.Hour), "2026-11-01T12:00": now.AddDate(0, 0, -7),
		"2026-11-01 12:00:00": now.AddDate(0, 0, -7), "2026-11-01T13:00:00+01:00": now.AddDate(0, 0, -7),
	} {
		if got, err := selection.ParseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-5m", "yesterday", "2026-13-01", "1e300d", "NaNd", "7"} {
		if got, err := selection.ParseTime(text, now); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// One exclude leaves the same files as git ignores by the same line.
func TestAgainstGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	run := func(stdin string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), git, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+dir)
		out, _ := cmd.Output() // exit 1: no name is ignored
		return string(out)
	}
	run("", "init", "-q")
	r := rand.New(rand.NewPCG(18, 1))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var names []string
	for range 60 {
		segs := []string{}
		for range 1 + r.IntN(4) {
			segs = append(segs, pick("a", "b", "ab", "a.b", "c"))
		}
		names = append(names, strings.Join(segs, "/"))
	}
	for range 60 {
		pattern := pick("", "/", "**/") + pick("a", "b", "a*", "*", "?", "[ab]", "*.b", "c") + pick("", "", "/b", "/**", "/**/b", "/*", "/a/b") + pick("", "", "/")
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(pattern+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ignored := map[string]bool{}
		for _, name := range strings.Split(run(strings.Join(names, "\x00"), "check-ignore", "-z", "--stdin", "--no-index"), "\x00") {
			ignored[name] = true
		}
		s, err := selection.New(rules("-"+pattern), selection.Bounds{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if taken := s.Takes(name, object(1, time.Time{})); taken == ignored[name] {
				t.Errorf("%s, %s: taken %v, ignored by git %v", pattern, name, taken, ignored[name])
			}
		}
	}
}

func ExampleNew() {
	s, err := selection.New([]selection.Rule{{Pattern: "*.csv", Include: true}, {Pattern: "tmp/"}}, selection.Bounds{})
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"2026/a.csv", "2026/a.txt", "tmp/a.csv"} {
		fmt.Println(name, s.Takes(name, api.Entry{Kind: api.KindObject}))
	}
	// Output:
	// 2026/a.csv true
	// 2026/a.txt false
	// tmp/a.csv false
}

// A pattern that names nothing, or that would choose the opposite, is refused with its
// reason.
func TestRefusedPatterns(t *testing.T) {
	for pattern, reason := range map[string]string{
		"": "names nothing", "/": "names nothing", "//": "names nothing", "!a": "begins with", "a[b": "not closed", "{a": "not closed",
		`a\`: "backslash", `a\\\`: "backslash",
		`a\\`: "", `\!a`: "", "a!": "", "[!a]": "", "**": "", "#a": "", " ": "", "a/": "", "/a": "", "[]a]": "not closed",
	} {
		_, err := selection.New([]selection.Rule{{Pattern: pattern}}, selection.Bounds{})
		var wrong *selection.PatternError
		if reason == "" && err != nil || reason != "" && (!errors.As(err, &wrong) || !strings.Contains(wrong.Reason, reason)) {
			t.Errorf("%q: %v, want %q", pattern, err, reason)
		}
	}
}
