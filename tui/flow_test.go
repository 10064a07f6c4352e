package tui_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/tui"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/tuitest"
)

// play tests the whole program on a terminal of 120x40.
func play(t *testing.T, change func(*program), do func(t *testing.T, w *program)) {
	t.Helper()
	playAt(t, 120, 40, change, do)
}

// at80 is play on a terminal of 80x24.
func at80(t *testing.T, change func(*program), do func(t *testing.T, w *program)) {
	t.Helper()
	playAt(t, 80, 24, change, do)
}

func playAt(t *testing.T, width, height int, change func(*program), do func(t *testing.T, w *program)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(change)
		w.open(t, width, height, colorprofile.TrueColor)
		do(t, w)
	})
}

// fetch downloads the files that pass a filter, by keys.
func (w *program) fetch(filter string) {
	w.Press("/")
	w.Type(filter)
	w.Press("enter", "a", "esc", "d")
	w.Wait(time.Second)
	w.Press("enter")
}

func TestFoldersAreListedOnce(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("") }, func(t *testing.T, w *program) {
		w.Press("enter") // company-reports
		w.Press("enter") // annual
		w.Press("h")     // back, from the store
		w.Press("h")
		w.Press("tab", "tab", "tab") // tree and details make no calls
		w.Wait(30 * time.Second)     // nothing polls
		want := []string{"/", "company-reports/", "company-reports/annual/"}
		if got := w.server.Lists(); !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
		w.Press("ctrl+r")
		if got := w.server.Lists(); len(got) != 4 {
			t.Errorf("ctrl+r made %d listings, want 4", len(got))
		}
	})
}

func TestPagesComeOnScroll(t *testing.T) {
	play(t, func(w *program) {
		for i := range 3500 {
			w.server.Put(fmt.Sprintf("builds/b-%05d", i), 1, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/")
	}, func(t *testing.T, w *program) {
		w.Wait(30 * time.Second)
		if got := w.server.Lists(); !slices.Equal(got, []string{"builds/", "/"}) { // the tree lists the buckets
			t.Fatalf("listed %q before any key", got)
		}
		w.Want(t, "1,000 and more")
		for range 30 {
			w.Press("pgdown")
		}
		w.Wait(time.Second)
		if got := w.server.Lists(); !slices.Equal(got, []string{"builds/", "/", "builds/+"}) {
			t.Fatalf("listed %q near the end of the first page", got)
		}
		w.Press("/")
		w.Type("034")
		w.Wait(time.Second)
		w.Want(t, "b-00034", "b-03400", "3,500 in all")
	})
}

func TestLateAnswerIsDropped(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.server.Delay = 3 * time.Second
		w.Press("enter") // letters-to-shareholders, slow
		w.Wait(time.Second)
		w.Want(t, "listing", "letters-to-shareholders")
		w.server.Delay = 0
		w.Press("h")
		w.Wait(10 * time.Second)
		w.Want(t, "of 33, ")
		w.Not(t, "2025.pdf\n")
	})
}

func TestRemovedAccessClosesTheFolder(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j")
		w.server.Hide("company-reports/annual/")
		w.server.Grants("2")
		w.Wait(26 * time.Second)
		w.Want(t, "audited/ is no longer available", "quarterly/")
		w.Not(t, "2018-annual-report.pdf")
	})
}

// While the parent is listed slowly, no frame has rows of the missing folder.
func TestRemovedAccessWhileTheServerIsSlow(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j")
		w.server.Hide("company-reports/annual/")
		w.server.Delay = 2 * time.Second
		w.Press("ctrl+r")
		for range 12 {
			w.Wait(500 * time.Millisecond)
			w.Resize(119, 39)
			w.Press("down")
			w.Resize(120, 40)
		}
		w.server.Delay = 0
		w.Wait(10 * time.Second)
		w.Want(t, "company-reports", "quarterly/")
		w.Not(t, "2018-annual-report.pdf")
	})
}

func TestUnknownPathLooksLikeAbsent(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		for _, path := range []string{"company-reports/none/here.pdf", "company-reports/annual/audited/none.pdf", "no-such/bucket/"} {
			w.Press("ctrl+g")
			w.Type(path)
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "There is nothing here that you can open.", "go to: "+path, "33 rows")
			w.Press("esc")
		}
	})
}

func TestGoToAFile(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("ctrl+g")
		w.Type("company-reports/quarterly/2025-q2/q2.csv")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "company-reports › quarterly › 2025-q2", "▌  q2.csv")
	})
}

func TestSignInAgainKeepsPlaceMarksAndQueue(t *testing.T) {
	play(t, func(w *program) { w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "space", "j")
		w.server.Fail(&api.Error{Code: api.SessionRevoked})
		w.Press("ctrl+r")
		w.Press("enter") // a key for the list, which the new dialog ignores
		w.Want(t, "Your sign-in has ended", "ended by an administrator")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Second)
		w.server.Fail(nil)
		w.Type("Analytical-42")
		w.Want(t, "••••")
		w.Not(t, "Analytical-42")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 marked", "▌  2018-consolidated…edger.parquet", "of 33, ")
	})
}

