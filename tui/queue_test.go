package tui_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/browse"
	"usher/tui/tuitest"
)

// at80 runs a test of the whole program on a terminal of 80x24.
func at80(t *testing.T, change func(*world), do func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(change)
		w.open(t, 80, 24, colorprofile.TrueColor)
		do(t, w)
	})
}

// another puts a file of the same size and another content where
// 2018-annual-report.pdf would go.
func another(w *world) {
	w.engine.Here = func(r download.Request) download.Presence {
		if strings.HasSuffix(r.Key, "2018-annual-report.pdf") {
			return download.HereMaybe
		}
		return download.Absent
	}
	w.engine.Same = func(download.Request) bool { return false }
}

func TestFileOfThatSizeIsComparedAndLeft(t *testing.T) {
	at80(t, another, func(t *testing.T, w *world) {
		w.Press("j", "j", "j", "d")
		w.Wait(time.Second)
		w.Want(t, "here: compared first;", "one that differs is left as it is", "enter download", "b keep both", "r replace", "c change folder", "esc cancel")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file differs and was left as it is. t shows more.")
		if l := lineOf(w, "▌  2018-annual-report.pdf"); !strings.Contains(l, "other") {
			t.Errorf("the Local column: %q", l)
		}
		w.Press("t")
		w.Want(t, "≠ differs", "a different file is here", "b keep both", "r replace")
		w.Not(t, "the same", "✓")
		if s := w.engine.Snapshot(); len(s.Transfers) != 1 || s.Transfers[0].Request.Conflict != download.Leave {
			t.Errorf("queue: %+v", s.Transfers)
		}
		w.Press("b")
		w.Wait(time.Second)
		if s := w.engine.Snapshot(); len(s.Transfers) != 1 || s.Transfers[0].Request.Conflict != download.KeepBoth || s.Transfers[0].State != download.Done {
			t.Errorf("queue after b: %+v", s.Transfers)
		}
	})
}

func TestReplaceAsksFirst(t *testing.T) {
	at80(t, another, func(t *testing.T, w *world) {
		w.Press("j", "j", "j", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("t", "r")
		w.Want(t, "Replace what is here", "2018-annual-report.pdf is here with another content", "esc leave it")
		w.Press("esc")
		if s := w.engine.Snapshot(); !s.Transfers[0].Differs {
			t.Errorf("esc replaced it: %+v", s.Transfers)
		}
		w.Press("r", "enter")
		w.Wait(time.Second)
		if s := w.engine.Snapshot(); len(s.Transfers) != 1 || s.Transfers[0].Request.Conflict != download.Overwrite || s.Transfers[0].State != download.Done {
			t.Errorf("queue after r: %+v", s.Transfers)
		}
	})
}

func TestRefusedNameIsTriedWithAnotherAnswer(t *testing.T) {
	play(t, func(w *world) {
		another(w)
		w.engine.Saved = []download.Saved{{Request: download.Request{Bucket: "company-reports", Key: "annual/audited/2018-annual-report.pdf", ETag: `"x"`, Size: 5, Dir: "/home/alice/usher", Whole: true}}}
	}, func(t *testing.T, w *world) {
		w.Wait(time.Second)
		w.Press("enter") // go on: a request of before, which refuses
		w.Wait(time.Second)
		w.Want(t, "1 of 1 file did not arrive")
		w.Press("t")
		w.Want(t, "✗ failed", "a different file is here", "b keep both", "r replace")
		w.Press("b")
		w.Wait(time.Second)
		w.Want(t, "✓ done")
		w.Not(t, "failed")
	})
}

// A folder's file that differs has a row of its own, and goes where its folder
// goes when it is fetched beside what is here.
func TestFileOfAFolderThatDiffers(t *testing.T) {
	play(t, func(w *world) {
		w.engine.Here = func(r download.Request) download.Presence {
			if strings.HasSuffix(r.Key, "2024/b.csv") {
				return download.HereOther
			}
			return download.Absent
		}
	}, func(t *testing.T, w *world) {
		w.Press("j", "j", "d")
		w.Wait(time.Second)
		w.Want(t, "1 file is here and differs; it stays as it is")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file, 100 B, verified", "1 file differs and was left as it is.")
		w.Press("t")
		w.Want(t, "working-papers/2024/b.csv", "left as it is: a different file is here", "2 files, 1 left as they are")
		w.Press("g", "b")
		w.Wait(time.Second)
		for _, x := range w.engine.Snapshot().Transfers {
			if r := x.Request; strings.HasSuffix(x.Key, "b.csv") && (r.Conflict != download.KeepBoth || !r.Whole || x.Parent != 0) {
				t.Errorf("fetched as %+v", r)
			}
		}
	})
}

func TestWhatIsHereAlreadyIsSaid(t *testing.T) {
	at80(t, func(w *world) { another(w); w.engine.Same = nil }, func(t *testing.T, w *world) {
		w.Press("j", "j", "j", "space", "space", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "1 file, 2.32 MB, verified. 1 file was here already and is the same.")
	})
}

func TestPauseIsNoEnd(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		w.Press("/")
		w.Type("2025")
		w.Press("enter", "a", "esc", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Press("t", "P")
		w.Wait(2 * time.Second)
		w.Not(t, "verified.", "files, ")
		w.Want(t, "‖ paused", "P resume all", "p go on", "x remove from the list", "paused at")
		w.Press("esc")
		w.Wait(time.Second)
		w.Not(t, "verified.")
		w.Want(t, "‖ paused  ")
		w.Press("t", "P")
		w.Wait(time.Minute)
		w.Want(t, "8 files, 1.03 GB, verified.")
	})
}

