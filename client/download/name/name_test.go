package name_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"usher/client/download/name"
	"usher/client/download/name/nametest"
)

// checkWindowsName returns an error if Windows would refuse or change a name.
func checkWindowsName(part string) error {
	switch {
	case part == "", part == ".", part == "..":
		return errors.New("not a file name")
	case strings.ContainsAny(part, `\/:*?"<>|`), !utf8.ValidString(part):
		return errors.New("a forbidden character")
	case strings.HasSuffix(part, "."), strings.HasSuffix(part, " "):
		return errors.New("an ending that Windows removes")
	case len(part) > 255:
		return errors.New("too long")
	}
	for _, r := range part {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return errors.New("a control character")
		}
	}
	base, _, _ := strings.Cut(strings.ToUpper(part), ".")
	for _, d := range strings.Fields("CON PRN AUX NUL CONIN$ CONOUT$ COM0 COM1 COM2 COM9 COM¹ COM² COM³ LPT0 LPT1 LPT¹") {
		if strings.TrimRight(base, " ") == d {
			return errors.New("a device name")
		}
	}
	return nil
}

// TestForms checks the portable and the strict form: each name is valid on
// Windows, stays below the destination, converts back to its key, and is unique.
func TestForms(t *testing.T) {
	names := nametest.Hostile()
	if len(names) < 120 {
		t.Fatalf("%d names", len(names))
	}
	plain, folded := map[string]string{}, map[string]string{}
	for _, key := range names {
		for _, form := range []name.Form{name.Portable, name.Strict} {
			local, strict := name.In(form, key), form == name.Strict
			for _, part := range strings.Split(local, "/") {
				if err := checkWindowsName(part); err != nil {
					t.Errorf("%q becomes %q: %v", key, local, err)
				}
			}
			if !filepath.IsLocal(local) {
				t.Errorf("%q becomes %q, which is outside the destination", key, local)
			}
			if back, err := name.KeyOf(local); err != nil || back != key {
				t.Errorf("%q becomes %q and converts back to %q, %v", key, local, back, err)
			}
			seen, as := plain, local
			if strict {
				seen, as = folded, strings.ToLower(strings.ToUpper(local))
			}
			if other, ok := seen[as]; ok {
				t.Errorf("%q and %q are both %q", key, other, local)
			}
			seen[as] = key
		}
	}
	for _, key := range []string{"report.pdf", "a/b c/日本語.txt", "50% off.txt", "x (1).tar.gz", ".hidden", "Ünïcödé.md", "a+b=c,d;e@f.csv"} {
		if name.Local(key) != key {
			t.Errorf("%q needs no escape, but becomes %q", key, name.Local(key))
		}
	}
}

// FuzzLocal checks that every form of a key converts back, and that the Windows
// forms are valid on Windows.
func FuzzLocal(f *testing.F) {
	for _, n := range nametest.Hostile() {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if len(key) > 1024 {
			return
		}
		for _, form := range []name.Form{name.Unix, name.Portable, name.Strict} {
			local := name.In(form, key)
			if back, err := name.KeyOf(local); err != nil || back != key {
				t.Fatalf("%q → %q → %q, %v", key, local, back, err)
			}
			for _, part := range strings.Split(local, "/") {
				if err := checkWindowsName(part); err != nil && form != name.Unix {
					t.Fatalf("%q → %q: %v", key, local, err)
				}
			}
		}
	})
}

// TestUnixForm checks the form for file systems that accept every name: it
// escapes only characters that mislead a terminal or a reader. Names convert
// back to their keys and stay below the destination.
func TestUnixForm(t *testing.T) {
	seen := map[string]string{}
	for _, key := range nametest.Hostile() {
		local := name.In(name.Unix, key)
		if back, err := name.KeyOf(local); err != nil || back != key {
			t.Errorf("%q becomes %q and converts back to %q, %v", key, local, back, err)
		}
		for _, part := range strings.Split(local, "/") {
			if part == "" || part == "." || part == ".." || len(part) > 255 || !utf8.ValidString(part) || name.HasFoldPrefix(part, name.PartMark) ||
				strings.ContainsFunc(part, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Errorf("%q becomes %q", key, local)
			}
		}
		if other, ok := seen[local]; ok {
			t.Errorf("%q and %q are both %q", key, other, local)
		}
		seen[local] = key
	}
	for key, want := range map[string]string{ // "": unchanged
		"10:00.log": "", "Screenshot 2026-11-28 at 9.41\u202fAM.png": "",
		"what?.txt": "", "a*b|c<d>e\"f": "", `a\b`: "", "ends.": "", "ends ": "",
		"~notes": "", "CON": "", "nul.txt": "", "x\u00a0y": "", "x\u3000y": "",
		"a\u034fb": "a%CD%8Fb", "a\u17b4b": "a%E1%9E%B4b", "a\u200bb": "a%E2%80%8Bb", "a\u2028b": "a%E2%80%A8b",
		"\u202egpj.exe": "%E2%80%AEgpj.exe",
		"a\x1bb":        "a%1Bb", "..": "%2E%2E", "50%": "", "%41": "%2541",
	} {
		if want == "" {
			want = key
		}
		if got := name.In(name.Unix, key); got != want {
			t.Errorf("%q becomes %q, want %q", key, got, want)
		}
	}
}

// A local name holds no control character, and converts back to its key.
func ExampleLocal() {
	local := name.Local("reports//2026\x1b[2J/50%25.csv")
	key, err := name.KeyOf(local)
	fmt.Println(local)
	fmt.Printf("%q %v\n", key, err)
	// Output:
	// reports/%-/2026%1B[2J/50%2525.csv
	// "reports//2026\x1b[2J/50%25.csv" <nil>
}
