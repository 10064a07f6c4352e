package access_test

import (
	"os"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/safetext/safetexttest"
	"usher/tui/tuitest"
)

var goldens = tuitest.NewGoldens()

func TestMain(m *testing.M) { os.Exit(goldens.Main(m)) }

type scene struct {
	name   string
	change func(*program)
	play   func(*testing.T, *program)
}

func press(names ...string) func(*testing.T, *program) {
	return func(_ *testing.T, w *program) {
		w.Press(names...)
		w.Wait(time.Second)
	}
}

func find(text string, then ...string) func(*testing.T, *program) {
	return func(_ *testing.T, w *program) {
		w.find(text)
		w.Press(then...)
		w.Wait(time.Second)
	}
}

func failing(c api.Code) func(*program) {
	return func(w *program) { w.adminServer.fail = &api.Error{Code: c, RequestID: "r-01JD9X5C8M"} }
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
		{"grants-refused", func(w *program) {
			w.adminServer.problem = "grants.yaml:12:3: the prefix has no / at its end\nwrite finance/ for the folder\x1b[2J"
		}, press("a")},
		{"buckets", func(w *program) { w.deps.Start = tuitest.At("") }, nil},
		{"typing", nil, func(t *testing.T, w *program) {
			w.Press("/")
			w.Type("grace company-reports/quar")
		}},
		{"mistake", nil, find("./company-reports")},
		{"nobody-there", nil, find("secrets/")},
		{"no-such-person", nil, find("nobody")},
		{"not-among", nil, find("alan company-reports/annual/audited/")},
		{"refused", failing(api.NotFound), nil},
		{"unavailable", failing(api.IdentityUnavailable), nil},
		{"asking", func(w *program) { w.adminServer.delay = 10 * time.Second }, nil},
		{"requests", func(w *program) { w.server.Me.OpenRequests = 4 }, press("r", "j")},
		{"requests-none", func(w *program) { w.adminServer.wishes = nil }, press("r")},
		{"request", nil, press("r", "enter")},
		{"request-gone", nil, press("r", "G", "enter")},
		{"approve", nil, press("r", "p", "tab")},
		{"approve-problem", nil, press("r", "G", "p", "enter")},
		{"approve-confirm", nil, press("r", "j", "j", "p", "enter")},
		{"approve-file", func(w *program) { w.adminServer.fixed = true }, press("r", "p", "enter")},
		{"decline", nil, press("r", "d")},
		{"hostile-requests", hostile, press("r", "enter", "p", "enter")},
		{"hostile", hostile, nil},
		{"hostile-grants", hostile, press("a")},
	}
}

// hostile fills every group, person, path and reason with a text that attacks a
// terminal.
func hostile(w *program) {
	w.adminServer.rules, w.adminServer.people, w.adminServer.wishes = nil, nil, nil
	for _, x := range safetexttest.Payloads() {
		w.adminServer.rules = append(w.adminServer.rules, rule{group: x.Text, path: "company-reports/annual/audited/" + x.Text + "/", reason: x.Text})
		w.adminServer.people = append(w.adminServer.people, account{x.Text, []string{x.Text}, false})
		w.adminServer.wishes = append(w.adminServer.wishes, wish{x.Text, "company-reports/" + x.Text + "/", x.Text, time.Hour})
	}
}

func TestScreens(t *testing.T) {
	for _, sc := range scenes() {
		goldens.Each(t, sc.name, tuitest.Sizes(), func(t *testing.T, sz tuitest.Size) *tuitest.Screen {
			w := newProgram(sc.change)
			w.deps.ASCII = sz.ASCII
			w.open(t, sz.W, sz.H, sz.Profile)
			w.Press("X")
			w.Wait(time.Second)
			if sc.play != nil {
				sc.play(t, w)
			}
			return w.Screen
		})
	}
}
