package access_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext/safetexttest"
	"usher/tui/browse"
)

var update = flag.Bool("update", false, "write the screens instead of comparing them")

const goldenDir = "testdata/screens"

// read remembers the goldens that a test looked at: one that nobody looks at
// proves nothing and has to go.
var read sync.Map

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if run := flag.Lookup("test.run").Value.String(); code == 0 && run == "" {
		files, _ := filepath.Glob(goldenDir + "/*.txt")
		if len(files) == 0 {
			fmt.Println("no golden screens at all")
			code = 1
		}
		for _, f := range files {
			if _, ok := read.Load(f); !ok {
				fmt.Printf("%s: no test reads this golden\n", f)
				code = 1
			}
		}
	}
	os.Exit(code)
}

type scene struct {
	name   string
	change func(*world)
	play   func(*testing.T, *world)
}

func press(names ...string) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.Press(names...)
		w.Wait(time.Second)
	}
}

func find(text string, then ...string) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.find(text)
		w.Press(then...)
		w.Wait(time.Second)
	}
}

func failing(c api.Code) func(*world) {
	return func(w *world) { w.office.fail = &api.Error{Code: c, RequestID: "r-01JD9X5C8M"} }
}

func scenes() []scene {
	const file = "company-reports/annual/audited/2025-annual-report.pdf"
	return []scene{
		{"folder", nil, nil},
		{"folder-parts", nil, find("company-reports/annual/", "j")},
		{"disabled", nil, press("G")},
		{"group", nil, find("company-reports/annual/", "g", "enter")},
		{"person", nil, find("company-reports/annual/", "j", "enter")},
		{"file", nil, find(file)},
		{"why", nil, find(file, "G", "k", "k", "enter")},
		{"why-not", nil, find("grace company-reports/quarterly/2025-q1/q1.csv")},
		{"why-denied", nil, find("chen.wei company-reports/annual/drafts/x.docx")},
		{"why-over", nil, find("edsger company-reports/annual/drafts/x.docx")},
		{"can", nil, find("chen.wei", "j")},
		{"can-nothing", nil, find("edsger")},
		{"grants", nil, press("a", "j", "j", "j", "j", "j")},
		{"grants-refused", func(w *world) {
			w.office.problem = "grants.yaml:12:3: the prefix has no / at its end\nwrite finance/ for the folder\x1b[2J"
		}, press("a")},
		{"buckets", func(w *world) { w.deps.Start = browse.ParsePath("") }, nil},
		{"typing", nil, func(t *testing.T, w *world) {
			w.Press("/")
			w.Type("grace company-reports/quar")
		}},
		{"mistake", nil, find("/company-reports")},
		{"nobody-there", nil, find("secrets/")},
		{"no-such-person", nil, find("nobody")},
		{"not-among", nil, find("alan company-reports/annual/audited/")},
		{"refused", failing(api.NotFound), nil},
		{"unavailable", failing(api.IdentityUnavailable), nil},
		{"asking", func(w *world) { w.office.delay = 10 * time.Second }, nil},
		{"hostile", hostile, nil},
		{"hostile-grants", hostile, press("a")},
	}
}

// hostile gives every group, person, path and reason a name that tries to act
// on the terminal.
func hostile(w *world) {
	w.office.rules, w.office.people = nil, nil
	for _, x := range safetexttest.Payloads() {
		w.office.rules = append(w.office.rules, rule{group: x.Text, path: "company-reports/annual/audited/" + x.Text + "/", reason: x.Text})
		w.office.people = append(w.office.people, account{x.Text, []string{x.Text}, false})
	}
}

func TestScreens(t *testing.T) {
	sizes := []struct {
		name    string
		w, h    int
		profile colorprofile.Profile
		ascii   bool
	}{
		{"80x24", 80, 24, colorprofile.TrueColor, false}, {"120x40", 120, 40, colorprofile.ANSI256, false},
		{"200x50", 200, 50, colorprofile.TrueColor, false}, {"80x24-mono", 80, 24, colorprofile.ASCII, true},
	}
	for _, sz := range sizes {
		for _, sc := range scenes() {
			t.Run(sc.name+"-"+sz.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(sc.change)
					w.deps.ASCII = sz.ascii
					w.open(t, sz.w, sz.h, sz.profile)
					w.Press("X")
					w.Wait(time.Second)
					if sc.play != nil {
						sc.play(t, w)
					}
					path := filepath.Join(goldenDir, sc.name+"-"+sz.name+".txt")
					read.Store(path, true)
					w.Golden(t, path, *update)
				})
			})
		}
	}
}
