package copymenu_test

import (
	"strings"
	"testing"

	"usher/backend/safetext"
	"usher/tui/copymenu"
	"usher/tui/keys"
)

// A copied path is exact. A note marks the characters that imitate others.
func TestNamesThatLookAlikeHaveANote(t *testing.T) {
	for key, noted := range map[string]string{
		"payroll.csv":        "",
		"p\u0430yroll.csv":   `p\u{430}yroll.csv`, // a Cyrillic letter
		"payroll.csv ":       "A space is at an end",
		"pa\u0301yroll.csv":  "NFD",
		"данные/погода.csv":  "",
		"annual/report-€.md": "",
	} {
		file := copymenu.File{Bucket: safetext.New("company-reports"), Key: safetext.New(key)}
		r, ok := copymenu.Deps{}.Run(copymenu.Request{Action: keys.CopyPath, Files: []copymenu.File{file}}, 1)().(copymenu.Result)
		if !ok || r.Text() != "company-reports/"+key {
			t.Fatalf("%q copies %q", key, r.Text())
		}
		switch {
		case noted == "" && len(r.Notes) != 0:
			t.Errorf("%q has the notes %v", key, r.Notes)
		case noted != "" && (len(r.Notes) != 1 || !strings.Contains(r.Notes[0].Distinct(), noted)):
			t.Errorf("%q has the notes %v, not one with %s", key, r.Notes, noted)
		}
	}
}
