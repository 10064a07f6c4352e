package file_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/grant/granttest"
	"usher/backend/safetext/safetexttest"
)

const example = `# who may read what
grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
  - {group: external-auditors, bucket: company-reports, object: annual/letter.pdf, expires: 2026-12-31T00:00:00Z, reason: "audit 2026"}
  - {group: contractors, bucket: builds, prefix: "", effect: deny}
  - group: engineering
    bucket: datasets
    prefix: public/        # all of it
    effect: allow
    not_before: 2026-01-01T00:00:00+02:00
`

func TestParse(t *testing.T) {
	grants, err := file.Parse("grants.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := []grant.Grant{
		{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/", Effect: grant.Allow},
		{Group: "external-auditors", Bucket: "company-reports", Object: "annual/letter.pdf", Effect: grant.Allow, Expires: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), Reason: "audit 2026"},
		{Group: "contractors", Bucket: "builds", Effect: grant.Deny},
		{Group: "engineering", Bucket: "datasets", Prefix: "public/", Effect: grant.Allow, NotBefore: time.Date(2025, 12, 31, 22, 0, 0, 0, time.UTC)},
	}
	if !slices.Equal(grants, want) {
		t.Errorf("read %v, want %v", grants, want)
	}
	if windows, err := file.Parse("", []byte(strings.ReplaceAll(example, "\n", "\r\n"))); err != nil || !slices.Equal(windows, want) {
		t.Errorf("with Windows line endings: %v, %v", windows, err)
	}
	if none, err := file.Parse("", []byte("grants: []\n")); err != nil || len(none) > 0 {
		t.Errorf("an empty list: %v, %v", none, err)
	}
}

// one returns a file with one grant of these fields, at line 2, column 5.
func one(fields string) string { return "grants:\n  - {" + fields + "}\n" }