func TestAnotherPersonSeesNothingOfTheOneBefore(t *testing.T) {
	play(t, func(w *program) { w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "space")
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Press("enter")
		w.server.Fail(nil)
		w.server.Me.Person = api.Person{Sub: "sub-grace", Username: "grace"}
		w.server.Delay = time.Second // before the person is known
		w.Type("Analytical-42")
		w.Press("enter")
		w.Wait(500 * time.Millisecond)
		w.Not(t, "2018-annual-report.pdf")
		w.Wait(5 * time.Second)
		w.Want(t, "● grace", "company-reports")
		w.Not(t, "marked", "audited")
	})
}

func TestNetworkComesBackByItself(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.server.Fail(tuitest.ErrNetwork)
		w.Press("ctrl+r")
		w.Want(t, "Can't reach files.example.com (no connection).", "○ alice.moreau", "as of 10:12:04")
		w.server.Fail(nil)
		w.Wait(10 * time.Second)
		w.Want(t, "● alice.moreau", "of 33, ")
		w.Not(t, "Can't reach")
	})
}

func TestDownloadThatDoesNotFit(t *testing.T) {
	play(t, func(w *program) { w.deps.FreeSpace = func(string) (int64, error) { return 640_000_000, nil } }, func(t *testing.T, w *program) {
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Want(t, "1.08 GB needed, 640 MB free")
		w.Press("enter")
		w.Wait(time.Second)
		if n := len(w.engine.Snapshot().Transfers); n != 0 {
			t.Errorf("%d transfers began", n)
		}
	})
}

func TestDownloadAsksBeforeItReplaces(t *testing.T) {
	play(t, func(w *program) {
		w.engine.Here = func(r download.Request) download.Presence {
			if strings.HasSuffix(r.Key, "2018-annual-report.pdf") {
				return download.HereOther
			}
			return download.Absent
		}
	}, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "d")
		w.Wait(time.Second)
		w.Want(t, "1 local file differs", "keep both", "replace")
		w.Press("b")
		w.Wait(time.Second)
		s := w.engine.Snapshot()
		if len(s.Transfers) != 1 || s.Transfers[0].Request.Conflict != download.KeepBoth || s.Transfers[0].Request.Dir != "/home/alice/usher" || !s.Transfers[0].Request.Whole {
			t.Errorf("queue: %+v", s.Transfers)
		}
	})
}

func TestFolderIsCountedOnceAndFetchedWithItsETags(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		before := len(w.server.Lists())
		w.Press("j", "j", "d") // working-papers/
		w.Wait(time.Second)
		w.Want(t, "Download 2 files", "working-papers/", "all below")
		w.Press("enter")
		w.Wait(time.Second)
		if n := len(w.server.Lists()) - before; n != 1 {
			t.Errorf("%d listings for one folder", n)
		}
		s := w.engine.Snapshot()
		if len(s.Transfers) != 3 {
			t.Fatalf("%d transfers for a folder and its two files", len(s.Transfers))
		}
		r := s.Transfers[0].Request
		if !r.Folder || !r.ListedAll || len(r.Listed) != 2 || r.Listed[0].ETag == "" || r.Listed[1].ETag == "" {
			t.Errorf("the engine would have to list it again: %+v", r)
		}
	})
}

func TestQuitAsksWhileTransfersRun(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("G", "k", "k", "k", "k", "d") // the ledger
		w.Wait(time.Second)
		w.Press("enter", "q")
		w.Wait(100 * time.Millisecond) // q is for the page behind the dialog
		w.Want(t, "1 download is running. Partial files are kept, and usher")
		w.Press("esc", "esc", "esc")
		w.Want(t, "of 33, ")
	})
}

// Signing out stops the transfers of the session, so a question precedes it.
func TestSignOutAsksWhileTransfersRun(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("G", "k", "k", "k", "k", "d") // the ledger
		w.Wait(time.Second)
		w.Press("enter", "i", "o")
		w.Want(t, "1 download is running. Partial files are kept", "enter sign out")
		w.Press("esc")
		w.Want(t, "of 33, ", "1 running")
		w.Press("i", "o", "enter")
		w.Wait(time.Second)
		w.Want(t, "Password")
		w.Not(t, "of 33, ")
	})
}

// Without transfers the same key signs out at once.
func TestSignOut(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("i", "o")
		w.Wait(time.Second)
		w.Want(t, "Password")
	})
}

// A text that is too long for the status line loses whole sentences.
func TestTheStatusLineHasWholeSentences(t *testing.T) {
	const reason, next = "The access page needs group usher-admins or usher-auditors.", "Ask your administrator."
	closed := func(w *program) { w.deps.Pages = accessPage(w.deps.Pages) }
	at80(t, closed, func(t *testing.T, w *program) {
		w.Press("X")
		w.Want(t, reason)
		w.Not(t, "Ask", reason+"…")
	})
	play(t, closed, func(t *testing.T, w *program) {
		w.Press("X")
		w.Want(t, reason+" "+next)
	})
}

