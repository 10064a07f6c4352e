package main

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"usher/backend/demo/demotest"
	"usher/backend/object/objecttest"
	"usher/backend/sandbox"
)

// faultyKey is the key of a script's faulty storage.
type faultyKey struct{}

// testKey is the key of the test that runs the scripts and ends their storage.
type testKey struct{}

// listingFaults returns the faults of a listing by name.
func listingFaults() map[string]func(*objecttest.Listing) {
	odd := func(change func(*objecttest.Row)) func(*objecttest.Listing) {
		return func(l *objecttest.Listing) {
			for i := range l.Rows {
				change(&l.Rows[i])
			}
		}
	}
	return map[string]func(*objecttest.Listing){
		"none":         nil,
		"unquoted":     odd(func(r *objecttest.Row) { r.ETag = strings.Trim(r.ETag, `"`) }),
		"no-etags":     odd(func(r *objecttest.Row) { r.ETag = `""` }),
		"no-dates":     odd(func(r *objecttest.Row) { r.Modified = "yesterday" }),
		"no-sizes":     odd(func(r *objecttest.Row) { r.Size = "-1" }),
		"no-token":     func(l *objecttest.Listing) { l.Token = "" },
		"one-token":    func(l *objecttest.Listing) { l.Token = "T:company" },
		"twice":        func(l *objecttest.Listing) { l.Rows = append(l.Rows, l.Rows...) },
		"html":         func(l *objecttest.Listing) { l.Body = "<html>Sign in</html>" },
		"list-refused": func(l *objecttest.Listing) { l.Status, l.Body = 403, "<Error><Code>AccessDenied</Code></Error>" },
		"foreign": func(l *objecttest.Listing) {
			l.Rows = append(l.Rows, objecttest.Row{Name: "board/salaries.csv", Size: "9", ETag: `"x"`}, objecttest.Row{Name: "board/", Folder: true})
		},
	}
}

// faulty sets the fault in the storage of a demo. The first call starts both.
func faulty(ts *testscript.TestScript, args []string) {
	fault, ok := listingFaults()[args[0]]
	if !ok {
		ts.Fatalf("unknown fault %s of a storage", args[0])
	}
	s := ts.Value(faultyKey{}).(**objecttest.Storage)
	if *s == nil {
		*s = objecttest.New(ts.Value(testKey{}).(testing.TB))
		stock(*s)
		beginDemo(ts, []string{"--s3-endpoint", (*s).URL})
	}
	(*s).SetHooks(fault, refusing, refusing)
}

// stock stores files that ada can read.
func stock(s *objecttest.Storage) {
	const at = "quarterly/"
	for i := range 3 {
		s.Put("company-reports", fmt.Sprintf("%sd/%d.txt", at, i), objecttest.Object{Body: fmt.Sprint(i)})
	}
	for i := range 2500 {
		s.Put("company-reports", fmt.Sprintf("%smany/%04d", at, i), objecttest.Object{Body: "x"})
	}
	for _, name := range []string{"kms", "tier", "ssec", "region", "ok"} {
		s.Put("company-reports", at+"m/"+name+".bin", objecttest.Object{Body: name})
	}
	s.Put("company-reports", at+"slash/y/", objecttest.Object{Body: "ten bytes!"})
	s.Put("company-reports", at+"slash/y/z", objecttest.Object{Body: "z"})
	for _, name := range []string{"ok", "nul\x00", "latin\xe9"} {
		s.Put("company-reports", at+"odd/"+name, objecttest.Object{Body: "x"})
	}
	s.Put("company-reports", at+"cold/frozen.bin", objecttest.Object{Body: "f", Class: "GLACIER"})
	s.Put("company-reports", at+"cold/thawed.bin", objecttest.Object{Body: "thawed", Class: "GLACIER",
		Restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2027 00:00:00 GMT"`})
}

// refusing answers for a storage that refuses some objects, each for another
// reason.
func refusing(w http.ResponseWriter, r *http.Request, _, key string) bool {
	switch name := path.Base(key); {
	case name == "kms.bin" && r.Method == http.MethodGet:
		objecttest.Refuse(w, r, 403, "AccessDenied", "not authorized to perform: kms:Decrypt")
	case name == "tier.bin" && r.Method == http.MethodGet:
		objecttest.Refuse(w, r, 403, "InvalidObjectState", "")
	case name == "ssec.bin":
		objecttest.Refuse(w, r, 400, "InvalidRequest", "The object was stored using a form of Server Side Encryption")
	case name == "region.bin":
		objecttest.Refuse(w, r, 301, "PermanentRedirect", "")
	default:
		return false
	}
	return true
}

// With the same storage the browser shows each row once, no row that was not
// requested, and the reason in place of a folder that cannot be listed.
func TestBrowserWithFaultyStorage(t *testing.T) {
	t.Parallel()
	fake := objecttest.New(t)
	stock(fake)
	w := demotest.StartOn(t, func(*sandbox.Sandbox) demotest.Storage { return demotest.Storage{Endpoint: fake.URL} })
	s, work := open(t, w, 120, 40)
	s.signIn(w, "ada")
	inject := func(fault string) {
		t.Helper()
		list, ok := listingFaults()[fault]
		if !ok {
			t.Fatalf("unknown fault %s", fault)
		}
		fake.SetHooks(list, refusing, refusing)
	}
	inject("twice")
	s.goTo("company-reports/quarterly/d/")
	s.shows("0.txt", "2.txt", "of 3, ")
	inject("foreign")
	s.goTo("company-reports/quarterly/m/")
	s.shows("kms.bin", "of 5, ")
	s.hides("salaries", "board")
	inject("no-dates")
	s.goTo("company-reports/quarterly/d/")
	s.keys("ctrl+r")
	s.shows("0.txt", "of 3, ")
	inject("unquoted")
	s.keys("ctrl+r", "d")
	s.until("the end of the download", func(screen string) bool { return strings.Contains(screen, "verified") })
	if got, err := os.ReadFile(filepath.Join(work, "company-reports", "quarterly", "d", "0.txt")); err != nil || string(got) != "0" {
		t.Errorf("%q, %v", got, err)
	}
	s.goTo("company-reports/quarterly/slash/y/")
	s.shows("./", "of 2, ")
	inject("list-refused")
	s.goTo("company-reports/quarterly/slash/")
	s.keys("ctrl+r") // the listing of the tree can be there
	s.shows("did not answer")
	inject("none")
	s.goTo("company-reports/quarterly/m/")
	s.shows("of 5, ")
	s.keys("q")
}
