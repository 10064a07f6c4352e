package shellline

import (
	"slices"
	"testing"
)

const breaks = " \t\n\"'@><=;|&(:"

func TestBash(t *testing.T) {
	for line, want := range map[string]Line{
		"usher ls ":                   {Words: []string{"usher", "ls"}},
		"usher ls com":                {Words: []string{"usher", "ls"}, Current: Word{Value: "com"}},
		`usher ls a\ b/c`:             {Words: []string{"usher", "ls"}, Current: Word{Value: "a b/c"}},
		`usher ls 'a b/c`:             {Words: []string{"usher", "ls"}, Current: Word{Value: "a b/c", Quote: '\''}},
		`usher ls "a\$b\x`:            {Words: []string{"usher", "ls"}, Current: Word{Value: `a$b\x`, Quote: '"'}},
		`usher ls 'a b/'c`:            {Words: []string{"usher", "ls"}, Current: Word{Value: "a b/c"}},
		`usher ls '' x`:               {Words: []string{"usher", "ls", ""}, Current: Word{Value: "x"}},
		`usher ls a\`:                 {Words: []string{"usher", "ls"}, Current: Word{Value: "a"}},
		"usher audit outcome:den":     {Words: []string{"usher", "audit"}, Current: Word{Value: "outcome:den", Kept: "outcome:"}},
		"usher --profile=ho":          {Words: []string{"usher"}, Current: Word{Value: "--profile=ho", Kept: "--profile="}},
		`usher ls a\:b`:               {Words: []string{"usher", "ls"}, Current: Word{Value: "a:b"}},
		"cat x | usher get --from":    {Words: []string{"usher", "get"}, Current: Word{Value: "--from"}},
		"a=$(usher ls x":              {Words: []string{"usher", "ls"}, Current: Word{Value: "x"}},
		"usher ls >fi":                {Words: []string{"usher", "ls"}, Current: Word{Value: "fi"}, Redirects: true},
		"usher ls > file company":     {Words: []string{"usher", "ls"}, Current: Word{Value: "company"}},
		`usher ls "$(touch x)/`:       {Words: []string{"usher", "ls"}, Current: Word{Value: "$(touch x)/", Quote: '"'}},
		"usher ls company-reports/ü/": {Words: []string{"usher", "ls"}, Current: Word{Value: "company-reports/ü/"}},
	} {
		got := Bash(line, breaks)
		if !slices.Equal(got.Words, want.Words) || got.Current != want.Current || got.Redirects != want.Redirects {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

func TestFishAndZsh(t *testing.T) {
	for raw, want := range map[string]Word{
		`a\ b`: {Value: "a b"}, `'a\'b\n`: {Value: `a'b\n`, Quote: '\''}, `"a\$b'`: {Value: "a$b'", Quote: '"'}, `'a'b`: {Value: "ab"}, `a\`: {Value: "a"},
	} {
		if got := Fish(raw); got != want {
			t.Errorf("fish %s: %+v, want %+v", raw, got, want)
		}
	}
	for raw, want := range map[[2]string]string{{`a\ b`, ""}: "a b", {`a\b`, "'"}: `a\b`, {`it'\''s`, "'"}: "it's", {`a\$b\c`, `"`}: `a$b\c`} {
		if got := Zsh(raw[0], raw[1]); got.Value != want {
			t.Errorf("zsh %q: %+v, want %q", raw, got, want)
		}
	}
}

// The inserted text, read again by the same rules, is the completed word.
func TestInsert(t *testing.T) {
	for _, full := range []string{"a b", "it's", "$HOME", "`id`", `"q"`, "a;b&c", "(x) [y] {z}", `back\slash`, "!bang", "a:b=c@d", "#x", "*", "~t", "ü ñ", "a,b", "a`", "a'", `a"`, "a!"} {
		for begin, kept := range map[string]string{"x:": "x:", "x": "", "'x": "'", `"x`: `"`, `'x y/'z`: "", "p'x": "p'"} {
			w := Bash("usher ls "+begin, breaks).Current
			text, ok := w.Insert(w.Value + full)
			if !ok {
				t.Errorf("%s%s: no text", begin, full)
				continue
			}
			line := "usher ls " + kept + text
			if w.Quote != 0 && text[len(text)-1] != w.Quote { // as readline does
				line += string(w.Quote)
			}
			got := Bash(line+" ", breaks)
			if len(got.Words) != 3 || got.Words[2] != w.Value+full {
				t.Errorf("%s: %q, want %q", line, got.Words, w.Value+full)
			}
		}
	}
	if _, ok := (Word{}).Insert("a\x1bb"); ok {
		t.Error("a control character was inserted")
	}
}