// A page that is pressed before the groups are known does not open, and the sentence
// claims nothing about the groups.
func TestPageBeforeTheGroups(t *testing.T) {
	slow := func(w *program) {
		w.deps.Pages = accessPage(w.deps.Pages)
		w.server.Slow(3 * time.Second)
	}
	play(t, slow, func(t *testing.T, w *program) {
		w.Press("X")
		w.Want(t, "The server has not sent your groups yet.")
		w.Not(t, "needs group")
		w.Wait(20 * time.Second)
		w.Press("X")
		w.Want(t, "needs group usher-admins")
	})
}

// accessPage adds a page that opens for two groups.
func accessPage(pages []tui.Page) []tui.Page {
	return append(pages, tui.Page{Open: keys.OpenAccess, Name: "access page", Group: safetext.New("usher-admins"), Or: safetext.New("usher-auditors"),
		New: func(*pane.Env, pane.Target) (pane.Pane, error) { return nil, errors.New("never opened") }})
}

// Update and View make no calls. As a control, a command makes one.
func TestUpdateAndViewDoNoIO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := 0
		w := newProgram(nil)
		w.deps.Now = func() time.Time { clock++; return tuitest.Epoch() }
		for _, f := range []*func(string) (int64, error){&w.deps.FreeSpace} {
			old := *f
			*f = func(s string) (int64, error) { clock++; return old(s) }
		}
		m, err := tui.New(w.deps)
		if err != nil {
			t.Fatal(err)
		}
		var cmds []tea.Cmd
		send := func(msg tea.Msg) {
			_, cmd := m.Update(msg)
			cmds = append(cmds, cmd)
			m.View()
		}
		cmds = append(cmds, m.Init())
		send(tea.WindowSizeMsg{Width: 120, Height: 40})
		send(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
		for _, k := range strings.Fields("j k G g n a enter ' a m b enter h [ ] ~ tab shift+tab / x esc F esc ctrl+g a enter s m . space a * u d D v y Y W w ctrl+r t p r b x P R J K o esc A X i esc : esc ? esc q esc ctrl+l ctrl+c") {
			send(tuitest.Key(k))
		}
		if n := w.server.Calls() + w.engine.Calls() + clock; n != 0 {
			t.Fatalf("%d calls were made between keys and frames", n)
		}
		run(m, cmds[0]) // the negative control: the commands of Init make calls
		if w.server.Calls() == 0 {
			t.Fatal("the counting server counts nothing")
		}
	})
}

// run runs a command and the commands that it batches. It waits for timers.
func run(m tea.Model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	synctest.Wait()
	select {
	case msg := <-done:
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				run(m, c)
			}
		}
	default:
		time.Sleep(time.Minute)
		<-done
	}
}

// Without a key press for the organization's limit, the browser requires the
// sign-in again, over the place that it was at. A key press starts the time again.
func TestIdleLock(t *testing.T) {
	var locks atomic.Int64
	play(t, func(w *program) {
		w.deps.IdleMinutes, w.deps.Now = 5, time.Now
		w.deps.Lock = func(context.Context) error { locks.Add(1); return nil }
		w.deps.Start = tuitest.At("company-reports/")
	}, func(t *testing.T, w *program) {
		w.Wait(4 * time.Minute)
		w.Press("j")
		w.Wait(4 * time.Minute)
		if strings.Contains(w.Text(), "sign-in has ended") || locks.Load() != 0 {
			t.Fatalf("locked too early:\n%s", w.Text())
		}
		w.Wait(2 * time.Minute)
		w.Want(t, "Your sign-in has ended", "No key was pressed for 5 minutes")
		if locks.Load() != 1 {
			t.Errorf("%d locks", locks.Load())
		}
		w.Wait(10 * time.Minute)
		if locks.Load() != 1 {
			t.Errorf("%d locks", locks.Load())
		}
	})
	// A sleep of the machine counts, also if a key is the first event after it.
	var slept atomic.Int64
	play(t, func(w *program) {
		w.deps.IdleMinutes, w.deps.Now = 5, func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		w.deps.Lock = func(context.Context) error { return nil }
		w.deps.Start = tuitest.At("company-reports/")
	}, func(t *testing.T, w *program) {
		w.Wait(time.Minute)
		slept.Store(int64(time.Hour))
		w.Press("j")
		w.Wait(30 * time.Second)
		w.Want(t, "No key was pressed for 5 minutes")
	})
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/") }, func(t *testing.T, w *program) {
		w.Wait(24 * time.Hour)
		if strings.Contains(w.Text(), "sign-in has ended") {
			t.Error("locked without a limit")
		}
	})
}
