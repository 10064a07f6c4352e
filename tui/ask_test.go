package tui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/client/download"
	"usher/tui/tuitest"
)

// another adds a local file with the name and size of 2018-annual-report.pdf and
// different content.
func another(w *program) {
	w.engine.Here = func(r download.Request) download.Presence {
		if strings.HasSuffix(r.Key, "2018-annual-report.pdf") {
			return download.HereMaybe
		}
		return download.Absent
	}
	w.engine.Same = func(download.Request) bool { return false }
}

func TestFileOfThatSizeIsComparedAndLeft(t *testing.T) {
	at80(t, another, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "d")
		w.Wait(time.Second)
		w.Want(t, "1 local file has this name: compared", "not replaced if different", "enter download", "b keep both", "r replace", "c change folder", "esc cancel")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file differs and was not replaced. t shows more.")
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

// A file of a folder that differs from the local file has a row. Keep both stores it
// in the folder's local folder.
func TestFileOfAFolderThatDiffers(t *testing.T) {
	play(t, func(w *program) {
		w.engine.Here = func(r download.Request) download.Presence {
			if strings.HasSuffix(r.Key, "2024/b.csv") {
				return download.HereOther
			}
			return download.Absent
		}
	}, func(t *testing.T, w *program) {
		w.Press("j", "j", "d")
		w.Wait(time.Second)
		w.Want(t, "1 local file differs and is not replaced")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file, 100 B, verified", "1 file differs and was not replaced.")
		w.Press("t")
		w.Want(t, "working-papers/2024/b.csv", "not replaced: a different file is here", "2 files, 1 not replaced")
		w.Press("g", "b")
		w.Wait(time.Second)
		for _, x := range w.engine.Snapshot().Transfers {
			if r := x.Request; strings.HasSuffix(x.Key, "b.csv") && (r.Conflict != download.KeepBoth || !r.Whole || x.Parent != 0) {
				t.Errorf("fetched as %+v", r)
			}
		}
	})
}

func TestSummaryCountsIdenticalFiles(t *testing.T) {
	at80(t, func(w *program) { another(w); w.engine.Same = nil }, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "space", "space", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "1 file, 2.32 MB, verified. 1 file was already here and identical.")
	})
}

func TestAnotherFolderHoldsForTheSession(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "space", "space", "d")
		w.Wait(time.Second)
		w.Press("c")
		w.Want(t, "~/usher")
		w.Press("ctrl+u")
		w.Type("reports")
		w.Press("enter")
		w.Want(t, "Type a full path that begins", "reports", "use this folder")
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
			t.Errorf("the Local column does not show it: %q", l)
		}
		w.Press("t")
		w.Wait(time.Second)
		w.Want(t, "To ~/reports  41.6 GB free")
		w.Press("esc", "a", "d")
		w.Wait(time.Second)
		w.Want(t, "~/reports/company-reports", "2 files are already here and identical")
	})
}

func TestObjectThatIsListedByItsNameAlone(t *testing.T) {
	play(t, func(w *program) {
		w.server.PutBare("letters/annual/letter.pdf")
		w.deps.Start = tuitest.At("letters/annual/")
	}, func(t *testing.T, w *program) {
		if l := lineOf(w, "letter.pdf"); strings.Contains(l, "0 B") {
			t.Errorf("an unknown size is shown: %q", l)
		}
		w.Want(t, "not listed")
		w.Press("d")
		w.Wait(2 * time.Second)
		w.Want(t, "1 file, 120 kB, verified.")
		if l := lineOf(w, "▌  letter.pdf"); !strings.Contains(l, "here") || strings.Contains(l, "here?") {
			t.Errorf("after the download the row is %q", l)
		}
		w.Press("d")
		w.Wait(time.Second)
		w.Want(t, "1 local file has this name: compared first", "size not listed")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "1 file was already here and identical.")
		w.Press("t")
		w.Want(t, "already here and identical")
	})
}

// A folder download can start while the folder is counted. The number of files found
// so far is visible with the queue.
func TestFolderIsCountedOnTheWay(t *testing.T) {
	play(t, func(w *program) {
		for i := range 5000 {
			w.server.Put(fmt.Sprintf("builds/many/b-%05d", i), 1000, "2026-01-02 03:04")
		}
		w.deps.Start = tuitest.At("builds/")
		w.engine.Below = 20_000
	}, func(t *testing.T, w *program) {
		w.server.Delay = time.Second
		w.Press("d")
		w.Wait(2500 * time.Millisecond)
		w.Want(t, "counting… 2,000", "enter download now")
		w.Press("enter")
		w.Wait(3 * time.Second)
		w.Want(t, "counting… ", "counting continues")
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
		w.Want(t, "‖ paused", "p resume")
		w.Press("p")
		w.Wait(2 * time.Second)
		if l := lineOf(w, "many/"); !strings.Contains(l, "counting… ") {
			t.Errorf("the counting does not continue: %q", l)
		}
	})
}

func TestFileThatDoesNotFitIsLeftOut(t *testing.T) {
	play(t, func(w *program) {
		w.server.Put("datasets/public/hostile/two-tebibytes.bin", 2<<40, "2026-01-02 03:04")
		w.server.Put("datasets/public/hostile/small-1.bin", 1000, "2026-01-02 03:04")
		w.server.Put("datasets/public/hostile/small-2.bin", 2000, "2026-01-02 03:04")
		w.deps.Start = tuitest.At("datasets/public/hostile/")
	}, func(t *testing.T, w *program) {
		w.Press("D")
		w.Wait(time.Second)
		w.Want(t, "2.20 TB needed, 41.6 GB free", "l skip files that do not fit")
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
			if x.Folder && !slices.Equal(x.Request.Without, []string{"two-tebibytes.bin"}) {
				t.Errorf("a later run would leave out %q", x.Request.Without)
			}
		}
		w.Want(t, "2 files, 3.00 kB, verified.")
	})
}

// A dialog in which enter would download nothing does not offer it.
func TestNoEnterWithoutADownload(t *testing.T) {
	for _, row := range []struct {
		name     string
		presence func(key string) download.Presence
		keys     []string
		want     string
		enter    bool
	}{
		{"one different file", func(string) download.Presence { return download.HereOther }, []string{"j", "j", "j", "d"}, "b keep both", false},
		{"all files of a folder are here", func(string) download.Presence { return download.Here }, []string{"j", "j", "d"}, "nothing: there is no file to download", false},
		{"all are here or differ", func(key string) download.Presence {
			if strings.HasSuffix(key, "b.csv") {
				return download.HereOther
			}
			return download.Here
		}, []string{"j", "j", "d"}, "r replace", false},
		{"one is new", func(key string) download.Presence {
			if strings.HasSuffix(key, "b.csv") {
				return download.Absent
			}
			return download.Here
		}, []string{"j", "j", "d"}, "1 download, in the audit log", true},
	} {
		play(t, func(w *program) {
			w.engine.Here = func(r download.Request) download.Presence { return row.presence(r.Key) }
		}, func(t *testing.T, w *program) {
			w.Press(row.keys...)
			w.Wait(time.Second)
			w.Want(t, row.want, "esc cancel")
			if got := strings.Contains(w.Text(), "enter download"); got != row.enter {
				t.Errorf("%s: enter is offered: %t\n%s", row.name, got, w.Text())
			}
			w.Press("enter")
			w.Wait(time.Second)
			if n := len(w.engine.Snapshot().Transfers); (n > 0) != row.enter {
				t.Errorf("%s: %d transfers after enter", row.name, n)
			}
		})
	}
}
