package shape

import (
	"slices"
	"strings"
	"testing"
)

func TestForm(t *testing.T) {
	f := NewForm(`^role/([a-z]{1,3})$`)
	for text, want := range map[string]bool{"role/a": true, "role/abc": true, "role/abcd": false, "role/": false, "xrole/a": false, "role/a\n": false} {
		if f.Matches(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	if got := f.Parts("role/ab"); !slices.Equal(got, []string{"role/ab", "ab"}) || f.Parts("other") != nil {
		t.Errorf("parts %q", got)
	}
}

func TestWord(t *testing.T) {
	for text, want := range map[string]bool{
		"01M8Z": true, "7f1c-22": true, "ExpiredToken": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "a\n": false, "é": false, "\x1b[m": false,
	} {
		if Word(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
