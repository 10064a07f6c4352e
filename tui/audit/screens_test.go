package audit_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/tui/audit"
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

// filter types a filter and sends it.
func (w *program) filter(text string) {
	w.Press("/", "ctrl+u")
	w.Type(text)
	w.Press("enter")
	w.Wait(time.Second)
}

func scenes() []scene {
	return []scene{
		{"log", nil, press("j", "j", "j", "j")},
		{"chain", nil, func(t *testing.T, w *program) {
			w.filter("path:company-reports/annual/audited/2025-consolidated-ledger.parquet")
			w.Want(t, "8 of 1,284,112 events")
		}},
		{"filtered", nil, func(t *testing.T, w *program) {
			w.filter("who:alan outcome:denied since:2026-11-01")
			w.Want(t, "5 of 1,284,112 events")
		}},
		{"typing", nil, func(t *testing.T, w *program) {
			w.Press("/")
			w.Type("who:ada action:s")
			w.Want(t, "session-start", "sign-out")
		}},
		{"mistake", nil, func(t *testing.T, w *program) {
			w.filter("who:ada action:dwnload since:7d")
			w.Want(t, "There is no such action.", "^^^^^^^")
		}},
		{"mistake-long", nil, func(t *testing.T, w *program) {
			w.filter("path:company-reports/annual/audited/2025-consolidated-ledger.parquet path:company-reports/annual/audited/2025-annual-report.pdf path:company-reports/annual/audited/2024-annual-report.pdf ouctome:denied since:30d")
			w.Want(t, "There is no such field.", "^^^^^^^", "outcome:")
		}},
		{"event", nil, press("j", "j", "j", "enter")},
		{"event-chain", nil, func(t *testing.T, w *program) {
			w.filter("path:=company-reports/annual/audited/2025-consolidated-ledger.parquet")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "8 events")
		}},
		{"event-reported", nil, func(t *testing.T, w *program) {
			w.filter("path:=company-reports/annual/audited/2025-annual-report.pdf -action:stat")
			w.Press("enter", "G")
			w.Wait(time.Second)
			w.Want(t, "Reported by the client, not checked by the server")
		}},
		{"event-grants", nil, func(t *testing.T, w *program) {
			w.filter("action:grants-changed")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "grants file", "Added", "1 grant", "7d793037a0760186574b0282f2f435e7")
		}},
		{"local", nil, press("z")},
		{"group-by", nil, func(t *testing.T, w *program) {
			w.Press("b", "f")
			w.Wait(time.Second)
			w.Want(t, "Events by file", "15 rows")
		}},
		{"grouping", nil, press("b")},
		{"question", nil, func(t *testing.T, w *program) {
			w.Press("4")
			w.Wait(time.Second)
			w.Want(t, "Sessions with their sign-in and their end")
		}},
		{"export", func(w *program) {
			w.exporter = &audit.Exporter{Name: func() string { return "/home/grace/usher/usher-audit-2026-11-23T141000Z.tar" }}
		}, press("e")},
		{"state-whole", func(w *program) {
			w.standing = func(context.Context) (audit.Standing, error) {
				return audit.Standing{Events: 1_284_050, At: now()}, nil
			}
			w.book.sinks = []api.Sink{{Name: "siem", LagSeconds: 4}, {Name: "archive"}}
		}, func(t *testing.T, w *program) {
			w.Want(t, "log whole ", "to event 1,284,050, 62 ", "not signed yet, ", "14:10 UTC")
		}},
		{"state-changed", func(w *program) {
			w.standing = func(context.Context) (audit.Standing, error) {
				return audit.Standing{Events: 1_261_530, At: now(), Finding: safetext.New("The audit log was rolled back.")}, nil
			}
			w.book.sinks = []api.Sink{{Name: "siem", LagSeconds: 4, Stuck: true}, {Name: "archive", LagSeconds: 800}}
		}, func(t *testing.T, w *program) { w.Want(t, "the log is not whole, V shows why") }},
		{"nothing", nil, func(t *testing.T, w *program) {
			w.filter("who:nobody")
			w.Want(t, "No event matches this filter.")
		}},
		{"refused", func(w *program) { w.book.fail = &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"} }, func(t *testing.T, w *program) {
			w.Want(t, "The audit log needs group usher-auditors.")
		}},
		{"unavailable", func(w *program) { w.book.fail = &api.Error{Code: api.AuditUnavailable, RequestID: "r-01JD9X5C8M"} }, func(t *testing.T, w *program) {
			w.Want(t, "usher could not record this")
		}},
		{"reading", func(w *program) { w.book.delay = 10 * time.Second }, func(t *testing.T, w *program) { w.Want(t, "Reading the log") }},
		{"hostile", hostile, nil},
	}
}

// hostile fills the untrusted fields of the log with texts that attack a terminal.
func hostile(w *program) {
	w.book.events = nil
	p := w.book.person("mallory", "10.0.0.1", now().Add(-time.Hour))
	for _, x := range safetexttest.Payloads() {
		p.record(time.Second, event.Event{Action: event.Download, Bucket: "datasets", Key: "public/hostile/" + x.Text, Outcome: event.Denied, Reason: x.Text})
		e := &w.book.events[len(w.book.events)-1]
		e.User.Username, e.User.Email, e.UserAgent, e.SourceIP = x.Text, x.Text, x.Text, x.Text
		e.Session, e.RequestID, e.ETag, e.Version, e.Grant, e.Purpose = x.Text, x.Text, x.Text, x.Text, x.Text, x.Text
	}
}

func TestScreens(t *testing.T) {
	for _, sc := range scenes() {
		sizes := tuitest.Sizes()
		if sc.name == "log" { // only the chart differs there
			sizes = append(sizes, tuitest.Size{Name: "120x40-mono", W: 120, H: 40, Profile: colorprofile.ASCII, ASCII: true})
		}
		goldens.Each(t, sc.name, sizes, func(t *testing.T, sz tuitest.Size) *tuitest.Screen {
			w := newProgram(sc.change)
			w.deps.ASCII = sz.ASCII
			w.open(t, sz.W, sz.H, sz.Profile)
			w.Press("A")
			w.Wait(time.Second)
			if sc.play != nil {
				sc.play(t, w)
			}
			return w.Screen
		})
	}
}

// The key w of the browser opens the events of the file, and esc returns.
func TestWhoAccessedThisFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("j", "j", "j", "w") // 2018-annual-report.pdf
		w.Wait(time.Second)
		goldens.Compare(t, w.Screen, "touched-120x40")
		if got := w.book.queries(); len(got) != 1 || got[0].Filter != "touched:company-reports/annual/audited/2018-annual-report.pdf" {
			t.Errorf("asked %+v", got)
		}
		w.Press("esc")
		w.Want(t, "Files")
	})
}
