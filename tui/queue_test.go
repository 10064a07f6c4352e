package tui_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/tuitest"
)

func TestReplaceAsksFirst(t *testing.T) {
	at80(t, another, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("t", "r")
		w.Want(t, "Replace local files", "2018-annual-report.pdf is here with different", "esc cancel")
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

func TestExistingFileIsTriedAgainAsKeepBoth(t *testing.T) {
	play(t, func(w *program) {
		another(w)
		w.engine.Saved = []download.Saved{{Request: download.Request{Bucket: "company-reports", Key: "annual/audited/2018-annual-report.pdf", ETag: `"x"`, Size: 5, Dir: "/home/alice/usher", Whole: true}}}
	}, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		w.Press("enter") // resume a request of an earlier run, which refuses
		w.Wait(time.Second)
		w.Want(t, "1 of 1 file failed")
		w.Press("t")
		w.Want(t, "✗ failed", "a different file is here", "b keep both", "r replace")
		w.Press("b")
		w.Wait(time.Second)
		w.Want(t, "✓ done")
		w.Not(t, "failed")
	})
}

func TestPauseIsNoEnd(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.fetch("2025")
		w.Wait(2 * time.Second)
		w.Press("t", "P")
		w.Wait(2 * time.Second)
		w.Not(t, "verified.", "files, ")
		w.Want(t, "‖ paused", "P resume all", "p resume", "x remove from the list", "paused at")
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
	play(t, func(w *program) {
		w.engine.Fail = func(download.Request) error {
			if broken {
				return download.ErrNetwork
			}
			return nil
		}
	}, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "d")
		w.Wait(2 * time.Second)
		w.Want(t, "failed")
		broken = false
		w.Press("d")
		w.Wait(2 * time.Second)
		if l := lineOf(w, "▌  2018-annual-report.pdf"); !strings.Contains(l, "here") {
			t.Errorf("the row is %q", l)
		}
		w.Not(t, "failed")
	})
}

