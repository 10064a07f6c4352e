package access_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui"
	"usher/tui/tuitest"
)

// play opens the page in a window of 120x40.
func play(t *testing.T, change func(*program), do func(t *testing.T, w *program)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(change)
		w.page(t)
		do(t, w)
	})
}

const (
	folder = "company-reports/annual/audited/"
	file   = folder + "2018-annual-report.pdf"
)

// Each query follows a key press, and time alone sends none.
func TestOneQuestionAKey(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.wantAsked(t, "who "+folder)
		w.Wait(10 * time.Minute)
		w.Press("j", "k", "G", "g", "ctrl+d", "pgup", "h", "b", "e", "X") // movement, and keys without a binding
		w.Press("g", "enter")                                             // a group needs no query
		w.Want(t, "Why audit-team can", "By ")
		w.Press("ctrl+r")
		w.Want(t, "Refresh: press esc, then refresh the list.")
		w.Press("esc", "G", "enter") // nor does a person, for a folder
		w.Want(t, "noor.haddad is disabled and can read nothing")
		w.Press("esc", "/")
		w.Type("grace")
		w.Press("esc")
		w.wantAsked(t, "who "+folder)
		w.Press("k", "m")
		w.Wait(time.Second)
		w.Want(t, "What margaret can see")
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("a")
		w.Wait(time.Second)
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.wantAsked(t, "who "+folder, "can margaret", "who company-reports/annual/", "grants", "grants")
		w.Press("esc")
		w.Want(t, "Who can read this folder")
		w.Press("esc")
		w.Want(t, "What margaret can see")
		w.Press("esc")
		w.Want(t, "Who can read this folder")
		w.Press("esc")
		w.Want(t, "▌Files")
		w.wantAsked(t, "who "+folder, "can margaret", "who company-reports/annual/", "grants", "grants")
	})
}

// The explanation of a missing access, and the grants that would give it.
func TestWhyNot(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.find("grace company-reports/quarterly/q3.csv")
		w.Want(t, "✗ grace cannot read this file", "Nearby grants", "allow company-reports/annual/audited/", "Other groups", "to finance-team",
			"One of these", "to external-auditors", "would allow it. None exists.")
		w.Press("m")
		w.Wait(time.Second)
		w.Want(t, "What grace can see", "In external-auditors, usher-auditors")
		w.wantAsked(t, "who "+folder, "explain grace company-reports/quarterly/q3.csv", "can grace")
	})
}

func TestWhyAPersonCan(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.find(file)
		w.Press("j", "j", "enter")
		w.Wait(time.Second)
		w.Want(t, "✓ grace can read this file", "audit 2026", "until 2026-12-31")
		w.Press("h") // back to the list, on the same row
		w.Press("y")
		w.Want(t, "Sent to the clipboard: "+file)
		w.Press("g", "y")
		w.Want(t, "Sent to the clipboard: allow audit-team company-reports/annual/")
		w.wantAsked(t, "who "+folder, "who "+file, "explain grace "+file)
	})
}

// The key W of the browser shows admins an explanation of their own access, and
// other people the grant.
func TestWhyCanISeeThis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(nil)
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("W")
		w.Want(t, "Why can I see this: move to a file.")
		w.Press("j", "j", "j", "W")
		w.Wait(time.Second)
		w.Want(t, "✓ You can read this file", "Why you can", "to finance-team")
		w.wantAsked(t, "explain margaret "+file)
		w.Press("esc")
		w.Want(t, "▌Files")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) { w.server.Me.Groups = []string{"finance-team"} })
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("j", "j", "j", "W")
		w.Wait(time.Second)
		w.Want(t, "Allowed by", "finance-team reads")
		w.wantAsked(t)
	})
}

// Only admins can open the page. The palette shows the reason.
func TestOthersStayOut(t *testing.T) {
	play(t, func(w *program) { w.server.Me.Groups = []string{"finance-team"} }, func(t *testing.T, w *program) {
		const reason = "The access page needs group usher-admins or usher-auditors."
		w.Want(t, reason, "▌Files")
		w.Press("j", ":")
		w.Type("access")
		w.Want(t, "Access: who can see what", "The access page needs group usher-…")
		w.Press("esc", "?")
		w.Want(t, "Keys in the file browser")
		w.Not(t, "X access")
		w.wantAsked(t)
	})
}

// An auditor opens the page, without the list of all grants.
func TestAuditorsOpenIt(t *testing.T) {
	play(t, func(w *program) { w.server.Me.Groups = []string{"finance-team", "usher-auditors"} }, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Want(t, "3 groups, 5 people")
		w.wantAsked(t, "who "+folder)
		w.Press("a")
		w.Want(t, "The list of all grants needs group usher-admins.")
		w.wantAsked(t, "who "+folder) // and nothing else
	})
}

