package safetext_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"", ""},
		{"quarterly/q3 report.csv", "quarterly/q3 report.csv"},
		{"übersicht/日本語/ملف.txt", "übersicht/日本語/ملف.txt"},
		{"tie\u0302\u0301ng", "tie\u0302\u0301ng"},
		{`C:\dir`, `C:\dir`},
		{`C:\dir` + "\n", `C:\\dir\u{a}`},
		{`\u{a}`, `\\u{a}`},
		{`\x1b`, `\\x1b`},
		{`a\\b`, `a\\\\b`},
		{"a\tb", `a\u{9}b`},
		{"\x1b[2J", `\u{1b}[2J`},
		{"\u009b2J", `\u{9b}2J`},
		{"\x9b2J", `\x9b2J`},
		{"\xed\xa0\x80", `\xed\xa0\x80`},
		{"\ufffd", "\ufffd"},
		{"a\u200bb", `a\u{200b}b`},
		{"report\u202efdp.exe", `report\u{202e}fdp.exe`},
		{"\u0301a", `\u{301}a`},
		{"\u200b\u0301", `\u{200b}\u{301}`},
		{"a\u0301\u0301\u0301\u0301\u0301b", "a\u0301\u0301\u0301\u0301" + `\u{301}b`},
		{"❤\ufe0f", `❤\u{fe0f}`},
	} {
		if got := safetext.Line(c.raw); got != c.want {
			t.Errorf("Line(%+q) = %+q, want %+q", c.raw, got, c.want)
		}
	}
}

// checkLine checks every documented property of Line for one text.
func checkLine(t *testing.T, raw string) {
	t.Helper()
	got := safetext.Line(raw)
	if err := safetexttest.Leaks(got); err != nil {
		t.Fatalf("Line(%+q) = %+q: %v", raw, got, err)
	}
	if strings.ContainsAny(got, "\n\r\t\x1b") || !utf8.ValidString(got) || ansi.Strip(got) != got {
		t.Fatalf("Line(%+q) = %+q acts on a terminal", raw, got)
	}
	if w := ansi.StringWidth(got); w < 0 || raw != "" && w == 0 {
		t.Fatalf("Line(%+q) = %+q has width %d", raw, got, w)
	}
	back, err := safetext.Unescape(got)
	if err != nil || back != raw {
		t.Fatalf("Line(%+q) = %+q, which reads back as %+q, %v", raw, got, back, err)
	}
	joined := ""
	for _, span := range safetext.New(raw).Spans() {
		if span.Text == "" {
			t.Fatalf("Spans of %+q has an empty piece", raw)
		}
		joined += span.Text
	}
	if joined != got {
		t.Fatalf("Spans of %+q join to %+q, String is %+q", raw, joined, got)
	}
	if safetext.New(raw).Escaped() != (raw != got) {
		t.Fatalf("Escaped of %+q is wrong", raw)
	}
}

func TestPayloads(t *testing.T) {
	payloads := safetexttest.Payloads()
	if len(payloads) != 46 {
		t.Errorf("%d payload classes, want 46", len(payloads))
	}
	for _, p := range payloads {
		if safetexttest.Leaks(p.Text) == nil {
			t.Errorf("%s: the check does not see the payload itself", p.Name)
		}
		for _, s := range []string{p.Text, "a" + p.Text, p.Text + "z", strings.Repeat(p.Text, 3)} {
			checkLine(t, s)
		}
	}
}

func TestSpans(t *testing.T) {
	got := fmt.Sprint(safetext.New("a\x1b\x1bb\\c").Spans())
	want := fmt.Sprint([]safetext.Span{{`a`, false}, {`\u{1b}\u{1b}`, true}, {`b`, false}, {`\\`, true}, {`c`, false}})
	if got != want {
		t.Errorf("Spans = %v, want %v", got, want)
	}
	if spans := safetext.New(`C:\dir`).Spans(); len(spans) != 1 || spans[0].Escaped {
		t.Errorf("Spans of a name with a backslash = %v, want one plain piece", spans)
	}
	if safetext.New("").Spans() != nil {
		t.Error("an empty text has pieces")
	}
}