// lineOf returns the first line of the screen with a text.
func lineOf(w *program, text string) string {
	for _, l := range strings.Split(w.Text(), "\n") {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}

func TestReasonOfAWaitingQueue(t *testing.T) {
	at80(t, nil, func(t *testing.T, w *program) {
		var out bytes.Buffer
		w.Log(&out)
		w.Press("G", "k", "k", "k", "k", "d") // the ledger
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(3 * time.Second)
		w.Press("k")
		w.Want(t, "↓ 1 running")
		w.engine.Silence()
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

// titlesIn returns all window titles in the output.
func titlesIn(out string) (titles []string) {
	for _, part := range strings.Split(out, "\x1b]2;")[1:] {
		end := strings.IndexAny(part, "\a\x1b")
		titles = append(titles, part[:end])
	}
	return titles
}

func TestTitleCountsNoZeroDownloads(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
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

func unfinished(w *program) {
	w.engine.Saved = []download.Saved{{Request: download.Request{Bucket: "company-reports", Key: "annual/audited/2018-annual-report.pdf", ETag: `"x"`, Size: 5, Dir: "/home/alice/usher", Whole: true}, Done: 3, Size: 5}}
}

func TestResumeQuestionWaitsForAnotherDialog(t *testing.T) {
	play(t, func(w *program) { unfinished(w); w.engine.Delay = 3 * time.Second }, func(t *testing.T, w *program) {
		w.Press(":")
		w.Wait(5 * time.Second)
		w.Want(t, "Commands")
		w.Press("esc")
		w.Want(t, "1 transfer from last time is unfinished", "3 B of 5 B  2018-annual-report.pdf", "x delete partial files")
		w.Wait(time.Second)
		w.Press("esc") // not now
		w.Want(t, `Kept for later. To resume, press : and type "unfinished".`)
		w.Press(":")
		w.Type("unfinished")
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Want(t, "1 transfer from last time is unfinished")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file, 5 B, verified.")
		w.Press(":")
		w.Type("unfinished")
		w.Press("enter")
		w.Wait(5 * time.Second)
		w.Want(t, "There are no unfinished transfers.")
	})
}

// A dialog that replaces another one does not count as an answer to it.
func TestResumeQuestionOutlivesTheSession(t *testing.T) {
	play(t, func(w *program) { unfinished(w); w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.Want(t, "Unfinished transfers")
		w.Press("j") // an activity without an effect on the dialog
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Wait(30 * time.Second)
		w.Want(t, "Your sign-in has ended")
		w.Press("enter")
		w.server.Fail(nil)
		w.Type("Analytical-42")
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "1 transfer from last time is unfinished")
	})
}

func TestQuitDialogWithoutTheQueue(t *testing.T) {
	play(t, func(w *program) { w.engine.Forgetful = true }, func(t *testing.T, w *program) {
		w.Press("G", "k", "k", "k", "k", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("q")
		w.Want(t, "1 download is running. Partial files are kept, but their", "another usher process")
		w.Not(t, "next time")
		w.Press("esc", "t", "P")
		w.Wait(time.Second)
		w.Want(t, "Another usher process owns the queue.")
		w.Press("esc", "q")
		w.Want(t, "Transfers are paused. Partial files are kept, but")
	})
}

func TestAnotherPersonSeesTheirUnfinishedTransfers(t *testing.T) {
	play(t, func(w *program) { w.deps.User = "ada" }, func(t *testing.T, w *program) {
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
		w.Want(t, "● grace", "1 transfer from last time is unfinished")
		w.Not(t, "running", "ledger")
		w.Wait(time.Second)
		w.Press("esc", "t")
		w.Want(t, "No transfers.")
	})
}

func TestStripStaysBesideASentence(t *testing.T) {
	at80(t, nil, func(t *testing.T, w *program) {
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

func TestRemovingDownloadedBytesAsks(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.fetch("2025-con")
		w.Wait(3 * time.Second)
		w.Press("t", "x")
		w.Want(t, "2025-consolidated-ledger.parquet: ", " MB were downloaded.", "Delete them?", "enter remove", "esc keep")
		w.Press("esc")
		if n := len(w.engine.Snapshot().Transfers); n != 2 {
			t.Errorf("%d transfers after esc", n)
		}
		w.Press("x", "enter")
		w.Wait(time.Second)
		w.Want(t, "✓ done")
		w.Not(t, "running")
		w.Press("x") // done: only the row is removed
		w.Wait(time.Second)
		w.Want(t, "No transfers.")
	})
}

// The loss of the network shows within seconds, with the time of the next call and a
// key that calls at once, on each page.
func TestLossOfTheNetworkShowsAtOnce(t *testing.T) {
	for _, c := range []struct {
		page string
		wide int
	}{{"", 80}, {"", 120}, {"t", 80}, {"t", 120}} {
		playAt(t, c.wide, 24, func(w *program) { w.engine.Speed = 1_000_000 }, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(2 * time.Second)
			if c.page != "" {
				w.Press(c.page)
			}
			w.Wait(time.Second)
			w.Want(t, "● alice.moreau")
			w.engine.Silence()
			w.server.Fail(tuitest.ErrNetwork)
			w.Wait(5 * time.Second)
			w.Want(t, "○ alice.moreau", "next try in ", "ctrl+r now")
			if c.page != "" {
				w.Want(t, "stalled")
			}
			before := w.server.Calls()
			w.Press("ctrl+r")
			if w.server.Calls() == before {
				t.Error("ctrl+r made no call")
			}
			w.server.Fail(nil)
			w.Press("ctrl+r")
			w.Want(t, "● alice.moreau")
			w.Not(t, "next try", "ctrl+r now")
		})
	}
}

// A call without an answer does not keep the loss of the network from showing.
func TestSilentNetworkShowsAtOnce(t *testing.T) {
	play(t, func(w *program) { w.engine.Speed = 1_000_000 }, func(t *testing.T, w *program) {
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.engine.Silence()
		w.server.Slow(time.Hour)
		w.Wait(9 * time.Second)
		w.Want(t, "○ alice.moreau", "No answer from files.example.com.", "next try in ")
	})
}

// The longest word of the Local column does not touch the line before the details.
func TestLocalColumnIsApart(t *testing.T) {
	for _, wide := range []int{80, 110, 120, 200} {
		playAt(t, wide, 40, func(w *program) { w.engine.Speed = 1_000_000 }, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(2 * time.Second)
			w.Want(t, "queued")
			w.Not(t, "queued│")
		})
	}
}
