package backend_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// After a refused or deleted grants file the old grants stay active. The log
// contains the line and the fix. The health page, which anyone may read, contains
// only the fact.
func TestBadGrantsFileKeepsTheOldGrants(t *testing.T) {
	now := &clock{}
	dir := t.TempDir()
	w := demotest.Start(t, demo.Options{Dir: dir, Now: now.Now})
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	good, err := os.ReadFile(w.GrantsFile)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		replace(t, w.GrantsFile, text, now.Now())
		now.Pass(time.Second)
	}
	logged := func(words ...string) bool {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, "backend.log"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(raw), "\n")
		return slices.ContainsFunc(lines, func(line string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		})
	}
	before := health(t, w.Server)
	if !before.OK || before.GrantsError != "" || before.GrantsVersion == "" {
		t.Fatalf("at the start: %+v", before)
	}
	holds := func(when string) {
		t.Helper()
		h := health(t, w.Server)
		if !h.OK || h.GrantsError == "" || h.GrantsVersion != before.GrantsVersion {
			t.Errorf("%s: %+v, want the old version and an error", when, h)
		}
		if strings.Contains(h.GrantsError, "secret-project") || strings.Contains(h.GrantsError, dir) {
			t.Errorf("%s: the health page quotes the file: %q", when, h.GrantsError)
		}
		if got := names(t, ada, "company-reports", ""); !slices.Equal(got, []string{"annual/", "quarterly/"}) {
			t.Errorf("%s: ada sees %q", when, got)
		}
		if got := names(t, grace, "company-reports", ""); !slices.Equal(got, []string{"annual/"}) {
			t.Errorf("%s: grace sees %q", when, got)
		}
	}
	for name, c := range map[string]struct {
		text string
		log  []string
	}{
		"a prefix that ends in no slash": {"grants:\n  - {group: everybody, bucket: company-reports, prefix: secret-project}\n", []string{"grants.yaml:2:", `put a \"/\" at its end`}},
		"an unknown field":               {"grants:\n  - {group: finance-team, bucket: company-reports, prefix: quarterly/}\n  - {group: x, bucket: builds, prefix: \"\", allow: secret-project}\n", []string{"grants.yaml:3:"}},
		"an empty file":                  {"", []string{"grants.yaml:1:"}},
		"not YAML":                       {"grants: [secret-project", []string{"grants.yaml:1:"}},
	} {
		put(c.text)
		holds(name)
		if !logged(c.log...) {
			t.Errorf("%s: the log does not contain %q", name, c.log)
		}
	}
	put(string(good))
	if h := health(t, w.Server); !h.OK || h.GrantsError != "" {
		t.Errorf("after the repair: %+v", h)
	}
	if err := os.Rename(w.GrantsFile, w.GrantsFile+".away"); err != nil {
		t.Fatal(err)
	}
	now.Pass(time.Second)
	holds("the file was deleted")
	put("grants:\n  - {group: finance-team, bucket: company-reports, prefix: quarterly/}\n")
	if h := health(t, w.Server); !h.OK || h.GrantsError != "" || h.GrantsVersion == before.GrantsVersion {
		t.Errorf("a new good file: %+v", h)
	}
	if got := names(t, ada, "company-reports", ""); !slices.Equal(got, []string{"quarterly/"}) {
		t.Errorf("under the new file ada sees %q", got)
	}
	if got := names(t, grace, "", ""); len(got) != 0 {
		t.Errorf("under the new file grace sees %q", got)
	}
}
