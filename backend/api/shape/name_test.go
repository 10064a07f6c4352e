package shape_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"usher/backend/api/shape"
)

// documented is the pattern of Cognito's API reference.
var documented = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]{1,128}$`)

func sameLanguage(t *testing.T, name string) {
	t.Helper()
	if want, got := documented.MatchString(name) && utf8.ValidString(name), shape.CognitoName(name); got != want {
		t.Errorf("CognitoName(%q) = %v, and the documented pattern gives %v", name, got, want)
	}
}

// TestCognitoName compares the check with the documented pattern for each
// character and at the limits of the length.
func TestCognitoName(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if testing.Short() && r > 0x3000 && r%97 != 0 {
			continue
		}
		sameLanguage(t, string(r))
	}
	for _, unit := range []string{"a", "ü", "日", "𝄞", "a\u0301"} {
		for _, n := range []int{1, 63, 64, 65, 127, 128, 129, 1000} {
			sameLanguage(t, strings.Repeat(unit, n))
		}
	}
	for _, name := range []string{"", " ", "a b", "a\n", "\na", "a\x00", "\xff", "a\xc3", "\ufffd", strings.Repeat("a", 127) + " ", strings.Repeat("\xff", 128)} {
		sameLanguage(t, name)
	}
}

func FuzzCognitoName(f *testing.F) {
	f.Add("finance-team")
	f.Add("ｕ\u200d日 本")
	f.Fuzz(sameLanguage)
}