// The server refuses a person without the group.
func TestRefusedByTheServer(t *testing.T) {
	play(t, failing(api.NotFound), func(t *testing.T, w *program) {
		w.Want(t, "This page needs group usher-admins or usher-auditors.", "(request r-01JD9X5C8M)")
		w.Wait(time.Hour)
		w.wantAsked(t, "who "+folder)
		w.adminServer.do(func() { w.adminServer.fail = nil })
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "3 groups, 5 people")
		w.adminServer.do(func() { w.adminServer.fail = &api.Error{Code: api.TooLarge} })
		w.Press("ctrl+r") // the response before stays, with the failure below it
		w.Wait(time.Second)
		w.Want(t, "These groups have too many people.", "ctrl+r try again", "3 groups, 5 people")
	})
}

// A wait is shown after 150 ms; before, the screen does not change.
func TestGraceBeforeAsking(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.adminServer.do(func() { w.adminServer.delay = time.Second })
		w.Press("a")
		w.Wait(100 * time.Millisecond)
		w.Want(t, "Who can read this folder")
		w.Not(t, "loading")
		w.Wait(100 * time.Millisecond)
		w.Want(t, "All grants", "loading…")
		w.Wait(time.Second)
		w.Want(t, "10 grants")
		w.Not(t, "loading")
	})
}

// A response to a canceled query changes nothing. Both a new query and esc cancel.
func TestLateAnswerIsDropped(t *testing.T) {
	play(t, func(w *program) { w.adminServer.ignoresCancel = true }, func(t *testing.T, w *program) {
		w.adminServer.do(func() { w.adminServer.delay = 5 * time.Second })
		w.Press("a")
		w.Wait(time.Second)
		w.adminServer.do(func() { w.adminServer.delay = 0 })
		w.find("grace")
		w.Want(t, "What grace can see")
		w.Wait(10 * time.Second)
		w.Want(t, "What grace can see")
		w.Press("esc") // the canceled query left no view
		w.Want(t, "Who can read this folder")
		w.adminServer.do(func() { w.adminServer.delay = 5 * time.Second })
		w.Press("a", "esc") // before the wait is shown
		w.Want(t, "Who can read this folder")
		w.Press("a")
		w.Wait(time.Second)
		w.Press("esc") // after
		w.Want(t, "Who can read this folder")
		w.Wait(10 * time.Second)
		w.Want(t, "Who can read this folder", "3 groups, 5 people")
		w.Press("esc")
		w.Want(t, "▌Files")
	})
}

// Leaving cancels the call at the server.
func TestLeavingCancels(t *testing.T) {
	play(t, func(w *program) { w.adminServer.delay = 20 * time.Second }, func(t *testing.T, w *program) {
		w.Press("esc")
		w.Want(t, "▌Files")
		w.Press("X")
		w.adminServer.do(func() { w.adminServer.delay = time.Second })
		w.find(folder) // cancels the page's first query
		w.Wait(time.Second)
		w.Want(t, "3 groups, 5 people")
		w.Press("esc")
		w.Want(t, "▌Files")
	})
}

// A query without a response is sent once more after the connection returns.
func TestLostNetwork(t *testing.T) {
	play(t, func(w *program) { w.adminServer.fail = tuitest.ErrNetwork }, func(t *testing.T, w *program) {
		w.Want(t, "Can't reach files.example.com (no connection).")
		w.Wait(5 * time.Minute)
		w.wantAsked(t, "who "+folder, "who "+folder)
		w.adminServer.do(func() { w.adminServer.fail = nil })
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "3 groups, 5 people")
	})
	play(t, func(w *program) { w.adminServer.delay, w.adminServer.ignoresCancel = time.Hour, false }, func(t *testing.T, w *program) {
		w.Wait(31 * time.Second)
		w.Want(t, "No answer from files.example.com.")
	})
}

func TestTextField(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.find("alan")
		w.find("grace")
		w.Press("/", "up", "up")
		w.Want(t, " / alan\n")
		w.Press("down")
		w.Want(t, " / grace\n")
		w.Press("down", "enter") // an empty field sends no query
		w.Wait(time.Second)
		w.find("two words")
		w.Want(t, "A path has a slash")
		w.Press("ctrl+u", "enter", "/")
		w.Send(tea.PasteMsg{Content: "edsger\x1b[2J"})
		w.Press("esc")
		w.wantAsked(t, "who "+folder, "can alan", "can grace")
		w.find("company-reports") // a bare word is a person
		w.Want(t, "There is no such person")
		w.find("company-reports/")
		w.Want(t, "Who can read this bucket")
		w.find("alan " + folder)
		w.Want(t, "alan is not among the people who can read this.")
		w.Press("/")
		w.Type(strings.Repeat("long", 60))
		w.Want(t, "longlong")
	})
}