func TestNewerTransferWinsInTheLocalColumn(t *testing.T) {
	broken := true
	play(t, func(w *world) {
		w.engine.Fail = func(download.Request) error {
			if broken {
				return download.ErrNetwork
			}
			return nil
		}
	}, func(t *testing.T, w *world) {
		w.Press("j", "j", "j", "d")
		w.Wait(2 * time.Second)
		w.Want(t, "failed")
		broken = false
		w.Press("d")
		w.Wait(2 * time.Second)
		if l := lineOf(w, "▌  2018-annual-report.pdf"); !strings.Contains(l, "here") {
			t.Errorf("the row says %q", l)
		}
		w.Not(t, "failed")
	})
}

// lineOf is the screen's first line with a text.
func lineOf(w *world, text string) string {
	for _, l := range strings.Split(w.Text(), "\n") {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}

func TestWhatHoldsTheQueueUp(t *testing.T) {
	at80(t, nil, func(t *testing.T, w *world) {
		var out bytes.Buffer
		w.Log(&out)
		w.Press("G", "k", "k", "k", "k", "d") // the ledger
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(3 * time.Second)
		w.Press("k")
		w.Want(t, "↓ 1 running")
		w.engine.Silent = true
		w.Wait(12 * time.Second)
		w.Want(t, "no data for 1")
		w.Not(t, "MB/s", "left")
		w.Press("t")
		w.Wait(time.Second)
		w.Want(t, "no data for 1")
		w.Not(t, "MB/s")
		w.engine.Stop(download.WaitingNetwork)
		w.Wait(time.Second)
		w.Want(t, "waiting for the network", "no network")
		w.Press("esc")
		w.Want(t, "%  waiting for the network")
		w.engine.Stop(download.WaitingSignIn)
		w.Wait(time.Second)
		w.Want(t, "waiting for your sign-in")
		titles := titlesIn(out.String())
		for _, want := range []string{"%, 1 download", "%, no data comes", "%, waiting for the network", "%, waiting for your sign-in"} {
			if !strings.Contains(strings.Join(titles, "\n"), want) {
				t.Errorf("no title %q in %q", want, titles)
			}
		}
	})
}

// titlesIn is every title that was set.
func titlesIn(out string) (titles []string) {
	for _, part := range strings.Split(out, "\x1b]2;")[1:] {
		end := strings.IndexAny(part, "\a\x1b")
		titles = append(titles, part[:end])
	}
	return titles
}

func TestTitleCountsNoZeroDownloads(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		var out bytes.Buffer
		w.Log(&out)
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Minute)
		titles := titlesIn(out.String())
		if len(titles) < 5 {
			t.Fatalf("titles: %q", titles)
		}
		for _, title := range titles {
			if strings.Contains(title, " 0 downloads") || strings.Contains(title, "100%") {
				t.Errorf("title %q", title)
			}
		}
	})
}