func TestRefusals(t *testing.T) {
	const good = "group: g, bucket: bkt, prefix: a/"
	for name, c := range map[string]struct{ text, want string }{
		"prefix without slash":   {one("group: g, bucket: bkt, prefix: finance"), `2:37: prefix "finance" does not end in "/"; put a "/" at its end for a folder, or write object: for one object`},
		"pattern":                {one(`group: g, bucket: bkt, prefix: "a/*"`), `2:37: prefix "a/*" does not end in "/"; put a "/" at its end for a folder, or write object: for one object`},
		"prefix with NUL":        {one(`group: g, bucket: bkt, prefix: "a\0/"`), `2:37: prefix "a\u{0}/" is not the beginning of an object key; use at most 1024 bytes of UTF-8 without NUL`},
		"both":                   {one(good + ", object: a"), `2:49: the grant has both a prefix and an object; keep one of the two, or write two grants`},
		"neither":                {one("group: g, bucket: bkt"), `2:5: the grant has neither a prefix nor an object; add prefix: FOLDER/ or object: KEY, or prefix: "" for the whole bucket`},
		"prefix without value":   {one("group: g, bucket: bkt, prefix: "), `2:36: prefix is empty, not text; write prefix: "" for the whole bucket`},
		"prefix null":            {one("group: g, bucket: bkt, prefix: ~"), `2:37: prefix is empty, not text; write prefix: "" for the whole bucket`},
		"empty object":           {one(`group: g, bucket: bkt, object: ""`), `2:37: object is empty; write the object's key, or prefix: "" for the whole bucket`},
		"empty group":            {one(`group: "", bucket: bkt, prefix: a/`), `2:13: group "" is empty; name the Cognito group`},
		"no group":               {one("bucket: bkt, prefix: a/"), `2:5: group is missing; add group: NAME`},
		"group with space":       {one("group: the team, bucket: bkt, prefix: a/"), `2:13: group "the team" is not a name that Cognito accepts; use 1 to 128 letters, digits, symbols and punctuation, and no spaces`},
		"group number":           {one("group: 12, bucket: bkt, prefix: a/"), `2:13: group is a number, not text; write text, in double quotes if YAML reads it as another type`},
		"group true":             {one("group: true, bucket: bkt, prefix: a/"), `2:13: group is true or false, not text; write text, in double quotes if YAML reads it as another type`},
		"group list":             {one("group: [a, b], bucket: bkt, prefix: a/"), `2:13: group is a list, not text; write text, in double quotes if YAML reads it as another type`},
		"no bucket":              {one("group: g, prefix: a/"), `2:5: bucket is missing; add bucket: NAME`},
		"bucket ARN":             {one(`group: g, bucket: "arn:aws:s3:::b", prefix: a/`), `2:24: bucket "arn:aws:s3:::b" is not a bucket name; use 3 to 63 of a-z, 0-9, dot and hyphen, as in S3's naming rules`},
		"unknown field":          {one(good + ", efect: deny"), `2:41: unknown field "efect"; the fields are group, bucket, prefix or object, effect, not_before, expires and reason`},
		"field in capitals":      {one(good + ", Effect: deny"), `2:41: unknown field "Effect"; the fields are group, bucket, prefix or object, effect, not_before, expires and reason`},
		"field number":           {one(good + ", 1: deny"), `2:41: unknown field "1"; the fields are group, bucket, prefix or object, effect, not_before, expires and reason`},
		"field twice":            {one(good + ", group: h"), `2:41: mapping key "group" already defined at [2:6]; remove one of the two`},
		"unknown effect":         {one(good + ", effect: Deny"), `2:49: effect "Deny" is neither allow nor deny; write allow or deny; without effect, the grant allows`},
		"empty effect":           {one(good + `, effect: ""`), `2:49: effect is empty; write allow or deny; without effect, the grant allows`},
		"window backwards":       {one(good + ", not_before: 2026-12-31T00:00:00Z, expires: 2026-12-30T00:00:00Z"), `2:84: expires "2026-12-30T00:00:00Z" is not after not_before; the window must end after it starts`},
		"window of no length":    {one(good + ", not_before: 2026-12-31T00:00:00Z, expires: 2026-12-31T01:00:00+01:00"), `2:84: expires "2026-12-31T01:00:00+01:00" is not after not_before; the window must end after it starts`},
		"a day only":             {one(good + ", expires: 2026-12-31"), `2:50: expires "2026-12-31" is not a time in or after 1970; write date, time and zone, such as 2026-12-31T00:00:00Z`},
		"the zero instant":       {one(good + ", expires: 0001-01-01T00:00:00Z"), `2:50: expires "0001-01-01T00:00:00Z" is not a time in or after 1970; write date, time and zone, such as 2026-12-31T00:00:00Z`},
		"31 February":            {one(good + ", expires: 2026-02-31T00:00:00Z"), `2:50: expires "2026-02-31T00:00:00Z" is not a time in or after 1970; write date, time and zone, such as 2026-12-31T00:00:00Z`},
		"the same twice":         {"grants:\n  - {" + good + "}\n  - {reason: other, effect: allow, " + good + "}\n", `3:5: the same grant is on line 2; remove one of the two`},
		"block style":            {"grants:\n  - group: g\n    bucket: bkt\n    prefix: a\n", `4:13: prefix "a" does not end in "/"; put a "/" at its end for a folder, or write object: for one object`},
		"block style, no bucket": {"grants:\n  - group: g\n    prefix: a/\n", `2:5: bucket is missing; add bucket: NAME`},
		"long value":             {one("group: g, bucket: bkt, prefix: " + strings.Repeat("a", 99)), `2:37: prefix "` + strings.Repeat("a", 60) + `…" does not end in "/"; put a "/" at its end for a folder, or write object: for one object`},
		"not a grant":            {"grants:\n  - g\n", `2:5: this is text, not a grant; write - {group: NAME, bucket: NAME, prefix: FOLDER/}`},
		"not a list":             {"grants: {group: g}\n", `1:9: grants is a mapping, not a list`},
		"no value":               {"grants:\n", `1:9: grants is empty, not a list`},
		"other top":              {"grant: []\n", `1:1: unknown field "grant"; the only field at the top is grants`},
		"second top":             {"grants: []\nusers: []\n", `2:1: unknown field "users"; the only field at the top is grants`},
		"a list at the top":      {"- a\n", `1:1: this is not a grants file`},
		"an empty mapping":       {"{}\n", `1:1: there is no field grants`},
		"empty file":             {"", `1:1: the file is empty`},
		"comment only":           {"# soon\n", `1:1: the file is empty`},
		"two documents":          {"grants: []\n---\ngrants: []\n", `3:1: a second document begins here; put all grants into one list`},
		"anchor":                 {one("group: &x g, bucket: bkt, prefix: a/"), `2:13: anchors, aliases, tags, merges, directives and ? are not supported; write each grant out`},
		"merge":                  {one("<<: {}, " + good), `2:6: anchors, aliases, tags, merges, directives and ? are not supported; write each grant out`},
		"tag":                    {one("group: !!str 1, bucket: bkt, prefix: a/"), `2:13: anchors, aliases, tags, merges, directives and ? are not supported; write each grant out`},
		"unclosed":               {"grants: [\n", `1:9: this is not YAML: sequence end token ']' not found; check the indentation, the quotes and the brackets on this line and the previous one`},
		"tab":                    {"grants:\n\t- {}\n", "2:1: this is not YAML: found character '\\u{9}' that cannot start any token; check the indentation, the quotes and the brackets on this line and the previous one"},
		"not UTF-8":              {"grants: []\n# \xff", `2:3: byte 0xff is not UTF-8; save the file as UTF-8`},
		"byte order mark":        {"\ufeffgrants: []\n", `1:1: the character U+FEFF is not printable; write it in double quotes as "\ufeff", or remove it`},
		"hidden line":            {"grants: []\n# x\r  - {" + good + "}\n", `2:4: the character U+000D is not printable; write it in double quotes as "\u000d", or remove it`},
		"reordered":              {one("group: \"a\u202eb\", bucket: bkt, prefix: a/"), `2:15: the character U+202E is not printable; write it in double quotes as "\u202e", or remove it`},
		"escape":                 {one(`group: g, bucket: bkt, prefix: "\e[2J"`), `2:37: prefix "\u{1b}[2J" does not end in "/"; put a "/" at its end for a folder, or write object: for one object`},
	} {
		grants, err := file.Parse("grants.yaml", []byte(c.text))
		var first *file.ParseError
		if grants != nil || !errors.As(err, &first) {
			t.Errorf("%s: read as %v, %v", name, grants, err)
			continue
		}
		if got := first.Error(); got != "grants.yaml:"+c.want && !strings.HasPrefix(got, "grants.yaml:"+c.want+"; "+"write grants: and below it") {
			t.Errorf("%s:\n got %s\nwant grants.yaml:%s", name, got, c.want)
		}
		if first.Fix == "" {
			t.Errorf("%s: no fix", name)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	bad := "  - {group: \"\", bucket: B, prefix: a, color: red}\n"
	_, err := file.Parse("g.yaml", []byte("grants:\n"+bad+"  - {group: g, bucket: bkt, prefix: a}\n"))
	var all file.ParseErrors
	if !errors.As(err, &all) || len(all) != 2 || all[0].Line != 2 || all[1].Line != 3 {
		t.Errorf("two bad lines give %v", err)
	}
	_, err = file.Parse("g.yaml", []byte("grants:\n"+strings.Repeat(bad, 100)))
	if !errors.As(err, &all) || len(all) != file.MaxProblems || strings.Count(err.Error(), "\n") != file.MaxProblems-1 {
		t.Errorf("a hundred bad lines give %d problems", len(all))
	}
}

// TestHostileTextInErrors puts control characters into every part of a file that
// an error quotes.
func TestHostileTextInErrors(t *testing.T) {
	for _, p := range safetexttest.Payloads() {
		escaped := strings.TrimSuffix(strings.TrimPrefix(string(file.Print([]grant.Grant{{Group: p.Text}})), "grants:\n  - {group: "), ", bucket: \"\", prefix: \"\"}\n")
		for _, text := range []string{
			p.Text, one(p.Text + ": a"), one("group: " + p.Text), one(escaped + ": a"), one("group: " + escaped + ", bucket: bkt, prefix: a/"),
			one("group: g, bucket: bkt, prefix: a/, effect: " + escaped), one("group: g, bucket: bkt, prefix: a/, expires: " + escaped),
			escaped + ": []", "grants: [" + escaped + "]", "grants: {" + escaped + ": [}",
		} {
			_, err := file.Parse(p.Text, []byte(text))
			if err == nil {
				continue
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if leak := safetexttest.Leaks(line); leak != nil {
					t.Errorf("%s: %q is refused with %q: %v", p.Name, text, line, leak)
				}
			}
		}
	}
}

// TestBounds: files that are too large or too deeply nested are refused fast.
func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"too many bytes":   "grants: []\n#" + strings.Repeat("x", file.MaxBytes),
		"brackets":         "grants: " + strings.Repeat("[", 1<<20),
		"braces":           "grants: " + strings.Repeat("{a: ", 1<<16),
		"dashes":           "grants:\n" + strings.Repeat("- ", 1<<16),
		"brackets in rows": "grants:\n" + strings.Repeat(" [\n", 1<<16),
		"questions":        strings.Repeat("? ", 1<<16),
		"tags":             strings.Repeat("!a ", 1<<16),
	} {
		if _, err := file.Parse("", []byte(text)); err == nil {
			t.Errorf("%s are accepted", name)
		}
	}
	if testing.Short() {
		return
	}
	many := "grants: [" + strings.Repeat("1,", file.MaxGrants) + "1]"
	if _, err := file.Parse("", []byte(many)); err == nil || !strings.Contains(err.Error(), "more than 100000 grants") {
		t.Errorf("too many grants: %v", err)
	}
}