func TestOpensThePathOfTheBrowser(t *testing.T) {
	for start, want := range map[string]string{"": "grants", "company-reports/": "who company-reports/", file: "who " + folder} {
		play(t, func(w *program) { w.deps.Start = tuitest.At(start) }, func(t *testing.T, w *program) {
			w.wantAsked(t, want)
		})
	}
}

// A list of many grants keeps its position after a refresh.
func TestManyGrants(t *testing.T) {
	play(t, func(w *program) {
		w.deps.Start = tuitest.At("")
		w.adminServer.rules = nil
		for i := range 20_000 {
			w.adminServer.rules = append(w.adminServer.rules, rule{group: "g", path: fmt.Sprintf("builds/%05d/", i)})
		}
	}, func(t *testing.T, w *program) {
		w.Press("G", "k", "ctrl+r")
		w.Wait(time.Second)
		w.Press("y")
		w.Want(t, "Sent to the clipboard: builds/19998/", "20,000 grants")
	})
}

// Paths with the same end are told apart in the list of grants.
func TestGrantsWithTheSameEndAreToldApart(t *testing.T) {
	play(t, func(w *program) {
		w.deps.Start = tuitest.At("")
		w.adminServer.rules = nil
		for year := 2018; year < 2026; year++ {
			w.adminServer.rules = append(w.adminServer.rules, rule{group: "finance", path: fmt.Sprintf("reports/accounts/%d/consolidated-statements-and-their-supplements/", year)})
		}
	}, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		seen := map[string]bool{}
		for _, path := range regexp.MustCompile(`\S+ments/`).FindAllString(w.Text(), -1) {
			seen[path] = true
		}
		if len(seen) < 8 {
			t.Errorf("%d different paths, not 8:\n%s", len(seen), w.Text())
		}
	})
}

// Update and View make no calls. As a control, a command of the page makes one.
func TestUpdateAndViewDoNoIO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := 0
		w := newProgram(nil)
		pages := tui.AccessPages(w.adminServer, "files.example.com", safetext.New("usher-admins"), safetext.New("usher-auditors"), func() time.Time { clock++; return now() })
		w.deps.Pages = pages
		m, err := tui.New(w.deps)
		if err != nil {
			t.Fatal(err)
		}
		update := func(msg tea.Msg) tea.Cmd {
			_, cmd := m.Update(msg)
			m.View()
			return cmd
		}
		init := m.Init()
		update(tea.WindowSizeMsg{Width: 120, Height: 40})
		run(m, init) // whoami, which the page needs
		open := update(tuitest.Key("X"))
		for _, k := range strings.Fields("j k enter m a / g r a c e enter esc y ctrl+r esc X a G esc") {
			update(tuitest.Key(k))
		}
		if n := len(w.adminServer.queries()) + clock; n != 0 {
			t.Fatalf("%d calls were made between keys and frames", n)
		}
		run(m, open) // the negative control
		if n := len(w.adminServer.queries()); n != 1 {
			t.Fatalf("%d calls by one command", n)
		}
	})
}

// run runs a command and the commands that it batches, and updates m.
func run(m tea.Model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	time.Sleep(time.Minute)
	switch msg := (<-done).(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			run(m, c)
		}
	case nil:
	default:
		m.Update(msg)
	}
}

// A click selects a row. A click on the selected row opens it.
func TestMouse(t *testing.T) {
	play(t, func(w *program) { w.deps.Mouse = true }, func(t *testing.T, w *program) {
		w.find(file)
		click := func() {
			t.Helper()
			for y, l := range strings.Split(w.Text(), "\n") {
				if strings.HasPrefix(strings.TrimLeft(l, " ▌"), "chen.wei ") {
					w.Send(tea.MouseClickMsg{X: 4, Y: y, Button: tea.MouseLeft})
					w.Wait(time.Second)
					return
				}
			}
			t.Fatalf("no row of chen.wei on\n%s", w.Text())
		}
		click()
		w.wantAsked(t, "who "+folder, "who "+file)
		click()
		w.Wait(time.Second)
		w.Want(t, "chen.wei can read this file")
		w.wantAsked(t, "who "+folder, "who "+file, "explain chen.wei "+file)
	})
}
