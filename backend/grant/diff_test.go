package grant

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func setOf(t *testing.T, all ...Grant) *Set {
	t.Helper()
	s, err := NewSet(all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDiff(t *testing.T) {
	kept := Grant{Group: "a", Bucket: "bkt", Prefix: "kept/"}
	before := setOf(t, kept, Grant{Group: "b", Bucket: "bkt", Prefix: "gone/"}, Grant{Group: "c", Bucket: "bkt", Object: "k", Reason: "old"})
	after := setOf(t, kept, Grant{Group: "c", Bucket: "bkt", Object: "k", Reason: "it \"changed\"\n"})
	want := []string{"- allow b bkt/gone/", `- "old" allow c object bkt/k`, `+ "it \"changed\"\n" allow c object bkt/k`}
	if got := DiffLines(before, after); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := DiffLines(before, before); len(got) != 0 {
		t.Errorf("the same set: %q", got)
	}
}

func TestALongDiffIsCut(t *testing.T) {
	var many, long []Grant
	for i := range 1000 {
		many = append(many, Grant{Group: "g", Bucket: "bkt", Prefix: fmt.Sprintf("%04d/", i)})
		long = append(long, Grant{Group: "g", Bucket: "bkt", Prefix: fmt.Sprintf("%04d", i) + strings.Repeat("x", 1000) + "/"})
	}
	for name, c := range map[string]struct {
		grants []Grant
		lines  int
	}{"many": {many, maxDiffLines}, "long": {long, 16}} {
		got := DiffLines(setOf(t), setOf(t, c.grants...))
		if len(got) != c.lines+1 || got[c.lines] != fmt.Sprintf("… %d more", 1000-c.lines) || len(strings.Join(got, "")) > maxDiffBytes+64 {
			t.Errorf("%s: %d lines, the last is %q", name, len(got), got[len(got)-1])
		}
	}
}