func checkRoundTrip(t *testing.T, grants []grant.Grant) {
	t.Helper()
	text := file.Print(grants)
	back, err := file.Parse("", text)
	if err != nil {
		t.Fatalf("the printed file is refused: %v\n%s", err, text)
	}
	if !slices.Equal(back, grants) {
		t.Fatalf("the printed file reads back as %v, want %v\n%s", back, grants, text)
	}
}

func TestPrint(t *testing.T) {
	grants, err := file.Parse("", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := `grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
  - {group: external-auditors, bucket: company-reports, object: annual/letter.pdf, expires: 2026-12-31T00:00:00Z, reason: "audit 2026"}
  - {group: contractors, bucket: builds, prefix: "", effect: deny}
  - {group: engineering, bucket: datasets, prefix: public/, not_before: 2025-12-31T22:00:00Z}
`
	if got := string(file.Print(grants)); got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
	if got := string(file.Print(nil)); got != "grants: []\n" {
		t.Errorf("no grants print as %q", got)
	}
	var samples []grant.Grant
	for _, g := range granttest.Samples() {
		samples = append(samples, g.Canonical())
	}
	checkRoundTrip(t, samples)
}

// TestRandomTextsRoundTrip prints and parses random texts, with characters that
// are special in YAML, as reason and prefix.
func TestRandomTextsRoundTrip(t *testing.T) {
	pieces := []string{"a", "1", " ", "\n", "\r", "\t", "\"", "'", "\\", ":", ": ", "#", " #", "- ", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "%", "@", "`", "~", "null", "true",
		"---", "...", "\u0085", "\u00a0", "\u2028", "\ufeff", "\ue000", "é", "e\u0301", "😀", "\U0010ffff", "\x00", "\x1b", "\x7f", "?", "<<", "=", "0x1", "1e3", "\\u0041", "\\x41"}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var grants []grant.Grant
		for i := range 10 {
			var b strings.Builder
			for range 1 + rng.IntN(8) {
				b.WriteString(pieces[rng.IntN(len(pieces))])
			}
			g := grant.Grant{Group: fmt.Sprint("g", i), Bucket: "bkt", Prefix: strings.ReplaceAll(b.String(), "\x00", "") + "/", Reason: b.String()}
			grants = append(grants, g.Canonical())
		}
		checkRoundTrip(t, grants)
	}
}

