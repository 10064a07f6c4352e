//go:build !nosandbox

package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

var requestID = regexp.MustCompile(`\(request (\S+)\)`)

// The quarter's end: an external auditor sees her folder and nothing else. A path
// without a grant is answered like one that does not exist, with the number of the
// request for her administrator.
func TestSceneQuartersEnd(t *testing.T) {
	longScenes(t, func(t *testing.T, at stage) {
		w := demotest.Start(t, demo.Options{})
		s, _ := at.open(t, w)
		s.signIn(w, "grace")
		s.shows("company-reports › annual › audited", "2018-annual-report.pdf", "of 34, ") // her only folder
		for _, parent := range []string{"company-reports › annual", "company-reports", "Buckets"} {
			s.keys("h")
			s.shows(" usher  "+parent+"  ", "row 1 of 1, 100%")
			s.hides("builds", "datasets", "quarterly", "board-packs")
		}
		for _, child := range []string{"company-reports", "company-reports › annual", "company-reports › annual › audited"} {
			s.keys("enter")
			s.shows(" usher  "+child+"  ", "row 1 of ")
		}
		s.shows("2018-annual-report.pdf", "of 34, ")
		sentence := func(path string) string {
			t.Helper()
			s.goTo(path)
			s.shows("There is nothing here that you can open.", "go to: "+path)
			s.keys("esc")
			s.hides("go to: ")
			return strings.ReplaceAll(requestID.ReplaceAllString(s.text(), ""), path, "PATH")
		}
		if denied, absent := sentence("company-reports/quarterly/"), sentence("company-reports/quarterlx/"); denied != absent {
			t.Errorf("a path without a grant gives\n%s\nan absent path gives\n%s", denied, absent)
		}
		denied, absent := s.runs("ls", "company-reports/quarterly/"), s.runs("ls", "company-reports/quarterlx/")
		if denied.code != 4 || absent.code != 4 || requestID.ReplaceAllString(denied.err, "") != requestID.ReplaceAllString(absent.err, "") {
			t.Errorf("%+v and %+v", denied, absent)
		}
		request := requestID.FindStringSubmatch(denied.err)
		if request == nil {
			t.Fatalf("no request in %q", denied.err)
		}
		s.keys("A") // she is an auditor of the log too, so she finds the request there
		s.shows("Audit log")
		s.keys("/", "\x15", "request:"+request[1], "enter")
		s.shows("1 of ", "denied", "company-reports/quarterly")
	})
}

// Who touched this file? The log of one file, a filter with a mistake, one event,
// following, an export and the verification with the checkpoint of this machine.
func TestSceneWhoTouchedThis(t *testing.T) {
	longScenes(t, func(t *testing.T, at stage) {
		const path = "company-reports/annual/audited/2025-annual-report.pdf"
		w := demotest.Start(t, demo.Options{})
		ada := w.SignIn(t, "ada")
		release := func() {
			t.Helper()
			bucket, key, _ := strings.Cut(path, "/")
			if _, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: bucket, Key: key}}}); err != nil {
				t.Fatal(err)
			}
		}
		release()
		s, _ := at.open(t, w, "company-reports/annual/audited/")
		s.signIn(w, "grace")
		s.shows("of 34, ")
		s.keys("/", "2025-annual-report.pdf", "enter")
		s.shows("row 1 of 1, 100%")
		s.keys("w")
		s.shows("Audit log", "touched:"+path, "ada", "download")
		s.keys("/", "\x15", "who:ada acton:download", "enter")
		s.shows("There is no such field.", "Possible: who:, action:")
		s.keys("\x15", "who:ada action:download since:2026-01-01", "enter")
		s.shows("1 of ", "2025-annual-report.pdf")
		s.hides("There is no such field.")
		s.keys("f")
		s.shows("following")
		release()
		s.shows("2 of ")
		s.keys("f")
		s.hides("following")
		s.keys("enter")
		s.shows("Event", "Action     download", "Path       "+path)
		s.keys("G") // the rest of a small screen
		s.shows("Who        ada", "From       127.0.0.1")
		s.keys("esc")
		s.shows("newest first")
		s.keys("V")
		s.shows("The log is whole.")
		s.keys("esc")
		s.shows("newest first")
		s.keys("e")
		s.shows("Export the events with their proof")
		file := filepath.Join(s.home(), "evidence")
		s.keys("\x15", file, "enter")
		s.shows("It was verified.")
		if verified := s.runs("audit", "verify", file); verified.code != 0 {
			t.Errorf("%+v", verified)
		}
		if rows := s.runs("audit", "--file", file, "--json"); rows.code != 0 || strings.Count(rows.out, path[len("company-reports/"):]) != 2 {
			t.Errorf("%+v", rows)
		}
	})
}