func TestAnotherFolderHoldsForTheSession(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		w.Press("j", "j", "j", "space", "space", "d")
		w.Wait(time.Second)
		w.Press("c")
		w.Want(t, "~/usher")
		w.Press("ctrl+u")
		w.Type("reports")
		w.Press("enter")
		w.Want(t, "Type the whole path of a folder: it begins", "reports", "use this folder")
		w.Press("ctrl+u")
		w.Type("~/reports")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "~/reports/company-reports/annual/audited")
		w.Press("enter")
		w.Wait(5 * time.Second)
		for _, x := range w.engine.Snapshot().Transfers {
			if x.Request.Dir != "/home/alice/reports" {
				t.Errorf("downloads go to %q", x.Request.Dir)
			}
		}
		if l := lineOf(w, "2018-annual-report.pdf"); !strings.Contains(l, "here") {
			t.Errorf("the Local column does not look there: %q", l)
		}
		w.Press("t")
		w.Wait(time.Second)
		w.Want(t, "To ~/reports  41.6 GB free")
		w.Press("esc", "a", "d")
		w.Wait(time.Second)
		w.Want(t, "~/reports/company-reports", "2 files are here already and the same")
	})
}

func unfinished(w *world) {
	w.engine.Saved = []download.Saved{{Request: download.Request{Bucket: "company-reports", Key: "annual/audited/2018-annual-report.pdf", ETag: `"x"`, Size: 5, Dir: "/home/alice/usher", Whole: true}}}
}

func TestResumeQuestionWaitsForAnotherDialog(t *testing.T) {
	play(t, func(w *world) { unfinished(w); w.engine.Delay = 3 * time.Second }, func(t *testing.T, w *world) {
		w.Press(":")
		w.Wait(5 * time.Second)
		w.Want(t, "Commands")
		w.Press("esc")
		w.Want(t, "1 transfer is unfinished since last time")
		w.Wait(time.Second)
		w.Press("esc") // not now
		w.Want(t, `They wait. : and "unfinished" asks again.`)
		w.Press(":")
		w.Type("unfinished")
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Want(t, "1 transfer is unfinished since last time")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file, 5 B, verified.")
		w.Press(":")
		w.Type("unfinished")
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Want(t, "Nothing is unfinished from an earlier time.")
	})
}

// A question that takes the place of another does not answer it.
func TestResumeQuestionOutlivesTheSession(t *testing.T) {
	play(t, func(w *world) { unfinished(w); w.deps.User = "ada" }, func(t *testing.T, w *world) {
		w.Want(t, "Unfinished transfers")
		w.Press("j") // somebody is there; it answers nothing
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Wait(30 * time.Second)
		w.Want(t, "Your sign-in has ended")
		w.Press("enter")
		w.server.Fail(nil)
		w.Type("Analytical-42")
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "1 transfer is unfinished since last time")
	})
}