func FuzzLoadGrants(f *testing.F) {
	f.Add(example)
	f.Add("grants: []\n")
	f.Add(string(file.Print(granttest.Samples())))
	f.Add(one(`group: g, bucket: bkt, prefix: "a\u0085\U0001F600\x41\n/", reason: 'it''s'`))
	f.Add("grants:\n  - group: g\n    bucket: bkt\n    prefix: >-\n      a\n      b/\n")
	f.Add("grants:\n  - group: g\n    bucket: bkt\n    prefix: a\n      b/\n")
	f.Add("{\"grants\": [{\"group\": \"g\", \"bucket\": \"bkt\", \"prefix\": \"\"}]}")
	f.Add("grants: [{group: g, bucket: bkt, prefix: }]")
	f.Add("--- # x\ngrants:\n- {group: g,bucket: bkt,object: a/}\n...\n")
	f.Fuzz(func(t *testing.T, text string) {
		grants, err := file.Parse("g.yaml", []byte(text))
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if leak := safetexttest.Leaks(line); leak != nil || !strings.HasPrefix(line, "g.yaml:") {
					t.Fatalf("%q is refused with %q: %v", text, line, leak)
				}
			}
			if grants != nil {
				t.Fatalf("%q is refused but returns %v", text, grants)
			}
			return
		}
		if _, err := grant.NewSet(grants); err != nil {
			t.Fatalf("%q is accepted, but no set accepts it: %v", text, err)
		}
		checkRoundTrip(t, grants)
	})
}
