package safetext_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"usher/backend/safetext"
)

func ExampleText_Distinct() {
	for _, name := range []string{"payroll.csv", "p\u0430yroll.csv", "notes ", "отчет.csv"} {
		fmt.Println(safetext.New(name).Distinct())
	}
	fmt.Println(safetext.New("p\u0430yroll.csv ").Remarks())
	// Output:
	// payroll.csv
	// p\u{430}yroll.csv
	// notes\u{20}
	// отчет.csv
	// [U+0430 is a Cyrillic letter. A space is at an end of the name.]
}

// Names in every script are shown as they are.
func TestNamesOfEveryScript(t *testing.T) {
	for _, name := range []string{
		"отчет_о_продажах.csv", "отчет.exe", "Квартальный отчёт 2026.pdf", "αναφορά.txt", "世界の名前.txt", "मौसम-रिपोर्ट.csv", "ภาษาไทย.csv",
		"한국어.txt", "Straße Zürich.md", "Résumé détaillé.pdf", "John’s notes – final.docx", "10 kΩ.csv", "m².txt", "日本語 report v2.xlsx", "العربية.txt",
	} {
		text := safetext.New(name)
		if got := text.Distinct(); got != text.String() || len(text.Remarks()) > 0 {
			t.Errorf("%q is %q, %q", name, got, text.Remarks())
		}
	}
}

// A name of a Mac is readable, and differs from the same name of Linux.
func TestNFD(t *testing.T) {
	for name, want := range map[string]string{
		"cafe\u0301.csv":           "cafe\u0301.csv\\{NFD}",
		"caf\u00e9 cafe\u0301.csv": "caf\u00e9 cafe\\u{301}.csv",
		"\u1112\u1161\u11ab.txt":   "\u1112\u1161\u11ab.txt\\{NFD}",
		"\u212b.txt":               "\\u{212b}.txt",
		"C:\\cafe\u0301":           "C:\\\\cafe\u0301\\{NFD}",
		"caf\u00e9.csv\\{NFD}":     "caf\u00e9.csv\\{NFD}",
		"cafe\u0301.csv\\{NFD}":    "cafe\u0301.csv\\\\{NFD}\\{NFD}",
	} {
		if got := safetext.New(name).Distinct(); got != want {
			t.Errorf("%+q is %+q, not %+q", name, got, want)
		}
	}
}

// look returns a form that is the same for texts that look the same.
func look(s string) string {
	s = norm.NFKC.String(s)
	return strings.NewReplacer("а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "А", "A", "ο", "o", "Α", "A", "օ", "o", "\u2010", "-", "\u2215", "/", "…", "...").
		Replace(strings.TrimRight(s, " "))
}

// Different texts do not look the same.
func TestDistinct(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	letters := []string{"a", "а", "e", "е", "é", "e\u0301", "o", "о", "ο", "օ", "A", "Α", "А", "-", "\u2010", "/", "\u2215", ".", "…", " ", "ж", "λ", "한", "\u1112\u1161\u11ab",
		"\\", "{", "NFD}", "x", "ﬁ", "f", "i", "\uff41", "\u200b", "\xff", "1"}
	seen := map[string]string{}
	for range 60_000 {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		name := b.String()
		shown := look(safetext.New(name).Distinct())
		if other, ok := seen[shown]; ok && other != name {
			t.Errorf("%q and %q are both %q", other, name, shown)
		}
		seen[shown] = name
		if remarked := len(safetext.New(name).Remarks()) > 0; remarked != (safetext.New(name).Distinct() != safetext.New(name).String()) {
			t.Errorf("%q: remarks %q", name, safetext.New(name).Remarks())
		}
	}
}