func TestQuitPromisesNoMoreThanHolds(t *testing.T) {
	play(t, func(w *world) { w.engine.Forgetful = true }, func(t *testing.T, w *world) {
		w.Press("G", "k", "k", "k", "k", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("q")
		w.Want(t, "1 download runs. Partial files stay, but their list is", "another usher of yours")
		w.Not(t, "next time")
		w.Press("esc", "t", "P")
		w.Wait(time.Second)
		w.Want(t, "Another usher of yours keeps the list.")
		w.Press("esc", "q")
		w.Want(t, "Transfers are paused. Partial files stay, but")
	})
}

func TestAnotherPersonIsAskedForTheirOwn(t *testing.T) {
	play(t, func(w *world) { w.deps.User = "ada" }, func(t *testing.T, w *world) {
		w.Press("G", "k", "k", "k", "k", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Press("enter")
		w.server.Fail(nil)
		w.server.Me.Person = api.Person{Sub: "sub-grace", Username: "grace"}
		w.engine.Clear(download.Saved{Request: download.Request{Bucket: "company-reports", Key: "hers.pdf", Dir: "/home/alice/usher", Whole: true}})
		w.Type("Analytical-42")
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "● grace", "1 transfer is unfinished since last time")
		w.Not(t, "running", "ledger")
		w.Wait(time.Second)
		w.Press("esc", "t")
		w.Want(t, "No transfers.")
	})
}

func TestMessageLeavesTheStripItsPlace(t *testing.T) {
	at80(t, nil, func(t *testing.T, w *world) {
		w.Press("G", "k", "k", "k", "k", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(3 * time.Second)
		for _, key := range []string{"y", "w", "W"} {
			w.Press(key)
			w.Wait(300 * time.Millisecond)
			line := strings.Split(w.Text(), "\n")[22]
			if !strings.Contains(line, "↓") || !strings.Contains(line, "%") {
				t.Errorf("after %s the status line is %q", key, line)
			}
		}
	})
}

func TestObjectThatIsListedByItsNameAlone(t *testing.T) {
	play(t, func(w *world) {
		w.server.PutBare("letters/annual/letter.pdf")
		w.deps.Start = browse.ParsePath("letters/annual/")
	}, func(t *testing.T, w *world) {
		if l := lineOf(w, "letter.pdf"); strings.Contains(l, "0 B") {
			t.Errorf("a size that nobody told: %q", l)
		}
		w.Want(t, "not listed")
		w.Press("d")
		w.Wait(2 * time.Second)
		w.Want(t, "1 file, 120 kB, verified.")
		if l := lineOf(w, "▌  letter.pdf"); !strings.Contains(l, "here") || strings.Contains(l, "here?") {
			t.Errorf("after the download the row says %q", l)
		}
		w.Press("d")
		w.Wait(time.Second)
		w.Want(t, "1 file of that name is here: compared first", "size not listed")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file was here already and is the same.")
		w.Press("t")
		w.Want(t, "already here and the same")
	})
}

func TestRemovingWhatWasFetchedAsks(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		w.Press("/")
		w.Type("2025-con")
		w.Press("enter", "a", "esc", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(3 * time.Second)
		w.Press("t", "x")
		w.Want(t, "MB were fetched. Remove them?", "enter remove", "esc keep")
		w.Press("esc")
		if n := len(w.engine.Snapshot().Transfers); n != 2 {
			t.Errorf("%d transfers after esc", n)
		}
		w.Press("x", "enter")
		w.Wait(time.Second)
		w.Want(t, "✓ done")
		w.Not(t, "running")
		w.Press("x") // done: only the row goes
		w.Wait(time.Second)
		w.Want(t, "No transfers.")
	})
}

// A folder may be answered for while it is counted; what was found so far shows
// wherever the queue does.
func TestFolderIsCountedOnTheWay(t *testing.T) {
	play(t, func(w *world) {
		for i := range 5000 {
			w.server.Put(fmt.Sprintf("builds/many/b-%05d", i), 1000, "2026-01-02 03:04")
		}
		w.deps.Start = browse.ParsePath("builds/")
		w.engine.Below = 20_000
	}, func(t *testing.T, w *world) {
		w.server.Delay = time.Second
		w.Press("d")
		w.Wait(2500 * time.Millisecond)
		w.Want(t, "counting… 2,000", "enter download now")
		w.Press("enter")
		w.Wait(3 * time.Second)
		w.Want(t, "counting… ", "it goes on counting")
		w.Press("t")
		w.Wait(time.Second)
		if l := lineOf(w, " done "); !strings.Contains(l, "counting… ") {
			t.Errorf("the line over the list: %q", l)
		}
		if l := lineOf(w, "many/"); !strings.Contains(l, "counting… ") {
			t.Errorf("the folder's row: %q", l)
		}
		w.Press("p")
		w.Wait(time.Second)
		w.Want(t, "‖ paused", "p go on")
		w.Press("p")
		w.Wait(2 * time.Second)
		if l := lineOf(w, "many/"); !strings.Contains(l, "counting… ") {
			t.Errorf("it does not go on counting: %q", l)
		}
	})
}

func TestFileThatDoesNotFitIsLeftOut(t *testing.T) {
	play(t, func(w *world) {
		w.server.Put("datasets/public/hostile/two-tebibytes.bin", 2<<40, "2026-01-02 03:04")
		w.server.Put("datasets/public/hostile/small-1.bin", 1000, "2026-01-02 03:04")
		w.server.Put("datasets/public/hostile/small-2.bin", 2000, "2026-01-02 03:04")
		w.deps.Start = browse.ParsePath("datasets/public/hostile/")
	}, func(t *testing.T, w *world) {
		w.Press("D")
		w.Wait(time.Second)
		w.Want(t, "2.20 TB needed, 41.6 GB free", "l leave out what does not fit")
		w.Press("enter")
		if n := len(w.engine.Snapshot().Transfers); n != 0 {
			t.Fatalf("%d transfers began", n)
		}
		w.Press("l")
		w.Want(t, "Download 2 files", "Left out", "1 file does not fit, 2.20 TB: two-t", "3.00 kB", "enter download")
		w.Press("enter")
		w.Wait(2 * time.Second)
		for _, x := range w.engine.Snapshot().Transfers {
			if x.Size > 1<<40 {
				t.Errorf("%s is in the queue", x.Key)
			}
		}
		w.Want(t, "2 files, 3.00 kB, verified.")
	})
}

var _ = tuitest.Epoch