func TestUnescapeRefusesWhatLineNeverPrints(t *testing.T) {
	for _, s := range []string{
		"\x1b", "a\tb", `\u{41}`, `\u{1B}`, `\u{01b}`, `\u{1b`, `\u{}`, `\u{110000}`, `\u{d800}`, `\x41`, `\xFF`, `\x`,
		`\xff\q`, `\u{1b}\`, `a\\b`, "\u0301", `\u{-1}`, `\u{fffd}`,
	} {
		if raw, err := safetext.Unescape(s); err == nil {
			t.Errorf("Unescape(%+q) = %+q, want a refusal", s, raw)
		}
	}
}

// TestRandom combines the pieces that escaping treats specially, so near misses
// are common. It also checks that no two texts print the same.
func TestRandom(t *testing.T) {
	pieces := []string{"a", `\`, "x", "u", "{", "}", "1", "b", " ", "é", "e", "\u0301", "\u200b", "\x1b", "\x9b", "\xff", "日", "\ufe0f"}
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[string]string{}
	for range 20_000 {
		var b strings.Builder
		for range rng.IntN(9) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		raw := b.String()
		checkLine(t, raw)
		shown := safetext.Line(raw)
		if other, ok := seen[shown]; ok && other != raw {
			t.Fatalf("%+q and %+q both print as %+q", raw, other, shown)
		}
		seen[shown] = raw
	}
}

func FuzzString(f *testing.F) {
	for _, p := range safetexttest.Payloads() {
		f.Add(p.Text)
	}
	for _, s := range []string{"", "plain", `C:\dir`, `\u{1b}`, `\\x1b`, "日本語", "e\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkLine(t, s)
		// The inverse: Line must return every text that Unescape accepts.
		if raw, err := safetext.Unescape(s); err == nil && safetext.Line(raw) != s {
			t.Fatalf("Unescape accepted %+q, which prints as %+q", s, safetext.Line(raw))
		}
	})
}

// holder has Texts where fmt cannot call their methods: fmt prints unexported
// fields by reflection.
type holder struct {
	hidden safetext.Text
	deep   *safetext.Text
	list   []safetext.Text
	table  map[string]safetext.Text
	any    any
}

const verbs = "vsqxXdobcUtTpeEfFgGw"

// leaked prints v with every verb and flag, and returns those that reveal the secret.
func leaked(v any, secret string) (leaks []string) {
	for _, verb := range verbs {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "40", "-40", ".3", "#+"} {
			format := "%" + flags + string(verb)
			if out := fmt.Sprintf(format, v); strings.Contains(out, secret) || strings.ContainsRune(out, '\x1b') {
				leaks = append(leaks, format)
			}
		}
	}
	return leaks
}

func TestNoVerbLeaks(t *testing.T) {
	const secret = "\x1b]52;c;AAAA\a"
	text := safetext.New(secret)
	h := holder{text, &text, []safetext.Text{text}, map[string]safetext.Text{"k": text}, text}
	shapes := map[string]any{
		"value": text, "pointer": &text, "struct": h, "pointer to struct": &h,
		"slice": []safetext.Text{text}, "array": [1]safetext.Text{text}, "map value": map[string]safetext.Text{"k": text},
		"map key": map[safetext.Text]int{text: 1}, "interface": []any{text}, "nested": []holder{h},
		"error": fmt.Errorf("opening %v: %w", text, fmt.Errorf("at %s", text)), "zero": safetext.Text{}, "nil": (*safetext.Text)(nil),
	}
	for name, v := range shapes {
		if leaks := leaked(v, secret); leaks != nil {
			t.Errorf("%s leaks through %v", name, leaks)
		}
	}
	// Negative control: the same type without the pointer leaks where fmt
	// cannot call its methods, so this check can fail.
	type open struct{ raw string }
	if leaked(struct{ hidden open }{open{secret}}, secret) == nil {
		t.Error("the check does not notice a field that holds the bytes themselves")
	}
}

func TestFormat(t *testing.T) {
	text := safetext.New("a\x1b")
	for format, want := range map[string]string{
		"%v": `a\u{1b}`, "%s": `a\u{1b}`, "%d": `a\u{1b}`, "%+v": `a\u{1b}`, "%q": `"a\\u{1b}"`,
		"%#v": `safetext.Text("a\\u{1b}")`, "%x": "615c757b31627d", "%X": "615C757B31627D",
		"%9s|": `  a\u{1b}|`, "%-9s|": `a\u{1b}  |`, "%.1s": "a",
	} {
		if got := fmt.Sprintf(format, text); got != want {
			t.Errorf("%s prints %s, want %s", format, got, want)
		}
	}
}

func TestLogsAndJSON(t *testing.T) {
	text := safetext.New("a\x1b\u202eb")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "key", text, "in", holder{hidden: text}, "list", []safetext.Text{text})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", text, "list", []safetext.Text{text})
	if s := out.String(); strings.ContainsAny(s, "\x1b\u202e") || strings.Count(s, "202e") < 4 {
		t.Errorf("the log reads %q", s)
	}
	data, err := json.Marshal(map[string]any{"v": text, "p": &text})
	if want := `{"p":"a\\u{1b}\\u{202e}b","v":"a\\u{1b}\\u{202e}b"}`; err != nil || string(data) != want {
		t.Errorf("JSON is %s, %v, want %s", data, err, want)
	}
	var back safetext.Text
	//lint:ignore SA9005 the missing UnmarshalJSON is under test
	if err := json.Unmarshal([]byte(`"a"`), &back); err == nil {
		t.Error("a Text was read from the wire")
	}
}

func TestComparisons(t *testing.T) {
	a, b, zero := safetext.New("a"), safetext.New("b"), safetext.Text{}
	if !a.Equal(safetext.New("a")) || a.Equal(b) || a.Compare(b) >= 0 || b.Compare(a) <= 0 || a.Compare(a) != 0 {
		t.Error("texts do not compare by their bytes")
	}
	if !zero.IsZero() || !zero.Equal(safetext.New("")) || zero.String() != "" || zero.Len() != 0 || a.IsZero() || a.Len() != 1 {
		t.Error("the zero Text is not an empty text")
	}
}

func TestPlainTextCostsNothing(t *testing.T) {
	text := safetext.New("company-reports/quarterly/2026/q3 final (signed).pdf")
	if n := testing.AllocsPerRun(100, func() { _ = text.String() }); n > 0 {
		t.Errorf("String of a plain name allocates %v times", n)
	}
}

// TestLongHostileText keeps the cost of a hostile body in proportion to its
// size: with one copy for each escape, a megabyte would take minutes.
func TestLongHostileText(t *testing.T) {
	if got := safetext.Line(strings.Repeat("a\x1b", 1<<19)); len(got) != 7<<19 {
		t.Errorf("a megabyte of escapes prints as %d bytes", len(got))
	}
}

func BenchmarkString(b *testing.B) {
	for name, s := range map[string]string{
		"plain": "company-reports/quarterly/2026/q3.csv", "unicode": "übersicht/日本語/отчёт.txt", "hostile": "a\x1b[2J\u202eb",
	} {
		text := safetext.New(s)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = text.String()
			}
		})
	}
}
